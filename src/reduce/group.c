#include "reduce/group.h"

#include <stddef.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/math.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "reduce/group_impl.h"

#define BEAT_NS (UINT64_C(500000000)) /* of silence, after which a member is asked */

static size_t frame_stride(uint16_t values)
{
    return (PX_GRADIENT_HEAD + pxi_gradient_most(values) + 63) & ~(size_t)63;
}

static unsigned shards_of(const struct pxi_group_options *o)
{
    return o->central ? 1 : o->world;
}

size_t pxi_group_arena(const struct pxi_group_options *o)
{
    size_t sums = o->central ? 0 : 2 * pxi_slots_stride(o->values);
    return o->slots * (shards_of(o) * frame_stride(o->values) + sums);
}

void pxi_group_secret(const uint8_t secret[PXI_GROUP_SECRET], unsigned from, unsigned to,
                      uint8_t out[PXI_GROUP_SECRET])
{
    uint8_t text[] = {'p', 'x', ' ', 'g', 'r', 'a', 'd', 'i', 'e', 'n', 't', 0, 0};
    text[sizeof text - 2] = (uint8_t)from;
    text[sizeof text - 1] = (uint8_t)to;
    pxi_hmac_sha256(px_view_of(secret, PXI_GROUP_SECRET), px_view_of(text, sizeof text), out);
}

static void derive(const uint8_t *secret, unsigned from, unsigned to, struct pxi_tag_key *out)
{
    uint8_t key[PXI_GROUP_SECRET];
    pxi_group_secret(secret, from, to, key);
    pxi_tag_key_init(out, key);
    OPENSSL_cleanse(key, sizeof key);
}

static bool add_member(struct pxi_group *g, unsigned i)
{
    const struct pxi_group_options *o = &g->o;
    struct pxi_group_peer *p = &g->peers[i];
    struct pxi_group_shard *s = &g->shards[i];
    struct pxi_rank_options r = {.job = o->job,
                                 .base = o->base,
                                 .slots = o->slots,
                                 .epoch = o->epoch,
                                 .values = o->values,
                                 .shard = (uint8_t)i,
                                 .format = o->format,
                                 .fan_in = o->world,
                                 .worker = o->rank,
                                 .frames = o->arena + i * o->slots * g->stride,
                                 .stride = g->stride,
                                 .rto_min_ns = o->rto_min_ns,
                                 .rto_max_ns = o->rto_max_ns,
                                 .stochastic = o->stochastic,
                                 .kernels = o->kernels};
    s->host = i;
    s->rank = pxi_rank_new(&r);
    p->outbox.items = pxi_calloc(g->outbox_max, sizeof *p->outbox.items);
    unsigned owner = o->central ? PX_GRADIENT_WORKERS : i;
    derive(o->secret, o->rank, owner, &p->to);
    derive(o->secret, i, o->rank, &p->from);
    derive(o->secret, owner, owner, &p->sums);
    return s->rank && p->outbox.items;
}

static bool add_slots(struct pxi_group *g)
{
    const struct pxi_group_options *o = &g->o;
    if (o->central)
        return true;
    struct pxi_slots_options s = {.job = o->job,
                                  .epoch = o->epoch,
                                  .shard = o->rank,
                                  .format = o->format,
                                  .base = o->base,
                                  .slots = o->slots,
                                  .values = o->values,
                                  .fan_in = o->world,
                                  .members =
                                      o->world == 64 ? UINT64_MAX : (UINT64_C(1) << o->world) - 1,
                                  .quorum = o->world / 2 + 1u,
                                  .deadline_ns = o->deadline_ns,
                                  .slack_ns = o->slack_ns,
                                  .chunks = o->chunks,
                                  .keep_missed = true,
                                  .frames = o->arena + o->world * o->slots * g->stride,
                                  .kernels = o->kernels};
    g->shards[o->rank].slots = pxi_slots_new(&s);
    derive(o->secret, o->rank, o->rank, &g->own_sums);
    return g->shards[o->rank].slots != NULL;
}

