/* Scopes of the resource manager: floods stop at every limit, and every release returns its all. */
#include "net/limits.h"

#include "base/mem.h"
#include "base/rng.h"
#include "px_test.h"

enum { MAX = 4096 };

static struct pxi_endpoint ip4(unsigned a, unsigned b, unsigned c, unsigned d)
{
    struct pxi_endpoint e = {.family = 4, .ip = {(uint8_t)a, (uint8_t)b, (uint8_t)c, (uint8_t)d}};
    return e;
}

static struct pxi_peer peer(unsigned n)
{
    struct pxi_peer p = {.n = 38, .b = {0, 0x24, 8, 1, 0x12, 0x20}};
    memcpy(p.b + 6, &n, sizeof n);
    return p;
}

static struct pxi_net_limits wide(void)
{
    struct pxi_net_limits m;
    memset(&m, 0x11, sizeof m); /* far more than any case opens */
    return m;
}

static void check_zero(struct pxi_limiter *l)
{
    struct pxi_limiter_use u = pxi_limiter_use(l);
    CHECK_EQ(u.conns_in + u.conns_out + u.conns_transient + u.streams_in + u.streams_out, 0);
    CHECK_EQ(u.peers, 0);
    CHECK_EQ(u.memory, 0);
}

/* Open connections until one is refused; returns how many there were, and closes them. */
static unsigned flood(struct pxi_limiter *l, bool out, struct pxi_endpoint (*at)(unsigned),
                      int same_peer)
{
    static struct pxi_scope_conn *s[MAX];
    unsigned n = 0;
    px_err err = PX_ERR_OK;
    while (n < MAX && !err) {
        struct pxi_endpoint e = at(n);
        err = pxi_scope_conn_open(l, out, &e, &s[n]);
        CHECK(err == PX_ERR_OK || s[n] == NULL);
        if (!err && same_peer >= 0) {
            struct pxi_peer p = peer(same_peer ? 7 : n);
            err = pxi_scope_conn_peer(s[n], &p);
            if (err)
                pxi_scope_conn_close(s[n]);
        }
        n += !err;
    }
    CHECK(err == PX_ERR_OK || err == PX_ERR_LIMIT);
    for (unsigned i = 0; i < n; i++)
        pxi_scope_conn_close(s[i]);
    check_zero(l);
    return n;
}

static struct pxi_endpoint anywhere(unsigned i)
{
    return ip4(10, i / 250 / 250, i / 250 % 250, i % 250);
}

static struct pxi_endpoint one_ip(unsigned i)
{
    return ip4(192, 0, 2, 1);
}

static struct pxi_endpoint one_subnet(unsigned i)
{
    return ip4(192, 0, 2, i % 256);
}

static struct pxi_endpoint loopback(unsigned i)
{
    struct pxi_endpoint six = {.family = 6, .ip = {[15] = 1}};
    return i % 2 ? ip4(127, 1, 2, 3) : six;
}

static struct pxi_endpoint mapped(unsigned i)
{
    struct pxi_endpoint e = {.family = 6, .ip = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1}};
    return i % 2 ? one_ip(i) : e;
}

static struct pxi_endpoint six_56(unsigned i)
{
    struct pxi_endpoint e = {.family = 6, .ip = {0x20, 1, 0xd, 0xb8, 0, 1, 9}};
    e.ip[7] = (uint8_t)i; /* the same /56 */
    e.ip[15] = (uint8_t)(i >> 8);
    return e;
}

static struct pxi_endpoint six_48(unsigned i)
{
    struct pxi_endpoint e = {.family = 6, .ip = {0x20, 1, 0xd, 0xb8, 0, 1}};
    e.ip[6] = (uint8_t)i; /* another /56 of the same /48 */
    return e;
}

static struct pxi_endpoint through_relay(unsigned i)
{
    struct pxi_endpoint e = one_ip(i);
    e.relayed = true;
    return e;
}

static struct pxi_endpoint nowhere(unsigned i)
{
    struct pxi_endpoint e = {0};
    return e;
}

