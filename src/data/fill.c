/* Rows into batches. */
#include "data/fill.h"

#include "base/mem.h"

enum { LINE = 64, HEADS = 64, BODY_AHEAD = 1, REFILLS = 8 };

static size_t padded(size_t n)
{
    return (n + LINE - 1) / LINE * LINE;
}

static size_t cells(const struct pxi_fill *f)
{
    return (size_t)f->batch * f->row_tokens;
}

size_t pxi_slot_bytes(const struct pxi_fill *f)
{
    size_t n = padded(cells(f) * (f->ids64 ? 8 : 4));
    n += f->labels ? padded(cells(f) * (f->labels64 ? 8 : 4)) : 0;
    n += f->documents ? padded(cells(f) * 4) : 0;
    n += f->positions ? padded(cells(f) * 4) : 0;
    return n + padded((size_t)f->batch * 4) + padded((size_t)f->batch * 8) +
           padded(((size_t)f->batch + 1) * 4);
}

static void *carve(uint8_t **p, size_t n)
{
    void *at = *p;
    *p += padded(n);
    return at;
}

void pxi_slot_place(const struct pxi_fill *f, struct pxi_slot *s, uint8_t *p)
{
    s->ids = carve(&p, cells(f) * (f->ids64 ? 8 : 4));
    s->labels = f->labels ? carve(&p, cells(f) * (f->labels64 ? 8 : 4)) : NULL;
    s->documents = f->documents ? carve(&p, cells(f) * 4) : NULL;
    s->positions = f->positions ? carve(&p, cells(f) * 4) : NULL;
    s->numbers = carve(&p, (size_t)f->batch * 8);
    s->lengths = carve(&p, (size_t)f->batch * 4);
    s->first = carve(&p, ((size_t)f->batch + 1) * 4);
}

void pxi_slot_deinit(struct pxi_slot *s)
{
    pxi_free(s->pieces);
}

px_err pxi_slot_plan(struct pxi_slot *s, const struct pxi_row *row)
{
    uint32_t at = s->planned ? s->first[s->planned] : 0;
    if (at + row->count > s->piece_cap) {
        uint32_t cap = 2 * (at + row->count);
        struct pxi_piece *more = pxi_realloc(s->pieces, cap, sizeof *more);
        if (!more)
            return PX_ERR_NOMEM;
        s->pieces = more;
        s->piece_cap = cap;
    }
    memcpy(s->pieces + at, row->pieces, row->count * sizeof *row->pieces);
    s->first[s->planned++] = at;
    s->first[s->planned] = at + row->count;
    return PX_ERR_OK;
}

static uint32_t piece_count(const struct pxi_slot *s)
{
    return s->planned ? s->first[s->planned] : 0;
}

void pxi_slot_seek(const struct pxi_fill *f, struct pxi_slot *s)
{
    s->sought = 0;
    for (uint32_t i = 0; i < piece_count(s); i++)
        pxi_source_ahead_entry(f->sources[s->pieces[i].source], s->pieces[i].sample);
}

void pxi_slot_ahead(const struct pxi_fill *f, struct pxi_slot *s)
{
    while (s->sought < piece_count(s)) {
        const struct pxi_piece *p = &s->pieces[s->sought];
        if (!pxi_source_ahead_item(f->sources[p->source], p->sample))
            return;
        s->sought++;
    }
}

/* ------------------------------------------------------------------- pieces */

/* A row that is being filled. What is written to it is counted, so that a test can see that no byte
 * is written twice. */
struct line {
    const struct pxi_fill *f;
    struct pxi_slot *s;
    uint32_t row, n; /* tokens so far */
    uint32_t documents;
    bool twin; /* labels were written with the ids */
};

static void count(const struct line *l, size_t cells, int wide)
{
    l->s->counts.moved += cells * (wide ? 8 : 4);
}

static uint8_t *ids_at(const struct line *l, uint32_t at)
{
    return l->s->ids + ((size_t)l->row * l->f->row_tokens + at) * (l->f->ids64 ? 8 : 4);
}

