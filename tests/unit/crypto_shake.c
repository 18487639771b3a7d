/* The handshake of TLS 1.3 without a carrier: both sides, in pieces, and what must not pass. */
#include "crypto/shake.h"

#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/rng.h"
#include "crypto/shake_state.h"
#include "px_test.h"

enum { NOW_S = 1800000000, QUEUE = 65536 };

struct side {
    struct pxi_shake *s;
    struct side *to;
    struct pxi_shaker *all;
    struct pxi_shake_options o; /* of the handshakes to come */
    uint8_t queue[2][QUEUE];    /* messages for it, of the first two levels */
    size_t n[2];
    uint8_t rx[3][PXI_DIGEST], tx[3][PXI_DIGEST];
    unsigned keys, params;
    uint8_t host[PXI_PUBKEY_MAX];
    size_t host_n;
    px_err err, refuse;
    /* Changes messages on their way; false drops them. */
    bool (*twist)(struct side *from, uint8_t *p, size_t *n);
};

static px_err on_send(void *ctx, enum pxi_shake_level level, px_view bytes)
{
    struct side *a = ctx, *b = a->to;
    size_t n = bytes.n;
    CHECK(level < PXI_SHAKE_APPLICATION && b->n[level] + n + 1000 <= QUEUE);
    uint8_t *at = b->queue[level] + b->n[level];
    memcpy(at, bytes.p, n);
    if (!a->twist || a->twist(a, at, &n))
        b->n[level] += n;
    return PX_ERR_OK;
}

static px_err on_keys(void *ctx, enum pxi_shake_level level, enum pxi_shake_suite suite,
                      const uint8_t *rx, const uint8_t *tx)
{
    struct side *a = ctx;
    a->keys += (rx != NULL) + (tx != NULL);
    if (rx)
        memcpy(a->rx[level], rx, PXI_DIGEST);
    if (tx)
        memcpy(a->tx[level], tx, PXI_DIGEST);
    return PX_ERR_OK;
}

static size_t on_own_params(void *ctx, uint8_t *out, size_t cap)
{
    memcpy(out, "params", 6);
    return 6;
}

static px_err on_params(void *ctx, px_view bytes)
{
    struct side *a = ctx;
    a->params += px_view_is(bytes, "params");
    return PX_ERR_OK;
}

static px_err on_peer(void *ctx, px_view key)
{
    struct side *a = ctx;
    memcpy(a->host, key.p, key.n);
    a->host_n = key.n;
    return a->refuse;
}

static const struct pxi_shake_events on = {on_send, on_keys, on_own_params, on_params, on_peer};
static const struct pxi_shake_events on_tcp = {.send = on_send, .keys = on_keys, .peer = on_peer};
static const char *const protocols[] = {"libp2p"};

static struct pxi_key *host_key[2];
static struct pxi_cert *host_cert[2];

static void certificates(void)
{
    for (unsigned i = 0; i < 2; i++) {
        uint8_t seed[32] = {(uint8_t)i, 9};
        host_key[i] = pxi_key_from_seed(seed);
        CHECK_EQ(pxi_cert_new(host_key[i], pxi_random_system(), NOW_S, &host_cert[i]), PX_ERR_OK);
    }
}

/* pair[0] is the client. */
static void pair_new(struct side pair[2], bool only_aes)
{
    memset(pair, 0, 2 * sizeof *pair);
    if (!host_cert[0])
        certificates();
    for (unsigned i = 0; i < 2; i++) {
        struct pxi_shaker_options o = {.cert = host_cert[i], .random = pxi_random_system()};
        CHECK_EQ(pxi_shaker_new(&o, &pair[i].all), PX_ERR_OK);
        pair[i].o = (struct pxi_shake_options){.on = &on,
                                               .ctx = &pair[i],
                                               .alpn = protocols,
                                               .alpn_n = 1,
                                               .server = i == 1,
                                               .only_aes = only_aes};
        pair[i].to = &pair[!i];
    }
}

