/* The score function of gossipsub v1.1 and the book that feeds it. */
#include "net/gossip_score.h"

#include "base/mem.h"
#include "base/timer.h"

struct pxi_gossip_score pxi_gossip_score_default(void)
{
    return (struct pxi_gossip_score){
        .topic_cap = 50,
        .app_weight = 1,
        .ip_weight = -5,
        .ip_threshold = 10,
        .behaviour_weight = -10,
        .behaviour_threshold = 2,
        .behaviour_decay = 0.986, /* half in 50 s */
        .decay_interval_s = 1,
        .decay_to_zero = 0.1,
        .retain_s = 3600,
        .gossip_threshold = -10,
        .publish_threshold = -50,
        .graylist_threshold = -80,
        .px_threshold = 10,
        .opportunistic_threshold = 1,
    };
}

struct pxi_gossip_topic_score pxi_gossip_topic_score_default(void)
{
    return (struct pxi_gossip_topic_score){
        .weight = 1,
        .mesh_weight = 0.01,
        .mesh_quantum_s = 1,
        .mesh_cap = 300,
        .first_weight = 0.5,
        .first_decay = 0.98,
        .first_cap = 40,
        .rate_decay = 0.95,
        .rate_cap = 100,
        .rate_activation_s = 30,
        .rate_window_s = 0.01,
        .failure_decay = 0.95,
        .invalid_weight = -10,
        .invalid_decay = 0.98,
    };
}

bool pxi_score_init(struct pxi_score_book *b, const struct pxi_gossip_score *params, uint32_t max,
                    const uint64_t key[2])
{
    *b = (struct pxi_score_book){.params = *params, .max = max, .key = {key[0], key[1]}};
    pxi_list_init(&b->all);
    return pxi_table_init(&b->peers, 64) && pxi_table_init(&b->ips, 64);
}

static void stat_free(struct pxi_score_stat *s)
{
    pxi_list_remove(&s->peer_link);
    pxi_list_remove(&s->topic_link);
    pxi_free(s);
}

static void release_ip(struct pxi_score_book *b, struct pxi_score_peer *p)
{
    if (p->ip && --p->ip->peers == 0) {
        pxi_table_remove(&b->ips, &p->ip->node);
        pxi_free(p->ip);
    }
    p->ip = NULL;
}

static void peer_free(struct pxi_score_book *b, struct pxi_score_peer *p)
{
    while (!pxi_list_empty(&p->stats))
        stat_free(PXI_OF(p->stats.next, struct pxi_score_stat, peer_link));
    release_ip(b, p);
    pxi_table_remove(&b->peers, &p->node);
    pxi_list_remove(&p->link);
    b->count--;
    pxi_free(p);
}

void pxi_score_deinit(struct pxi_score_book *b)
{
    if (!b->all.next)
        return;
    while (!pxi_list_empty(&b->all))
        peer_free(b, PXI_OF(b->all.next, struct pxi_score_peer, link));
    pxi_table_deinit(&b->peers);
    pxi_table_deinit(&b->ips);
}

struct pxi_score_peer *pxi_score_find(struct pxi_score_book *b, const struct pxi_peer *id)
{
    struct pxi_node *n = pxi_table_first(&b->peers, pxi_siphash(b->key, pxi_peer_view(id)));
    for (; n; n = pxi_table_after(n)) {
        struct pxi_score_peer *p = PXI_OF(n, struct pxi_score_peer, node);
        if (pxi_peer_equal(&p->id, id))
            return p;
    }
    return NULL;
}

/* The peer that left longest ago makes room. */
static bool make_room(struct pxi_score_book *b)
{
    if (b->count < b->max)
        return true;
    for (struct pxi_list *l = b->all.next; l != &b->all; l = l->next) {
        struct pxi_score_peer *p = PXI_OF(l, struct pxi_score_peer, link);
        if (!p->connected) {
            peer_free(b, p);
            return true;
        }
    }
    return false;
}

struct pxi_score_peer *pxi_score_peer(struct pxi_score_book *b, const struct pxi_peer *id)
{
    struct pxi_score_peer *p = pxi_score_find(b, id);
    if (p)
        return p;
    if (!make_room(b) || !(p = pxi_calloc(1, sizeof *p)))
        return NULL;
    p->id = *id;
    pxi_list_init(&p->stats);
    pxi_list_add(&b->all, &p->link);
    pxi_table_add(&b->peers, &p->node, pxi_siphash(b->key, pxi_peer_view(id)));
    b->count++;
    return p;
}

