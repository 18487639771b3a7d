/* Messages: what comes in is checked, named, judged, forwarded and delivered, in this order. */
#include "net/gossip_impl.h"

static struct pxi_gossip_id id_of(struct pxi_gossip *g, const struct pxi_rpc_message *m)
{
    struct pxi_gossip_id id = {.n = 0};
    if (!g->o.id)
        return pxi_gossip_id_of(g->o.policy, m);
    size_t n = g->o.id(g->o.ctx, m, id.b);
    id.n = n <= PXI_GOSSIP_ID ? (uint8_t)n : 0;
    return id;
}

static struct pxi_score_stat *stat_of(struct pxi_gossip_peer *p, struct pxi_gossip_topic *t)
{
    return pxi_score_stat(p->book, &t->score);
}

static void reject(struct pxi_gossip_peer *p, struct pxi_gossip_topic *t)
{
    p->gossip->stats.rejected++;
    pxi_gossip_fault(p->gossip, PXI_FAULT_GOSSIP);
    pxi_score_invalid(stat_of(p, t));
}

/* A message that was here before: near the first time it counts for the mesh, an invalid one
 * against whoever brings it, and the same over and over is spam. */
static void again(struct pxi_gossip_peer *p, struct pxi_gossip_topic *t, struct pxi_seen_entry *e)
{
    struct pxi_gossip *g = p->gossip;
    g->stats.duplicates++;
    if (!pxi_seen_from(e, p->slot)) {
        if (e->from_count < PXI_SEEN_FROM && ++p->repeats % PXI_LIMIT_GOSSIP_REPEATS == 0)
            pxi_score_behaviour(p->book, 1);
        return;
    }
    uint64_t late = pxi_gossip_now(g) - e->at_ns;
    if (e->state == PXI_SEEN_INVALID)
        pxi_score_invalid(stat_of(p, t));
    else if (e->state == PXI_SEEN_VALID && (double)late <= t->score.params.rate_window_s * 1e9)
        pxi_score_duplicate(stat_of(p, t));
}

/* Large messages: tell the mesh at once that we have it. */
static void spare(struct pxi_gossip_peer *from, struct pxi_gossip_topic *t, px_view id)
{
    struct pxi_gossip *g = from->gossip;
    for (struct pxi_list *l = t->mesh.next; l != &t->mesh; l = l->next) {
        struct pxi_gossip_member *m = PXI_OF(l, struct pxi_gossip_member, mesh_link);
        if (m->peer != from && m->peer->version >= GOSSIP_V12)
            pxi_gossip_send_idontwant(m->peer, id);
    }
    pxi_gossip_flush(g);
}

static uint64_t seqno_of(const struct pxi_rpc_message *m)
{
    uint64_t v = 0;
    for (size_t i = 0; i < m->seqno.n && i < 8; i++)
        v = v << 8 | m->seqno.p[i];
    return v;
}

/* To the mesh, and to members outside of it: floodsub peers and those by agreement. */
static void forward(struct pxi_gossip *g, struct pxi_gossip_topic *t, struct pxi_gossip_msg *msg,
                    const struct pxi_gossip_peer *via, const struct pxi_peer *author)
{
    for (struct pxi_list *l = t->members.next; l != &t->members; l = l->next) {
        struct pxi_gossip_member *m = PXI_OF(l, struct pxi_gossip_member, topic_link);
        struct pxi_gossip_peer *p = m->peer;
        bool flood = p->direct || p->version == GOSSIP_FLOODSUB;
        if (p == via || !(m->in_mesh || flood) || pxi_peer_equal(&p->id, author))
            continue;
        if (!m->in_mesh && !p->direct && pxi_gossip_score_of(p) < g->book.params.publish_threshold)
            continue;
        g->stats.forwarded += pxi_gossip_send_message(p, msg, GOSSIP_MESSAGE);
    }
}

static void deliver(struct pxi_gossip_peer *p, struct pxi_gossip_topic *t,
                    const struct pxi_rpc_message *m, const struct pxi_gossip_id *id,
                    const struct pxi_gossip_message *shown)
{
    struct pxi_gossip *g = p->gossip;
    struct pxi_gossip_msg *msg = pxi_gossip_msg_new(m->raw, id);
    pxi_score_first(stat_of(p, t));
    if (msg) {
        pxi_mcache_put(&g->cache, msg);
        forward(g, t, msg, p, &shown->from);
        pxi_gossip_msg_unref(msg);
    }
    g->stats.delivered++;
    if (g->o.message)
        g->o.message(g->o.ctx, shown);
}

/* The cheap checks first. false: nothing more to do. */
static bool admit(struct pxi_gossip_peer *p, struct pxi_gossip_topic *t,
                  const struct pxi_rpc_message *m, struct pxi_peer *from, struct pxi_gossip_id *id)
{
    struct pxi_gossip *g = p->gossip;
    if (pxi_gossip_shape(g->o.policy, m, from) != PX_ERR_OK) {
        reject(p, t);
        return false;
    }
    *id = id_of(g, m);
    if (!id->n) {
        reject(p, t);
        return false;
    }
    struct pxi_seen_entry *e = pxi_seen_find(&g->seen, pxi_gossip_id_view(id), pxi_gossip_now(g));
    if (e) {
        again(p, t, e);
        return false;
    }
    if (from->n && pxi_peer_equal(from, pxi_host_self(g->host))) {
        g->stats.ignored++; /* our own, after a long way */
        return false;
    }
    if (g->o.policy == PXI_GOSSIP_STRICT_SIGN && pxi_gossip_verify(m, from) != PX_ERR_OK) {
        reject(p, t); /* not remembered: the id may belong to a good message */
        return false;
    }
    return true;
}

