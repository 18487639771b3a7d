#include "net/observed.h"

#include "net/limits.h"
#include "net/relay.h"

static void claim_set(struct pxi_observed *o, struct pxi_claim *k, const struct pxi_claim *to)
{
    struct pxi_maddr old = k->addr;
    bool still = false;
    *k = *to;
    if (k->addr.n)
        (void)pxi_host_addr_add(o->host, pxi_maddr_view(&k->addr), PXI_ADDR_OBSERVED);
    for (unsigned i = 0; i < PXI_LIMIT_OBSERVED_CLAIMS; i++)
        still = still || px_view_equal(pxi_maddr_view(&o->claims[i].addr), pxi_maddr_view(&old));
    if (old.n && !still)
        pxi_host_addr_remove(o->host, pxi_maddr_view(&old), PXI_ADDR_OBSERVED);
}

/* Whether a connection left from a port that we listen on: only then is what the other end sees an
 * address where others may reach us. */
static bool from_listening(struct pxi_observed *o, const struct pxi_endpoint *local)
{
    struct pxi_endpoint e;
    px_view a;
    for (unsigned i = 0; (a = pxi_host_addr(o->host, i)).n; i++)
        if (pxi_endpoint_of(a, &e) == PX_ERR_OK && !e.relayed && e.port == local->port &&
            e.via == local->via && e.family == local->family)
            return true;
    return false;
}

void pxi_observed_claim(struct pxi_observed *o, px_view addr, struct pxi_conn *c)
{
    struct pxi_claim k = {0};
    struct pxi_endpoint local, remote;
    pxi_nat_observed(&o->nat, addr, c);
    if (!c->outbound || pxi_conn_relayed(c) || addr.n > PXI_MADDR_MAX ||
        pxi_endpoint_of(addr, &k.seen) != PX_ERR_OK || !k.seen.port || k.seen.relayed ||
        pxi_endpoint_of(pxi_maddr_view(&c->local), &local) != PX_ERR_OK ||
        pxi_endpoint_of(pxi_maddr_view(&c->remote), &remote) != PX_ERR_OK ||
        k.seen.via != remote.via || k.seen.family != remote.family || !from_listening(o, &local))
        return;
    enum pxi_ip_kind kind = pxi_ip_kind_of(&k.seen);
    k.witness_n = (uint8_t)pxi_limits_ip(&remote, k.witness);
    if (!k.witness_n || (kind != PXI_IP_PUBLIC && kind != PXI_IP_PRIVATE))
        return;
    k.seen.dns = px_view_of(NULL, 0);
    k.addr = pxi_endpoint_maddr(&k.seen);
    for (unsigned i = 0; i < PXI_LIMIT_OBSERVED_CLAIMS; i++) {
        struct pxi_claim *old = &o->claims[i];
        if (old->addr.n && old->witness_n == k.witness_n && old->seen.via == k.seen.via &&
            !memcmp(old->witness, k.witness, k.witness_n)) {
            claim_set(o, old, &k);
            return;
        }
    }
    claim_set(o, &o->claims[o->next], &k);
    o->next = (o->next + 1) % PXI_LIMIT_OBSERVED_CLAIMS;
}

void pxi_observed_refute(struct pxi_observed *o, px_view addr)
{
    struct pxi_claim none = {0};
    for (unsigned i = 0; i < PXI_LIMIT_OBSERVED_CLAIMS; i++)
        if (o->claims[i].addr.n && px_view_equal(pxi_maddr_view(&o->claims[i].addr), addr))
            claim_set(o, &o->claims[i], &none);
}

static void heard(void *ctx, px_view addr, struct pxi_conn *c)
{
    pxi_observed_claim(ctx, addr, c);
}

void pxi_observed_start(struct pxi_observed *o, struct pxi_host *h, struct pxi_identify *i)
{
    o->host = h;
    pxi_identify_on_observed(i, heard, o);
}
