/* Digests: SHA-256 and HMAC by libcrypto, BLAKE3 our own (no packaged C library has it). */
#ifndef PXI_CRYPTO_HASH_H
#define PXI_CRYPTO_HASH_H

#include "plexus/view.h"

enum { PXI_DIGEST = 32 };

void pxi_sha256(px_view in, uint8_t out[PXI_DIGEST]);
void pxi_hmac_sha256(px_view key, px_view in, uint8_t out[PXI_DIGEST]);
/* HKDF of Noise: `count` (2 or 3) outputs of 32 bytes from a chaining key and input material. */
void pxi_noise_hkdf(const uint8_t ck[PXI_DIGEST], px_view ikm, unsigned count,
                    uint8_t out[][PXI_DIGEST]);
void pxi_blake3(px_view in, uint8_t out[PXI_DIGEST]);

/* SHA-256 of bytes that come in pieces (libcrypto below); free with pxi_sha256_end or _drop. */
struct pxi_sha256;
struct pxi_sha256 *pxi_sha256_begin(void);
void pxi_sha256_add(struct pxi_sha256 *h, px_view in);
void pxi_sha256_end(struct pxi_sha256 *h, uint8_t out[PXI_DIGEST]);
void pxi_sha256_drop(struct pxi_sha256 *h);

#endif
