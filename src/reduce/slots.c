#include "reduce/slots.h"

#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "bpf/reduce.h"

#define SLACK_NS  UINT64_C(500000000)   /* that a deadline gives at least, by default */
#define FORGET_NS UINT64_C(10000000000) /* after which a long wait counts half */
#define AGAIN_NS  UINT64_C(2000000)     /* before a leaf says the same again; doubled each time, */

enum {
    LANES = 64,  /* where the values of a frame begin; the head lies before them */
    SPARES = 32, /* frames for answers that are in no version, used in turns */
    SAYS = 6,    /* so often */
};

/* One of the two sums of a slot. */
struct version {
    uint32_t seq;
    uint32_t where;
    bool open, done;  /* begun; finished, and then `lanes` holds the result as it is sent */
    bool above, gone; /* of a leaf: it waits for the one above; which has the result no more */
    uint8_t says;     /* times that it told it, */
    uint8_t format, flags;
    uint16_t count;
    int8_t exponent, next;
    uint64_t seen, added, refused; /* refused: those that disagree with what the first one said */
    uint64_t first_ns;
    uint64_t said_ns; /* and when last */
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
    uint8_t *sums;  /* of all chunks */
    uint8_t *spare; /* SPARES frames */
    /* Of a shard that is taken over: who has told of a place, and places of which all have. */
    uint64_t *told; /* by place; NULL: nobody has to any more */
    uint32_t places_told;
    unsigned spares;
    uint64_t met, absent; /* members that were seen once; that a slot was closed without, last */
    /* Longest time of late from the first of a slot to the one that makes a quorum. */
    uint64_t spread_ns, spread_at_ns;
    size_t lane_bytes;
    uint8_t firsts[PX_GRADIENT_WORKERS + 1]; /* ranks of the first workers of leaves */
    uint64_t who;                            /* workers that the packet which is taken stands for */
};

/* The workers of a leaf have ranks that fit the upper half of `where`. */
static bool fits_leaf(const struct pxi_slots_options *o)
{
    uint64_t reach = UINT32_MAX;
    return !o->leaves && o->number < PX_GRADIENT_WORKERS && o->first < PX_GRADIENT_WORKERS &&
           !(o->members & ~(reach << o->first));
}

/* And the leaves have no more workers than the bias has room for. */
static bool fits_leaves(const struct pxi_slots_options *o)
{
    unsigned all = 0;
    bool fit = true;
    for (unsigned i = 0; i < PX_GRADIENT_WORKERS; i++) {
        unsigned n = o->members >> i & 1 ? o->leaves[i] : 0;
        fit &= n <= PXI_SLOTS_LEAF && n >= (o->members >> i & 1);
        all += n;
    }
    return fit && all <= o->fan_in;
}

static bool fits_tree(const struct pxi_slots_options *o)
{
    bool judged_or_taken = o->sentry || o->takes_over;
    return (!o->leaf || (!judged_or_taken && fits_leaf(o))) &&
           (!o->leaves || (!judged_or_taken && fits_leaves(o)));
}

static bool sane(const struct pxi_slots_options *o)
{
    return o->fan_in >= 1 && o->fan_in <= PX_GRADIENT_WORKERS && o->members &&
           (unsigned)__builtin_popcountll(o->members) <= o->fan_in && o->slots &&
           o->slots <= PXI_LIMIT_REDUCE_SLOTS && (o->slots & (o->slots - 1)) == 0 &&
           o->base % (2 * o->slots) == 0 && o->values && o->values % PXI_GRADIENT_STEP == 0 &&
           o->values <= PXI_GRADIENT_VALUES && o->format < PX_GRADIENT_I32 &&
           o->chunks <= PXI_LIMIT_REDUCE_CHUNKS && o->frames && fits_tree(o);
}

size_t pxi_slots_stride(uint16_t values)
{
    return LANES + ((pxi_gradient_most(values) + 63) & ~(size_t)63);
}

