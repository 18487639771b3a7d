/* Which addresses of a peer are dialled, and in which order. */
#include "net/reach_impl.h"

enum { CANDIDATES = 32 };

struct pxi_transport *pxi_transport_for(struct pxi_host *h, const struct pxi_endpoint *e)
{
    for (struct pxi_list *l = h->transports.next; l != &h->transports; l = l->next) {
        struct pxi_transport *t = PXI_OF(l, struct pxi_transport, link);
        if (t->can_dial(t, e))
            return t;
    }
    return NULL;
}

static bool held_back(struct pxi_dialing *g, px_view addr)
{
    struct pxi_peer_entry *e = pxi_peer_find(g->host, &g->peer);
    for (struct pxi_peer_addr *a = e ? e->addrs : NULL; a; a = a->next)
        if (px_view_equal(px_view_of(a->b, a->n), addr))
            return a->retry_ns > g->host->o.timers->now_ns;
    return false;
}

/* The address without the /p2p of the target, which the dial carries apart. */
static px_view without_target(px_view addr, const struct pxi_endpoint *e)
{
    struct pxi_maddr_part part;
    size_t at = 0, last = addr.n;
    uint32_t code = 0;
    while (pxi_maddr_next(addr, &at, &part)) {
        code = part.code;
        last = part.offset;
    }
    return code == PXI_MA_P2P && e->peer.n ? px_view_of(addr.p, last) : addr;
}

void pxi_candidate_add(struct pxi_dialing *g, px_view addr, bool asked, uint8_t depth)
{
    struct pxi_endpoint e;
    if (g->count >= CANDIDATES || addr.n > PXI_MADDR_MAX || pxi_endpoint_of(addr, &e) != PX_ERR_OK)
        return;
    if (e.peer.n && g->peer.n && !pxi_peer_equal(&e.peer, &g->peer))
        return;
    px_view to = without_target(addr, &e);
    for (unsigned i = 0; i < g->count; i++)
        if (px_view_equal(pxi_maddr_view(&g->candidates[i].addr), to))
            return;
    struct pxi_transport *t = pxi_transport_for(g->host, &e);
    if (!t || (!asked && held_back(g, to)))
        return;
    if (!(g->count & (g->count - 1))) { /* most peers have few addresses */
        unsigned room = g->count ? 2 * g->count : 1;
        struct pxi_candidate *more = pxi_realloc(g->candidates, room, sizeof *more);
        if (!more)
            return;
        g->candidates = more;
    }
    struct pxi_candidate *c = &g->candidates[g->count++];
    c->transport = t;
    c->depth = depth;
    c->addr.n = (uint16_t)to.n;
    memcpy(c->addr.b, to.p, to.n);
    c->far = pxi_ip_kind_of(&e) == PXI_IP_PUBLIC || e.relayed || e.dns.n;
    c->rank = (e.relayed ? 1000u : 0) + (asked ? 0 : 100u) + (c->far ? 10u : 0) +
              (e.via == PXI_VIA_QUIC  ? 0
               : e.via == PXI_VIA_TCP ? 2u
                                      : 4u) +
              (e.family == 6 ? 0 : 1u);
    for (unsigned i = g->count - 1;
         i > g->next && g->candidates[i].rank < g->candidates[i - 1].rank; i--) {
        struct pxi_candidate swap = g->candidates[i];
        g->candidates[i] = g->candidates[i - 1];
        g->candidates[i - 1] = swap;
    }
}
