/* The handshake of libp2p TLS by libssl, which is freed when it is done. */
#include "base/limits.h"
#include "crypto/libcrypto.h"
#include "crypto/tls_state.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

enum { ALPN_WIRE = 2048, AES_128_GCM_SHA256 = 0x1301, RECORDS_OF_A_KEY = 1 << 24 };

struct pxi_tls_handshake {
    SSL *ssl;
    const char *const *alpn;
    size_t alpn_n;
    uint64_t now_s;
    px_err verdict;                 /* on the peer's certificate */
    uint8_t secrets[2][PXI_DIGEST]; /* of the application's bytes: the client's, the server's */
    unsigned secrets_n;
};

/* ---- bytes in and out ---- */

static int bio_read(BIO *b, char *out, size_t cap, size_t *n)
{
    struct pxi_tls *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    *n = cap < t->fed_n ? cap : t->fed_n;
    if (*n == 0) {
        BIO_set_retry_read(b);
        return 0;
    }
    memcpy(out, t->fed, *n);
    t->fed += *n;
    t->fed_n -= *n;
    return 1;
}

static int bio_write(BIO *b, const char *p, size_t n, size_t *done)
{
    struct pxi_tls *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    *done = pxi_buf_add(&t->queue, p, n) ? n : 0;
    return *done == n;
}

static long bio_ctrl(BIO *b, int what, long n, void *p)
{
    return what == BIO_CTRL_FLUSH;
}

static BIO_METHOD *pipe_method;
static CRYPTO_ONCE pipe_once = CRYPTO_ONCE_STATIC_INIT;

static void pipe_make(void)
{
    pipe_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "plexus");
    if (pipe_method) {
        BIO_meth_set_read_ex(pipe_method, bio_read);
        BIO_meth_set_write_ex(pipe_method, bio_write);
        BIO_meth_set_ctrl(pipe_method, bio_ctrl);
    }
}

static BIO *pipe_new(struct pxi_tls *t)
{
    BIO *b =
        CRYPTO_THREAD_run_once(&pipe_once, pipe_make) && pipe_method ? BIO_new(pipe_method) : NULL;
    if (b) {
        BIO_set_data(b, t);
        BIO_set_init(b, 1);
    }
    return b;
}

/* ---- what libssl asks us ---- */

static int has(const struct pxi_tls_handshake *s, px_view name)
{
    for (size_t i = 0; i < s->alpn_n; i++)
        if (px_view_is(name, s->alpn[i]))
            return 1;
    return 0;
}

/* The server takes the first of the client's protocols that it has. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                       const unsigned char *in, unsigned in_n, void *arg)
{
    const struct pxi_tls *t = SSL_get_app_data(ssl);
    for (unsigned at = 0; at < in_n && at + 1u + in[at] <= in_n; at += 1u + in[at])
        if (has(t->shake, px_view_of(in + at + 1, in[at]))) {
            *out = in + at + 1;
            *out_n = in[at];
            return SSL_TLSEXT_ERR_OK;
        }
    t->shake->verdict = PX_ERR_NO_PROTOCOL;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* In place of libssl's search for a chain: one certificate, and it proves the host key. */
static int check_peer(X509_STORE_CTX *store, void *arg)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct pxi_tls *t = SSL_get_app_data(ssl);
    uint8_t *der = NULL, pub[PXI_PUBKEY_MAX];
    size_t pub_n = 0;
    px_err err = PX_ERR_IDENTITY;
    X509 *x = X509_STORE_CTX_get0_cert(store);
    int n = x && sk_X509_num(X509_STORE_CTX_get0_untrusted(store)) == 1 ? i2d_X509(x, &der) : 0;
    if (n > 0)
        err = pxi_cert_verify(px_view_of(der, (size_t)n), t->shake->now_s, pub, &pub_n, NULL);
    OPENSSL_free(der);
    if (!err && !pxi_buf_add(&t->peer, pub, pub_n))
        err = PX_ERR_NOMEM;
    t->shake->verdict = !err || err == PX_ERR_NOMEM ? err : PX_ERR_IDENTITY;
    X509_STORE_CTX_set_error(store, err ? X509_V_ERR_CERT_REJECTED : X509_V_OK);
    return !err;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* libssl tells its secrets in text, for debuggers; we take over its records with two of them. */