struct pxi_slots *pxi_slots_new(const struct pxi_slots_options *o)
{
    struct pxi_slots *s = sane(o) ? pxi_calloc(1, sizeof *s) : NULL;
    if (!s)
        return NULL;
    s->o = *o;
    s->lane_bytes = pxi_gradient_most(o->values);
    s->versions = pxi_calloc(2 * (size_t)o->slots, sizeof *s->versions);
    s->spare = pxi_calloc_aligned(SPARES * pxi_slots_stride(o->values), 64);
    s->kept = o->chunks ? pxi_calloc(o->chunks, sizeof *s->kept) : NULL;
    s->sums = o->chunks ? pxi_calloc_aligned(o->chunks * s->lane_bytes, 64) : NULL;
    s->told = o->takes_over ? pxi_calloc(o->slots, sizeof *s->told) : NULL;
    if (!s->versions || !s->spare || (o->chunks && (!s->kept || !s->sums)) ||
        (o->takes_over && !s->told)) {
        pxi_slots_free(s);
        return NULL;
    }
    s->met = o->takes_over;
    for (unsigned i = 0; i < PX_GRADIENT_WORKERS; i++)
        s->firsts[i + 1] =
            (uint8_t)(s->firsts[i] + (o->leaves && (o->members >> i & 1) ? o->leaves[i] : 0));
    s->o.leaves = o->leaves ? s->firsts : NULL; /* no more than that there are some */
    for (uint32_t i = 0; i < 2 * o->slots; i++) {
        s->versions[i].seq = o->base + i;
        s->versions[i].lanes = o->frames + i * pxi_slots_stride(o->values) + LANES;
    }
    return s;
}

bool pxi_slots_resume(struct pxi_slots *s, const struct pxi_bpf_job *j,
                      const struct pxi_bpf_version *from)
{
    struct version *v = &s->versions[from->seq & (2 * s->o.slots - 1)];
    size_t bytes =
        from->format < PX_GRADIENT_I32 ? 2u * (size_t)from->count : 4u * (size_t)from->count;
    if (from->format > PX_GRADIENT_I32 || bytes > s->lane_bytes)
        return false;
    *v = (struct version){.seq = from->seq,
                          .where = from->where,
                          .open = from->open,
                          .done = from->done,
                          .format = from->format,
                          .flags = from->flags,
                          .count = from->count,
                          .exponent = from->exponent,
                          .next = from->next,
                          .seen = from->seen,
                          .added = from->added,
                          .refused = from->refused,
                          .first_ns = from->first_ns,
                          .lanes = v->lanes};
    memcpy(v->lanes, from->lanes, bytes);
    s->met = j->met;
    s->absent = j->absent;
    s->spread_ns = j->spread_ns;
    s->spread_at_ns = j->spread_at_ns;
    return true;
}

static void save(const struct version *from, struct pxi_bpf_version *to, uint64_t now_ns)
{
    size_t each = from->format < PX_GRADIENT_I32 ? 2 : 4;
    *to = (struct pxi_bpf_version){.seq = from->seq,
                                   .where = from->where,
                                   .open = from->open,
                                   .done = from->done,
                                   .format = from->format,
                                   .flags = from->flags,
                                   .count = from->count,
                                   .exponent = from->exponent,
                                   .next = from->next,
                                   .seen = from->seen,
                                   .added = from->added,
                                   .refused = from->refused,
                                   .first_ns = now_ns,
                                   .seen_n = (uint8_t)__builtin_popcountll(from->seen),
                                   .refused_n = (uint8_t)__builtin_popcountll(from->refused)};
    memcpy(to->lanes, from->lanes, each * from->count);
}

void pxi_slots_save(const struct pxi_slots *s, struct pxi_bpf_job *j,
                    struct pxi_bpf_version *const *v, uint64_t now_ns)
{
    j->open = j->pending = 0;
    for (uint32_t i = 0; i < 2 * s->o.slots; i++) {
        save(&s->versions[i], v[i], now_ns);
        j->open += s->versions[i].open && !s->versions[i].done;
    }
    j->met = s->met;
    j->absent = s->absent;
    j->spread_ns = s->spread_ns;
    j->spread_at_ns = s->spread_at_ns;
}

