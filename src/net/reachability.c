#include "net/reachability.h"

#include "net/relay.h"

void pxi_votes_add(struct pxi_votes *v, const struct pxi_peer *peer, bool good)
{
    for (unsigned i = 0; i < v->n; i++) {
        if (pxi_peer_equal(&v->v[i].peer, peer)) {
            v->v[i].good = good;
            return;
        }
    }
    v->v[v->next].peer = *peer;
    v->v[v->next].good = good;
    v->n += v->n < PXI_LIMIT_AUTONAT_VOTES;
    v->next = (v->next + 1) % PXI_LIMIT_AUTONAT_VOTES;
}

bool pxi_votes_has(const struct pxi_votes *v, const struct pxi_peer *peer)
{
    for (unsigned i = 0; i < v->n; i++)
        if (pxi_peer_equal(&v->v[i].peer, peer))
            return true;
    return false;
}

enum pxi_reachability pxi_votes_verdict(const struct pxi_votes *v, unsigned agree)
{
    unsigned good = 0;
    for (unsigned i = 0; i < v->n; i++)
        good += v->v[i].good;
    unsigned bad = v->n - good;
    if (good >= agree && good > bad)
        return PXI_REACH_PUBLIC;
    return bad >= agree && bad > good ? PXI_REACH_PRIVATE : PXI_REACH_UNKNOWN;
}

bool pxi_backs_grant(struct pxi_backs *b, const struct pxi_peer *peer, uint64_t now_ns)
{
    unsigned i = 0;
    if (now_ns - b->minute_ns >= 60 * PXI_SECOND) {
        b->minute_ns = now_ns;
        b->granted = 0;
        memset(b->by, 0, sizeof b->by);
    }
    if (b->active >= PXI_LIMIT_AUTONAT_BACKS || b->granted >= PXI_LIMIT_AUTONAT_BACKS_MINUTE)
        return false;
    while (b->by[i].n && !pxi_peer_equal(&b->by[i].peer, peer))
        i++; /* ends: there are as many rows as grants */
    if (b->by[i].n >= PXI_LIMIT_AUTONAT_BACKS_PEER)
        return false;
    b->by[i].peer = *peer;
    b->by[i].n++;
    b->granted++;
    b->active++;
    return true;
}

void pxi_backs_end(struct pxi_backs *b)
{
    b->active--;
}

bool pxi_reach_testable(px_view addr, bool allow_private, struct pxi_endpoint *out)
{
    if (addr.n > PXI_MADDR_MAX || pxi_maddr_check(addr, NULL) != PX_ERR_OK ||
        pxi_endpoint_of(addr, out) != PX_ERR_OK || out->relayed || !out->family || !out->port ||
        (out->via != PXI_VIA_TCP && out->via != PXI_VIA_QUIC && out->via != PXI_VIA_WS))
        return false;
    enum pxi_ip_kind kind = pxi_ip_kind_of(out);
    return kind == PXI_IP_PUBLIC || (allow_private && kind != PXI_IP_NONE);
}

bool pxi_same_ip(const struct pxi_endpoint *e, const struct pxi_conn *c)
{
    struct pxi_endpoint r;
    return pxi_endpoint_of(pxi_maddr_view(&c->remote), &r) == PX_ERR_OK && !r.relayed &&
           r.family == e->family && r.family && memcmp(r.ip, e->ip, r.family == 4 ? 4 : 16) == 0;
}

struct pxi_conn *pxi_reach_server(struct pxi_host *h, const char *protocol,
                                  const struct pxi_votes *voted)
{
    struct pxi_list *all = pxi_host_conns(h);
    struct pxi_conn *chosen = NULL;
    uint64_t seen = 0;
    for (struct pxi_list *l = all->next; l != all; l = l->next) {
        struct pxi_conn *c = PXI_OF(l, struct pxi_conn, link);
        if (c->closing || pxi_conn_relayed(c) || pxi_peer_supports(h, &c->peer, protocol) != 1 ||
            (voted && pxi_votes_has(voted, &c->peer)))
            continue;
        if (pxi_random_u64(pxi_host_random(h)) % ++seen == 0)
            chosen = c;
    }
    return chosen;
}
