/*
 * Hosts in one process, joined by connections that carry streams without any framing: for tests of
 * protocols. Time is virtual; bytes arrive a millisecond after they were written, in pieces of a
 * random size when `pieces` is set. Everything is freed with the net.
 */
#ifndef HOST_NET_H
#define HOST_NET_H

#include "base/queue.h"
#include "base/rng.h"
#include "net/host.h"
#include "net/identify.h"
#include "px_test.h"

enum { NET_HOSTS = 64, NET_STREAM_MAX = 1 << 18 };

struct net_stream {
    struct pxi_stream s;
    struct net_stream *other, *next_all;
    struct net *net;
    struct pxi_queue in; /* bytes that come to this end */
    struct pxi_timer timer;
    bool announced, end_in, end_told, reset_in, dead, starved, stalled, frozen, paused;
};

struct net_conn {
    struct pxi_conn c;
    struct net_conn *other, *next_all;
    struct net *net;
    struct pxi_timer timer;
    bool over;
};

struct net {
    struct pxi_timers timers;
    struct pxi_rng rng;
    struct pxi_random random;
    struct pxi_key *key[NET_HOSTS];
    struct pxi_host *host[NET_HOSTS];
    struct pxi_identify *identify[NET_HOSTS];
    unsigned count;
    bool pieces;
    struct net_stream *streams;
    struct net_conn *conns;
};

static inline void net_poke(struct net_stream *s)
{
    if (!s->timer.armed)
        pxi_timer_after(&s->net->timers, &s->timer, PXI_MS);
}

static inline struct net_stream *net_of(struct pxi_stream *s)
{
    return PXI_OF(s, struct net_stream, s);
}

static inline size_t net_write(struct pxi_stream *s, px_view v)
{
    struct net_stream *n = net_of(s);
    size_t took = n->frozen ? v.n : pxi_queue_put(&n->other->in, v.p, v.n);
    n->starved = took < v.n;
    net_poke(n->other);
    return took;
}

static inline size_t net_room(struct pxi_stream *s)
{
    struct net_stream *n = net_of(s);
    return n->other->in.max - n->other->in.n;
}

static inline void net_end(struct pxi_stream *s)
{
    net_of(s)->other->end_in = true;
    net_poke(net_of(s)->other);
    net_poke(net_of(s));
}

static inline void net_reset(struct pxi_stream *s)
{
    struct net_stream *n = net_of(s);
    n->dead = true;
    n->other->reset_in = true;
    net_poke(n->other);
}

static inline void net_resume(struct pxi_stream *s)
{
    net_of(s)->stalled = false;
    net_poke(net_of(s));
}

static const struct pxi_stream_ops net_stream_ops = {net_write, net_room, net_end, net_reset,
                                                     net_resume};

static inline void net_data(struct net_stream *n)
{
    while (n->in.n && !n->dead && !n->stalled) {
        px_view v = pxi_queue_peek(&n->in, 0);
        if (n->net->pieces)
            v.n = 1 + pxi_rng_below(&n->net->rng, v.n);
        n->stalled = true; /* unless it asks for more from inside */
        size_t took = pxi_stream_on_data(&n->s, v);
        pxi_queue_drop(&n->in, took);
        if (took < v.n)
            break;
        n->stalled = false;
    }
    if (n->other->starved && !n->other->dead && n->in.n < n->in.max) {
        n->other->starved = false;
        net_poke(n->other);
    }
}

static inline void net_stream_fire(struct pxi_timer *t, uint64_t now)
{
    struct net_stream *n = PXI_OF(t, struct net_stream, timer);
    if (n->dead || n->frozen || n->paused)
        return;
    if (n->reset_in && !n->announced) {
        n->dead = true;
        return;
    }
    if (n->reset_in) {
        n->dead = true;
        pxi_stream_on_closed(&n->s, PX_ERR_RESET);
        return;
    }
    if (!n->announced) {
        n->announced = true;
        pxi_stream_init(&n->s, &net_stream_ops, n->s.conn, false);
        pxi_conn_on_stream(n->s.conn, &n->s);
    }
    net_data(n);
    if (!n->dead && n->s.write_short && !n->starved)
        pxi_stream_on_writable(&n->s);
    if (!n->dead && n->end_in && !n->in.n && !n->end_told) {
        n->end_told = true;
        pxi_stream_on_end(&n->s);
    }
    if (!n->dead && n->end_told && n->s.ended_local) {
        n->dead = true;
        pxi_stream_on_closed(&n->s, PX_ERR_OK);
    }
}

static inline struct net_stream *net_stream_new(struct net_conn *c)
{
    struct net_stream *n = calloc(1, sizeof *n);
    n->net = c->net;
    n->s.conn = &c->c;
    n->in.max = NET_STREAM_MAX;
    n->timer.fire = net_stream_fire;
    n->next_all = c->net->streams;
    c->net->streams = n;
    return n;
}

static inline struct pxi_stream *net_open(struct pxi_conn *c)
{
    struct net_conn *nc = PXI_OF(c, struct net_conn, c);
    if (nc->over)
        return NULL;
    struct net_stream *a = net_stream_new(nc), *b = net_stream_new(nc->other);
    a->other = b;
    b->other = a;
    a->announced = true;
    pxi_stream_init(&a->s, &net_stream_ops, c, true);
    net_poke(b);
    return &a->s;
}

