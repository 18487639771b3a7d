#include "reduce/rank.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/math.h"
#include "base/mem.h"

enum {
    LEAST_EXPONENT = -90,
    UNKNOWN = -127, /* the place of an exponent that was agreed on without us */
    NOT_FINITE = PXI_GRADIENT_NOT_FINITE,
    PATIENCE = 4,    /* tries before the time between them doubles, */
    BACKOFF_MAX = 4, /* and how often it does */
    REORDER = 24,    /* sums that may pass another before it counts as lost */
};

/* A packet on its way: the place of its sequence in the window. */
struct flight {
    bool waits;
    bool owed; /* its values are in the residual again */
    uint8_t tries;
    uint32_t seq, step; /* step: of the pass */
    uint32_t bytes;
    uint64_t sent_ns, due_ns;
};

/* The last result of a place, for who takes the shard over: its values are in the frame of the
 * place when it was one of the last of its pass, else still in x. What is rounded to bf16 is put
 * aside. */
struct last {
    struct px_gradient_head head; /* where 0: there is none */
    uint32_t step;
    bool aside;
};

/* What a step of a pass carries: values [first, first + count) of the operation. */
struct piece {
    size_t first, count; /* count 0: nothing, beyond the end */
    uint32_t where;
};

/*
 * A pass over chunks: `slots` steps of exponents alone, then a step a chunk. The second pass of an
 * operation, if there is one, goes over the chunks that saturated, in halves, with 32 bits.
 */
struct pass {
    bool wide;
    uint32_t first_seq, chunks;
};

struct pxi_rank {
    struct pxi_rank_options o;
    struct pxi_rank_counts counts;
    struct pxi_rank_op op;
    struct pass pass;
    struct flight *flights;
    struct last *lasts;
    bool keeps;          /* lasts are kept */
    uint8_t *aside;      /* `slots` results, `stride` bytes apart, once there was an operation of
                          * bf16 */
    int8_t *agreed;      /* exponent of the chunk whose turn it is in a place, from its result */
    int8_t *own;         /* what we said of it */
    uint32_t *saturated; /* chunks to go once more */
    uint32_t saturated_n, saturated_max;
    uint32_t seq, end; /* to be sent next; behind the last of the pass */
    uint32_t scanned;  /* no packet before it is missed for the first time */
    uint32_t open;     /* steps of the pass without an answer */
    uint32_t salt;     /* of the rounding */
    unsigned least;
    uint64_t everywhere; /* workers that are in every sum, but for those that a Sentry judged */
    uint32_t lost;       /* chunks whose sum nobody keeps */
    uint32_t not_finite;
    bool runs;
    uint64_t heard_ns;
    uint64_t rtt_ns;
    uint64_t next_due_ns; /* nothing is due before */
    float *tail;          /* a chunk that is not full, with zeros; or one of bf16 */
};

static bool sane(const struct pxi_rank_options *o)
{
    return o->worker < PX_GRADIENT_WORKERS && o->fan_in >= 1 && o->fan_in <= PX_GRADIENT_WORKERS &&
           o->slots && o->slots <= PXI_LIMIT_REDUCE_SLOTS && (o->slots & (o->slots - 1)) == 0 &&
           o->base % (2 * o->slots) == 0 && o->values && o->values % PXI_GRADIENT_STEP == 0 &&
           o->values <= PXI_GRADIENT_VALUES && o->format < PX_GRADIENT_I32 &&
           o->stride >= PX_GRADIENT_HEAD + pxi_gradient_most(o->values) && o->rto_min_ns;
}

