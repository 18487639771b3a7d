/* QUIC between hosts in virtual time. */
#include "quic_pair.h"

#include <malloc.h>

#include "base/limits.h"
#include "base/mem.h"
#include "net/host_impl.h"
#include "net/ping.h"

/* ------------------------------------------------- a protocol that counts */

struct sink {
    struct pxi_stream *stream; /* the last one accepted */
    uint64_t got, total, want_end;
    unsigned accepted, ended, closed;
    px_err why;
    size_t take; /* most bytes taken at a time; 0: all */
    bool stop;   /* take nothing */
    bool done;
    bool echo_end;
};

static uint8_t pattern(uint64_t at)
{
    return (uint8_t)(at * 37 >> 4);
}

static size_t sink_data(struct pxi_stream *s, px_view b)
{
    struct sink *k = s->user;
    size_t n = k->stop ? 0 : k->take && k->take < b.n ? k->take : b.n;
    for (size_t i = 0; i < n; i++)
        CHECK_EQ(b.p[i], pattern(k->got + i));
    k->got += n;
    return n;
}

static void sink_ended(struct pxi_stream *s)
{
    struct sink *k = s->user;
    k->ended++;
    if (k->echo_end)
        pxi_stream_end(s);
    k->done = true;
}

static void sink_closed(struct pxi_stream *s, px_err why)
{
    struct sink *k = s->user;
    k->closed++;
    k->why = why;
    k->stream = NULL;
    k->done = true;
}

static const struct pxi_stream_events sink_on = {
    .data = sink_data, .ended = sink_ended, .closed = sink_closed};

static void sink_accept(void *ctx, struct pxi_stream *s)
{
    struct sink *k = ctx;
    k->accepted++;
    k->stream = s;
    pxi_stream_own(s, &sink_on, k);
}

/* --------------------------------------------- a writer of so many bytes */

struct source {
    uint64_t sent, total;
    unsigned opened, closed;
    px_err why;
    bool end, done;
    struct pxi_stream *stream;
};

static void source_fill(struct source *o)
{
    uint8_t block[8192];
    while (o->sent < o->total) {
        size_t n = o->total - o->sent < sizeof block ? o->total - o->sent : sizeof block;
        for (size_t i = 0; i < n; i++)
            block[i] = pattern(o->sent + i);
        size_t w = pxi_stream_write(o->stream, px_view_of(block, n));
        o->sent += w;
        if (w < n)
            return;
    }
    if (o->end)
        pxi_stream_end(o->stream);
}

static void source_writable(struct pxi_stream *s)
{
    source_fill(s->user);
}

static void source_opened(struct pxi_stream *s)
{
    ((struct source *)s->user)->opened++;
}

static void source_closed(struct pxi_stream *s, px_err why)
{
    struct source *o = s->user;
    o->closed++;
    o->why = why;
    o->done = true;
}

static const struct pxi_stream_events source_on = {
    .opened = source_opened, .writable = source_writable, .closed = source_closed};

static const char *const bulk[] = {"/test/bulk/1"};

static void source_open(struct source *o, struct pxi_conn *c, uint64_t total, bool end)
{
    memset(o, 0, sizeof *o);
    o->total = total;
    o->end = end;
    o->stream = pxi_host_open(c, bulk, 1, &source_on, o);
    CHECK(o->stream);
    source_fill(o);
}

static struct sim sim;

static void two(struct sink *k)
{
    sim_init(&sim, px_seed);
    sim_add(&sim, NULL);
    sim_add(&sim, NULL);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(pxi_ping_serve(sim.h[i].host), PX_ERR_OK);
        if (k)
            CHECK_EQ(pxi_host_handle(sim.h[i].host, bulk[0], 0, sink_accept, k), PX_ERR_OK);
    }
}

/* ------------------------------------------------------------------- cases */

struct pings {
    uint64_t rtt_ns;
    px_err err;
    bool done;
};

static void pong(void *ctx, uint64_t rtt_ns, px_err err)
{
    struct pings *p = ctx;
    p->rtt_ns = rtt_ns;
    p->err = err;
    p->done = true;
}

/* The first request takes one round trip: nothing of ngtcp2's pacing or acknowledgement delays is
 * left in its way. The whole dial takes two (RFC 9001). */
