/*
 * A small world for tests of relays, hole punching and AutoNAT: hosts in virtual time on the
 * carrier of the simulator, each behind a NAT or not. A host behind a NAT can be dialled only while
 * it dials (or punches towards) the dialler itself; a symmetric NAT, never.
 */
#ifndef NET_WORLD_H
#define NET_WORLD_H

#include "base/limits.h"
#include "net/host.h"
#include "net/identify.h"
#include "net/simlink_impl.h"
#include "px_test.h"

enum { WORLD_HOSTS = 40, WORLD_INTENTS = 64 };
enum nat { NAT_NONE, NAT_CONE, NAT_SYMMETRIC };

struct node {
    struct pxi_key *key;
    struct pxi_host *host;
    struct pxi_identify *identify;
    struct pxi_simport *port;
    struct pxi_transport wall; /* in front of the carrier's: the NATs */
    struct pxi_maddr addr;
    enum nat nat;
};

/* A dial that waits at a NAT. */
struct intent {
    struct node *from, *to;
    struct pxi_dial *dial; /* NULL: a punch */
    uint64_t at_ns;
};

static struct {
    struct pxi_timers timers;
    struct pxi_random random;
    struct pxi_simnet *net;
    struct node node[WORLD_HOSTS];
    unsigned n, dials, punches, fresh; /* counted: dials at walls, punches, dials of fresh ports */
    struct intent intent[WORLD_INTENTS];
    uint64_t window_ns; /* how long a NAT stays open */
    unsigned deaf;      /* so many meetings at NATs come to nothing */
} world;

static uint64_t world_wall(void)
{
    return 1800000000 + world.timers.now_ns / PXI_SECOND;
}

static inline void world_begin(void)
{
    memset(&world, 0, sizeof world);
    world.random = pxi_random_seeded(px_seed);
    world.window_ns = 200 * PXI_MS;
    struct pxi_simnet_options o = {.timers = &world.timers,
                                   .seed = px_seed,
                                   .near_ns = 5 * PXI_MS,
                                   .far_ns = 40 * PXI_MS,
                                   .idle_ns = 100000 * PXI_SECOND};
    world.net = pxi_simnet_new(&o);
    CHECK(world.net != NULL);
}

static inline void world_run(uint64_t ns)
{
    uint64_t end = world.timers.now_ns + ns;
    while (pxi_timers_next(&world.timers) <= end)
        pxi_timers_run(&world.timers, pxi_timers_next(&world.timers));
    pxi_timers_run(&world.timers, end);
}

static inline struct node *world_node_at(px_view addr)
{
    for (unsigned i = 0; i < world.n; i++)
        if (px_view_equal(pxi_maddr_view(&world.node[i].addr), addr))
            return &world.node[i];
    return NULL;
}

/* Two hosts look for each other at their NATs: the one that is no server connects. */
static inline bool world_meet(struct intent *a)
{
    for (unsigned i = 0; i < WORLD_INTENTS; i++) {
        struct intent *b = &world.intent[i];
        if (b == a || !b->from || b->from != a->to || b->to != a->from ||
            a->at_ns - b->at_ns > world.window_ns)
            continue;
        struct intent *client = a->dial && !a->dial->simultaneous_server ? a : b;
        if (!client->dial || client->dial->simultaneous_server)
            continue;
        if (world.deaf) {
            world.deaf--;
            continue;
        }
        struct pxi_dial *d = client->dial;
        struct pxi_transport *t = &client->from->port->transport;
        client->from = NULL;
        t->dial(t, d);
        return true;
    }
    return false;
}

static inline void world_intend(struct node *from, struct node *to, struct pxi_dial *d)
{
    if (from->nat == NAT_SYMMETRIC || to->nat == NAT_SYMMETRIC || (d && d->fresh_port))
        return;
    for (unsigned i = 0; i < WORLD_INTENTS; i++) {
        struct intent *e = &world.intent[i];
        if (!e->from || (!e->dial && world.timers.now_ns - e->at_ns > world.window_ns)) {
            *e = (struct intent){from, to, d, world.timers.now_ns};
            world_meet(e);
            return;
        }
    }
}

