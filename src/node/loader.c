/* The loader: a plan of rows, slots that hold batches, threads that fill them. */
#include <math.h>

#include "base/diag.h"
#include "base/limits.h"
#include "base/mem.h"
#include "data/fill.h"
#include "data/state.h"
#include "io/frames.h"
#include "io/ring.h"
#include "node/data.h"

enum { AHEAD = 4, AHEAD_FAR = 16, KEPT = 1024 };

/* A slot, and where its memory is: that of the first ones is one region of large pages. */
struct held {
    struct pxi_slot slot; /* first: a batch is its slot */
    uint8_t *own;         /* of one that was added */
    struct held *next;
};

struct px_loader {
    px_loader_options o;
    struct pxi_fill fill;
    struct pxi_plan *plan;
    px_loader_source *given_sources; /* a copy of the caller's */
    const struct pxi_source **sources;
    struct pxi_filter **filters;
    uint64_t *weights;
    int *once;
    struct pxi_frames frames;
    struct held *held;
    struct pxi_ring *ring;
    struct pxi_plan_reader reader; /* of whoever plans */
    struct pxi_place next;         /* where the next batch of all ranks begins */
    struct pxi_place given;        /* behind what px_loader_next gave */
    px_err planning;
    px_loader_counts counts;
    uint64_t bad[KEPT], bad_count;
};

/* ------------------------------------------------------------------ options */

static px_err invalid(px_diag *d, const char *field, const char *expected, double found)
{
    pxi_diag_field(d, "%s", field);
    return pxi_diag_set(d, PX_ERR_INVALID, 0, expected, "%g", found);
}

static px_err check_options(px_loader_options *o, px_diag *d)
{
    if (!o->source_count || o->source_count > PXI_MIX_SOURCES || !o->sources)
        return invalid(d, "sources", "1 to 255 sources", o->source_count);
    if (!o->batch)
        return invalid(d, "batch", "a row at least", 0);
    if (!o->row_tokens || o->row_tokens > PXI_NDP_SAMPLE_MOST)
        return invalid(d, "row_tokens", "1 to 2^24 tokens", o->row_tokens);
    if ((double)o->batch * o->row_tokens * 24 > PXI_LIMIT_DATA_BATCH_BYTES)
        return invalid(d, "batch", "rows of fewer tokens in all", o->batch);
    if (o->packing > PX_PACK_BEST_FIT || o->labels > PX_LABELS_NEXT ||
        o->damage > PX_DAMAGE_QUARANTINE)
        return invalid(d, "packing, labels, damage", "one of their values", o->packing);
    if (o->world && o->rank >= o->world)
        return invalid(d, "rank", "a rank below world", o->rank);
    if (!(o->drop_rate >= 0 && o->drop_rate < 1))
        return invalid(d, "drop_rate", "0 or more, below 1", o->drop_rate);
    if (o->threads > PXI_LIMIT_DATA_THREADS || o->ahead > PXI_LIMIT_DATA_SLOTS)
        return invalid(d, "threads, ahead", "fewer", o->threads);
    o->world = o->world ? o->world : 1;
    bool far = false;
    for (unsigned i = 0; i < o->source_count; i++)
        far |= o->sources[i].data->bytes.far != NULL;
    o->ahead = o->ahead ? o->ahead : far ? AHEAD_FAR : AHEAD;
    return PX_ERR_OK;
}

static void settle_fill(struct px_loader *l)
{
    const px_loader_options *o = &l->o;
    l->fill = (struct pxi_fill){.kernels = o->sources[0].data->kernels,
                                .plan = l->plan,
                                .sources = l->sources,
                                .row_tokens = o->row_tokens,
                                .batch = o->batch,
                                .labels = o->labels,
                                .padded = o->packing == PX_PACK_PAD,
                                .ids64 = o->ids64,
                                .labels64 = o->labels64,
                                .documents = o->documents,
                                .positions = o->positions,
                                .cross = o->cross,
                                .unchecked = o->unchecked,
                                .damage = o->damage,
                                .pad = o->pad,
                                .seed = o->seed,
                                .drop_below = (uint64_t)ldexp(o->drop_rate, 64)};
    for (unsigned i = 0; i < o->source_count; i++)
        l->fill.far |= o->sources[i].data->bytes.far != NULL;
}

