#include "node/reduce_address.h"

#include <string.h>

#include "base/diag.h"
#include "codec/maddr.h"

px_err pxi_reduce_address(const char *text, struct pxi_udp_addr *out, px_diag *d)
{
    struct pxi_maddr a;
    struct pxi_maddr_part part;
    px_err err = pxi_maddr_parse(px_view_str(text), &a, d);
    if (err)
        return err;
    px_view v = pxi_maddr_view(&a);
    bool four = pxi_maddr_find(v, PXI_MA_IP4, &part);
    pxi_diag_field(d, "address %s", text);
    if (!four && !pxi_maddr_find(v, PXI_MA_IP6, &part))
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "/ip4 or /ip6", "neither");
    out->family = four ? 4 : 6;
    memcpy(out->ip, part.value.p, part.value.n);
    if (!pxi_maddr_find(v, PXI_MA_UDP, &part))
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "/udp", "none");
    out->port = (uint16_t)(part.value.p[0] << 8 | part.value.p[1]);
    return PX_ERR_OK;
}
