/* libp2p TLS in pairs, against libssl itself, and against peers that misbehave. */
#include "base/limits.h"
#include "base/rng.h"
#include "crypto/libcrypto.h"
#include "crypto/tls_state.h"
#include "px_test.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

enum { NOW = 1750000000, CAP = 70000 };

static struct pxi_cert *cert_of(uint64_t seed, uint64_t now_s)
{
    struct pxi_random r = pxi_random_seeded(seed);
    struct pxi_key *host = pxi_key_new(PXI_KEY_ED25519, &r);
    struct pxi_cert *c;
    CHECK(host && pxi_cert_new(host, &r, now_s, &c) == PX_ERR_OK);
    pxi_key_free(host);
    return c;
}

static struct pxi_shaker *shaker_of(const struct pxi_cert *cert)
{
    struct pxi_shaker *all;
    struct pxi_shaker_options o = {.cert = cert, .random = pxi_random_system()};
    CHECK_EQ(pxi_shaker_new(&o, &all), PX_ERR_OK);
    return all;
}

/* ---- one side, with the bytes that it read ---- */

struct side {
    struct pxi_tls *t;
    struct pxi_shaker *all; /* its own */
    struct pxi_buf got;
    px_err err;
};

static const char *const muxers[] = {"/yamux/1.0.0", "/mplex/6.7.0", "libp2p"};

static void side_open(struct side *s, bool server, const struct pxi_cert *cert,
                      const char *const *alpn, size_t alpn_n)
{
    *s = (struct side){.all = shaker_of(cert), .got = {.max = 1 << 26}};
    struct pxi_tls_options o = {
        .shaker = s->all, .server = server, .alpn = alpn, .alpn_n = alpn_n, .now_s = NOW};
    s->t = pxi_tls_new(&o);
    CHECK(s->t);
}

static void side_end(struct side *s)
{
    pxi_tls_free(s->t);
    pxi_shaker_free(s->all);
    pxi_buf_deinit(&s->got);
}

static void side_take(struct side *s, uint8_t *bytes, size_t n)
{
    pxi_tls_feed(s->t, bytes, n);
    for (;;) {
        uint8_t *p;
        size_t k;
        px_err err = pxi_tls_read(s->t, &p, &k);
        s->err = s->err ? s->err : err;
        if (k == 0)
            return;
        CHECK(!err && pxi_buf_add(&s->got, p, k));
    }
}

/* Move what `from` has to send, in pieces of at most `piece` bytes. 1 when there was something. */
static int move(struct side *from, struct side *to, size_t piece)
{
    uint8_t bytes[CAP];
    size_t n = pxi_tls_drain(from->t, bytes, sizeof bytes);
    for (size_t at = 0; at < n; at += piece)
        side_take(to, bytes + at, n - at < piece ? n - at : piece);
    return n != 0;
}

static void settle(struct side *a, struct side *b, size_t piece)
{
    while (move(a, b, piece) | move(b, a, piece))
        ;
}

/* Send n pattern bytes and check that they arrive. */
static void send_bytes(struct side *from, struct side *to, size_t n, size_t piece)
{
    uint8_t *plain = malloc(n + 1), wire[CAP];
    for (size_t i = 0; i < n; i++)
        plain[i] = (uint8_t)(i * 31 + i / 977 + n);
    size_t at = 0, taken, before = to->got.n;
    while (at < n) {
        size_t k =
            pxi_tls_write(from->t, px_view_of(plain + at, n - at), wire, sizeof wire, &taken);
        CHECK(k > 0 && taken > 0);
        at += taken;
        for (size_t w = 0; w < k; w += piece)
            side_take(to, wire + w, k - w < piece ? k - w : piece);
    }
    CHECK(!to->err);
    CHECK_EQ(to->got.n - before, n);
    CHECK(n == 0 || memcmp(to->got.p + before, plain, n) == 0);
    free(plain);
}

TEST(pairs_in_pieces)
{
    static const size_t pieces[] = {1, 2, 3, 7, 100, 1000, 16406, CAP};
    struct pxi_cert *ca = cert_of(1, NOW), *cb = cert_of(2, NOW);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct side a, b;
        uint8_t pub[PXI_PUBKEY_MAX];
        size_t n;
        side_open(&a, false, ca, muxers, 3);
        side_open(&b, true, cb, muxers, 3);
        CHECK(!pxi_tls_ready(a.t) && !pxi_tls_ready(b.t) && pxi_tls_peer(a.t).n == 0);
        settle(&a, &b, pieces[i]);
        CHECK(pxi_tls_ready(a.t) && pxi_tls_ready(b.t) && !a.err && !b.err);
        CHECK(px_view_is(pxi_tls_alpn(a.t), "/yamux/1.0.0"));
        CHECK(px_view_is(pxi_tls_alpn(b.t), "/yamux/1.0.0"));
        CHECK_EQ(pxi_cert_verify(pxi_cert_der(ca), NOW, pub, &n, NULL), PX_ERR_OK);
        CHECK(px_view_equal(pxi_tls_peer(b.t), px_view_of(pub, n)));
        CHECK_EQ(pxi_cert_verify(pxi_cert_der(cb), NOW, pub, &n, NULL), PX_ERR_OK);
        CHECK(px_view_equal(pxi_tls_peer(a.t), px_view_of(pub, n)));
        for (size_t k = 1; k < 200000; k = k * 3 + 1) {
            send_bytes(&a, &b, k, pieces[i]);
            send_bytes(&b, &a, k, pieces[i]);
        }
        pxi_tls_close(a.t);
        settle(&a, &b, pieces[i]);
        CHECK(pxi_tls_closed(b.t) && !b.err && !pxi_tls_closed(a.t));
        send_bytes(&b, &a, 5, pieces[i]); /* the other direction goes on */
        uint8_t out[100];
        CHECK_EQ(pxi_tls_seal(a.t, out, 1, out + PXI_TLS_HEAD), 0);
        side_end(&a);
        side_end(&b);
    }
    pxi_cert_free(ca);
    pxi_cert_free(cb);
}

