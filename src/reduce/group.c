#include "reduce/group.h"

#include <stddef.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/math.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/tag.h"

/* Answers of our shard that wait to be sent to a member: sums lie where they were made. */
struct outbox {
    px_view *items;
    uint32_t head, n;
};

struct member {
    struct pxi_rank *rank; /* our part in this member's shard */
    struct pxi_tag_key to, from,
        sums; /* of what we contribute to its shard, it to ours; its sums */
    struct outbox outbox;
};

struct pxi_group {
    struct pxi_group_options o;
    struct pxi_group_counts counts;
    struct pxi_slots *slots;
    struct pxi_tag_key sums;                    /* of our shard's answers */
    struct member members[PX_GRADIENT_WORKERS]; /* by shard, which are the peers */
    unsigned shards, own;                       /* own: our shard, PX_GRADIENT_WORKERS: none */
    uint64_t begun_ns, now_ns;
    uint32_t outbox_max; /* a power of two */
    size_t stride;
};

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
    struct member *m = &g->members[i];
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
    m->rank = pxi_rank_new(&r);
    m->outbox.items = pxi_calloc(g->outbox_max, sizeof *m->outbox.items);
    unsigned owner = o->central ? PX_GRADIENT_WORKERS : i;
    derive(o->secret, o->rank, owner, &m->to);
    derive(o->secret, i, o->rank, &m->from);
    derive(o->secret, owner, owner, &m->sums);
    return m->rank && m->outbox.items;
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
                                  .chunks = o->chunks,
                                  .frames = o->arena + o->world * o->slots * g->stride,
                                  .kernels = o->kernels};
    g->slots = pxi_slots_new(&s);
    derive(o->secret, o->rank, o->rank, &g->sums);
    return g->slots != NULL;
}

struct pxi_group *pxi_group_new(const struct pxi_group_options *o)
{
    struct pxi_group *g = o->world >= 1 && o->world <= PX_GRADIENT_WORKERS && o->rank < o->world
                              ? pxi_calloc(1, sizeof *g)
                              : NULL;
    if (!g)
        return NULL;
    g->o = *o;
    g->stride = frame_stride(o->values);
    g->shards = shards_of(o);
    g->own = o->central ? PX_GRADIENT_WORKERS : o->rank;
    g->outbox_max = 4 * o->slots;
    bool ok = add_slots(g);
    for (unsigned i = 0; i < g->shards && ok; i++)
        ok = add_member(g, i);
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
    for (unsigned i = 0; i < g->shards; i++) {
        pxi_rank_free(g->members[i].rank);
        pxi_free(g->members[i].outbox.items);
    }
    pxi_slots_free(g->slots);
    OPENSSL_cleanse(g, sizeof *g);
    pxi_free(g);
}

/* ------------------------------------------------------------- operations */

/* The part of an operation that a shard has: whole chunks, but for the last. */
static struct pxi_rank_op part_of(const struct pxi_group *g, const struct pxi_rank_op *op,
                                  unsigned shard)
{
    size_t chunks = (op->n + g->o.values - 1) / g->o.values, world = g->shards;
    size_t first = chunks * shard / world * g->o.values;
    size_t end = pxi_min(chunks * (shard + 1) / world * g->o.values, op->n);
    struct pxi_rank_op part = *op;
    part.x = op->x + first;
    part.residual = op->residual ? op->residual + first : NULL;
    part.n = end > first ? end - first : 0;
    return part;
}

px_err pxi_group_begin(struct pxi_group *g, const struct pxi_rank_op *op)
{
    for (unsigned i = 0; i < g->shards; i++) {
        struct pxi_rank_op part = part_of(g, op, i);
        px_err err = pxi_rank_begin(g->members[i].rank, &part);
        if (err) {
            pxi_group_abort(g);
            return err;
        }
    }
    g->begun_ns = 0; /* the next turn knows the time */
    return PX_ERR_OK;
}

int pxi_group_gone(const struct pxi_group *g)
{
    for (unsigned i = 0; i < g->shards; i++) {
        const struct pxi_rank *r = g->members[i].rank;
        uint64_t heard = pxi_rank_heard_ns(r);
        if (pxi_rank_done(r) || !heard)
            continue;
        heard = heard > g->begun_ns ? heard : g->begun_ns;
        if (g->now_ns > heard && g->now_ns - heard > g->o.silence_ns)
            return (int)i;
    }
    return -1;
}

bool pxi_group_done(const struct pxi_group *g)
{
    bool done = true;
    for (unsigned i = 0; i < g->shards; i++)
        done &= pxi_rank_done(g->members[i].rank);
    return done;
}

unsigned pxi_group_least(const struct pxi_group *g)
{
    unsigned least = PX_GRADIENT_WORKERS;
    for (unsigned i = 0; i < g->shards; i++)
        least = (unsigned)pxi_min(least, pxi_rank_least(g->members[i].rank));
    return least;
}

uint32_t pxi_group_lost(const struct pxi_group *g)
{
    uint32_t lost = 0;
    for (unsigned i = 0; i < g->shards; i++)
        lost += pxi_rank_lost(g->members[i].rank);
    return lost;
}

