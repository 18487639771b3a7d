/* The handshake of TLS 1.3: its messages after the hellos, in order, on both sides. */
#include "crypto/shake.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "crypto/libcrypto.h"
#include "crypto/shake_state.h"

/* ------------------------------------------------------------- life times */

static bool has_aes(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__) && defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_AES) != 0;
#else
    return false;
#endif
}

px_err pxi_shaker_new(const struct pxi_shaker_options *o, struct pxi_shaker **out)
{
    struct pxi_shaker *all = pxi_calloc(1, sizeof *all);
    px_view der = pxi_cert_der(o->cert), key = pxi_cert_key_der(o->cert);
    const unsigned char *p = key.p;
    *out = NULL;
    if (!all)
        return PX_ERR_NOMEM;
    all->random = o->random;
    all->spare = o->spare;
    all->aes = has_aes();
    all->der.max = PXI_CERT_MAX;
    all->key = d2i_AutoPrivateKey(NULL, &p, (long)key.n);
    px_err err = all->key ? PX_ERR_OK : PX_ERR_INVALID;
    if (!err && !(all->sign = EVP_PKEY_CTX_new_from_pkey(NULL, all->key, NULL)))
        err = PX_ERR_NOMEM;
    if (!err && (EVP_PKEY_sign_init(all->sign) <= 0 || !pxi_buf_add(&all->der, der.p, der.n)))
        err = PX_ERR_NOMEM;
    ERR_clear_error();
    if (err) {
        pxi_shaker_free(all);
        return err;
    }
    pxi_shake_early(all->early);
    *out = all;
    return PX_ERR_OK;
}

void pxi_shaker_free(struct pxi_shaker *all)
{
    if (!all)
        return;
    for (size_t i = 0; i < PXI_LIMIT_TLS_CERTS; i++)
        pxi_cert_peer_drop(all->peers[i]);
    EVP_PKEY_CTX_free(all->sign);
    EVP_PKEY_free(all->key);
    pxi_buf_deinit(&all->der);
    pxi_free(all);
}

static bool names_fit(const struct pxi_shake_options *o)
{
    bool fit = o->alpn_n <= PXI_LIMIT_TLS_ALPN;
    for (size_t i = 0; i < o->alpn_n && fit; i++) {
        size_t n = strlen(o->alpn[i]);
        fit = n >= 1 && n <= 255;
    }
    return fit;
}

struct pxi_shake *pxi_shake_new(const struct pxi_shake_options *o)
{
    struct pxi_shake *s = names_fit(o) ? pxi_calloc(1, sizeof *s) : NULL;
    if (!s)
        return NULL;
    s->o = *o;
    s->all = o->all;
    s->server = o->server;
    s->quic = o->on->own_params != NULL;
    s->group = GROUP_X25519;
    s->in.max = PXI_LIMIT_TLS_MESSAGE + 4;
    s->transcript.max = 4 * PXI_LIMIT_TLS_MESSAGE;
    return s;
}

void pxi_shake_free(struct pxi_shake *s)
{
    if (!s)
        return;
    EVP_PKEY_free(s->own);
    pxi_cert_peer_drop(s->peer);
    pxi_buf_deinit(&s->in);
    pxi_buf_deinit(&s->transcript);
    OPENSSL_cleanse(s, sizeof *s);
    pxi_free(s);
}

uint8_t pxi_shake_alert(const struct pxi_shake *s)
{
    return s->alert;
}

bool pxi_shake_done(const struct pxi_shake *s)
{
    return s->wait == WAIT_NONE && !s->alert;
}

const char *pxi_shake_alpn(const struct pxi_shake *s)
{
    return s->alpn ? s->o.alpn[s->alpn - 1] : NULL;
}

bool pxi_shake_between(const struct pxi_shake *s)
{
    return s->in.n == 0 && (!s->server || s->wait != WAIT_HELLO || s->retried);
}

bool pxi_shake_compatible(const struct pxi_shake *s)
{
    return s->server && s->session_n;
}

px_err pxi_shake_fail(struct pxi_shake *s, uint8_t alert, px_err err)
{
    s->alert = err == PX_ERR_NOMEM ? ALERT_INTERNAL_ERROR : alert;
    s->wait = WAIT_NONE;
    return err;
}

static px_err bad(struct pxi_shake *s, uint8_t alert)
{
    return pxi_shake_fail(s, alert, PX_ERR_PROTOCOL);
}

/* ----------------------------------------------------------------- writing */