static void put_label(const struct line *l, uint32_t at, int64_t value)
{
    size_t cell = (size_t)l->row * l->f->row_tokens + at;
    if (l->f->labels64)
        ((int64_t *)(void *)l->s->labels)[cell] = value;
    else
        ((int32_t *)(void *)l->s->labels)[cell] = (int32_t)value;
    count(l, 1, l->f->labels64);
}

static int64_t id_at(const struct line *l, uint32_t at)
{
    size_t cell = (size_t)l->row * l->f->row_tokens + at;
    return l->f->ids64 ? ((const int64_t *)(const void *)l->s->ids)[cell]
                       : ((const int32_t *)(const void *)l->s->ids)[cell];
}

static int32_t token_at(const struct pxi_item *item, uint32_t i)
{
    if (item->form == PXI_FORM_BE32)
        return (int32_t)pxi_ndp_be(item->bytes.p + 4 * (size_t)i, 4);
    unsigned unit = item->form == PXI_FORM_U16 ? 2 : 4;
    return (int32_t)pxi_ndp_le(item->bytes.p + (size_t)i * unit, unit);
}

/* Tokens from .. from + n of an item to the row's end, unchecked. */
static void copy(const struct line *l, const struct pxi_item *item, uint32_t from, uint32_t n)
{
    const struct pxi_kernels *k = &l->f->kernels;
    const uint8_t *src = item->bytes.p + (size_t)from * (item->form == PXI_FORM_U16 ? 2 : 4);
    void *dst = ids_at(l, l->n);
    if (!n)
        return;
    count(l, n, l->f->ids64);
    if (item->form == PXI_FORM_BE32)
        l->f->ids64 ? k->be32_i64(dst, src, n) : k->be32_i32(dst, src, n);
    else if (item->form == PXI_FORM_U16)
        l->f->ids64 ? k->u16_i64(dst, src, n) : k->u16_i32(dst, src, n);
    else if (l->f->ids64)
        k->i32_i64(dst, src, n);
    else
        memcpy(dst, src, 4 * (size_t)n);
}

/*
 * The same, if the item has its checksum: of a whole packet in one pass, of others it is looked at
 * first, which brings them into the cache for the copy. The other way round the next item's bytes
 * wait for both.
 */
static bool copy_checked(struct line *l, const struct pxi_item *item, uint32_t from, uint32_t n)
{
    const struct pxi_kernels *k = &l->f->kernels;
    const struct pxi_source *s = l->f->sources[item->number >> 56];
    struct pxi_item plain = *item;
    uint16_t crc;
    plain.number &= (1ull << 56) - 1;
    if (from || n != item->tokens || !pxi_source_fused(s, &plain, &crc)) {
        bool right = l->f->unchecked || pxi_source_right(s, &plain);
        if (right)
            copy(l, item, from, n);
        return right;
    }
    void *dst = ids_at(l, l->n);
    l->twin = l->f->labels == PX_LABELS_SAME && l->f->labels64 && l->f->ids64 && !l->n;
    count(l, l->twin ? 2 * n : n, l->f->ids64);
    if (l->twin)
        crc = k->crc16_be32_i64x2(
            crc, dst, (int64_t *)(void *)l->s->labels + (size_t)l->row * l->f->row_tokens,
            item->bytes.p, n);
    else if (l->f->ids64)
        crc = k->crc16_be32_i64(crc, dst, item->bytes.p, n);
    else
        crc = k->crc16_be32_i32(crc, dst, item->bytes.p, n);
    return l->f->unchecked || crc == pxi_source_crc(item);
}

static void put_ids(const struct line *l, uint32_t from, uint32_t to, int32_t value)
{
    count(l, to - from, l->f->ids64);
    if (l->f->ids64)
        for (int64_t *p = (int64_t *)(void *)ids_at(l, from); from < to; from++)
            *p++ = value;
    else
        for (int32_t *p = (int32_t *)(void *)ids_at(l, from); from < to; from++)
            *p++ = value;
}

