/*
 * libp2p TLS against bytes. By the first byte: a server or a client that gets them instead of a
 * handshake; a real pair between which some bytes are changed on the way; an open connection whose
 * peer has the keys and seals what it likes, or sends raw bytes.
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
    unsigned kind = data[0] % 8;
    struct pxi_tls_half peer;
    struct pxi_tls *t = NULL;
    data++;
    size--;
    if (kind < 2)
        t = side(kind);
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