TEST(first_request_is_one_round_trip)
{
    struct pings p = {0};
    two(NULL);
    uint64_t begin = sim.timers.now_ns;
    struct pxi_conn *c = sim_connect(&sim, &sim.h[0], &sim.h[1]);
    uint64_t up = sim.timers.now_ns - begin;
    CHECK(pxi_peer_equal(&c->peer, pxi_host_self(sim.h[1].host)));
    CHECK(px_view_equal(c->pubkey, pxi_key_public(sim.h[1].key)));
    struct pxi_ping *ping = pxi_ping_open(c, pong, &p);
    CHECK(ping);
    uint64_t asked = sim.timers.now_ns;
    pxi_ping_send(ping, 5 * PXI_SECOND);
    sim_run(&sim, 5 * PXI_SECOND, &p.done);
    CHECK_EQ(p.err, PX_ERR_OK);
    uint64_t first = sim.timers.now_ns - asked;
    printf("# handshake %.3f ms, first request %.3f ms, round trip 1 ms\n", up / 1e6, first / 1e6);
    CHECK(up <= 2 * 2 * sim.delay_ns);
    CHECK_EQ(first, 2 * sim.delay_ns);
    for (int i = 0; i < 5; i++) {
        p.done = false;
        pxi_ping_send(ping, 5 * PXI_SECOND);
        CHECK(sim_run(&sim, 5 * PXI_SECOND, &p.done));
        CHECK_EQ(p.rtt_ns, 2 * sim.delay_ns);
    }
    pxi_ping_close(ping);
    sim_free(&sim);
}

/* Message and answer are one datagram each: neither end acknowledges by itself. */
TEST(answers_take_acknowledgements_along)
{
    enum { PINGS = 100 };
    struct pings p = {0};
    two(NULL);
    struct pxi_conn *c = sim_connect(&sim, &sim.h[0], &sim.h[1]);
    struct pxi_ping *ping = pxi_ping_open(c, pong, &p);
    uint64_t sent[2] = {0};
    CHECK(ping);
    for (unsigned i = 0; i < PINGS + 10; i++) {
        for (unsigned k = 0; i == 10 && k < 2; k++)
            sent[k] = pxi_quic_stats_of(sim.h[k].q).datagrams_out;
        p.done = false;
        pxi_ping_send(ping, 5 * PXI_SECOND);
        CHECK(sim_run(&sim, 5 * PXI_SECOND, &p.done));
    }
    for (unsigned k = 0; k < 2; k++) {
        uint64_t n = pxi_quic_stats_of(sim.h[k].q).datagrams_out - sent[k];
        CHECK(n >= PINGS && n <= PINGS + 3);
    }
    pxi_ping_close(ping);
    sim_free(&sim);
}

/* Bytes to the other side and an end back, over whatever the network does to the datagrams. */
static void transfer(uint64_t bytes)
{
    struct sink k = {.echo_end = true};
    struct source o;
    CHECK_EQ(pxi_host_handle(sim.h[1].host, bulk[0], 0, sink_accept, &k), PX_ERR_OK);
    struct pxi_conn *c = sim_connect(&sim, &sim.h[0], &sim.h[1]);
    source_open(&o, c, bytes, true);
    uint64_t begin = sim.timers.now_ns;
    CHECK(sim_run(&sim, 600 * PXI_SECOND, &o.done));
    CHECK_EQ(k.got, bytes);
    CHECK_EQ(k.ended, 1);
    CHECK_EQ(o.why, PX_ERR_OK);
    printf("# %.1f MB in %.3f s of virtual time, %llu packets\n", bytes / 1e6,
           (sim.timers.now_ns - begin) / 1e9, (unsigned long long)sim.packets);
    sim_run(&sim, 5 * PXI_SECOND, NULL);
    CHECK_EQ(k.closed, 1);
    CHECK_EQ(k.why, PX_ERR_OK);
    CHECK_EQ(c->stream_count, 0);
    sim_free(&sim);
}

TEST(transfers)
{
    two(NULL);
    transfer(20000000);
}

TEST(survives_loss_reorder_and_duplication)
{
    for (unsigned i = 0; i < 4; i++) {
        px_seed += i;
        two(NULL);
        sim.loss_permille = 20 + 30 * i;
        sim.twice_permille = 30;
        sim.jitter_ns = 3000000;
        transfer(1000000);
    }
}

/* ---------------------------------------------------------------- identity */

TEST(wrong_peer_is_refused)
{
    struct sim_reach r;
    struct pxi_peer other;
    two(NULL);
    other = *pxi_host_self(sim.h[1].host);
    other.b[10] ^= 1;
    sim_dial(&r, &sim.h[0], &sim.h[1], &other);
    CHECK(sim_run(&sim, 30 * PXI_SECOND, &r.done));
    CHECK(!r.conn);
    CHECK_EQ(r.err, PX_ERR_IDENTITY);
    CHECK_EQ(pxi_host_conn_count(sim.h[1].host), 0);
    CHECK_EQ(pxi_host_faults(sim.h[0].host)->n[PXI_FAULT_IDENTITY], 1);
    sim_run(&sim, 20 * PXI_SECOND, NULL);
    CHECK_EQ(pxi_quic_stats_of(sim.h[0].q).conns + pxi_quic_stats_of(sim.h[1].q).conns, 0);
    CHECK_EQ(pxi_quic_stats_of(sim.h[0].q).lingering + pxi_quic_stats_of(sim.h[1].q).lingering, 0);
    CHECK_EQ(pxi_quic_stats_of(sim.h[1].q).unproven, 0);
    sim_free(&sim);
}