static bool counts_in_loss(const struct pxi_source *s, const struct pxi_item *item, uint32_t i)
{
    const struct pxi_source_segment *g = pxi_source_segment(s, item->segment);
    if (!g || !(g->row.parts & PXI_NDP_HAS_MASK))
        return true;
    const uint8_t *tokens = g->bytes.p + g->layout.at[PXI_NDP_PART_TOKENS];
    uint64_t unit = (uint64_t)(item->bytes.p - tokens) / (item->form == PXI_FORM_U16 ? 2 : 4) + i;
    return g->bytes.p[g->layout.at[PXI_NDP_PART_MASK] + unit / 8] >> (unit % 8) & 1;
}

/* Labels at .. at + n of the row are its ids from `from` on. */
static void label_run(const struct line *l, uint32_t at, uint32_t from, uint32_t n)
{
    const struct pxi_fill *f = l->f;
    size_t cell = (size_t)l->row * f->row_tokens + at;
    if (!n)
        return;
    if (f->ids64 == f->labels64 || f->labels64)
        count(l, n, f->labels64); /* else put_label does */
    if (f->ids64 == f->labels64)
        memcpy(l->s->labels + cell * (f->labels64 ? 8 : 4), ids_at(l, from),
               n * (f->labels64 ? 8 : (size_t)4));
    else if (f->labels64)
        f->kernels.i32_i64((int64_t *)(void *)l->s->labels + cell, ids_at(l, from), n);
    else
        for (uint32_t i = 0; i < n; i++)
            put_label(l, at + i, id_at(l, from + i));
}

/* Labels of n tokens that were just put at l->n: the tokens themselves. */
static void label_same(const struct line *l, const struct pxi_piece *piece, uint32_t n)
{
    if (!l->twin)
        label_run(l, l->n, l->n, n);
    if (n && l->n && piece->begins && !l->f->cross)
        put_label(l, l->n, PX_LABEL_IGNORED);
}

/* Or those after them; the tokens of the item behind the piece may be seen. */
static void label_next(const struct line *l, const struct pxi_item *item,
                       const struct pxi_piece *piece, uint32_t n)
{
    const struct pxi_fill *f = l->f;
    uint32_t after = piece->from + n;                         /* in the item */
    if (l->n && piece->count && (!piece->begins || f->cross)) /* of the token before the piece */
        put_label(l, l->n - 1, token_at(item, piece->from));
    if (!n)
        return;
    label_run(l, l->n, l->n + 1, n - 1);
    bool known = after < item->tokens && (n < piece->count || l->n + n < f->row_tokens);
    put_label(l, l->n + n - 1, known ? token_at(item, after) : PX_LABEL_IGNORED);
}

/* Labels that the loss mask of a store leaves out. */
static void label_mask(const struct line *l, const struct pxi_item *item,
                       const struct pxi_piece *piece, uint32_t n)
{
    const struct pxi_source *s = l->f->sources[piece->source];
    const struct pxi_source_segment *g = pxi_source_segment(s, item->segment);
    uint32_t next = l->f->labels == PX_LABELS_NEXT; /* label i is that of token i + next */
    if (!g || !(g->row.parts & PXI_NDP_HAS_MASK))
        return;
    if (next && l->n && piece->count && !counts_in_loss(s, item, piece->from))
        put_label(l, l->n - 1, PX_LABEL_IGNORED);
    for (uint32_t i = 0; i < n; i++)
        if (piece->from + i + next < item->tokens &&
            !counts_in_loss(s, item, piece->from + i + next))
            put_label(l, l->n + i, PX_LABEL_IGNORED);
}

static void label(const struct line *l, const struct pxi_item *item, const struct pxi_piece *piece,
                  uint32_t n)
{
    if (l->f->labels == PX_LABELS_SAME)
        label_same(l, piece, n);
    else
        label_next(l, item, piece, n);
    label_mask(l, item, piece, n);
}

