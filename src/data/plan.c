/* Rows, from samples, by place. */
#include "data/plan.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "data/chunk.h"
#include "data/fit.h"

enum { REFILLS = 0x5265 }; /* what tells draws of substitutes from other uses of the seed */

struct pxi_plan {
    struct pxi_plan_options o;
    struct pxi_chunks **chunks; /* of each source, when chunked */
    uint64_t *n;                /* samples or rows of each source, that one epoch has */
    struct pxi_mix *mix;        /* of several sources */
    uint64_t positions;
    uint8_t name[16];
};

/* The samples of a group and the rows that they make. */
struct pxi_group {
    uint64_t sample[PXI_PLAN_GROUP];
    uint16_t source[PXI_PLAN_GROUP];
    uint32_t tokens[PXI_PLAN_GROUP], bin[PXI_PLAN_GROUP], n;
    uint32_t first[PXI_PLAN_GROUP + 1]; /* of the pieces of each row */
    struct pxi_piece piece[PXI_PLAN_GROUP];
    uint32_t rows;
};

static px_err count_rows(struct pxi_plan *p)
{
    const struct pxi_plan_options *o = &p->o;
    for (unsigned i = 0; i < o->count; i++) {
        p->n[i] = pxi_filter_count(o->filters[i]);
        if (o->packing == PX_PACK_CHUNK) {
            px_err err =
                pxi_chunks_new(o->sources[i], o->filters[i], o->row_tokens, o->more, &p->chunks[i]);
            if (err)
                return err;
            p->n[i] = pxi_chunks_count(p->chunks[i]);
        }
        if (!p->n[i])
            return PX_ERR_NOT_FOUND;
    }
    return PX_ERR_OK;
}

static px_err mix_sources(struct pxi_plan *p)
{
    struct pxi_mix_source s[PXI_MIX_SOURCES];
    bool all_once = true;
    unsigned __int128 all = 0;
    for (unsigned i = 0; i < p->o.count; i++) {
        uint64_t weight = p->o.weights ? p->o.weights[i] : 0;
        bool once = p->o.once && p->o.once[i];
        s[i] = (struct pxi_mix_source){weight ? weight : p->n[i], p->n[i], once};
        all_once &= once;
        all += p->n[i];
    }
    unsigned __int128 positions = p->o.epochs ? all * p->o.epochs : UINT64_MAX;
    p->positions = positions < UINT64_MAX ? (uint64_t)positions : UINT64_MAX;
    if (all_once && all < p->positions)
        p->positions = (uint64_t)all;
    return p->o.count > 1 ? pxi_mix_new(s, p->o.count, &p->mix) : PX_ERR_OK;
}

/* What makes a difference to which row comes where. */
static px_err name_plan(struct pxi_plan *p)
{
    struct pxi_buf b = {.max = SIZE_MAX};
    uint8_t hash[PXI_DIGEST];
    uint64_t head[] = {p->o.seed,    p->o.count,      p->o.row_tokens,
                       p->o.packing, p->o.sequential, p->o.more};
    int ok = pxi_buf_add(&b, head, sizeof head);
    for (unsigned i = 0; i < p->o.count; i++) {
        const struct pxi_source_info *s = pxi_source_info(p->o.sources[i]);
        uint64_t row[] = {p->o.weights ? p->o.weights[i] : 0, p->o.once && p->o.once[i], p->n[i],
                          s->samples, s->tokens};
        ok &= pxi_buf_add(&b, row, sizeof row) && pxi_buf_add(&b, s->hash, sizeof s->hash);
    }
    pxi_blake3(px_view_of(b.p, b.n), hash);
    pxi_buf_deinit(&b);
    memcpy(p->name, hash, sizeof p->name);
    return ok ? PX_ERR_OK : PX_ERR_NOMEM;
}

static void *copied(const void *from, unsigned n, size_t size)
{
    void *to = pxi_calloc(n, size);
    if (to)
        memcpy(to, from, n * size);
    return to;
}