static uint64_t wall_too_early(void)
{
    return 1000;
}

static struct pxi_quic_options early = {0};

/* A host whose clock is wrong takes every certificate for one that is not valid yet. */
static void refused(bool server_refuses)
{
    struct sim_reach r;
    sim_init(&sim, px_seed);
    early.wall_s = wall_too_early;
    sim_add(&sim, server_refuses ? NULL : &early);
    sim_add(&sim, server_refuses ? &early : NULL);
    sim_dial(&r, &sim.h[0], &sim.h[1], pxi_host_self(sim.h[1].host));
    CHECK(sim_run(&sim, 30 * PXI_SECOND, &r.done));
    CHECK(!r.conn);
    printf("# %s\n", px_err_name(r.err));
    CHECK(r.err != PX_ERR_TIMEOUT && r.err != PX_ERR_OK);
    CHECK_EQ(pxi_host_conn_count(sim.h[0].host) + pxi_host_conn_count(sim.h[1].host), 0);
    CHECK_EQ(pxi_quic_stats_of(sim.h[0].q).handshakes, 0);
    sim_free(&sim);
}

/* The client finishes TLS before the server has looked at its certificate: it must not count the
 * connection as up before the server's word. */
TEST(bad_client_certificate)
{
    refused(true);
}

TEST(bad_server_certificate)
{
    refused(false);
}

/* ------------------------------------------------------------------ streams */

static uint64_t held(unsigned i)
{
    return pxi_limiter_use(sim.h[i].host->limiter).memory;
}

TEST(backpressure_holds_the_sender)
{
    struct sink k = {.stop = true, .echo_end = true};
    struct source o;
    enum { TOTAL = 30000000 };
    two(&k);
    struct pxi_conn *c = sim_connect(&sim, &sim.h[0], &sim.h[1]);
    source_open(&o, c, TOTAL, true);
    sim_run(&sim, 5 * PXI_SECOND, NULL);
    CHECK(o.sent <= PXI_LIMIT_QUIC_STREAM_WINDOW + 2 * PXI_LIMIT_NET_STREAM_QUEUE);
    CHECK(o.sent >= PXI_LIMIT_QUIC_STREAM_WINDOW);
    CHECK(held(1) >= PXI_LIMIT_QUIC_STREAM_WINDOW); /* what is kept counts against the peer */
    k.stop = false;
    k.take = 70001; /* and now in pieces of its own */
    while (!o.done && k.stream) {
        pxi_stream_resume(k.stream);
        sim_run(&sim, PXI_MS, &o.done);
    }
    sim_run(&sim, 5 * PXI_SECOND, &o.done);
    CHECK_EQ(k.got, TOTAL);
    CHECK_EQ(o.why, PX_ERR_OK);
    CHECK_EQ(held(1), 0);
    sim_free(&sim);
}

/* So many streams that nobody takes that a limit is met: the connection ends, and nothing of it
 * counts any more. */
TEST(kept_bytes_meet_a_limit)
{
    struct sink k = {.stop = true};
    struct source o;
    struct pxi_net_limits limits = pxi_net_limits_default();
    limits.memory_conn = 1 << 20;
    sim_init(&sim, px_seed);
    sim_limits = &limits;
    sim_add(&sim, NULL);
    sim_add(&sim, NULL);
    sim_limits = NULL;
    CHECK_EQ(pxi_host_handle(sim.h[1].host, bulk[0], 0, sink_accept, &k), PX_ERR_OK);
    struct pxi_conn *c = sim_connect(&sim, &sim.h[0], &sim.h[1]);
    source_open(&o, c, 5000000, true);
    sim_run(&sim, 5 * PXI_SECOND, NULL);
    CHECK_EQ(k.closed, 1);
    CHECK_EQ(pxi_host_conn_count(sim.h[1].host), 0);
    CHECK_EQ(held(1), 0);
    sim_free(&sim);
}

