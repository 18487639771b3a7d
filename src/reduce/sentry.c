#include "reduce/sentry.h"

#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "reduce/vectors.h"

struct pxi_sentry {
    struct pxi_sentry_options o;
    unsigned bits;
    uint32_t bias;
    size_t words;                   /* of four lanes, a chunk */
    struct px_sentry_slot *slots;   /* a version each */
    uint64_t *refs;                 /* the reference of each version */
    struct px_sentry_chunk *chunks; /* clip1 */
    uint64_t *centres;              /* clip1: the last aggregate of each chunk */
    struct px_sentry_cell *cells;   /* welford: PX_SENTRY_CELLS a worker */
    struct px_sentry_level levels[PX_SENTRY_CELLS];
    struct px_sentry_worker workers[PX_GRADIENT_WORKERS];
    uint64_t *lanes;             /* of the packet that is judged */
    struct pxi_vectors *vectors; /* of a robust rule */
};

static bool sane(const struct pxi_sentry_options *o)
{
    bool packets = o->rule == PX_SENTRY_WELFORD || o->rule == PX_SENTRY_CLIP1;
    bool vectors = o->rule == PX_SENTRY_NONE && o->robust && !o->robust->needs_root;
    return (packets || vectors) && o->k <= PX_SENTRY_K_MAX && o->format < PX_GRADIENT_I32 &&
           o->fan_in >= PX_SENTRY_FAN_IN && o->fan_in <= PX_GRADIENT_WORKERS && o->values &&
           o->values % 16 == 0 && o->values <= PXI_GRADIENT_VALUES && o->slots &&
           o->slots <= PXI_LIMIT_REDUCE_SLOTS && (o->slots & (o->slots - 1)) == 0 && o->chunks &&
           o->chunks <= PXI_LIMIT_REDUCE_CHUNKS;
}

static bool make_vectors(struct pxi_sentry *s)
{
    struct pxi_vectors_options v = {.rule = s->o.robust,
                                    .liars = s->o.liars,
                                    .format = s->o.format,
                                    .fan_in = s->o.fan_in,
                                    .values = s->o.values,
                                    .slots = s->o.slots,
                                    .chunks = s->o.chunks};
    return (s->vectors = pxi_vectors_new(&v)) != NULL;
}

struct pxi_sentry *pxi_sentry_new(const struct pxi_sentry_options *o)
{
    struct pxi_sentry *s = sane(o) ? pxi_calloc(1, sizeof *s) : NULL;
    if (!s)
        return NULL;
    bool clips = o->rule == PX_SENTRY_CLIP1, ok;
    s->o = *o;
    if (!s->o.k)
        s->o.k = clips ? PX_SENTRY_K_CLIP1 : PX_SENTRY_K_WELFORD;
    s->bits = pxi_gradient_bits(o->format, o->fan_in);
    s->bias = pxi_gradient_bias(o->format, o->fan_in);
    s->words = o->values / 4u;
    s->slots = pxi_calloc(2 * (size_t)o->slots, sizeof *s->slots);
    s->lanes = pxi_calloc(s->words, sizeof *s->lanes);
    ok = s->slots && s->lanes;
    if (o->rule == PX_SENTRY_NONE) {
        ok = ok && make_vectors(s);
    } else if (clips) {
        s->refs = pxi_calloc(2 * (size_t)o->slots, s->words * sizeof *s->refs);
        s->chunks = pxi_calloc(o->chunks, sizeof *s->chunks);
        s->centres = pxi_calloc(o->chunks, s->words * sizeof *s->centres);
        ok = ok && s->refs && s->chunks && s->centres;
    } else {
        s->cells = pxi_calloc((size_t)PX_GRADIENT_WORKERS * PX_SENTRY_CELLS, sizeof *s->cells);
        ok = ok && s->cells;
    }
    if (ok)
        return s;
    pxi_sentry_free(s);
    return NULL;
}

void pxi_sentry_free(struct pxi_sentry *s)
{
    if (!s)
        return;
    pxi_free(s->slots);
    pxi_free(s->lanes);
    pxi_free(s->refs);
    pxi_free(s->chunks);
    pxi_free(s->centres);
    pxi_free(s->cells);
    pxi_vectors_free(s->vectors);
    pxi_free(s);
}

const struct px_sentry_worker *pxi_sentry_worker(const struct pxi_sentry *s, unsigned worker)
{
    return &s->workers[worker];
}

