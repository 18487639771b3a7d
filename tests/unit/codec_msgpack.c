/* The check of MessagePack: every type, every cut, and claims without bytes behind them. */
#include "codec/msgpack.h"

#include "base/limits.h"
#include "px_test.h"

static px_diag diag;

static px_err check(const char *s, size_t n)
{
    uint8_t *p = px_guarded(n, 0);
    memcpy(p, s, n);
    px_err err = pxi_msgpack_check(px_view_of(p, n), &diag);
    munmap((void *)((uintptr_t)p & ~(uintptr_t)4095), 4096);
    return err;
}

static const struct {
    const char *bytes;
    size_t n;
} good[] = {
#define V(s)                                                                                       \
    {                                                                                              \
        s, sizeof(s) - 1                                                                           \
    }
    V("\x00"),
    V("\x7f"),
    V("\xe0"),
    V("\xff"),
    V("\xc0"),
    V("\xc2"),
    V("\xc3"),
    V("\x80"),
    V("\x90"),
    V("\xa0"),
    V("\xc4\x00"),
    V("\xc5\x00\x01z"),
    V("\xc6\x00\x00\x00\x01z"),
    V("\xc7\x02\x05zz"),
    V("\xc8\x00\x01\x05z"),
    V("\xc9\x00\x00\x00\x00\x05"),
    V("\xca"
      "1234"),
    V("\xcb"
      "12345678"),
    V("\xcc"
      "1"),
    V("\xcd"
      "12"),
    V("\xce"
      "1234"),
    V("\xcf"
      "12345678"),
    V("\xd0"
      "1"),
    V("\xd1"
      "12"),
    V("\xd2"
      "1234"),
    V("\xd3"
      "12345678"),
    V("\xd4\x01"
      "1"),
    V("\xd5\x01"
      "12"),
    V("\xd6\x01"
      "1234"),
    V("\xd7\x01"
      "12345678"),
    V("\xd8\x01"
      "1234567812345678"),
    V("\xd9\x02\xc3\xa9"),
    V("\xda\x00\x01z"),
    V("\xdb\x00\x00\x00\x01z"),
    V("\xdc\x00\x01\xc0"),
    V("\xdd\x00\x00\x00\x00"),
    V("\xde\x00\x01\x01\x02"),
    V("\xdf\x00\x00\x00\x01\xa1z\x90"),
    V("\x82\xa1"
      "a\x01\xa1"
      "b\xc3"),
    V("\x82\xa1"
      "a\x01\xa1"
      "a\x02"),
    V("\x92\x91\x91\x01\x81\x90\x80"),
};

TEST(every_type_and_every_cut)
{
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (check(good[i].bytes, good[i].n) != PX_ERR_OK)
            PX_FAIL("refused %zu: %s at %llu", i, diag.field, (unsigned long long)diag.offset);
        for (size_t n = 0; n < good[i].n; n++) {
            CHECK_EQ(check(good[i].bytes, n), PX_ERR_TRUNCATED);
            CHECK(diag.offset <= n);
        }
        char more[64];
        memcpy(more, good[i].bytes, good[i].n);
        more[good[i].n] = 1;
        CHECK_EQ(check(more, good[i].n + 1), PX_ERR_CORRUPT);
        CHECK_EQ(diag.offset, good[i].n);
    }
}

TEST(refused)
{
    CHECK_EQ(check("\xc1", 1), PX_ERR_CORRUPT);
    CHECK_EQ(check("\xa2\xff\xfe", 3), PX_ERR_CORRUPT);
    CHECK_STR(diag.field, "string");
    CHECK_EQ(diag.offset, 1);
    CHECK_EQ(check("\x81\xa1\xff\x01", 4), PX_ERR_CORRUPT);
    CHECK_EQ(check("\xdd\xff\xff\xff\xff", 5), PX_ERR_TRUNCATED);
    CHECK_STR(diag.field, "array");
    CHECK_EQ(check("\xdf\x80\x00\x00\x00\xc0\xc0", 7), PX_ERR_TRUNCATED);
    CHECK_STR(diag.field, "map");
    CHECK_EQ(check("\xc6\x7f\xff\xff\xff", 5), PX_ERR_TRUNCATED);
    CHECK_EQ(check("\xc9\xff\xff\xff\xff\x01", 6), PX_ERR_TRUNCATED);
}

TEST(depth)
{
    char in[PXI_LIMIT_MSGPACK_DEPTH + 2];
    memset(in, 0x91, sizeof in);
    in[PXI_LIMIT_MSGPACK_DEPTH] = 1;
    CHECK_EQ(check(in, PXI_LIMIT_MSGPACK_DEPTH + 1), PX_ERR_OK);
    in[PXI_LIMIT_MSGPACK_DEPTH] = (char)0x91;
    in[PXI_LIMIT_MSGPACK_DEPTH + 1] = 1;
    CHECK_EQ(check(in, PXI_LIMIT_MSGPACK_DEPTH + 2), PX_ERR_LIMIT);
    CHECK_STR(diag.field, "depth");
}

TEST_MAIN()
