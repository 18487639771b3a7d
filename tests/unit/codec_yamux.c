/* Headers of yamux frames: the layout, and every rule that makes one invalid. */
#include "codec/yamux.h"

#include "px_test.h"

static px_diag diag;
static struct pxi_yamux_header h;

static px_err get(const char *bytes)
{
    return pxi_yamux_get((const uint8_t *)bytes, &h, &diag);
}

TEST(layout)
{
    uint8_t out[PXI_YAMUX_HEADER];
    struct pxi_yamux_header in = {PXI_YAMUX_UPDATE, PXI_YAMUX_SYN, 0x01020304, 0xa0b0c0d0};
    pxi_yamux_put(out, &in);
    CHECK(memcmp(out, "\x00\x01\x00\x01\x01\x02\x03\x04\xa0\xb0\xc0\xd0", sizeof out) == 0);
    CHECK_EQ(pxi_yamux_get(out, &h, &diag), PX_ERR_OK);
    CHECK(h.type == in.type && h.flags == in.flags && h.stream == in.stream &&
          h.length == in.length);
}

TEST(refuses)
{
    static const struct {
        const char *bytes;
        unsigned at;
        const char *field;
    } rows[] = {
        {"\x01\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00", 0, "version"},
        {"\x00\x04\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00", 1, "type"},
        {"\x00\xff\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00", 1, "type"},
        {"\x00\x00\x00\x10\x00\x00\x00\x01\x00\x00\x00\x00", 2, "flags"},
        {"\x00\x00\x80\x00\x00\x00\x00\x01\x00\x00\x00\x00", 2, "flags"},
        {"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 4, "stream"},
        {"\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00", 4, "stream"},
        {"\x00\x02\x00\x01\x00\x00\x00\x05\x00\x00\x00\x00", 4, "stream"},
        {"\x00\x03\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00", 4, "stream"},
        {"\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03", 8, "reason"},
        {"\x00\x03\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff", 8, "reason"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK(get(rows[i].bytes) != PX_ERR_OK);
        CHECK_EQ(diag.offset, rows[i].at);
        CHECK_STR(diag.field, rows[i].field);
    }
    CHECK_EQ(get("\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02"), PX_ERR_OK);
    CHECK_EQ(get("\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x10\x01"), PX_ERR_OK); /* of libp2p */
    CHECK_EQ(get("\x00\x02\x00\x02\x00\x00\x00\x00\xff\xff\xff\xff"), PX_ERR_OK);
}

TEST(who_may_open)
{
    CHECK(pxi_yamux_may_open(1, true) && !pxi_yamux_may_open(2, true));
    CHECK(pxi_yamux_may_open(2, false) && !pxi_yamux_may_open(3, false));
}

TEST_MAIN()
