/* Any bytes as a captured frame: the first two say its link type and how much was left out. */
#include <stdlib.h>

#include "codec/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool good)
{
    if (!good)
        abort();
}

static void within(px_view part, px_view whole)
{
    need(!part.n || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned links[] = {
        PXI_LINK_NULL,  PXI_LINK_ETHERNET, PXI_LINK_RAW,  PXI_LINK_LOOP, PXI_LINK_SLL,
        PXI_LINK_USER0, PXI_LINK_IPV4,     PXI_LINK_IPV6, PXI_LINK_SLL2, 1000};
    if (size < 2)
        return 0;
    struct pxi_pcap_record r = {.number = 1,
                                .link = links[data[0] % (sizeof links / sizeof *links)],
                                .bytes = px_view_of(data + 2, size - 2)};
    r.length = (uint32_t)(size - 2) + data[1];
    struct pxi_frame f;
    enum pxi_frame_skip why = PXI_FRAME_SKIPS;
    if (!pxi_frame_read(&r, &f, &why)) {
        need(why < PXI_FRAME_SKIPS);
        need(why != PXI_FRAME_CUT || data[1]); /* all of it is there */
        return 0;
    }
    within(f.payload, r.bytes);
    within(f.src, r.bytes);
    within(f.dst, r.bytes);
    need(f.whole || data[1]);
    need(f.ip == 0 || (f.src.n == (f.ip == 4 ? 4u : 16u) && f.dst.n == f.src.n));
    return 0;
}