static px_err open_sources(struct px_loader *l, px_diag *d)
{
    const px_loader_options *o = &l->o;
    struct pxi_filter_options f = {o->src, o->dst, o->typ};
    l->sources = pxi_calloc(o->source_count, sizeof *l->sources);
    l->filters = pxi_calloc(o->source_count, sizeof *l->filters);
    l->weights = pxi_calloc(o->source_count, sizeof *l->weights);
    l->once = pxi_calloc(o->source_count, sizeof *l->once);
    l->given_sources = pxi_calloc(o->source_count, sizeof *l->given_sources);
    if (!l->sources || !l->filters || !l->weights || !l->once || !l->given_sources)
        return PX_ERR_NOMEM;
    memcpy(l->given_sources, o->sources, o->source_count * sizeof *l->given_sources);
    l->o.sources = l->given_sources;
    for (unsigned i = 0; i < o->source_count; i++) {
        l->sources[i] = o->sources[i].data->source;
        l->weights[i] = o->sources[i].weight;
        l->once[i] = o->sources[i].once;
        px_err err = pxi_filter_new(l->sources[i], &f, &l->filters[i]);
        if (err)
            return pxi_data_bytes_failed(&o->sources[i].data->bytes, err, d);
    }
    return PX_ERR_OK;
}

static px_err open_plan(struct px_loader *l, px_diag *d)
{
    const px_loader_options *o = &l->o;
    struct pxi_plan_options p = {.sources = l->sources,
                                 .filters = (const struct pxi_filter *const *)l->filters,
                                 .weights = l->weights,
                                 .once = l->once,
                                 .count = o->source_count,
                                 .row_tokens = o->row_tokens,
                                 .more = o->labels == PX_LABELS_NEXT &&
                                         (o->packing == PX_PACK_PAD || o->packing == PX_PACK_CHUNK),
                                 .packing = o->packing,
                                 .seed = o->seed,
                                 .epochs = o->epochs,
                                 .sequential = o->sequential};
    px_err err = pxi_plan_new(&p, &l->plan);
    pxi_diag_field(d, "sources");
    return err == PX_ERR_NOT_FOUND
               ? pxi_diag_set(d, err, 0, "samples of tokens in each, after the filters", "none")
               : err;
}

/* -------------------------------------------------------------------- slots */

static bool plan_batch(void *ctx, void *slot)
{
    struct px_loader *l = ctx;
    struct pxi_slot *s = slot;
    struct pxi_place at = l->next;
    uint64_t before = (uint64_t)l->o.rank * l->o.batch,
             behind = (uint64_t)(l->o.world - 1 - l->o.rank) * l->o.batch;
    px_err err = pxi_plan_skip(l->plan, &l->reader, &at, before);
    s->planned = 0;
    s->at = at;
    for (uint32_t i = 0; !err && i < l->o.batch; i++) {
        struct pxi_row row;
        if (!pxi_plan_next(l->plan, &l->reader, &at, &row, &err))
            break;
        err = pxi_slot_plan(s, &row);
    }
    if (!err)
        err = pxi_plan_skip(l->plan, &l->reader, &at, behind);
    if (err) {
        l->planning = err;
        return false;
    }
    s->end = at;
    if (l->fill.far)
        pxi_slot_seek(&l->fill, s);
    /* Ranks end together: one without rows in the last round has an empty batch. */
    bool any = at.position != l->next.position || at.row != l->next.row;
    l->next = at;
    return any;
}

static void fill_batch(void *ctx, void *slot)
{
    struct px_loader *l = ctx;
    pxi_fill(&l->fill, slot);
}

static struct held *held_new(struct px_loader *l, uint8_t *memory)
{
    struct held *h = pxi_calloc(1, sizeof *h);
    if (!h)
        return NULL;
    if (!memory)
        memory = h->own = pxi_calloc_aligned(pxi_slot_bytes(&l->fill), 64);
    if (!memory) {
        pxi_free(h);
        return NULL;
    }
    pxi_slot_place(&l->fill, &h->slot, memory);
    h->next = l->held;
    l->held = h;
    return h;
}

