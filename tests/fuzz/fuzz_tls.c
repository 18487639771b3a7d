/*
 * libp2p TLS against bytes. By the first byte: a server or a client that gets them instead of a
 * handshake; a real pair between which some bytes are changed on the way; a peer that has every key
 * of the handshake and cuts, leaves out and puts in records as the input says; an open connection
 * whose peer has the keys and seals what it likes, or sends raw bytes.
 */
#include "crypto/libcrypto.h"
#include "crypto/tls_state.h"
#include "base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            __builtin_trap();                                                                      \
    } while (0)

static const char *const names[] = {"/yamux/1.0.0", "libp2p"};
static uint8_t wire[70000], place[300];

static struct pxi_random r;

static struct pxi_shaker *shaker(void)
{
    static struct pxi_shaker *all;
    struct pxi_cert *c;
    if (!all) {
        r = pxi_random_seeded(1);
        struct pxi_key *host = pxi_key_new(PXI_KEY_ED25519, &r);
        MUST(host && pxi_cert_new(host, &r, 1750000000, &c) == PX_ERR_OK);
        struct pxi_shaker_options o = {.cert = c, .random = &r};
        MUST(pxi_shaker_new(&o, &all) == PX_ERR_OK);
        pxi_key_free(host);
        pxi_cert_free(c);
    }
    return all;
}

static struct pxi_tls *side(bool server)
{
    struct pxi_tls_options o = {
        .shaker = shaker(), .server = server, .alpn = names, .alpn_n = 2, .now_s = 1750000000};
    struct pxi_tls *t = pxi_tls_new(&o);
    MUST(t);
    return t;
}

/* Feed a copy in pieces and read everything. */
static void take(struct pxi_tls *t, const uint8_t *p, size_t n, size_t piece)
{
    uint8_t *copy = pxi_calloc(n + 1, 1), *out;
    MUST(copy);
    if (n)
        memcpy(copy, p, n);
    for (size_t at = 0, k; at < n; at += piece) {
        pxi_tls_feed(t, copy + at, n - at < piece ? n - at : piece);
        px_err err;
        do {
            struct pxi_landing land = {place, piece % 7, piece & 1 ? piece % 300 : 0};
            pxi_tls_land(t, &land);
            err = pxi_tls_read(t, &out, &k);
            MUST(k <= PXI_TLS_PLAIN && (!err || !k));
        } while (k);
        MUST(pxi_tls_pending(t) <= PXI_LIMIT_TLS_QUEUE);
        if (err) /* final */
            MUST(pxi_tls_read(t, &out, &k) == err && !pxi_tls_ready(t));
    }
    pxi_free(copy);
}

/* Two bytes at a time: where to change a byte of the handshake, and how. */
static void changed_pair(const uint8_t *p, size_t n)
{
    struct pxi_tls *t[2] = {side(false), side(true)};
    size_t used = 0;
    for (unsigned flight = 0; flight < 6; flight++) {
        size_t len = pxi_tls_drain(t[flight % 2], wire, sizeof wire);
        for (; used + 3 <= n && p[used] % 6 == flight; used += 3)
            if (len)
                wire[(p[used + 1] * 6u + p[used] / 6) % len] ^= p[used + 2];
        take(t[1 - flight % 2], wire, len, 1 + len / 2);
    }
    if (n < 3)
        MUST(pxi_tls_ready(t[0]) && pxi_tls_ready(t[1]));
    pxi_tls_free(t[0]);
    pxi_tls_free(t[1]);
}

/* ---- a peer with the keys of the handshake ---- */

struct puppet {
    struct pxi_shake *s;
    struct pxi_tls *to;
    struct pxi_tls_half in, out; /* keys of the handshake */
    struct pxi_tls_half last;    /* to seal with afterwards */
    enum pxi_shake_level level;
    struct {
        uint8_t bytes[2048];
        size_t n;
        bool sealed;
    } queue[8]; /* messages to send */
    unsigned made, sent;
    bool dropped, dead;
};

static px_err puppet_send(void *ctx, enum pxi_shake_level level, px_view bytes)
{
    struct puppet *p = ctx;
    MUST(p->made < 8 && bytes.n <= sizeof p->queue[0].bytes);
    memcpy(p->queue[p->made].bytes, bytes.p, bytes.n);
    p->queue[p->made].n = bytes.n;
    p->queue[p->made++].sealed = level != PXI_SHAKE_INITIAL;
    return PX_ERR_OK;
}

static px_err puppet_keys(void *ctx, enum pxi_shake_level level, enum pxi_shake_suite suite,
                          const uint8_t *rx, const uint8_t *tx)
{
    struct puppet *p = ctx;
    const EVP_CIPHER *c =
        suite == PXI_SUITE_AES_128_GCM ? pxi_algs()->aes_128_gcm : pxi_algs()->chacha20_poly1305;
    p->level = rx ? level : p->level;
    MUST(!rx || pxi_tls_half_start(&p->in, c, false, rx));
    MUST(!tx || pxi_tls_half_start(level == PXI_SHAKE_HANDSHAKE ? &p->out : &p->last, c, true, tx));
    return PX_ERR_OK;
}

static px_err puppet_peer(void *ctx, px_view pubkey)
{
    return PX_ERR_OK;
}

static const struct pxi_shake_events puppet_on = {
    .send = puppet_send, .keys = puppet_keys, .peer = puppet_peer};