static void pair_open(struct side *a, struct side *b, struct pxi_cert **cert)
{
    *cert = cert_of(5, NOW);
    side_open(a, false, *cert, muxers, 3);
    side_open(b, true, *cert, muxers, 3);
    settle(a, b, CAP);
    CHECK(pxi_tls_ready(a->t) && pxi_tls_ready(b->t));
}

static void pair_end(struct side *a, struct side *b, struct pxi_cert *cert)
{
    side_end(a);
    side_end(b);
    pxi_cert_free(cert);
}

TEST(random_pieces)
{
    struct pxi_rng r = {px_seed};
    struct side a, b;
    struct pxi_cert *cert;
    pair_open(&a, &b, &cert);
    for (unsigned i = 0; i < 300; i++) {
        size_t n = 1 + pxi_rng_below(&r, i % 10 ? 3000 : 100000);
        size_t piece = 1 + pxi_rng_below(&r, i % 3 ? 20000 : 50);
        send_bytes(i % 2 ? &a : &b, i % 2 ? &b : &a, n, piece);
    }
    pair_end(&a, &b, cert);
}

TEST(sealing_in_place)
{
    struct side a, b;
    struct pxi_cert *cert;
    pair_open(&a, &b, &cert);
    uint8_t record[PXI_TLS_RECORD];
    memset(record + PXI_TLS_HEAD, 'x', PXI_TLS_PLAIN);
    CHECK_EQ(pxi_tls_seal(a.t, record + PXI_TLS_HEAD, PXI_TLS_PLAIN, record), PXI_TLS_RECORD);
    side_take(&b, record, sizeof record);
    CHECK(b.got.n == PXI_TLS_PLAIN && b.got.p[0] == 'x' && b.got.p[PXI_TLS_PLAIN - 1] == 'x');
    CHECK_EQ(pxi_tls_seal(a.t, record, 0, record), 0);
    CHECK_EQ(pxi_tls_seal(a.t, record, PXI_TLS_PLAIN + 1, record), 0);
    pair_end(&a, &b, cert);
}

/* Plaintext with gaps, to a side that has places; padding and messages of the protocol in between.
 */
TEST(gaps_and_landings)
{
    struct pxi_rng r = {px_seed};
    struct side a, b;
    struct pxi_cert *cert;
    static uint8_t in[PXI_TLS_PLAIN], record[PXI_TLS_RECORD], place[PXI_TLS_PLAIN];
    pair_open(&a, &b, &cert);
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)(1 + i % 251);
    for (unsigned k = 0; k < 500; k++) {
        size_t n = 1 + pxi_rng_below(&r, k % 2 ? 100 : sizeof in), at = 0;
        struct pxi_landing land = {.p = place, .lead = pxi_rng_below(&r, 60)};
        struct pxi_gaps gaps = {0};
        uint8_t *plain = record + PXI_TLS_HEAD;
        land.n = pxi_rng_below(&r, 2) ? pxi_rng_below(&r, sizeof place) : 0;
        memcpy(plain, in, n);
        while (pxi_gaps_room(&gaps) && (at += pxi_rng_below(&r, 500)) < n) {
            size_t gap = pxi_rng_below(&r, n - at + 1);
            memset(plain + at, 0, gap);
            pxi_gaps_add(&gaps, plain + at, px_view_of(in + at, gap));
            at += gap;
        }
        size_t sealed = k % 5
                            ? pxi_tls_seal_gaps(a.t, plain, n, &gaps, record)
                            : pxi_tls_half_seal(&a.t->out, PXI_TLS_HANDSHAKE,
                                                (const uint8_t[]){24, 0, 0, 1, 0}, 5, NULL, record);
        if (k % 5 == 0)
            CHECK(pxi_tls_half_update(&a.t->out));
        b.got.n = 0;
        pxi_tls_land(b.t, &land);
        side_take(&b, record, sealed);
        CHECK_EQ(b.err, PX_ERR_OK);
        CHECK_EQ(b.got.n, k % 5 ? n : 0);
        CHECK(!b.got.n || memcmp(b.got.p, in, n) == 0);
    }
    pair_end(&a, &b, cert);
}

TEST(writing_into_little_room)
{
    struct side a, b;
    struct pxi_cert *cert;
    pair_open(&a, &b, &cert);
    uint8_t out[64];
    size_t taken;
    for (size_t cap = 0; cap <= sizeof out; cap++) {
        size_t n = pxi_tls_write(a.t, px_view_str("0123456789"), out, cap, &taken);
        CHECK(n <= cap && taken == (cap <= 22 ? 0 : cap - 22 < 10 ? cap - 22 : 10));
        size_t before = b.got.n;
        side_take(&b, out, n);
        CHECK_EQ(b.got.n - before, taken);
    }
    pair_end(&a, &b, cert);
}

TEST(application_protocols)
{
    static const char *const x[] = {"x"}, *const m_y_l[] = {"m", "y", "l"},
                             *const y_m[] = {"y", "m"}, *const l[] = {"l"};
    static const struct {
        const char *const *client, *const *server;
        size_t client_n, server_n;
        const char *agreed; /* NULL: refused */
    } rows[] = {
        {m_y_l, y_m, 3, 2, "m"}, {y_m, m_y_l, 2, 3, "y"}, {m_y_l, l, 3, 1, "l"},
        {x, l, 1, 1, NULL},      {x, l, 0, 1, ""},        {l, x, 1, 0, NULL},
    };
    struct pxi_cert *cert = cert_of(7, NOW);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct side a, b;
        side_open(&a, false, cert, rows[i].client, rows[i].client_n);
        side_open(&b, true, cert, rows[i].server, rows[i].server_n);
        settle(&a, &b, CAP);
        if (rows[i].agreed) {
            CHECK(pxi_tls_ready(a.t) && pxi_tls_ready(b.t));
            CHECK(px_view_is(pxi_tls_alpn(a.t), rows[i].agreed));
            CHECK(px_view_is(pxi_tls_alpn(b.t), rows[i].agreed));
        } else {
            CHECK_EQ(a.err, PX_ERR_NO_PROTOCOL);
            CHECK_EQ(b.err, PX_ERR_NO_PROTOCOL);
        }
        side_end(&a);
        side_end(&b);
    }
    pxi_cert_free(cert);
}

