/* Hosts of net_world.h that use relays. */
#ifndef RELAY_WORLD_H
#define RELAY_WORLD_H

#include "net/dcutr.h"
#include "net/relay.h"
#include "net_world.h"

struct relay_node {
    struct node *v;
    struct pxi_upgrader upgrader;
    struct pxi_relay_hop *hop;
    struct pxi_relay_client *client;
    struct pxi_dcutr *dcutr;
    px_err last; /* how the last dial ended */
};

static inline void relay_node_begin(struct relay_node *r, enum nat nat)
{
    memset(r, 0, sizeof *r);
    r->v = world_add(nat);
    r->upgrader.host = r->v->host;
    r->upgrader.security[0] = PXI_SECURITY_NOISE;
    r->client = pxi_relay_client_new(r->v->host, &r->upgrader);
    CHECK(r->client != NULL);
}

static inline void relay_node_end(struct relay_node *r)
{
    pxi_dcutr_free(r->dcutr);
    pxi_relay_client_free(r->client);
    pxi_relay_hop_free(r->hop);
    world_drop(r->v);
}

static inline bool relay_reserve(struct relay_node *r, struct relay_node *at)
{
    struct pxi_relay_standing now = {0};
    px_view a = pxi_maddr_view(&at->v->addr);
    CHECK_EQ(pxi_relay_reserve(r->client, world_id(at->v), &a, 1), PX_ERR_OK);
    world_run(3 * PXI_SECOND);
    for (unsigned i = 0; pxi_relay_standing(r->client, i, &now); i++)
        if (pxi_peer_equal(&now.relay, world_id(at->v)))
            return now.held;
    return false;
}

struct relay_wish {
    struct pxi_reach reach;
    struct pxi_conn *conn;
    px_err err;
    bool over;
};

static inline void relay_reached(struct pxi_reach *r, struct pxi_conn *c, px_err err)
{
    struct relay_wish *w = PXI_OF(r, struct relay_wish, reach);
    w->conn = c;
    w->err = err;
    w->over = true;
}

/* From one host to another through a relay; the connection or NULL. */
static inline struct pxi_conn *relay_dial(struct relay_node *from, struct relay_node *through,
                                          struct relay_node *to)
{
    struct relay_wish w = {.reach = {.peer = *world_id(to->v), .done = relay_reached}};
    struct pxi_maddr a = through->v->addr;
    w.reach.limited_ok = true;
    CHECK(pxi_maddr_add(&a, PXI_MA_P2P, pxi_peer_view(world_id(through->v))));
    CHECK(pxi_maddr_add(&a, PXI_MA_P2P_CIRCUIT, px_view_of(NULL, 0)));
    px_view v = pxi_maddr_view(&a);
    pxi_reach_start(&w.reach, from->v->host, &v, 1);
    for (int i = 0; i < 300 && !w.over; i++)
        world_run(PXI_SECOND / 10);
    CHECK(w.over);
    from->last = w.err;
    return w.conn;
}

#endif