TEST(every_limit_of_connections_holds)
{
    struct {
        struct pxi_endpoint (*at)(unsigned);
        int peer; /* -1: never named, 0: all different, 1: all the same */
        bool out;
        unsigned in_max, out_max, transient, peer_max, ip, subnet, expect;
    } c[] = {
        {anywhere, 0, false, 50, 999, 999, 999, 999, 999, 50},
        {anywhere, 0, true, 5, 51, 999, 999, 999, 999, 51},
        {anywhere, -1, false, 999, 999, 20, 999, 999, 999, 20},
        {anywhere, 0, false, 999, 999, 1, 999, 999, 999, 999},
        {anywhere, 1, true, 999, 999, 999, 8, 999, 999, 8},
        {one_ip, 0, false, 999, 999, 999, 999, 9, 999, 9},
        {mapped, 0, false, 999, 999, 999, 999, 9, 999, 9},
        {one_subnet, 0, false, 999, 999, 999, 999, 9, 30, 30},
        {six_56, 0, false, 999, 999, 999, 999, 11, 999, 11},
        {six_48, 0, false, 999, 999, 999, 999, 11, 33, 33},
        {loopback, 0, false, 999, 999, 999, 999, 9, 30, 999},
        {through_relay, 0, false, 999, 999, 999, 999, 9, 30, 999},
        {nowhere, 0, false, 999, 999, 999, 999, 9, 30, 999},
    };
    for (unsigned i = 0; i < sizeof c / sizeof *c; i++) {
        struct pxi_net_limits m = wide();
        m.conns_in = c[i].in_max;
        m.conns_out = c[i].out_max;
        m.conns_transient = c[i].transient;
        m.conns_peer = c[i].peer_max;
        m.conns_ip = c[i].ip;
        m.conns_subnet = c[i].subnet;
        struct pxi_limiter *l = pxi_limiter_new(&m);
        for (int again = 1; again <= 2; again++) {
            CHECK_EQ(flood(l, c[i].out, c[i].at, c[i].peer), c[i].expect);
            CHECK_EQ(pxi_limiter_use(l).refused, again);
        }
        pxi_limiter_free(l);
    }
}

/* Open streams until one is refused. */
static unsigned flood_streams(struct pxi_net_limits m, bool out, unsigned conns, bool same_peer,
                              const char *protocol)
{
    static struct pxi_scope_stream *s[MAX];
    struct pxi_scope_conn *c[16];
    struct pxi_limiter *l = pxi_limiter_new(&m);
    unsigned n = 0;
    px_err err = PX_ERR_OK;
    for (unsigned i = 0; i < conns; i++) {
        struct pxi_peer p = peer(same_peer ? 1 : i);
        CHECK_EQ(pxi_scope_conn_open(l, false, NULL, &c[i]), PX_ERR_OK);
        CHECK_EQ(pxi_scope_conn_peer(c[i], &p), PX_ERR_OK);
    }
    CHECK_EQ(pxi_limiter_use(l).peers, same_peer ? 1 : conns);
    while (n < MAX && !err) {
        err = pxi_scope_stream_open(c[n % conns], out, &s[n]);
        if (!err && protocol) {
            err = pxi_scope_stream_protocol(s[n], protocol);
            if (err)
                pxi_scope_stream_close(s[n]);
        }
        n += !err;
    }
    CHECK(n == MAX || err == PX_ERR_LIMIT);
    for (unsigned i = 0; i < conns; i++) /* connections first: streams may outlive them */
        pxi_scope_conn_close(c[i]);
    CHECK_EQ(out ? pxi_limiter_use(l).streams_out : pxi_limiter_use(l).streams_in, n);
    for (unsigned i = n; i-- > 0;)
        pxi_scope_stream_close(s[i]);
    check_zero(l);
    pxi_limiter_free(l);
    return n;
}

