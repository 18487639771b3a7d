/*
 * Signatures that were found right once, by digest of key, message and signature: peers that come
 * again show the same ones (their Noise key, their signed addresses), and checking costs 150 us.
 * Belongs to one thread.
 */
#ifndef PXI_CRYPTO_PROOFS_H
#define PXI_CRYPTO_PROOFS_H

#include "crypto/hash.h"

/* Zero: none is known. */
struct pxi_proofs {
    uint8_t (*known)[PXI_DIGEST]; /* PXI_LIMIT_PROOFS of them, by their first bytes; NULL: none */
};

void pxi_proofs_deinit(struct pxi_proofs *p);
/* pxi_verify (crypto/key.h), which is asked only for what is not known. p may be NULL. */
int pxi_proofs_verify(struct pxi_proofs *p, px_view pubkey, px_view message, px_view signature);

#endif