px_err pxi_shake_note(struct pxi_shake *s, px_view message)
{
    return pxi_buf_add(&s->transcript, message.p, message.n)
               ? PX_ERR_OK
               : pxi_shake_fail(s, ALERT_INTERNAL_ERROR, PX_ERR_NOMEM);
}

px_err pxi_shake_flush(struct pxi_shake *s, enum pxi_shake_level level, struct pxi_maker *m)
{
    px_view v = px_view_of(m->b.p, m->b.n);
    px_err err =
        m->failed ? pxi_shake_fail(s, ALERT_INTERNAL_ERROR, PX_ERR_NOMEM) : pxi_shake_note(s, v);
    if (!err && (err = s->o.on->send(s->o.ctx, level, v)))
        pxi_shake_fail(s, ALERT_INTERNAL_ERROR, err);
    pxi_buf_deinit(&m->b);
    return err;
}

static void begin(struct pxi_maker *m, unsigned type, size_t *at)
{
    *m = (struct pxi_maker){.b = {.max = PXI_LIMIT_TLS_MESSAGE}};
    put_uint(m, type, 1);
    *at = put_open(m, 3);
}

static px_err end(struct pxi_shake *s, struct pxi_maker *m, size_t at)
{
    put_close(m, at, 3);
    return pxi_shake_flush(s, PXI_SHAKE_HANDSHAKE, m);
}

static px_err send_certificate(struct pxi_shake *s)
{
    struct pxi_maker m;
    size_t at;
    begin(&m, CERTIFICATE, &at);
    put_uint(&m, 0, 1); /* no context */
    size_t list = put_open(&m, 3), cert = put_open(&m, 3);
    put(&m, px_view_of(s->all->der.p, s->all->der.n));
    put_close(&m, cert, 3);
    put_uint(&m, 0, 2); /* no extensions */
    put_close(&m, list, 3);
    return end(s, &m, at);
}

static px_err send_certificate_verify(struct pxi_shake *s)
{
    struct pxi_maker m;
    uint8_t content[PXI_SHAKE_SIGNED], digest[PXI_DIGEST], sig[PXI_SIGNATURE_MAX];
    size_t n = sizeof sig, content_n = pxi_shake_signed(s, s->server, content), at;
    pxi_sha256(px_view_of(content, content_n), digest);
    int ok = EVP_PKEY_sign(s->all->sign, sig, &n, digest, sizeof digest) > 0;
    ERR_clear_error();
    if (!ok)
        return pxi_shake_fail(s, ALERT_INTERNAL_ERROR, PX_ERR_NOMEM);
    begin(&m, CERTIFICATE_VERIFY, &at);
    put_uint(&m, ECDSA_P256_SHA256, 2);
    size_t field = put_open(&m, 2);
    put(&m, px_view_of(sig, n));
    put_close(&m, field, 2);
    return end(s, &m, at);
}

static px_err send_finished(struct pxi_shake *s)
{
    struct pxi_maker m;
    uint8_t mac[PXI_DIGEST];
    size_t at;
    pxi_shake_finished(s, s->server ? s->server_secret : s->client, mac);
    begin(&m, FINISHED, &at);
    put(&m, px_view_of(mac, sizeof mac));
    return end(s, &m, at);
}

/* Our proof: certificate, signature, MAC. */
static px_err send_proof(struct pxi_shake *s)
{
    px_err err = send_certificate(s);
    if (!err)
        err = send_certificate_verify(s);
    return err ? err : send_finished(s);
}

/* EncryptedExtensions and CertificateRequest. */
static px_err send_extensions(struct pxi_shake *s)
{
    struct pxi_maker m;
    size_t at;
    begin(&m, ENCRYPTED_EXTENSIONS, &at);
    size_t list = put_open(&m, 2);
    if (s->alpn)
        pxi_shake_put_alpn(&m, &s->o.alpn[s->alpn - 1], 1);
    px_err err = pxi_shake_put_params(s, &m);
    put_close(&m, list, 2);
    if (err) {
        pxi_buf_deinit(&m.b);
        return err;
    }
    err = end(s, &m, at);
    if (err)
        return err;
    begin(&m, CERTIFICATE_REQUEST, &at);
    put_uint(&m, 0, 1);
    list = put_open(&m, 2);
    pxi_shake_put_signatures(&m);
    put_close(&m, list, 2);
    return end(s, &m, at);
}