void pxi_sentry_pardon(struct pxi_sentry *s, unsigned worker)
{
    s->workers[worker].score = s->workers[worker].quarantined = 0;
    if (s->cells)
        memset(s->cells + (size_t)worker * PX_SENTRY_CELLS, 0, PX_SENTRY_CELLS * sizeof *s->cells);
}

/* ------------------------------------------------------------------ slots */

static size_t place_of(const struct pxi_sentry *s, uint32_t seq)
{
    return seq & (2 * s->o.slots - 1);
}

/* Has it values of a chunk that is remembered? Others have nothing to be judged by. */
static bool is_known(const struct pxi_sentry *s, const struct px_gradient_head *h)
{
    return h->count && h->where < s->o.chunks && h->format == s->o.format &&
           h->exponent != PX_GRADIENT_ZERO;
}

void pxi_sentry_begin(struct pxi_sentry *s, const struct px_gradient_head *h)
{
    size_t place = place_of(s, h->seq);
    px_sentry_clear(&s->slots[place]);
    if (!is_known(s, h) || !s->chunks)
        return;
    const struct px_sentry_chunk *c = &s->chunks[h->where];
    const uint64_t *centre = s->centres + h->where * s->words;
    uint64_t *ref = s->refs + place * s->words;
    int by = px_sentry_moves(c, h->exponent);
    px_sentry_begin(&s->slots[place], c, h->exponent, s->bits);
    for (size_t i = 0; i < h->count / 4u; i++)
        ref[i] = px_sentry_reference(centre[i], s->bias, by);
}

void pxi_sentry_said(struct pxi_sentry *s, const struct px_gradient_head *h)
{
    if (!s->workers[h->worker].quarantined)
        px_sentry_say(&s->slots[place_of(s, h->seq)], h->worker, h->next);
}

int8_t pxi_sentry_exponent(const struct pxi_sentry *s, uint32_t seq, int8_t most)
{
    const struct px_sentry_slot *v = &s->slots[place_of(s, seq)];
    if (!v->said)
        return most;
    return (int8_t)px_sentry_exponent(v->next, (uint64_t)__builtin_popcountll(v->said));
}

/* The values of a packet as 16-bit lanes; false: one is not in the range of the format. */
static bool widen(struct pxi_sentry *s, unsigned format, unsigned count, const uint8_t *p)
{
    uint64_t outside = 0;
    uint16_t *lanes = (uint16_t *)(void *)s->lanes;
    if (format == PX_GRADIENT_I16)
        memcpy(lanes, p, 2 * (size_t)count);
    for (unsigned i = 0; format == PX_GRADIENT_I8 && i < count; i++)
        lanes[i] = p[i];
    for (unsigned i = 0; format == PX_GRADIENT_I4 && i < count; i++)
        lanes[i] = p[i / 2] >> (4 * (i & 1)) & 15;
    for (unsigned i = 0; i < count / 4; i++)
        outside |= px_sentry_outside(s->lanes[i], s->bias);
    return !outside;
}

/* ------------------------------------------------------------------ rules */

/* Each value within the last aggregate +- k x scale. */
static enum px_sentry_verdict clip1(struct pxi_sentry *s, const struct px_gradient_head *h)
{
    size_t place = place_of(s, h->seq);
    struct px_sentry_slot *v = &s->slots[place];
    const uint64_t *ref = s->refs + place * s->words;
    uint64_t reach = px_sentry_reach(v, s->o.k), far = 0, changed = 0;
    for (unsigned i = 0; i < h->count / 4u; i++) {
        uint64_t is = s->lanes[i], clamped = px_sentry_clamp(is, ref[i], reach);
        far += px_sentry_far(is, ref[i]);
        changed |= is ^ clamped;
        s->lanes[i] = clamped;
    }
    px_sentry_note(v, UINT64_C(1) << h->worker, far, h->count, s->o.k);
    return changed ? PX_SENTRY_CLIP : PX_SENTRY_ACCEPT;
}