static void take_secret(const SSL *ssl, const char *line)
{
    static const char *const labels[] = {"CLIENT_TRAFFIC_SECRET_0 ", "SERVER_TRAFFIC_SECRET_0 "};
    struct pxi_tls *t = SSL_get_app_data(ssl);
    const char *at = strrchr(line, ' ');
    if (!t || !t->shake || !at || strlen(++at) != 2 * PXI_DIGEST)
        return;
    for (unsigned i = 0; i < 2; i++) {
        if (strncmp(line, labels[i], strlen(labels[i])) != 0)
            continue;
        for (unsigned j = 0; j < PXI_DIGEST; j++)
            t->shake->secrets[i][j] =
                (uint8_t)(hex_digit(at[2 * j]) << 4 | hex_digit(at[2 * j + 1]));
        t->shake->secrets_n |= 1u << i;
    }
}

/* ---- what all connections with a certificate share ---- */

static int cpu_has_aes(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("aes") != 0;
#elif defined(__aarch64__) && defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_AES) != 0;
#else
    return 0;
#endif
}

static int set_up(SSL_CTX *ctx, const struct pxi_cert *cert)
{
    static const char aes_first[] = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";
    static const char chacha_first[] = "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
    px_view der = pxi_cert_der(cert), key = pxi_cert_key_der(cert);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_clear_options(ctx, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 0);
    SSL_CTX_set_max_cert_list(ctx, PXI_CERT_MAX);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, check_peer, NULL);
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
    SSL_CTX_set_keylog_callback(ctx, take_secret);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) &&
           SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) && SSL_CTX_set_num_tickets(ctx, 0) &&
           SSL_CTX_set_ciphersuites(ctx, cpu_has_aes() ? aes_first : chacha_first) &&
           SSL_CTX_set1_groups_list(ctx, "X25519:P-256") &&
           SSL_CTX_set1_sigalgs_list(ctx, "ECDSA+SHA256:ed25519:ECDSA+SHA384:ECDSA+SHA512:"
                                          "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512") &&
           SSL_CTX_use_certificate_ASN1(ctx, (int)der.n, der.p) &&
           SSL_CTX_use_PrivateKey_ASN1(EVP_PKEY_EC, ctx, key.p, (long)key.n);
}

static void drop_ctx(void *ctx)
{
    SSL_CTX_free(ctx);
}

static SSL_CTX *ctx_of(const struct pxi_cert *cert)
{
    SSL_CTX *ctx = pxi_cert_slot_get(cert);
    if (ctx)
        return ctx;
    ctx = SSL_CTX_new(TLS_method());
    if (!ctx || !set_up(ctx, cert)) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX *kept = pxi_cert_slot_set(cert, ctx, drop_ctx);
    if (kept != ctx)
        SSL_CTX_free(ctx);
    return kept;
}

/* ---- the handshake ---- */

/* The client's list in the form of the wire. 1 on success. */
static int offer_alpn(struct pxi_tls_handshake *s)
{
    uint8_t wire[ALPN_WIRE];
    size_t n = 0;
    for (size_t i = 0; i < s->alpn_n; i++) {
        size_t len = strlen(s->alpn[i]);
        if (len == 0 || len > 255 || n + 1 + len > sizeof wire)
            return 0;
        wire[n++] = (uint8_t)len;
        memcpy(wire + n, s->alpn[i], len);
        n += len;
    }
    return n == 0 || SSL_set_alpn_protos(s->ssl, wire, (unsigned)n) == 0; /* 0 is its success */
}

