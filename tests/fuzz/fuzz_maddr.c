/*
 * Any bytes as a multiaddr, in text and in binary: one form that is accepted must give the other,
 * and come back; endpoints come apart and together again.
 */
#include "codec/maddr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            __builtin_trap();                                                                      \
    } while (0)

static void accepted(px_view addr)
{
    char text[PXI_MADDR_TEXT];
    struct pxi_maddr back;
    struct pxi_endpoint e, f;
    px_diag diag;
    MUST(pxi_maddr_check(addr, &diag) == PX_ERR_OK);
    px_view v = px_view_str(pxi_maddr_text(addr, text));
    MUST(pxi_maddr_parse(v, &back, &diag) == PX_ERR_OK);
    MUST(px_view_equal(addr, pxi_maddr_view(&back)));
    if (pxi_endpoint_of(addr, &e) != PX_ERR_OK)
        return;
    struct pxi_maddr place = pxi_endpoint_maddr(&e);
    MUST(pxi_ip_kind_of(&e) <= PXI_IP_PUBLIC);
    if (!place.n)
        return;
    MUST(pxi_endpoint_of(pxi_maddr_view(&place), &f) == PX_ERR_OK);
    MUST(e.family == f.family && e.port == f.port && e.via == f.via && px_view_equal(e.dns, f.dns));
    MUST(addr.n >= place.n && memcmp(addr.p, place.b, place.n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pxi_maddr a;
    struct pxi_maddr_part part;
    px_diag diag = {.offset = 0};
    px_view in = px_view_of(data, size);
    if (pxi_maddr_parse(in, &a, &diag) == PX_ERR_OK)
        accepted(pxi_maddr_view(&a));
    else
        MUST(diag.offset <= size && diag.field[0]);
    if (pxi_maddr_check(in, &diag) == PX_ERR_OK)
        accepted(in);
    size_t at = 0;
    while (pxi_maddr_next(in, &at, &part))
        MUST(part.value.n <= size);
    MUST(at <= size);
    return 0;
}