struct pxi_rank *pxi_rank_new(const struct pxi_rank_options *o)
{
    struct pxi_rank *w = sane(o) ? pxi_calloc(1, sizeof *w) : NULL;
    if (!w)
        return NULL;
    w->o = *o;
    w->seq = w->end = o->base;
    w->flights = pxi_calloc(o->slots, sizeof *w->flights);
    w->lasts = pxi_calloc(o->slots, sizeof *w->lasts);
    w->agreed = pxi_calloc(o->slots, 1);
    w->own = pxi_calloc(o->slots, 1);
    w->tail = pxi_calloc(2 * (size_t)o->values, sizeof *w->tail);
    if (w->flights && w->lasts && w->agreed && w->own && w->tail)
        return w;
    pxi_rank_free(w);
    return NULL;
}

void pxi_rank_free(struct pxi_rank *w)
{
    if (!w)
        return;
    pxi_free(w->flights);
    pxi_free(w->lasts);
    pxi_free(w->agreed);
    pxi_free(w->own);
    pxi_free(w->saturated);
    pxi_free(w->aside);
    pxi_free(w->tail);
    pxi_free(w);
}

bool pxi_rank_done(const struct pxi_rank *w)
{
    return !w->runs;
}

unsigned pxi_rank_least(const struct pxi_rank *w)
{
    return w->least;
}

uint64_t pxi_rank_everywhere(const struct pxi_rank *w)
{
    return w->everywhere;
}

uint32_t pxi_rank_lost(const struct pxi_rank *w)
{
    return w->lost;
}

uint32_t pxi_rank_not_finite(const struct pxi_rank *w)
{
    return w->not_finite;
}

void pxi_rank_keep(struct pxi_rank *w, bool keep)
{
    w->keeps = keep;
}

uint32_t pxi_rank_next(const struct pxi_rank *w)
{
    return w->seq;
}

uint32_t pxi_rank_used(const struct pxi_rank *w)
{
    return w->end - w->o.base;
}

const struct pxi_rank_counts *pxi_rank_counts(const struct pxi_rank *w)
{
    return &w->counts;
}

/* ------------------------------------------------------------- the chunks */

static uint32_t chunks_of(const struct pxi_rank *w, size_t n)
{
    return (uint32_t)((n + w->o.values - 1) / w->o.values);
}

static unsigned format_of(const struct pxi_rank *w)
{
    return w->pass.wide ? PX_GRADIENT_I32 : w->o.format;
}

/* The piece of a chunk of the pass. */
static struct piece piece_of(const struct pxi_rank *w, uint32_t chunk)
{
    struct piece p = {0};
    size_t values = w->o.values, first = (size_t)chunk * values;
    if (chunk >= w->pass.chunks)
        return p;
    if (w->pass.wide) {
        size_t half = pxi_gradient_half(values);
        first = (size_t)w->saturated[chunk / 2] * values + chunk % 2 * half;
        values = chunk % 2 ? values - half : half;
    }
    p.first = first;
    p.count = first < w->op.n ? pxi_min(values, w->op.n - first) : 0;
    p.where = w->pass.wide ? UINT32_MAX : w->op.where + chunk;
    return p;
}

static size_t padded(size_t count)
{
    return (count + PXI_GRADIENT_STEP - 1) & ~(size_t)(PXI_GRADIENT_STEP - 1);
}

/* Residual of a piece: where it lies, or a copy with zeros behind it. */
static float *residual_of(struct pxi_rank *w, struct piece p)
{
    float *r = w->op.residual ? w->op.residual + p.first : NULL, *tail = w->tail + w->o.values;
    if (!r || p.count % PXI_GRADIENT_STEP == 0)
        return r;
    memset(tail, 0, w->o.values * sizeof *tail);
    return memcpy(tail, r, p.count * sizeof *r);
}

/* x and residual of a piece: where they lie, or copies with zeros behind them. */
static float *values_of(struct pxi_rank *w, struct piece p, float **residual)
{
    bool full = p.count % PXI_GRADIENT_STEP == 0;
    *residual = residual_of(w, p);
    if (full && !w->op.bf16)
        return (float *)w->op.x + p.first;
    if (!full)
        memset(w->tail, 0, w->o.values * sizeof *w->tail);
    if (w->op.bf16)
        w->o.kernels->bf16_to_f32(w->tail, (const uint16_t *)w->op.x + p.first, p.count);
    else
        memcpy(w->tail, (const float *)w->op.x + p.first, p.count * sizeof(float));
    return w->tail;
}

