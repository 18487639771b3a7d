/* ChaCha20-Poly1305 (RFC 8439) and X25519 (RFC 7748) by libcrypto: what Noise needs. */
#ifndef PXI_CRYPTO_AEAD_H
#define PXI_CRYPTO_AEAD_H

#include "crypto/gaps.h"
#include "crypto/random.h"
#include "plexus/view.h"

enum { PXI_AEAD_KEY = 32, PXI_AEAD_TAG = 16, PXI_X25519 = 32 };

struct pxi_aead;

/* A context for one direction under one key; NULL when memory is out. */
struct pxi_aead *pxi_aead_new(const uint8_t key[PXI_AEAD_KEY], int sealing);
void pxi_aead_free(struct pxi_aead *a);
/* Encrypt n bytes (out may be in), tag after them: n + 16 bytes at out. Nonce: 4 zero bytes and the
 * counter, little-endian, as Noise has it. 1, or 0 on failure. */
int pxi_aead_seal(struct pxi_aead *a, uint64_t counter, px_view ad, const uint8_t *in, size_t n,
                  uint8_t *out);
/* Decrypt n bytes of which the last 16 are the tag; n - 16 bytes at out (may be in). 0: forged. */
int pxi_aead_open(struct pxi_aead *a, uint64_t counter, px_view ad, const uint8_t *in, size_t n,
                  uint8_t *out);
/* The same from plaintext with gaps, and in place but for what lands (land->lead + land->n is at
 * most n - 16); either may be NULL. */
int pxi_aead_seal_gaps(struct pxi_aead *a, uint64_t counter, px_view ad, const uint8_t *in,
                       size_t n, const struct pxi_gaps *gaps, uint8_t *out);
int pxi_aead_open_land(struct pxi_aead *a, uint64_t counter, px_view ad, uint8_t *bytes, size_t n,
                       const struct pxi_landing *land);

/* Key pair from random bytes, and the shared secret; 0 when the result is all zero (small-order
 * point), which every caller must treat as an attack. */
void pxi_x25519_keypair(struct pxi_random *r, uint8_t secret[PXI_X25519], uint8_t pub[PXI_X25519]);
int pxi_x25519(const uint8_t secret[PXI_X25519], const uint8_t pub[PXI_X25519],
               uint8_t out[PXI_X25519]);

#endif
