/* The router as its owner sees it: made, freed, topics joined and left, questions answered. */
#include "net/gossip.h"

#include "net/gossip_impl.h"

void pxi_gossip_fault(struct pxi_gossip *g, enum pxi_fault f)
{
    pxi_host_faults(g->host)->n[f]++;
}

uint64_t pxi_gossip_below(struct pxi_gossip *g, uint64_t n)
{
    return pxi_random_u64(pxi_host_random(g->host)) % n;
}

static void set(unsigned *v, unsigned by_default)
{
    *v = *v ? *v : by_default;
}

static void set_defaults(struct pxi_gossip_options *o)
{
    set(&o->d, 6);
    set(&o->d_low, 4);
    set(&o->d_high, 12);
    set(&o->d_lazy, 6);
    set(&o->d_score, 4);
    set(&o->d_out, 2);
    set(&o->heartbeat_ms, 1000);
    set(&o->fanout_ttl_ms, 60000);
    set(&o->seen_ttl_ms, 120000);
    set(&o->prune_backoff_ms, 60000);
    set(&o->unsubscribe_backoff_ms, 10000);
    set(&o->graft_flood_ms, 10000);
    set(&o->iwant_followup_ms, 3000);
    set(&o->history, 5);
    set(&o->history_gossip, 3);
    set(&o->retransmit, 3);
    o->gossip_factor = o->gossip_factor > 0 ? o->gossip_factor : 0.25;
    o->max_size = o->max_size ? o->max_size : PXI_LIMIT_GOSSIP_RPC_BYTES;
    o->max_size = o->max_size < 1024 ? 1024 : o->max_size;
    o->idontwant_size = o->idontwant_size ? o->idontwant_size : 1024;
}

static px_err start(struct pxi_gossip *g)
{
    struct pxi_gossip_score score = g->o.score ? *g->o.score : pxi_gossip_score_default();
    if (score.decay_interval_s <= 0)
        score.decay_interval_s = 1;
    pxi_random_fill(pxi_host_random(g->host), g->key, sizeof g->key);
    /* seqno: later than any that we used before, when there is a clock */
    uint64_t wall = pxi_host_wall_s(g->host);
    g->seqno = wall ? wall * PXI_SECOND : pxi_gossip_below(g, UINT64_MAX / 2);
    if (!pxi_table_init(&g->peer_table, 64) || !pxi_table_init(&g->topic_table, 64) ||
        !pxi_score_init(&g->book, &score, PXI_LIMIT_GOSSIP_BOOK, g->key) ||
        !pxi_seen_init(&g->seen, PXI_LIMIT_GOSSIP_SEEN, g->o.seen_ttl_ms * PXI_MS, g->key) ||
        !pxi_mcache_init(&g->cache, g->o.history, PXI_LIMIT_GOSSIP_CACHE,
                         PXI_LIMIT_GOSSIP_CACHE_BYTES, g->key))
        return PX_ERR_NOMEM;
    g->book.slack_ns = g->o.heartbeat_ms * PXI_MS;
    g->o.score = NULL; /* borrowed for this call only */
    return pxi_gossip_peers_start(g);
}

struct pxi_gossip *pxi_gossip_new(struct pxi_host *h, const struct pxi_gossip_options *o)
{
    struct pxi_gossip *g = pxi_calloc(1, sizeof *g);
    if (!g)
        return NULL;
    g->host = h;
    g->timers = pxi_host_timers(h);
    g->o = *o;
    set_defaults(&g->o);
    pxi_list_init(&g->peers);
    pxi_list_init(&g->topics);
    pxi_list_init(&g->dirty);
    if (start(g) != PX_ERR_OK) {
        pxi_gossip_free(g);
        return NULL;
    }
    g->beat.fire = pxi_gossip_beat;
    pxi_timer_after(g->timers, &g->beat, g->o.heartbeat_ms * PXI_MS);
    return g;
}