/* What was changed, to where it belongs. */
static void put_residual(struct pxi_rank *w, struct piece p, const float *r)
{
    if (r && r != w->op.residual + p.first)
        memcpy(w->op.residual + p.first, r, p.count * sizeof *r);
}

static void put_values(struct pxi_rank *w, struct piece p, const float *x)
{
    if (w->op.bf16)
        w->o.kernels->f32_to_bf16((uint16_t *)w->op.x + p.first, x, p.count);
    else if (x == w->tail)
        memcpy((float *)w->op.x + p.first, x, p.count * sizeof *x);
}

/* Where a sum is unpacked to, before put_values. */
static float *room_for(struct pxi_rank *w, struct piece p)
{
    bool straight = p.count % PXI_GRADIENT_STEP == 0 && !w->op.bf16;
    return straight ? (float *)w->op.x + p.first : w->tail;
}

/* The exponent of a piece, from the bits of its largest value: it is below 2^exponent. */
static int exponent_of(struct pxi_rank *w, struct piece p)
{
    float *r, *x;
    if (!p.count)
        return PX_GRADIENT_ZERO;
    x = values_of(w, p, &r);
    int e = (int)(w->o.kernels->grad_max(x, r, padded(p.count)) >> 23) - 126;
    return e < LEAST_EXPONENT ? PX_GRADIENT_ZERO : e > NOT_FINITE ? NOT_FINITE : e;
}

