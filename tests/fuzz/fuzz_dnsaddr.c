/* Any bytes as the answer of a name server: addresses that come out are whole, and not too many. */
#include "net/dnsaddr.h"

#include <stdlib.h>

#include "px_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pxi_dnsaddr all, some;
    struct pxi_peer nobody = {0}, want = {0};
    struct pxi_endpoint e;
    px_err err = pxi_dnsaddr_read(px_view_of(data, size), &nobody, &all);
    CHECK((err == PX_ERR_OK) == (all.n > 0 && err != PX_ERR_PROTOCOL));
    CHECK(all.n <= PXI_LIMIT_DNSADDR_ADDRS);
    for (unsigned i = 0; i < all.n; i++) {
        CHECK_EQ(pxi_maddr_check(pxi_maddr_view(&all.addr[i]), NULL), PX_ERR_OK);
        CHECK_EQ(pxi_endpoint_of(pxi_maddr_view(&all.addr[i]), &e), PX_ERR_OK);
        want = e.peer;
    }
    if (!want.n || err != PX_ERR_OK)
        return 0;
    CHECK_EQ(pxi_dnsaddr_read(px_view_of(data, size), &want, &some), PX_ERR_OK);
    CHECK(some.n >= 1 && some.n <= PXI_LIMIT_DNSADDR_ADDRS);
    return 0;
}