TEST(streams_up_to_the_limit)
{
    static struct source o[PXI_LIMIT_QUIC_STREAMS + 1];
    struct sink k = {.echo_end = true};
    two(&k);
    struct pxi_conn *c = sim_connect(&sim, &sim.h[0], &sim.h[1]);
    for (unsigned round = 0; round < 3; round++) {
        k.got = 0;
        for (unsigned i = 0; i < PXI_LIMIT_QUIC_STREAMS; i++) {
            source_open(&o[i], c, 0, false);
        }
        CHECK(!pxi_host_open(c, bulk, 1, &source_on, &o[PXI_LIMIT_QUIC_STREAMS]));
        sim_run(&sim, PXI_SECOND, NULL);
        CHECK_EQ(c->stream_count, PXI_LIMIT_QUIC_STREAMS);
        for (unsigned i = 0; i < PXI_LIMIT_QUIC_STREAMS; i++)
            pxi_stream_end(o[i].stream);
        sim_run(&sim, PXI_SECOND, NULL);
        CHECK_EQ(c->stream_count, 0);
        CHECK_EQ(k.accepted, (round + 1) * PXI_LIMIT_QUIC_STREAMS);
        CHECK_EQ(k.closed, k.accepted);
    }
    sim_free(&sim);
}

/* A reset ends both directions, whoever does it, and gives the window back: many streams full of
 * bytes that nobody read pass through one connection. */
TEST(resets)
{
    struct sink k = {.stop = true};
    struct source o;
    two(&k);
    struct pxi_conn *c = sim_connect(&sim, &sim.h[0], &sim.h[1]);
    for (unsigned i = 0; i < 40; i++) {
        source_open(&o, c, 2000000, false);
        sim_run(&sim, 100 * PXI_MS, NULL);
        CHECK(k.stream);
        CHECK_EQ(o.opened, 1);
        k.got = 0;
        if (i & 1) {
            pxi_stream_reset(o.stream);
        } else {
            pxi_stream_reset(k.stream);
            k.stream = NULL;
        }
        sim_run(&sim, 100 * PXI_MS, NULL);
        CHECK_EQ(o.closed, !(i & 1));
        CHECK_EQ(k.closed, (i + 1) / 2);
        CHECK(i & 1 ? k.why == PX_ERR_RESET : o.why == PX_ERR_RESET);
        CHECK_EQ(c->stream_count, 0);
    }
    k.stop = false;
    source_open(&o, c, 3000000, false);
    sim_run(&sim, 2 * PXI_SECOND, NULL);
    CHECK_EQ(k.got, 3000000);
    sim_free(&sim);
}

/* Both ends open streams at once, and all share the way. */
TEST(three_hundred_streams_share)
{
    enum { N = 300, EACH = 20000 };
    static struct source o[2][N];
    static struct sink k[2];
    two(NULL);
    for (unsigned i = 0; i < 2; i++) {
        k[i].echo_end = true;
        CHECK_EQ(pxi_host_handle(sim.h[i].host, bulk[0], 0, sink_accept, &k[i]), PX_ERR_OK);
    }
    sim.loss_permille = 10;
    struct pxi_conn *c[2] = {sim_connect(&sim, &sim.h[0], &sim.h[1])};
    sim_run(&sim, PXI_SECOND, NULL);
    c[1] = pxi_host_conn(sim.h[1].host, pxi_host_self(sim.h[0].host), false);
    CHECK(c[1]);
    static const struct pxi_stream_events only_count = {.closed = sink_closed};
    (void)only_count;
    for (unsigned i = 0; i < 2; i++)
        for (unsigned j = 0; j < N; j++) {
            source_open(&o[i][j], c[i], 0, false);
        }
    for (unsigned i = 0; i < 2; i++)
        for (unsigned j = 0; j < N; j++)
            pxi_stream_end(o[i][j].stream);
    sim_run(&sim, 20 * PXI_SECOND, NULL);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(k[i].accepted, N);
        CHECK_EQ(k[i].closed, N);
        for (unsigned j = 0; j < N; j++)
            CHECK_EQ(o[i][j].why, PX_ERR_OK);
    }
    sim_free(&sim);
}

/* ------------------------------------------------------------- connections */

TEST(idle_connection_is_kept_alive)
{
    two(NULL);
    struct pxi_conn *c = sim_connect(&sim, &sim.h[0], &sim.h[1]);
    sim_run(&sim, PXI_SECOND, NULL);
    uint64_t before = sim.packets;
    sim_run(&sim, 120 * PXI_SECOND, NULL);
    printf("# %llu packets in two idle minutes\n", (unsigned long long)(sim.packets - before));
    CHECK_EQ(pxi_host_conn_count(sim.h[0].host), 1);
    CHECK_EQ(pxi_host_conn_count(sim.h[1].host), 1);
    CHECK(sim.packets - before <= 120);
    CHECK(c->ops->rtt_ns(c) >= 2 * sim.delay_ns);
    sim_free(&sim);
}