/* 2^n of a normal float: n from -126 to 127. */
static float two_to(int n)
{
    uint32_t bits = (uint32_t)(n + 127) << 23;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* The fixed point of an exponent; contributors 0: a worker's own value. */
static struct pxi_grad fixed(const struct pxi_rank *w, unsigned format, int exponent,
                             unsigned contributors)
{
    int bits = (int)pxi_gradient_bits(format, w->o.fan_in);
    uint32_t bias = pxi_gradient_bias(format, w->o.fan_in);
    struct pxi_grad g = {.bias = bias, .zero = bias * contributors, .top = two_to(bits)};
    /* Below that only liars are, and 2^-exponent would be infinite: all is 0. */
    if (exponent >= LEAST_EXPONENT) {
        g.scale = two_to(bits - exponent);
        g.unscale = two_to(exponent - bits);
    }
    if (contributors) {
        g.shift = pxi_gradient_shift(format, w->o.fan_in);
        if (w->op.mean)
            g.unscale /= (float)contributors;
    }
    return g;
}

/* ------------------------------------------------------------- operations */

static px_err start_pass(struct pxi_rank *w, bool wide, uint32_t chunks)
{
    w->scanned = w->seq;
    w->pass = (struct pass){.wide = wide, .first_seq = w->seq, .chunks = chunks};
    w->end = w->seq + w->o.slots + chunks;
    w->open = w->o.slots + chunks;
    w->next_due_ns = UINT64_MAX;
    return PX_ERR_OK;
}

/* Room for what is known of each chunk. */
static bool make_room(struct pxi_rank *w, uint32_t chunks)
{
    if (chunks <= w->saturated_max)
        return true;
    uint32_t *saturated = pxi_realloc(w->saturated, chunks, sizeof *saturated);
    w->saturated = saturated ? saturated : w->saturated;
    if (saturated)
        w->saturated_max = chunks;
    return saturated != NULL;
}

px_err pxi_rank_begin(struct pxi_rank *w, const struct pxi_rank_op *op)
{
    uint32_t chunks = chunks_of(w, op->n);
    if (w->runs || op->n / w->o.values >= PXI_LIMIT_REDUCE_CHUNKS)
        return PX_ERR_INVALID;
    w->op = *op;
    if (op->bf16 && !w->aside)
        w->aside = pxi_calloc(w->o.slots, w->o.stride);
    if (!make_room(w, chunks) || (op->bf16 && !w->aside))
        return PX_ERR_NOMEM;
    w->saturated_n = 0;
    w->least = PX_GRADIENT_WORKERS;
    w->everywhere = UINT64_MAX;
    w->lost = w->not_finite = 0;
    w->salt = (w->seq + w->o.worker * 0x632be5abu) * 0x9e3779b9u;
    w->runs = true;
    return start_pass(w, false, chunks);
}

void pxi_rank_abort(struct pxi_rank *w)
{
    w->runs = false;
    w->next_due_ns = UINT64_MAX;
    for (uint32_t i = 0; i < w->o.slots; i++)
        w->flights[i].waits = false;
}

void pxi_rank_seek(struct pxi_rank *w, uint32_t seq)
{
    memset(w->lasts, 0, w->o.slots * sizeof *w->lasts);
    for (uint32_t i = 0; i < w->o.slots; i++)
        w->flights[i].waits = false;
    w->seq = w->scanned = w->end = seq;
    w->next_due_ns = UINT64_MAX;
    if (w->runs)
        start_pass(w, false, chunks_of(w, w->op.n));
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* All steps of the pass are answered. Those that saturated go once more, in their order. */
static void end_pass(struct pxi_rank *w)
{
    if (w->pass.wide || !w->saturated_n) {
        w->runs = false;
        return;
    }
    qsort(w->saturated, w->saturated_n, sizeof *w->saturated, by_number);
    start_pass(w, true, 2 * w->saturated_n);
}

/* ---------------------------------------------------------------- sending */

static uint64_t rto_of(const struct pxi_rank *w, unsigned tries)
{
    uint64_t rto = 3 * w->rtt_ns;
    rto = rto < w->o.rto_min_ns ? w->o.rto_min_ns : rto;
    unsigned doubled = tries < PATIENCE ? 0 : tries - PATIENCE;
    rto <<= doubled < BACKOFF_MAX ? doubled : BACKOFF_MAX;
    return rto > w->o.rto_max_ns ? w->o.rto_max_ns : rto;
}

static uint8_t *frame_of(const struct pxi_rank *w, uint32_t seq)
{
    return w->o.frames + (seq & (w->o.slots - 1)) * w->o.stride;
}

/* As many zeros as a chunk has values. */
static void pack_zeros(struct pxi_rank *w, const struct px_gradient_head *h, uint8_t *out)
{
    uint32_t bias = pxi_gradient_bias(h->format, w->o.fan_in);
    size_t n = pxi_gradient_bytes(h->format, h->count);
    uint16_t two = (uint16_t)bias;
    for (size_t i = 0; h->format == PX_GRADIENT_I16 && i < n; i += 2)
        memcpy(out + i, &two, 2);
    for (size_t i = 0; h->format == PX_GRADIENT_I32 && i < n; i += 4)
        memcpy(out + i, &bias, 4);
    if (h->format == PX_GRADIENT_I8 || h->format == PX_GRADIENT_I4)
        memset(out, h->format == PX_GRADIENT_I8 ? 0x80 : 0x88, n);
}

/* Pack a chunk into its frame: bytes of values. Sets the flag when one was clamped. Of one with
 * values that are not finite, here or elsewhere, nothing is sent or owed. */
static uint32_t pack(struct pxi_rank *w, struct px_gradient_head *h, struct piece p, uint8_t *out)
{
    h->count = (uint16_t)padded(p.count);
    if (h->exponent == NOT_FINITE || w->own[h->slot] == NOT_FINITE) {
        pack_zeros(w, h, out);
        return (uint32_t)pxi_gradient_bytes(h->format, h->count);
    }
    float *r, *x = values_of(w, p, &r);
    struct pxi_grad g = fixed(w, h->format, h->exponent, 0);
    if (w->o.stochastic) {
        g.seed = w->salt + (uint32_t)p.first;
        g.seed += g.seed == 0;
    }
    if (w->o.kernels->grad_quant[h->format](out, r, x, h->count, &g))
        h->flags |= PX_GRADIENT_SATURATED;
    put_residual(w, p, r);
    return (uint32_t)pxi_gradient_bytes(h->format, h->count);
}

/* Make the frame of the next sequence. */
static void make(struct pxi_rank *w, struct flight *f)
{
    uint8_t *frame = frame_of(w, w->seq);
    uint32_t step = w->seq - w->pass.first_seq, slots = w->o.slots;
    struct px_gradient_head h = {.kind = PX_GRADIENT_CONTRIBUTION,
                                 .job = w->o.job,
                                 .epoch = w->o.epoch,
                                 .shard = w->o.shard,
                                 .worker = w->o.worker,
                                 .slot = (uint16_t)(w->seq & (slots - 1)),
                                 .format = (uint8_t)format_of(w),
                                 .flags = (w->seq / slots) & 1 ? PX_GRADIENT_VERSION : 0,
                                 .seq = w->seq,
                                 .exponent = PX_GRADIENT_ZERO,
                                 .where = UINT32_MAX};
    *f = (struct flight){.waits = true, .seq = w->seq, .step = step, .bytes = PX_GRADIENT_HEAD};
    if (step >= slots) {
        struct piece p = piece_of(w, step - slots);
        h.exponent = w->agreed[w->seq & (slots - 1)];
        h.where = p.where;
        if (p.count && h.exponent != UNKNOWN)
            f->bytes += pack(w, &h, p, frame + PX_GRADIENT_HEAD);
    }
    w->own[h.slot] = h.next = (int8_t)exponent_of(w, piece_of(w, step));
    if (w->seq + 1 == w->end || w->flights[(w->seq + 1) & (slots - 1)].waits)
        h.flags |= PX_GRADIENT_WAITS;
    pxi_gradient_write(&h, frame);
}

static void note_due(struct pxi_rank *w, struct flight *f, uint64_t now_ns)
{
    f->sent_ns = now_ns;
    f->due_ns = now_ns + rto_of(w, f->tries);
    if (f->due_ns < w->next_due_ns)
        w->next_due_ns = f->due_ns;
}

/* A frame whose answer did not come in time. */
static px_view poll_due(struct pxi_rank *w, uint64_t now_ns)
{
    uint64_t next = UINT64_MAX;
    struct flight *due = NULL;
    for (uint32_t i = 0; i < w->o.slots; i++) {
        struct flight *f = &w->flights[i];
        if (!f->waits)
            continue;
        if (f->due_ns <= now_ns && (!due || (int32_t)(f->seq - due->seq) < 0))
            due = f;
        next = f->due_ns < next ? f->due_ns : next;
    }
    w->next_due_ns = next;
    if (!due)
        return px_view_of(NULL, 0);
    uint8_t *frame = frame_of(w, due->seq);
    frame[offsetof(struct px_gradient_head, flags)] |= PX_GRADIENT_AGAIN;
    due->tries += due->tries < 255;
    w->counts.again++;
    note_due(w, due, now_ns);
    return px_view_of(frame, due->bytes);
}

px_view pxi_rank_poll(struct pxi_rank *w, uint64_t now_ns)
{
    if (!w->runs)
        return px_view_of(NULL, 0);
    if (now_ns >= w->next_due_ns) {
        px_view again = poll_due(w, now_ns);
        if (again.n)
            return again;
    }
    struct flight *f = &w->flights[w->seq & (w->o.slots - 1)];
    if (w->seq == w->end || f->waits)
        return px_view_of(NULL, 0);
    make(w, f);
    note_due(w, f, now_ns);
    w->seq++;
    w->counts.sent++;
    return px_view_of(frame_of(w, f->seq), f->bytes);
}

uint64_t pxi_rank_deadline(const struct pxi_rank *w)
{
    return w->runs ? w->next_due_ns : UINT64_MAX;
}

void pxi_rank_epoch(struct pxi_rank *w, uint16_t epoch)
{
    w->o.epoch = epoch;
    for (uint32_t i = 0; i < w->o.slots; i++) {
        struct flight *f = &w->flights[i];
        if (!f->waits)
            continue;
        memcpy(frame_of(w, f->seq) + offsetof(struct px_gradient_head, epoch), &epoch, 2);
        f->due_ns = w->next_due_ns = 0;
        f->tries = 0;
    }
}

void pxi_rank_hurry(struct pxi_rank *w)
{
    for (uint32_t i = 0; i < w->o.slots; i++)
        if (w->flights[i].waits)
            w->flights[i].due_ns = w->next_due_ns = 0;
}

/* ----------------------------------------------------------- taking it over */

/* The values of a result, from what was made of them: the same bits as came. */
static void repack(struct pxi_rank *w, const struct px_gradient_head *h, struct piece p,
                   uint8_t *out)
{
    unsigned n = (unsigned)__builtin_popcountll(h->where);
    struct pxi_grad g = fixed(w, h->format, h->exponent, n);
    const float *values = (const float *)w->op.x + p.first;
    for (size_t i = 0; i < h->count; i++) {
        float x = i < p.count && !(h->flags & PX_GRADIENT_SATURATED) ? values[i] : 0;
        uint32_t k = (uint32_t)(int32_t)(g.unscale > 0 && isfinite(x) ? rintf(x / g.unscale) : 0);
        uint16_t two = (uint16_t)(k + g.zero);
        if (h->format == PX_GRADIENT_I16)
            memcpy(out + 2 * i, &two, 2);
        else
            out[i] = (uint8_t)((k + g.zero) >> g.shift);
    }
}

size_t pxi_rank_echo(struct pxi_rank *w, uint32_t place, uint8_t *out)
{
    const struct last *l = &w->lasts[place];
    struct px_gradient_head h = l->head;
    h.kind = PX_GRADIENT_ECHO;
    h.job = w->o.job;
    h.epoch = w->o.epoch;
    h.shard = w->o.shard;
    h.worker = w->o.worker;
    h.slot = (uint16_t)place;
    if (!h.where) { /* the sequence before the one that waits, or comes */
        uint32_t seq = w->flights[place].waits ? w->flights[place].seq
                                               : w->seq + ((place - w->seq) & (w->o.slots - 1));
        h.count = 0;
        h.format = w->o.format;
        h.seq = seq - w->o.slots;
    }
    size_t n = pxi_gradient_result_bytes(h.format, h.count);
    if (l->aside && h.where)
        memcpy(out + PX_GRADIENT_HEAD, w->aside + place * w->o.stride, n);
    else if (w->pass.wide || h.format == PX_GRADIENT_I32 || l->step >= w->pass.chunks ||
             (int32_t)(h.seq - w->pass.first_seq) < 0)
        memcpy(out + PX_GRADIENT_HEAD, frame_of(w, place) + PX_GRADIENT_HEAD, n);
    else if (n)
        repack(w, &h, piece_of(w, l->step - w->o.slots), out + PX_GRADIENT_HEAD);
    pxi_gradient_write(&h, out);
    return PX_GRADIENT_HEAD + n;
}

/* -------------------------------------------------------------- receiving */

/* A sum takes as long as the last of those who are in it, whom loss or work may hold up: what
 * counts is the way itself, so the estimate falls fast and rises slowly. */
static void measure(struct pxi_rank *w, const struct flight *f, uint64_t now_ns)
{
    uint64_t rtt = now_ns - f->sent_ns;
    if (f->tries)
        return;
    if (!w->rtt_ns)
        w->rtt_ns = rtt;
    else if (rtt < w->rtt_ns)
        w->rtt_ns -= (w->rtt_ns - rtt) / 4;
    else
        w->rtt_ns += (rtt - w->rtt_ns) / 32;
}

/* What we packed, or would have, was not added: it is owed again. */
static void undo(struct pxi_rank *w, struct flight *f, struct piece p)
{
    const uint8_t *frame = frame_of(w, f->seq);
    struct px_gradient_head h;
    float *r, *x;
    memcpy(&h, frame, sizeof h);
    if (!w->op.residual || f->owed || (!h.count && w->own[h.slot] == NOT_FINITE))
        return;
    f->owed = true;
    x = values_of(w, p, &r);
    for (size_t i = 0; !h.count && i < p.count; i++)
        r[i] += x[i];
    struct pxi_grad g = fixed(w, h.format, h.exponent, 0);
    w->o.kernels->grad_undo[h.format](r, frame + PX_GRADIENT_HEAD, h.count, &g);
    put_residual(w, p, r);
}

/* The sum of a chunk in place of the gradient. */
static void unpack(struct pxi_rank *w, const struct px_gradient_head *h, struct piece p,
                   px_view values)
{
    unsigned n = (unsigned)__builtin_popcountll(h->where);
    w->least = n < w->least ? n : w->least;
    if (!(h->flags & PX_GRADIENT_CLIPPED))
        w->everywhere &= h->where;
    float *x = room_for(w, p);
    if (h->exponent == NOT_FINITE) {
        for (size_t i = 0; i < p.count; i++)
            x[i] = NAN;
        w->not_finite++;
    } else {
        struct pxi_grad g = fixed(w, h->format, h->exponent, n);
        w->o.kernels->grad_dequant[h->format](x, values.p, h->count, &g);
    }
    put_values(w, p, x);
}

/* It goes once more, whole: x + residual is what it was before it was packed. */
static void keep_wide(struct pxi_rank *w, struct flight *f, struct piece p)
{
    undo(w, f, p);
    float *r, *x = values_of(w, p, &r);
    for (size_t i = 0; r && i < p.count; i++)
        r[i] -= x[i];
    put_residual(w, p, r);
    w->saturated[w->saturated_n++] = f->step - w->o.slots;
    w->counts.wide++;
}

/* The head is still what it was: where another process can write to a packet, it makes the head
 * invalid before it changes the values (slots.c), so these were all of one sum. */
static bool is_whole(const struct px_gradient_head *h, px_view values)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return !values.n || memcmp(values.p - PX_GRADIENT_HEAD, h, sizeof *h) == 0;
}

/* Keep what a place was answered, in the frame of what was sent, which is not needed any more; all
 * but the last window can be made anew from x. False: it changed meanwhile. */
static bool keep(struct pxi_rank *w, const struct px_gradient_head *h, const struct flight *f,
                 px_view values)
{
    struct last *l = &w->lasts[h->slot];
    bool last = w->pass.wide || f->step >= w->pass.chunks;
    if (!w->keeps)
        return true;
    if ((last || w->op.bf16) && values.n) {
        memcpy(w->tail, values.p, values.n);
        if (!is_whole(h, values))
            return false;
        memcpy(last ? frame_of(w, f->seq) + PX_GRADIENT_HEAD : w->aside + h->slot * w->o.stride,
               w->tail, values.n);
        w->counts.kept += values.n;
    }
    l->aside = !last && w->op.bf16;
    l->head = *h;
    l->step = f->step;
    return true;
}

/* False: the sum changed while it was read. It is asked for again, and what was unpacked of it is
 * written over. */
static bool take_values(struct pxi_rank *w, const struct px_gradient_head *h, px_view values,
                        struct flight *f)
{
    struct piece p = piece_of(w, f->step - w->o.slots);
    if (!is_whole(h, values))
        return false;
    if (!p.count)
        return keep(w, h, f, values);
    if (!w->pass.wide && (h->flags & PX_GRADIENT_SATURATED) && h->exponent != NOT_FINITE) {
        keep_wide(w, f, p);
        return keep(w, h, f, px_view_of(NULL, 0)); /* nobody reads the values of such a sum */
    }
    /* Not in the sum: owed again when we were late; not when it may have been refused, or what is
     * refused would grow from round to round. */
    if (!(h->where >> w->o.worker & 1)) {
        if (!(h->flags & PX_GRADIENT_CLIPPED))
            undo(w, f, p);
        w->counts.late++;
    }
    unpack(w, h, p, values);
    return is_whole(h, values) && keep(w, h, f, values);
}

/* A result that can be: what we sent, or could have. */
static bool fits(const struct pxi_rank *w, const struct px_gradient_head *h, const struct flight *f)
{
    bool values = f->step >= w->o.slots;
    struct piece p = values ? piece_of(w, f->step - w->o.slots) : (struct piece){0};
    return h->format == format_of(w) && h->count == padded(p.count) &&
           (!h->count || w->agreed[h->slot] == UNKNOWN || h->exponent == w->agreed[h->slot]) &&
           (unsigned)__builtin_popcountll(h->where) <= w->o.fan_in;
}

/* Sums come in the order of their chunks: one that was passed by many is lost, or what it waits
 * for is. */
static void note_passed(struct pxi_rank *w, uint32_t seq)
{
    for (; (int32_t)(seq - w->scanned) > REORDER; w->scanned++) {
        struct flight *f = &w->flights[w->scanned & (w->o.slots - 1)];
        if (f->waits && f->seq == w->scanned && !f->tries)
            f->due_ns = w->next_due_ns = 0;
    }
}

uint64_t pxi_rank_heard_ns(const struct pxi_rank *w)
{
    return w->heard_ns;
}

static bool refuse(struct pxi_rank *w)
{
    w->counts.refused++;
    return false;
}

/* One step of the pass is over; `next` is the exponent of what comes in its place. */
static bool answered(struct pxi_rank *w, struct flight *f, int8_t next)
{
    f->waits = false;
    w->agreed[f->seq & (w->o.slots - 1)] = next;
    if (--w->open == 0)
        end_pass(w);
    return true;
}

/* The others went on without us, and this sum is gone. Of exponents alone, that does not matter:
 * the sum of the chunk says its own. */
static bool take_late(struct pxi_rank *w, struct flight *f)
{
    if (f->step >= w->o.slots && piece_of(w, f->step - w->o.slots).count) {
        undo(w, f, piece_of(w, f->step - w->o.slots));
        w->lost++;
    }
    w->lasts[f->seq & (w->o.slots - 1)].head.where = 0;
    return answered(w, f, UNKNOWN);
}

bool pxi_rank_take(struct pxi_rank *w, const struct px_gradient_head *h, px_view values,
                   uint64_t now_ns)
{
    struct flight *f = &w->flights[h->seq & (w->o.slots - 1)];
    if (!w->runs || h->kind == PX_GRADIENT_CONTRIBUTION || h->job != w->o.job ||
        h->shard != w->o.shard || h->epoch != w->o.epoch || h->slot != (h->seq & (w->o.slots - 1)))
        return refuse(w);
    w->heard_ns = now_ns;
    if (!f->waits || f->seq != h->seq) {
        w->counts.repeated += (int32_t)(h->seq - w->seq) < 0;
        w->counts.refused += (int32_t)(h->seq - w->seq) >= 0;
        return false;
    }
    if (h->kind == PX_GRADIENT_LATE)
        return take_late(w, f);
    if (!fits(w, h, f))
        return refuse(w);
    w->counts.results++;
    measure(w, f, now_ns);
    if (f->step >= w->o.slots ? !take_values(w, h, values, f) : !keep(w, h, f, values))
        return refuse(w);
    note_passed(w, h->seq);
    return answered(w, f, h->next);
}
