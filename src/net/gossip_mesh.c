/* The mesh: choosing peers, and the heartbeat that keeps it in shape (gossipsub v1.1). */
#include "net/gossip_impl.h"

void pxi_gossip_graft(struct pxi_gossip_member *m)
{
    pxi_gossip_mesh_add(m);
    pxi_gossip_send_graft(m->peer, m->topic->name);
}

void pxi_gossip_prune(struct pxi_gossip_member *m, uint64_t backoff_ms)
{
    struct pxi_gossip *g = m->peer->gossip;
    struct pxi_score_stat *s = pxi_gossip_stat(m);
    pxi_gossip_mesh_remove(m);
    pxi_score_backoff(s, pxi_gossip_now(g), backoff_ms * PXI_MS);
    pxi_gossip_send_prune(m->peer, m->topic, backoff_ms, true);
}

/* --------------------------------------------------------------- choosing */

static void shuffle(struct pxi_gossip *g, struct pxi_gossip_member **v, unsigned n)
{
    for (unsigned i = n; i > 1; i--) {
        unsigned j = (unsigned)pxi_gossip_below(g, i);
        struct pxi_gossip_member *x = v[i - 1];
        v[i - 1] = v[j];
        v[j] = x;
    }
}

/* Whether a subscriber may enter the mesh now. */
static bool eligible(struct pxi_gossip *g, struct pxi_gossip_member *m, double least)
{
    struct pxi_gossip_peer *p = m->peer;
    if (m->in_mesh || !p->ready || p->direct || p->version < GOSSIP_V10 || p->slow)
        return false;
    struct pxi_score_stat *s = pxi_score_stat_find(p->book, &m->topic->score);
    bool wait = s && s->backoff_ns && s->backoff_ns + g->book.slack_ns > pxi_gossip_now(g);
    return !wait && pxi_gossip_score_of(p) >= least;
}

/* Candidates in random order, in g->scratch. */
static unsigned candidates(struct pxi_gossip *g, struct pxi_gossip_topic *t, double least,
                           bool outbound_only)
{
    unsigned n = 0;
    for (struct pxi_list *l = t->members.next; l != &t->members; l = l->next) {
        struct pxi_gossip_member *m = PXI_OF(l, struct pxi_gossip_member, topic_link);
        if ((!outbound_only || m->peer->outbound) && eligible(g, m, least))
            g->scratch[n++] = m;
    }
    shuffle(g, g->scratch, n);
    return n;
}

static void add_some(struct pxi_gossip *g, struct pxi_gossip_topic *t, unsigned n, unsigned want)
{
    for (unsigned i = 0; i < n && i < want; i++) {
        if (t->joined)
            pxi_gossip_graft(g->scratch[i]);
        else
            pxi_gossip_mesh_add(g->scratch[i]);
    }
}

void pxi_gossip_fill(struct pxi_gossip *g, struct pxi_gossip_topic *t, unsigned want)
{
    if (t->mesh_count < want) {
        double least = t->joined ? 0 : g->book.params.publish_threshold;
        add_some(g, t, candidates(g, t, least, false), want - t->mesh_count);
    }
}

/* The mesh, in g->scratch. */
static unsigned mesh_of(struct pxi_gossip *g, struct pxi_gossip_topic *t)
{
    unsigned n = 0;
    for (struct pxi_list *l = t->mesh.next; l != &t->mesh; l = l->next)
        g->scratch[n++] = PXI_OF(l, struct pxi_gossip_member, mesh_link);
    return n;
}

/* ------------------------------------------------------- keeping it in shape */

static void drop_bad(struct pxi_gossip *g, struct pxi_gossip_topic *t)
{
    unsigned n = mesh_of(g, t);
    for (unsigned i = 0; i < n; i++) {
        struct pxi_gossip_peer *p = g->scratch[i]->peer;
        if (p->slow >= PXI_LIMIT_GOSSIP_SLOW) {
            g->stats.slow_prunes++;
            pxi_gossip_prune(g->scratch[i], g->o.prune_backoff_ms);
        } else if (pxi_gossip_score_of(p) < 0) {
            pxi_gossip_prune(g->scratch[i], g->o.prune_backoff_ms);
        }
    }
}

/* Best scores first; among equals the order stays random. */
static void sort_by_score(struct pxi_gossip_member **v, unsigned n)
{
    for (unsigned i = 1; i < n; i++) {
        struct pxi_gossip_member *x = v[i];
        double s = pxi_gossip_score_of(x->peer);
        unsigned j = i;
        for (; j && pxi_gossip_score_of(v[j - 1]->peer) < s; j--)
            v[j] = v[j - 1];
        v[j] = x;
    }
}

/* Too many: keep the best d_score, the rest at random, at least d_out of them outbound. */
static void shrink(struct pxi_gossip *g, struct pxi_gossip_topic *t)
{
    unsigned n = mesh_of(g, t), d = g->o.d, best = g->o.d_score < d ? g->o.d_score : d;
    unsigned outbound = 0;
    struct pxi_gossip_member **v = g->scratch;
    shuffle(g, v, n);
    sort_by_score(v, n);
    shuffle(g, v + best, n - best);
    for (unsigned i = 0; i < d; i++)
        outbound += v[i]->peer->outbound;
    /* outbound ones from behind take the last places */
    unsigned place = d;
    for (unsigned i = d; i < n && outbound < g->o.d_out; i++) {
        if (!v[i]->peer->outbound)
            continue;
        while (place && v[place - 1]->peer->outbound)
            place--;
        if (!place)
            break;
        struct pxi_gossip_member *x = v[place - 1];
        v[place - 1] = v[i];
        v[i] = x;
        outbound++;
    }
    for (unsigned i = d; i < n; i++)
        pxi_gossip_prune(v[i], g->o.prune_backoff_ms);
}