/* What rests is folded, and is there again when something comes or goes. */
TEST(silent_connections_rest)
{
    struct pxi_quic_options o = {.pages = &sim_pages};
    struct sink k = {.echo_end = true};
    sim_init(&sim, px_seed);
    sim_add(&sim, &o);
    sim_add(&sim, &o);
    CHECK_EQ(pxi_host_handle(sim.h[1].host, bulk[0], 0, sink_accept, &k), PX_ERR_OK);
    struct pxi_conn *c = sim_connect(&sim, &sim.h[0], &sim.h[1]);
    for (unsigned i = 0; i < 5; i++) {
        struct source s = {0};
        sim_run(&sim, PXI_SECOND, NULL);
        for (unsigned h = 0; h < 2; h++)
            CHECK_EQ(pxi_quic_stats_of(sim.h[h].q).resting, 1);
        k.got = 0;
        k.done = false;
        source_open(&s, c, 300000, true);
        CHECK_EQ(pxi_quic_stats_of(sim.h[0].q).resting, 0);
        CHECK(sim_run(&sim, 10 * PXI_SECOND, &k.done));
        CHECK_EQ(k.got, 300000);
        sim_run(&sim, 7 * PXI_SECOND, NULL); /* pings come and go, and it rests again */
    }
    CHECK_EQ(pxi_quic_stats_of(sim.h[0].q).resting, 1);
    CHECK(c->ops->rtt_ns(c) >= PXI_MS);
    CHECK_EQ(pxi_quic_stats_of(sim.h[0].q).resting, 0);
    sim_run(&sim, PXI_SECOND, NULL);
    c->ops->close(c, PX_ERR_OK); /* from its rest */
    sim_run(&sim, 10 * PXI_SECOND, NULL);
    CHECK_EQ(pxi_quic_stats_of(sim.h[1].q).conns, 0);
    CHECK_EQ(pxi_quic_stats_of(sim.h[1].q).resting, 0);
    sim_free(&sim);
}

TEST(dead_peer_is_noticed)
{
    struct sink k = {0};
    struct source o;
    two(&k);
    struct pxi_conn *c = sim_connect(&sim, &sim.h[0], &sim.h[1]);
    source_open(&o, c, 100, false);
    sim_run(&sim, PXI_SECOND, NULL);
    sim.h[0].deaf = sim.h[1].deaf = true;
    sim_run(&sim, 40 * PXI_SECOND, NULL);
    CHECK_EQ(pxi_host_conn_count(sim.h[0].host), 0);
    CHECK_EQ(o.closed, 1);
    CHECK_EQ(o.why, PX_ERR_TIMEOUT);
    sim_free(&sim);
}

TEST(close_is_heard)
{
    struct sink k = {0};
    struct source o;
    two(&k);
    struct pxi_conn *c = sim_connect(&sim, &sim.h[0], &sim.h[1]);
    source_open(&o, c, 100, false);
    sim_run(&sim, PXI_SECOND, NULL);
    c->ops->close(c, PX_ERR_OK);
    CHECK_EQ(o.closed, 0); /* never from inside */
    sim_run(&sim, PXI_SECOND, NULL);
    CHECK_EQ(o.closed, 1);
    CHECK_EQ(k.closed, 1);
    CHECK_EQ(k.why, PX_ERR_RESET);
    CHECK_EQ(pxi_host_conn_count(sim.h[0].host) + pxi_host_conn_count(sim.h[1].host), 0);
    sim_run(&sim, 10 * PXI_SECOND, NULL);
    CHECK_EQ(pxi_quic_stats_of(sim.h[0].q).lingering + pxi_quic_stats_of(sim.h[1].q).lingering, 0);
    sim_free(&sim);
}

/* A restarted node does not know its old connections and says so at the first packet. */
TEST(restart_is_noticed_at_once)
{
    static const uint8_t secret[32] = {42};
    struct pxi_quic_options o = {.secret = secret};
    sim_init(&sim, px_seed);
    sim_add(&sim, NULL);
    sim_add(&sim, &o);
    sim_connect(&sim, &sim.h[0], &sim.h[1]);
    sim_run(&sim, PXI_SECOND, NULL);
    sim.h[1].deaf = true;
    pxi_quic_free(sim.h[1].q);
    o.shaker = sim.h[1].shaker;
    o.timers = &sim.timers;
    o.random = &sim.h[1].random;
    o.wall_s = sim_wall_s;
    o.on = &sim_events;
    o.ctx = &sim.h[1];
    o.local = sim.h[1].addr;
    CHECK_EQ(pxi_quic_new(&o, &sim.h[1].q), PX_ERR_OK);
    sim.h[1].deaf = false;
    CHECK_EQ(pxi_host_conn_count(sim.h[0].host), 1);
    sim_run(&sim, 9 * PXI_SECOND, NULL); /* the keep-alive finds out */
    CHECK_EQ(pxi_host_conn_count(sim.h[0].host), 0);
    CHECK_EQ(pxi_quic_stats_of(sim.h[1].q).resets_sent, 1);
    sim_free(&sim);
}