px_err pxi_shake_start(struct pxi_shake *s)
{
    pxi_random_fill(s->all->random, s->random, sizeof s->random);
    return pxi_shake_put_client_hello(s, px_view_of(NULL, 0));
}

/* ----------------------------------------------------------------- reading */

static px_err keys(struct pxi_shake *s, const uint8_t *rx, const uint8_t *tx)
{
    px_err err = s->o.on->keys(s->o.ctx, PXI_SHAKE_APPLICATION, s->suite, rx, tx);
    return err ? pxi_shake_fail(s, ALERT_INTERNAL_ERROR, err) : PX_ERR_OK;
}

static px_err take_client_hello(struct pxi_shake *s, px_view message)
{
    uint8_t server_app[PXI_DIGEST];
    px_err err = pxi_shake_take_client_hello(s, message);
    if (err || s->wait == WAIT_HELLO)
        return err;
    err = send_extensions(s);
    if (!err)
        err = send_proof(s);
    if (err)
        return err;
    pxi_shake_application(s, s->client_app, server_app);
    err = keys(s, NULL, server_app);
    OPENSSL_cleanse(server_app, sizeof server_app);
    return err;
}

static px_view body_of(px_view message)
{
    return px_view_of(message.p + 4, message.n - 4);
}

/* What the server says to our protocols: one of them, or (over TCP) nothing. */
static uint8_t take_alpn(struct pxi_shake *s, struct pxi_cursor *e)
{
    struct pxi_cursor list = pxi_cursor_of(take_field(e, 2));
    px_view name = take_field(&list, 1);
    if (!s->o.alpn_n)
        return ALERT_UNSUPPORTED_EXTENSION;
    if (s->alpn || !take_done(&list) || !take_done(e))
        return ALERT_ILLEGAL_PARAMETER;
    s->alpn = pxi_shake_find_alpn(s, name);
    return s->alpn ? 0 : ALERT_ILLEGAL_PARAMETER;
}

static px_err take_params(struct pxi_shake *s, px_view params)
{
    if (!s->alpn)
        return pxi_shake_fail(s, ALERT_NO_PROTOCOL, PX_ERR_NO_PROTOCOL);
    if (!params.p)
        return bad(s, ALERT_MISSING_EXTENSION);
    px_err err = s->o.on->params(s->o.ctx, params);
    return err ? pxi_shake_fail(s, ALERT_ILLEGAL_PARAMETER, err) : PX_ERR_OK;
}

static px_err take_extensions(struct pxi_shake *s, px_view message)
{
    struct pxi_cursor c = pxi_cursor_of(body_of(message));
    struct pxi_cursor all = pxi_cursor_of(take_field(&c, 2));
    px_view params = {NULL, 0};
    while (!all.failed && pxi_cursor_left(&all)) {
        uint32_t type = take_uint(&all, 2);
        struct pxi_cursor e = pxi_cursor_of(take_field(&all, 2));
        uint8_t alert = 0;
        if (all.failed)
            break;
        if (type == EXT_ALPN)
            alert = take_alpn(s, &e);
        else if (type == EXT_QUIC && s->quic && !params.p)
            params = pxi_cursor_take(&e, pxi_cursor_left(&e));
        else if (type == EXT_QUIC && s->quic)
            alert = ALERT_ILLEGAL_PARAMETER;
        else if (type != EXT_GROUPS) /* for later connections; nobody keeps it */
            alert = ALERT_UNSUPPORTED_EXTENSION;
        if (alert)
            return bad(s, alert);
    }
    if (!take_done(&all) || !take_done(&c))
        return bad(s, ALERT_DECODE_ERROR);
    px_err err = s->quic ? take_params(s, params) : PX_ERR_OK;
    if (err)
        return err;
    s->wait = WAIT_CR;
    return pxi_shake_note(s, message);
}

static px_err take_request(struct pxi_shake *s, px_view message)
{
    struct pxi_cursor c = pxi_cursor_of(body_of(message));
    px_view context = take_field(&c, 1);
    struct pxi_cursor all = pxi_cursor_of(take_field(&c, 2));
    bool ecdsa = false;
    while (!all.failed && pxi_cursor_left(&all)) {
        uint32_t type = take_uint(&all, 2);
        struct pxi_cursor e = pxi_cursor_of(take_field(&all, 2));
        if (all.failed)
            break;
        struct pxi_cursor list = pxi_cursor_of(px_view_of(NULL, 0));
        if (type == EXT_SIGNATURES)
            list = pxi_cursor_of(take_field(&e, 2));
        while (!list.failed && pxi_cursor_left(&list))
            ecdsa |= take_uint(&list, 2) == ECDSA_P256_SHA256;
        all.failed |= list.failed || e.failed;
    }
    if (!take_done(&all) || !take_done(&c) || context.n)
        return bad(s, ALERT_DECODE_ERROR);
    if (!ecdsa)
        return bad(s, ALERT_HANDSHAKE_FAILURE);
    s->wait = WAIT_CERT;
    return pxi_shake_note(s, message);
}

