/* Varints: every length, the shortest form only, and what is not all there yet. */
#include "codec/varint.h"

#include "px_test.h"

TEST(round_trips_at_every_length)
{
    uint8_t out[PXI_VARINT_MAX];
    for (unsigned bit = 0; bit < 63; bit++)
        for (int d = -1; d <= 1; d++) {
            uint64_t v = ((uint64_t)1 << bit) + (uint64_t)(int64_t)d, back = 7;
            if (v >> 63)
                continue;
            size_t n = pxi_varint_put(out, v);
            CHECK_EQ(n, pxi_varint_size(v));
            CHECK_EQ(pxi_varint_get(px_view_of(out, n), &back), n);
            CHECK(back == v);
            for (size_t cut = 0; cut < n; cut++)
                CHECK_EQ(pxi_varint_get(px_view_of(out, cut), &back), 0);
        }
}

TEST(vectors)
{
    static const struct {
        uint64_t v;
        const char *bytes;
        int n;
    } rows[] = {
        {0, "\x00", 1},       {1, "\x01", 1},       {127, "\x7f", 1},          {128, "\x80\x01", 2},
        {255, "\xff\x01", 2}, {300, "\xac\x02", 2}, {16384, "\x80\x80\x01", 3}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t out[PXI_VARINT_MAX];
        uint64_t v;
        CHECK_EQ(pxi_varint_put(out, rows[i].v), rows[i].n);
        CHECK(memcmp(out, rows[i].bytes, (size_t)rows[i].n) == 0);
        CHECK_EQ(pxi_varint_get(px_view_of(rows[i].bytes, (size_t)rows[i].n), &v), rows[i].n);
        CHECK(v == rows[i].v);
    }
}

TEST(malformed)
{
    uint64_t v;
    CHECK_EQ(pxi_varint_get(px_view_of("\x80\x00", 2), &v), -1);
    CHECK_EQ(pxi_varint_get(px_view_of("\x81\x80\x00", 3), &v), -1);
    CHECK_EQ(pxi_varint_get(px_view_of("\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 9), &v), 9);
    CHECK(v == UINT64_MAX >> 1);
    CHECK_EQ(pxi_varint_get(px_view_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10), &v), -1);
    CHECK_EQ(pxi_varint_get(px_view_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9), &v), -1);
    CHECK_EQ(pxi_varint_get(px_view_of("\xff\xff\xff\xff\xff\xff\xff\xff", 8), &v), 0);
    CHECK_EQ(pxi_varint_get(px_view_of(NULL, 0), &v), 0);
}

TEST_MAIN()
