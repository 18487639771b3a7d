/*
 * Two or more QUIC hosts in one process and in virtual time: a network that delays, loses, doubles
 * and reorders datagrams by a seed. Shared by the tests of QUIC.
 */
#ifndef QUIC_PAIR_H
#define QUIC_PAIR_H

#include <stdlib.h>
#include <string.h>

#include "base/fold.h"
#include "base/rng.h"
#include "crypto/shake.h"
#include "net/host.h"
#include "net/limits.h"
#include "net/quic.h"
#include "net/quic_transport.h"
#include "px_test.h"

enum { SIM_HOSTS = 4, SIM_START_S = 1000 };

struct sim_packet {
    struct sim_packet *next;
    uint64_t at_ns;
    struct pxi_udp_addr from, to;
    size_t n;
    uint8_t bytes[2048];
};

struct sim;
struct sim_host {
    struct sim *sim;
    struct pxi_key *key;
    struct pxi_shaker *shaker;
    struct pxi_host *host;
    struct pxi_quic *q;
    struct pxi_quic_transport transport;
    struct pxi_udp_addr addr;
    struct pxi_random random;
    uint64_t sent, sent_bytes, free_ns; /* free_ns: when its link has sent what waits */
    bool woken, deaf;                   /* deaf: hears nothing */
};

struct sim {
    struct pxi_timers timers;
    struct pxi_rng rng;
    struct sim_host h[SIM_HOSTS];
    unsigned count, pulling;  /* pulling: the host that makes datagrams now */
    struct sim_packet *queue; /* by time */
    uint64_t delay_ns, jitter_ns, packets;
    uint64_t rate; /* bytes a second out of each host; 0: no bound */
    unsigned loss_permille, twice_permille;
    /* Sees each packet before it is queued; false drops it. */
    bool (*filter)(struct sim *s, struct sim_packet *p);
    void *user;
};

static inline uint64_t sim_wall_s(void)
{
    return 1800000000;
}

static inline void sim_wake(void *ctx)
{
    ((struct sim_host *)ctx)->woken = true;
}

static inline px_err sim_accepted(void *ctx, struct pxi_conn *c)
{
    return pxi_quic_transport_accepted(&((struct sim_host *)ctx)->transport, c);
}

static inline void sim_dialled(void *ctx, void *user, struct pxi_conn *c, px_err err)
{
    pxi_quic_transport_dialled(&((struct sim_host *)ctx)->transport, user, c, err);
}

static const struct pxi_quic_events sim_events = {sim_wake, sim_accepted, sim_dialled};

static inline struct pxi_quic *sim_pick(struct pxi_quic_transport *t, const struct pxi_udp_addr *to,
                                        bool fresh)
{
    return PXI_OF(t, struct sim_host, transport)->q;
}

static inline void sim_init(struct sim *s, uint64_t seed)
{
    memset(s, 0, sizeof *s);
    s->rng.state = seed;
    s->delay_ns = 500000;
    s->timers.now_ns = SIM_START_S * PXI_SECOND;
}

/* Pages for connections at rest, from the heap. */
static inline void *sim_reserve(size_t bytes)
{
    void *p = aligned_alloc(4096, bytes);
    return p ? memset(p, 0, bytes) : NULL;
}

static inline void sim_discard(void *p, size_t bytes)
{
    memset(p, 0, bytes);
}

static inline void sim_release(void *p, size_t bytes)
{
    free(p);
}

static const struct pxi_pages sim_pages = {sim_reserve, sim_discard, sim_release};

/* Made once for all networks of the process. */
static struct pxi_key *sim_keys[SIM_HOSTS + 1];
static struct pxi_shaker *sim_shakers[SIM_HOSTS + 1];

/* Of hosts that are added now; NULL: the usual ones. */
static const struct pxi_net_limits *sim_limits;

/* The i-th host; options may change what they like before. The connections of every other host
 * fold. */
static inline struct sim_host *sim_add(struct sim *s, const struct pxi_quic_options *more)
{
    struct sim_host *h = &s->h[s->count++];
    uint8_t seed[32] = {(uint8_t)s->count, 7};
    h->sim = s;
    h->random = pxi_random_seeded(s->rng.state + s->count);
    if (!sim_keys[s->count]) {
        sim_keys[s->count] = pxi_key_from_seed(seed);
        struct pxi_cert *cert;
        CHECK_EQ(pxi_cert_new(sim_keys[s->count], pxi_random_system(), sim_wall_s(), &cert),
                 PX_ERR_OK);
        struct pxi_shaker_options so = {.cert = cert, .random = pxi_random_system()};
        CHECK_EQ(pxi_shaker_new(&so, &sim_shakers[s->count]), PX_ERR_OK);
        pxi_cert_free(cert);
    }
    h->key = sim_keys[s->count];
    h->shaker = sim_shakers[s->count];
    h->addr = (struct pxi_udp_addr){.family = 4, .ip = {10, 0, 0, (uint8_t)s->count}, .port = 4001};
    struct pxi_host_options ho = {
        .key = h->key, .timers = &s->timers, .random = &h->random, .limits = sim_limits};
    h->host = pxi_host_new(&ho);
    CHECK(h->host);
    struct pxi_quic_options o = {0};
    if (more)
        o = *more;
    o.shaker = h->shaker;
    o.timers = &s->timers;
    o.random = &h->random;
    o.faults = pxi_host_faults(h->host);
    o.wall_s = o.wall_s ? o.wall_s : sim_wall_s;
    o.on = o.on ? o.on : &sim_events;
    o.ctx = h;
    o.local = h->addr;
    o.pages = s->count % 2 ? &sim_pages : o.pages;
    CHECK_EQ(pxi_quic_new(&o, &h->q), PX_ERR_OK);
    h->transport.pick = sim_pick;
    pxi_quic_transport_init(&h->transport, h->host);
    return h;
}

