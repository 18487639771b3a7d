/* Members go and come: shards change their aggregator in the midst of an operation. */
#include <string.h>

#include "base/mem.h"
#include "reduce/group_impl.h"

#define ECHO_NS (UINT64_C(50000000)) /* between two times that echoes are sent */

static uint64_t bit(unsigned i)
{
    return UINT64_C(1) << i;
}

void pxi_group_shard_free(struct pxi_group_shard *s)
{
    pxi_slots_free(s->slots);
    pxi_free_aligned(s->sums);
    pxi_free_aligned(s->echoes);
    pxi_free(s->echo_bytes);
    s->slots = NULL;
    s->sums = s->echoes = NULL;
    s->echo_bytes = NULL;
}

bool pxi_group_flows(const struct pxi_group *g)
{
    return g->o.central || (g->view.epoch && !g->view.out && g->placed);
}

static bool makes_echoes(struct pxi_group *g, struct pxi_group_shard *s)
{
    if (!s->echoes)
        s->echoes = pxi_calloc_aligned(g->o.slots * g->stride, 64);
    if (!s->echo_bytes)
        s->echo_bytes = pxi_calloc(g->o.slots, sizeof *s->echo_bytes);
    if (!s->echoes || !s->echo_bytes)
        return false;
    for (uint32_t i = 0; i < g->o.slots; i++)
        s->echo_bytes[i] = (uint32_t)pxi_rank_echo(s->rank, i, s->echoes + i * g->stride);
    s->echo_epoch = g->view.epoch;
    s->echo_next = 0;
    s->echo_at_ns = 0;
    return true;
}

/* Its host knows all that it has to: what waits for it goes on. */
static void is_ready(struct pxi_group *g, struct pxi_group_shard *s)
{
    pxi_free_aligned(s->echoes);
    pxi_free(s->echo_bytes);
    s->echoes = NULL;
    s->echo_bytes = NULL;
    pxi_rank_hurry(s->rank);
}

static void check_ready(struct pxi_group *g, unsigned shard)
{
    struct pxi_group_shard *s = &g->shards[shard];
    if (!s->slots || !pxi_slots_ready(s->slots) || !(g->view.wants >> shard & 1))
        return;
    g->view.wants &= ~bit(shard);
    pxi_view_news(&g->view);
    is_ready(g, s);
}

void pxi_group_echoed(struct pxi_group *g, const struct px_gradient_head *h, px_view values)
{
    struct pxi_group_shard *s = &g->shards[h->shard];
    if (!s->slots)
        return;
    pxi_slots_echo(s->slots, h, values);
    check_ready(g, h->shard);
}

/* What we know ourselves of a shard that we take over. */
static void tell_myself(struct pxi_group *g, struct pxi_group_shard *s)
{
    struct px_gradient_head h;
    enum px_gradient_drop why;
    px_view values;
    for (uint32_t i = 0; i < g->o.slots; i++)
        if (pxi_gradient_read_member(px_view_of(s->echoes + i * g->stride, s->echo_bytes[i]), &h,
                                     &values, &why))
            pxi_slots_echo(s->slots, &h, values);
}

/* We add this shard from now on, once all have told us how far it is. */
static bool take_over(struct pxi_group *g, unsigned shard, uint64_t later)
{
    struct pxi_group_shard *s = &g->shards[shard];
    const struct pxi_group_options *o = &g->o;
    pxi_group_shard_free(s);
    s->sums = pxi_calloc_aligned(2 * o->slots * pxi_slots_stride(o->values), 64);
    struct pxi_slots_options so = {.job = o->job,
                                   .epoch = g->view.epoch,
                                   .shard = (uint8_t)shard,
                                   .format = o->format,
                                   .base = o->base,
                                   .slots = o->slots,
                                   .values = o->values,
                                   .fan_in = o->world,
                                   .members = g->view.live,
                                   .quorum = (unsigned)__builtin_popcountll(g->view.live) / 2 + 1,
                                   .deadline_ns = o->deadline_ns,
                                   .slack_ns = o->slack_ns,
                                   .chunks = o->chunks,
                                   .keep_missed = true,
                                   .takes_over = g->view.fresh ? 0 : g->view.live,
                                   .frames = s->sums,
                                   .kernels = o->kernels};
    s->slots = s->sums ? pxi_slots_new(&so) : NULL;
    if (!s->slots || (!g->view.fresh && !makes_echoes(g, s)))
        return false;
    pxi_slots_members(s->slots, so.epoch, so.members, later, so.quorum, 0);
    if (g->view.fresh)
        return true;
    g->view.wants |= bit(shard);
    g->counts.takeovers++;
    tell_myself(g, s);
    check_ready(g, shard);
    return true;
}

