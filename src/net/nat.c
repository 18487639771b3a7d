#include "net/nat.h"

#include "net/relay.h"

static unsigned ip_bytes(const struct pxi_endpoint *e)
{
    return e->family == 4 ? 4 : e->family == 6 ? 16 : 0;
}

static bool same_ip(const struct pxi_endpoint *a, const struct pxi_endpoint *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, ip_bytes(a)) == 0;
}

static bool wild(const struct pxi_endpoint *e)
{
    static const uint8_t zero[16];
    return memcmp(e->ip, zero, ip_bytes(e)) == 0;
}

void pxi_nat_observed(struct pxi_nat *n, px_view addr, const struct pxi_conn *c)
{
    struct pxi_nat_sight s = {0};
    struct pxi_endpoint remote;
    if (!c->outbound || pxi_conn_relayed(c) || pxi_endpoint_of(addr, &s.seen) != PX_ERR_OK ||
        pxi_endpoint_of(pxi_maddr_view(&c->local), &s.local) != PX_ERR_OK ||
        pxi_endpoint_of(pxi_maddr_view(&c->remote), &remote) != PX_ERR_OK || !ip_bytes(&remote) ||
        s.seen.family != remote.family || s.seen.via != remote.via)
        return;
    s.remote_n = (uint8_t)ip_bytes(&remote);
    memcpy(s.remote, remote.ip, s.remote_n);
    s.seen.dns = s.local.dns = px_view_of(NULL, 0);
    for (unsigned i = 0; i < n->n; i++) { /* a remote that tells again replaces what it told */
        struct pxi_nat_sight *o = &n->sights[i];
        if (o->remote_n == s.remote_n && !memcmp(o->remote, s.remote, s.remote_n) &&
            o->local.port == s.local.port && o->local.via == s.local.via) {
            *o = s;
            return;
        }
    }
    n->sights[n->next] = s;
    n->n += n->n < PXI_LIMIT_NAT_SIGHTS;
    n->next = (n->next + 1) % PXI_LIMIT_NAT_SIGHTS;
}

/* Whether two sights are of the same socket by different remotes. */
static bool comparable(const struct pxi_nat_sight *a, const struct pxi_nat_sight *b)
{
    return a->local.port == b->local.port && a->seen.family == b->seen.family &&
           a->local.via == b->local.via &&
           (a->remote_n != b->remote_n || memcmp(a->remote, b->remote, a->remote_n) != 0);
}

enum pxi_nat_kind pxi_nat_kind_of(const struct pxi_nat *n, int via)
{
    unsigned same = 0, other = 0, own = 0, all = 0;
    for (unsigned i = 0; i < n->n; i++) {
        const struct pxi_nat_sight *a = &n->sights[i];
        if ((int)a->seen.via != via)
            continue;
        all++;
        own += a->seen.port == a->local.port && !wild(&a->local) && same_ip(&a->seen, &a->local);
        for (unsigned k = 0; k < i; k++) {
            const struct pxi_nat_sight *b = &n->sights[k];
            if ((int)b->seen.via != via || !comparable(a, b))
                continue;
            bool equal = a->seen.port == b->seen.port && same_ip(&a->seen, &b->seen);
            same += equal;
            other += !equal;
        }
    }
    if (all && own * 2 > all)
        return PXI_NAT_NONE;
    if (!same && !other)
        return PXI_NAT_UNKNOWN;
    return same > other ? PXI_NAT_CONE : PXI_NAT_SYMMETRIC;
}

const char *pxi_nat_kind_name(enum pxi_nat_kind k)
{
    static const char *const names[] = {"unknown", "none", "cone", "symmetric"};
    return (unsigned)k < sizeof names / sizeof *names ? names[k] : names[0];
}