static void begin_view(struct pxi_group *g)
{
    const struct pxi_group_options *o = &g->o;
    struct pxi_view_options v = {.job = o->job,
                                 .rank = o->rank,
                                 .world = o->world,
                                 .life = o->life ? o->life : 1,
                                 .silence_ns = o->silence_ns,
                                 .beat_ns = pxi_min(BEAT_NS, o->silence_ns / 4)};
    if (o->central)
        return;
    pxi_view_init(&g->view, &v);
    g->placed = g->view.epoch != 0;
}

struct pxi_group *pxi_group_new(const struct pxi_group_options *o)
{
    struct pxi_group *g = o->world >= 1 && o->world <= PX_GRADIENT_WORKERS && o->rank < o->world
                              ? pxi_calloc(1, sizeof *g)
                              : NULL;
    if (!g)
        return NULL;
    g->o = *o;
    g->o.epoch = o->epoch ? o->epoch : 1;
    g->stride = frame_stride(o->values);
    g->n = shards_of(o);
    g->own = o->central ? PX_GRADIENT_WORKERS : o->rank;
    g->outbox_max = 4 * o->slots;
    bool ok = add_slots(g);
    for (unsigned i = 0; i < g->n && ok; i++)
        ok = add_member(g, i);
    begin_view(g);
    g->o.secret = NULL;
    if (ok)
        return g;
    pxi_group_free(g);
    return NULL;
}

void pxi_group_free(struct pxi_group *g)
{
    if (!g)
        return;
    for (unsigned i = 0; i < g->n; i++) {
        pxi_rank_free(g->shards[i].rank);
        pxi_free(g->peers[i].outbox.items);
        pxi_group_shard_free(&g->shards[i]);
    }
    OPENSSL_cleanse(g, sizeof *g);
    pxi_free(g);
}

/* ------------------------------------------------------------- operations */

/* The part of an operation that a shard has: whole chunks, but for the last. */
static struct pxi_rank_op part_of(const struct pxi_group *g, const struct pxi_rank_op *op,
                                  unsigned shard)
{
    size_t chunks = (op->n + g->o.values - 1) / g->o.values, world = g->n;
    size_t first = chunks * shard / world * g->o.values;
    size_t end = pxi_min(chunks * (shard + 1) / world * g->o.values, op->n);
    struct pxi_rank_op part = *op;
    part.x = (uint8_t *)op->x + first * (op->bf16 ? 2 : sizeof(float));
    part.residual = op->residual ? op->residual + first : NULL;
    part.n = end > first ? end - first : 0;
    return part;
}

px_err pxi_group_begin(struct pxi_group *g, const struct pxi_rank_op *op)
{
    for (unsigned i = 0; i < g->n; i++) {
        struct pxi_rank_op part = part_of(g, op, i);
        px_err err = pxi_rank_begin(g->shards[i].rank, &part);
        if (err) {
            pxi_group_abort(g);
            return err;
        }
    }
    g->runs = true;
    g->begun_ns = 0; /* the next turn knows the time */
    if (!g->placed && !g->o.central)
        return PX_ERR_OK;
    g->operation++;
    pxi_group_mark(g);
    return PX_ERR_OK;
}

int pxi_group_gone(const struct pxi_group *g)
{
    if (g->view.out || g->failed)
        return (int)g->own;
    if (!g->o.central && g->lost_ns && g->now_ns - g->lost_ns >= g->o.silence_ns)
        return (int)((g->own + 1) % g->n);
    if (!g->o.central)
        return pxi_view_lost(&g->view, 3 * g->o.silence_ns, g->now_ns);
    const struct pxi_rank *r = g->shards[0].rank;
    uint64_t heard = pxi_rank_heard_ns(r);
    bool silent = heard && !pxi_rank_done(r);
    heard = heard > g->begun_ns ? heard : g->begun_ns;
    return silent && g->now_ns > heard && g->now_ns - heard > g->o.silence_ns ? 0 : -1;
}

void pxi_group_return(struct pxi_group *g, uint64_t life)
{
    pxi_group_abort(g);
    for (unsigned i = 0; i < g->n; i++)
        pxi_group_shard_free(&g->shards[i]);
    g->placed = g->failed = false;
    g->live = 0;
    pxi_view_restart(&g->view, life);
}