static void place(const struct line *l, const struct pxi_item *item, const struct pxi_piece *piece,
                  uint32_t n, bool masked)
{
    const struct pxi_fill *f = l->f;
    size_t cell = (size_t)l->row * f->row_tokens + l->n;
    count(l, n * ((size_t)f->documents + (size_t)f->positions), 0);
    if (f->documents)
        for (uint32_t i = 0; i < n; i++)
            l->s->documents[cell + i] = (int32_t)l->documents - 1;
    if (!f->positions)
        return;
    const struct pxi_source_segment *g =
        pxi_source_segment(f->sources[piece->source], item->segment);
    if (!masked && g && g->row.parts & PXI_NDP_HAS_POSITIONS) {
        const uint8_t *tokens = g->bytes.p + g->layout.at[PXI_NDP_PART_TOKENS];
        uint64_t unit = (uint64_t)(item->bytes.p - tokens) / (item->form == PXI_FORM_U16 ? 2 : 4);
        memcpy(l->s->positions + cell,
               g->bytes.p + g->layout.at[PXI_NDP_PART_POSITIONS] + 4 * (unit + piece->from),
               4 * (size_t)n);
        return;
    }
    int32_t from = piece->begins || !l->n ? 0 : l->s->positions[cell - 1] + 1;
    for (uint32_t i = 0; i < n; i++)
        l->s->positions[cell + i] = from + (int32_t)i;
}

/* ------------------------------------------------------------------- damage */

static void note_bad(struct pxi_slot *s, const struct pxi_piece *p)
{
    if (s->counts.damaged < PXI_FILL_BAD)
        s->bad[s->counts.damaged] = p->sample | (uint64_t)p->source << 56;
    s->counts.damaged++;
}

/* The item of a piece, with the source in the top bits of its number. */
static bool item_of(const struct pxi_fill *f, const struct pxi_piece *p, struct pxi_item *item)
{
    bool there = pxi_source_item(f->sources[p->source], p->sample, item);
    item->number |= (uint64_t)p->source << 56;
    return there && item->form != PXI_FORM_RAW;
}

static bool dropped(const struct pxi_fill *f, uint64_t position, const struct pxi_piece *p)
{
    return f->drop_below &&
           pxi_order_hash(f->seed ^ 0x64726f70, position, p->sample) < f->drop_below;
}

/* It could not be brought: the slot is of no use. */
static bool missed(const struct line *l, const struct pxi_piece *p, px_err err)
{
    l->s->err = err;
    l->s->bad[0] = p->sample | (uint64_t)p->source << 56;
    return false;
}

/* Put an item, which is held, at the end of the row; false: it is not to be used. */
static bool put_item(struct line *l, const struct pxi_piece *p, const struct pxi_item *item,
                     bool there)
{
    uint32_t room = l->f->row_tokens - l->n;
    uint32_t n = there && item->tokens > p->from ? item->tokens - p->from : 0;
    n = n < p->count ? n : p->count;
    n = n < room ? n : room;
    l->twin = false;
    if (!there || !copy_checked(l, item, p->from, n)) {
        note_bad(l->s, p);
        return false;
    }
    l->documents += p->begins || !l->n;
    if (l->f->labels)
        label(l, item, p, n);
    place(l, item, p, n, false);
    l->n += n;
    return true;
}

/* Put a piece at the end of the row; false: it is not to be used, or could not be brought. */
static bool put(struct line *l, const struct pxi_piece *p, uint64_t position, bool by_chance)
{
    const struct pxi_source *s = l->f->sources[p->source];
    struct pxi_item item;
    if (by_chance && dropped(l->f, position, p)) {
        l->s->counts.dropped++;
        return false;
    }
    bool there = item_of(l->f, p, &item);
    px_err err = there ? pxi_source_hold(s, &item) : item.err;
    if (err)
        return missed(l, p, err);
    bool good = put_item(l, p, &item, there);
    if (there)
        pxi_source_let_go(s, &item);
    return good;
}

/* A part of a row that is not to be learned. */
static void put_masked(struct line *l, const struct pxi_piece *p)
{
    struct pxi_item none = {.segment = UINT32_MAX};
    uint32_t room = l->f->row_tokens - l->n, n = p->count < room ? p->count : room;
    put_ids(l, l->n, l->n + n, l->f->pad);
    for (uint32_t i = 0; l->f->labels && i < n; i++)
        put_label(l, l->n + i, PX_LABEL_IGNORED);
    l->documents += p->begins || !l->n;
    place(l, &none, p, n, true);
    l->n += n;
    l->s->counts.masked++;
}

