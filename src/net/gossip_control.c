/*
 * What an RPC asks for. Limits are looked at before any work is done; what goes beyond them within
 * a heartbeat is ignored, and costs the sender where it cannot be an accident.
 */
#include "net/gossip_impl.h"

bool pxi_gossip_id_in(struct pxi_gossip_peer *p, px_view theirs, struct pxi_gossip_id *out)
{
    struct pxi_gossip *g = p->gossip;
    if (!g->o.id && g->o.policy == PXI_GOSSIP_STRICT_SIGN && pxi_gossip_id_from_key(theirs, out)) {
        p->key_ids = true;
        return true;
    }
    if (!theirs.n || theirs.n > PXI_GOSSIP_ID)
        return false;
    *out = (struct pxi_gossip_id){.n = (uint8_t)theirs.n};
    memcpy(out->b, theirs.p, theirs.n);
    return true;
}

/* ---------------------------------------------------------- subscriptions */

static void subscribed(struct pxi_gossip_peer *p, px_view topic, bool on)
{
    struct pxi_gossip *g = p->gossip;
    struct pxi_gossip_topic *t = pxi_gossip_topic_find(g, topic);
    struct pxi_gossip_member *m = t ? pxi_gossip_member_find(p, t) : NULL;
    px_err err;
    if (on == (m != NULL))
        return;
    if (!on) {
        pxi_gossip_member_remove(m);
    } else {
        bool full = p->member_count >= PXI_LIMIT_GOSSIP_TOPICS_PEER ||
                    (!t && g->topic_count >= PXI_LIMIT_GOSSIP_TOPICS);
        if (full)
            pxi_gossip_fault(g, PXI_FAULT_LIMIT);
        if (full || (!t && !(t = pxi_gossip_topic_get(g, topic, &err))) ||
            !pxi_gossip_member_add(p, t)) {
            if (t)
                pxi_gossip_topic_check(g, t);
            return;
        }
    }
    if (g->o.subscription)
        g->o.subscription(g->o.ctx, &p->id, topic, on);
    if (!on && (t = pxi_gossip_topic_find(g, topic)))
        pxi_gossip_topic_check(g, t);
}

static void on_subscription(struct pxi_gossip_peer *p, px_view entry)
{
    struct pxi_rpc_field f;
    px_view topic = {NULL, 0};
    bool on = false;
    for (size_t at = 0; pxi_rpc_next(entry, &at, &f) == 1;) {
        if (f.number == PXI_RPC_SUB_ON)
            on = f.value != 0;
        else if (f.number == PXI_RPC_SUB_TOPIC)
            topic = f.bytes;
    }
    if (topic.n && topic.n <= PXI_LIMIT_GOSSIP_TOPIC_BYTES)
        subscribed(p, topic, on);
}

/* ------------------------------------------------------------------ gossip */

static struct pxi_gossip_topic *topic_of(struct pxi_gossip_peer *p, px_view entry)
{
    px_view name = {NULL, 0};
    struct pxi_rpc_field f;
    for (size_t at = 0; pxi_rpc_next(entry, &at, &f) == 1;)
        if (f.number == PXI_RPC_TOPIC)
            name = f.bytes;
    struct pxi_gossip_topic *t = name.n ? pxi_gossip_topic_find(p->gossip, name) : NULL;
    return t && t->joined ? t : NULL;
}

/* One of the ids that we ask for is remembered: it must come in time. */
static void promise(struct pxi_gossip_peer *p, const struct pxi_gossip_id *id)
{
    struct pxi_gossip *g = p->gossip;
    if (!p->promises && !(p->promises = pxi_calloc(GOSSIP_PROMISES, sizeof *p->promises)))
        return;
    for (unsigned i = 0; i < GOSSIP_PROMISES; i++) {
        if (p->promises[i].due_ns)
            continue;
        p->promises[i].id = *id;
        p->promises[i].due_ns = pxi_gossip_now(g) + g->o.iwant_followup_ms * PXI_MS;
        return;
    }
}

void pxi_gossip_promises_check(struct pxi_gossip_peer *p)
{
    struct pxi_gossip *g = p->gossip;
    uint64_t now = pxi_gossip_now(g);
    for (unsigned i = 0; p->promises && i < GOSSIP_PROMISES; i++) {
        struct pxi_gossip_promise *q = &p->promises[i];
        if (!q->due_ns)
            continue;
        if (pxi_seen_find(&g->seen, pxi_gossip_id_view(&q->id), now)) {
            q->due_ns = 0;
        } else if (q->due_ns <= now) {
            q->due_ns = 0;
            g->stats.broken_promises++;
            pxi_score_behaviour(p->book, 1);
        }
    }
}

