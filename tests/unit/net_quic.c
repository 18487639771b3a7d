/* QUIC between hosts in virtual time. */
#include "quic_pair.h"

#include "base/mem.h"
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

static void transfer(uint64_t bytes)
{
    struct sink k = {.echo_end = true};
    struct source o;
    two(&k);
    struct pxi_conn *c = sim_connect(&sim, &sim.h[0], &sim.h[1]);
    source_open(&o, c, bytes, true);
    uint64_t begin = sim.timers.now_ns;
    CHECK(sim_run(&sim, 600 * PXI_SECOND, &o.done));
    CHECK_EQ(k.got, bytes);
    CHECK_EQ(k.ended, 1);
    CHECK_EQ(o.why, PX_ERR_OK);
    printf("# %.1f MB in %.3f s of virtual time, %llu packets\n", bytes / 1e6,
           (sim.timers.now_ns - begin) / 1e9, (unsigned long long)sim.packets);
    sim_run(&sim, PXI_SECOND, NULL);
    CHECK_EQ(k.closed, 1);
    CHECK_EQ(k.why, PX_ERR_OK);
    CHECK_EQ(c->stream_count, 0);
    sim_free(&sim);
}

TEST(transfers)
{
    transfer(20000000);
}

TEST_MAIN()
