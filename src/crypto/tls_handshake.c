/* The handshake of libp2p TLS over TCP: records around the messages of crypto/shake. */
#include "crypto/libcrypto.h"
#include "crypto/tls_state.h"

#include <openssl/crypto.h>

enum { RECORDS_OF_A_KEY = 1 << 24 };

struct pxi_tls_handshake {
    struct pxi_shake *shake;
    struct pxi_buf flight; /* messages to go out together, under the keys of now */
    uint64_t now_s;
    enum pxi_shake_level level; /* of what comes in */
    bool opened;                /* a sealed record came */
    bool changed;               /* change_cipher_spec was said */
};

/* ---- what the handshake asks ---- */

static int queue_clear(struct pxi_tls *t, enum pxi_tls_content type, const uint8_t *p, size_t n)
{
    const uint8_t head[PXI_TLS_HEAD] = {(uint8_t)type, 3, 3, (uint8_t)(n >> 8), (uint8_t)n};
    return pxi_buf_add(&t->queue, head, sizeof head) && pxi_buf_add(&t->queue, p, n);
}

static int queue_sealed(struct pxi_tls *t, const uint8_t *p, size_t n)
{
    uint8_t *record = pxi_calloc(PXI_TLS_HEAD + n + PXI_TLS_TAIL, 1);
    size_t sealed = record ? pxi_tls_half_seal(&t->out, PXI_TLS_HANDSHAKE, p, n, NULL, record) : 0;
    int ok = sealed && pxi_buf_add(&t->queue, record, sealed);
    pxi_free(record);
    return ok;
}

int pxi_tls_handshake_flush(struct pxi_tls *t)
{
    struct pxi_tls_handshake *s = t->shake;
    int ok = 1;
    for (size_t at = 0, n; at < s->flight.n && ok; at += n) {
        n = s->flight.n - at;
        n = n < PXI_TLS_PLAIN ? n : PXI_TLS_PLAIN;
        ok = t->out.ctx ? queue_sealed(t, s->flight.p + at, n)
                        : queue_clear(t, PXI_TLS_HANDSHAKE, s->flight.p + at, n);
    }
    if (ok && s->flight.n && !t->out.ctx && !s->changed && pxi_shake_compatible(s->shake)) {
        s->changed = true;
        ok = queue_clear(t, PXI_TLS_CHANGE, (const uint8_t[]){1}, 1);
    }
    s->flight.n = 0;
    return ok;
}

/* Messages of one level follow each other until its keys change. */
static px_err on_send(void *ctx, enum pxi_shake_level level, px_view bytes)
{
    struct pxi_tls *t = ctx;
    return pxi_buf_add(&t->shake->flight, bytes.p, bytes.n) ? PX_ERR_OK : PX_ERR_NOMEM;
}

static px_err on_keys(void *ctx, enum pxi_shake_level level, enum pxi_shake_suite suite,
                      const uint8_t *rx, const uint8_t *tx)
{
    struct pxi_tls *t = ctx;
    const struct pxi_algs *algs = pxi_algs();
    const EVP_CIPHER *cipher =
        suite == PXI_SUITE_AES_128_GCM ? algs->aes_128_gcm : algs->chacha20_poly1305;
    int ok = !tx || pxi_tls_handshake_flush(t);
    if (ok && tx)
        ok = pxi_tls_half_start(&t->out, cipher, true, tx);
    if (ok && rx) {
        ok = pxi_tls_half_start(&t->in, cipher, false, rx);
        t->shake->level = level;
    }
    if (ok)
        return PX_ERR_OK;
    t->out_closed = true; /* with half a key nothing is said any more */
    return PX_ERR_NOMEM;
}

static px_err on_peer(void *ctx, px_view pubkey)
{
    struct pxi_tls *t = ctx;
    return pxi_buf_add(&t->peer, pubkey.p, pubkey.n) ? PX_ERR_OK : PX_ERR_NOMEM;
}

static const struct pxi_shake_events events = {.send = on_send, .keys = on_keys, .peer = on_peer};

/* ---- life times ---- */

static int start(struct pxi_tls *t, const struct pxi_tls_options *o)
{
    struct pxi_shake_options so = {.all = o->shaker,
                                   .on = &events,
                                   .ctx = t,
                                   .alpn = o->alpn,
                                   .alpn_n = o->alpn_n,
                                   .server = o->server};
    struct pxi_tls_handshake *s = t->shake;
    s->now_s = o->now_s;
    s->flight.max = PXI_LIMIT_TLS_QUEUE;
    s->shake = pxi_shake_new(&so);
    return s->shake && (o->server || (!pxi_shake_start(s->shake) && pxi_tls_handshake_flush(t)));
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
    if (t->shake && start(t, o))
        return t;
    pxi_tls_free(t);
    return NULL;
}