static inline void net_close(struct pxi_conn *c, px_err why)
{
    struct net_conn *nc = PXI_OF(c, struct net_conn, c);
    pxi_timer_after(&nc->net->timers, &nc->timer, 0);
    pxi_timer_after(&nc->net->timers, &nc->other->timer, PXI_MS);
}

static inline uint64_t net_rtt(struct pxi_conn *c)
{
    return 2 * PXI_MS;
}

static const struct pxi_conn_ops net_conn_ops = {net_open, net_close, net_rtt};

static inline void net_conn_fire(struct pxi_timer *t, uint64_t now)
{
    struct net_conn *c = PXI_OF(t, struct net_conn, timer);
    if (c->over)
        return;
    c->over = true;
    for (struct net_stream *s = c->net->streams; s; s = s->next_all)
        if (s->s.conn == &c->c)
            s->dead = true;
    pxi_conn_on_closed(&c->c, PX_ERR_RESET);
}

/* Hosts 0 to count - 1, with identify. */
static inline void net_init(struct net *n, unsigned count)
{
    *n = (struct net){.rng = {px_seed}, .count = count};
    n->random = pxi_random_seeded(px_seed);
    n->timers.now_ns = PXI_SECOND;
    for (unsigned i = 0; i < count; i++) {
        uint8_t seed[32] = {(uint8_t)(i + 1), (uint8_t)px_seed};
        n->key[i] = pxi_key_from_seed(seed);
        struct pxi_host_options o = {
            .key = n->key[i], .timers = &n->timers, .random = &n->random, .agent = "test"};
        n->host[i] = pxi_host_new(&o);
        n->identify[i] = pxi_identify_new(n->host[i]);
        CHECK(n->key[i] && n->host[i] && n->identify[i]);
    }
}

static inline struct net_conn *net_half(struct net *n, unsigned a, unsigned b, bool outbound)
{
    struct net_conn *c = calloc(1, sizeof *c);
    struct pxi_endpoint e = {.family = 4, .ip = {198, 51, 100, (uint8_t)b}, .port = 4001};
    c->net = n;
    c->timer.fire = net_conn_fire;
    c->next_all = n->conns;
    n->conns = c;
    pxi_conn_init(&c->c, &net_conn_ops, outbound);
    c->c.peer = *pxi_host_self(n->host[b]);
    c->c.pubkey = pxi_key_public(n->key[b]);
    e.via = PXI_VIA_TCP;
    c->c.remote = pxi_endpoint_maddr(&e);
    return c;
}

/* Host a connects to host b; returns a's end. */
static inline struct net_conn *net_connect(struct net *n, unsigned a, unsigned b)
{
    struct net_conn *x = net_half(n, a, b, true), *y = net_half(n, b, a, false);
    x->other = y;
    y->other = x;
    CHECK_EQ(pxi_host_add_conn(n->host[a], &x->c), PX_ERR_OK);
    CHECK_EQ(pxi_host_add_conn(n->host[b], &y->c), PX_ERR_OK);
    return x;
}

/* Let this much virtual time pass. */
static inline void net_run(struct net *n, uint64_t ms)
{
    uint64_t end = n->timers.now_ns + ms * PXI_MS;
    while (pxi_timers_next(&n->timers) <= end)
        pxi_timers_run(&n->timers, pxi_timers_next(&n->timers));
    pxi_timers_run(&n->timers, end);
}

/* Host i does nothing any more, but its connections stay. */
static inline void net_freeze(struct net *n, unsigned i)
{
    for (struct net_stream *s = n->streams; s; s = s->next_all)
        if (s->s.conn && s->s.conn->host == n->host[i])
            s->frozen = true;
}

/* What comes to host i and from it waits until it goes on: a process that is stopped for a while.
 */
static inline void net_pause(struct net *n, unsigned i, bool on)
{
    for (struct net_stream *s = n->streams; s; s = s->next_all) {
        if (s->dead || s->s.conn->host != n->host[i])
            continue;
        s->paused = s->other->paused = on;
        net_poke(s);
        net_poke(s->other);
    }
}

/* Host i goes away with all its connections. */
static inline void net_kill(struct net *n, unsigned i)
{
    for (struct net_conn *c = n->conns; c; c = c->next_all)
        if (c->c.host == n->host[i] && !c->over)
            net_close(&c->c, PX_ERR_RESET);
    net_run(n, 5);
}

static inline void net_deinit(struct net *n)
{
    for (unsigned i = 0; i < n->count; i++)
        net_kill(n, i);
    for (unsigned i = 0; i < n->count; i++) {
        pxi_identify_free(n->identify[i]);
        pxi_host_free(n->host[i]);
        pxi_key_free(n->key[i]);
    }
    for (struct net_stream *s = n->streams, *next; s; s = next) {
        next = s->next_all;
        pxi_queue_clear(&s->in);
        free(s);
    }
    for (struct net_conn *c = n->conns, *next; c; c = next) {
        next = c->next_all;
        free(c);
    }
}

#endif