TEST(options_that_cannot_be)
{
    char name[257];
    memset(name, 'a', 256);
    name[256] = 0;
    const char *names[PXI_LIMIT_TLS_ALPN + 1] = {name};
    struct pxi_cert *cert = cert_of(7, NOW);
    struct pxi_tls_options o = {
        .shaker = shaker_of(cert), .alpn = names, .alpn_n = 1, .now_s = NOW};
    CHECK(!pxi_tls_new(&o));
    names[0] = "";
    CHECK(!pxi_tls_new(&o));
    names[0] = name;
    name[255] = 0;
    struct pxi_tls *t = pxi_tls_new(&o);
    CHECK(t);
    pxi_tls_free(t);
    o.alpn_n = PXI_LIMIT_TLS_ALPN + 1;
    CHECK(!pxi_tls_new(&o));
    pxi_tls_free(NULL);
    pxi_shaker_free(o.shaker);
    pxi_cert_free(cert);
}

/* A certificate that is not yet valid, and one that has expired, on either side. */
TEST(dates)
{
    for (unsigned i = 0; i < 4; i++) {
        struct pxi_cert *good = cert_of(1, NOW);
        struct pxi_cert *odd = cert_of(2, i < 2 ? NOW + 100000 : 0);
        struct side a, b;
        side_open(&a, false, i % 2 ? odd : good, muxers, 3);
        side_open(&b, true, i % 2 ? good : odd, muxers, 3);
        if (i >= 2) { /* valid from 1970 to 2070: look at it from 2100 */
            struct side *judge = i % 2 ? &b : &a;
            struct pxi_tls_options o = {.shaker = judge->all,
                                        .server = i % 2,
                                        .alpn = muxers,
                                        .alpn_n = 3,
                                        .now_s = 4102444800};
            pxi_tls_free(judge->t);
            judge->t = pxi_tls_new(&o);
        }
        settle(&a, &b, CAP);
        CHECK_EQ((i % 2 ? &b : &a)->err, PX_ERR_IDENTITY);
        CHECK((i % 2 ? &a : &b)->err != PX_ERR_OK);
        CHECK(!pxi_tls_ready((i % 2 ? &b : &a)->t));
        side_end(&a);
        side_end(&b);
        pxi_cert_free(good);
        pxi_cert_free(odd);
    }
}

/* ---- records that are wrong ---- */

/* b takes these bytes: its error, and a has an alert to read. */
static px_err hurt(struct side *a, struct side *b, uint8_t *bytes, size_t n)
{
    side_take(b, bytes, n);
    px_err err = b->err;
    if (err) {
        uint8_t out[64];
        CHECK(!pxi_tls_ready(b->t));
        CHECK_EQ(pxi_tls_seal(b->t, (const uint8_t *)"x", 1, out), 0);
        settle(a, b, CAP);
        CHECK_EQ(a->err, PX_ERR_RESET);
    }
    return err;
}

TEST(forged_replayed_and_reordered)
{
    for (unsigned kind = 0; kind < 60; kind++) {
        struct side a, b;
        struct pxi_cert *cert;
        uint8_t one[64], two[64], copy[64];
        pair_open(&a, &b, &cert);
        size_t n = pxi_tls_seal(a.t, (const uint8_t *)"hello", 5, one);
        CHECK_EQ(n, 27);
        CHECK_EQ(pxi_tls_seal(a.t, (const uint8_t *)"world", 5, two), 27);
        memcpy(copy, one, n);
        if (kind < n) { /* a bit of any byte; a longer record just waits */
            one[kind] ^= kind == 3 ? 0x80 : 1;
            px_err err = hurt(&a, &b, one, n);
            if (kind == 2)
                CHECK(err == PX_ERR_PROTOCOL); /* authenticated, though otherwise ignored */
            else if (kind == 4)
                CHECK_EQ(hurt(&a, &b, two, n), PX_ERR_PROTOCOL);
            else
                CHECK_EQ(err, PX_ERR_PROTOCOL);
            CHECK_EQ(b.got.n, 0);
        } else if (kind == n) { /* replayed */
            side_take(&b, one, n);
            CHECK(!b.err && b.got.n == 5);
            CHECK_EQ(hurt(&a, &b, copy, n), PX_ERR_PROTOCOL);
        } else if (kind == n + 1) { /* reordered */
            CHECK_EQ(hurt(&a, &b, two, n), PX_ERR_PROTOCOL);
        } else if (kind == n + 2) { /* too long, refused by its header alone */
            uint8_t head[] = {23, 3, 3, 0x41, 0x01};
            CHECK_EQ(hurt(&a, &b, head, sizeof head), PX_ERR_PROTOCOL);
        } else if (kind == n + 3) { /* too short for a tag */
            uint8_t head[] = {23, 3, 3, 0, 16};
            CHECK_EQ(hurt(&a, &b, head, sizeof head), PX_ERR_PROTOCOL);
        } else if (kind == n + 4) { /* in clear */
            uint8_t alert[] = {21, 3, 3, 0, 2, 2, 0};
            CHECK_EQ(hurt(&a, &b, alert, sizeof alert), PX_ERR_PROTOCOL);
        }
        pair_end(&a, &b, cert);
    }
}

