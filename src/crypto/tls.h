/*
 * libp2p TLS (tls/tls.md) without input and output: bytes of the wire in, plaintext out, and the
 * other way round. crypto/shake does the handshake of TLS 1.3 (RFC 8446), both sides with
 * certificates of crypto/cert; records are sealed and opened here, in place. An open connection
 * keeps two cipher contexts and no buffer.
 */
#ifndef PXI_CRYPTO_TLS_H
#define PXI_CRYPTO_TLS_H

#include "crypto/gaps.h"
#include "crypto/shake.h"

enum {
    PXI_TLS_HEAD = 5,      /* bytes before the ciphertext of a record */
    PXI_TLS_TAIL = 17,     /* bytes that a record adds after the plaintext */
    PXI_TLS_PLAIN = 16384, /* plaintext of a full record */
    PXI_TLS_RECORD = PXI_TLS_HEAD + PXI_TLS_PLAIN + PXI_TLS_TAIL,
};

struct pxi_tls_options {
    struct pxi_shaker *shaker; /* our certificate; must outlive the handshake */
    bool server;
    /* Application protocols, best first; must outlive the handshake. The server takes the first of
     * the client's that it has. At most 255 bytes each, PXI_LIMIT_TLS_ALPN of them. */
    const char *const *alpn;
    size_t alpn_n;
    uint64_t now_s;         /* unix seconds, for the dates of the peer's certificate */
    uint64_t rekey_records; /* new keys after so many records; 0: before AES-GCM wears out */
};

struct pxi_tls;

/* One side of a connection; a client has its first flight to drain at once. NULL: no memory. */
struct pxi_tls *pxi_tls_new(const struct pxi_tls_options *o);
void pxi_tls_free(struct pxi_tls *t);

/*
 * Give bytes from the wire. They are borrowed, and decrypted in place, until pxi_tls_read has
 * answered with no bytes; only an incomplete record is copied then. Feed again only after that.
 */
void pxi_tls_feed(struct pxi_tls *t, uint8_t *bytes, size_t n);

/*
 * The next plaintext of what was fed: *n bytes at *out, valid until the next call of feed or read;
 * 0 bytes: feed more. Also moves the handshake: look at pxi_tls_ready and drain afterwards. An
 * error is final, and its alert waits to be drained: PX_ERR_IDENTITY (certificate),
 * PX_ERR_NO_PROTOCOL (no common application protocol), PX_ERR_PROTOCOL (an alert of the peer in the
 * handshake, too), PX_ERR_NOMEM, or PX_ERR_RESET after an alert of the peer later on. Orderly end:
 * 0 bytes and pxi_tls_closed.
 */
px_err pxi_tls_read(struct pxi_tls *t, uint8_t **out, size_t *n);

/* Where bytes of the next record are to go instead of where they lie; a record comes in pieces
 * then. NULL: nowhere. */
void pxi_tls_land(struct pxi_tls *t, const struct pxi_landing *land);

/* Handshake flights, alerts and key updates to send: bytes written, 0 when there are none. */
size_t pxi_tls_drain(struct pxi_tls *t, uint8_t *out, size_t cap);
/* Bytes that wait to be drained. */
size_t pxi_tls_pending(const struct pxi_tls *t);

/* The handshake is finished: both may send. A client's server may still refuse its certificate. */
bool pxi_tls_ready(const struct pxi_tls *t);
/* The peer has ended its direction in good order. */
bool pxi_tls_closed(const struct pxi_tls *t);
/* The agreed application protocol; empty when the peer offered or chose none. Borrowed. */
px_view pxi_tls_alpn(const struct pxi_tls *t);
/* The PublicKey protobuf that the peer proved to own. Borrowed; empty before ready. */
px_view pxi_tls_peer(const struct pxi_tls *t);

/*
 * One record of n (1 to PXI_TLS_PLAIN) plaintext bytes at out: PXI_TLS_HEAD + n + PXI_TLS_TAIL
 * bytes, the number returned. `plain` may be out + PXI_TLS_HEAD (in place), else they must not
 * overlap. 0: not ready, closed, failed, or something must be drained first.
 */
size_t pxi_tls_seal(struct pxi_tls *t, const uint8_t *plain, size_t n, uint8_t *out);
/* The same, with gaps in the plaintext. */
size_t pxi_tls_seal_gaps(struct pxi_tls *t, const uint8_t *plain, size_t n,
                         const struct pxi_gaps *gaps, uint8_t *out);

/* Drain, then as many records of plain as fit in cap: bytes written; *taken of plain were used. */
size_t pxi_tls_write(struct pxi_tls *t, px_view plain, uint8_t *out, size_t cap, size_t *taken);

/* End our direction: close_notify waits to be drained, nothing can be sealed any more. */
void pxi_tls_close(struct pxi_tls *t);

#endif