static px_err copy_arrays(struct pxi_plan *p, const struct pxi_plan_options *o)
{
    unsigned n = o->count;
    p->o.sources = copied(o->sources, n, sizeof *o->sources);
    p->o.filters = copied(o->filters, n, sizeof *o->filters);
    p->o.weights = o->weights ? copied(o->weights, n, sizeof *o->weights) : NULL;
    p->o.once = o->once ? copied(o->once, n, sizeof *o->once) : NULL;
    p->n = pxi_calloc(n, sizeof *p->n);
    p->chunks = pxi_calloc(n, sizeof(struct pxi_chunks *));
    bool ok = p->o.sources && p->o.filters && p->n && p->chunks && (!o->weights || p->o.weights) &&
              (!o->once || p->o.once);
    return ok ? PX_ERR_OK : PX_ERR_NOMEM;
}

px_err pxi_plan_new(const struct pxi_plan_options *o, struct pxi_plan **out)
{
    struct pxi_plan *p = *out = pxi_calloc(1, sizeof *p);
    if (!p)
        return PX_ERR_NOMEM;
    p->o = *o;
    px_err err = copy_arrays(p, o);
    if (!err)
        err = count_rows(p);
    if (!err)
        err = mix_sources(p);
    if (!err)
        err = name_plan(p);
    if (err) {
        pxi_plan_free(p);
        *out = NULL;
    }
    return err;
}

void pxi_plan_free(struct pxi_plan *p)
{
    if (!p)
        return;
    for (unsigned i = 0; p->chunks && i < p->o.count; i++)
        pxi_chunks_free(p->chunks[i]);
    pxi_mix_free(p->mix);
    pxi_free((void *)(uintptr_t)p->o.sources);
    pxi_free((void *)(uintptr_t)p->o.filters);
    pxi_free((void *)(uintptr_t)p->o.weights);
    pxi_free((void *)(uintptr_t)p->o.once);
    pxi_free(p->n);
    pxi_free(p->chunks);
    pxi_free(p);
}

uint64_t pxi_plan_positions(const struct pxi_plan *p)
{
    return p->positions;
}

bool pxi_plan_direct(const struct pxi_plan *p)
{
    return p->o.packing == PX_PACK_PAD || p->o.packing == PX_PACK_CHUNK;
}

void pxi_plan_name(const struct pxi_plan *p, uint8_t out[16])
{
    memcpy(out, p->name, sizeof p->name);
}

/* ---------------------------------------------------------------- positions */

void pxi_plan_reader_deinit(struct pxi_plan_reader *r)
{
    pxi_free(r->pieces);
    pxi_free(r->orders);
    pxi_free(r->epochs);
    pxi_free(r->group);
}

void pxi_plan_reader_forget(struct pxi_plan_reader *r)
{
    r->group_at = UINT64_MAX;
    for (unsigned i = 0; i < r->order_count; i++)
        r->epochs[i] = UINT64_MAX;
}

static bool ready(const struct pxi_plan *p, struct pxi_plan_reader *r)
{
    if (r->orders)
        return true;
    struct pxi_order *orders = pxi_calloc(p->o.count, sizeof *orders);
    r->epochs = pxi_calloc(p->o.count, sizeof *r->epochs);
    if (!orders || !r->epochs) {
        pxi_free(orders);
        return false;
    }
    for (unsigned i = 0; i < p->o.count; i++)
        pxi_order_init(&orders[i], p->n[i], p->o.seed + i, 0);
    r->orders = orders;
    r->order_count = p->o.count;
    return true;
}

/* Source and number, among what it has, of what comes at a position. */
static unsigned drawn(const struct pxi_plan *p, struct pxi_plan_reader *r, uint64_t position,
                      uint64_t *number)
{
    uint64_t nth = position;
    unsigned i = p->mix ? pxi_mix_at(p->mix, position, &nth) : 0;
    uint64_t epoch = nth / p->n[i], at = nth % p->n[i];
    if (r->epochs[i] != epoch) {
        pxi_order_init(&r->orders[i], p->n[i], p->o.seed + i, epoch);
        r->epochs[i] = epoch;
    }
    *number = p->o.sequential ? at : pxi_order_at(&r->orders[i], at);
    return i;
}

