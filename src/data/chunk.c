/* Rows cut out of a run of tokens. */
#include "data/chunk.h"

#include "base/mem.h"

enum { STEP = 64 };

struct pxi_chunks {
    const struct pxi_source *s;
    const struct pxi_filter *f;
    uint32_t tokens, more;
    uint64_t count;
    uint64_t
        *before; /* dense: rows before each segment, and all; else tokens before each STEP-th */
    uint64_t steps;
    bool dense;
};

static uint64_t rows_of(const struct pxi_chunks *c, uint64_t tokens)
{
    return tokens > c->more ? (tokens - c->more + c->tokens - 1) / c->tokens : 0;
}

/* Whether all samples of every segment that has tokens are let in, or none is. */
static bool is_dense(const struct pxi_source *s, const struct pxi_filter *f)
{
    const struct pxi_source_info *info = pxi_source_info(s);
    uint64_t all = 0;
    if (!info->store)
        return false;
    for (uint32_t k = 0; k < info->segments; k++) {
        const struct pxi_source_segment *g = pxi_source_segment(s, k);
        if (g->row.tokens * pxi_ndp_token_bytes(info->dtype) != g->row.token_bytes)
            return false;
        if (g->row.samples && pxi_filter_has(f, g->first))
            all += g->row.samples;
    }
    return all == pxi_filter_count(f);
}

static px_err build_dense(struct pxi_chunks *c)
{
    uint32_t n = pxi_source_info(c->s)->segments;
    c->before = pxi_calloc((size_t)n + 1, sizeof *c->before);
    if (!c->before)
        return PX_ERR_NOMEM;
    for (uint32_t k = 0; k < n; k++) {
        const struct pxi_source_segment *g = pxi_source_segment(c->s, k);
        c->before[k] = c->count;
        if (g->row.samples && pxi_filter_has(c->f, g->first))
            c->count += rows_of(c, g->row.tokens);
    }
    c->before[n] = c->count;
    return PX_ERR_OK;
}

static px_err build_steps(struct pxi_chunks *c)
{
    uint64_t n = pxi_filter_count(c->f), tokens = 0;
    c->steps = n / STEP + 1;
    c->before = pxi_calloc(c->steps, sizeof *c->before);
    if (!c->before)
        return PX_ERR_NOMEM;
    for (uint32_t k = 0; k < pxi_source_info(c->s)->segments; k++)
        pxi_source_ahead_index(c->s, k);
    for (uint64_t i = 0; i < n; i++) {
        struct pxi_item item;
        if (i % STEP == 0)
            c->before[i / STEP] = tokens;
        if (pxi_source_item(c->s, pxi_filter_at(c->f, i), &item))
            tokens += item.tokens;
        if (item.err)
            return item.err;
    }
    if (n % STEP == 0)
        c->before[n / STEP] = tokens;
    c->count = rows_of(c, tokens);
    return PX_ERR_OK;
}

px_err pxi_chunks_new(const struct pxi_source *s, const struct pxi_filter *f, uint32_t tokens,
                      uint32_t more, struct pxi_chunks **out)
{
    struct pxi_chunks *c = *out = pxi_calloc(1, sizeof *c);
    if (!c)
        return PX_ERR_NOMEM;
    *c = (struct pxi_chunks){
        .s = s, .f = f, .tokens = tokens, .more = more, .dense = is_dense(s, f)};
    px_err err = c->dense ? build_dense(c) : build_steps(c);
    if (err) {
        pxi_chunks_free(c);
        *out = NULL;
    }
    return err;
}

void pxi_chunks_free(struct pxi_chunks *c)
{
    if (c)
        pxi_free(c->before);
    pxi_free(c);
}

uint64_t pxi_chunks_count(const struct pxi_chunks *c)
{
    return c->count;
}

/* The last of `n` ascending numbers that is not above x. */
static uint64_t last_not_above(const uint64_t *v, uint64_t n, uint64_t x)
{
    uint64_t low = 0, high = n;
    while (high - low > 1) {
        uint64_t mid = low + (high - low) / 2;
        if (v[mid] <= x)
            low = mid;
        else
            high = mid;
    }
    return low;
}

/* Where a walk over samples is. */
struct walk {
    const struct pxi_chunks *c;
    uint64_t next, end;   /* dense: numbers of samples; else places among those let in */
    struct pxi_item item; /* the one before next */
    bool good;
    uint32_t from;
    px_err err; /* what it needs could not be brought */
};

static bool step(struct walk *w)
{
    if (w->err || w->next >= w->end)
        return false;
    uint64_t i = w->c->dense ? w->next : pxi_filter_at(w->c->f, w->next);
    w->good = pxi_source_item(w->c->s, i, &w->item);
    w->err = w->item.err;
    w->from = 0;
    w->next++;
    return !w->err;
}

/* Begin a walk at unit `u` of a segment: the last sample whose place is not above it. */
static void find_dense(struct walk *w, uint64_t row)
{
    const struct pxi_source_info *info = pxi_source_info(w->c->s);
    uint64_t k = last_not_above(w->c->before, info->segments, row);
    const struct pxi_source_segment *g = pxi_source_segment(w->c->s, (uint32_t)k);
    struct pxi_ndp_entry e = {0};
    unsigned unit = pxi_ndp_token_bytes(info->dtype);
    uint64_t u = (row - w->c->before[k]) * w->c->tokens, low = 0, high = g->row.samples;
    pxi_source_ahead_index(w->c->s, (uint32_t)k);
    while (!w->err && high - low > 1) {
        uint64_t mid = low + (high - low) / 2;
        w->err = pxi_source_entry(w->c->s, (uint32_t)k, mid, &e);
        if (pxi_ndp_place_at(e.place) / unit <= u)
            low = mid;
        else
            high = mid;
    }
    w->next = g->first + low;
    w->end = g->first + g->row.samples;
    if (!w->err)
        w->err = pxi_source_entry(w->c->s, (uint32_t)k, low, &e);
    uint64_t at = pxi_ndp_place_at(e.place) / unit;
    if (step(w) && u > at)
        w->from = u - at < w->item.tokens ? (uint32_t)(u - at) : w->item.tokens;
}

static void find_steps(struct walk *w, uint64_t row)
{
    uint64_t t = row * w->c->tokens, s = last_not_above(w->c->before, w->c->steps, t);
    uint64_t at = w->c->before[s];
    w->next = s * STEP;
    w->end = pxi_filter_count(w->c->f);
    while (step(w)) {
        if (w->good && t < at + w->item.tokens) {
            w->from = (uint32_t)(t - at);
            return;
        }
        at += w->good ? w->item.tokens : 0;
    }
    w->good = false;
}

uint32_t pxi_chunks_row(const struct pxi_chunks *c, uint64_t i, uint16_t source,
                        struct pxi_piece *out, uint32_t cap, px_err *err)
{
    struct walk w = {.c = c};
    uint64_t left = (uint64_t)c->tokens + c->more;
    uint32_t n = 0;
    if (c->dense)
        find_dense(&w, i);
    else
        find_steps(&w, i);
    do {
        uint32_t count = w.good ? w.item.tokens - w.from : 0;
        if (!count)
            continue;
        count = count < left ? count : (uint32_t)left;
        if (n < cap)
            out[n] =
                (struct pxi_piece){w.item.number, w.from, count, source,
                                   !n || (!w.from && !(w.item.flags & PXI_NDP_FLAG_CONTINUES))};
        n++;
        left -= count;
    } while (left && step(&w));
    *err = w.err;
    return n;
}