static void pair_begin(struct side pair[2])
{
    for (unsigned i = 0; i < 2; i++) {
        struct side *a = &pair[i];
        a->n[0] = a->n[1] = 0;
        a->keys = a->params = 0;
        a->err = PX_ERR_OK;
        a->o.all = a->all;
        a->s = pxi_shake_new(&a->o);
        if (!a->s)
            a->err = PX_ERR_NOMEM;
    }
    if (pair[0].s)
        pair[0].err = pxi_shake_start(pair[0].s);
}

/* Feed what waits, at most `most` bytes at a time; false: nothing waits. */
static bool pair_step(struct side pair[2], size_t most)
{
    for (unsigned i = 0; i < 2; i++)
        for (unsigned level = 0; level < 2; level++) {
            struct side *a = &pair[i];
            uint8_t piece[QUEUE];
            size_t n = a->n[level] < most ? a->n[level] : most;
            if (!n || a->err || !a->s)
                continue;
            memcpy(piece, a->queue[level], n);
            memmove(a->queue[level], a->queue[level] + n, a->n[level] - n);
            a->n[level] -= n;
            a->err = pxi_shake_feed(a->s, level, px_view_of(piece, n), NOW_S);
            return true;
        }
    return false;
}

static void pair_end(struct side pair[2])
{
    for (unsigned i = 0; i < 2; i++) {
        pxi_shake_free(pair[i].s);
        pair[i].s = NULL;
    }
}

static void pair_run(struct side pair[2])
{
    pair_begin(pair);
    while (pair_step(pair, QUEUE))
        ;
}

static void pair_free(struct side pair[2])
{
    pair_end(pair);
    for (unsigned i = 0; i < 2; i++)
        pxi_shaker_free(pair[i].all);
}

static void check_agreed(struct side pair[2])
{
    for (unsigned i = 0; i < 2; i++) {
        struct side *a = &pair[i];
        px_view key = pxi_key_public(host_key[!i]);
        CHECK_EQ(a->err, PX_ERR_OK);
        CHECK(pxi_shake_done(a->s));
        CHECK_EQ(a->keys, 4);
        CHECK_EQ(a->params, a->o.on == &on);
        CHECK(a->host_n == key.n && memcmp(a->host, key.p, key.n) == 0);
        for (unsigned level = 1; level < 3; level++)
            CHECK(memcmp(a->rx[level], a->to->tx[level], PXI_DIGEST) == 0);
    }
}

static struct side pair[2];

TEST(agrees)
{
    for (unsigned only_aes = 0; only_aes < 2; only_aes++) {
        pair_new(pair, only_aes);
        for (unsigned i = 0; i < 3; i++) { /* the second time the certificates are known */
            pair_run(pair);
            check_agreed(pair);
            pair_end(pair);
        }
        pair_free(pair);
    }
}

TEST(agrees_in_pieces)
{
    pair_new(pair, true);
    for (size_t most = 1; most < 600; most += most < 8 ? 1 : 97) {
        pair_begin(pair);
        while (pair_step(pair, most))
            ;
        check_agreed(pair);
        pair_end(pair);
    }
    pair_free(pair);
}

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

TEST(takes_no_time)
{
    enum { N = 200 };
    pair_new(pair, true);
    pair_run(pair);
    pair_end(pair);
    uint64_t before = cpu_ns();
    for (unsigned i = 0; i < N; i++) {
        pair_run(pair);
        pair_end(pair);
    }
    printf("# %llu us a handshake, both sides\n",
           (unsigned long long)((cpu_ns() - before) / N / 1000));
    pair_free(pair);
}

/* ------------------------------------------------------------ other clients */

static uint8_t *find(uint8_t *p, size_t n, const uint8_t *what, size_t what_n)
{
    for (size_t i = 0; i + what_n <= n; i++)
        if (memcmp(p + i, what, what_n) == 0)
            return p + i;
    return NULL;
}

/* A share of a group that nobody knows: the server asks for another. */
static bool strange_share(struct side *from, uint8_t *p, size_t *n)
{
    static const uint8_t share[] = {0, 51, 0, 38, 0, 36, 0, 29, 0, 32};
    uint8_t *at = p[0] == 1 ? find(p, *n, share, sizeof share) : NULL;
    if (at && !from->keys) {
        at[7] = 99;
        from->twist = NULL;
    }
    return true;
}