/* Where a certificate with this digest lies, if it is there. */
static struct pxi_cert_peer **place(struct pxi_shaker *all, const uint8_t digest[PXI_DIGEST])
{
    return &all->peers[(digest[0] | (size_t)digest[1] << 8) % PXI_LIMIT_TLS_CERTS];
}

/* The only certificate of the peer: known, or checked now. */
static px_err meet(struct pxi_shake *s, px_view der)
{
    uint8_t digest[PXI_DIGEST];
    pxi_sha256(der, digest);
    struct pxi_cert_peer *known = *place(s->all, digest);
    px_err err = PX_ERR_OK;
    if (known && memcmp(pxi_cert_peer_digest(known), digest, sizeof digest) == 0)
        s->peer = pxi_cert_peer_keep(known);
    else
        err = pxi_cert_peer_new(der, &s->peer, NULL);
    if (err)
        return pxi_shake_fail(
            s, err == PX_ERR_UNSUPPORTED ? ALERT_UNSUPPORTED_CERTIFICATE : ALERT_BAD_CERTIFICATE,
            err == PX_ERR_NOMEM ? err : PX_ERR_IDENTITY);
    if (!pxi_cert_peer_valid(s->peer, s->now_s))
        return pxi_shake_fail(s, ALERT_CERTIFICATE_EXPIRED, PX_ERR_IDENTITY);
    err = s->o.on->peer(s->o.ctx, pxi_cert_peer_host(s->peer));
    return err ? pxi_shake_fail(s, ALERT_BAD_CERTIFICATE, err) : PX_ERR_OK;
}

static px_err take_certificate(struct pxi_shake *s, px_view message)
{
    struct pxi_cursor c = pxi_cursor_of(body_of(message));
    px_view context = take_field(&c, 1);
    struct pxi_cursor list = pxi_cursor_of(take_field(&c, 3));
    if (!take_done(&c) || context.n)
        return bad(s, ALERT_DECODE_ERROR);
    if (!pxi_cursor_left(&list))
        return pxi_shake_fail(s, s->server ? ALERT_CERTIFICATE_REQUIRED : ALERT_DECODE_ERROR,
                              PX_ERR_IDENTITY);
    px_view der = take_field(&list, 3), extensions = take_field(&list, 2);
    if (list.failed)
        return bad(s, ALERT_DECODE_ERROR);
    if (extensions.n)
        return bad(s, ALERT_UNSUPPORTED_EXTENSION);
    if (pxi_cursor_left(&list)) /* a chain */
        return pxi_shake_fail(s, ALERT_BAD_CERTIFICATE, PX_ERR_IDENTITY);
    px_err err = meet(s, der);
    if (err)
        return err;
    s->wait = WAIT_CV;
    return pxi_shake_note(s, message);
}

/* The peer has the certificate's key. Only now the certificate is worth to be remembered. */
static px_err take_certificate_verify(struct pxi_shake *s, px_view message)
{
    uint8_t content[PXI_SHAKE_SIGNED];
    struct pxi_cursor c = pxi_cursor_of(body_of(message));
    uint32_t scheme = take_uint(&c, 2);
    px_view sig = take_field(&c, 2);
    if (!take_done(&c))
        return bad(s, ALERT_DECODE_ERROR);
    size_t n = pxi_shake_signed(s, !s->server, content);
    if (!pxi_cert_peer_signed(s->peer, scheme, px_view_of(content, n), sig))
        return pxi_shake_fail(s, ALERT_DECRYPT_ERROR, PX_ERR_IDENTITY);
    struct pxi_cert_peer **at = place(s->all, pxi_cert_peer_digest(s->peer));
    if (*at != s->peer) {
        pxi_cert_peer_drop(*at);
        *at = pxi_cert_peer_keep(s->peer);
    }
    s->wait = WAIT_FIN;
    return pxi_shake_note(s, message);
}