static inline bool wall_can_dial(struct pxi_transport *t, const struct pxi_endpoint *e)
{
    return !e->relayed && e->family && e->via == PXI_VIA_TCP;
}

static inline void wall_dial(struct pxi_transport *t, struct pxi_dial *d)
{
    struct node *from = PXI_OF(t, struct node, wall);
    struct node *to = world_node_at(pxi_maddr_view(&d->addr));
    d->transport_data = NULL;
    world.fresh += d->fresh_port;
    if (!to || to->nat == NAT_NONE) {
        from->port->transport.dial(&from->port->transport, d);
        return;
    }
    world.dials++;
    world_intend(from, to, d);
}

static inline void wall_cancel(struct pxi_transport *t, struct pxi_dial *d)
{
    struct node *from = PXI_OF(t, struct node, wall);
    for (unsigned i = 0; i < WORLD_INTENTS; i++)
        if (world.intent[i].from && world.intent[i].dial == d)
            world.intent[i].from = NULL;
    if (d->transport_data)
        from->port->transport.cancel(&from->port->transport, d);
}

static inline void wall_punch(struct pxi_transport *t, const struct pxi_endpoint *e)
{
    world.punches++;
}

static inline struct node *world_add(enum nat nat)
{
    struct node *v = &world.node[world.n];
    px_diag d;
    char text[64];
    snprintf(text, sizeof text, "/ip4/%u.1.1.%u/tcp/4001", 20 + world.n, 1 + world.n);
    CHECK_EQ(pxi_maddr_parse(px_view_str(text), &v->addr, &d), PX_ERR_OK);
    world.n++;
    v->nat = nat;
    v->key = pxi_key_new(PXI_KEY_ED25519, &world.random);
    struct pxi_host_options o = {.key = v->key,
                                 .timers = &world.timers,
                                 .random = &world.random,
                                 .agent = "test",
                                 .wall_s = world_wall};
    v->host = pxi_host_new(&o);
    v->identify = pxi_identify_new(v->host);
    v->wall = (struct pxi_transport){.name = "wall",
                                     .can_dial = wall_can_dial,
                                     .dial = wall_dial,
                                     .cancel = wall_cancel,
                                     .punch = wall_punch};
    pxi_host_transport(v->host, &v->wall);
    v->port = pxi_simnet_join(world.net, v->host, pxi_maddr_view(&v->addr));
    CHECK(v->host && v->identify && v->port);
    return v;
}

/* What was built on a host must have been freed before. */
static inline void world_drop(struct node *v)
{
    if (!v->host)
        return;
    pxi_identify_free(v->identify);
    pxi_simport_die(v->port);
    pxi_host_free(v->host);
    v->host = NULL;
}

static inline void world_end(void)
{
    for (unsigned i = 0; i < world.n; i++)
        world_drop(&world.node[i]);
    for (unsigned i = 0; i < world.n; i++) {
        pxi_simport_leave(world.node[i].port);
        pxi_key_free(world.node[i].key);
    }
    pxi_simnet_free(world.net);
}

static inline const struct pxi_peer *world_id(struct node *v)
{
    return pxi_host_self(v->host);
}

static inline void world_reach_done(struct pxi_reach *r, struct pxi_conn *c, px_err err)
{
    r->done = NULL;
}

/* a connects to b at b's address; the connection, or NULL. */
static inline struct pxi_conn *world_connect(struct node *a, struct node *b)
{
    struct pxi_reach r = {.peer = *world_id(b), .done = world_reach_done};
    px_view at = pxi_maddr_view(&b->addr);
    pxi_reach_start(&r, a->host, &at, 1);
    world_run(2 * PXI_SECOND);
    if (r.done)
        pxi_reach_cancel(&r);
    return pxi_host_conn(a->host, world_id(b), false);
}

static inline uint64_t world_faults(struct node *v, enum pxi_fault f)
{
    return pxi_host_faults(v->host)->n[f];
}

#endif