void pxi_group_abort(struct pxi_group *g)
{
    for (unsigned i = 0; i < g->shards; i++)
        pxi_rank_abort(g->members[i].rank);
}

const struct pxi_slots_counts *pxi_group_slots(const struct pxi_group *g)
{
    return g->slots ? pxi_slots_counts(g->slots) : NULL;
}

const struct pxi_rank_counts *pxi_group_rank(const struct pxi_group *g, unsigned shard)
{
    return pxi_rank_counts(g->members[shard].rank);
}

const struct pxi_group_counts *pxi_group_counts(const struct pxi_group *g)
{
    return &g->counts;
}

/* ---------------------------------------------------------------- packets */

/* Queue an answer; one that does not fit is as good as lost. */
static void put(struct pxi_group *g, struct outbox *b, const struct pxi_slots_answer *a)
{
    if (b->n < g->outbox_max)
        b->items[(b->head + b->n++) & (g->outbox_max - 1)] = px_view_of(a->bytes, a->n);
}

static void take_own(struct pxi_group *g, px_view packet, uint64_t now_ns)
{
    struct px_gradient_head h;
    enum px_gradient_drop why;
    px_view values;
    if (pxi_gradient_read(packet, &h, &values, &why))
        pxi_rank_take(g->members[g->o.rank].rank, &h, values, now_ns);
}

/* A contribution to our shard, and what follows from it. */
static void contribute(struct pxi_group *g, const struct px_gradient_head *h, px_view values,
                       uint64_t now_ns)
{
    struct pxi_slots_answer a;
    enum pxi_slots_to to = pxi_slots_take(g->slots, h, values, now_ns, &a);
    if (to == PXI_SLOTS_NOBODY)
        return;
    pxi_tag_put(&g->sums, g->o.kernels->tag_nh, a.bytes, a.n);
    for (unsigned i = 0; i < g->shards; i++)
        if (i != g->own && (to == PXI_SLOTS_ALL || i == h->worker))
            put(g, &g->members[i].outbox, &a);
    if (to == PXI_SLOTS_ALL || h->worker == g->o.rank)
        take_own(g, px_view_of(a.bytes, a.n), now_ns);
}

void pxi_group_turn(struct pxi_group *g, uint64_t now_ns)
{
    struct px_gradient_head h;
    enum px_gradient_drop why;
    px_view frame, values;
    g->now_ns = now_ns;
    g->begun_ns = g->begun_ns ? g->begun_ns : now_ns;
    if (g->own >= g->shards)
        return;
    while ((frame = pxi_rank_poll(g->members[g->o.rank].rank, now_ns)).n)
        if (pxi_gradient_read(frame, &h, &values, &why))
            contribute(g, &h, values, now_ns);
}

px_view pxi_group_pull(struct pxi_group *g, unsigned to, uint64_t now_ns)
{
    struct member *m = &g->members[to];
    if (to == g->own)
        return px_view_of(NULL, 0);
    if (m->outbox.n) {
        px_view v = m->outbox.items[m->outbox.head];
        m->outbox.head = (m->outbox.head + 1) & (g->outbox_max - 1);
        m->outbox.n--;
        return v;
    }
    px_view v = pxi_rank_poll(m->rank, now_ns);
    if (v.n)
        pxi_tag_put(&m->to, g->o.kernels->tag_nh, (uint8_t *)(uintptr_t)v.p, v.n);
    return v;
}

void pxi_group_take(struct pxi_group *g, unsigned from, px_view datagram, uint64_t now_ns)
{
    struct px_gradient_head h;
    enum px_gradient_drop why;
    px_view values;
    struct member *m = &g->members[from];
    g->counts.packets++;
    if (from >= g->shards || from == g->own) {
        g->counts.bad[PX_GRADIENT_DROP_SOURCE]++;
    } else if (!pxi_gradient_read(datagram, &h, &values, &why)) {
        g->counts.bad[why]++;
    } else if (h.kind == PX_GRADIENT_CONTRIBUTION) {
        if (h.worker != from || !g->slots)
            g->counts.bad[PX_GRADIENT_DROP_SOURCE]++;
        else if (!pxi_tag_right(&m->from, g->o.kernels->tag_nh, datagram.p, datagram.n))
            g->counts.bad[PX_GRADIENT_DROP_TAG]++;
        else
            contribute(g, &h, values, now_ns);
    } else if (!pxi_tag_right(&m->sums, g->o.kernels->tag_nh, datagram.p, datagram.n)) {
        g->counts.bad[PX_GRADIENT_DROP_TAG]++;
    } else {
        pxi_rank_take(m->rank, &h, values, now_ns);
    }
}

uint64_t pxi_group_deadline(const struct pxi_group *g)
{
    uint64_t at = UINT64_MAX;
    for (unsigned i = 0; i < g->shards; i++) {
        uint64_t its = pxi_rank_deadline(g->members[i].rank);
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
    for (unsigned i = 0; i < g->shards; i++)
        used = (uint32_t)pxi_max(used, pxi_rank_used(g->members[i].rank));
    return used;
}

uint32_t pxi_group_job(const struct pxi_group *g)
{
    return g->o.job;
}
