/* Topics, who is in them, and the mesh as a set. */
#include "net/gossip_impl.h"

/* ----------------------------------------------------------------- topics */

struct pxi_gossip_topic *pxi_gossip_topic_find(struct pxi_gossip *g, px_view name)
{
    struct pxi_node *n = pxi_table_first(&g->topic_table, pxi_siphash(g->key, name));
    for (; n; n = pxi_table_after(n)) {
        struct pxi_gossip_topic *t = PXI_OF(n, struct pxi_gossip_topic, node);
        if (px_view_equal(t->name, name))
            return t;
    }
    return NULL;
}

struct pxi_gossip_topic *pxi_gossip_topic_get(struct pxi_gossip *g, px_view name, px_err *err)
{
    struct pxi_gossip_topic *t = pxi_gossip_topic_find(g, name);
    *err = PX_ERR_OK;
    if (t)
        return t;
    if (!name.n || name.n > PXI_LIMIT_GOSSIP_TOPIC_BYTES)
        *err = PX_ERR_INVALID;
    else if (!(t = pxi_calloc(1, sizeof *t + name.n)))
        *err = PX_ERR_NOMEM;
    if (!t)
        return NULL;
    memcpy(t->bytes, name.p, name.n);
    t->name = px_view_of(t->bytes, name.n);
    pxi_list_init(&t->members);
    pxi_list_init(&t->mesh);
    pxi_score_topic_init(&t->score);
    pxi_list_add(&g->topics, &t->link);
    pxi_table_add(&g->topic_table, &t->node, pxi_siphash(g->key, name));
    g->topic_count++;
    return t;
}

static void topic_free(struct pxi_gossip *g, struct pxi_gossip_topic *t)
{
    pxi_score_topic_deinit(&t->score);
    pxi_table_remove(&g->topic_table, &t->node);
    pxi_list_remove(&t->link);
    g->topic_count--;
    pxi_free(t);
}

void pxi_gossip_topic_check(struct pxi_gossip *g, struct pxi_gossip_topic *t)
{
    if (!t->joined && !t->fanout_ns && !t->member_count && pxi_list_empty(&t->score.stats))
        topic_free(g, t);
}

void pxi_gossip_topics_free(struct pxi_gossip *g)
{
    while (!pxi_list_empty(&g->topics))
        topic_free(g, PXI_OF(g->topics.next, struct pxi_gossip_topic, link));
}

/* ---------------------------------------------------------------- members */

struct pxi_gossip_member *pxi_gossip_member_find(struct pxi_gossip_peer *p,
                                                 struct pxi_gossip_topic *t)
{
    /* walk the shorter of the two lists */
    bool by_topic = t->member_count < p->member_count;
    struct pxi_list *head = by_topic ? &t->members : &p->members;
    for (struct pxi_list *l = head->next; l != head; l = l->next) {
        struct pxi_gossip_member *m = by_topic ? PXI_OF(l, struct pxi_gossip_member, topic_link)
                                               : PXI_OF(l, struct pxi_gossip_member, peer_link);
        if (m->peer == p && m->topic == t)
            return m;
    }
    return NULL;
}

struct pxi_gossip_member *pxi_gossip_member_add(struct pxi_gossip_peer *p,
                                                struct pxi_gossip_topic *t)
{
    struct pxi_gossip_member *m = pxi_gossip_member_find(p, t);
    if (m || !(m = pxi_calloc(1, sizeof *m)))
        return m;
    m->peer = p;
    m->topic = t;
    pxi_list_add(&t->members, &m->topic_link);
    pxi_list_add(&p->members, &m->peer_link);
    pxi_list_init(&m->mesh_link);
    t->member_count++;
    p->member_count++;
    return m;
}

void pxi_gossip_member_remove(struct pxi_gossip_member *m)
{
    struct pxi_gossip_topic *t = m->topic;
    pxi_gossip_mesh_remove(m);
    pxi_list_remove(&m->topic_link);
    pxi_list_remove(&m->peer_link);
    t->member_count--;
    m->peer->member_count--;
    pxi_free(m);
}

/* Mesh of a joined topic, fanout of another: only the former is scored and protected. */
void pxi_gossip_mesh_add(struct pxi_gossip_member *m)
{
    struct pxi_gossip *g = m->peer->gossip;
    if (m->in_mesh)
        return;
    m->in_mesh = true;
    pxi_list_add(&m->topic->mesh, &m->mesh_link);
    m->topic->mesh_count++;
    if (m->topic->joined) {
        pxi_score_graft(pxi_gossip_stat(m), pxi_gossip_now(g));
        pxi_host_protect(g->host, &m->peer->id, 1);
    }
}

void pxi_gossip_mesh_remove(struct pxi_gossip_member *m)
{
    struct pxi_gossip *g = m->peer->gossip;
    if (!m->in_mesh)
        return;
    m->in_mesh = false;
    pxi_list_remove(&m->mesh_link);
    m->topic->mesh_count--;
    if (m->topic->joined) {
        pxi_score_prune(pxi_score_stat_find(m->peer->book, &m->topic->score));
        pxi_host_protect(g->host, &m->peer->id, -1);
    }
}

struct pxi_score_stat *pxi_gossip_stat(struct pxi_gossip_member *m)
{
    return pxi_score_stat(m->peer->book, &m->topic->score);
}

double pxi_gossip_score_of(struct pxi_gossip_peer *p)
{
    return p->direct ? 0 : pxi_score_of(&p->gossip->book, p->book);
}