TEST(new_keys_every_few_records)
{
    struct pxi_cert *cert = cert_of(3, NOW);
    struct pxi_tls_options o = {
        .shaker = shaker_of(cert), .alpn = muxers, .alpn_n = 3, .now_s = NOW, .rekey_records = 3};
    struct side a = {.t = pxi_tls_new(&o), .all = o.shaker, .got = {.max = 1 << 26}}, b = a;
    b.all = NULL;
    o.server = true;
    b.t = pxi_tls_new(&o);
    settle(&a, &b, CAP);
    for (unsigned i = 0; i < 200; i++) {
        send_bytes(&a, &b, 1 + i, 1 + i % 40);
        send_bytes(&b, &a, 40000, 10007);
    }
    side_end(&a);
    side_end(&b);
    pxi_cert_free(cert);
}

/* ---- a peer that has every key and makes its records as it likes ---- */

struct puppet {
    struct pxi_shake *s;
    struct pxi_shaker *all;
    struct pxi_tls_half in, out;
    enum pxi_shake_level level;
    struct pxi_buf wire;       /* to the other side */
    size_t split;              /* bytes of a message in a record, at most */
    unsigned sent, skip;       /* messages; the one that is left out, from 1 on */
    unsigned join;             /* the message that goes on in the record of the one before */
    const struct odd_row *row; /* what it says besides */
    int alert;                 /* that came, or -1 */
    px_err err;
};

enum moment { AT_ONCE, WITH_HANDSHAKE_KEYS, WITH_LAST_KEYS };

/* A record at an odd time: bytes of the wire, or content to be sealed under a type. */
static const struct odd_row {
    uint8_t moment, sealed, n, bytes[24];
    px_err err;
    int alert;
    uint8_t times;
} odd_rows[] = {
    {AT_ONCE, 0, 5, {22, 3, 3, 0, 0}, PX_ERR_PROTOCOL, 10},
    {AT_ONCE, 0, 5, {22, 3, 3, 0x40, 1}, PX_ERR_PROTOCOL, 22},
    {AT_ONCE, 0, 5, {21, 3, 3, 0x40, 1}, PX_ERR_PROTOCOL, 22},
    {AT_ONCE, 0, 5, {22, 2, 3, 0, 1}, PX_ERR_PROTOCOL, 10},
    {AT_ONCE, 0, 6, {24, 3, 3, 0, 1, 1}, PX_ERR_PROTOCOL, 10},
    {AT_ONCE, 0, 22, {23, 3, 3, 0, 17}, PX_ERR_PROTOCOL, 10},
    {AT_ONCE, 0, 7, {21, 3, 3, 0, 2, 1, 90}, PX_ERR_OK, -1},
    {AT_ONCE, 0, 7, {21, 3, 3, 0, 2, 2, 40}, PX_ERR_PROTOCOL, -1},
    {AT_ONCE, 0, 7, {21, 3, 3, 0, 2, 1, 0}, PX_ERR_PROTOCOL, -1},
    {AT_ONCE, 0, 7, {21, 3, 3, 0, 2, 2, 120}, PX_ERR_NO_PROTOCOL, -1},
    {AT_ONCE, 0, 6, {21, 3, 3, 0, 1, 2}, PX_ERR_PROTOCOL, 50},
    {AT_ONCE, 0, 9, {22, 3, 3, 0, 4, 11, 0, 0, 0}, PX_ERR_PROTOCOL, 10},
    {AT_ONCE, 0, 9, {22, 3, 3, 0, 4, 1, 0xff, 0, 0}, PX_ERR_PROTOCOL, 50},
    {WITH_HANDSHAKE_KEYS, 0, 6, {20, 3, 3, 0, 1, 1}, PX_ERR_OK, -1},
    {WITH_HANDSHAKE_KEYS, 0, 6, {20, 3, 3, 0, 1, 1}, PX_ERR_OK, -1, 5},
    {WITH_HANDSHAKE_KEYS, 0, 6, {20, 3, 3, 0, 1, 1}, PX_ERR_PROTOCOL, 10, 100},
    {WITH_HANDSHAKE_KEYS, 0, 6, {20, 3, 3, 0, 1, 2}, PX_ERR_PROTOCOL, 10},
    {WITH_HANDSHAKE_KEYS, 0, 7, {20, 3, 3, 0, 2, 1, 1}, PX_ERR_PROTOCOL, 10},
    {WITH_HANDSHAKE_KEYS, 0, 5, {20, 3, 3, 0, 0}, PX_ERR_PROTOCOL, 10},
    {WITH_HANDSHAKE_KEYS, 0, 7, {21, 3, 3, 0, 2, 2, 42}, PX_ERR_PROTOCOL, -1},
    {WITH_HANDSHAKE_KEYS, 0, 9, {22, 3, 3, 0, 4, 8, 0, 0, 0}, PX_ERR_PROTOCOL, 10},
    {WITH_HANDSHAKE_KEYS, 0, 22, {23, 3, 3, 0, 17, 1}, PX_ERR_PROTOCOL, 20},
    {WITH_HANDSHAKE_KEYS, 0, 5, {23, 3, 3, 0, 16}, PX_ERR_PROTOCOL, 20},
    {WITH_HANDSHAKE_KEYS, 0, 5, {23, 3, 3, 0x41, 1}, PX_ERR_PROTOCOL, 22},
    {WITH_HANDSHAKE_KEYS, 22, 0, {0}, PX_ERR_PROTOCOL, 10},
    {WITH_HANDSHAKE_KEYS, 22, 4, {8, 0xff, 0, 0}, PX_ERR_PROTOCOL, 50},
    {WITH_HANDSHAKE_KEYS, 22, 4, {20, 0, 0, 0}, PX_ERR_PROTOCOL, 10},
    {WITH_HANDSHAKE_KEYS, 22, 4, {1, 0, 0, 0}, PX_ERR_PROTOCOL, 10},
    {WITH_HANDSHAKE_KEYS, 23, 1, {'x'}, PX_ERR_PROTOCOL, 10},
    {WITH_HANDSHAKE_KEYS, 23, 0, {0}, PX_ERR_PROTOCOL, 10},
    {WITH_HANDSHAKE_KEYS, 20, 1, {1}, PX_ERR_PROTOCOL, 10},
    {WITH_HANDSHAKE_KEYS, 21, 2, {2, 42}, PX_ERR_PROTOCOL, -1},
    {WITH_HANDSHAKE_KEYS, 21, 2, {2, 120}, PX_ERR_NO_PROTOCOL, -1},
    {WITH_HANDSHAKE_KEYS, 21, 2, {1, 90}, PX_ERR_OK, -1},
    {WITH_HANDSHAKE_KEYS, 21, 2, {1, 90}, PX_ERR_PROTOCOL, 10, 100},
    {WITH_HANDSHAKE_KEYS, 21, 0, {0}, PX_ERR_PROTOCOL, 50},
    {WITH_LAST_KEYS, 0, 6, {20, 3, 3, 0, 1, 1}, PX_ERR_PROTOCOL, 10},
    {WITH_LAST_KEYS, 0, 7, {21, 3, 3, 0, 2, 2, 42}, PX_ERR_PROTOCOL, 10},
    {WITH_LAST_KEYS, 22, 4, {20, 0, 0, 0}, PX_ERR_PROTOCOL, 10},
    {WITH_LAST_KEYS, 22, 5, {24, 0, 0, 1, 2}, PX_ERR_PROTOCOL, 50},
    {WITH_LAST_KEYS, 23, 0, {0}, PX_ERR_OK, -1},
    {WITH_LAST_KEYS, 21, 2, {2, 42}, PX_ERR_RESET, -1},
};