TEST(server_asks_for_another_share)
{
    pair_new(pair, true);
    pair[0].twist = strange_share;
    pair_begin(pair);
    CHECK(pair_step(pair, QUEUE));
    CHECK_EQ(pair[1].err, PX_ERR_OK);
    CHECK(pair[0].n[0] > 38 && pair[0].queue[0][0] == 2 && pair[0].queue[0][6] == 0xcf);
    CHECK_EQ(pair[1].keys, 0);
    /* Our client knows better than to take it: it has shown such a share. */
    CHECK(pair_step(pair, QUEUE));
    CHECK_EQ(pair[0].err, PX_ERR_PROTOCOL);
    CHECK_EQ(pxi_shake_alert(pair[0].s), 47);
    pair_free(pair);
}

/* A server without X25519: it sees another group, so does the client's next hello. */
static bool hide_x25519(struct side *from, uint8_t *p, size_t *n)
{
    static const uint8_t groups[] = {0, 10, 0, 6, 0, 4, 0, 29, 0, 23};
    static const uint8_t share[] = {0, 51, 0, 38, 0, 36, 0, 29, 0, 32};
    uint8_t *at = p[0] == 1 ? find(p, *n, groups, sizeof groups) : NULL;
    if (at)
        at[7] = 98;
    at = at ? find(p, *n, share, sizeof share) : NULL;
    if (at)
        at[7] = 98;
    return true;
}

/* The transcripts differ by that, so it ends at the signature; all before it is right. */
TEST(p256_when_there_is_nothing_else)
{
    pair_new(pair, true);
    pair[0].twist = hide_x25519;
    pair_run(pair);
    CHECK_EQ(pair[0].params, 1);
    CHECK_EQ(pair[1].params, 1);
    CHECK(pair[0].err == PX_ERR_IDENTITY || pair[0].err == PX_ERR_PROTOCOL);
    CHECK_EQ(pair[1].err, PX_ERR_OK);
    CHECK_EQ(pair[0].keys, 2);
    pair_free(pair);
}

/* ------------------------------------------------- over TCP, and protocols */

static void pair_carriers(struct side both[2], bool client_tcp, bool server_tcp)
{
    pair_new(both, true);
    both[0].o.on = client_tcp ? &on_tcp : &on;
    both[1].o.on = server_tcp ? &on_tcp : &on;
}

TEST(application_protocols)
{
    static const char *const m_y_l[] = {"m", "y", "l"}, *const y_m[] = {"y", "m"},
                             *const x[] = {"x"};
    static const struct {
        const char *const *client, *const *server;
        uint8_t client_n, server_n;
        const char *agreed;
        px_err tcp, quic;
    } rows[] = {
        {m_y_l, y_m, 3, 2, "m", PX_ERR_OK, PX_ERR_OK},
        {y_m, m_y_l, 2, 3, "y", PX_ERR_OK, PX_ERR_OK},
        {m_y_l, x, 3, 1, NULL, PX_ERR_NO_PROTOCOL, PX_ERR_NO_PROTOCOL},
        {x, y_m, 0, 2, NULL, PX_ERR_OK, PX_ERR_NO_PROTOCOL},
        {x, y_m, 1, 0, NULL, PX_ERR_NO_PROTOCOL, PX_ERR_NO_PROTOCOL},
    };
    for (unsigned i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        bool tcp = i % 2;
        px_err want = tcp ? rows[i / 2].tcp : rows[i / 2].quic;
        pair_carriers(pair, tcp, tcp);
        pair[0].o.alpn = rows[i / 2].client;
        pair[0].o.alpn_n = rows[i / 2].client_n;
        pair[1].o.alpn = rows[i / 2].server;
        pair[1].o.alpn_n = rows[i / 2].server_n;
        pair_run(pair);
        CHECK_EQ(pair[1].err, want);
        if (want)
            CHECK_EQ(pxi_shake_alert(pair[1].s), 120);
        else
            check_agreed(pair);
        for (unsigned k = 0; k < 2 && !want; k++)
            CHECK(rows[i / 2].agreed ? strcmp(pxi_shake_alpn(pair[k].s), rows[i / 2].agreed) == 0
                                     : !pxi_shake_alpn(pair[k].s));
        pair_free(pair);
    }
}