static void on_ihave(struct pxi_gossip_peer *p, px_view entry)
{
    struct pxi_gossip *g = p->gossip;
    if (++p->ihave_count > PXI_LIMIT_GOSSIP_IHAVE_MESSAGES ||
        p->ihave_ids >= PXI_LIMIT_GOSSIP_IHAVE_IDS ||
        pxi_gossip_score_of(p) < g->book.params.gossip_threshold || !topic_of(p, entry)) {
        g->stats.ihave_ignored++;
        return;
    }
    struct pxi_buf ask = {.max = p->advert.max};
    struct pxi_gossip_id id, kept = {.n = 0};
    unsigned asked = 0;
    px_view theirs;
    for (size_t at = 0; pxi_rpc_find(entry, &at, PXI_RPC_IHAVE_ID, &theirs);) {
        if (p->ihave_ids >= PXI_LIMIT_GOSSIP_IHAVE_IDS)
            break;
        p->ihave_ids++;
        g->stats.ihave_in++;
        if (!pxi_gossip_id_in(p, theirs, &id) ||
            pxi_seen_find(&g->seen, pxi_gossip_id_view(&id), pxi_gossip_now(g)))
            continue;
        if (!pxi_rpc_put_bytes(&ask, PXI_RPC_WANT_ID, theirs))
            break;
        if (pxi_gossip_below(g, ++asked) == 0)
            kept = id;
    }
    if (asked) {
        promise(p, &kept);
        g->stats.iwant_out += asked;
        pxi_gossip_send_iwant(p, px_view_of(ask.p, ask.n));
    }
    pxi_buf_deinit(&ask);
}

static void on_iwant(struct pxi_gossip_peer *p, px_view entry)
{
    struct pxi_gossip *g = p->gossip;
    struct pxi_gossip_id id;
    px_view theirs;
    if (pxi_gossip_score_of(p) < g->book.params.gossip_threshold) {
        g->stats.iwant_ignored++;
        return;
    }
    for (size_t at = 0; pxi_rpc_find(entry, &at, PXI_RPC_WANT_ID, &theirs);) {
        if (p->iwant_ids >= PXI_LIMIT_GOSSIP_IHAVE_IDS) {
            g->stats.iwant_ignored++;
            return;
        }
        p->iwant_ids++;
        g->stats.iwant_in++;
        struct pxi_gossip_msg *m = pxi_gossip_id_in(p, theirs, &id)
                                       ? pxi_mcache_get(&g->cache, pxi_gossip_id_view(&id))
                                       : NULL;
        if (!m)
            continue;
        if (pxi_gossip_msg_serve(m, p->slot) >= g->o.retransmit)
            g->stats.iwant_ignored++;
        else if (pxi_gossip_send_message(p, m, GOSSIP_ADVERT))
            g->stats.iwant_served++;
    }
}

static void on_idontwant(struct pxi_gossip_peer *p, px_view entry)
{
    struct pxi_gossip *g = p->gossip;
    struct pxi_gossip_id id;
    px_view theirs;
    for (size_t at = 0; pxi_rpc_find(entry, &at, PXI_RPC_WANT_ID, &theirs);) {
        if (p->idontwant_ids >= PXI_LIMIT_GOSSIP_IDONTWANT) {
            g->stats.idontwant_ignored++;
            return;
        }
        p->idontwant_ids++;
        g->stats.idontwant_in++;
        if (!pxi_gossip_id_in(p, theirs, &id))
            continue;
        pxi_gossip_unwant(p, pxi_gossip_id_view(&id));
        pxi_gossip_unsend(p, pxi_gossip_id_view(&id));
    }
}

/* -------------------------------------------------------------------- mesh */

static void refuse(struct pxi_gossip_peer *p, struct pxi_gossip_topic *t, struct pxi_score_stat *s,
                   bool exchange)
{
    struct pxi_gossip *g = p->gossip;
    g->stats.grafts_refused++;
    pxi_score_backoff(s, pxi_gossip_now(g), g->o.prune_backoff_ms * PXI_MS);
    pxi_gossip_send_prune(p, t, g->o.prune_backoff_ms, exchange);
}