uint64_t pxi_plan_instead(const struct pxi_plan *p, unsigned source, uint64_t position, unsigned k)
{
    uint64_t n = pxi_filter_count(p->o.filters[source]);
    uint64_t x = pxi_order_hash(p->o.seed ^ REFILLS, position, k);
    return pxi_filter_at(p->o.filters[source], x % n);
}

static bool room(struct pxi_plan_reader *r, uint32_t n)
{
    if (n <= r->piece_cap)
        return true;
    struct pxi_piece *more = pxi_realloc(r->pieces, n, sizeof *more);
    if (!more)
        return false;
    r->pieces = more;
    r->piece_cap = n;
    return true;
}

static px_err chunk_row(const struct pxi_plan *p, struct pxi_plan_reader *r, unsigned source,
                        uint64_t number, struct pxi_row *out)
{
    const struct pxi_chunks *c = p->chunks[source];
    px_err err;
    uint32_t n = pxi_chunks_row(c, number, (uint16_t)source, r->pieces, r->piece_cap, &err);
    if (!err && n > r->piece_cap) {
        if (!room(r, 2 * n))
            return PX_ERR_NOMEM;
        pxi_chunks_row(c, number, (uint16_t)source, r->pieces, r->piece_cap, &err);
    }
    out->count = n;
    return err;
}

static px_err padded_row(const struct pxi_plan *p, struct pxi_plan_reader *r, unsigned source,
                         uint64_t number, struct pxi_row *out)
{
    if (!room(r, 1))
        return PX_ERR_NOMEM;
    uint64_t i = pxi_filter_at(p->o.filters[source], number);
    r->pieces[0] = (struct pxi_piece){i, 0, p->o.row_tokens + p->o.more, (uint16_t)source, true};
    out->count = 1;
    return PX_ERR_OK;
}

static bool direct_next(const struct pxi_plan *p, struct pxi_plan_reader *r, struct pxi_place *at,
                        struct pxi_row *out, px_err *err)
{
    uint64_t number;
    if (at->position >= p->positions)
        return false;
    unsigned source = drawn(p, r, at->position, &number);
    *err = p->o.packing == PX_PACK_CHUNK ? chunk_row(p, r, source, number, out)
                                         : padded_row(p, r, source, number, out);
    out->pieces = r->pieces;
    at->position++;
    return !*err;
}

/* -------------------------------------------------------------- fitted rows */

/* Which samples a group is made of. */
static void draw(const struct pxi_plan *p, struct pxi_plan_reader *r, struct pxi_group *g,
                 uint64_t from)
{
    uint64_t left = p->positions - from;
    for (g->n = 0; g->n < PXI_PLAN_GROUP && g->n < left; g->n++) {
        uint64_t number;
        unsigned source = drawn(p, r, from + g->n, &number);
        g->sample[g->n] = pxi_filter_at(p->o.filters[source], number);
        g->source[g->n] = (uint16_t)source;
        pxi_source_ahead_entry(p->o.sources[source], g->sample[g->n]);
    }
}

/* And of how many tokens; those without any are left out. */
static px_err measure(const struct pxi_plan *p, struct pxi_group *g)
{
    uint32_t n = g->n;
    g->n = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct pxi_item item;
        pxi_source_item(p->o.sources[g->source[i]], g->sample[i], &item);
        if (item.err)
            return item.err;
        if (!item.tokens)
            continue;
        g->sample[g->n] = g->sample[i];
        g->source[g->n] = g->source[i];
        g->tokens[g->n++] = item.tokens < p->o.row_tokens ? item.tokens : p->o.row_tokens;
    }
    return PX_ERR_OK;
}