static void want_outbound(struct pxi_gossip *g, struct pxi_gossip_topic *t)
{
    unsigned outbound = 0;
    if (t->mesh_count < g->o.d_low)
        return;
    for (struct pxi_list *l = t->mesh.next; l != &t->mesh; l = l->next)
        outbound += PXI_OF(l, struct pxi_gossip_member, mesh_link)->peer->outbound;
    if (outbound < g->o.d_out)
        add_some(g, t, candidates(g, t, 0, true), g->o.d_out - outbound);
}

/* Once a minute: a mesh whose median is poor takes two that are better. */
static void opportunity(struct pxi_gossip *g, struct pxi_gossip_topic *t)
{
    unsigned n = mesh_of(g, t);
    if (n < 2)
        return;
    sort_by_score(g->scratch, n);
    double median = pxi_gossip_score_of(g->scratch[n / 2]->peer);
    if (median >= g->book.params.opportunistic_threshold)
        return;
    unsigned found = candidates(g, t, median, false), kept = 0;
    for (unsigned i = 0; i < found; i++)
        if (pxi_gossip_score_of(g->scratch[i]->peer) > median)
            g->scratch[kept++] = g->scratch[i];
    add_some(g, t, kept, 2);
}

static void keep_mesh(struct pxi_gossip *g, struct pxi_gossip_topic *t)
{
    drop_bad(g, t);
    if (t->mesh_count < g->o.d_low)
        pxi_gossip_fill(g, t, g->o.d);
    if (t->mesh_count > g->o.d_high)
        shrink(g, t);
    want_outbound(g, t);
    if (g->beats % PXI_LIMIT_GOSSIP_OPPORTUNITY == 0)
        opportunity(g, t);
}

static void keep_fanout(struct pxi_gossip *g, struct pxi_gossip_topic *t)
{
    uint64_t age = pxi_gossip_now(g) - t->fanout_ns;
    bool over = age > g->o.fanout_ttl_ms * PXI_MS;
    unsigned n = mesh_of(g, t);
    for (unsigned i = 0; i < n; i++)
        if (over || pxi_gossip_score_of(g->scratch[i]->peer) < g->book.params.publish_threshold)
            pxi_gossip_mesh_remove(g->scratch[i]);
    if (over)
        t->fanout_ns = 0;
    else
        pxi_gossip_fill(g, t, g->o.d);
}

/* ------------------------------------------------------------------ gossip */

enum { ADVERTS = 2048 };

static void advertise(struct pxi_gossip *g, struct pxi_gossip_topic *t)
{
    struct pxi_gossip_msg *m[ADVERTS];
    uint32_t cap = (uint32_t)((g->o.max_size - 64) / 2 / (PXI_GOSSIP_ID + 3)) / 2;
    uint32_t count = pxi_mcache_gossip(&g->cache, t->name, g->o.history_gossip, m,
                                       cap < ADVERTS ? cap : ADVERTS);
    unsigned n = 0;
    if (!count)
        return;
    for (struct pxi_list *l = t->members.next; l != &t->members; l = l->next) {
        struct pxi_gossip_member *x = PXI_OF(l, struct pxi_gossip_member, topic_link);
        struct pxi_gossip_peer *p = x->peer;
        if (!x->in_mesh && p->ready && !p->direct && p->version >= GOSSIP_V10 &&
            pxi_gossip_score_of(p) >= g->book.params.gossip_threshold)
            g->scratch[n++] = x;
    }
    shuffle(g, g->scratch, n);
    unsigned want = (unsigned)(g->o.gossip_factor * n);
    want = want > g->o.d_lazy ? want : g->o.d_lazy;
    for (unsigned i = 0; i < n && i < want; i++)
        pxi_gossip_send_ihave(g->scratch[i]->peer, t->name, m, count);
}

/* --------------------------------------------------------------- heartbeat */

static void begin_period(struct pxi_gossip *g)
{
    for (struct pxi_list *l = g->peers.next; l != &g->peers; l = l->next) {
        struct pxi_gossip_peer *p = PXI_OF(l, struct pxi_gossip_peer, link);
        pxi_gossip_promises_check(p);
        p->slow = p->lost ? p->slow + 1 : 0;
        p->lost = p->ihave_count = p->ihave_ids = p->iwant_ids = 0;
        p->idontwant_ids = p->repeats = p->control_count = p->px_peers = 0;
        pxi_gossip_peer_open(p);
    }
}

void pxi_gossip_beat(struct pxi_timer *timer, uint64_t now_ns)
{
    struct pxi_gossip *g = PXI_OF(timer, struct pxi_gossip, beat);
    g->beats++;
    begin_period(g);
    pxi_score_tick(&g->book, now_ns);
    for (struct pxi_list *l = g->topics.next, *next; l != &g->topics; l = next) {
        struct pxi_gossip_topic *t = PXI_OF(l, struct pxi_gossip_topic, link);
        next = l->next;
        if (t->joined)
            keep_mesh(g, t);
        else if (t->fanout_ns)
            keep_fanout(g, t);
        if (t->joined || t->fanout_ns)
            advertise(g, t);
        else
            pxi_gossip_topic_check(g, t);
    }
    pxi_mcache_shift(&g->cache);
    pxi_gossip_flush(g);
    pxi_timer_after(g->timers, timer, g->o.heartbeat_ms * PXI_MS);
}
