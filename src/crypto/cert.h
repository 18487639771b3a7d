/*
 * The certificate of libp2p TLS (libp2p specification, tls/tls.md): self-signed, one in the chain,
 * with an extension in which the host key signs the certificate's key. TLS over TCP and QUIC share
 * it.
 */
#ifndef PXI_CRYPTO_CERT_H
#define PXI_CRYPTO_CERT_H

#include <stdbool.h>

#include "crypto/hash.h"
#include "crypto/key.h"

enum { PXI_CERT_MAX = 8192 }; /* bytes of a peer's certificate that are looked at */

struct pxi_cert;

/* A certificate of a fresh P-256 key for the host key: valid from a day before now (unix seconds)
 * for a hundred years. PX_ERR_NOMEM, or PX_ERR_FAILED when the host key cannot sign. */
px_err pxi_cert_new(const struct pxi_key *host, struct pxi_random *r, uint64_t now_s,
                    struct pxi_cert **out);
void pxi_cert_free(struct pxi_cert *c);

/* The certificate, and its private key as PKCS#8; both in DER, borrowed. */
px_view pxi_cert_der(const struct pxi_cert *c);
px_view pxi_cert_key_der(const struct pxi_cert *c);

/*
 * Check the only certificate of a peer's chain: version 3, valid now, signed by its own key (ECDSA
 * P-256 to P-521, RSA of 2048 to 4096 bits, Ed25519), no unknown critical extension, and the
 * libp2p extension signed by the host key, whose PublicKey protobuf goes to pubkey. That the chain
 * has one certificate, and that this key is the expected one, the caller checks. PX_ERR_CORRUPT
 * (malformed), PX_ERR_IDENTITY (a signature or the dates are wrong), PX_ERR_UNSUPPORTED (another
 * algorithm or a critical extension), PX_ERR_LIMIT (too long).
 */
px_err pxi_cert_verify(px_view der, uint64_t now_s, uint8_t pubkey[PXI_PUBKEY_MAX],
                       size_t *pubkey_n, px_diag *d);

/*
 * A peer's certificate that was checked: all that pxi_cert_verify checks but the dates. It says the
 * same whenever the same bytes come again, so that whoever keeps it (counted; one thread) checks
 * two signatures less. Errors as above.
 */
struct pxi_cert_peer;
px_err pxi_cert_peer_new(px_view der, struct pxi_cert_peer **out, px_diag *d);
struct pxi_cert_peer *pxi_cert_peer_keep(struct pxi_cert_peer *p);
void pxi_cert_peer_drop(struct pxi_cert_peer *p); /* NULL is allowed */
/* SHA-256 of the certificate. */
const uint8_t *pxi_cert_peer_digest(const struct pxi_cert_peer *p);
bool pxi_cert_peer_valid(const struct pxi_cert_peer *p, uint64_t now_s);
/* The PublicKey protobuf of the host. Borrowed. */
px_view pxi_cert_peer_host(const struct pxi_cert_peer *p);
/* Is this the signature of a message by the certificate's key, under a scheme of TLS 1.3 (RFC 8446
 * section 4.2.3) for handshakes? */
bool pxi_cert_peer_signed(const struct pxi_cert_peer *p, unsigned scheme, px_view message,
                          px_view signature);

#endif
