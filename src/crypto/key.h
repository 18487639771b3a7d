/*
 * Identities: private and public keys in libp2p's protobuf forms (peer-ids specification), by
 * libcrypto. Ed25519 is what we make; secp256k1, RSA (2048 to 4096 bits) and ECDSA P-256 are made
 * for tests and verified for everybody.
 */
#ifndef PXI_CRYPTO_KEY_H
#define PXI_CRYPTO_KEY_H

#include "base/mem.h"
#include "crypto/random.h"
#include "plexus/err.h"

enum pxi_key_type { PXI_KEY_RSA, PXI_KEY_ED25519, PXI_KEY_SECP256K1, PXI_KEY_ECDSA };
enum { PXI_PUBKEY_MAX = 1024, PXI_SIGNATURE_MAX = 512 };

struct pxi_key;    /* private */
struct pxi_pubkey; /* public */

/* A new key; Ed25519 seeds come from r. NULL when memory is out. */
struct pxi_key *pxi_key_new(enum pxi_key_type type, struct pxi_random *r);
/* Ed25519 key of a 32-byte seed. */
struct pxi_key *pxi_key_from_seed(const uint8_t seed[32]);
/* From and to the PrivateKey protobuf (the 96-byte Ed25519 form is read too). */
px_err pxi_key_decode(px_view in, struct pxi_key **out, px_diag *d);
px_err pxi_key_encode(const struct pxi_key *k, struct pxi_buf *out);
void pxi_key_free(struct pxi_key *k);
enum pxi_key_type pxi_key_type_of(const struct pxi_key *k);
/* The PublicKey protobuf, borrowed from the key. */
px_view pxi_key_public(const struct pxi_key *k);
/* Sign; bytes written to out, 0 on failure. */
size_t pxi_key_sign(const struct pxi_key *k, px_view message, uint8_t out[PXI_SIGNATURE_MAX]);

/* Parse and check a PublicKey protobuf (curve points, RSA of 2048 to 4096 bits). */
px_err pxi_pubkey_decode(px_view in, struct pxi_pubkey **out, px_diag *d);
void pxi_pubkey_free(struct pxi_pubkey *k);
/* 1 when the signature is right, else 0. */
int pxi_pubkey_verify(const struct pxi_pubkey *k, px_view message, px_view signature);
/* Both at once, for callers that verify only once. 1 when right. */
int pxi_verify(px_view pubkey, px_view message, px_view signature);

#endif
