/* Any bytes as a request to the helper, and as its answer: what is accepted is sane and comes back
 * as it was. */
#include <string.h>

#include "base/limits.h"
#include "io/xdpd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            __builtin_trap();                                                                      \
    } while (0)

static void request(px_view bytes)
{
    struct pxi_xdpd_request r, back;
    struct pxi_xdp_options o;
    if (!pxi_xdpd_read(bytes, &r, &o))
        return;
    MUST(bytes.n == sizeof r && pxi_xdp_sane(&o) && o.port >= PXI_XDPD_LEAST_PORT);
    MUST(pxi_xdp_map_bytes(&o) <= PXI_LIMIT_XDPD_BYTES);
    MUST(!o.device ||
         (strlen(o.device) < PXI_XDPD_DEVICE && o.device[0] && !strchr(o.device, '/')));
    MUST(!o.untagged && !o.endless && !o.helper);
    MUST(pxi_xdpd_write(&o, &back) && memcmp(&back, &r, sizeof r) == 0);
}

static void answer(px_view bytes)
{
    struct pxi_xdpd_answer a;
    if (pxi_xdpd_heard(bytes, &a))
        MUST(strlen(a.said) < sizeof a.said && strlen(a.expected) < sizeof a.expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    request(px_view_of(data, size));
    answer(px_view_of(data, size));
    return 0;
}