uint32_t pxi_group_operation(const struct pxi_group *g)
{
    return g->operation;
}

uint64_t pxi_group_members(const struct pxi_group *g)
{
    uint64_t all = g->o.world == 64 ? UINT64_MAX : (UINT64_C(1) << g->o.world) - 1;
    return g->o.central ? all : g->view.live;
}

uint16_t pxi_group_epoch(const struct pxi_group *g)
{
    return g->o.central ? g->o.epoch : g->view.epoch;
}

bool pxi_group_done(const struct pxi_group *g)
{
    bool done = pxi_group_flows(g);
    for (unsigned i = 0; i < g->n; i++)
        done &= pxi_rank_done(g->shards[i].rank);
    return done;
}

unsigned pxi_group_least(const struct pxi_group *g)
{
    unsigned least = PX_GRADIENT_WORKERS;
    for (unsigned i = 0; i < g->n; i++)
        least = (unsigned)pxi_min(least, pxi_rank_least(g->shards[i].rank));
    return least;
}

uint64_t pxi_group_missing(const struct pxi_group *g)
{
    uint64_t in = UINT64_MAX;
    for (unsigned i = 0; i < g->n; i++)
        in &= pxi_rank_everywhere(g->shards[i].rank);
    return pxi_group_members(g) & ~in;
}

uint32_t pxi_group_lost(const struct pxi_group *g)
{
    uint32_t lost = 0;
    for (unsigned i = 0; i < g->n; i++)
        lost += pxi_rank_lost(g->shards[i].rank);
    return lost;
}

uint32_t pxi_group_not_finite(const struct pxi_group *g)
{
    uint32_t n = 0;
    for (unsigned i = 0; i < g->n; i++)
        n += pxi_rank_not_finite(g->shards[i].rank);
    return n;
}

void pxi_group_abort(struct pxi_group *g)
{
    g->runs = false;
    for (unsigned i = 0; i < g->n; i++)
        pxi_rank_abort(g->shards[i].rank);
}

const struct pxi_slots_counts *pxi_group_slots(const struct pxi_group *g)
{
    const struct pxi_slots *s = g->own < g->n ? g->shards[g->own].slots : NULL;
    return s ? pxi_slots_counts(s) : NULL;
}

const struct pxi_rank_counts *pxi_group_rank(const struct pxi_group *g, unsigned shard)
{
    return pxi_rank_counts(g->shards[shard].rank);
}

const struct pxi_group_counts *pxi_group_counts(const struct pxi_group *g)
{
    return &g->counts;
}

/* ---------------------------------------------------------------- packets */

/* Queue an answer; one that does not fit is as good as lost. */
static void put(struct pxi_group *g, struct pxi_outbox *b, const struct pxi_slots_answer *a)
{
    if (b->n < g->outbox_max)
        b->items[(b->head + b->n++) & (g->outbox_max - 1)] = px_view_of(a->bytes, a->n);
    else
        g->counts.full++;
}

static void take_own(struct pxi_group_shard *s, px_view packet, uint64_t now_ns)
{
    struct px_gradient_head h;
    enum px_gradient_drop why;
    px_view values;
    if (pxi_gradient_read(packet, &h, &values, &why))
        pxi_rank_take(s->rank, &h, values, now_ns);
}

void pxi_group_contribute(struct pxi_group *g, struct pxi_group_shard *s,
                          const struct px_gradient_head *h, px_view values, uint64_t now_ns)
{
    struct pxi_slots_answer a;
    enum pxi_slots_to to = pxi_slots_take(s->slots, h, values, now_ns, &a);
    if (to == PXI_SLOTS_NOBODY)
        return;
    pxi_tag_put(&g->own_sums, g->o.kernels->tag_nh, a.bytes, a.n);
    for (unsigned i = 0; i < g->n; i++)
        if (i != g->own && (to == PXI_SLOTS_ALL ? g->view.live >> i & 1 : i == h->worker))
            put(g, &g->peers[i].outbox, &a);
    if (to == PXI_SLOTS_ALL || h->worker == g->o.rank)
        take_own(s, px_view_of(a.bytes, a.n), now_ns);
}