/* A server that chooses what was not offered: here, what the client takes for another list. */
TEST(protocol_that_was_not_offered)
{
    static const char *const other[] = {"libp2q"}, *const none[] = {NULL};
    for (unsigned i = 0; i < 2; i++) {
        pair_carriers(pair, true, true);
        pair_begin(pair);
        pair[0].s->o.alpn = i ? other : none; /* its hello is on its way */
        pair[0].s->o.alpn_n = i;
        while (pair_step(pair, QUEUE))
            ;
        CHECK_EQ(pair[0].err, PX_ERR_PROTOCOL);
        CHECK_EQ(pxi_shake_alert(pair[0].s), i ? 47 : 110);
        pair_free(pair);
    }
}

/* Transport parameters belong to QUIC, and QUIC needs them. */
TEST(carriers_do_not_mix)
{
    for (unsigned tcp = 0; tcp < 2; tcp++) {
        pair_carriers(pair, !tcp, tcp);
        pair_run(pair);
        CHECK_EQ(pair[1].err, PX_ERR_PROTOCOL);
        CHECK_EQ(pxi_shake_alert(pair[1].s), tcp ? 110 : 109);
        pair_free(pair);
    }
}

/* A session id of 32 bytes in the client's hello. */
static bool with_session(struct side *from, uint8_t *p, size_t *n)
{
    enum { AT = 4 + 2 + 32, N = 32 };
    if (p[0] != 1)
        return true;
    memmove(p + AT + 1 + N, p + AT + 1, *n - AT - 1);
    memset(p + AT + 1, 'S', N);
    p[AT] = N;
    *n += N;
    size_t body = *n - 4;
    p[2] = (uint8_t)(body >> 8);
    p[3] = (uint8_t)body;
    return true;
}

TEST(session_is_echoed)
{
    for (unsigned tcp = 0; tcp < 2; tcp++) {
        pair_carriers(pair, tcp, tcp);
        pair[0].twist = with_session;
        pair_begin(pair);
        CHECK(!pxi_shake_between(pair[1].s));
        CHECK(pair_step(pair, QUEUE));
        CHECK_EQ(pair[1].err, tcp ? PX_ERR_OK : PX_ERR_PROTOCOL);
        CHECK_EQ(pxi_shake_alert(pair[1].s), tcp ? 0 : 47);
        CHECK_EQ(pxi_shake_compatible(pair[1].s), tcp);
        if (tcp) {
            const uint8_t *hello = pair[0].queue[0];
            CHECK(pxi_shake_between(pair[1].s) && pair[0].n[0] > 71);
            CHECK(hello[38] == 32 && hello[39] == 'S' && hello[70] == 'S');
            CHECK(pair_step(pair, QUEUE)); /* our client has none, and knows it */
            CHECK_EQ(pxi_shake_alert(pair[0].s), 47);
        }
        pair_free(pair);
    }
}

TEST(ciphers_by_preference)
{
    for (unsigned i = 0; i < 4; i++) { /* which side has AES in its processor */
        pair_carriers(pair, true, true);
        for (unsigned k = 0; k < 2; k++) {
            pair[k].all->aes = i >> k & 1;
            pair[k].o.only_aes = false;
        }
        pair_run(pair);
        check_agreed(pair);
        CHECK_EQ(pair[0].s->suite, i == 3 ? PXI_SUITE_AES_128_GCM : PXI_SUITE_CHACHA20_POLY1305);
        pair_end(pair);
        pair[0].o.only_aes = pair[0].all->aes = true;
        pair_run(pair);
        check_agreed(pair);
        CHECK_EQ(pair[0].s->suite, PXI_SUITE_AES_128_GCM);
        pair_free(pair);
    }
}