/* Norm and mean of the packet within k deviations of the worker's own past. */
static enum px_sentry_verdict welford(struct pxi_sentry *s, const struct px_gradient_head *h)
{
    unsigned at = (unsigned)(h->where * PX_SENTRY_CELLS / s->o.chunks), by;
    struct px_sentry_cell *c = &s->cells[h->worker * PX_SENTRY_CELLS + at];
    struct px_sentry_packet p = {0};
    for (unsigned i = 0; i < h->count / 4u; i++)
        px_sentry_sum(&p, s->lanes[i], s->bias);
    px_sentry_measure(&p, h->count, s->bias, h->exponent);
    px_sentry_level(&s->levels[at], h->exponent, s->bits);
    enum px_sentry_place is = px_sentry_judge(c, &s->levels[at], &p, s->o.k);
    if (is != PX_SENTRY_EARLY)
        px_sentry_count(&s->workers[h->worker], is);
    if (is == PX_SENTRY_WITHIN)
        return PX_SENTRY_ACCEPT;
    by = s->o.clip ? px_sentry_shift(c, &p) : 0;
    if (!by)
        return PX_SENTRY_DROP;
    for (unsigned i = 0; i < h->count / 4u; i++)
        s->lanes[i] = px_sentry_down(s->lanes[i], s->bias, by);
    return PX_SENTRY_CLIP;
}

/* For a robust rule, which judges when all have come. */
static enum px_sentry_verdict keep(struct pxi_sentry *s, const struct px_gradient_head *h)
{
    if (!pxi_vectors_keep(s->vectors, h, (const uint16_t *)(const void *)s->lanes))
        return PX_SENTRY_DROP;
    s->slots[place_of(s, h->seq)].judged |= UINT64_C(1) << h->worker;
    return PX_SENTRY_ACCEPT;
}

enum px_sentry_verdict pxi_sentry_judge(struct pxi_sentry *s, const struct px_gradient_head *h,
                                        px_view values, const void **lanes)
{
    struct px_sentry_worker *w = &s->workers[h->worker];
    enum px_sentry_verdict verdict = PX_SENTRY_DROP;
    w->judged++;
    if (h->format != s->o.format) {
        w->dropped++;
        return PX_SENTRY_DROP;
    }
    if (h->exponent == PX_GRADIENT_ZERO && h->where < s->o.chunks)
        verdict = PX_SENTRY_ACCEPT; /* of values that are all 0 nobody sends others */
    if (!widen(s, h->format, h->count, values.p)) {
        px_sentry_count(w, 1);
        verdict = PX_SENTRY_DROP;
    } else if (is_known(s, h)) {
        verdict = s->vectors ? keep(s, h) : s->chunks ? clip1(s, h) : welford(s, h);
    }
    if (w->quarantined)
        verdict = PX_SENTRY_DROP;
    w->clipped += verdict == PX_SENTRY_CLIP;
    w->dropped += verdict == PX_SENTRY_DROP;
    *lanes = s->lanes;
    return verdict;
}

/* Verdicts fall when the slot is done: what is loud depends on how many are. */
static void count_verdicts(struct pxi_sentry *s, const struct px_sentry_slot *v, uint64_t added)
{
    unsigned judged = (unsigned)__builtin_popcountll(v->judged & added);
    unsigned loud = (unsigned)__builtin_popcountll(v->loud & added);
    if (!v->warm || !px_sentry_stands(loud, judged))
        return;
    for (unsigned i = 0; i < PX_GRADIENT_WORKERS; i++)
        if (v->judged >> i & 1)
            px_sentry_count(&s->workers[i], (int)(v->loud >> i & 1));
}

void pxi_sentry_finish(struct pxi_sentry *s, const struct px_gradient_head *h, void *lanes,
                       uint64_t added, uint64_t members)
{
    const struct px_sentry_slot *v = &s->slots[place_of(s, h->seq)];
    if (s->vectors && is_known(s, h))
        pxi_vectors_finish(s->vectors, h, v->judged & added, lanes);
    unsigned judged = (unsigned)__builtin_popcountll(v->judged & added);
    unsigned over = (unsigned)__builtin_popcountll(v->over & added);
    if (!s->chunks || !is_known(s, h) ||
        judged < px_sentry_enough((unsigned)__builtin_popcountll(members)))
        return;
    uint64_t *centre = s->centres + h->where * s->words;
    uint64_t share = px_sentry_share(judged);
    const uint64_t *sums = lanes;
    for (unsigned i = 0; i < h->count / 4u; i++)
        centre[i] = px_sentry_mean(sums[i], share);
    px_sentry_learn(&s->chunks[h->where], v, judged, over, h->exponent, s->bits);
    count_verdicts(s, v, added);
}