static void count_ip(struct pxi_score_book *b, struct pxi_score_peer *p,
                     const struct pxi_endpoint *e)
{
    enum pxi_ip_kind kind = pxi_ip_kind_of(e);
    if (e->relayed || (kind != PXI_IP_PUBLIC && !(b->params.ip_private && kind != PXI_IP_NONE)))
        return;
    uint8_t key[17] = {e->family};
    memcpy(key + 1, e->ip, e->family == 6 ? 8 : 4);
    uint64_t hash = pxi_siphash(b->key, px_view_of(key, sizeof key));
    struct pxi_node *n = pxi_table_first(&b->ips, hash);
    while (n && memcmp(PXI_OF(n, struct pxi_score_ip, node)->key, key, sizeof key) != 0)
        n = pxi_table_after(n);
    struct pxi_score_ip *ip = n ? PXI_OF(n, struct pxi_score_ip, node) : NULL;
    if (!ip) {
        if (!(ip = pxi_calloc(1, sizeof *ip)))
            return;
        memcpy(ip->key, key, sizeof key);
        pxi_table_add(&b->ips, &ip->node, hash);
    }
    ip->peers++;
    p->ip = ip;
}

void pxi_score_connected(struct pxi_score_book *b, struct pxi_score_peer *p,
                         const struct pxi_endpoint *remote)
{
    p->connected = true;
    release_ip(b, p);
    if (remote)
        count_ip(b, p, remote);
}

void pxi_score_disconnected(struct pxi_score_book *b, struct pxi_score_peer *p, uint64_t now_ns)
{
    for (struct pxi_list *l = p->stats.next; l != &p->stats; l = l->next) {
        struct pxi_score_stat *s = PXI_OF(l, struct pxi_score_stat, peer_link);
        pxi_score_prune(s);
        s->first = 0; /* good deeds are not kept, only what holds against a peer */
    }
    release_ip(b, p);
    p->connected = false;
    p->expire_ns = now_ns + (uint64_t)(b->params.retain_s * 1e9);
    pxi_list_remove(&p->link); /* now the youngest of those that left */
    pxi_list_add(&b->all, &p->link);
}

/* -------------------------------------------------------------- the score */

static double least(double a, double b)
{
    return a < b ? a : b;
}

static double deficit(const struct pxi_score_stat *s)
{
    double t = s->topic->params.rate_threshold;
    return s->in_mesh && s->rate_active && s->rate < t ? t - s->rate : 0;
}

static double topic_part(const struct pxi_score_stat *s)
{
    const struct pxi_gossip_topic_score *t = &s->topic->params;
    double d = deficit(s), sum = 0;
    if (s->in_mesh && t->mesh_quantum_s > 0)
        sum += t->mesh_weight * least(s->mesh_s / t->mesh_quantum_s, t->mesh_cap);
    sum += t->first_weight * s->first;
    sum += t->rate_weight * d * d;
    sum += t->failure_weight * s->failure;
    sum += t->invalid_weight * s->invalid * s->invalid;
    return t->weight * sum;
}

double pxi_score_of(const struct pxi_score_book *b, const struct pxi_score_peer *p)
{
    const struct pxi_gossip_score *w = &b->params;
    double sum = 0;
    for (const struct pxi_list *l = p->stats.next; l != &p->stats; l = l->next) {
        const struct pxi_score_stat *s = PXI_OF(l, struct pxi_score_stat, peer_link);
        if (s->topic->scored)
            sum += topic_part(s);
    }
    if (w->topic_cap > 0)
        sum = least(sum, w->topic_cap);
    sum += w->app_weight * p->app;
    if (p->ip && p->ip->peers > w->ip_threshold) {
        double over = p->ip->peers - w->ip_threshold;
        sum += w->ip_weight * over * over;
    }
    if (p->behaviour > w->behaviour_threshold) {
        double over = p->behaviour - w->behaviour_threshold;
        sum += w->behaviour_weight * over * over;
    }
    return sum;
}

/* ------------------------------------------------------------ what happens */

void pxi_score_topic_init(struct pxi_score_topic *t)
{
    *t = (struct pxi_score_topic){.params = pxi_gossip_topic_score_default(), .scored = true};
    pxi_list_init(&t->stats);
}

void pxi_score_topic_deinit(struct pxi_score_topic *t)
{
    while (!pxi_list_empty(&t->stats)) {
        struct pxi_score_stat *s = PXI_OF(t->stats.next, struct pxi_score_stat, topic_link);
        stat_free(s);
    }
}

struct pxi_score_stat *pxi_score_stat_find(struct pxi_score_peer *p, struct pxi_score_topic *t)
{
    for (struct pxi_list *l = p->stats.next; l != &p->stats; l = l->next) {
        struct pxi_score_stat *s = PXI_OF(l, struct pxi_score_stat, peer_link);
        if (s->topic == t)
            return s;
    }
    return NULL;
}