TEST(every_limit_of_streams_holds)
{
    struct pxi_net_limits m = wide();
    m.streams_in = 100;
    CHECK_EQ(flood_streams(m, false, 3, false, NULL), 100);
    CHECK_EQ(flood_streams(m, true, 3, false, NULL), MAX);
    m.streams_out = 70;
    CHECK_EQ(flood_streams(m, true, 3, false, "/a"), 70);
    m = wide();
    m.streams_peer = 60;
    CHECK_EQ(flood_streams(m, false, 4, true, NULL), 60);
    CHECK_EQ(flood_streams(m, false, 4, false, NULL), 240);
    m = wide();
    m.streams_protocol = 33;
    CHECK_EQ(flood_streams(m, false, 4, false, "/a"), 33);
    m = wide();
    m.streams_protocol_peer = 10;
    CHECK_EQ(flood_streams(m, false, 4, false, "/a"), 40);
    CHECK_EQ(flood_streams(m, false, 4, true, "/a"), 10);
}

TEST(memory_is_accounted_in_three_scopes)
{
    struct pxi_net_limits m = wide();
    m.memory = 1000;
    m.memory_peer = 600;
    m.memory_conn = 500;
    struct pxi_limiter *l = pxi_limiter_new(&m);
    struct pxi_scope_conn *a, *b, *c;
    struct pxi_peer p = peer(1), q = peer(2);
    CHECK_EQ(pxi_scope_conn_open(l, false, NULL, &a), PX_ERR_OK);
    CHECK_EQ(pxi_scope_conn_open(l, false, NULL, &b), PX_ERR_OK);
    CHECK_EQ(pxi_scope_conn_open(l, true, NULL, &c), PX_ERR_OK);
    CHECK_EQ(pxi_scope_memory(a, 501), PX_ERR_LIMIT);
    CHECK_EQ(pxi_scope_memory(a, 500), PX_ERR_OK);
    CHECK_EQ(pxi_scope_conn_peer(a, &p), PX_ERR_OK); /* the bytes go along */
    CHECK_EQ(pxi_scope_memory(b, 101), PX_ERR_OK);
    CHECK_EQ(pxi_scope_conn_peer(b, &p), PX_ERR_LIMIT); /* 601 of 600 */
    CHECK_EQ(pxi_scope_memory(b, -1), PX_ERR_OK);
    CHECK_EQ(pxi_scope_conn_peer(b, &p), PX_ERR_OK);
    CHECK_EQ(pxi_scope_conn_peer(b, &p), PX_ERR_INVALID);
    CHECK_EQ(pxi_scope_memory(b, 1), PX_ERR_LIMIT);
    CHECK_EQ(pxi_scope_conn_peer(c, &q), PX_ERR_OK);
    CHECK_EQ(pxi_scope_memory(c, 401), PX_ERR_LIMIT); /* 1001 of 1000 */
    CHECK_EQ(pxi_scope_memory(c, 400), PX_ERR_OK);
    CHECK_EQ(pxi_scope_memory(c, INT64_MAX), PX_ERR_LIMIT);
    CHECK_EQ(pxi_limiter_use(l).memory, 1000);
    CHECK_EQ(pxi_scope_memory(c, INT64_MIN), PX_ERR_OK); /* never more than was taken */
    CHECK_EQ(pxi_limiter_use(l).memory, 600);
    pxi_scope_conn_close(a);
    CHECK_EQ(pxi_limiter_use(l).memory, 100);
    CHECK_EQ(pxi_scope_memory(b, 400), PX_ERR_OK);
    pxi_scope_conn_close(b);
    pxi_scope_conn_close(c);
    check_zero(l);
    pxi_limiter_free(l);
}

