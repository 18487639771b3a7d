#include "node/discovered.h"

#include "base/limits.h"
#include "base/mem.h"

struct found {
    struct pxi_list link;
    struct pxi_discovered *of;
    struct pxi_peer peer;
    struct pxi_reach reach;
    bool reaching;
};

struct pxi_discovered {
    struct pxi_host *host;
    struct pxi_watch watch;
    struct pxi_list list;
    unsigned count;
    bool connect;
};

static struct found *find(const struct pxi_discovered *d, const struct pxi_peer *p)
{
    for (struct pxi_list *l = d->list.next; l != &d->list; l = l->next) {
        struct found *f = PXI_OF(l, struct found, link);
        if (pxi_peer_equal(&f->peer, p))
            return f;
    }
    return NULL;
}

static void reached(struct pxi_reach *r, struct pxi_conn *c, px_err err)
{
    PXI_OF(r, struct found, reach)->reaching = false; /* it is announced again if that failed */
}

static void on_discovered(struct pxi_watch *w, const struct pxi_peer *p)
{
    struct pxi_discovered *d = PXI_OF(w, struct pxi_discovered, watch);
    struct found *f = find(d, p);
    if (!f && d->count < PXI_LIMIT_DISCOVERED_PEERS) {
        f = pxi_calloc(1, sizeof *f);
        if (!f)
            return;
        f->of = d;
        f->peer = *p;
        pxi_list_add(&d->list, &f->link);
        d->count++;
    }
    if (!f || !d->connect || f->reaching || pxi_host_conn(d->host, p, false))
        return;
    f->reaching = true;
    f->reach = (struct pxi_reach){.peer = *p, .done = reached};
    pxi_reach_start(&f->reach, d->host, NULL, 0);
}

struct pxi_discovered *pxi_discovered_new(struct pxi_host *h, bool connect)
{
    struct pxi_discovered *d = pxi_calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->host = h;
    d->connect = connect;
    d->watch.discovered = on_discovered;
    pxi_list_init(&d->list);
    pxi_host_watch(h, &d->watch);
    return d;
}

void pxi_discovered_free(struct pxi_discovered *d)
{
    if (!d)
        return;
    pxi_host_unwatch(&d->watch);
    while (!pxi_list_empty(&d->list)) {
        struct found *f = PXI_OF(d->list.next, struct found, link);
        if (f->reaching)
            pxi_reach_cancel(&f->reach);
        pxi_list_remove(&f->link);
        pxi_free(f);
    }
    pxi_free(d);
}

bool pxi_discovered_has(const struct pxi_discovered *d, const struct pxi_peer *p)
{
    return d && find(d, p);
}