static void put_record(struct puppet *p, uint8_t type, const uint8_t *bytes, size_t n)
{
    uint8_t record[PXI_TLS_RECORD] = {type, 3, 3, (uint8_t)(n >> 8), (uint8_t)n};
    size_t len = PXI_TLS_HEAD + n;
    if (p->out.ctx)
        len = pxi_tls_half_seal(&p->out, type, bytes, n, NULL, record);
    else if (n)
        memcpy(record + PXI_TLS_HEAD, bytes, n);
    CHECK(len && pxi_buf_add(&p->wire, record, len));
}

static void say_odd(struct puppet *p, enum moment moment)
{
    const struct odd_row *r = p->row;
    for (unsigned i = 0; r && r->moment == moment && i <= r->times; i++)
        if (r->sealed)
            put_record(p, r->sealed, r->bytes, r->n);
        else
            CHECK(pxi_buf_add(&p->wire, r->bytes, r->n));
}

/* The last record in clear goes on with these bytes. */
static void add_to_record(struct puppet *p, const uint8_t *bytes, size_t n)
{
    size_t had = (size_t)p->wire.p[3] << 8 | p->wire.p[4];
    CHECK(p->wire.n == PXI_TLS_HEAD + had && pxi_buf_add(&p->wire, bytes, n));
    p->wire.p[3] = (uint8_t)((had + n) >> 8);
    p->wire.p[4] = (uint8_t)(had + n);
}

static px_err puppet_send(void *ctx, enum pxi_shake_level level, px_view bytes)
{
    struct puppet *p = ctx;
    if (p->sent++ == 0)
        say_odd(p, AT_ONCE);
    if (p->sent == p->skip)
        return PX_ERR_OK;
    if (p->sent == p->join) {
        add_to_record(p, bytes.p, 3);
        bytes = px_view_of(bytes.p + 3, bytes.n - 3);
    }
    for (size_t at = 0; at < bytes.n; at += p->split)
        put_record(p, 22, bytes.p + at, bytes.n - at < p->split ? bytes.n - at : p->split);
    return PX_ERR_OK;
}

static px_err puppet_keys(void *ctx, enum pxi_shake_level level, enum pxi_shake_suite suite,
                          const uint8_t *rx, const uint8_t *tx)
{
    struct puppet *p = ctx;
    const EVP_CIPHER *cipher =
        suite == PXI_SUITE_AES_128_GCM ? pxi_algs()->aes_128_gcm : pxi_algs()->chacha20_poly1305;
    if (rx) {
        CHECK(pxi_tls_half_start(&p->in, cipher, false, rx));
        p->level = level;
    }
    if (tx) {
        CHECK(pxi_tls_half_start(&p->out, cipher, true, tx));
        say_odd(p, level == PXI_SHAKE_HANDSHAKE ? WITH_HANDSHAKE_KEYS : WITH_LAST_KEYS);
    }
    return PX_ERR_OK;
}

static px_err puppet_peer(void *ctx, px_view pubkey)
{
    return PX_ERR_OK;
}

static const struct pxi_shake_events puppet_on = {
    .send = puppet_send, .keys = puppet_keys, .peer = puppet_peer};

static void puppet_open(struct puppet *p, bool server, const struct pxi_cert *cert)
{
    *p = (struct puppet){
        .all = shaker_of(cert), .split = PXI_TLS_PLAIN, .alert = -1, .wire = {.max = 1 << 20}};
    struct pxi_shake_options o = {
        .all = p->all, .on = &puppet_on, .ctx = p, .alpn = muxers, .alpn_n = 3, .server = server};
    p->s = pxi_shake_new(&o);
    CHECK(p->s);
}

static void puppet_end(struct puppet *p)
{
    pxi_shake_free(p->s);
    pxi_shaker_free(p->all);
    pxi_tls_half_end(&p->in);
    pxi_tls_half_end(&p->out);
    pxi_buf_deinit(&p->wire);
}