struct pxi_score_stat *pxi_score_stat(struct pxi_score_peer *p, struct pxi_score_topic *t)
{
    struct pxi_score_stat *s = pxi_score_stat_find(p, t);
    if (s || !(s = pxi_calloc(1, sizeof *s)))
        return s;
    s->topic = t;
    pxi_list_add(&p->stats, &s->peer_link);
    pxi_list_add(&t->stats, &s->topic_link);
    return s;
}

void pxi_score_graft(struct pxi_score_stat *s, uint64_t now_ns)
{
    if (!s)
        return;
    s->in_mesh = true;
    s->rate_active = false;
    s->graft_ns = now_ns;
    s->mesh_s = 0;
}

void pxi_score_prune(struct pxi_score_stat *s)
{
    if (!s || !s->in_mesh)
        return;
    double d = deficit(s);
    s->failure += d * d;
    s->in_mesh = s->rate_active = false;
    s->mesh_s = 0;
}

void pxi_score_first(struct pxi_score_stat *s)
{
    if (!s)
        return;
    s->first = least(s->first + 1, s->topic->params.first_cap);
    pxi_score_duplicate(s);
}

void pxi_score_duplicate(struct pxi_score_stat *s)
{
    if (s && s->in_mesh)
        s->rate = least(s->rate + 1, s->topic->params.rate_cap);
}

void pxi_score_invalid(struct pxi_score_stat *s)
{
    if (s)
        s->invalid = least(s->invalid + 1, 1e6);
}

void pxi_score_behaviour(struct pxi_score_peer *p, double by)
{
    if (p)
        p->behaviour = least(p->behaviour + by, 1e6);
}

void pxi_score_backoff(struct pxi_score_stat *s, uint64_t now_ns, uint64_t for_ns)
{
    if (!s)
        return;
    uint64_t until = for_ns > UINT64_MAX / 2 - now_ns ? UINT64_MAX / 2 : now_ns + for_ns;
    if (until > s->backoff_ns)
        s->backoff_ns = until;
}

bool pxi_score_backing_off(const struct pxi_score_stat *s, uint64_t now_ns)
{
    return s && s->backoff_ns > now_ns;
}

/* -------------------------------------------------------------- time passes */

static double decayed(double v, double factor, double zero)
{
    v *= factor;
    return v < zero ? 0 : v;
}

/* false: the stat says nothing more. */
static bool decay_stat(struct pxi_score_stat *s, const struct pxi_score_book *b, uint64_t now_ns)
{
    const struct pxi_gossip_topic_score *t = &s->topic->params;
    double zero = b->params.decay_to_zero;
    s->first = decayed(s->first, t->first_decay, zero);
    s->rate = decayed(s->rate, t->rate_decay, zero);
    s->failure = decayed(s->failure, t->failure_decay, zero);
    s->invalid = decayed(s->invalid, t->invalid_decay, zero);
    if (s->in_mesh) {
        s->mesh_s = (double)(now_ns - s->graft_ns) / (double)PXI_SECOND;
        s->rate_active = s->mesh_s > t->rate_activation_s;
    }
    if (s->backoff_ns && s->backoff_ns + b->slack_ns <= now_ns)
        s->backoff_ns = 0;
    return s->in_mesh || s->backoff_ns || s->first > 0 || s->rate > 0 || s->failure > 0 ||
           s->invalid > 0;
}

static void decay_peer(struct pxi_score_book *b, struct pxi_score_peer *p, uint64_t now_ns)
{
    p->behaviour = decayed(p->behaviour, b->params.behaviour_decay, b->params.decay_to_zero);
    for (struct pxi_list *l = p->stats.next, *next; l != &p->stats; l = next) {
        struct pxi_score_stat *s = PXI_OF(l, struct pxi_score_stat, peer_link);
        next = l->next;
        if (!decay_stat(s, b, now_ns))
            stat_free(s);
    }
}

void pxi_score_tick(struct pxi_score_book *b, uint64_t now_ns)
{
    if ((double)(now_ns - b->decayed_ns) < b->params.decay_interval_s * 1e9)
        return;
    b->decayed_ns = now_ns;
    for (struct pxi_list *l = b->all.next, *next; l != &b->all; l = next) {
        struct pxi_score_peer *p = PXI_OF(l, struct pxi_score_peer, link);
        next = l->next;
        if (p->connected)
            decay_peer(b, p, now_ns);
        else if (p->expire_ns <= now_ns)
            peer_free(b, p);
    }
}