/* Pieces by row, the rows in an order of their own: those of best fit come longest first. */
static void lay_out(const struct pxi_plan *p, struct pxi_group *g, uint64_t from)
{
    struct pxi_order o;
    pxi_order_init(&o, g->rows ? g->rows : 1, p->o.seed ^ REFILLS, from);
    memset(g->first, 0, sizeof g->first);
    for (uint32_t i = 0; i < g->n; i++) {
        if (!p->o.sequential)
            g->bin[i] = (uint32_t)pxi_order_at(&o, g->bin[i]);
        g->first[g->bin[i] + 1]++;
    }
    for (uint32_t i = 0; i < g->rows; i++)
        g->first[i + 1] += g->first[i];
    for (uint32_t i = g->n; i-- > 0;) /* backwards, so that first[] ends up where rows end ... */
        g->piece[--g->first[g->bin[i] + 1]] =
            (struct pxi_piece){g->sample[i], 0, g->tokens[i], g->source[i], true};
    memmove(g->first, g->first + 1, g->rows * sizeof *g->first); /* ... or rather begin */
    g->first[g->rows] = g->n;
}

static px_err open_group(const struct pxi_plan *p, struct pxi_plan_reader *r, uint64_t from)
{
    if (r->group && r->group_at == from)
        return PX_ERR_OK;
    if (!r->group && !(r->group = pxi_calloc(1, sizeof *r->group)))
        return PX_ERR_NOMEM;
    r->group_at = UINT64_MAX;
    draw(p, r, r->group, from);
    px_err err = measure(p, r->group);
    if (!err)
        err = pxi_fit(r->group->tokens, r->group->n, p->o.row_tokens,
                      p->o.packing == PX_PACK_BEST_FIT, r->group->bin, &r->group->rows);
    if (err)
        return err;
    lay_out(p, r->group, from);
    r->group_at = from;
    return PX_ERR_OK;
}

/* The group in which the row at a place lies; the place moves on while groups have no such row. */
static bool group_of(const struct pxi_plan *p, struct pxi_plan_reader *r, struct pxi_place *at,
                     px_err *err)
{
    while (at->position < p->positions) {
        if ((*err = open_group(p, r, at->position)))
            return false;
        if (at->row < r->group->rows)
            return true;
        at->row -= r->group->rows;
        if (p->positions - at->position <= PXI_PLAN_GROUP)
            break;
        at->position += PXI_PLAN_GROUP;
    }
    *at = (struct pxi_place){p->positions, 0}; /* the end is one place, however far one goes */
    return false;
}

static bool fitted_next(const struct pxi_plan *p, struct pxi_plan_reader *r, struct pxi_place *at,
                        struct pxi_row *out, px_err *err)
{
    if (!group_of(p, r, at, err))
        return false;
    const struct pxi_group *g = r->group;
    out->pieces = g->piece + g->first[at->row];
    out->count = g->first[at->row + 1] - g->first[at->row];
    at->row++;
    return true;
}

bool pxi_plan_next(const struct pxi_plan *p, struct pxi_plan_reader *r, struct pxi_place *at,
                   struct pxi_row *out, px_err *err)
{
    *err = PX_ERR_OK;
    if (!ready(p, r)) {
        *err = PX_ERR_NOMEM;
        return false;
    }
    *out = (struct pxi_row){.position = at->position};
    bool found =
        pxi_plan_direct(p) ? direct_next(p, r, at, out, err) : fitted_next(p, r, at, out, err);
    return found;
}

px_err pxi_plan_skip(const struct pxi_plan *p, struct pxi_plan_reader *r, struct pxi_place *at,
                     uint64_t n)
{
    px_err err = PX_ERR_OK;
    if (pxi_plan_direct(p)) {
        uint64_t left = p->positions - at->position;
        at->position += n < left ? n : left;
        return err;
    }
    if (!ready(p, r))
        return PX_ERR_NOMEM;
    at->row = n < UINT64_MAX - at->row ? at->row + n : UINT64_MAX;
    group_of(p, r, at, &err);
    return err;
}