static bool rebind(struct sim *s, struct sim_packet *p)
{
    uint16_t *port = s->user;
    if (p->from.ip[3] == 1)
        p->from.port = *port;
    else if (p->to.ip[3] == 1 && p->to.port == *port)
        p->to.port = 4001;
    else if (p->to.ip[3] == 1)
        return false; /* the NAT has forgotten the old port */
    return true;
}

TEST(nat_rebinding_is_followed)
{
    struct sink k = {.echo_end = true};
    struct source o;
    uint16_t port = 5000;
    two(&k);
    sim.filter = rebind;
    sim.user = &port;
    struct pxi_conn *c = sim_connect(&sim, &sim.h[0], &sim.h[1]);
    source_open(&o, c, 3000000, true);
    sim_run(&sim, PXI_MS, NULL);
    port = 6000;
    CHECK(sim_run(&sim, 60 * PXI_SECOND, &o.done));
    CHECK_EQ(k.got, 3000000);
    CHECK_EQ(o.why, PX_ERR_OK);
    sim_free(&sim);
}

/* --------------------------------------------------------------- resources */

TEST(steady_flow_allocates_nothing)
{
    struct sink k = {.echo_end = true};
    struct source o;
    two(&k);
    struct pxi_conn *c = sim_connect(&sim, &sim.h[0], &sim.h[1]);
    sim.rate = 50000000;
    source_open(&o, c, 60000000, true);
    while (k.got < 30000000)
        CHECK(sim_step(&sim, UINT64_MAX - 1));
    uint64_t before = pxi_mem_count();
    while (k.got < 55000000)
        CHECK(sim_step(&sim, UINT64_MAX - 1));
    printf("# %llu allocations for 25 MB at both ends\n",
           (unsigned long long)(pxi_mem_count() - before));
    CHECK(pxi_mem_count() - before <= 25);
    sim_free(&sim);
}

/* Every allocation fails once: nothing crashes, and what was begun ends. */
TEST(failing_memory)
{
    for (unsigned n = 1; n < 400; n += n < 150 ? 1 : 7) {
        struct sink k = {.echo_end = true};
        struct sim_reach r;
        two(&k);
        sim_dial(&r, &sim.h[0], &sim.h[1], pxi_host_self(sim.h[1].host));
        pxi_mem_fail_after(n);
        sim_run(&sim, 30 * PXI_SECOND, &r.done);
        if (r.conn && r.conn->host) {
            struct source o = {.total = 300000, .end = true};
            o.stream = pxi_host_open(r.conn, bulk, 1, &source_on, &o);
            if (o.stream) {
                source_fill(&o);
                sim_run(&sim, 60 * PXI_SECOND, &o.done);
                if (!o.done)
                    PX_FAIL("allocation %u: stuck at %llu, %llu arrived", n,
                            (unsigned long long)o.sent, (unsigned long long)k.got);
            }
        }
        pxi_mem_fail_after(0);
        CHECK(r.done);
        sim_free(&sim);
    }
}

/* --------------------------------------------------------------- attackers */

struct quiet {
    unsigned up, failed;
    px_err err;
};
static struct quiet quiet;

static px_err quiet_accepted(void *ctx, struct pxi_conn *c)
{
    return PX_ERR_OK;
}

static void quiet_dialled(void *ctx, void *user, struct pxi_conn *c, px_err err)
{
    quiet.up += c != NULL;
    quiet.failed += c == NULL;
    quiet.err = err;
}

/* Endpoints without the limits of a host. */
static const struct pxi_quic_events quiet_events = {sim_wake, quiet_accepted, quiet_dialled};

static void two_quiet(const struct pxi_quic_options *server)
{
    struct pxi_quic_options a = {.on = &quiet_events}, b = server ? *server : a;
    b.on = &quiet_events;
    sim_init(&sim, px_seed);
    sim_add(&sim, &a);
    sim_add(&sim, &b);
    memset(&quiet, 0, sizeof quiet);
}