void pxi_gossip_free(struct pxi_gossip *g)
{
    if (!g)
        return;
    pxi_timer_disarm(g->timers, &g->beat);
    pxi_gossip_px_stop(g);
    pxi_gossip_peers_stop(g);
    pxi_gossip_topics_free(g);
    pxi_score_deinit(&g->book);
    pxi_seen_deinit(&g->seen);
    pxi_mcache_deinit(&g->cache);
    pxi_table_deinit(&g->peer_table);
    pxi_table_deinit(&g->topic_table);
    pxi_free(g->direct);
    pxi_free(g);
}

/* ------------------------------------------------------------------ topics */

static void tell_all(struct pxi_gossip *g, px_view topic, bool on)
{
    for (struct pxi_list *l = g->peers.next; l != &g->peers; l = l->next)
        pxi_gossip_send_subscription(PXI_OF(l, struct pxi_gossip_peer, link), on, topic);
}

/* Peers of the fanout go first into the mesh, those that may. */
static void adopt_fanout(struct pxi_gossip *g, struct pxi_gossip_topic *t)
{
    unsigned n = 0;
    for (struct pxi_list *l = t->mesh.next; l != &t->mesh; l = l->next)
        g->scratch[n++] = PXI_OF(l, struct pxi_gossip_member, mesh_link);
    for (unsigned i = 0; i < n; i++)
        pxi_gossip_mesh_remove(g->scratch[i]);
    t->fanout_ns = 0;
    t->joined = true;
    for (unsigned i = 0; i < n; i++)
        if (pxi_gossip_score_of(g->scratch[i]->peer) >= 0 &&
            !pxi_score_backing_off(pxi_gossip_stat(g->scratch[i]), pxi_gossip_now(g)))
            pxi_gossip_graft(g->scratch[i]);
}

px_err pxi_gossip_join(struct pxi_gossip *g, px_view topic)
{
    px_err err;
    struct pxi_gossip_topic *t = pxi_gossip_topic_find(g, topic);
    if (t && t->joined)
        return PX_ERR_OK;
    if (g->joined_count >= PXI_LIMIT_GOSSIP_JOINED)
        return PX_ERR_LIMIT;
    if (!(t = pxi_gossip_topic_get(g, topic, &err)))
        return err;
    g->joined_count++;
    tell_all(g, t->name, true);
    adopt_fanout(g, t);
    pxi_gossip_fill(g, t, g->o.d);
    pxi_gossip_flush(g);
    return PX_ERR_OK;
}

px_err pxi_gossip_leave(struct pxi_gossip *g, px_view topic)
{
    struct pxi_gossip_topic *t = pxi_gossip_topic_find(g, topic);
    if (!t || !t->joined)
        return PX_ERR_NOT_FOUND;
    while (!pxi_list_empty(&t->mesh))
        pxi_gossip_prune(PXI_OF(t->mesh.next, struct pxi_gossip_member, mesh_link),
                         g->o.unsubscribe_backoff_ms);
    t->joined = false;
    t->validate = NULL;
    g->joined_count--;
    tell_all(g, t->name, false);
    pxi_gossip_topic_check(g, t);
    pxi_gossip_flush(g);
    return PX_ERR_OK;
}

static struct pxi_gossip_topic *joined(struct pxi_gossip *g, px_view name)
{
    struct pxi_gossip_topic *t = pxi_gossip_topic_find(g, name);
    return t && t->joined ? t : NULL;
}

px_err pxi_gossip_validate(struct pxi_gossip *g, px_view topic, pxi_gossip_validator *v, void *ctx)
{
    struct pxi_gossip_topic *t = joined(g, topic);
    if (!t)
        return PX_ERR_NOT_FOUND;
    t->validate = v;
    t->validate_ctx = ctx;
    return PX_ERR_OK;
}

px_err pxi_gossip_topic_scoring(struct pxi_gossip *g, px_view topic,
                                const struct pxi_gossip_topic_score *s)
{
    struct pxi_gossip_topic *t = joined(g, topic);
    if (!t)
        return PX_ERR_NOT_FOUND;
    t->score.scored = s != NULL;
    if (s)
        t->score.params = *s;
    return PX_ERR_OK;
}