/* Random opens and closes beside a count of our own; scopes close in every order. */
TEST(random_orders_return_everything)
{
    enum { N = 300 };
    static struct pxi_scope_conn *c[N];
    static struct pxi_scope_stream *s[N];
    static const char *const protocols[] = {"/a", "/b/1.0.0", "/c", ""};
    struct pxi_rng r = {px_seed};
    struct pxi_net_limits m = wide();
    struct pxi_limiter *l = pxi_limiter_new(&m);
    unsigned conns = 0, streams = 0;
    for (int step = 0; step < 200000; step++) {
        unsigned i = (unsigned)pxi_rng_below(&r, N), j = (unsigned)pxi_rng_below(&r, N);
        struct pxi_endpoint e = anywhere((unsigned)pxi_rng_below(&r, 2000));
        struct pxi_peer p = peer((unsigned)pxi_rng_below(&r, 200));
        if (!c[i]) {
            CHECK_EQ(pxi_scope_conn_open(l, step & 1, &e, &c[i]), PX_ERR_OK);
            conns++;
            if (step & 2)
                CHECK_EQ(pxi_scope_conn_peer(c[i], &p), PX_ERR_OK);
        } else if (pxi_rng_below(&r, 4) == 0) {
            pxi_scope_conn_close(c[i]);
            c[i] = NULL;
            conns--;
        } else {
            CHECK_EQ(pxi_scope_memory(c[i], (int64_t)pxi_rng_below(&r, 2000) - 900), PX_ERR_OK);
        }
        if (s[j]) {
            pxi_scope_stream_close(s[j]);
            s[j] = NULL;
            streams--;
        } else if (c[i]) {
            CHECK_EQ(pxi_scope_stream_open(c[i], step & 4, &s[j]), PX_ERR_OK);
            CHECK_EQ(pxi_scope_stream_protocol(s[j], protocols[step % 4]), PX_ERR_OK);
            streams++;
        }
        struct pxi_limiter_use u = pxi_limiter_use(l);
        CHECK(u.conns_in + u.conns_out == conns && u.streams_in + u.streams_out == streams);
    }
    pxi_limiter_free(l); /* early: it goes with its last scope */
    for (int i = 0; i < N; i++)
        pxi_scope_conn_close(c[i]);
    for (int i = 0; i < N; i++)
        pxi_scope_stream_close(s[i]);
}

TEST(memory_that_is_out_leaves_nothing_counted)
{
    struct pxi_net_limits m = wide();
    struct pxi_endpoint e = one_ip(0);
    struct pxi_peer p = peer(1);
    for (unsigned n = 1; n < 20; n++) {
        struct pxi_scope_conn *c = NULL;
        struct pxi_scope_stream *s = NULL;
        struct pxi_limiter *l = pxi_limiter_new(&m);
        pxi_mem_fail_after(n);
        px_err err = pxi_scope_conn_open(l, false, &e, &c);
        if (!err)
            err = pxi_scope_conn_peer(c, &p);
        if (!err)
            err = pxi_scope_stream_open(c, false, &s);
        if (!err)
            err = pxi_scope_stream_protocol(s, "/a");
        pxi_mem_fail_after(0);
        CHECK(err == PX_ERR_NOMEM || n > 7);
        pxi_scope_stream_close(s);
        pxi_scope_conn_close(c);
        check_zero(l);
        pxi_limiter_free(l);
    }
}

TEST(cost_does_not_grow_with_what_is_open)
{
    enum { N = 100000 };
    static struct pxi_scope_conn *c[N];
    struct pxi_net_limits m = wide();
    struct pxi_limiter *l = pxi_limiter_new(&m);
    for (unsigned i = 0; i < N; i++) { /* quadratic work would run into the alarm */
        struct pxi_endpoint e = anywhere(i);
        struct pxi_peer p = peer(i);
        CHECK_EQ(pxi_scope_conn_open(l, false, &e, &c[i]), PX_ERR_OK);
        CHECK_EQ(pxi_scope_conn_peer(c[i], &p), PX_ERR_OK);
    }
    CHECK_EQ(pxi_limiter_use(l).peers, N);
    for (unsigned i = 0; i < N; i++)
        pxi_scope_conn_close(c[i]);
    check_zero(l);
    pxi_limiter_free(l);
}

TEST(defaults_are_those_of_the_table)
{
    struct pxi_net_limits m = pxi_net_limits_default();
    CHECK_EQ(m.conns_peer, 16);
    CHECK_EQ(m.streams_protocol_peer, 2048);
    CHECK_EQ(m.memory, 1u << 30);
    struct pxi_limiter *l = pxi_limiter_new(NULL);
    CHECK_EQ(flood(l, false, one_ip, 0), m.conns_ip);
    pxi_limiter_free(l);
}

TEST_MAIN()
