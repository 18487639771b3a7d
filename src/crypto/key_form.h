/* Building libcrypto keys from the bytes of the wire. Inside of this folder only. */
#ifndef PXI_CRYPTO_KEY_FORM_H
#define PXI_CRYPTO_KEY_FORM_H

#include "crypto/key.h"

#include <openssl/evp.h>

/* The two fields of PublicKey and PrivateKey: type and data, both present, in order, minimal
 * lengths, nothing else (peer-ids specification). */
px_err pxi_key_fields(px_view in, enum pxi_key_type *type, px_view *data, px_diag *d);
/* Append the protobuf of the two fields. 0 when it does not fit. */
int pxi_key_wrap(enum pxi_key_type type, px_view data, struct pxi_buf *out);

/* Public keys. All return NULL when the bytes are not a key of the kind. */
EVP_PKEY *pxi_ec_public(const char *group, px_view point);
/* RSA modulus and exponent from PKIX DER; *bits tells the size even of a refused key. */
EVP_PKEY *pxi_rsa_public(px_view der, size_t *bits);
/* An EC public key from PKIX DER: named P-256, P-384 or P-521, uncompressed point. */
EVP_PKEY *pxi_pkix_ec_public(px_view der);
/* EC key pair from a private number of 32 to 66 bytes, big-endian. */
EVP_PKEY *pxi_ec_private(int nid, px_view scalar);

/* Sign and verify with the hash that libp2p uses for the type. */
size_t pxi_pkey_sign(EVP_PKEY *k, enum pxi_key_type type, px_view message,
                     uint8_t out[PXI_SIGNATURE_MAX]);
int pxi_pkey_verify(EVP_PKEY *k, enum pxi_key_type type, px_view message, px_view signature);

#endif