/* Our own contributions to shards that we add. */
static void add_own(struct pxi_group *g, struct pxi_group_shard *s, uint64_t now_ns)
{
    struct px_gradient_head h;
    enum px_gradient_drop why;
    px_view frame, values;
    if (!s->slots || !pxi_slots_ready(s->slots))
        return;
    while ((frame = pxi_rank_poll(s->rank, now_ns)).n)
        if (pxi_gradient_read(frame, &h, &values, &why))
            pxi_group_contribute(g, s, &h, values, now_ns);
}

/* When those who knew where they are have gone, the others would wait for ever. */
static void look_for_placed(struct pxi_group *g)
{
    bool any = g->placed || !g->runs || !g->view.epoch;
    for (unsigned i = 0; i < g->n && !any; i++)
        any = i != g->own && (g->view.live >> i & 1) &&
              (!g->view.peers[i].seeks || g->view.peers[i].epoch != g->view.epoch);
    g->lost_ns = any ? 0 : g->lost_ns ? g->lost_ns : g->now_ns;
}

void pxi_group_turn(struct pxi_group *g, uint64_t now_ns)
{
    g->now_ns = now_ns;
    g->begun_ns = g->begun_ns ? g->begun_ns : now_ns;
    if (g->o.central)
        return;
    g->runs &= !pxi_group_done(g);
    g->view.seeks = g->runs && g->view.epoch && !g->placed;
    g->view.unplaced = !g->placed;
    look_for_placed(g);
    if (pxi_view_turn(&g->view, g->runs && g->view.epoch, now_ns))
        pxi_group_moved(g);
    for (unsigned i = 0; i < g->n && pxi_group_flows(g); i++)
        add_own(g, &g->shards[i], now_ns);
}

px_view pxi_group_pull(struct pxi_group *g, unsigned to, uint64_t now_ns)
{
    struct pxi_group_peer *p = &g->peers[to];
    px_view v = px_view_of(NULL, 0);
    if (to == g->own)
        return v;
    if (!g->o.central && pxi_view_tell(&g->view, to, now_ns, p->view)) {
        pxi_tag_put(&p->to, g->o.kernels->tag_nh, p->view, sizeof p->view);
        return px_view_of(p->view, sizeof p->view);
    }
    if (p->outbox.n) {
        v = p->outbox.items[p->outbox.head];
        p->outbox.head = (p->outbox.head + 1) & (g->outbox_max - 1);
        p->outbox.n--;
        return v;
    }
    if (!g->o.central && (v = pxi_group_echo(g, to, now_ns)).n)
        return v;
    for (unsigned i = 0; i < g->n && !v.n && pxi_group_flows(g); i++)
        if (g->shards[i].host == to)
            v = pxi_rank_poll(g->shards[i].rank, now_ns);
    if (v.n)
        pxi_tag_put(&p->to, g->o.kernels->tag_nh, (uint8_t *)(uintptr_t)v.p, v.n);
    return v;
}

static bool is_right(const struct pxi_group *g, const struct pxi_tag_key *k, px_view datagram)
{
    return pxi_tag_right(k, g->o.kernels->tag_nh, datagram.p, datagram.n);
}

/* What members say among themselves. */
static void take_member(struct pxi_group *g, unsigned from, px_view datagram, uint64_t now_ns)
{
    struct px_gradient_head h;
    struct pxi_view_said said;
    enum px_gradient_drop why;
    px_view values;
    if (!pxi_gradient_read_member(datagram, &h, &values, &why)) {
        g->counts.bad[why]++;
    } else if (h.job != g->o.job || h.shard >= g->n || h.worker != from || g->o.central) {
        g->counts.bad[PX_GRADIENT_DROP_JOB]++;
    } else if (!is_right(g, &g->peers[from].from, datagram)) {
        g->counts.bad[PX_GRADIENT_DROP_TAG]++;
    } else if (h.kind == PX_GRADIENT_ECHO) {
        pxi_group_echoed(g, &h, values);
    } else {
        if (pxi_view_take(&g->view, from, &h, values, now_ns, &said))
            pxi_group_moved(g);
        pxi_group_heard(g, from, &said);
    }
}