/* Whole records of the other side. */
static void puppet_take(struct puppet *p, uint8_t *bytes, size_t n)
{
    for (size_t at = 0, len; at < n; at += len) {
        uint8_t *r = bytes + at, type = r[0];
        size_t body_n = len = (size_t)r[3] << 8 | r[4];
        len += PXI_TLS_HEAD;
        CHECK(n - at >= len);
        if (type == PXI_TLS_DATA && !p->err)
            CHECK(pxi_tls_half_open(&p->in, r, len, NULL, &type, &body_n));
        if (type == PXI_TLS_ALERT)
            p->alert = r[PXI_TLS_HEAD + 1];
        else if (type == PXI_TLS_HANDSHAKE && !p->err)
            p->err = pxi_shake_feed(p->s, p->level, px_view_of(r + PXI_TLS_HEAD, body_n), NOW);
    }
}

static void puppet_meet(struct puppet *p, struct side *s, bool server, size_t piece)
{
    uint8_t bytes[CAP];
    p->err = server ? PX_ERR_OK : pxi_shake_start(p->s);
    for (size_t n = 1, m = 1; n || m;) {
        n = pxi_tls_drain(s->t, bytes, sizeof bytes);
        puppet_take(p, bytes, n);
        m = p->wire.n;
        CHECK(m < sizeof bytes);
        if (m)
            memcpy(bytes, p->wire.p, m);
        p->wire.n = 0;
        for (size_t at = 0; at < m; at += piece)
            side_take(s, bytes + at, m - at < piece ? m - at : piece);
    }
}

/* Messages over several records, several records at a time. */
TEST(messages_in_many_records)
{
    static const size_t splits[] = {1, 2, 3, 5, 50, 300, PXI_TLS_PLAIN};
    struct pxi_cert *cert = cert_of(4, NOW);
    for (unsigned i = 0; i < 4 * sizeof splits / sizeof *splits; i++) {
        struct puppet p;
        struct side s;
        bool server = i & 1;
        puppet_open(&p, server, cert);
        side_open(&s, !server, cert, muxers, 3);
        p.split = splits[i >> 2];
        puppet_meet(&p, &s, server, i & 2 ? 1 : CAP);
        CHECK(!p.err && pxi_shake_done(p.s) && !s.err && pxi_tls_ready(s.t));
        put_record(&p, PXI_TLS_DATA, (const uint8_t *)"hello", 5);
        side_take(&s, p.wire.p, p.wire.n);
        CHECK(s.got.n == 5 && memcmp(s.got.p, "hello", 5) == 0);
        puppet_end(&p);
        side_end(&s);
    }
    pxi_cert_free(cert);
}

TEST(odd_records_at_every_moment)
{
    struct pxi_cert *cert = cert_of(4, NOW);
    for (unsigned i = 0; i < 4 * sizeof odd_rows / sizeof *odd_rows; i++) {
        struct puppet p;
        struct side s;
        const struct odd_row *r = &odd_rows[i >> 2];
        bool server = i & 1;
        puppet_open(&p, server, cert);
        side_open(&s, !server, cert, muxers, 3);
        p.row = r;
        puppet_meet(&p, &s, server, i & 2 ? 1 : CAP);
        if (s.err != r->err || p.alert != r->alert)
            PX_FAIL("row %u, %s: error %d, alert %d", i >> 2, server ? "server" : "client",
                    (int)s.err, p.alert);
        CHECK(!s.err == pxi_tls_ready(s.t));
        puppet_end(&p);
        side_end(&s);
    }
    pxi_cert_free(cert);
}

/* Before its hello a client may say nothing; a server may. */
TEST(change_cipher_spec_before_the_hello)
{
    static const struct odd_row row = {AT_ONCE, 0, 6, {20, 3, 3, 0, 1, 1}, PX_ERR_OK, 0, 0};
    struct pxi_cert *cert = cert_of(4, NOW);
    for (unsigned server = 0; server < 2; server++) {
        struct puppet p;
        struct side s;
        puppet_open(&p, server, cert);
        side_open(&s, !server, cert, muxers, 3);
        p.row = &row;
        puppet_meet(&p, &s, server, CAP);
        CHECK_EQ(s.err, server ? PX_ERR_OK : PX_ERR_PROTOCOL);
        CHECK_EQ(p.alert, server ? -1 : 10);
        puppet_end(&p);
        side_end(&s);
    }
    pxi_cert_free(cert);
}

/* One message is missing, or begins in the record of the hello, under other keys. */
TEST(messages_out_of_order)
{
    struct pxi_cert *cert = cert_of(4, NOW);
    for (unsigned server = 0; server < 2; server++) {
        unsigned messages = server ? 6 : 4;
        for (unsigned skip = 1; skip <= messages; skip++) {
            struct puppet p;
            struct side s;
            puppet_open(&p, server, cert);
            side_open(&s, !server, cert, muxers, 3);
            p.skip = skip;
            puppet_meet(&p, &s, server, CAP);
            CHECK(!pxi_tls_ready(s.t));
            bool last = skip == messages, hello = skip == 1;
            CHECK_EQ(s.err, last || (hello && !server) ? PX_ERR_OK : PX_ERR_PROTOCOL);
            CHECK_EQ(p.alert, s.err ? 10 : -1);
            puppet_end(&p);
            side_end(&s);
        }
    }
    struct puppet p;
    struct side s;
    puppet_open(&p, true, cert);
    side_open(&s, false, cert, muxers, 3);
    p.join = 2;
    puppet_meet(&p, &s, true, CAP);
    CHECK_EQ(s.err, PX_ERR_PROTOCOL);
    CHECK_EQ(p.alert, 10);
    puppet_end(&p);
    side_end(&s);
    pxi_cert_free(cert);
}

/* ---- libssl as the peer ---- */

struct openssl {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
};

static int accept_any(X509_STORE_CTX *store, void *arg)
{
    return 1;
}

