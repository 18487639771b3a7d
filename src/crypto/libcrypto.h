/*
 * What crypto shares of libcrypto: algorithms fetched once, and contexts that are kept for reuse.
 * Nothing outside this folder includes it.
 */
#ifndef PXI_CRYPTO_LIBCRYPTO_H
#define PXI_CRYPTO_LIBCRYPTO_H

#include "crypto/gaps.h"

#include <openssl/evp.h>
#include <stdatomic.h>

struct pxi_algs {
    EVP_MD *sha256;
    EVP_CIPHER *chacha20_poly1305, *aes_128_gcm;
};

/* The fetched algorithms. Without them (a broken libcrypto) no caller could go on: it traps. */
const struct pxi_algs *pxi_algs(void);

/* One step of a cipher over n plaintext bytes with gaps (NULL: none) to out, which is plain or
 * elsewhere. 1, or 0 on failure. */
int pxi_cipher_gather(EVP_CIPHER_CTX *ctx, const uint8_t *plain, size_t n,
                      const struct pxi_gaps *gaps, uint8_t *out);
/* The same over n bytes of ciphertext, in place but for those that land (NULL: none do). */
int pxi_cipher_scatter(EVP_CIPHER_CTX *ctx, uint8_t *bytes, size_t n,
                       const struct pxi_landing *land);

/* Digest contexts for one short use. Always succeeds: one context exists from the start, and a
 * caller waits for it when memory is out. Give it back soon. */
EVP_MD_CTX *pxi_md_take(void);
void pxi_md_give(EVP_MD_CTX *ctx);

#endif