static inline void sim_queue(struct sim *s, struct sim_packet *p)
{
    struct sim_packet **at = &s->queue;
    while (*at && (*at)->at_ns <= p->at_ns)
        at = &(*at)->next;
    p->next = *at;
    *at = p;
}

/* What the link adds for these bytes; PXI_NEVER: its queue of 50 ms is full. */
static inline uint64_t sim_link(struct sim *s, const struct pxi_udp_addr *from, size_t n)
{
    struct sim_host *h = &s->h[from->ip[3] - 1];
    uint64_t now = s->timers.now_ns;
    if (!s->rate)
        return 0;
    if (h->free_ns < now)
        h->free_ns = now;
    if (h->free_ns - now > 50 * PXI_MS)
        return PXI_NEVER;
    h->free_ns += n * PXI_SECOND / s->rate;
    return h->free_ns - now;
}

static inline void sim_send(struct sim *s, const struct pxi_udp_addr *from,
                            const struct pxi_udp_addr *to, const uint8_t *b, size_t n)
{
    struct sim_packet p = {.from = *from, .to = *to, .n = n};
    CHECK(n <= sizeof p.bytes);
    memcpy(p.bytes, b, n);
    s->packets++;
    if (s->filter && !s->filter(s, &p))
        return;
    uint64_t wait = sim_link(s, from, n);
    if (wait == PXI_NEVER || pxi_rng_below(&s->rng, 1000) < s->loss_permille)
        return;
    unsigned copies = pxi_rng_below(&s->rng, 1000) < s->twice_permille ? 2 : 1;
    while (copies--) {
        struct sim_packet *q = malloc(sizeof *q);
        *q = p;
        q->at_ns = s->timers.now_ns + wait + s->delay_ns +
                   (s->jitter_ns ? pxi_rng_below(&s->rng, s->jitter_ns) : 0);
        sim_queue(s, q);
    }
}

static inline void sim_pull(struct sim *s)
{
    static uint8_t buf[PXI_UDP_BATCH];
    for (unsigned i = 0; i < s->count; i++) {
        struct sim_host *h = &s->h[i];
        struct pxi_udp_out out = {.bytes = buf, .cap = sizeof buf};
        if (!h->woken)
            continue;
        h->woken = false;
        s->pulling = i;
        while (pxi_quic_pull(h->q, &out))
            for (size_t at = 0; at < out.n; at += out.segment) {
                size_t n = out.n - at < out.segment ? out.n - at : out.segment;
                h->sent++;
                h->sent_bytes += n;
                sim_send(s, &h->addr, &out.remote, buf + at, n);
            }
    }
}

static inline void sim_deliver(struct sim *s)
{
    while (s->queue && s->queue->at_ns <= s->timers.now_ns) {
        struct sim_packet *p = s->queue;
        s->queue = p->next;
        for (unsigned i = 0; i < s->count; i++)
            if (memcmp(&s->h[i].addr, &p->to, sizeof p->to) == 0 && !s->h[i].deaf) {
                struct pxi_udp_in in = {p->bytes, p->n, 0, p->to, p->from, 0};
                pxi_quic_push(s->h[i].q, &in);
            }
        free(p);
    }
}

/* One event of virtual time; false when nothing is left before the end. */
static inline bool sim_step(struct sim *s, uint64_t end_ns)
{
    sim_pull(s);
    uint64_t next = pxi_timers_next(&s->timers);
    if (s->queue && s->queue->at_ns < next)
        next = s->queue->at_ns;
    if (next > end_ns)
        return false;
    pxi_timers_run(&s->timers, next);
    sim_deliver(s);
    return true;
}

/* Run until *done or for so long. */
static inline bool sim_run(struct sim *s, uint64_t ns, const bool *done)
{
    uint64_t end = s->timers.now_ns + ns;
    while (!(done && *done) && sim_step(s, end))
        ;
    if (!(done && *done) && s->timers.now_ns < end)
        pxi_timers_run(&s->timers, end);
    return done ? *done : true;
}

static inline void sim_free(struct sim *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        struct sim_host *h = &s->h[i];
        pxi_quic_free(h->q);
        pxi_quic_transport_deinit(&h->transport);
        pxi_host_free(h->host);
    }
    while (s->queue) {
        struct sim_packet *p = s->queue;
        s->queue = p->next;
        free(p);
    }
}

/* ------------------------------------------------------------- connecting */

struct sim_reach {
    struct pxi_reach r;
    struct pxi_conn *conn;
    px_err err;
    bool done;
};

static inline void sim_reached(struct pxi_reach *r, struct pxi_conn *c, px_err err)
{
    struct sim_reach *s = PXI_OF(r, struct sim_reach, r);
    s->conn = c;
    s->err = err;
    s->done = true;
}

static inline void sim_dial(struct sim_reach *r, struct sim_host *a, struct sim_host *b,
                            const struct pxi_peer *peer)
{
    struct pxi_maddr to = pxi_udp_addr_maddr(&b->addr);
    px_view v = pxi_maddr_view(&to);
    memset(r, 0, sizeof *r);
    r->r.peer = *peer;
    r->r.done = sim_reached;
    pxi_reach_start(&r->r, a->host, &v, 1);
}

static inline struct pxi_conn *sim_connect(struct sim *s, struct sim_host *a, struct sim_host *b)
{
    struct sim_reach r;
    sim_dial(&r, a, b, pxi_host_self(b->host));
    sim_run(s, 30 * PXI_SECOND, &r.done);
    if (!r.conn)
        PX_FAIL("no connection: %s", px_err_name(r.err));
    return r.conn;
}

#endif