static struct pxi_quic_conn *dial_quiet(void)
{
    struct pxi_quic_conn *c;
    CHECK_EQ(pxi_quic_dial(sim.h[0].q, &sim.h[1].addr, pxi_host_self(sim.h[1].host), NULL, &c),
             PX_ERR_OK);
    return c;
}

TEST(retry_proves_the_address)
{
    struct pxi_quic_options o = {.retry_at = 1};
    two_quiet(&o);
    dial_quiet();
    sim_run(&sim, PXI_SECOND, NULL);
    CHECK_EQ(quiet.up, 1);
    CHECK_EQ(pxi_quic_stats_of(sim.h[1].q).retries, 1);
    CHECK_EQ(pxi_quic_stats_of(sim.h[1].q).handshakes, 1);
    sim_free(&sim);
}

static bool steal_address(struct sim *s, struct sim_packet *p)
{
    /* The token comes back from another port than it was given to. */
    if (p->from.ip[3] == 1 && p->bytes[0] & 0x80 && s->packets > 2)
        p->from.port++;
    return true;
}

TEST(stolen_token_is_refused)
{
    struct pxi_quic_options o = {.retry_at = 1};
    two_quiet(&o);
    sim.filter = steal_address;
    dial_quiet();
    sim_run(&sim, 20 * PXI_SECOND, NULL);
    CHECK_EQ(quiet.up, 0);
    CHECK_EQ(quiet.failed, 1);
    CHECK_EQ(pxi_quic_stats_of(sim.h[1].q).handshakes, 0);
    CHECK(pxi_quic_stats_of(sim.h[1].q).refused >= 1);
    sim_free(&sim);
}

static uint64_t from_client, from_server;

static bool first_only(struct sim *s, struct sim_packet *p)
{
    if (p->from.ip[3] == 1) {
        if (from_client)
            return false;
        from_client += p->n;
    } else {
        from_server += p->n;
    }
    return true;
}

/* Before it knows that the client is where it says, a server sends at most three times as much. */
TEST(amplification_is_bounded)
{
    two_quiet(NULL);
    from_client = from_server = 0;
    sim.filter = first_only;
    dial_quiet();
    sim_run(&sim, 20 * PXI_SECOND, NULL);
    printf("# %llu bytes in, %llu out\n", (unsigned long long)from_client,
           (unsigned long long)from_server);
    CHECK(from_server > 0 && from_server <= 3 * from_client);
    CHECK_EQ(pxi_quic_stats_of(sim.h[1].q).conns, 0);
    sim_free(&sim);
}

static bool spoof(struct sim *s, struct sim_packet *p)
{
    if (p->from.ip[3] == 1 && !s->h[0].deaf)
        return true;
    if (p->from.ip[3] == 1)
        p->from.port = (uint16_t)pxi_rng_u64(&s->rng);
    return true;
}

/* Good Initial packets from addresses that nobody answers at: half-open connections stop at the
 * figure from which Retry is asked, and an honest client still gets in. */
TEST(spoofed_clients_meet_retry)
{
    enum { N = 600 };
    two_quiet(NULL);
    sim.filter = spoof;
    sim.h[0].deaf = true;
    for (unsigned i = 0; i < N; i++) {
        pxi_quic_dial_cancel(dial_quiet());
        struct pxi_quic_conn *c = dial_quiet();
        sim_pull(&sim);
        pxi_quic_dial_cancel(c);
    }
    sim_run(&sim, PXI_MS, NULL);
    struct pxi_quic_stats st = pxi_quic_stats_of(sim.h[1].q);
    printf("# %u unproven, %llu retries\n", st.unproven, (unsigned long long)st.retries);
    CHECK(st.unproven <= PXI_LIMIT_QUIC_RETRY_AT);
    CHECK(st.retries > 0);
    sim.h[0].deaf = false;
    sim_run(&sim, 100 * PXI_MS, NULL);
    quiet.up = 0;
    dial_quiet();
    sim_run(&sim, PXI_SECOND, NULL);
    CHECK_EQ(quiet.up, 1);
    sim_run(&sim, 20 * PXI_SECOND, NULL);
    CHECK_EQ(pxi_quic_stats_of(sim.h[1].q).unproven, 0);
    sim_free(&sim);
}

/* What a peer takes is known from its transport parameters only, on loopback too. */
TEST(first_datagrams_are_of_the_size_that_all_take)
{
    static uint8_t b[PXI_UDP_BATCH];
    struct pxi_udp_addr near = {.family = 4, .ip = {127, 0, 0, 1}, .port = 4001};
    struct pxi_udp_out out = {.bytes = b, .cap = sizeof b};
    struct pxi_quic_conn *c = NULL;
    two_quiet(NULL);
    CHECK_EQ(pxi_quic_dial(sim.h[0].q, &near, &(struct pxi_peer){0}, NULL, &c), PX_ERR_OK);
    CHECK(pxi_quic_pull(sim.h[0].q, &out));
    CHECK_EQ(out.n, 1200);
    pxi_quic_dial_cancel(c);
    sim_free(&sim);
}