/* ---------------------------------------------------------------- attackers */

static struct pxi_rng rng;
static uint64_t turn, twist_at;

/* One bit of one message. */
static bool flip(struct side *from, uint8_t *p, size_t *n)
{
    if (turn++ == twist_at)
        p[pxi_rng_below(&rng, (uint32_t)*n)] ^= (uint8_t)(1 << pxi_rng_below(&rng, 8));
    return true;
}

static bool cut(struct side *from, uint8_t *p, size_t *n)
{
    if (turn++ == twist_at)
        *n = pxi_rng_below(&rng, (uint32_t)*n);
    return true;
}

static bool drop(struct side *from, uint8_t *p, size_t *n)
{
    return turn++ != twist_at;
}

static bool twice(struct side *from, uint8_t *p, size_t *n)
{
    if (turn++ == twist_at) {
        memcpy(p + *n, p, *n);
        *n *= 2;
    }
    return true;
}

/* Whatever is changed on the way, the two never agree: at least one side ends with an error, or
 * waits for what does not come. */
TEST(nothing_changed_passes)
{
    bool (*const twists[])(struct side *, uint8_t *, size_t *) = {flip, cut, drop, twice};
    enum { MESSAGES = 10, ROUNDS = 30 };
    rng.state = px_seed;
    pair_new(pair, false);
    for (unsigned t = 0; t < 4; t++)
        for (unsigned round = 0; round < (t < 2 ? ROUNDS : 1); round++)
            for (twist_at = 0; twist_at < MESSAGES; twist_at++) {
                turn = 0;
                pair[0].twist = pair[1].twist = twists[t];
                pair_run(pair);
                if (pxi_shake_done(pair[0].s) && pxi_shake_done(pair[1].s))
                    PX_FAIL("twist %u of message %u passed", t, (unsigned)twist_at);
                for (unsigned i = 0; i < 2; i++)
                    CHECK(!pair[i].err || pxi_shake_alert(pair[i].s));
                pair_end(pair);
            }
    pair_free(pair);
}

/* Right messages under keys that they do not belong to. */
TEST(levels_are_kept)
{
    pair_new(pair, true);
    pair_begin(pair);
    px_view hello = px_view_of(pair[1].queue[0], pair[1].n[0]);
    CHECK_EQ(pxi_shake_feed(pair[1].s, PXI_SHAKE_HANDSHAKE, hello, NOW_S), PX_ERR_PROTOCOL);
    CHECK_EQ(pxi_shake_alert(pair[1].s), 10);
    CHECK_EQ(pxi_shake_feed(pair[1].s, PXI_SHAKE_INITIAL, hello, NOW_S), PX_ERR_PROTOCOL);
    pair_end(pair);
    pair_begin(pair);
    pair[1].queue[0][pair[1].n[0]++] = 1; /* bytes after the hello, under the old keys */
    pair_step(pair, QUEUE);
    CHECK_EQ(pair[1].err, PX_ERR_PROTOCOL);
    CHECK_EQ(pxi_shake_alert(pair[1].s), 10);
    pair_end(pair);
    pair_run(pair);
    check_agreed(pair);
    const uint8_t ticket[] = {4, 0, 0, 1, 0};
    px_view late = px_view_of(ticket, sizeof ticket);
    CHECK_EQ(pxi_shake_feed(pair[0].s, PXI_SHAKE_APPLICATION, late, NOW_S), PX_ERR_PROTOCOL);
    pair_free(pair);
}

TEST(announced_lengths_are_bounded)
{
    const uint8_t endless[] = {1, 0xff, 0xff, 0xff};
    pair_new(pair, true);
    pair_begin(pair);
    CHECK_EQ(pxi_shake_feed(pair[1].s, PXI_SHAKE_INITIAL, px_view_of(endless, 4), NOW_S),
             PX_ERR_PROTOCOL);
    CHECK_EQ(pxi_shake_alert(pair[1].s), 50);
    pair_free(pair);
}