static void on_graft(struct pxi_gossip_peer *p, px_view entry)
{
    struct pxi_gossip *g = p->gossip;
    struct pxi_gossip_topic *t = topic_of(p, entry);
    uint64_t now = pxi_gossip_now(g);
    g->stats.grafts_in++;
    if (!t || p->version < GOSSIP_V10)
        return; /* an unknown topic gets no answer that would tell anything */
    struct pxi_gossip_member *m = pxi_gossip_member_find(p, t);
    if (!m && p->member_count < PXI_LIMIT_GOSSIP_TOPICS_PEER)
        m = pxi_gossip_member_add(p, t); /* a graft says that it is there */
    if (!m || m->in_mesh)
        return;
    struct pxi_score_stat *s = pxi_gossip_stat(m);
    if (!s)
        return;
    if (p->direct) {
        refuse(p, t, s, false);
    } else if (pxi_score_backing_off(s, now)) {
        /* too early: once, and once more when it is a flood */
        uint64_t flood = (uint64_t)g->o.graft_flood_ms * PXI_MS;
        uint64_t whole = (uint64_t)g->o.prune_backoff_ms * PXI_MS;
        bool soon = s->backoff_ns > now + whole - (flood < whole ? flood : whole);
        pxi_score_behaviour(p->book, soon ? 2 : 1);
        refuse(p, t, s, false);
    } else if (pxi_gossip_score_of(p) < 0 || (t->mesh_count >= g->o.d_high && !p->outbound)) {
        refuse(p, t, s, true);
    } else {
        pxi_gossip_mesh_add(m);
    }
}

static void on_prune(struct pxi_gossip_peer *p, px_view entry)
{
    struct pxi_gossip *g = p->gossip;
    struct pxi_gossip_topic *t = topic_of(p, entry);
    struct pxi_gossip_member *m = t ? pxi_gossip_member_find(p, t) : NULL;
    uint64_t backoff_s = 0;
    struct pxi_rpc_field f;
    g->stats.prunes_in++;
    if (!t)
        return;
    for (size_t at = 0; pxi_rpc_next(entry, &at, &f) == 1;)
        if (f.number == PXI_RPC_PRUNE_BACKOFF)
            backoff_s = f.value;
    /* a duration of the peer's choice: clamped before anything is computed with it */
    if (backoff_s > PXI_LIMIT_GOSSIP_BACKOFF_S)
        backoff_s = PXI_LIMIT_GOSSIP_BACKOFF_S;
    uint64_t ns = backoff_s ? backoff_s * PXI_SECOND : g->o.prune_backoff_ms * PXI_MS;
    if (m)
        pxi_gossip_mesh_remove(m);
    pxi_score_backoff(pxi_score_stat(p->book, &t->score), pxi_gossip_now(g), ns);
    pxi_gossip_px_heard(p, t, entry);
}

/* ------------------------------------------------------------------- an RPC */

static void on_control(struct pxi_gossip_peer *p, px_view control)
{
    static void (*const handle[])(struct pxi_gossip_peer *,
                                  px_view) = {[PXI_RPC_IHAVE] = on_ihave,
                                              [PXI_RPC_IWANT] = on_iwant,
                                              [PXI_RPC_GRAFT] = on_graft,
                                              [PXI_RPC_PRUNE] = on_prune,
                                              [PXI_RPC_IDONTWANT] = on_idontwant};
    struct pxi_rpc_field f;
    for (size_t at = 0; pxi_rpc_next(control, &at, &f) == 1;) {
        if (f.number < PXI_RPC_IHAVE || f.number > PXI_RPC_IDONTWANT || f.wire != 2)
            continue;
        if (++p->control_count > PXI_LIMIT_GOSSIP_CONTROL) {
            if (p->control_count == PXI_LIMIT_GOSSIP_CONTROL + 1) {
                pxi_gossip_fault(p->gossip, PXI_FAULT_LIMIT);
                pxi_score_behaviour(p->book, 1);
            }
            return;
        }
        handle[f.number](p, f.bytes);
    }
}

void pxi_gossip_rpc(struct pxi_gossip_peer *p, px_view frame)
{
    struct pxi_gossip *g = p->gossip;
    struct pxi_rpc_field f;
    if (!p->direct && pxi_gossip_score_of(p) < g->book.params.graylist_threshold) {
        g->stats.graylisted++;
        return;
    }
    for (size_t at = 0; pxi_rpc_next(frame, &at, &f) == 1;)
        if (f.number == PXI_RPC_SUBSCRIPTION && f.wire == 2)
            on_subscription(p, f.bytes);
    for (size_t at = 0; pxi_rpc_next(frame, &at, &f) == 1;)
        if (f.number == PXI_RPC_PUBLISH && f.wire == 2)
            pxi_gossip_receive(p, f.bytes);
    for (size_t at = 0; pxi_rpc_next(frame, &at, &f) == 1;)
        if (f.number == PXI_RPC_CONTROL && f.wire == 2)
            on_control(p, f.bytes);
    pxi_gossip_flush(g);
}
