/*
 * Peer exchange (gossipsub v1.1, "Peer Exchange on PRUNE"): who is pruned hears of others in the
 * topic. What is told are records that those peers signed themselves; what is heard is believed
 * only from peers of a good score, and only so far as it is signed.
 */
#include "net/gossip_impl.h"
#include "net/envelope.h"

enum { IDENTIFY_RECORD = 8, ADDRS = 8 }; /* the field of identify; addresses of one peer */

/* ------------------------------------------------------------------- telling */

/* The record that a peer gave us of itself; empty when it gave none, or one of no fair size. */
static px_view record_of(struct pxi_gossip *g, const struct pxi_peer *p)
{
    px_view record = {NULL, 0};
    size_t at = 0;
    pxi_rpc_find(pxi_peer_identify(g->host, p), &at, IDENTIFY_RECORD, &record);
    return record.n <= PXI_LIMIT_GOSSIP_PX_RECORD ? record : px_view_of(NULL, 0);
}

static bool put_peer(struct pxi_buf *out, const struct pxi_peer *id, px_view record)
{
    size_t mark = out->n;
    px_view name = pxi_peer_view(id);
    size_t n =
        pxi_rpc_field_size(PXI_RPC_PX_ID, name.n) + pxi_rpc_field_size(PXI_RPC_PX_RECORD, record.n);
    bool good = pxi_rpc_put_head(out, PXI_RPC_PRUNE_PEER, n) &&
                pxi_rpc_put_bytes(out, PXI_RPC_PX_ID, name) &&
                pxi_rpc_put_bytes(out, PXI_RPC_PX_RECORD, record);
    if (!good)
        out->n = mark;
    return good;
}

void pxi_gossip_px_tell(struct pxi_gossip_peer *p, struct pxi_gossip_topic *t, struct pxi_buf *out)
{
    struct pxi_gossip *g = p->gossip;
    unsigned told = 0, left = t->member_count;
    for (struct pxi_list *l = t->members.next; l != &t->members; l = l->next, left--) {
        struct pxi_gossip_member *m = PXI_OF(l, struct pxi_gossip_member, topic_link);
        /* each is as likely as another */
        if (told == PXI_LIMIT_GOSSIP_PX_PEERS ||
            pxi_gossip_below(g, left) >= PXI_LIMIT_GOSSIP_PX_PEERS - told)
            continue;
        px_view record = m->peer == p || pxi_gossip_score_of(m->peer) < 0
                             ? px_view_of(NULL, 0)
                             : record_of(g, &m->peer->id);
        told += record.n && put_peer(out, &m->peer->id, record);
    }
    g->stats.exchange_out += told;
}

/* ------------------------------------------------------------------- hearing */

static void reached(struct pxi_reach *r, struct pxi_conn *c, px_err err)
{
    PXI_OF(r, struct pxi_gossip_exchange, reach)->busy = false; /* the watch sees the connection */
}

static struct pxi_gossip_exchange *idle(struct pxi_gossip *g)
{
    for (unsigned i = 0; i < PXI_LIMIT_GOSSIP_PX_DIALS; i++)
        if (!g->exchanges[i].busy)
            return &g->exchanges[i];
    return NULL;
}

struct addresses {
    px_view addr[ADDRS];
    unsigned n;
};

static void take_address(void *ctx, px_view addr)
{
    struct addresses *a = ctx;
    if (a->n < ADDRS)
        a->addr[a->n++] = addr;
}

/* One peer of a PRUNE: dial it when it says itself where it is. */
static void meet(struct pxi_gossip *g, struct pxi_gossip_exchange *x, px_view entry)
{
    px_view name = {NULL, 0}, record = {NULL, 0};
    size_t at = 0;
    struct pxi_peer told, signer;
    struct addresses found = {.n = 0};
    uint64_t seq;
    pxi_rpc_find(entry, &at, PXI_RPC_PX_ID, &name);
    at = 0;
    pxi_rpc_find(entry, &at, PXI_RPC_PX_RECORD, &record);
    if (!record.n || pxi_peer_from_bytes(name, &told, NULL) != PX_ERR_OK ||
        pxi_peer_equal(&told, pxi_host_self(g->host)) || pxi_host_conn(g->host, &told, true))
        return;
    if (record.n > PXI_LIMIT_GOSSIP_PX_RECORD ||
        pxi_peer_record_open(record, NULL, &signer, &seq, take_address, &found) != PX_ERR_OK ||
        !pxi_peer_equal(&told, &signer)) {
        pxi_gossip_fault(g, PXI_FAULT_GOSSIP);
        return;
    }
    if (!found.n)
        return;
    x->busy = true;
    x->reach = (struct pxi_reach){.peer = told, .done = reached};
    pxi_reach_start(&x->reach, g->host, found.addr, found.n);
    g->stats.exchange_in++;
}

void pxi_gossip_px_heard(struct pxi_gossip_peer *p, struct pxi_gossip_topic *t, px_view prune)
{
    struct pxi_gossip *g = p->gossip;
    struct pxi_gossip_exchange *x;
    size_t at = 0;
    px_view entry;
    if (pxi_gossip_score_of(p) < g->book.params.px_threshold || t->mesh_count >= g->o.d)
        return;
    while (p->px_peers < PXI_LIMIT_GOSSIP_PX_PEERS && (x = idle(g)) &&
           pxi_rpc_find(prune, &at, PXI_RPC_PRUNE_PEER, &entry)) {
        p->px_peers++; /* a signature costs something, whatever it says */
        meet(g, x, entry);
    }
}

void pxi_gossip_px_stop(struct pxi_gossip *g)
{
    for (unsigned i = 0; i < PXI_LIMIT_GOSSIP_PX_DIALS; i++)
        if (g->exchanges[i].busy)
            pxi_reach_cancel(&g->exchanges[i].reach);
}
