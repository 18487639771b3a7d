/* Records of TLS 1.3 in one direction (RFC 8446, sections 5 and 7). Inside of this folder only. */
#ifndef PXI_CRYPTO_TLS_RECORD_H
#define PXI_CRYPTO_TLS_RECORD_H

#include "crypto/hash.h"
#include "crypto/tls.h"

#include <openssl/evp.h>

enum pxi_tls_content {
    PXI_TLS_CHANGE = 20, /* of cipher spec: said for the sake of boxes on the way */
    PXI_TLS_ALERT = 21,
    PXI_TLS_HANDSHAKE = 22,
    PXI_TLS_DATA = 23,
};

/* One direction: its traffic secret and what follows from it. */
struct pxi_tls_half {
    EVP_CIPHER_CTX *ctx;
    const EVP_CIPHER *cipher;
    uint8_t secret[PXI_DIGEST], iv[12];
    uint64_t seq;
    bool sealing;
};

/* Start from a traffic secret, with sequence number 0. 0 when memory is out. */
int pxi_tls_half_start(struct pxi_tls_half *h, const EVP_CIPHER *cipher, bool sealing,
                       const uint8_t secret[PXI_DIGEST]);
/* The next generation of the secret (KeyUpdate). */
int pxi_tls_half_update(struct pxi_tls_half *h);
void pxi_tls_half_end(struct pxi_tls_half *h);

/* Seal n bytes of one content type, with gaps (NULL: none), to out: the length of the record, 0 on
 * failure. */
size_t pxi_tls_half_seal(struct pxi_tls_half *h, enum pxi_tls_content type, const uint8_t *plain,
                         size_t n, const struct pxi_gaps *gaps, uint8_t *out);
/* Open a whole record (header and all, n bytes) in place, but for what lands (NULL: nothing);
 * `land` is shortened to that, and n == 0 when nothing did. Padding is gone. 0 when it is forged or
 * empty of a type. */
int pxi_tls_half_open(struct pxi_tls_half *h, uint8_t *record, size_t n, struct pxi_landing *land,
                      uint8_t *type, size_t *plain_n);

#endif