void pxi_gossip_receive(struct pxi_gossip_peer *p, px_view raw)
{
    struct pxi_gossip *g = p->gossip;
    struct pxi_rpc_message m = pxi_rpc_message_of(raw);
    struct pxi_gossip_topic *t = pxi_gossip_topic_find(g, m.topic);
    struct pxi_gossip_id id;
    struct pxi_peer from;
    if (!t || !t->joined) {
        g->stats.unknown_topic++;
        return;
    }
    if (!admit(p, t, &m, &from, &id))
        return;
    px_view id_view = pxi_gossip_id_view(&id);
    struct pxi_seen_entry *e = pxi_seen_add(&g->seen, id_view, pxi_gossip_now(g));
    if (!e)
        return;
    pxi_seen_from(e, p->slot);
    if (raw.n >= g->o.idontwant_size)
        spare(p, t, id_view);
    const struct pxi_gossip_message shown = {m.topic, m.data, id_view, from, p->id, seqno_of(&m)};
    enum pxi_gossip_verdict v = PXI_GOSSIP_ACCEPT;
    if (t->validate) {
        v = t->validate(t->validate_ctx, &shown);
        /* the validator may have joined and left, or published: look again */
        e = pxi_seen_find(&g->seen, id_view, pxi_gossip_now(g));
        t = pxi_gossip_topic_find(g, m.topic);
    }
    if (!t || !t->joined)
        return;
    if (v != PXI_GOSSIP_ACCEPT && e)
        e->state = v == PXI_GOSSIP_REJECT ? PXI_SEEN_INVALID : PXI_SEEN_IGNORED;
    if (v == PXI_GOSSIP_REJECT)
        reject(p, t);
    else if (v == PXI_GOSSIP_IGNORE)
        g->stats.ignored++;
    else
        deliver(p, t, &m, &id, &shown);
}

/* ---------------------------------------------------------------- publish */

/* The mesh of a joined topic, or a fanout that is kept for a while. */
static void choose_fanout(struct pxi_gossip *g, struct pxi_gossip_topic *t)
{
    if (t->joined)
        return;
    t->fanout_ns = pxi_gossip_now(g) ? pxi_gossip_now(g) : 1;
    pxi_gossip_fill(g, t, g->o.d);
}

static bool wants(struct pxi_gossip *g, const struct pxi_gossip_member *m, bool flood)
{
    struct pxi_gossip_peer *p = m->peer;
    if (p->direct)
        return true;
    if (!m->in_mesh && !flood && p->version != GOSSIP_FLOODSUB)
        return false;
    return (m->in_mesh && m->topic->joined) ||
           pxi_gossip_score_of(p) >= g->book.params.publish_threshold;
}

static void send_own(struct pxi_gossip *g, struct pxi_gossip_topic *t, struct pxi_gossip_msg *msg,
                     struct pxi_peer *to, unsigned cap, unsigned *count)
{
    bool flood = !g->o.no_flood_publish;
    if (!flood)
        choose_fanout(g, t);
    for (struct pxi_list *l = t->members.next; l != &t->members; l = l->next) {
        struct pxi_gossip_member *m = PXI_OF(l, struct pxi_gossip_member, topic_link);
        if (!wants(g, m, flood) || !pxi_gossip_send_message(m->peer, msg, GOSSIP_MESSAGE))
            continue;
        if (to && *count < cap)
            to[*count] = m->peer->id;
        ++*count;
    }
}

px_err pxi_gossip_publish(struct pxi_gossip *g, px_view topic, px_view data, struct pxi_peer *to,
                          unsigned cap, unsigned *count)
{
    unsigned sent = 0;
    struct pxi_buf raw = {.max = g->o.max_size - 8};
    const struct pxi_key *key =
        g->o.policy == PXI_GOSSIP_STRICT_SIGN ? pxi_host_key(g->host) : NULL;
    if (count)
        *count = 0;
    if (!topic.n || topic.n > PXI_LIMIT_GOSSIP_TOPIC_BYTES)
        return PX_ERR_INVALID;
    if (data.n > raw.max)
        return PX_ERR_LIMIT;
    if (!pxi_gossip_compose(&raw, key, pxi_host_self(g->host), ++g->seqno, topic, data)) {
        pxi_buf_deinit(&raw);
        return data.n + topic.n + 2048 > g->o.max_size ? PX_ERR_LIMIT : PX_ERR_NOMEM;
    }
    struct pxi_rpc_message m = pxi_rpc_message_of(px_view_of(raw.p, raw.n));
    struct pxi_gossip_id id = id_of(g, &m);
    struct pxi_gossip_msg *msg = id.n ? pxi_gossip_msg_new(m.raw, &id) : NULL;
    pxi_buf_deinit(&raw);
    if (!msg)
        return id.n ? PX_ERR_NOMEM : PX_ERR_INVALID;
    px_err err = PX_ERR_OK;
    struct pxi_gossip_topic *t = pxi_gossip_topic_find(g, topic);
    if (!pxi_seen_find(&g->seen, pxi_gossip_id_view(&id), pxi_gossip_now(g)))
        pxi_seen_add(&g->seen, pxi_gossip_id_view(&id), pxi_gossip_now(g));
    pxi_mcache_put(&g->cache, msg);
    if (t)
        send_own(g, t, msg, to, cap, &sent);
    pxi_gossip_msg_unref(msg);
    g->stats.published++;
    if (count)
        *count = sent;
    pxi_gossip_flush(g);
    return err;
}