void pxi_slots_free(struct pxi_slots *s)
{
    if (!s)
        return;
    pxi_free(s->versions);
    pxi_free(s->kept);
    pxi_free(s->told);
    pxi_free_aligned(s->spare);
    pxi_free_aligned(s->sums);
    pxi_free(s);
}

void pxi_slots_members(struct pxi_slots *s, uint16_t epoch, uint64_t members, uint64_t later,
                       unsigned quorum, uint64_t now_ns)
{
    for (uint32_t i = 0; now_ns && i < 2 * s->o.slots; i++)
        s->versions[i].first_ns = now_ns;
    s->o.epoch = epoch;
    s->o.members = members;
    s->o.quorum = quorum;
    s->absent &= members;
    pxi_slots_later(s, later);
}

void pxi_slots_later(struct pxi_slots *s, uint64_t later)
{
    s->absent |= later & s->o.members;
    s->met |= later;
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
    unsigned kind = o->leaves ? PX_GRADIENT_PARTIAL : PX_GRADIENT_CONTRIBUTION;
    *why = h->kind != kind                                          ? PX_GRADIENT_DROP_LAYOUT
           : h->job != o->job || h->shard != o->shard               ? PX_GRADIENT_DROP_JOB
           : h->epoch != o->epoch                                   ? PX_GRADIENT_DROP_EPOCH
           : h->worker >= PX_GRADIENT_WORKERS                       ? PX_GRADIENT_DROP_WORKER
           : !(o->members >> h->worker & 1)                         ? PX_GRADIENT_DROP_WORKER
           : h->format != o->format && h->format != PX_GRADIENT_I32 ? PX_GRADIENT_DROP_LAYOUT
           : h->count > (h->format == PX_GRADIENT_I32 ? pxi_gradient_half(o->values) : o->values)
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

static void answer(const struct px_gradient_head *h, uint8_t *lanes, struct pxi_slots_answer *out)
{
    out->bytes = lanes - PX_GRADIENT_HEAD;
    out->n = PX_GRADIENT_HEAD + pxi_gradient_result_bytes(h->format, h->count);
    pxi_gradient_write(h, out->bytes);
}

/* Everybody who is waited for is in it. */
static bool is_full(const struct pxi_slots *s, const struct version *v)
{
    uint64_t wanted = s->o.members & ~s->absent;
    return (v->seen & wanted) == wanted;
}

/* All members were there once. */
static bool all_met(const struct pxi_slots *s)
{
    return (s->met & s->o.members) == s->o.members;
}

/* Those who are in it, as the quorum counts them. */
static unsigned there(const struct pxi_slots *s, const struct version *v)
{
    return (unsigned)__builtin_popcountll(s->o.leaves ? v->added : v->seen);
}

/* With so many, time counts. A leaf goes up with fewer, too, but only at the longest deadline. */
static unsigned enough(const struct pxi_slots *s)
{
    return s->o.leaf ? (unsigned)__builtin_popcountll(s->o.members) / 2 + 1 : s->o.quorum;
}

/* The deadline follows the slots: twice the longest that a quorum took of late, this one's
 * included. Nobody is given up who has not been there yet. */
static bool is_over(const struct pxi_slots *s, const struct version *v, uint64_t now_ns)
{
    uint64_t deadline = 2 * s->spread_ns + (s->o.slack_ns ? s->o.slack_ns : SLACK_NS);
    if (deadline > s->o.deadline_ns || there(s, v) < enough(s))
        deadline = s->o.deadline_ns;
    return now_ns - v->first_ns >= deadline && all_met(s) && there(s, v) >= s->o.quorum;
}

/* A quorum is there. The last ones do not count: the deadline would follow who is slow. */
static void learn_spread(struct pxi_slots *s, uint64_t spread_ns, uint64_t now_ns)
{
    if (!all_met(s))
        return; /* processes begin when they begin */
    if (now_ns - s->spread_at_ns > FORGET_NS) {
        s->spread_ns /= 2;
        s->spread_at_ns = now_ns;
    }
    s->spread_ns = spread_ns > s->spread_ns ? spread_ns : s->spread_ns;
}

/* The Sentry learns from a sum, and says which exponent comes next. */
static void judged(struct pxi_slots *s, struct version *v)
{
    struct px_gradient_head h = head_of(s, v);
    h.where = v->where;
    pxi_sentry_finish(s->o.sentry, &h, v->lanes, v->added, s->o.members);
    v->next = pxi_sentry_exponent(s->o.sentry, v->seq, v->next);
}

/* Keep a sum for those who are late. */
static void keep_sum(struct pxi_slots *s, const struct version *v)
{
    if (!v->done || v->gone || !v->count || v->where >= s->o.chunks)
        return;
    struct kept *k = &s->kept[v->where];
    if (k->there && k->head.seq == v->seq)
        return;
    *k = (struct kept){true, head_of(s, v)};
    memcpy(s->sums + v->where * s->lane_bytes, v->lanes,
           pxi_gradient_result_bytes(v->format, v->count));
}

/* A result, in the form in which it is sent, goes to all and is kept. */
static enum pxi_slots_to publish(struct pxi_slots *s, struct version *v,
                                 struct pxi_slots_answer *out)
{
    uint64_t missing = s->o.members & ~v->seen;
    struct px_gradient_head h = head_of(s, v);
    v->done = true;
    answer(&h, v->lanes, out);
    /* Who is not in this one may miss the one before, too. */
    if (missing || !s->o.keep_missed)
        keep_sum(s, v);
    if (missing && s->o.keep_missed)
        keep_sum(s, version_of(s, v->seq - s->o.slots));
    return PXI_SLOTS_ALL;
}

/* Of a leaf: what its workers sum to goes up as it is, or, when nobody of it knows the exponent,
 * that it asks for the result. */
static enum pxi_slots_to go_up(struct pxi_slots *s, struct version *v, uint64_t now_ns,
                               struct pxi_slots_answer *out)
{
    struct px_gradient_head h = head_of(s, v);
    h.kind = PX_GRADIENT_PARTIAL;
    h.worker = s->o.number;
    h.where = v->where | v->added >> s->o.first << 32;
    v->above = true;
    v->said_ns = now_ns;
    v->says += v->says < SAYS;
    out->bytes = v->lanes - PX_GRADIENT_HEAD;
    out->n = PX_GRADIENT_HEAD + pxi_gradient_lane_bytes(v->format, v->count);
    pxi_gradient_write(&h, out->bytes);
    return PXI_SLOTS_ABOVE;
}

/* A worker of a leaf waits for what the leaf waits for. */
static enum pxi_slots_to ask_above(struct pxi_slots *s, struct version *v, uint64_t now_ns,
                                   struct pxi_slots_answer *out)
{
    bool due = now_ns - v->said_ns >= AGAIN_NS << (v->says - 1);
    return due ? go_up(s, v, now_ns, out) : PXI_SLOTS_NOBODY;
}

/* The sum is there: bring it into the form in which it is sent. */
static enum pxi_slots_to finish(struct pxi_slots *s, struct version *v, uint64_t now_ns,
                                struct pxi_slots_answer *out)
{
    uint64_t missing = s->o.members & ~v->seen;
    unsigned added = (unsigned)__builtin_popcountll(v->added);
    if (s->o.sentry)
        judged(s, v);
    s->counts.finished++;
    s->counts.closed += missing || (s->o.leaves && added < s->o.fan_in);
    s->absent |= missing;
    if (s->o.leaf)
        return go_up(s, v, now_ns, out);
    if (v->format == PX_GRADIENT_I8 || v->format == PX_GRADIENT_I4)
        s->o.kernels->grad_fold(v->lanes, (uint16_t *)(void *)v->lanes, v->count,
                                pxi_gradient_shift(v->format, s->o.fan_in));
    return publish(s, v, out);
}

/* A result that the one above has no more. */
static void answer_gone(const struct pxi_slots *s, struct version *v, struct pxi_slots_answer *out)
{
    struct px_gradient_head h = head_of(s, v);
    h.kind = PX_GRADIENT_LATE;
    h.count = 0;
    h.where = v->seq;
    answer(&h, v->lanes, out);
}

/* Of a slot that has gone on: its sum from what is kept of the chunk, or that it is late. */
static enum pxi_slots_to answer_late(struct pxi_slots *s, const struct px_gradient_head *h,
                                     struct pxi_slots_answer *out)
{
    const struct kept *k = h->where < s->o.chunks ? &s->kept[h->where] : NULL;
    struct px_gradient_head head;
    uint8_t *lanes = s->spare + s->spares++ % SPARES * pxi_slots_stride(s->o.values) + LANES;
    s->counts.again++;
    if (k && k->there && k->head.seq == h->seq) {
        head = k->head;
        head.epoch = s->o.epoch;
        memcpy(lanes, s->sums + h->where * s->lane_bytes,
               pxi_gradient_result_bytes(head.format, head.count));
    } else {
        head = head_of(s, version_of(s, h->seq));
        head.kind = PX_GRADIENT_LATE;
        head.count = 0;
        head.where = head.seq;
        head.seq = h->seq;
    }
    answer(&head, lanes, out);
    return PXI_SLOTS_SENDER;
}

/* Members may read the sum that lies here, in memory that they share: its head goes first, so that
 * they see that it changes. */
static void invalidate(uint8_t *lanes)
{
    memset(lanes - PX_GRADIENT_HEAD, 0, PX_GRADIENT_HEAD);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static void begin(struct pxi_slots *s, struct version *v, const struct px_gradient_head *h,
                  uint64_t now_ns)
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
    invalidate(lanes);
    if (s->o.sentry || h->format == PX_GRADIENT_I8 || h->format == PX_GRADIENT_I4)
        memset(lanes, 0, (h->format == PX_GRADIENT_I32 ? 4u : 2u) * (size_t)h->count);
    if (s->o.sentry)
        pxi_sentry_begin(s->o.sentry, h);
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
    return before->done && !before->gone && before->seq == h->seq - s->o.slots &&
           before->next == h->exponent;
}

/* Nobody of a leaf can know it. */
static bool exponent_lost(const struct pxi_slots *s, const struct px_gradient_head *h)
{
    const struct version *before = version_of(s, h->seq - s->o.slots);
    return before->gone && before->seq == h->seq - s->o.slots;
}

/* Add values as they are, or as the Sentry lets them pass; false: it does not. Under a Sentry no
 * chunk goes wide: what a worker clamped itself is in its residual. */
static bool add_values(struct pxi_slots *s, struct version *v, const struct px_gradient_head *h,
                       px_view values)
{
    const void *lanes;
    if (!s->o.sentry) {
        v->flags |= h->flags & PX_GRADIENT_SATURATED;
        bool small = h->format == PX_GRADIENT_I8 || h->format == PX_GRADIENT_I4;
        unsigned format = small && s->o.leaves ? PX_GRADIENT_I16 : h->format;
        if (h->count && !v->seen && (format == PX_GRADIENT_I16 || format == PX_GRADIENT_I32))
            memcpy(v->lanes, values.p, values.n); /* the first: there is nothing yet */
        else if (h->count)
            s->o.kernels->grad_add[format](v->lanes, values.p, h->count);
        return true;
    }
    pxi_sentry_said(s->o.sentry, h);
    if (!h->count)
        return true;
    enum px_sentry_verdict verdict = pxi_sentry_judge(s->o.sentry, h, values, &lanes);
    v->flags |= verdict == PX_SENTRY_ACCEPT ? 0 : PX_GRADIENT_CLIPPED;
    if (verdict == PX_SENTRY_DROP)
        return false;
    s->counts.clipped += verdict == PX_SENTRY_CLIP;
    s->o.kernels->grad_add[PX_GRADIENT_I16](v->lanes, lanes, h->count);
    return true;
}

static enum pxi_slots_to add(struct pxi_slots *s, struct version *v,
                             const struct px_gradient_head *h, px_view values, uint64_t now_ns,
                             struct pxi_slots_answer *out)
{
    uint64_t bit = UINT64_C(1) << h->worker;
    unsigned before = there(s, v);
    bool passes = add_values(s, v, h, values);
    s->met |= bit;
    s->absent &= ~bit;
    v->seen |= bit;
    v->added |= passes ? s->who : 0;
    v->refused &= ~bit;
    v->next = h->next > v->next ? h->next : v->next;
    s->counts.added += passes;
    s->counts.drops[PX_GRADIENT_DROP_SENTRY] += !passes;
    if (before < enough(s) && there(s, v) >= enough(s))
        learn_spread(s, now_ns - v->first_ns, now_ns);
    return is_full(s, v) || is_over(s, v, now_ns) ? finish(s, v, now_ns, out) : PXI_SLOTS_NOBODY;
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
        struct px_gradient_head now = head_of(s, v);
        if (v->gone)
            answer_gone(s, v, out);
        else
            answer(&now, v->lanes, out);
        return PXI_SLOTS_SENDER;
    }
    if (v->above) {
        s->counts.drops[v->seen & bit ? PX_GRADIENT_DROP_DUPLICATE : PX_GRADIENT_DROP_LATE]++;
        return ask_above(s, v, now_ns, out);
    }
    if (v->open && (v->seen & bit)) {
        s->counts.drops[PX_GRADIENT_DROP_DUPLICATE]++;
        return is_full(s, v) || is_over(s, v, now_ns) ? finish(s, v, now_ns, out)
                                                      : PXI_SLOTS_NOBODY;
    }
    if (asks(h) && exponent_lost(s, h)) {
        begin(s, v, h, now_ns);
        return go_up(s, v, now_ns, out);
    }
    if (asks(h))
        return v->open && is_over(s, v, now_ns) ? finish(s, v, now_ns, out) : PXI_SLOTS_NOBODY;
    if (!exponent_fits(s, h))
        return dropped(s, PX_GRADIENT_DROP_EXPONENT);
    if (!v->open)
        begin(s, v, h, now_ns);
    if (!agrees(v, h)) {
        if (!outvotes(s, v, h))
            return dropped(s, PX_GRADIENT_DROP_SLOT);
        begin(s, v, h, now_ns);
    }
    return add(s, v, h, values, now_ns, out);
}

