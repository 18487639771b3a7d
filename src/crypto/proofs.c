/* Signatures that were found right, remembered by their digests. */
#include "crypto/proofs.h"

#include "base/limits.h"
#include "base/mem.h"
#include "crypto/key.h"

/* Of the three, none of which can be taken for another: lengths go in front. 0: no memory. */
static int digest(px_view pubkey, px_view message, px_view signature, uint8_t out[PXI_DIGEST])
{
    const uint64_t lengths[] = {pubkey.n, message.n, signature.n};
    struct pxi_sha256 *h = pxi_sha256_begin();
    if (!h)
        return 0;
    pxi_sha256_add(h, px_view_of(lengths, sizeof lengths));
    pxi_sha256_add(h, pubkey);
    pxi_sha256_add(h, message);
    pxi_sha256_add(h, signature);
    pxi_sha256_end(h, out);
    return 1;
}

void pxi_proofs_deinit(struct pxi_proofs *p)
{
    pxi_free(p->known);
    p->known = NULL;
}

int pxi_proofs_verify(struct pxi_proofs *p, px_view pubkey, px_view message, px_view signature)
{
    uint8_t d[PXI_DIGEST];
    if (!p || !digest(pubkey, message, signature, d))
        return pxi_verify(pubkey, message, signature);
    size_t at = (d[0] | (size_t)d[1] << 8) % PXI_LIMIT_PROOFS;
    if (p->known && memcmp(p->known[at], d, sizeof d) == 0)
        return 1;
    int ok = pxi_verify(pubkey, message, signature);
    if (ok && !p->known)
        p->known = pxi_calloc(PXI_LIMIT_PROOFS, sizeof *p->known);
    if (ok && p->known)
        memcpy(p->known[at], d, sizeof d);
    return ok;
}
