/* Any bytes as a peer's certificate: what is taken names a public key that we can read. */
#include "crypto/cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            __builtin_trap();                                                                      \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t pub[PXI_PUBKEY_MAX];
    size_t n;
    px_diag d = {0};
    px_err err = pxi_cert_verify(px_view_of(data, size), 1750000000, pub, &n, &d);
    MUST((err == PX_ERR_OK) == (n > 0));
    MUST(err == PX_ERR_OK || d.field[0]);
    if (err)
        return 0;
    struct pxi_pubkey *k;
    MUST(pxi_pubkey_decode(px_view_of(pub, n), &k, NULL) == PX_ERR_OK);
    pxi_pubkey_free(k);
    return 0;
}
