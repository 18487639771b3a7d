/* What plexus check asks of public keys. */
#include "crypto/check.h"

#include "base/diag.h"
#include "crypto/aead.h"
#include "crypto/key.h"

px_err pxi_pubkey_check(px_view bytes, px_diag *d)
{
    struct pxi_pubkey *k;
    px_err err = pxi_pubkey_decode(bytes, &k, d);
    pxi_pubkey_free(k);
    return err;
}

px_err pxi_x25519_check(px_view bytes, px_diag *d)
{
    /* Any secret will do: it is a multiple of 8, and that makes every small-order point zero. */
    uint8_t secret[PXI_X25519] = {8}, shared[PXI_X25519];
    pxi_diag_field(d, "x25519");
    if (bytes.n != PXI_X25519)
        return pxi_diag_set(d, bytes.n < PXI_X25519 ? PX_ERR_TRUNCATED : PX_ERR_CORRUPT, 0,
                            "32 bytes", "%zu", bytes.n);
    if (!pxi_x25519(secret, bytes.p, shared))
        return pxi_diag_set(d, PX_ERR_CORRUPT, 0, "a point of large order",
                            "a point that makes the secret zero");
    return PX_ERR_OK;
}