px_err pxi_gossip_app_score(struct pxi_gossip *g, const struct pxi_peer *p, double score)
{
    struct pxi_score_peer *b = pxi_score_find(&g->book, p);
    if (!b && g->book.count >= g->book.max)
        return PX_ERR_LIMIT;
    if (!b && !(b = pxi_score_peer(&g->book, p)))
        return PX_ERR_NOMEM;
    if (!b->connected)
        b->expire_ns = pxi_gossip_now(g) + (uint64_t)(g->book.params.retain_s * 1e9);
    b->app = score;
    return PX_ERR_OK;
}

px_err pxi_gossip_direct(struct pxi_gossip *g, const struct pxi_peer *id, bool on)
{
    struct pxi_gossip_peer *p = pxi_gossip_peer_find(g, id);
    unsigned i = 0;
    while (i < g->direct_count && !pxi_peer_equal(&g->direct[i], id))
        i++;
    if (!on && i < g->direct_count) {
        g->direct[i] = g->direct[--g->direct_count];
    } else if (on && i == g->direct_count) {
        if (i >= PXI_LIMIT_GOSSIP_DIRECT)
            return PX_ERR_LIMIT;
        struct pxi_peer *more = pxi_realloc(g->direct, i + 1, sizeof *more);
        if (!more)
            return PX_ERR_NOMEM;
        g->direct = more;
        g->direct[g->direct_count++] = *id;
    }
    if (p)
        p->direct = on;
    for (struct pxi_list *l = p && on ? p->members.next : NULL; l && l != &p->members;
         l = l->next) {
        struct pxi_gossip_member *m = PXI_OF(l, struct pxi_gossip_member, peer_link);
        if (m->in_mesh && m->topic->joined)
            pxi_gossip_prune(m, g->o.prune_backoff_ms);
    }
    pxi_gossip_flush(g);
    return PX_ERR_OK;
}

/* --------------------------------------------------------------- questions */

static unsigned list_members(struct pxi_gossip *g, px_view topic, struct pxi_peer *out,
                             unsigned cap, bool mesh_only)
{
    struct pxi_gossip_topic *t = pxi_gossip_topic_find(g, topic);
    unsigned n = 0;
    for (struct pxi_list *l = t ? t->members.next : NULL; l && l != &t->members; l = l->next) {
        struct pxi_gossip_member *m = PXI_OF(l, struct pxi_gossip_member, topic_link);
        if (mesh_only && !(m->in_mesh && t->joined))
            continue;
        if (n < cap)
            out[n] = m->peer->id;
        n++;
    }
    return n;
}

unsigned pxi_gossip_peers(struct pxi_gossip *g, px_view topic, struct pxi_peer *out, unsigned cap)
{
    return list_members(g, topic, out, cap, false);
}

unsigned pxi_gossip_mesh(struct pxi_gossip *g, px_view topic, struct pxi_peer *out, unsigned cap)
{
    return list_members(g, topic, out, cap, true);
}

px_view pxi_gossip_topic(struct pxi_gossip *g, unsigned i)
{
    for (struct pxi_list *l = g->topics.next; l != &g->topics; l = l->next) {
        struct pxi_gossip_topic *t = PXI_OF(l, struct pxi_gossip_topic, link);
        if (t->joined && i-- == 0)
            return t->name;
    }
    return px_view_of(NULL, 0);
}

double pxi_gossip_peer_score(struct pxi_gossip *g, const struct pxi_peer *p)
{
    const struct pxi_score_peer *b = pxi_score_find(&g->book, p);
    return b ? pxi_score_of(&g->book, b) : 0;
}

struct pxi_gossip_stats pxi_gossip_stats(const struct pxi_gossip *g)
{
    struct pxi_gossip_stats s = g->stats;
    s.peers = g->peer_count;
    s.topics = g->topic_count;
    return s;
}