/* What the other side has to say, record by record. */
static void puppet_hear(struct puppet *p)
{
    size_t n = pxi_tls_drain(p->to, wire, sizeof wire);
    for (size_t at = 0, body; at < n && !p->dead; at += PXI_TLS_HEAD + body) {
        uint8_t *rec = wire + at, type = rec[0];
        body = (size_t)rec[3] << 8 | rec[4];
        MUST(n - at >= PXI_TLS_HEAD + body);
        size_t plain = body;
        if (type == PXI_TLS_DATA &&
            !pxi_tls_half_open(&p->in, rec, PXI_TLS_HEAD + body, NULL, &type, &plain))
            p->dead = true; /* the input made us lose step: an alert under keys to come */
        else if (type == PXI_TLS_HANDSHAKE && !pxi_shake_done(p->s))
            p->dead |= pxi_shake_feed(p->s, p->level, px_view_of(rec + PXI_TLS_HEAD, plain),
                                      1750000000) != PX_ERR_OK;
    }
}

static void puppet_record(struct puppet *p, bool seal, uint8_t type, const uint8_t *body, size_t n)
{
    static uint8_t record[PXI_TLS_HEAD + 2048 + PXI_TLS_TAIL];
    struct pxi_tls_half *h = p->last.ctx && p->sent == p->made ? &p->last : &p->out;
    size_t len = PXI_TLS_HEAD + n;
    if (seal && h->ctx) {
        len = pxi_tls_half_seal(h, type, body, n, NULL, record);
    } else {
        memcpy(record, (uint8_t[]){type, 3, 3, (uint8_t)(n >> 8), (uint8_t)n}, PXI_TLS_HEAD);
        if (n)
            memcpy(record + PXI_TLS_HEAD, body, n);
    }
    take(p->to, record, len, 1 + len / 2);
}

/* The next message of ours, in records of `piece` bytes at most. */
static void puppet_say(struct puppet *p, size_t piece)
{
    for (size_t at = 0, n = p->queue[p->sent].n; at < n; at += piece)
        puppet_record(p, p->queue[p->sent].sealed, PXI_TLS_HANDSHAKE, p->queue[p->sent].bytes + at,
                      n - at < piece ? n - at : piece);
    p->sent++;
}

static void played_handshake(const uint8_t *in, size_t n, bool server)
{
    static const unsigned messages[] = {4, 6}; /* of a client, of a server */
    struct puppet p = {.to = side(!server)};
    struct pxi_shake_options o = {
        .all = shaker(), .on = &puppet_on, .ctx = &p, .alpn = names, .alpn_n = 2, .server = server};
    p.s = pxi_shake_new(&o);
    MUST(p.s && (server || pxi_shake_start(p.s) == PX_ERR_OK));
    for (size_t at = 0; at + 2 <= n;) {
        uint8_t op = in[at] % 4, type = (uint8_t)(PXI_TLS_CHANGE + in[at] / 4 % 5);
        size_t len = in[at + 1], rest = n - at - 2;
        at += 2;
        if (!p.dead)
            puppet_hear(&p);
        if (op < 2) {
            len = len < rest ? len : rest;
            puppet_record(&p, op, type, in + at, len);
            at += len;
        } else if (p.sent < p.made && op == 2) {
            puppet_say(&p, len ? len : 2048);
        } else if (p.sent < p.made) {
            p.sent++;
            p.dropped = true;
        }
        /* Nobody is let in who did not say everything. */
        MUST(!pxi_tls_ready(p.to) || (!p.dropped && p.sent == messages[server]));
    }
    pxi_shake_free(p.s);
    pxi_tls_half_end(&p.in);
    pxi_tls_half_end(&p.out);
    pxi_tls_half_end(&p.last);
    pxi_tls_free(p.to);
}

/* A connection whose handshake is over; the other half of its keys is with us. */
static struct pxi_tls *open_one(struct pxi_tls_half *peer, bool server)
{
    const uint8_t secret[PXI_DIGEST] = {1};
    struct pxi_tls *t = pxi_calloc(1, sizeof *t);
    MUST(t);
    t->server = server;
    t->rekey_records = 1 << 20;
    t->queue.max = PXI_LIMIT_TLS_QUEUE;
    t->partial.max = PXI_TLS_RECORD + 256;
    *peer = (struct pxi_tls_half){0};
    MUST(pxi_tls_half_start(&t->in, pxi_algs()->aes_128_gcm, false, secret));
    MUST(pxi_tls_half_start(&t->out, pxi_algs()->aes_128_gcm, true, secret));
    MUST(pxi_tls_half_start(peer, pxi_algs()->aes_128_gcm, true, secret));
    return t;
}

/* Records of a content type, a length and so many bytes, which end up sealed and right. */
static void sealed_records(const uint8_t *p, size_t n, bool server)
{
    struct pxi_tls_half peer;
    struct pxi_tls *t = open_one(&peer, server);
    for (size_t at = 0; at + 2 <= n;) {
        size_t len = p[at + 1] < n - at - 2 ? p[at + 1] : n - at - 2;
        const uint8_t *body = p + at + 2;
        size_t k = pxi_tls_half_seal(&peer, p[at], body, len, NULL, wire);
        take(t, wire, k, 1 + p[at + 1]);
        if (p[at] == PXI_TLS_HANDSHAKE && len == 5 && body[0] == 24 && !t->err)
            pxi_tls_half_update(&peer);
        at += 2 + len;
    }
    pxi_tls_half_end(&peer);
    pxi_tls_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    unsigned kind = data[0] % 8, more = data[0] / 8;
    struct pxi_tls_half peer;
    struct pxi_tls *t = NULL;
    data++;
    size--;
    if (kind < 2)
        t = side(kind);
    else if (kind == 2 && more >= 16)
        played_handshake(data, size, more % 2);
    else if (kind == 2)
        changed_pair(data, size);
    else if (kind < 7)
        sealed_records(data, size, kind % 2);
    else
        t = open_one(&peer, true);
    if (t)
        take(t, data, size, 1 + size / 3);
    if (kind == 7)
        pxi_tls_half_end(&peer);
    pxi_tls_free(t);
    return 0;
}
