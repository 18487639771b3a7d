/* Inside the handshake of TLS 1.3: its state, and what its files share. */
#ifndef PXI_CRYPTO_SHAKE_STATE_H
#define PXI_CRYPTO_SHAKE_STATE_H

#include "base/cursor.h"
#include "base/limits.h"
#include "crypto/aead.h"
#include "crypto/shake.h"

#include <openssl/evp.h>

enum { CLIENT_HELLO = 1, SERVER_HELLO = 2, ENCRYPTED_EXTENSIONS = 8, CERTIFICATE = 11 };
enum { CERTIFICATE_REQUEST = 13, CERTIFICATE_VERIFY = 15, FINISHED = 20, MESSAGE_HASH = 254 };
enum { EXT_GROUPS = 10, EXT_SIGNATURES = 13, EXT_ALPN = 16, EXT_VERSIONS = 43, EXT_COOKIE = 44 };
enum { EXT_KEY_SHARE = 51, EXT_QUIC = 57 };
enum { GROUP_P256 = 23, GROUP_X25519 = 29, ECDSA_P256_SHA256 = 0x0403 };
enum { TLS_1_2 = 0x0303, TLS_1_3 = 0x0304, SHARE_MAX = 65, PARAMS_MAX = 1024 };
enum { SESSION_MAX = 32 };
enum pxi_shake_alerts {
    ALERT_UNEXPECTED_MESSAGE = 10,
    ALERT_HANDSHAKE_FAILURE = 40,
    ALERT_BAD_CERTIFICATE = 42,
    ALERT_UNSUPPORTED_CERTIFICATE = 43,
    ALERT_CERTIFICATE_EXPIRED = 45,
    ALERT_ILLEGAL_PARAMETER = 47,
    ALERT_DECODE_ERROR = 50,
    ALERT_DECRYPT_ERROR = 51,
    ALERT_PROTOCOL_VERSION = 70,
    ALERT_INTERNAL_ERROR = 80,
    ALERT_MISSING_EXTENSION = 109,
    ALERT_UNSUPPORTED_EXTENSION = 110,
    ALERT_CERTIFICATE_REQUIRED = 116,
    ALERT_NO_PROTOCOL = 120,
};

/* What it waits for. */
enum pxi_shake_wait { WAIT_HELLO, WAIT_EE, WAIT_CR, WAIT_CERT, WAIT_CV, WAIT_FIN, WAIT_NONE };

struct pxi_shaker {
    struct pxi_random *random;
    struct pxi_spare *spare;
    bool aes; /* the processor has it */
    EVP_PKEY *key;
    EVP_PKEY_CTX *sign; /* with the key */
    struct pxi_buf der;
    uint8_t early[PXI_DIGEST];                        /* the key schedule up to the shared secret */
    struct pxi_cert_peer *peers[PXI_LIMIT_TLS_CERTS]; /* by the digest's first bytes */
};

struct pxi_shake {
    struct pxi_shake_options o;
    struct pxi_shaker *all;
    bool server, quic, retried;
    uint8_t wait, alert;
    uint8_t alpn;      /* of our protocols, from 1 on; 0: none */
    uint8_t session_n; /* a server echoes the client's */
    uint8_t session[SESSION_MAX];
    uint16_t suite, group;
    uint8_t secret[PXI_X25519];                            /* of our key share, X25519 */
    EVP_PKEY *own;                                         /* or P-256 */
    struct pxi_buf in;                                     /* a message that is not whole yet */
    struct pxi_buf transcript;                             /* of both sides */
    uint8_t random[32];                                    /* of the client's hello */
    uint8_t client[PXI_DIGEST], server_secret[PXI_DIGEST]; /* traffic secrets of the handshake */
    uint8_t master[PXI_DIGEST];
    uint8_t client_app[PXI_DIGEST]; /* a server's for later */
    struct pxi_cert_peer *peer;
    uint64_t now_s;
};

/* Bytes of messages that are being written; failed: memory was out. */
struct pxi_maker {
    struct pxi_buf b;
    bool failed;
};