static void *more_slots(void *ctx)
{
    struct px_loader *l = ctx;
    struct held *h = held_new(l, NULL);
    l->counts.slots += h != NULL;
    return h ? &h->slot : NULL;
}

static void forked(void *ctx)
{
    struct px_loader *l = ctx;
    pxi_plan_reader_forget(&l->reader);
}

static void ahead_batch(void *ctx, void *slot)
{
    struct px_loader *l = ctx;
    pxi_slot_ahead(&l->fill, slot);
}

static const struct pxi_ring_ops ring_ops = {plan_batch, NULL, fill_batch, forked, more_slots};
/* What lies elsewhere is asked for as soon as it is planned. */
static const struct pxi_ring_ops far_ops = {plan_batch, ahead_batch, fill_batch, forked,
                                            more_slots};

static px_err open_slots(struct px_loader *l)
{
    size_t bytes = pxi_slot_bytes(&l->fill);
    void **slots = pxi_calloc(l->o.ahead, sizeof *slots);
    bool ok = slots && pxi_frames_map_own(&l->frames, bytes * l->o.ahead) == 0;
    for (unsigned i = 0; ok && i < l->o.ahead; i++) {
        struct held *h = held_new(l, l->frames.p + i * bytes);
        if (h)
            slots[i] = &h->slot;
        ok = h;
    }
    px_err err = ok ? pxi_ring_open(l->o.threads, slots, l->o.ahead,
                                    l->fill.far ? &far_ops : &ring_ops, l, &l->ring)
                    : PX_ERR_NOMEM;
    pxi_free(slots);
    return err;
}

px_err px_loader_new(const px_loader_options *options, px_loader **out, px_diag *diag)
{
    struct px_loader *l = pxi_calloc(1, sizeof *l);
    *out = NULL;
    if (!l)
        return PX_ERR_NOMEM;
    pxi_data_options(&l->o, sizeof l->o, options);
    px_err err = check_options(&l->o, diag);
    if (!err)
        err = open_sources(l, diag);
    if (!err)
        err = open_plan(l, diag);
    if (!err) {
        settle_fill(l);
        err = open_slots(l);
    }
    if (err)
        px_loader_free(l);
    else
        *out = l;
    return err;
}

void px_loader_free(px_loader *l)
{
    if (!l)
        return;
    pxi_ring_close(l->ring);
    for (struct held *h = l->held; h;) {
        struct held *next = h->next;
        pxi_slot_deinit(&h->slot);
        pxi_free_aligned(h->own);
        pxi_free(h);
        h = next;
    }
    if (l->frames.p)
        pxi_frames_unmap(&l->frames);
    pxi_plan_reader_deinit(&l->reader);
    pxi_plan_free(l->plan);
    for (unsigned i = 0; l->filters && i < l->o.source_count; i++)
        pxi_filter_free(l->filters[i]);
    pxi_free(l->sources);
    pxi_free(l->filters);
    pxi_free(l->weights);
    pxi_free(l->once);
    pxi_free(l->given_sources);
    pxi_free(l);
}

/* ------------------------------------------------------------------ batches */

static void count(struct px_loader *l, const struct pxi_slot *s)
{
    px_loader_counts *c = &l->counts;
    c->batches++;
    c->rows += s->batch.rows;
    c->tokens += s->batch.tokens;
    c->damaged += s->counts.damaged;
    c->dropped += s->counts.dropped;
    c->refilled += s->counts.refilled;
    c->masked += s->counts.masked;
    c->moved += s->counts.moved;
    if (l->o.damage != PX_DAMAGE_QUARANTINE)
        return;
    for (uint64_t i = 0; i < s->counts.damaged && i < PXI_FILL_BAD; i++, l->bad_count++)
        if (l->bad_count < KEPT)
            l->bad[l->bad_count] = s->bad[i];
}