/* A shard in the new view. */
static bool move(struct pxi_group *g, unsigned shard, uint64_t later)
{
    struct pxi_group_shard *s = &g->shards[shard];
    unsigned host = pxi_view_host(&g->view, shard), was = s->host;
    unsigned quorum = (unsigned)__builtin_popcountll(g->view.live) / 2 + 1;
    s->host = host;
    pxi_rank_epoch(s->rank, g->view.epoch);
    pxi_rank_keep(s->rank, shard != g->own); /* whom it belongs to may come back */
    if (host != g->own && s->slots)
        pxi_group_shard_free(s);
    if (host != g->own)
        return true;
    bool goes_on = was == g->own && g->placed && s->slots && pxi_slots_ready(s->slots);
    if (!s->slots || (!goes_on && !g->view.fresh))
        return take_over(g, shard, later);
    pxi_slots_members(s->slots, g->view.epoch, g->view.live, later, quorum, g->now_ns);
    return true;
}

/* Members that begin to contribute later: nobody waits for them yet. */
static uint64_t latecomers(const struct pxi_group *g)
{
    uint64_t later = g->live ? g->view.live & ~g->live : 0;
    for (unsigned i = 0; i < g->n; i++)
        if (i == g->own ? !g->placed : g->view.peers[i].seeks)
            later |= bit(i);
    return g->view.fresh ? 0 : later & g->view.live;
}

void pxi_group_moved(struct pxi_group *g)
{
    uint64_t later = latecomers(g);
    g->counts.views++;
    g->live = g->view.live;
    for (unsigned i = 0; i < g->n; i++)
        g->peers[i].outbox.n = 0; /* of another epoch: nobody would take it */
    for (unsigned i = 0; i < g->n; i++)
        g->failed |= !move(g, i, later);
    if (g->placed || !g->view.fresh)
        return;
    g->placed = true; /* nothing was summed before: all are at the beginning */
    for (unsigned i = 0; i < g->n; i++)
        g->view.peers[i].seeks = false;
    g->operation += g->runs;
    if (g->runs)
        pxi_group_mark(g);
}

bool pxi_group_inherit(struct pxi_group *g, const struct pxi_group *before)
{
    if (g->o.central)
        return true;
    g->view = before->view;
    g->view.o.job = g->o.job;
    g->view.wants = 0;
    g->view.fresh = true; /* nothing was summed under this key before */
    g->live = before->live;
    g->placed = true;
    g->operation = before->operation;
    for (unsigned i = 0; i < g->n; i++)
        g->failed |= !move(g, i, 0);
    return !g->failed;
}

/* A member is at the beginning of an operation that all of the view begin: so are we. */
static void place(struct pxi_group *g, const struct pxi_view_places *p)
{
    unsigned cycle = g->o.cycle ? g->o.cycle : 1;
    if (!g->runs || !p->start || (p->start - 1) % cycle)
        return;
    for (unsigned i = 0; i < g->n; i++)
        pxi_rank_seek(g->shards[i].rank, p->seq[i]);
    g->operation = p->start;
    g->placed = true;
    pxi_group_mark(g);
}

void pxi_group_mark(struct pxi_group *g)
{
    g->view.places.start = g->operation;
    for (unsigned i = 0; i < g->n; i++)
        g->view.places.seq[i] = pxi_rank_next(g->shards[i].rank);
}

void pxi_group_heard(struct pxi_group *g, unsigned from, const struct pxi_view_said *said)
{
    if (!said->epoch || said->epoch != g->view.epoch)
        return;
    if (!g->placed)
        place(g, &said->places);
    for (unsigned i = 0; i < g->n && g->view.peers[from].seeks; i++)
        if (g->shards[i].slots) /* it was let in before it was heard to seek */
            pxi_slots_later(g->shards[i].slots, bit(from));
    for (unsigned i = 0; i < g->n; i++) {
        struct pxi_group_shard *s = &g->shards[i];
        bool wants = said->wants >> i & 1;
        if (s->host != from || s->slots)
            continue;
        if (wants && (!s->echoes || s->echo_epoch != g->view.epoch))
            g->failed |= !makes_echoes(g, s);
        else if (!wants && s->echoes)
            is_ready(g, s);
    }
}

px_view pxi_group_echo(struct pxi_group *g, unsigned to, uint64_t now_ns)
{
    for (unsigned i = 0; i < g->n; i++) {
        struct pxi_group_shard *s = &g->shards[i];
        if (s->host != to || !s->echoes || s->slots || now_ns < s->echo_at_ns)
            continue;
        if (s->echo_next == g->o.slots) {
            s->echo_next = 0;
            s->echo_at_ns = now_ns + ECHO_NS;
            continue;
        }
        uint32_t at = s->echo_next++;
        uint8_t *p = s->echoes + at * g->stride;
        pxi_tag_put(&g->peers[to].to, g->o.kernels->tag_nh, p, s->echo_bytes[at]);
        return px_view_of(p, s->echo_bytes[at]);
    }
    return px_view_of(NULL, 0);
}