static int start(struct pxi_tls *t, const struct pxi_tls_options *o)
{
    struct pxi_tls_handshake *s = t->shake;
    SSL_CTX *ctx = ctx_of(o->cert);
    BIO *pipe = pipe_new(t);
    s->alpn = o->alpn;
    s->alpn_n = o->alpn_n;
    s->now_s = o->now_s;
    s->ssl = ctx && pipe ? SSL_new(ctx) : NULL;
    if (!s->ssl || !SSL_set_app_data(s->ssl, t)) {
        BIO_free(pipe);
        return 0;
    }
    SSL_set_bio(s->ssl, pipe, pipe);
    if (o->server)
        SSL_set_accept_state(s->ssl);
    else
        SSL_set_connect_state(s->ssl);
    return o->server || (offer_alpn(s) && pxi_tls_handshake_step(t) == PX_ERR_OK);
}

struct pxi_tls *pxi_tls_new(const struct pxi_tls_options *o)
{
    struct pxi_tls *t = pxi_calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->server = o->server;
    t->rekey_records = o->rekey_records ? o->rekey_records : RECORDS_OF_A_KEY;
    t->queue.max = PXI_LIMIT_TLS_QUEUE;
    t->partial.max = PXI_TLS_RECORD + 256;
    t->peer.max = PXI_PUBKEY_MAX;
    t->alpn.max = 255;
    t->shake = pxi_calloc(1, sizeof *t->shake);
    if (t->shake && o->alpn_n <= PXI_LIMIT_TLS_ALPN && start(t, o))
        return t;
    ERR_clear_error();
    pxi_tls_free(t);
    return NULL;
}

void pxi_tls_handshake_end(struct pxi_tls *t)
{
    if (!t->shake)
        return;
    SSL_free(t->shake->ssl);
    OPENSSL_cleanse(t->shake, sizeof *t->shake);
    pxi_free(t->shake);
    t->shake = NULL;
}

/* Take over from libssl: protocol and keys. */
static px_err finish(struct pxi_tls *t)
{
    struct pxi_tls_handshake *s = t->shake;
    const struct pxi_algs *algs = pxi_algs();
    const unsigned char *alpn;
    unsigned alpn_n;
    SSL_get0_alpn_selected(s->ssl, &alpn, &alpn_n);
    if (alpn_n && !has(s, px_view_of(alpn, alpn_n)))
        return PX_ERR_PROTOCOL; /* a server that chose what we did not offer */
    if (SSL_has_pending(s->ssl) || s->secrets_n != 3 || t->peer.n == 0)
        return PX_ERR_FAILED;
    const EVP_CIPHER *cipher =
        SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(s->ssl)) == AES_128_GCM_SHA256
            ? algs->aes_128_gcm
            : algs->chacha20_poly1305;
    if (!pxi_tls_half_start(&t->in, cipher, false, s->secrets[!t->server]) ||
        !pxi_tls_half_start(&t->out, cipher, true, s->secrets[t->server]) ||
        (alpn_n && !pxi_buf_add(&t->alpn, alpn, alpn_n)))
        return PX_ERR_NOMEM;
    pxi_tls_handshake_end(t);
    return PX_ERR_OK;
}

/* Why libssl gave up. */
static px_err reason(const struct pxi_tls_handshake *s)
{
    unsigned long e = ERR_peek_error();
    if (s->verdict)
        return s->verdict;
    if (ERR_GET_LIB(e) != ERR_LIB_SSL)
        return PX_ERR_PROTOCOL;
    switch (ERR_GET_REASON(e)) {
    case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: return PX_ERR_NO_PROTOCOL;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return PX_ERR_IDENTITY;
    default: return PX_ERR_PROTOCOL;
    }
}

px_err pxi_tls_handshake_step(struct pxi_tls *t)
{
    struct pxi_tls_handshake *s = t->shake;
    px_err err = PX_ERR_OK;
    ERR_clear_error();
    int rc = SSL_do_handshake(s->ssl);
    if (rc == 1)
        err = finish(t);
    else if (SSL_get_error(s->ssl, rc) != SSL_ERROR_WANT_READ)
        err = reason(s);
    ERR_clear_error();
    t->err = err;
    return err;
}