static inline void put(struct pxi_maker *m, px_view v)
{
    m->failed |= v.n && !pxi_buf_add(&m->b, v.p, v.n);
}

/* A number of `bytes` bytes, big-endian. */
static inline void put_uint(struct pxi_maker *m, uint32_t v, unsigned bytes)
{
    uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    put(m, px_view_of(b + 4 - bytes, bytes));
}

/* Begin and end what has its length in front, in `bytes` bytes. */
static inline size_t put_open(struct pxi_maker *m, unsigned bytes)
{
    put_uint(m, 0, bytes);
    return m->b.n;
}

static inline void put_close(struct pxi_maker *m, size_t at, unsigned bytes)
{
    size_t n = m->b.n - at;
    for (unsigned i = 0; i < bytes && !m->failed; i++)
        m->b.p[at - 1 - i] = (uint8_t)(n >> (8 * i));
}

/* A number, and a field with its length in front, big-endian. */
static inline uint32_t take_uint(struct pxi_cursor *c, unsigned bytes)
{
    px_view v = pxi_cursor_take(c, bytes);
    uint32_t x = 0;
    for (size_t i = 0; i < v.n; i++)
        x = x << 8 | v.p[i];
    return x;
}

static inline px_view take_field(struct pxi_cursor *c, unsigned bytes)
{
    return pxi_cursor_take(c, take_uint(c, bytes));
}

static inline bool take_done(const struct pxi_cursor *c)
{
    return !c->failed && !pxi_cursor_left(c);
}

/* ------------------------------------------------------------------ shake.c */

px_err pxi_shake_fail(struct pxi_shake *s, uint8_t alert, px_err err);
/* Add a message to the transcript. */
px_err pxi_shake_note(struct pxi_shake *s, px_view message);
/* Note and send all that was made, and free it. */
px_err pxi_shake_flush(struct pxi_shake *s, enum pxi_shake_level level, struct pxi_maker *m);

/* ------------------------------------------------------------ shake_hello.c */

void pxi_shake_put_signatures(struct pxi_maker *m);
/* Some of our protocols. */
void pxi_shake_put_alpn(struct pxi_maker *m, const char *const *names, size_t n);
/* The place of a name among our protocols, from 1 on; 0: it is none of them. */
uint8_t pxi_shake_find_alpn(const struct pxi_shake *s, px_view name);
/* Nothing when the carrier is not QUIC. */
px_err pxi_shake_put_params(struct pxi_shake *s, struct pxi_maker *m);
px_err pxi_shake_put_client_hello(struct pxi_shake *s, px_view cookie);
/* Whole messages, with their headers. */
px_err pxi_shake_take_client_hello(struct pxi_shake *s, px_view message);
px_err pxi_shake_take_server_hello(struct pxi_shake *s, px_view message);

/* ------------------------------------------------------------- shake_keys.c */

void pxi_shake_early(uint8_t out[PXI_DIGEST]);
/* Hash of the transcript so far. */
void pxi_shake_hash(const struct pxi_shake *s, uint8_t out[PXI_DIGEST]);
/* Make our share of the group of s: bytes written to pub, 0: no memory. */
size_t pxi_shake_share(struct pxi_shake *s, uint8_t pub[SHARE_MAX]);
/* The handshake's secrets from the peer's share and the transcript up to the server's hello; the
 * carrier gets them. */
px_err pxi_shake_agree(struct pxi_shake *s, px_view share);
/* The application's, from the transcript up to the server's Finished. */
void pxi_shake_application(struct pxi_shake *s, uint8_t client[PXI_DIGEST],
                           uint8_t server[PXI_DIGEST]);
/* The content of a Finished under this secret, for the transcript so far. */
void pxi_shake_finished(const struct pxi_shake *s, const uint8_t secret[PXI_DIGEST],
                        uint8_t out[PXI_DIGEST]);
/* What a CertificateVerify signs, for the transcript so far; bytes written. */
enum { PXI_SHAKE_SIGNED = 64 + 33 + 1 + PXI_DIGEST };
size_t pxi_shake_signed(const struct pxi_shake *s, bool server, uint8_t out[PXI_SHAKE_SIGNED]);

#endif