/* Initial packets that nobody can decrypt, with more junk behind them in the datagram. */
TEST(junk_initials_leave_nothing)
{
    enum { WARM = 200, N = 20000 };
    static uint8_t b[1400];
    size_t before = 0;
    two_quiet(NULL);
    for (unsigned i = 0; i < WARM + N; i++) {
        if (i == WARM)
            before = mallinfo2().uordblks;
        for (size_t j = 0; j < sizeof b; j += 8)
            memcpy(b + j, &(uint64_t){pxi_rng_u64(&sim.rng)}, 8);
        memcpy(b, (uint8_t[]){0xc3, 0, 0, 0, 1, 8}, 6);
        b[14] = 8;
        memcpy(b + 23, (uint8_t[]){0, 0x44, 0x00}, 3); /* no token, 1024 bytes */
        memcpy(b + 1050, (uint8_t[]){0xe3, 0, 0, 0, 1, 8}, 6);
        memcpy(b + 1056, b + 6, 8);
        struct pxi_udp_addr from = sim.h[0].addr;
        from.port = (uint16_t)pxi_rng_u64(&sim.rng);
        struct pxi_udp_in in = {b, sizeof b, 0, sim.h[1].addr, from, 0};
        pxi_quic_push(sim.h[1].q, &in);
        in.n = 0; /* and an empty one */
        pxi_quic_push(sim.h[1].q, &in);
        if (i % 100 == 0)
            sim_run(&sim, PXI_MS, NULL);
    }
    sim_run(&sim, PXI_MS, NULL);
    size_t grown = mallinfo2().uordblks - before;
    struct pxi_quic_stats st = pxi_quic_stats_of(sim.h[1].q);
    printf("# heap grew by %zd bytes, %llu datagrams sent back\n", (ssize_t)grown,
           (unsigned long long)sim.h[1].sent);
    CHECK_EQ(st.conns, 0);
    CHECK_EQ(st.unproven, 0);
    CHECK(st.dropped >= N);
    CHECK((ssize_t)grown <= 65536);
    dial_quiet();
    sim_run(&sim, PXI_SECOND, NULL);
    CHECK_EQ(quiet.up, 1);
    sim_free(&sim);
}

TEST(versions_are_named)
{
    uint8_t b[1200] = {0xc3, 0x1a, 0x2a, 0x3a, 0x4a, 8, 1, 2, 3, 4, 5, 6, 7, 8, 4, 9, 9, 9, 9};
    uint8_t out[PXI_UDP_BATCH];
    two_quiet(NULL);
    struct pxi_udp_in in = {b, 1000, 0, sim.h[1].addr, sim.h[0].addr, 0};
    struct pxi_udp_out o = {.bytes = out, .cap = sizeof out};
    pxi_quic_push(sim.h[1].q, &in);
    CHECK(!pxi_quic_pull(sim.h[1].q, &o)); /* too short to be answered */
    in.n = sizeof b;
    pxi_quic_push(sim.h[1].q, &in);
    CHECK(pxi_quic_pull(sim.h[1].q, &o));
    CHECK((out[0] & 0x80) && memcmp(out + 1, "\0\0\0\0", 4) == 0);
    CHECK(memcmp(out + 5, b + 14, 5) == 0 && memcmp(out + 10, b + 5, 9) == 0);
    CHECK(memcmp(out + o.n - 4, "\0\0\0\1", 4) == 0);
    for (unsigned i = 0; i < 100000; i++) /* answers wait in a short queue */
        pxi_quic_push(sim.h[1].q, &in);
    unsigned answers = 0;
    while (pxi_quic_pull(sim.h[1].q, &o))
        answers++;
    CHECK_EQ(answers, PXI_LIMIT_QUIC_REPLIES);
    sim_free(&sim);
}

TEST(connections_up_to_the_limit)
{
    struct pxi_quic_options o = {.conns = 3};
    two_quiet(&o);
    for (unsigned i = 0; i < 4; i++) {
        dial_quiet();
        sim_run(&sim, PXI_SECOND, NULL);
    }
    CHECK_EQ(quiet.up, 3);
    CHECK_EQ(quiet.failed, 1);
    CHECK_EQ(quiet.err, PX_ERR_REFUSED);
    sim_free(&sim);
}

TEST_MAIN()
