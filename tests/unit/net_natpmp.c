/* NAT-PMP by the bytes of RFC 6886, and every wrong length. */
#include "net/natpmp.h"

#include "px_test.h"

TEST(requests_are_those_of_the_rfc)
{
    uint8_t b[PXI_NATPMP_REQUEST];
    static const uint8_t map[] = {0, 2, 0, 0, 0x0f, 0xa1, 0x0f, 0xa2, 0, 0, 0x1c, 0x20};
    CHECK_EQ(pxi_natpmp_request(b, PXI_NATPMP_ADDRESS, 0, 0, 0), 2);
    CHECK(b[0] == 0 && b[1] == 0);
    CHECK_EQ(pxi_natpmp_request(b, PXI_NATPMP_TCP, 4001, 4002, 7200), sizeof map);
    CHECK(memcmp(b, map, sizeof map) == 0);
}

TEST(answers_are_read_and_clamped)
{
    static const uint8_t address[] = {0, 128, 0, 0, 0, 0, 1, 0, 45, 0, 1, 2};
    uint8_t map[] = {0, 129, 0, 0, 0, 0, 1, 0, 0x0f, 0xa1, 0x0f, 0xa2, 255, 255, 255, 255};
    struct pxi_natpmp_answer a;
    CHECK_EQ(pxi_natpmp_read(px_view_of(address, sizeof address), &a), PX_ERR_OK);
    CHECK(a.op == PXI_NATPMP_ADDRESS && a.ip[0] == 45 && a.ip[3] == 2 && a.epoch_s == 256);
    CHECK_EQ(pxi_natpmp_read(px_view_of(map, sizeof map), &a), PX_ERR_OK);
    CHECK(a.op == PXI_NATPMP_UDP && a.inside == 4001 && a.outside == 4002);
    CHECK_EQ(a.lifetime_s, 86400);
    for (size_t n = 0; n < sizeof map; n++)
        CHECK_EQ(pxi_natpmp_read(px_view_of(map, n), &a), PX_ERR_CORRUPT);
    map[3] = 2; /* not authorized: eight bytes are enough */
    CHECK_EQ(pxi_natpmp_read(px_view_of(map, 8), &a), PX_ERR_OK);
    CHECK_EQ(a.result, 2);
    for (int op = 0; op < 256; op++) {
        map[1] = (uint8_t)op;
        px_err err = pxi_natpmp_read(px_view_of(map, sizeof map), &a);
        CHECK_EQ(err, op >= 128 && op <= 130 ? PX_ERR_OK : PX_ERR_CORRUPT);
    }
}

TEST_MAIN()