/* ----------------------------------------------------------- taking it over */

bool pxi_slots_ready(const struct pxi_slots *s)
{
    return !s->o.takes_over;
}

/* The latest result that anybody has of a place; behind it, the place goes on. */
static void adopt(struct pxi_slots *s, const struct px_gradient_head *h, px_view values)
{
    struct version *v = version_of(s, h->seq), *other = version_of(s, h->seq - s->o.slots);
    uint8_t *lanes = v->lanes;
    *v = (struct version){.seq = h->seq,
                          .where = UINT32_MAX,
                          .open = true,
                          .done = true,
                          .format = h->format,
                          .flags = h->flags & (uint8_t)~PX_GRADIENT_AGAIN,
                          .count = h->count,
                          .exponent = h->exponent,
                          .next = h->next,
                          .seen = h->where,
                          .added = h->where,
                          .lanes = lanes};
    memcpy(lanes, values.p, values.n);
    lanes = other->lanes;
    *other = (struct version){.seq = h->seq - s->o.slots, .done = true, .lanes = lanes};
}

void pxi_slots_echo(struct pxi_slots *s, const struct px_gradient_head *h, px_view values)
{
    const struct pxi_slots_options *o = &s->o;
    if (!o->takes_over || h->job != o->job || h->shard != o->shard || h->epoch != o->epoch ||
        h->worker >= PX_GRADIENT_WORKERS || h->slot != (h->seq & (o->slots - 1)) ||
        values.n > s->lane_bytes || (s->told[h->slot] >> h->worker & 1))
        return;
    const struct version *a = version_of(s, h->seq), *b = version_of(s, h->seq - o->slots);
    uint32_t best = a->done && (!b->done || (int32_t)(a->seq - b->seq) > 0) ? a->seq : b->seq;
    bool none = !s->told[h->slot];
    int32_t ahead = (int32_t)(h->seq - best);
    if (none || ahead > 0 || (ahead == 0 && h->where && !version_of(s, best)->added))
        adopt(s, h, values);
    s->told[h->slot] |= UINT64_C(1) << h->worker;
    s->places_told += (s->told[h->slot] & o->takes_over) == o->takes_over;
    if (s->places_told < o->slots)
        return;
    s->o.takes_over = 0;
    pxi_free(s->told);
    s->told = NULL;
}

