/*
 * A secure channel: a handshake that proves who the remote is, then plaintext in both directions.
 * Wire bytes are pushed in and decrypted where they lie, or to where they are used; wire bytes are
 * pulled out, and the channel asks the layer above to fill plaintext straight into the output,
 * where it is sealed. Plaintext that was lent is not even filled: it is sealed from where it lies
 * (crypto/gaps.h). Noise (net/noise.c), TLS 1.3 (net/secure_tls.c), plaintext (tests).
 */
#ifndef PXI_NET_SECURE_H
#define PXI_NET_SECURE_H

#include "codec/peer.h"
#include "crypto/gaps.h"
#include "crypto/key.h"
#include "crypto/proofs.h"
#include "crypto/spare.h"
#include "net/fault.h"

#define PXI_NOISE_ID "/noise"
#define PXI_TLS_ID   "/tls/1.0.0"

enum {
    PXI_SECURE_CAP = 32768, /* least room of a pull */
    PXI_SECURE_FILL = 1024, /* least room that `fill` is asked to use */
};

struct pxi_secure;

/* What the channel tells the layer above, all from inside push and pull. */
struct pxi_secure_events {
    /* The handshake is over; s->peer, s->pubkey and s->muxer are set. Plaintext may follow. */
    void (*ready)(void *above);
    /* Plaintext arrived. */
    void (*plain)(void *above, const uint8_t *bytes, size_t n);
    /* The channel itself has something to send: pull soon. */
    void (*wake)(void *above);
    /* Write up to cap bytes of plaintext to out; 0: nothing to send. Only after ready. Where bytes
     * were lent there are gaps instead, which are sealed before anything else happens. */
    size_t (*fill)(void *above, uint8_t *out, size_t cap, struct pxi_gaps *gaps);
    /* Where bytes of the next plaintext would be at home; it comes in pieces then. n == 0: decrypt
     * it where it lies. A channel need not ask; the event may be NULL. */
    struct pxi_landing (*land)(void *above);
};

struct pxi_secure_ops {
    /* n bytes arrived; they may be changed. An error ends the channel. */
    px_err (*push)(struct pxi_secure *s, uint8_t *bytes, size_t n);
    /* Write up to cap (at least PXI_SECURE_CAP) bytes to out; 0: nothing to send. An error that
     * sealing meets is left in s->err. */
    size_t (*pull)(struct pxi_secure *s, uint8_t *out, size_t cap);
    /* Give buffers back that were not needed since the last call; true: there are more. */
    bool (*tidy)(struct pxi_secure *s);
    void (*free)(struct pxi_secure *s);
};

struct pxi_secure {
    const struct pxi_secure_ops *ops;
    const struct pxi_secure_events *on;
    void *above;
    struct pxi_peer peer; /* proven */
    px_view pubkey;       /* PublicKey protobuf of the remote, owned by the channel */
    const char *muxer;    /* agreed inside the handshake, else NULL; static */
    enum pxi_fault fault; /* what an error of push counts as */
    px_err err;
    bool ready;
    bool holds; /* buffers that tidy could give back some time */
};

struct pxi_secure_options {
    const struct pxi_secure_events *on;
    void *above;
    bool outbound;
    struct pxi_peer expect; /* n == 0: anybody */
    const struct pxi_key *key;
    struct pxi_random *random;
    struct pxi_spare *spare;   /* of key pairs; NULL: they are made when needed */
    struct pxi_proofs *proofs; /* signatures that are known to be right; NULL: none is */
    uint64_t now_s;            /* unix seconds, for the dates of certificates */
};

#endif