void pxi_tls_handshake_end(struct pxi_tls *t)
{
    if (!t->shake)
        return;
    pxi_shake_free(t->shake->shake);
    pxi_buf_deinit(&t->shake->flight);
    pxi_free(t->shake);
    t->shake = NULL;
}

/* ---- records ---- */

static void finish(struct pxi_tls *t)
{
    const char *alpn = pxi_shake_alpn(t->shake->shake);
    if (alpn && !pxi_buf_add(&t->alpn, alpn, strlen(alpn))) {
        pxi_tls_fail(t, PX_ERR_NOMEM, INTERNAL_ERROR);
        return;
    }
    pxi_tls_handshake_end(t);
    t->idle_records = 0;
}

static void take_messages(struct pxi_tls *t, const uint8_t *p, size_t n)
{
    struct pxi_tls_handshake *s = t->shake;
    px_err err = pxi_shake_feed(s->shake, s->level, px_view_of(p, n), s->now_s);
    if (err)
        pxi_tls_fail(t, err, pxi_shake_alert(s->shake));
    else if (!pxi_tls_handshake_flush(t))
        pxi_tls_fail(t, PX_ERR_NOMEM, INTERNAL_ERROR);
    else if (pxi_shake_done(s->shake))
        finish(t);
}

/* Records that bring nothing are counted, so that none spin us. */
static void pass(struct pxi_tls *t)
{
    if (++t->idle_records > PXI_LIMIT_TLS_IDLE_RECORDS)
        pxi_tls_fail(t, PX_ERR_PROTOCOL, UNEXPECTED_MESSAGE);
}

/* The peer gives up. */
static void take_alert(struct pxi_tls *t, const uint8_t *p, size_t n)
{
    if (n != 2) {
        pxi_tls_fail(t, PX_ERR_PROTOCOL, DECODE_ERROR);
    } else if (p[1] == USER_CANCELED) { /* its end follows */
        pass(t);
    } else {
        t->out_closed = true;
        t->err = p[1] == NO_PROTOCOL ? PX_ERR_NO_PROTOCOL : PX_ERR_PROTOCOL;
    }
}

static void take_sealed(struct pxi_tls *t, uint8_t *record, size_t n)
{
    uint8_t type, *plain = record + PXI_TLS_HEAD;
    size_t plain_n;
    if (t->shake->level == PXI_SHAKE_INITIAL)
        pxi_tls_fail(t, PX_ERR_PROTOCOL, UNEXPECTED_MESSAGE);
    else if (!pxi_tls_half_open(&t->in, record, n, NULL, &type, &plain_n))
        pxi_tls_fail(t, PX_ERR_PROTOCOL, BAD_RECORD);
    else if (plain_n > PXI_TLS_PLAIN)
        pxi_tls_fail(t, PX_ERR_PROTOCOL, RECORD_OVERFLOW);
    else if (type == PXI_TLS_ALERT)
        take_alert(t, plain, plain_n);
    else if (type != PXI_TLS_HANDSHAKE || !plain_n)
        pxi_tls_fail(t, PX_ERR_PROTOCOL, UNEXPECTED_MESSAGE);
    else
        take_messages(t, plain, plain_n);
}

/* RFC 8446 section 5: a peer says change_cipher_spec for the sake of boxes on the way. An alert in
 * clear may come from a peer that has no keys yet. */
void pxi_tls_handshake_record(struct pxi_tls *t, uint8_t *record, size_t n)
{
    struct pxi_tls_handshake *s = t->shake;
    const uint8_t *body = record + PXI_TLS_HEAD;
    n -= PXI_TLS_HEAD;
    if (record[0] == PXI_TLS_DATA) {
        take_sealed(t, record, PXI_TLS_HEAD + n);
        if (t->shake)
            t->shake->opened = true;
    } else if (record[0] == PXI_TLS_HANDSHAKE && s->level == PXI_SHAKE_INITIAL) {
        take_messages(t, body, n);
    } else if (record[0] == PXI_TLS_ALERT && !s->opened) {
        take_alert(t, body, n);
    } else if (record[0] == PXI_TLS_CHANGE && n == 1 && body[0] == 1 &&
               pxi_shake_between(s->shake)) {
        pass(t);
    } else {
        pxi_tls_fail(t, PX_ERR_PROTOCOL, UNEXPECTED_MESSAGE);
    }
}
