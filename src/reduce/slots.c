#include "reduce/slots.h"

#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

/* One of the two sums of a slot. */
struct version {
    uint32_t seq;
    uint32_t where;
    bool open, done; /* begun; finished, and then `lanes` holds the result as it is sent */
    uint8_t format, flags;
    uint16_t count;
    int8_t exponent, next;
    uint64_t seen, added, refused; /* refused: those that disagree with what the first one said */
    uint64_t first_ns;
    uint8_t *lanes;
};

/* The last sum of a chunk. */
struct kept {
    bool there;
    struct px_gradient_head head;
};

struct pxi_slots {
    struct pxi_slots_options o;
    struct pxi_slots_counts counts;
    struct version *versions; /* 2 a slot */
    struct kept *kept;
    uint8_t *lanes, *sums; /* of all versions; of all chunks */
    size_t lane_bytes;
};

static bool sane(const struct pxi_slots_options *o)
{
    return o->fan_in >= 1 && o->fan_in <= PX_GRADIENT_WORKERS && o->members &&
           (unsigned)__builtin_popcountll(o->members) <= o->fan_in && o->slots &&
           o->slots <= PXI_LIMIT_REDUCE_SLOTS && (o->slots & (o->slots - 1)) == 0 &&
           o->base % (2 * o->slots) == 0 && o->values && o->values % 32 == 0 &&
           o->values <= PXI_GRADIENT_VALUES && o->format < PX_GRADIENT_I32 &&
           o->chunks <= PXI_LIMIT_REDUCE_CHUNKS;
}

struct pxi_slots *pxi_slots_new(const struct pxi_slots_options *o)
{
    struct pxi_slots *s = sane(o) ? pxi_calloc(1, sizeof *s) : NULL;
    if (!s)
        return NULL;
    s->o = *o;
    s->lane_bytes = 2 * (size_t)o->values;
    s->versions = pxi_calloc(2 * (size_t)o->slots, sizeof *s->versions);
    s->lanes = pxi_calloc_aligned(2 * o->slots * s->lane_bytes, 64);
    s->kept = o->chunks ? pxi_calloc(o->chunks, sizeof *s->kept) : NULL;
    s->sums = o->chunks ? pxi_calloc_aligned(o->chunks * s->lane_bytes, 64) : NULL;
    if (!s->versions || !s->lanes || (o->chunks && (!s->kept || !s->sums))) {
        pxi_slots_free(s);
        return NULL;
    }
    for (uint32_t i = 0; i < 2 * o->slots; i++) {
        s->versions[i].seq = o->base + i;
        s->versions[i].lanes = s->lanes + i * s->lane_bytes;
    }
    return s;
}

void pxi_slots_free(struct pxi_slots *s)
{
    if (!s)
        return;
    pxi_free(s->versions);
    pxi_free(s->kept);
    pxi_free_aligned(s->lanes);
    pxi_free_aligned(s->sums);
    pxi_free(s);
}

void pxi_slots_members(struct pxi_slots *s, uint16_t epoch, uint64_t members)
{
    s->o.epoch = epoch;
    s->o.members = members;
}

void pxi_slots_deadline(struct pxi_slots *s, uint64_t deadline_ns)
{
    s->o.deadline_ns = deadline_ns;
}

const struct pxi_slots_counts *pxi_slots_counts(const struct pxi_slots *s)
{
    return &s->counts;
}

static enum pxi_slots_to dropped(struct pxi_slots *s, enum px_gradient_drop why)
{
    s->counts.drops[why]++;
    return PXI_SLOTS_NOBODY;
}

/* Versions lie in the order of the sequence. */
static struct version *version_of(const struct pxi_slots *s, uint32_t seq)
{
    return &s->versions[seq & (2 * s->o.slots - 1)];
}

/* Fields that do not depend on the state of a slot. */
static bool fits(const struct pxi_slots *s, const struct px_gradient_head *h,
                 enum px_gradient_drop *why)
{
    const struct pxi_slots_options *o = &s->o;
    *why = h->kind != PX_GRADIENT_CONTRIBUTION                      ? PX_GRADIENT_DROP_LAYOUT
           : h->job != o->job || h->shard != o->shard               ? PX_GRADIENT_DROP_JOB
           : h->epoch != o->epoch                                   ? PX_GRADIENT_DROP_EPOCH
           : h->worker >= PX_GRADIENT_WORKERS                       ? PX_GRADIENT_DROP_WORKER
           : !(o->members >> h->worker & 1)                         ? PX_GRADIENT_DROP_WORKER
           : h->format != o->format && h->format != PX_GRADIENT_I32 ? PX_GRADIENT_DROP_LAYOUT
           : h->count > (h->format == PX_GRADIENT_I32 ? o->values / 2 : o->values)
               ? PX_GRADIENT_DROP_LENGTH
           : h->slot != (h->seq & (o->slots - 1))                          ? PX_GRADIENT_DROP_SLOT
           : (h->flags & PX_GRADIENT_VERSION) != ((h->seq / o->slots) & 1) ? PX_GRADIENT_DROP_SLOT
                                                                           : PX_GRADIENT_DROPS;
    return *why == PX_GRADIENT_DROPS;
}

