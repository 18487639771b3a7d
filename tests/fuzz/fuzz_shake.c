/*
 * The handshake of TLS 1.3 against bytes. By the first byte: for QUIC or for TCP; a server or a
 * client that gets them instead of a hello; a real pair of which one side gets them in place of the
 * messages after the hellos; a real pair between which some bytes are changed on the way.
 */
#include <string.h>

#include "base/mem.h"
#include "crypto/shake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW_S = 1750000000, QUEUE = 65536 };

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            __builtin_trap();                                                                      \
    } while (0)

struct side {
    struct pxi_shake *s;
    struct side *to;
    uint8_t queue[2][QUEUE];
    size_t n[2];
    bool dead;
};

static struct side pair[2];
static px_view changes; /* places and what to change there */

static px_err on_send(void *ctx, enum pxi_shake_level level, px_view bytes)
{
    struct side *to = ((struct side *)ctx)->to;
    MUST(level < PXI_SHAKE_APPLICATION && to->n[level] + bytes.n <= QUEUE);
    memcpy(to->queue[level] + to->n[level], bytes.p, bytes.n);
    for (; changes.n >= 4 && changes.p[0] % 2; changes = px_view_of(changes.p + 4, changes.n - 4)) {
        size_t at = changes.p[1] | (size_t)changes.p[2] << 8;
        to->queue[level][to->n[level] + at % bytes.n] ^= changes.p[3];
    }
    if (changes.n)
        changes = px_view_of(changes.p + 1, changes.n - 1);
    to->n[level] += bytes.n;
    return PX_ERR_OK;
}

static px_err on_keys(void *ctx, enum pxi_shake_level level, enum pxi_shake_suite suite,
                      const uint8_t *rx, const uint8_t *tx)
{
    return PX_ERR_OK;
}

static size_t on_own_params(void *ctx, uint8_t *out, size_t cap)
{
    memset(out, 7, 20);
    return 20;
}

static px_err on_params(void *ctx, px_view bytes)
{
    return bytes.n && bytes.p[0] == 99 ? PX_ERR_PROTOCOL : PX_ERR_OK;
}

static px_err on_peer(void *ctx, px_view key)
{
    MUST(key.n && key.n <= PXI_PUBKEY_MAX);
    return PX_ERR_OK;
}

static const struct pxi_shake_events on = {on_send, on_keys, on_own_params, on_params, on_peer};
static const struct pxi_shake_events on_tcp = {.send = on_send, .keys = on_keys, .peer = on_peer};

static struct pxi_random r;

static struct pxi_shaker *shaker(void)
{
    static struct pxi_shaker *all;
    struct pxi_cert *c;
    if (!all) {
        r = pxi_random_seeded(1);
        struct pxi_key *host = pxi_key_new(PXI_KEY_ED25519, &r);
        MUST(host && pxi_cert_new(host, &r, NOW_S, &c) == PX_ERR_OK);
        struct pxi_shaker_options o = {.cert = c, .random = &r};
        MUST(pxi_shaker_new(&o, &all) == PX_ERR_OK);
        pxi_key_free(host);
        pxi_cert_free(c);
    }
    return all;
}

/* Feed a copy, so that reading beyond it is seen. */
static void feed(struct side *a, unsigned level, px_view bytes)
{
    uint8_t *copy = pxi_calloc(bytes.n + 1, 1);
    MUST(copy);
    if (bytes.n)
        memcpy(copy, bytes.p, bytes.n);
    px_err err = pxi_shake_feed(a->s, level, px_view_of(copy, bytes.n), NOW_S);
    pxi_free(copy);
    MUST(!err || pxi_shake_alert(a->s));
    MUST(!err || !pxi_shake_done(a->s));
    a->dead |= err != PX_ERR_OK;
}

/* Feed what waits at a level; false: nothing. */
static bool step(struct side *a, unsigned level, size_t piece)
{
    static uint8_t now[QUEUE];
    size_t n = a->n[level];
    memcpy(now, a->queue[level], n);
    a->n[level] = 0;
    for (size_t at = 0; at < n && !a->dead; at += piece)
        feed(a, level, px_view_of(now + at, n - at < piece ? n - at : piece));
    return n > 0;
}

static void begin(bool quic)
{
    static const char *const names[] = {"libp2p", "/yamux/1.0.0"};
    for (unsigned i = 0; i < 2; i++) {
        pair[i].to = &pair[!i];
        pair[i].n[0] = pair[i].n[1] = 0;
        pair[i].dead = false;
        struct pxi_shake_options o = {.all = shaker(),
                                      .on = quic ? &on : &on_tcp,
                                      .ctx = &pair[i],
                                      .alpn = names,
                                      .alpn_n = quic ? 1 : 2,
                                      .server = i == 1};
        pair[i].s = pxi_shake_new(&o);
        MUST(pair[i].s);
    }
    MUST(pxi_shake_start(pair[0].s) == PX_ERR_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    unsigned mode = data[0] % 5;
    size_t piece = data[1] ? data[1] : QUEUE;
    px_view rest = px_view_of(data + 2, size - 2);
    changes = px_view_of(NULL, 0);
    begin(data[0] < 128);
    if (mode < 2) {
        for (size_t at = 0; at < rest.n && !pair[mode].dead; at += piece)
            feed(&pair[mode], PXI_SHAKE_INITIAL,
                 px_view_of(rest.p + at, rest.n - at < piece ? rest.n - at : piece));
    } else if (mode < 4) {
        step(&pair[1], 0, QUEUE);
        step(&pair[0], 0, QUEUE);
        MUST(!pair[0].dead && !pair[1].dead);
        feed(&pair[mode - 2], PXI_SHAKE_HANDSHAKE, rest);
        MUST(!pxi_shake_done(pair[mode - 2].s));
    } else {
        changes = rest;
        bool more = true;
        for (unsigned i = 0; i < 20 && more; i++) {
            more = false;
            for (unsigned k = 0; k < 4; k++)
                more |= !pair[k % 2].dead && step(&pair[k % 2], k / 2, piece);
        }
    }
    for (unsigned i = 0; i < 2; i++)
        pxi_shake_free(pair[i].s);
    return 0;
}