/* Begin again at a place: what was filled ahead is given up. */
static void go_to(px_loader *l, struct pxi_place at)
{
    pxi_ring_restart(l->ring);
    l->next = l->given = at;
    l->planning = PX_ERR_OK;
}

/* What could not be brought: the next call tries again from where this one was. */
static px_err not_brought(px_loader *l, px_err err, px_diag *diag)
{
    for (unsigned i = 0; i < l->o.source_count; i++)
        pxi_data_bytes_failed(&l->o.sources[i].data->bytes, err, diag);
    go_to(l, l->given);
    return err;
}

static px_err damaged(px_loader *l, struct pxi_slot *s, px_diag *diag)
{
    px_err err = s->err;
    l->given = s->end;
    count(l, s);
    pxi_diag_field(diag, "source %u, sample %llu", (unsigned)(s->bad[0] >> 56),
                   (unsigned long long)(s->bad[0] & ((1ull << 56) - 1)));
    pxi_ring_give(l->ring, s); /* a thread may fill it at once */
    return pxi_diag_set(diag, err, 0, "a sample with its checksum", "a damaged one");
}

px_err px_loader_next(px_loader *l, const px_batch **out, px_diag *diag)
{
    void *slot;
    bool waited;
    *out = NULL;
    px_err err = pxi_ring_take(l->ring, &slot, &waited);
    if (err)
        return err;
    l->counts.waits += waited;
    if (!slot)
        return l->planning && l->fill.far ? not_brought(l, l->planning, diag) : l->planning;
    struct pxi_slot *s = slot;
    if (s->err == PX_ERR_CORRUPT)
        return damaged(l, s, diag);
    if (s->err) {
        err = s->err;
        pxi_ring_give(l->ring, s);
        return not_brought(l, err, diag);
    }
    l->given = s->end;
    count(l, s);
    *out = &s->batch;
    return PX_ERR_OK;
}

void px_loader_give_back(px_loader *l, const px_batch *batch)
{
    pxi_ring_give(l->ring, (void *)(uintptr_t)batch);
}

void px_loader_get_counts(const px_loader *l, px_loader_counts *out)
{
    *out = l->counts;
}

uint64_t px_loader_quarantined(const px_loader *l, uint64_t i)
{
    return i < l->bad_count && i < KEPT ? l->bad[i] : UINT64_MAX;
}

/* -------------------------------------------------------------------- state */

void px_loader_state(const px_loader *l, uint8_t out[PX_LOADER_STATE])
{
    struct pxi_data_state s = {.seed = l->o.seed, .at = l->given};
    pxi_plan_name(l->plan, s.name);
    pxi_data_state_write(&l->o.sources[0].data->sums, &s, out);
}

px_err px_loader_resume(px_loader *l, const uint8_t state[PX_LOADER_STATE], px_diag *diag)
{
    struct pxi_data_state s;
    uint8_t name[sizeof s.name];
    pxi_diag_field(diag, "state");
    if (!pxi_data_state_read(&l->o.sources[0].data->sums, state, &s))
        return pxi_diag_set(diag, PX_ERR_CORRUPT, 0, "64 bytes that px_loader_state wrote",
                            "others");
    pxi_plan_name(l->plan, name);
    if (memcmp(name, s.name, sizeof name) != 0)
        return pxi_diag_set(diag, PX_ERR_INVALID, 0,
                            "the data, seed, packing and weights of this loader", "others");
    uint64_t all = pxi_plan_positions(l->plan);
    bool group = pxi_plan_direct(l->plan) || s.at.position % PXI_PLAN_GROUP == 0;
    if (s.at.position > all || (!group && s.at.position != all))
        return pxi_diag_set(diag, PX_ERR_CORRUPT, 16, "a position of these data", "%llu",
                            (unsigned long long)s.at.position);
    go_to(l, s.at);
    return PX_ERR_OK;
}

px_err px_loader_skip(px_loader *l, uint64_t rows)
{
    struct pxi_place at = l->given;
    struct pxi_plan_reader reader = {0};
    px_err err = pxi_plan_skip(l->plan, &reader, &at, rows);
    pxi_plan_reader_deinit(&reader);
    if (!err)
        go_to(l, at);
    return err;
}