/* The client, after the server's Finished: its proof, and both keys. */
static px_err conclude(struct pxi_shake *s)
{
    uint8_t client[PXI_DIGEST], server[PXI_DIGEST];
    pxi_shake_application(s, client, server);
    px_err err = send_proof(s);
    if (!err)
        err = keys(s, server, client);
    OPENSSL_cleanse(client, sizeof client);
    OPENSSL_cleanse(server, sizeof server);
    return err;
}

static px_err take_finished(struct pxi_shake *s, px_view message)
{
    uint8_t mac[PXI_DIGEST];
    px_view body = body_of(message);
    pxi_shake_finished(s, s->server ? s->client : s->server_secret, mac);
    if (body.n != sizeof mac)
        return bad(s, ALERT_DECODE_ERROR);
    if (CRYPTO_memcmp(mac, body.p, sizeof mac) != 0)
        return bad(s, ALERT_DECRYPT_ERROR);
    s->wait = WAIT_NONE;
    if (s->server)
        return keys(s, s->client_app, NULL);
    px_err err = pxi_shake_note(s, message);
    return err ? err : conclude(s);
}

static px_err take_message(struct pxi_shake *s, px_view message)
{
    static const struct {
        uint8_t type;
        px_err (*take)(struct pxi_shake *s, px_view message);
    } steps[] = {
        [WAIT_EE] = {ENCRYPTED_EXTENSIONS, take_extensions},
        [WAIT_CR] = {CERTIFICATE_REQUEST, take_request},
        [WAIT_CERT] = {CERTIFICATE, take_certificate},
        [WAIT_CV] = {CERTIFICATE_VERIFY, take_certificate_verify},
        [WAIT_FIN] = {FINISHED, take_finished},
    };
    uint8_t type = message.p[0];
    if (s->wait == WAIT_HELLO && type == (s->server ? CLIENT_HELLO : SERVER_HELLO))
        return s->server ? take_client_hello(s, message) : pxi_shake_take_server_hello(s, message);
    if (s->wait == WAIT_HELLO || s->wait == WAIT_NONE || type != steps[s->wait].type)
        return bad(s, ALERT_UNEXPECTED_MESSAGE);
    return steps[s->wait].take(s, message);
}

static enum pxi_shake_level level_of(const struct pxi_shake *s)
{
    return s->wait == WAIT_HELLO ? PXI_SHAKE_INITIAL : PXI_SHAKE_HANDSHAKE;
}

/* Whole messages at the front of what came in; those used up are left out afterwards. */
static px_err take_messages(struct pxi_shake *s, enum pxi_shake_level level, size_t *used)
{
    for (*used = 0; s->in.n - *used >= 4;) {
        const uint8_t *p = s->in.p + *used;
        size_t n = 4 + ((size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]);
        if (n > PXI_LIMIT_TLS_MESSAGE)
            return bad(s, ALERT_DECODE_ERROR);
        if (n > s->in.n - *used)
            return PX_ERR_OK;
        px_err err = take_message(s, px_view_of(p, n));
        if (err)
            return err;
        *used += n;
        /* No message goes beyond a change of keys, and none follows the last. */
        if (*used < s->in.n && (level_of(s) != level || s->wait == WAIT_NONE))
            return bad(s, ALERT_UNEXPECTED_MESSAGE);
    }
    return PX_ERR_OK;
}

px_err pxi_shake_feed(struct pxi_shake *s, enum pxi_shake_level level, px_view bytes,
                      uint64_t now_s)
{
    size_t used;
    if (s->alert)
        return PX_ERR_PROTOCOL;
    if (level != level_of(s) || s->wait == WAIT_NONE)
        return bad(s, ALERT_UNEXPECTED_MESSAGE);
    s->now_s = now_s;
    while (bytes.n) {
        size_t n = s->in.max - s->in.n < bytes.n ? s->in.max - s->in.n : bytes.n;
        if (!pxi_buf_add(&s->in, bytes.p, n))
            return pxi_shake_fail(s, ALERT_INTERNAL_ERROR, PX_ERR_NOMEM);
        bytes = px_view_of(bytes.p + n, bytes.n - n);
        px_err err = take_messages(s, level, &used);
        if (err)
            return err;
        memmove(s->in.p, s->in.p + used, s->in.n - used);
        s->in.n -= used;
        if (bytes.n && s->wait == WAIT_NONE)
            return bad(s, ALERT_UNEXPECTED_MESSAGE);
    }
    return PX_ERR_OK;
}