/* A packet of another view: one of us does not know the last. */
static void note_epoch(struct pxi_group *g, unsigned from, const struct px_gradient_head *h,
                       uint64_t now_ns)
{
    if (g->o.central)
        return;
    if (h->epoch != g->view.epoch)
        g->view.peers[from].owes_us = true;
    else
        pxi_view_heard(&g->view, from, now_ns);
}

void pxi_group_take(struct pxi_group *g, unsigned from, px_view datagram, uint64_t now_ns)
{
    struct px_gradient_head h;
    enum px_gradient_drop why;
    px_view values;
    g->counts.packets++;
    g->now_ns = now_ns;
    if (from >= g->n || from == g->own) {
        g->counts.bad[PX_GRADIENT_DROP_SOURCE]++;
        return;
    }
    struct pxi_group_peer *p = &g->peers[from];
    bool read = pxi_gradient_read(datagram, &h, &values, &why);
    if (!read && why == PX_GRADIENT_DROP_LAYOUT && h.kind >= PX_GRADIENT_VIEW) {
        take_member(g, from, datagram, now_ns);
    } else if (!read) {
        g->counts.bad[why]++;
    } else if (h.shard >= g->n) {
        g->counts.bad[PX_GRADIENT_DROP_JOB]++;
    } else if (h.kind == PX_GRADIENT_CONTRIBUTION) {
        struct pxi_group_shard *s = &g->shards[h.shard];
        if (h.worker != from)
            g->counts.bad[PX_GRADIENT_DROP_SOURCE]++;
        else if (!is_right(g, &p->from, datagram))
            g->counts.bad[PX_GRADIENT_DROP_TAG]++;
        else {
            note_epoch(g, from, &h, now_ns);
            if (s->slots)
                pxi_group_contribute(g, s, &h, values, now_ns);
        }
    } else if (!is_right(g, &p->sums, datagram)) {
        g->counts.bad[PX_GRADIENT_DROP_TAG]++;
    } else {
        note_epoch(g, from, &h, now_ns);
        if (g->shards[h.shard].host == from)
            pxi_rank_take(g->shards[h.shard].rank, &h, values, now_ns);
    }
}

uint64_t pxi_group_deadline(const struct pxi_group *g)
{
    uint64_t at = g->o.central ? UINT64_MAX : pxi_view_deadline(&g->view);
    for (unsigned i = 0; i < g->n; i++) {
        const struct pxi_group_shard *s = &g->shards[i];
        bool flows = pxi_group_flows(g) && (!s->slots || pxi_slots_ready(s->slots));
        uint64_t its = flows ? pxi_rank_deadline(s->rank) : UINT64_MAX;
        if (s->echoes && !s->slots)
            its = pxi_min(its, s->echo_at_ns);
        at = its < at ? its : at;
    }
    return at;
}

/* ------------------------------------------------------------------- keys */

uint32_t pxi_group_next(uint8_t secret[PXI_GROUP_SECRET], uint32_t job)
{
    static const uint8_t key[] = "px gradient next key", number[] = "px gradient next job";
    uint8_t next[PXI_GROUP_SECRET], digest[PXI_GROUP_SECRET];
    px_view old = px_view_of(secret, PXI_GROUP_SECRET);
    uint32_t out;
    pxi_hmac_sha256(old, px_view_of(key, sizeof key), next);
    pxi_hmac_sha256(old, px_view_of(number, sizeof number), digest);
    memcpy(&out, digest, sizeof out);
    memcpy(secret, next, sizeof next);
    OPENSSL_cleanse(next, sizeof next);
    return out == job ? ~out : out;
}

uint32_t pxi_group_used(const struct pxi_group *g)
{
    uint32_t used = 0;
    for (unsigned i = 0; i < g->n; i++)
        used = (uint32_t)pxi_max(used, pxi_rank_used(g->shards[i].rank));
    return used;
}

uint32_t pxi_group_job(const struct pxi_group *g)
{
    return g->o.job;
}