/* The only piece of a padded row, or others instead. False: the row is left out. */
static bool put_padded(struct line *l, struct pxi_piece *p, uint64_t position)
{
    const struct pxi_fill *f = l->f;
    if (put(l, p, position, true))
        return true;
    if (f->damage == PX_DAMAGE_DROP)
        return false;
    for (unsigned k = 0; k < REFILLS && !l->s->err; k++) {
        p->sample = pxi_plan_instead(f->plan, p->source, position, k);
        if (put(l, p, position, false)) {
            l->s->counts.refilled++;
            return true;
        }
    }
    l->s->counts.masked++;
    return true;
}

static void finish(struct line *l)
{
    const struct pxi_fill *f = l->f;
    size_t cell = (size_t)l->row * f->row_tokens;
    put_ids(l, l->n, f->row_tokens, f->pad);
    count(l, (f->row_tokens - l->n) * ((size_t)f->documents + (size_t)f->positions), 0);
    for (uint32_t i = l->n; i < f->row_tokens; i++) {
        if (f->labels)
            put_label(l, i, PX_LABEL_IGNORED);
        if (f->documents)
            l->s->documents[cell + i] = -1;
        if (f->positions)
            l->s->positions[cell + i] = 0;
    }
    l->s->lengths[l->row] = l->n;
}

/* ------------------------------------------------------------------ batches */

/* What tells where the next rows are, of many at once: walks through the tables of pages go on
 * beside each other. */
static void fetch_heads(const struct pxi_fill *f, const struct pxi_slot *s, uint32_t from)
{
    for (uint32_t i = from; i < from + HEADS && i < s->planned; i++) {
        const struct pxi_piece *p = &s->pieces[s->first[i]];
        pxi_source_prefetch(f->sources[p->source], p->sample);
    }
}

/* The bytes that row i begins with, once: they need not stay in the cache. */
static void fetch_body(const struct pxi_fill *f, const struct pxi_slot *s, uint32_t i)
{
    struct pxi_item item;
    if (i >= s->planned)
        return;
    const struct pxi_piece *p = &s->pieces[s->first[i]];
    if (!item_of(f, p, &item))
        return;
    size_t unit = item.form == PXI_FORM_U16 ? 2 : 4, from = p->from * unit;
    size_t end = from + (size_t)f->row_tokens * unit;
    end = end < item.bytes.n ? end : item.bytes.n;
    for (size_t at = from; at < end; at += LINE)
        __builtin_prefetch(item.bytes.p + at, 0, 0);
}

static bool fill_row(const struct pxi_fill *f, struct pxi_slot *s, uint32_t planned, uint32_t row)
{
    struct line l = {.f = f, .s = s, .row = row};
    struct pxi_piece *p = &s->pieces[s->first[planned]];
    uint32_t n = s->first[planned + 1] - s->first[planned];
    uint64_t position = s->at.position + (pxi_plan_direct(f->plan) ? planned : 0);
    bool whole = true;
    if (f->padded)
        whole = put_padded(&l, p, position);
    else
        for (uint32_t i = 0; i < n && !s->err; i++)
            if (!put(&l, &p[i], position, true))
                put_masked(&l, &p[i]);
    if (!whole || s->err)
        return false;
    s->numbers[row] = p->sample | (uint64_t)p->source << 56;
    finish(&l);
    s->batch.tokens += l.n;
    return true;
}

void pxi_fill(const struct pxi_fill *f, struct pxi_slot *s)
{
    s->counts = (px_loader_counts){0};
    s->err = PX_ERR_OK;
    s->batch = (px_batch){.row_tokens = f->row_tokens,
                          .ids = s->ids,
                          .labels = s->labels,
                          .documents = s->documents,
                          .positions = s->positions,
                          .lengths = s->lengths,
                          .numbers = s->numbers,
                          .position = s->at.position};
    for (uint32_t i = 0; i < s->planned && !s->err; i++) {
        if (!f->far && i % HEADS == 0)
            fetch_heads(f, s, i);
        if (!f->far)
            fetch_body(f, s, i + BODY_AHEAD);
        s->batch.rows += fill_row(f, s, i, s->batch.rows);
    }
    if (!s->err && f->damage == PX_DAMAGE_ERROR && s->counts.damaged)
        s->err = PX_ERR_CORRUPT;
}