TEST(refused_and_expired_peers)
{
    pair_new(pair, true);
    for (unsigned i = 0; i < 2; i++) {
        pair[i].refuse = PX_ERR_IDENTITY;
        pair_run(pair);
        CHECK_EQ(pair[i].err, PX_ERR_IDENTITY);
        CHECK_EQ(pxi_shake_alert(pair[i].s), 42);
        pair[i].refuse = PX_ERR_OK;
        pair_end(pair);
    }
    pair_run(pair); /* the certificates are known now */
    check_agreed(pair);
    pair_end(pair);
    pair_begin(pair);
    pair_step(pair, QUEUE);
    for (unsigned level = 0; level < 2; level++)
        pair[0].err =
            pxi_shake_feed(pair[0].s, level, px_view_of(pair[0].queue[level], pair[0].n[level]),
                           UINT64_C(9999999999));
    CHECK_EQ(pair[0].err, PX_ERR_IDENTITY);
    CHECK_EQ(pxi_shake_alert(pair[0].s), 45);
    pair_free(pair);
}

static size_t length_at(const uint8_t *p)
{
    return (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
}

static void length_put(uint8_t *p, size_t n)
{
    p[0] = (uint8_t)(n >> 16);
    p[1] = (uint8_t)(n >> 8);
    p[2] = (uint8_t)n;
}

/* The same certificate a second time in the list of the message. */
static bool chain(struct side *from, uint8_t *p, size_t *n)
{
    for (size_t at = 0; at + 8 <= *n; at += 4 + length_at(p + at + 1)) {
        if (p[at] != 11)
            continue;
        size_t list = length_at(p + at + 5), end = at + 8 + list;
        memmove(p + end + list, p + end, *n - end);
        memcpy(p + end, p + at + 8, list);
        length_put(p + at + 1, 4 + 2 * list);
        length_put(p + at + 5, 2 * list);
        *n += list;
        return true;
    }
    return true;
}

TEST(chain_of_two_certificates)
{
    pair_new(pair, true);
    for (unsigned i = 0; i < 2; i++) {
        pair[i].twist = chain;
        pair_run(pair);
        CHECK_EQ(pair[!i].err, PX_ERR_IDENTITY);
        CHECK_EQ(pxi_shake_alert(pair[!i].s), 42);
        pair_end(pair);
        pair[i].twist = NULL;
    }
    pair_free(pair);
}

/* A certificate that is known proves nothing without its key. */
TEST(stolen_certificate)
{
    pair_new(pair, true);
    pair_run(pair);
    check_agreed(pair);
    pair_end(pair);
    struct pxi_shaker *thief, *owner = pair[0].all;
    struct pxi_cert *other = NULL;
    CHECK_EQ(pxi_cert_new(host_key[0], pxi_random_system(), NOW_S, &other), PX_ERR_OK);
    struct pxi_shaker_options o = {.cert = other, .random = pxi_random_system()};
    CHECK_EQ(pxi_shaker_new(&o, &thief), PX_ERR_OK);
    thief->der.n = 0;
    px_view stolen = pxi_cert_der(host_cert[0]);
    CHECK(pxi_buf_add(&thief->der, stolen.p, stolen.n));
    pair[0].all = thief;
    pair_run(pair);
    CHECK_EQ(pair[1].err, PX_ERR_IDENTITY);
    CHECK_EQ(pxi_shake_alert(pair[1].s), 51);
    pair_end(pair);
    pxi_shaker_free(thief);
    pxi_cert_free(other);
    pair[0].all = owner;
    pair_free(pair);
}

TEST(failing_memory)
{
    for (unsigned n = 1; n < 60; n++) {
        pair_new(pair, true);
        pxi_mem_fail_after(n);
        pair_run(pair);
        pxi_mem_fail_after(0);
        for (unsigned i = 0; i < 2; i++)
            if (pair[i].s && pair[i].err == PX_ERR_NOMEM)
                CHECK(!pxi_shake_done(pair[i].s));
        pair_end(pair);
        pair_run(pair); /* and it works when there is memory again */
        check_agreed(pair);
        pair_free(pair);
    }
}

TEST_MAIN()