static struct px_gradient_head head_of(const struct pxi_slots *s, const struct version *v)
{
    return (struct px_gradient_head){.kind = PX_GRADIENT_RESULT,
                                     .job = s->o.job,
                                     .epoch = s->o.epoch,
                                     .shard = s->o.shard,
                                     .worker = 255,
                                     .slot = (uint16_t)(v->seq & (s->o.slots - 1)),
                                     .format = v->format,
                                     .flags = v->flags,
                                     .seq = v->seq,
                                     .count = v->count,
                                     .exponent = v->exponent,
                                     .next = v->next,
                                     .where = v->added};
}

static void answer(const struct pxi_slots *s, const struct version *v, struct pxi_slots_answer *out)
{
    out->head = head_of(s, v);
    out->values = px_view_of(v->lanes, pxi_gradient_result_bytes(v->format, v->count));
}

/* The sum is there: bring it into the form in which it is sent, and keep it. */
static enum pxi_slots_to finish(struct pxi_slots *s, struct version *v,
                                struct pxi_slots_answer *out)
{
    if (v->format == PX_GRADIENT_I8 || v->format == PX_GRADIENT_I4)
        s->o.kernels->grad_fold(v->lanes, (uint16_t *)(void *)v->lanes, v->count,
                                pxi_gradient_shift(v->format, s->o.fan_in));
    v->done = true;
    s->counts.finished++;
    s->counts.closed += (v->seen & s->o.members) != s->o.members;
    answer(s, v, out);
    if (v->count && v->where < s->o.chunks) {
        s->kept[v->where] = (struct kept){true, out->head};
        memcpy(s->sums + v->where * s->lane_bytes, v->lanes, out->values.n);
    }
    return PXI_SLOTS_ALL;
}

static bool is_full(const struct pxi_slots *s, const struct version *v)
{
    return (v->seen & s->o.members) == s->o.members;
}

static bool is_over(const struct pxi_slots *s, const struct version *v, uint64_t now_ns)
{
    return now_ns - v->first_ns >= s->o.deadline_ns &&
           (unsigned)__builtin_popcountll(v->seen) >= s->o.quorum;
}

/* Of a slot that has gone on: its sum from what is kept of the chunk, or that it is late. */
static enum pxi_slots_to answer_late(struct pxi_slots *s, const struct px_gradient_head *h,
                                     struct pxi_slots_answer *out)
{
    const struct kept *k = h->where < s->o.chunks ? &s->kept[h->where] : NULL;
    s->counts.again++;
    if (k && k->there && k->head.seq == h->seq) {
        out->head = k->head;
        out->head.epoch = s->o.epoch;
        out->values = px_view_of(s->sums + h->where * s->lane_bytes,
                                 pxi_gradient_result_bytes(k->head.format, k->head.count));
        return PXI_SLOTS_SENDER;
    }
    out->head = head_of(s, version_of(s, h->seq));
    out->head.kind = PX_GRADIENT_LATE;
    out->head.count = 0;
    out->head.where = out->head.seq;
    out->head.seq = h->seq;
    out->values = px_view_of(NULL, 0);
    return PXI_SLOTS_SENDER;
}

static void begin(struct version *v, const struct px_gradient_head *h, uint64_t now_ns)
{
    uint8_t *lanes = v->lanes;
    *v = (struct version){.seq = h->seq,
                          .where = h->where < UINT32_MAX ? (uint32_t)h->where : UINT32_MAX,
                          .open = true,
                          .format = h->format,
                          .flags = h->flags & PX_GRADIENT_VERSION,
                          .count = h->count,
                          .exponent = h->exponent,
                          .next = PX_GRADIENT_ZERO,
                          .first_ns = now_ns,
                          .lanes = lanes};
    memset(lanes, 0, (h->format == PX_GRADIENT_I32 ? 4u : 2u) * (size_t)h->count);
}

