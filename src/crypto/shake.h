/*
 * The handshake of TLS 1.3 (RFC 8446) for a carrier that protects the bytes: records over TCP
 * (crypto/tls) or QUIC (RFC 9001), as libp2p has it (tls/tls.md): both sides show a certificate of
 * crypto/cert; no resumption, no early data, no tickets. AES-128-GCM or ChaCha20-Poly1305 with
 * SHA-256; X25519, or P-256 for those who have nothing else. Messages in, messages and secrets out.
 */
#ifndef PXI_CRYPTO_SHAKE_H
#define PXI_CRYPTO_SHAKE_H

#include "crypto/cert.h"
#include "crypto/spare.h"

/* The keys under which messages go, as RFC 9001 calls them. */
enum pxi_shake_level { PXI_SHAKE_INITIAL, PXI_SHAKE_HANDSHAKE, PXI_SHAKE_APPLICATION };
enum pxi_shake_suite { PXI_SUITE_AES_128_GCM = 0x1301, PXI_SUITE_CHACHA20_POLY1305 = 0x1303 };

/* What a handshake asks of the carrier, from inside its calls. An error ends it. */
struct pxi_shake_events {
    /* Carry these bytes to the other side, reliably and in order. */
    px_err (*send)(void *ctx, enum pxi_shake_level level, px_view bytes);
    /* Secrets of a level, PXI_DIGEST bytes; either may be NULL, it comes later. */
    px_err (*keys)(void *ctx, enum pxi_shake_level level, enum pxi_shake_suite suite,
                   const uint8_t *rx, const uint8_t *tx);
    /* Our transport parameters: bytes written, 0: they cannot be had. NULL: the carrier is not
     * QUIC, which needs them, and an application protocol, and no session id. */
    size_t (*own_params)(void *ctx, uint8_t *out, size_t cap);
    /* The other side's. NULL with own_params. */
    px_err (*params)(void *ctx, px_view bytes);
    /* The PublicKey protobuf that the certificate names; proven once the handshake is done. */
    px_err (*peer)(void *ctx, px_view pubkey);
};

/* What all handshakes of a host share: its certificate, and those of peers that it has checked. It
 * and its handshakes belong to one thread. */
struct pxi_shaker;
struct pxi_shaker_options {
    const struct pxi_cert *cert; /* not needed after the call */
    struct pxi_random *random;
    struct pxi_spare *spare; /* where key shares come from; NULL: they are made when needed */
};
/* PX_ERR_NOMEM, or PX_ERR_INVALID when the certificate is none. */
px_err pxi_shaker_new(const struct pxi_shaker_options *o, struct pxi_shaker **out);
/* After all its handshakes. NULL is allowed. */
void pxi_shaker_free(struct pxi_shaker *all);

struct pxi_shake_options {
    struct pxi_shaker *all;
    const struct pxi_shake_events *on;
    void *ctx; /* goes to the events */
    /* Application protocols, best first; they outlive it. The server takes the first of the
     * client's that it has. At most 255 bytes each, PXI_LIMIT_TLS_ALPN of them. */
    const char *const *alpn;
    size_t alpn_n;
    bool server;
    bool only_aes; /* no ChaCha20 where the processor has AES */
};

struct pxi_shake;
/* One side of a handshake; NULL: no memory, or names that cannot be. */
struct pxi_shake *pxi_shake_new(const struct pxi_shake_options *o);
/* NULL is allowed. */
void pxi_shake_free(struct pxi_shake *s);
/* The client's first message. */
px_err pxi_shake_start(struct pxi_shake *s);
/*
 * Bytes of handshake messages, in order, as they come. now_s: unix seconds, for the certificate's
 * dates. An error is final: PX_ERR_IDENTITY (certificate), PX_ERR_NO_PROTOCOL, PX_ERR_PROTOCOL,
 * PX_ERR_NOMEM, or what an event returned.
 */
px_err pxi_shake_feed(struct pxi_shake *s, enum pxi_shake_level level, px_view bytes,
                      uint64_t now_s);
/* The alert for the other side after an error (RFC 8446 section 6). */
uint8_t pxi_shake_alert(const struct pxi_shake *s);
bool pxi_shake_done(const struct pxi_shake *s);
/* The agreed application protocol, one of ours; NULL: none was offered or chosen. */
const char *pxi_shake_alpn(const struct pxi_shake *s);
/* May a change_cipher_spec come now? Not before a hello, nor inside a message. */
bool pxi_shake_between(const struct pxi_shake *s);
/* A server whose client has a session id, which wants to see change_cipher_spec. */
bool pxi_shake_compatible(const struct pxi_shake *s);

#endif
