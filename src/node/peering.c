#include "node/peering.h"

#include "base/diag.h"
#include "base/mem.h"

/* ------------------------------------------------------------------- bootstrap */

#define RETRY_FIRST PXI_SECOND
#define RETRY_MOST  (60 * PXI_SECOND)

struct friend
{
    struct pxi_reaching *of;
    struct pxi_maddr addr;
    struct pxi_peer peer;
    struct pxi_reach reach;
    struct pxi_timer again;
    uint64_t wait_ns;
    bool reaching;
};

struct pxi_reaching {
    struct pxi_host *host;
    struct pxi_watch watch;
    struct friend *friends;
    unsigned count;
};

static void reached(struct pxi_reach *r, struct pxi_conn *c, px_err err)
{
    struct friend *f = PXI_OF(r, struct friend, reach);
    f->reaching = false;
    if (c) {
        f->wait_ns = RETRY_FIRST;
        return;
    }
    pxi_timer_after(pxi_host_timers(f->of->host), &f->again, f->wait_ns);
    f->wait_ns = f->wait_ns * 2 < RETRY_MOST ? f->wait_ns * 2 : RETRY_MOST;
}

static void try(struct pxi_timer *t, uint64_t now_ns)
{
    struct friend *f = PXI_OF(t, struct friend, again);
    px_view addr = pxi_maddr_view(&f->addr);
    if (f->reaching || pxi_host_conn(f->of->host, &f->peer, true))
        return;
    f->reaching = true;
    f->reach = (struct pxi_reach){.peer = f->peer, .done = reached, .limited_ok = true};
    pxi_reach_start(&f->reach, f->of->host, &addr, 1);
}

static void on_disconnected(struct pxi_watch *w, struct pxi_conn *c)
{
    struct pxi_reaching *r = PXI_OF(w, struct pxi_reaching, watch);
    for (unsigned i = 0; i < r->count; i++)
        if (pxi_peer_equal(&r->friends[i].peer, &c->peer))
            pxi_timer_after(pxi_host_timers(r->host), &r->friends[i].again, RETRY_FIRST);
}

static px_err friend_init(struct friend *f, struct pxi_reaching *r, const char *text, px_diag *d)
{
    struct pxi_endpoint e;
    px_err err = pxi_maddr_parse(px_view_str(text), &f->addr, d);
    if (err == PX_ERR_OK)
        err = pxi_endpoint_of(pxi_maddr_view(&f->addr), &e);
    pxi_diag_field(d, "bootstrap");
    if (err != PX_ERR_OK || !e.peer.n)
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "a multiaddr with /p2p/ID", "%s", text);
    f->of = r;
    f->peer = e.peer;
    f->wait_ns = RETRY_FIRST;
    f->again.fire = try;
    pxi_timer_after(pxi_host_timers(r->host), &f->again, 0);
    return PX_ERR_OK;
}

px_err pxi_bootstrap_new(struct pxi_host *h, const char *const *addrs, unsigned count,
                         struct pxi_reaching **out, px_diag *d)
{
    struct pxi_reaching *r = pxi_calloc(1, sizeof *r);
    px_err err = PX_ERR_OK;
    *out = NULL;
    if (r)
        r->friends = pxi_calloc(count, sizeof *r->friends);
    if (!r || !r->friends) {
        pxi_free(r);
        return PX_ERR_NOMEM;
    }
    r->host = h;
    r->watch.disconnected = on_disconnected;
    pxi_host_watch(h, &r->watch);
    *out = r;
    for (unsigned i = 0; i < count && err == PX_ERR_OK; i++) {
        err = friend_init(&r->friends[i], r, addrs[i], d);
        r->count += err == PX_ERR_OK;
    }
    return err;
}

void pxi_bootstrap_free(struct pxi_reaching *r)
{
    if (!r)
        return;
    pxi_host_unwatch(&r->watch);
    for (unsigned i = 0; i < r->count; i++) {
        pxi_timer_disarm(pxi_host_timers(r->host), &r->friends[i].again);
        if (r->friends[i].reaching)
            pxi_reach_cancel(&r->friends[i].reach);
    }
    pxi_free(r->friends);
    pxi_free(r);
}

/* ------------------------------------------------------------------ allow-list */

struct pxi_allow {
    struct pxi_host *host;
    unsigned count;
    struct pxi_peer peers[];
};

static bool allowed(void *ctx, const struct pxi_peer *p)
{
    const struct pxi_allow *a = ctx;
    for (unsigned i = 0; i < a->count; i++)
        if (pxi_peer_equal(&a->peers[i], p))
            return true;
    return false;
}

px_err pxi_allow_new(struct pxi_host *h, const char *const *peers, unsigned count,
                     struct pxi_allow **out, px_diag *d)
{
    *out = NULL;
    if (!count)
        return PX_ERR_OK;
    struct pxi_allow *a = pxi_calloc(1, sizeof *a + count * sizeof *a->peers);
    if (!a)
        return PX_ERR_NOMEM;
    a->host = h;
    *out = a;
    for (unsigned i = 0; i < count; i++) {
        px_err err = pxi_peer_parse(px_view_str(peers[i]), &a->peers[i], d);
        if (err != PX_ERR_OK) {
            pxi_diag_field(d, "allow");
            return pxi_diag_set(d, PX_ERR_INVALID, 0, "a peer id", "%s", peers[i]);
        }
        a->count++;
    }
    pxi_host_gate(h, allowed, a);
    return PX_ERR_OK;
}

void pxi_allow_free(struct pxi_allow *a)
{
    if (!a)
        return;
    pxi_host_gate(a->host, NULL, NULL);
    pxi_free(a);
}