/* What all members must say alike of a chunk. */
static bool agrees(const struct version *v, const struct px_gradient_head *h)
{
    return v->count == h->count && v->format == h->format && v->exponent == h->exponent &&
           v->where == h->where;
}

/* This packet disagrees with the first of its slot. When most do, the first was wrong. */
static bool outvotes(struct pxi_slots *s, struct version *v, const struct px_gradient_head *h)
{
    v->refused |= UINT64_C(1) << h->worker;
    if (__builtin_popcountll(v->refused) <= __builtin_popcountll(v->seen))
        return false;
    s->counts.outvoted++;
    return true;
}

/* A worker that came too late to know the exponent asks for the sum of a chunk, without values. */
static bool asks(const struct px_gradient_head *h)
{
    return h->count == 0 && h->where < UINT32_MAX;
}

/* The exponent that a chunk must have: what the slot's other version agreed on. */
static bool exponent_fits(struct pxi_slots *s, const struct px_gradient_head *h)
{
    const struct version *before = version_of(s, h->seq - s->o.slots);
    if (h->count == 0)
        return true;
    return before->done && before->seq == h->seq - s->o.slots && before->next == h->exponent;
}

static enum pxi_slots_to add(struct pxi_slots *s, struct version *v,
                             const struct px_gradient_head *h, px_view values, uint64_t now_ns,
                             struct pxi_slots_answer *out)
{
    uint64_t bit = UINT64_C(1) << h->worker;
    if (h->count)
        s->o.kernels->grad_add[h->format](v->lanes, values.p, h->count);
    v->seen |= bit;
    v->added |= bit;
    v->refused &= ~bit;
    v->flags |= h->flags & PX_GRADIENT_SATURATED;
    v->next = h->next > v->next ? h->next : v->next;
    s->counts.added++;
    return is_full(s, v) || is_over(s, v, now_ns) ? finish(s, v, out) : PXI_SLOTS_NOBODY;
}

/* A packet for the version that its sequence names. */
static enum pxi_slots_to take_current(struct pxi_slots *s, struct version *v,
                                      const struct px_gradient_head *h, px_view values,
                                      uint64_t now_ns, struct pxi_slots_answer *out)
{
    uint64_t bit = UINT64_C(1) << h->worker;
    if (v->done) {
        s->counts.again++;
        s->counts.drops[v->seen & bit ? PX_GRADIENT_DROP_DUPLICATE : PX_GRADIENT_DROP_LATE]++;
        answer(s, v, out);
        return PXI_SLOTS_SENDER;
    }
    if (v->open && (v->seen & bit)) {
        s->counts.drops[PX_GRADIENT_DROP_DUPLICATE]++;
        return is_full(s, v) || is_over(s, v, now_ns) ? finish(s, v, out) : PXI_SLOTS_NOBODY;
    }
    if (asks(h))
        return v->open && is_over(s, v, now_ns) ? finish(s, v, out) : PXI_SLOTS_NOBODY;
    if (!exponent_fits(s, h))
        return dropped(s, PX_GRADIENT_DROP_EXPONENT);
    if (!v->open)
        begin(v, h, now_ns);
    if (!agrees(v, h)) {
        if (!outvotes(s, v, h))
            return dropped(s, PX_GRADIENT_DROP_SLOT);
        begin(v, h, now_ns);
    }
    return add(s, v, h, values, now_ns, out);
}

enum pxi_slots_to pxi_slots_take(struct pxi_slots *s, const struct px_gradient_head *h,
                                 px_view values, uint64_t now_ns, struct pxi_slots_answer *out)
{
    enum px_gradient_drop why;
    s->counts.packets++;
    if (!fits(s, h, &why))
        return dropped(s, why);
    struct version *v = version_of(s, h->seq);
    int32_t ahead = (int32_t)(h->seq - v->seq);
    if (ahead < 0) {
        if ((int32_t)(h->seq - s->o.base) < 0)
            return dropped(s, PX_GRADIENT_DROP_SLOT);
        s->counts.drops[PX_GRADIENT_DROP_LATE]++;
        return answer_late(s, h, out);
    }
    /* The version goes on when it is finished, and one step at a time. */
    if (ahead > 0 && (!v->done || (uint32_t)ahead != 2 * s->o.slots))
        return dropped(s, PX_GRADIENT_DROP_SLOT);
    if (ahead > 0) {
        if (asks(h))
            return PXI_SLOTS_NOBODY;
        if (!exponent_fits(s, h))
            return dropped(s, PX_GRADIENT_DROP_EXPONENT);
        begin(v, h, now_ns);
    }
    return take_current(s, v, h, values, now_ns, out);
}
