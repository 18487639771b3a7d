/* Selections of samples. */
#include "data/filter.h"

#include "base/mem.h"

enum { BLOCK_WORDS = 8 }; /* 512 samples under one count */

/* Samples first .. first + n - 1 of the source, before which `before` were let in. */
struct run {
    uint64_t first, n, before;
};

struct pxi_filter {
    const struct pxi_source *s;
    uint64_t count, samples;
    struct run *runs; /* of whole segments */
    uint32_t run_count;
    uint64_t *bits;   /* or a bit for each sample */
    uint64_t *before; /* of each block */
};

static bool in(const uint8_t *set, uint8_t code)
{
    return !set || set[code / 8] >> (code % 8) & 1;
}

static bool wanted(const struct pxi_filter_options *o, uint8_t src, uint8_t dst, uint8_t typ)
{
    return in(o->src, src) && in(o->dst, dst) && in(o->typ, typ);
}

/* Whether every segment can be judged as a whole. */
static bool by_segments(const struct pxi_source *s, const struct pxi_filter_options *o)
{
    const struct pxi_source_info *info = pxi_source_info(s);
    bool all = !o->src && !o->dst && !o->typ;
    for (uint32_t k = 0; k < info->segments; k++) {
        const struct pxi_ndp_segment *r = &pxi_source_segment(s, k)->row;
        bool tokens = r->tokens * pxi_ndp_token_bytes(info->dtype) == r->token_bytes;
        bool raw = !r->tokens && r->alike && r->typ != PXI_NDP_TYP_TOKEN_IDS;
        if (!(raw || (tokens && (all || r->alike))))
            return false;
    }
    return info->store;
}

static void add_run(struct pxi_filter *f, uint64_t first, uint64_t n)
{
    if (!n)
        return;
    f->runs[f->run_count++] = (struct run){first, n, f->count};
    f->count += n;
}

static px_err take_segments(struct pxi_filter *f, const struct pxi_filter_options *o)
{
    uint32_t n = pxi_source_info(f->s)->segments;
    f->runs = pxi_calloc(n ? n : 1, sizeof *f->runs);
    if (!f->runs)
        return PX_ERR_NOMEM;
    for (uint32_t k = 0; k < n; k++) {
        const struct pxi_source_segment *g = pxi_source_segment(f->s, k);
        if (g->row.tokens && (!g->row.alike || wanted(o, g->row.src, g->row.dst, g->row.typ)))
            add_run(f, g->first, g->row.samples);
    }
    return PX_ERR_OK;
}

static px_err take_samples(struct pxi_filter *f, const struct pxi_filter_options *o)
{
    uint64_t words = f->samples / 64 + 1, blocks = words / BLOCK_WORDS + 1;
    f->bits = pxi_calloc(blocks * BLOCK_WORDS, sizeof *f->bits);
    f->before = pxi_calloc(blocks + 1, sizeof *f->before);
    if (!f->bits || !f->before)
        return PX_ERR_NOMEM;
    for (uint32_t k = 0; k < pxi_source_info(f->s)->segments; k++)
        pxi_source_ahead_index(f->s, k);
    for (uint64_t i = 0; i < f->samples; i++) {
        struct pxi_item item;
        bool there = pxi_source_item(f->s, i, &item);
        if (item.err)
            return item.err;
        if (there && item.form != PXI_FORM_RAW && wanted(o, item.src, item.dst, item.typ))
            f->bits[i / 64] |= 1ull << (i % 64);
    }
    for (uint64_t w = 0; w < blocks * BLOCK_WORDS; w++) {
        if (w % BLOCK_WORDS == 0)
            f->before[w / BLOCK_WORDS] = f->count;
        f->count += (unsigned)__builtin_popcountll(f->bits[w]);
    }
    f->before[blocks] = f->count;
    return PX_ERR_OK;
}

px_err pxi_filter_new(const struct pxi_source *s, const struct pxi_filter_options *o,
                      struct pxi_filter **out)
{
    struct pxi_filter *f = *out = pxi_calloc(1, sizeof *f);
    if (!f)
        return PX_ERR_NOMEM;
    f->s = s;
    f->samples = pxi_source_info(s)->samples;
    px_err err = PX_ERR_OK;
    if (!o->src && !o->dst && !o->typ && pxi_source_info(s)->all_tokens)
        f->count = f->samples;
    else
        err = by_segments(s, o) ? take_segments(f, o) : take_samples(f, o);
    if (err) {
        pxi_filter_free(f);
        *out = NULL;
    }
    return err;
}

void pxi_filter_free(struct pxi_filter *f)
{
    if (!f)
        return;
    pxi_free(f->runs);
    pxi_free(f->bits);
    pxi_free(f->before);
    pxi_free(f);
}

uint64_t pxi_filter_count(const struct pxi_filter *f)
{
    return f->count;
}

/* The run that holds what is let in as the i-th. */
static const struct run *run_of(const struct pxi_filter *f, uint64_t i)
{
    uint32_t low = 0, high = f->run_count;
    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;
        if (f->runs[mid].before <= i)
            low = mid;
        else
            high = mid;
    }
    return &f->runs[low];
}

static uint64_t bit_at(const struct pxi_filter *f, uint64_t i)
{
    uint64_t low = 0, high = f->samples / 64 / BLOCK_WORDS + 1;
    while (high - low > 1) {
        uint64_t mid = low + (high - low) / 2;
        if (f->before[mid] <= i)
            low = mid;
        else
            high = mid;
    }
    i -= f->before[low];
    for (uint64_t w = low * BLOCK_WORDS;; w++) {
        uint64_t bits = f->bits[w], n = (unsigned)__builtin_popcountll(bits);
        if (i < n) {
            for (; i; i--)
                bits &= bits - 1;
            return w * 64 + (unsigned)__builtin_ctzll(bits);
        }
        i -= n;
    }
}

uint64_t pxi_filter_at(const struct pxi_filter *f, uint64_t i)
{
    if (f->count == f->samples)
        return i;
    if (f->bits)
        return bit_at(f, i);
    const struct run *r = run_of(f, i);
    return r->first + (i - r->before);
}

bool pxi_filter_has(const struct pxi_filter *f, uint64_t i)
{
    if (f->count == f->samples)
        return i < f->samples;
    if (f->bits)
        return i < f->samples && f->bits[i / 64] >> (i % 64) & 1;
    for (uint32_t low = 0, high = f->run_count; low < high;) {
        uint32_t mid = low + (high - low) / 2;
        if (i < f->runs[mid].first)
            high = mid;
        else if (i - f->runs[mid].first >= f->runs[mid].n)
            low = mid + 1;
        else
            return true;
    }
    return false;
}