/* Of a leaf's packet: its workers, apart from the chunk. False: it cannot be. */
static bool split(struct pxi_slots *s, struct px_gradient_head *h, px_view lanes,
                  enum px_gradient_drop *why)
{
    unsigned first = s->firsts[h->worker], n = s->firsts[h->worker + 1] - first;
    uint64_t who = h->where >> 32;
    h->where &= UINT32_MAX;
    *why = PX_GRADIENT_DROP_WORKER;
    if (who >> n || (!who && !asks(h)))
        return false;
    s->who = who << first;
    *why = PX_GRADIENT_DROP_VALUE;
    return pxi_gradient_lanes_bounded(h->format, s->o.fan_in, (unsigned)__builtin_popcountll(who),
                                      lanes);
}

enum pxi_slots_to pxi_slots_take(struct pxi_slots *s, const struct px_gradient_head *said,
                                 px_view values, uint64_t now_ns, struct pxi_slots_answer *out)
{
    const struct px_gradient_head *h = said;
    struct px_gradient_head own;
    enum px_gradient_drop why;
    s->counts.packets++;
    if (!fits(s, h, &why))
        return dropped(s, why);
    if (s->o.takes_over)
        return dropped(s, PX_GRADIENT_DROP_SLOT);
    s->who = UINT64_C(1) << h->worker;
    /* A Sentry counts such a worker as one that arrived. */
    if (!s->o.sentry && !s->o.leaves && !pxi_gradient_bounded(h->format, s->o.fan_in, values))
        return dropped(s, PX_GRADIENT_DROP_VALUE);
    if (s->o.leaves) {
        own = *said;
        h = &own;
        if (!split(s, &own, values, &why))
            return dropped(s, why);
    }
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
        if (asks(h) && !exponent_lost(s, h))
            return PXI_SLOTS_NOBODY;
        if (!exponent_fits(s, h))
            return dropped(s, PX_GRADIENT_DROP_EXPONENT);
        begin(s, v, h, now_ns);
    }
    return take_current(s, v, h, values, now_ns, out);
}

