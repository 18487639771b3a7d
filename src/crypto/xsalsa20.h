/*
 * XSalsa20 (Bernstein, "Extending the Salsa20 nonce"): the stream that hides the connections of a
 * private swarm (libp2p specification, pnet). It authenticates nothing.
 */
#ifndef PXI_CRYPTO_XSALSA20_H
#define PXI_CRYPTO_XSALSA20_H

#include <stddef.h>
#include <stdint.h>

enum { PXI_XSALSA20_KEY = 32, PXI_XSALSA20_NONCE = 24, PXI_SALSA20_BLOCK = 64 };

/* One direction; caller's storage, nothing to free. Cleanse it when the key is secret. */
struct pxi_xsalsa20 {
    uint32_t state[16];               /* of the next block, counter and all */
    uint8_t block[PXI_SALSA20_BLOCK]; /* the block in use */
    unsigned used;                    /* bytes of it that are spent */
};

void pxi_xsalsa20_init(struct pxi_xsalsa20 *x, const uint8_t key[PXI_XSALSA20_KEY],
                       const uint8_t nonce[PXI_XSALSA20_NONCE]);

/* out = in XOR the next n bytes of the stream; out may be in. */
void pxi_xsalsa20_xor(struct pxi_xsalsa20 *x, const uint8_t *in, uint8_t *out, size_t n);

/* For tests: the same by the i-th form that this processor can run (0: the fastest); 0: no more. */
int pxi_xsalsa20_xor_form(unsigned i, struct pxi_xsalsa20 *x, const uint8_t *in, uint8_t *out,
                          size_t n);

#endif
