/*
 * Two hosts in one process, joined by links in memory and virtual time: what the tests and the
 * benchmark of upgrades and multiplexers share.
 */
#ifndef NET_PAIR_H
#define NET_PAIR_H

#include "crypto/shake.h"
#include "net/host.h"
#include "net/memlink.h"
#include "net/upgrade.h"
#include "net/websocket.h"

struct node {
    struct pxi_random random;
    struct pxi_key *key;
    struct pxi_host *host;
    struct pxi_upgrader up;
    struct pxi_cert *cert;
    struct pxi_shaker *shaker;
    struct pxi_upgrade *u;
    struct pxi_conn *conn;
    unsigned done;
    px_err err;
    bool fresh_only; /* test what `done` hears without giving the conn to the host */
};

static struct pxi_timers net_timers;

static inline void net_run(uint64_t for_ns)
{
    uint64_t end = net_timers.now_ns + for_ns, next;
    while ((next = pxi_timers_next(&net_timers)) <= end && next != PXI_NEVER)
        pxi_timers_run(&net_timers, next);
    pxi_timers_run(&net_timers, end);
}

static inline uint64_t net_wall_s(void)
{
    return 1800000000;
}

static inline void node_done(void *ctx, struct pxi_conn *c, px_err err)
{
    struct node *n = ctx;
    n->done++;
    n->u = NULL;
    n->err = err;
    n->conn = c;
    if (!c || n->fresh_only)
        return;
    n->err = pxi_host_add_conn(n->host, c);
    if (n->err != PX_ERR_OK) {
        c->ops->close(c, n->err);
        n->conn = NULL;
    }
}

static inline bool node_open(struct node *n, uint64_t seed, enum pxi_security first,
                             enum pxi_security second)
{
    *n = (struct node){.random = pxi_random_seeded(seed)};
    n->key = pxi_key_new(PXI_KEY_ED25519, &n->random);
    struct pxi_host_options o = {
        .key = n->key, .timers = &net_timers, .random = &n->random, .wall_s = net_wall_s};
    n->host = n->key ? pxi_host_new(&o) : NULL;
    n->up.host = n->host;
    if (n->key && (first == PXI_SECURITY_TLS || second == PXI_SECURITY_TLS))
        pxi_cert_new(n->key, &n->random, net_wall_s(), &n->cert);
    struct pxi_shaker_options so = {
        .cert = n->cert, .random = &n->random, .spare = n->host ? pxi_host_spare(n->host) : NULL};
    if (n->cert)
        pxi_shaker_new(&so, &n->shaker);
    n->up.security[0] = first;
    n->up.security[1] = second;
    n->up.shaker = n->shaker;
    return n->host != NULL;
}

static inline void node_close(struct node *n)
{
    if (n->u)
        pxi_upgrade_cancel(n->u);
    pxi_host_free(n->host);
    net_run(5 * PXI_SECOND);
    pxi_key_free(n->key);
    pxi_shaker_free(n->shaker);
    pxi_cert_free(n->cert);
}

static inline bool node_upgrade(struct node *n, struct pxi_link *l, bool outbound,
                                const struct pxi_peer *expect)
{
    struct pxi_upgrade_options o = {
        .upgrader = &n->up, .outbound = outbound, .done = node_done, .ctx = n};
    if (expect)
        o.peer = *expect;
    n->done = 0;
    n->u = pxi_upgrade_start(&o, l);
    return n->u != NULL;
}

static bool net_websocket; /* join through WebSockets */

static inline struct pxi_link *node_websocket(struct node *n, struct pxi_link *l, bool server)
{
    struct pxi_websocket_options o = {.timers = &net_timers,
                                      .random = &n->random,
                                      .faults = pxi_host_faults(n->host),
                                      .server = server,
                                      .host = "127.0.0.1:4001"};
    return net_websocket ? pxi_websocket_new(&o, l) : l;
}

/* a dials b. */
static inline bool nodes_join(struct node *a, struct node *b, struct pxi_memlink_options o)
{
    struct pxi_link *la, *lb;
    o.timers = &net_timers;
    if (pxi_memlink_pair(&o, &la, &lb) != PX_ERR_OK)
        return false;
    la = node_websocket(a, la, false);
    lb = node_websocket(b, lb, true);
    return node_upgrade(a, la, true, pxi_host_self(b->host)) && node_upgrade(b, lb, false, NULL);
}

#endif