/* ----------------------------------------------------------- the one above */

/* What it answers is of what we said, or of a sum that none of ours is in. */
static bool is_answer(const struct pxi_slots *s, const struct version *v,
                      const struct px_gradient_head *h)
{
    const struct pxi_slots_options *o = &s->o;
    if (!o->leaf || !v->above || v->done || v->seq != h->seq || h->job != o->job ||
        h->shard != o->shard || h->epoch != o->epoch || h->slot != (h->seq & (o->slots - 1)))
        return false;
    if (h->kind == PX_GRADIENT_LATE)
        return true;
    bool same = h->format == v->format && h->count == v->count && h->exponent == v->exponent;
    return h->kind == PX_GRADIENT_RESULT &&
           h->count <= (h->format == PX_GRADIENT_I32 ? pxi_gradient_half(o->values) : o->values) &&
           (h->format == o->format || h->format == PX_GRADIENT_I32) &&
           (same || !(h->where & o->members));
}

enum pxi_slots_to pxi_slots_above(struct pxi_slots *s, const struct px_gradient_head *h,
                                  px_view values, struct pxi_slots_answer *out)
{
    struct version *v = version_of(s, h->seq);
    if (!is_answer(s, v, h))
        return PXI_SLOTS_NOBODY;
    invalidate(v->lanes);
    if (h->kind == PX_GRADIENT_LATE) {
        v->done = v->gone = true;
        answer_gone(s, v, out);
        return PXI_SLOTS_ALL;
    }
    v->format = h->format;
    v->flags = h->flags;
    v->count = h->count;
    v->exponent = h->exponent;
    v->next = h->next;
    v->added = h->where;
    if (values.n)
        memcpy(v->lanes, values.p, values.n);
    return publish(s, v, out);
}