static void openssl_open(struct openssl *o, const struct pxi_cert *cert)
{
    o->ctx = SSL_CTX_new(TLS_method());
    SSL_CTX_set_verify(o->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(o->ctx, accept_any, NULL);
    if (cert) {
        px_view der = pxi_cert_der(cert), key = pxi_cert_key_der(cert);
        CHECK(SSL_CTX_use_certificate_ASN1(o->ctx, (int)der.n, der.p) &&
              SSL_CTX_use_PrivateKey_ASN1(EVP_PKEY_EC, o->ctx, key.p, (long)key.n));
    }
    SSL_CTX_set_session_id_context(o->ctx, (const uint8_t *)"t", 1);
    o->ssl = NULL;
}

static void openssl_start(struct openssl *o, bool server)
{
    o->ssl = SSL_new(o->ctx);
    o->in = BIO_new(BIO_s_mem());
    o->out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(o->in, -1);
    SSL_set_bio(o->ssl, o->in, o->out);
    if (server)
        SSL_set_accept_state(o->ssl);
    else
        SSL_set_connect_state(o->ssl);
    SSL_do_handshake(o->ssl);
}

static void openssl_end(struct openssl *o)
{
    SSL_free(o->ssl);
    SSL_CTX_free(o->ctx);
    ERR_clear_error();
}

/* Both ways until nothing moves; what libssl reads goes to text. */
static size_t openssl_settle(struct openssl *o, struct side *s, char *text, size_t cap)
{
    uint8_t bytes[CAP];
    size_t got = 0, k;
    for (int moved = 1; moved;) {
        int n = BIO_read(o->out, bytes, sizeof bytes);
        moved = n > 0;
        if (n > 0)
            side_take(s, bytes, (size_t)n);
        size_t m = pxi_tls_drain(s->t, bytes, sizeof bytes);
        moved |= m > 0;
        if (m)
            CHECK_EQ(BIO_write(o->in, bytes, (int)m), m);
        if (!SSL_is_init_finished(o->ssl))
            SSL_do_handshake(o->ssl);
        else if (got < cap && SSL_read_ex(o->ssl, text + got, cap - got, &k))
            got += k, moved = 1;
    }
    return got;
}

/* Data both ways, new keys, and the end of both directions. */
static void openssl_talk(struct openssl *o, struct side *s)
{
    char text[64];
    uint8_t wire[256];
    size_t n, taken;
    for (unsigned i = 0; i < 5; i++) {
        CHECK(SSL_write_ex(o->ssl, "ping", 4, &n) && n == 4);
        openssl_settle(o, s, text, sizeof text);
        CHECK(s->got.n == 4 * (i + 1u) && memcmp(s->got.p + 4 * i, "ping", 4) == 0);
        n = pxi_tls_write(s->t, px_view_str("pong!"), wire, sizeof wire, &taken);
        CHECK_EQ(BIO_write(o->in, wire, (int)n), n);
        CHECK_EQ(openssl_settle(o, s, text, sizeof text), 5);
        /* New keys, with and without wanting ours. */
        CHECK(SSL_key_update(o->ssl,
                             i % 2 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED));
        CHECK(SSL_do_handshake(o->ssl) == 1);
    }
    CHECK_EQ(SSL_shutdown(o->ssl), 0);
    openssl_settle(o, s, text, 0);
    CHECK(pxi_tls_closed(s->t) && !s->err);
    pxi_tls_close(s->t);
    openssl_settle(o, s, text, 0);
    CHECK_EQ(SSL_shutdown(o->ssl), 1);
}

static int choose_mplex(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                        const unsigned char *in, unsigned in_n, void *arg)
{
    static const unsigned char name[] = "/mplex/6.7.0";
    *out = name;
    *out_n = sizeof name - 1;
    return SSL_TLSEXT_ERR_OK;
}

/* Both roles and ciphers; with and without the middlebox compatibility mode; groups of which the
 * second makes a server ask for another share (as a client: P-384, which we lack); messages in
 * records of 512 bytes; with and without application protocols. */
TEST(libssl_as_peer)
{
    static const unsigned char offer[] = "\1x\14/mplex/6.7.0\14/yamux/1.0.0";
    struct pxi_cert *cert = cert_of(4, NOW);
    for (unsigned form = 0; form < 64; form++) {
        bool server = form & 1, compatible = form & 4, again = form & 8, names = form & 32;
        struct openssl o;
        struct side s;
        char text[64];
        openssl_open(&o, cert);
        CHECK(SSL_CTX_set_ciphersuites(o.ctx, form & 2 ? "TLS_CHACHA20_POLY1305_SHA256"
                                                       : "TLS_AES_128_GCM_SHA256"));
        if (!compatible)
            SSL_CTX_clear_options(o.ctx, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
        if (again)
            CHECK(SSL_CTX_set1_groups_list(o.ctx, server ? "P-256" : "P-384:P-256"));
        if (form & 16)
            CHECK(SSL_CTX_set_max_send_fragment(o.ctx, 512));
        if (names && server)
            SSL_CTX_set_alpn_select_cb(o.ctx, choose_mplex, NULL);
        else if (names)
            CHECK(!SSL_CTX_set_alpn_protos(o.ctx, offer, sizeof offer - 1));
        openssl_start(&o, server);
        side_open(&s, !server, cert, muxers, 3);
        openssl_settle(&o, &s, text, sizeof text); /* as a server it sends two tickets */
        if (!SSL_is_init_finished(o.ssl) || !pxi_tls_ready(s.t) || s.err)
            PX_FAIL("form %u: error %d", form, (int)s.err);
        CHECK(px_view_is(pxi_tls_alpn(s.t), names ? "/mplex/6.7.0" : ""));
        openssl_talk(&o, &s);
        openssl_end(&o);
        side_end(&s);
    }
    pxi_cert_free(cert);
}

/* Chain of two; no certificate; TLS 1.2; a certificate without the extension. */
TEST(libssl_as_bad_peer)
{
    struct pxi_cert *cert = cert_of(4, NOW);
    for (unsigned kind = 0; kind < 7; kind++) {
        struct openssl o;
        struct side s;
        char text[8];
        bool server = kind % 2;
        openssl_open(&o, kind == 2 ? NULL : cert);
        if (kind < 2) {
            const uint8_t *at = pxi_cert_der(cert).p;
            X509 *x = d2i_X509(NULL, &at, (long)pxi_cert_der(cert).n);
            CHECK(x && SSL_CTX_add1_chain_cert(o.ctx, x));
            X509_free(x);
        } else if (kind == 4 || kind == 5) {
            SSL_CTX_set_max_proto_version(o.ctx, TLS1_2_VERSION);
        } else if (kind == 3 || kind == 6) {
            EVP_PKEY *k = EVP_EC_gen("P-256");
            X509 *x = X509_new();
            CHECK(X509_set_version(x, 2) && X509_set_pubkey(x, k));
            ASN1_TIME_set(X509_getm_notBefore(x), NOW - 10);
            ASN1_TIME_set(X509_getm_notAfter(x), NOW + 10);
            CHECK(X509_sign(x, k, EVP_sha256()));
            CHECK(SSL_CTX_use_certificate(o.ctx, x) && SSL_CTX_use_PrivateKey(o.ctx, k));
            X509_free(x);
            EVP_PKEY_free(k);
        }
        openssl_start(&o, server);
        side_open(&s, !server, cert, muxers, 3);
        openssl_settle(&o, &s, text, sizeof text);
        CHECK(!pxi_tls_ready(s.t));
        CHECK_EQ(s.err, kind == 4 || kind == 5 ? PX_ERR_PROTOCOL : PX_ERR_IDENTITY);
        CHECK_EQ(pxi_tls_peer(s.t).n, 0);
        openssl_end(&o);
        side_end(&s);
    }
    pxi_cert_free(cert);
}

/* Tickets, key updates and empty records without end, none of which carry data. */
TEST(libssl_floods)
{
    struct pxi_cert *cert = cert_of(4, NOW);
    struct openssl o;
    struct side s;
    char text[8];
    openssl_open(&o, cert);
    openssl_start(&o, true);
    side_open(&s, false, cert, muxers, 3);
    openssl_settle(&o, &s, text, sizeof text);
    CHECK(pxi_tls_ready(s.t));
    for (unsigned i = 0; i < 2 * PXI_LIMIT_TLS_IDLE_RECORDS && !s.err; i++) {
        CHECK(SSL_key_update(o.ssl, SSL_KEY_UPDATE_REQUESTED) && SSL_do_handshake(o.ssl) == 1);
        uint8_t bytes[1000];
        int n = BIO_read(o.out, bytes, sizeof bytes);
        CHECK(n > 0);
        side_take(&s, bytes, (size_t)n);
        CHECK(pxi_tls_pending(s.t) < 100); /* one answer waits, not one for each */
    }
    CHECK_EQ(s.err, PX_ERR_PROTOCOL);
    openssl_end(&o);
    side_end(&s);
    pxi_cert_free(cert);
}

TEST(noise_instead_of_a_handshake)
{
    struct pxi_rng r = {px_seed};
    struct pxi_cert *cert = cert_of(4, NOW);
    for (unsigned i = 0; i < 200; i++) {
        struct side s;
        uint8_t bytes[300];
        side_open(&s, i % 2, cert, muxers, 3);
        for (size_t j = 0; j < sizeof bytes; j++)
            bytes[j] = (uint8_t)pxi_rng_u64(&r);
        if (i % 4 > 1)
            memcpy(bytes, (uint8_t[]){22, 3, 1, 0, 200, (uint8_t)(1 + i % 2), 0, 0, 196}, 9);
        side_take(&s, bytes, sizeof bytes);
        CHECK(s.err && !pxi_tls_ready(s.t) && s.got.n == 0);
        side_take(&s, bytes, sizeof bytes); /* final */
        CHECK(s.err && pxi_tls_drain(s.t, bytes, sizeof bytes) <= sizeof bytes);
        side_end(&s);
    }
    pxi_cert_free(cert);
}

/* Every change of a byte of the handshake ends it, on one side at least, and never half-way. */
TEST(handshake_with_changed_bytes)
{
    struct pxi_cert *cert = cert_of(4, NOW);
    for (unsigned i = 0; i < 400; i++) {
        struct side a, b;
        uint8_t bytes[CAP];
        side_open(&a, false, cert, muxers, 3);
        side_open(&b, true, cert, muxers, 3);
        size_t at = i * 7;
        for (unsigned flight = 0; flight < 4; flight++) {
            struct side *from = flight % 2 ? &b : &a, *to = flight % 2 ? &a : &b;
            size_t n = pxi_tls_drain(from->t, bytes, sizeof bytes);
            if (at < n)
                bytes[at] ^= 1 << i % 8;
            at = at < n ? SIZE_MAX : at - (at == SIZE_MAX ? 0 : n);
            side_take(to, bytes, n);
        }
        CHECK(at != SIZE_MAX || !pxi_tls_ready(a.t) || !pxi_tls_ready(b.t));
        side_end(&a);
        side_end(&b);
    }
    pxi_cert_free(cert);
}

TEST(without_memory)
{
    struct pxi_cert *cert = cert_of(4, NOW);
    unsigned done = 0;
    for (unsigned i = 1; !done; i++) {
        struct pxi_tls_options o = {
            .shaker = shaker_of(cert), .alpn = muxers, .alpn_n = 3, .now_s = NOW};
        struct side a = {.all = o.shaker, .got = {.max = 1000}}, b = a;
        b.all = NULL;
        pxi_mem_fail_after(i);
        a.t = pxi_tls_new(&o);
        o.server = true;
        b.t = a.t ? pxi_tls_new(&o) : NULL;
        if (b.t)
            settle(&a, &b, CAP);
        pxi_mem_fail_after(0);
        done = b.t && pxi_tls_ready(a.t) && pxi_tls_ready(b.t);
        CHECK(i < 100 && (done || !a.t || !b.t || a.err || b.err));
        side_end(&a);
        side_end(&b);
    }
    pxi_cert_free(cert);
}

TEST_MAIN()
