/* The object of one DHT: its life, its table, who enters it and who leaves. */
#include "net/kad.h"

#include "base/limits.h"
#include "net/kad_query.h"

/* A peer told by identify what it serves: those that serve our protocol are asked. */
static void on_identified(struct pxi_watch *w, const struct pxi_peer *p, struct pxi_conn *c)
{
    struct pxi_kad *k = PXI_OF(w, struct pxi_kad, watch);
    px_view addrs[PXI_LIMIT_KAD_ADDRS];
    if (pxi_peer_supports(k->host, p, k->o.protocol) != 1)
        return;
    if (c && pxi_kad_rpc_awaited(k, c))
        return; /* that answer will show as much */
    pxi_kad_test(k, p, addrs, pxi_peer_addrs(k->host, p, addrs, PXI_LIMIT_KAD_ADDRS));
}

struct pxi_kad *pxi_kad_new(struct pxi_host *h, const struct pxi_kad_options *o)
{
    struct pxi_kad *k = pxi_calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->host = h;
    if (o)
        k->o = *o;
    if (!k->o.protocol)
        k->o.protocol = PXI_KAD_PROTOCOL;
    if (!k->o.k || k->o.k > PXI_KAD_K)
        k->o.k = PXI_KAD_K;
    if (!k->o.paths)
        k->o.paths = 3;
    pxi_list_init(&k->ops);
    pxi_list_init(&k->served);
    pxi_list_init(&k->tests);
    k->self = pxi_kad_key_of(pxi_peer_view(pxi_host_self(h)));
    pxi_kad_table_init(&k->table, &k->self, k->o.k);
    if (k->o.no_diversity)
        k->table.group_bucket = k->table.group_table = 0;
    k->table.strict = k->o.strict;
    pxi_kad_store_init(&k->store, &k->self);
    pxi_kad_validators_init(&k->validators, k->o.accept_all);
    if (!k->o.client && pxi_kad_serve(k) != PX_ERR_OK) {
        pxi_free(k);
        return NULL;
    }
    k->watch.identified = on_identified;
    pxi_host_watch(h, &k->watch);
    pxi_kad_keep_start(k);
    pxi_kad_kept_start(k);
    return k;
}

void pxi_kad_free(struct pxi_kad *k)
{
    if (!k)
        return;
    pxi_host_unwatch(&k->watch);
    pxi_kad_keep_stop(k);
    pxi_kad_kept_stop(k);
    pxi_kad_tests_stop(k);
    while (!pxi_list_empty(&k->ops))
        pxi_kad_op_free(PXI_OF(k->ops.next, struct pxi_kad_op, link));
    pxi_kad_serve_stop(k);
    for (unsigned i = 0; i < PXI_KAD_LINGER; i++)
        if (k->linger[i])
            pxi_stream_reset(k->linger[i]);
    pxi_kad_table_deinit(&k->table);
    pxi_kad_store_deinit(&k->store);
    pxi_free(k);
}

px_err pxi_kad_validator_add(struct pxi_kad *k, const struct pxi_kad_validator *v)
{
    return pxi_kad_validators_add(&k->validators, v);
}

void pxi_kad_add(struct pxi_kad *k, const struct pxi_peer *p, const px_view *addrs, unsigned count)
{
    pxi_kad_test(k, p, addrs, count);
}

const struct pxi_kad_table *pxi_kad_table_of(const struct pxi_kad *k)
{
    return &k->table;
}

struct pxi_kad_stats pxi_kad_stats_of(const struct pxi_kad *k)
{
    return (struct pxi_kad_stats){k->table.count, k->store.records.n, k->store.providers.n,
                                  k->op_count,    k->served_count,    k->kept.count,
                                  k->requests_in, k->requests_out,    k->refused};
}

/* ------------------------------------------------------------- the table */

/* Where a peer can be dialled again: where we dialled it, what it and others said. */
static unsigned known_addrs(struct pxi_kad *k, const struct pxi_peer *p, struct pxi_conn *c,
                            const px_view *addrs, unsigned count, px_view *out, unsigned cap)
{
    unsigned n = 0;
    if (c && c->outbound && !c->limited && c->remote.n)
        out[n++] = pxi_maddr_view(&c->remote);
    n += pxi_peer_addrs(k->host, p, out + n, cap - n);
    for (unsigned i = 0; i < count && n < cap; i++)
        out[n++] = addrs[i];
    return n;
}

void pxi_kad_alive(struct pxi_kad *k, const struct pxi_peer *p, struct pxi_conn *c,
                   const px_view *addrs, unsigned count)
{
    px_view all[2 * PXI_LIMIT_KAD_ADDRS];
    struct pxi_kad_key key = pxi_kad_key_of(pxi_peer_view(p));
    struct pxi_kad_entry *e = pxi_kad_table_find(&k->table, &key);
    if (e) {
        e->seen_ns = pxi_kad_now(k);
        return;
    }
    if (!pxi_kad_table_room(&k->table, &key))
        return;
    unsigned n = known_addrs(k, p, c, addrs, count, all, 2 * PXI_LIMIT_KAD_ADDRS);
    pxi_kad_table_put(&k->table, p, all, n, pxi_kad_now(k));
}

void pxi_kad_dead(struct pxi_kad *k, const struct pxi_peer *p)
{
    struct pxi_kad_key key = pxi_kad_key_of(pxi_peer_view(p));
    if (pxi_host_conn_count(k->host)) /* else the fault may be ours: keep what we know */
        pxi_kad_table_remove(&k->table, &key);
}
