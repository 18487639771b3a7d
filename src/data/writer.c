/* Stores of training data, written segment by segment. */
#include "data/writer.h"

#include "base/diag.h"
#include "base/limits.h"
#include "base/mem.h"
#include "crypto/hash.h"

enum { SEGMENT_BYTES = 16 << 20, SEGMENT_MOST = 1 << 30 };

struct pxi_writer {
    struct pxi_writer_options o;
    struct pxi_ndp_head head;
    unsigned copy; /* of the head that the next commit writes */
    struct pxi_ndp_directory dir;
    uint64_t end; /* where the next segment may begin */
    struct pxi_ndp_segment row;
    struct pxi_buf
        part[PXI_NDP_PARTS]; /* of the segment that is being gathered; mask: a byte each */
    struct pxi_buf rows;
    bool all_alike;
};

static void begin_segment(struct pxi_writer *w)
{
    w->row = (struct pxi_ndp_segment){0};
    w->all_alike = true;
    for (unsigned i = 0; i < PXI_NDP_PARTS; i++)
        w->part[i].n = 0;
}

static struct pxi_writer *writer_new(const struct pxi_writer_options *o)
{
    struct pxi_writer *w = pxi_calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->o = *o;
    if (!w->o.segment_bytes)
        w->o.segment_bytes = SEGMENT_BYTES;
    for (unsigned i = 0; i < PXI_NDP_PARTS; i++)
        w->part[i].max = SEGMENT_MOST;
    w->rows.max = (size_t)PXI_LIMIT_DATA_SEGMENTS * PXI_NDP_SEGMENT_BYTES;
    w->end = PXI_NDP_HEADS;
    begin_segment(w);
    return w;
}

px_err pxi_writer_new(const struct pxi_writer_options *o, struct pxi_writer **out)
{
    struct pxi_writer *w = *out = writer_new(o);
    if (!w)
        return PX_ERR_NOMEM;
    memcpy(w->head.id, o->id, sizeof o->id);
    w->dir = (struct pxi_ndp_directory){.vocab = o->vocab,
                                        .dtype = (uint8_t)o->dtype,
                                        .crc = o->variant.crc,
                                        .cover = o->variant.cover,
                                        .bos = o->bos,
                                        .eos = o->eos,
                                        .pad = o->pad};
    memcpy(w->dir.tokenizer, o->tokenizer, sizeof o->tokenizer);
    return PX_ERR_OK;
}

static px_err read_store(struct pxi_writer *w, px_diag *d)
{
    uint8_t *heads = pxi_calloc(1, PXI_NDP_HEADS), *bytes = NULL;
    uint64_t all = w->o.ops->bytes(w->o.file);
    px_err err = heads ? PX_ERR_OK : PX_ERR_NOMEM;
    if (!err)
        err = w->o.ops->read(w->o.file, 0, heads, PXI_NDP_HEADS);
    if (!err)
        err = pxi_ndp_head_open(w->o.sums, px_view_of(heads, PXI_NDP_HEADS), all, &w->head,
                                &w->copy, d);
    if (!err && w->head.directory_bytes > w->rows.max + PXI_NDP_DIRECTORY_BYTES)
        err = PX_ERR_LIMIT;
    if (!err && !(bytes = pxi_calloc(1, w->head.directory_bytes)))
        err = PX_ERR_NOMEM;
    if (!err)
        err = w->o.ops->read(w->o.file, w->head.directory_at, bytes, w->head.directory_bytes);
    px_view directory = px_view_of(bytes, w->head.directory_bytes);
    if (!err)
        err = pxi_ndp_directory_open(&w->head, directory, &w->dir, d);
    if (!err && !pxi_buf_add(&w->rows, bytes + PXI_NDP_DIRECTORY_BYTES,
                             directory.n - PXI_NDP_DIRECTORY_BYTES))
        err = PX_ERR_NOMEM;
    pxi_free(heads);
    pxi_free(bytes);
    return err;
}

px_err pxi_writer_append(const struct pxi_writer_options *o, struct pxi_writer **out, px_diag *d)
{
    struct pxi_writer *w = *out = writer_new(o);
    if (!w)
        return PX_ERR_NOMEM;
    px_err err = read_store(w, d);
    if (!err) /* what was never committed */
        err = o->ops->resize(o->file, w->head.file_bytes);
    if (err) {
        pxi_writer_free(w);
        *out = NULL;
        return err;
    }
    w->copy = !w->copy;
    w->end = pxi_ndp_round_up(w->head.file_bytes, PXI_NDP_PAGE);
    w->o.dtype = w->dir.dtype;
    return PX_ERR_OK;
}

void pxi_writer_free(struct pxi_writer *w)
{
    if (!w)
        return;
    for (unsigned i = 0; i < PXI_NDP_PARTS; i++)
        pxi_buf_deinit(&w->part[i]);
    pxi_buf_deinit(&w->rows);
    pxi_free(w);
}

px_err pxi_writer_variant(struct pxi_writer *w, struct pxi_ndp_variant v)
{
    if (w->dir.samples)
        return PX_ERR_INVALID;
    w->dir.crc = v.crc;
    w->dir.cover = v.cover;
    return PX_ERR_OK;
}

/* ------------------------------------------------------------------ samples */

static bool holds(unsigned dtype, const struct pxi_writer_sample *s)
{
    uint32_t all = 0;
    if (dtype == PXI_NDP_DTYPE_U16)
        for (size_t i = 0; i < s->count; i++)
            all |= (uint32_t)s->tokens[i];
    return all < 65536;
}

/* n bytes more at the end of a buffer, zeroed; NULL: no memory. */
static uint8_t *grow(struct pxi_buf *b, size_t n)
{
    static const uint8_t zeros[256];
    size_t at = b->n;
    for (size_t left = n; left;) {
        size_t some = left < sizeof zeros ? left : sizeof zeros;
        if (!pxi_buf_add(b, zeros, some)) {
            b->n = at;
            return NULL;
        }
        left -= some;
    }
    return b->p + at;
}

/* Side arrays reach to the sample that is added now; those that begin with it get what they had
 * before by default. */
static bool add_sides(struct pxi_writer *w, const struct pxi_writer_sample *s, size_t unit,
                      size_t at)
{
    struct pxi_buf *mask = &w->part[PXI_NDP_PART_MASK];
    struct pxi_buf *where = &w->part[PXI_NDP_PART_POSITIONS];
    struct pxi_buf *weights = &w->part[PXI_NDP_PART_WEIGHTS];
    struct pxi_buf *documents = &w->part[PXI_NDP_PART_DOCUMENTS];
    size_t first = at / unit, end = first + s->count;
    if (s->mask || mask->n) {
        size_t old = mask->n;
        if (end > old) {
            if (!grow(mask, end - old))
                return false;
            memset(mask->p + old, 1, end - old);
        }
        for (size_t i = 0; s->mask && i < s->count; i++)
            mask->p[first + i] = s->mask[i] != 0;
        w->row.parts |= PXI_NDP_HAS_MASK;
    }
    if (s->positions || where->n) {
        if (end * 4 > where->n && !grow(where, end * 4 - where->n))
            return false;
        for (size_t i = 0; i < s->count; i++)
            pxi_ndp_put_le(where->p + (first + i) * 4, 4,
                           s->positions ? (uint32_t)s->positions[i] : i);
        w->row.parts |= PXI_NDP_HAS_POSITIONS;
    }
    if (s->weight || weights->n) {
        static const float one = 1.0f;
        while (weights->n / 4 < w->row.samples)
            if (!pxi_buf_add(weights, &one, 4))
                return false;
        if (!pxi_buf_add(weights, s->weight ? s->weight : &one, 4))
            return false;
        w->row.parts |= PXI_NDP_HAS_WEIGHTS;
    }
    for (size_t i = 0; i < s->begin_count; i++) {
        uint8_t *p = grow(documents, 8);
        if (!p)
            return false;
        pxi_ndp_put_le(p, 8, first + s->begins[i]);
    }
    return true;
}

static bool add_bytes(struct pxi_writer *w, const struct pxi_writer_sample *s, size_t unit,
                      size_t at, size_t bytes)
{
    struct pxi_buf *b = &w->part[PXI_NDP_PART_TOKENS];
    size_t more = at - b->n + bytes;
    if (more && !grow(b, more))
        return false;
    uint8_t *p = more ? b->p + at : NULL; /* a sample of nothing may be the first */
    if (!s->tokens && bytes)
        memcpy(p, s->raw.p, bytes);
    for (size_t i = 0; s->tokens && i < s->count; i++)
        pxi_ndp_put_le(p + i * unit, (unsigned)unit, (uint32_t)s->tokens[i]);
    return true;
}

static void note_alike(struct pxi_writer *w, const struct pxi_writer_sample *s)
{
    struct pxi_ndp_segment *r = &w->row;
    if (r->samples && (r->src != s->src || r->dst != s->dst || r->typ != s->typ))
        w->all_alike = false;
    r->src = s->src;
    r->dst = s->dst;
    r->typ = s->typ;
}

static bool add_entry(struct pxi_writer *w, const struct pxi_writer_sample *s, size_t at,
                      size_t bytes)
{
    struct pxi_ndp_entry e = {.place = at | (uint64_t)bytes << 40,
                              .src = s->src,
                              .dst = s->dst,
                              .typ = s->typ,
                              .flags = s->flags};
    uint8_t raw[PXI_NDP_ENTRY_BYTES];
    if (!s->tokens)
        e.flags |= PXI_NDP_FLAG_RAW;
    const struct pxi_buf *b = &w->part[PXI_NDP_PART_TOKENS];
    e.crc = pxi_ndp_sample_crc(w->o.sums, &e, px_view_of(bytes ? b->p + at : NULL, bytes));
    pxi_ndp_entry_write(&e, raw);
    return pxi_buf_add(&w->part[PXI_NDP_PART_INDEX], raw, sizeof raw);
}

static px_err flush(struct pxi_writer *w);

px_err pxi_writer_add(struct pxi_writer *w, const struct pxi_writer_sample *s)
{
    size_t unit = pxi_ndp_token_bytes(w->o.dtype), bytes = s->tokens ? s->count * unit : s->raw.n;
    struct pxi_buf *samples = &w->part[PXI_NDP_PART_TOKENS];
    if (bytes >= PXI_NDP_SAMPLE_MOST || (s->tokens && !holds(w->o.dtype, s)))
        return PX_ERR_LIMIT;
    if (samples->n && samples->n + bytes > w->o.segment_bytes) {
        px_err err = flush(w);
        if (err)
            return err;
    }
    size_t at = pxi_ndp_round_up(samples->n, s->tokens ? unit : 4);
    if (!add_bytes(w, s, unit, at, bytes) || (s->tokens && !add_sides(w, s, unit, at)) ||
        !add_entry(w, s, at, bytes))
        return PX_ERR_NOMEM; /* the writer is of no more use, and what was committed stands */
    note_alike(w, s);
    w->row.samples++;
    w->dir.samples++;
    w->row.tokens += s->tokens ? s->count : 0;
    w->dir.tokens += s->tokens ? s->count : 0;
    if (s->tokens && s->count > w->dir.most)
        w->dir.most = (uint32_t)s->count;
    return PX_ERR_OK;
}

px_err pxi_writer_foreign(struct pxi_writer *w, enum pxi_ndp_drop drop, px_view bytes)
{
    struct pxi_buf *b = &w->part[PXI_NDP_PART_FOREIGN];
    while (bytes.n) {
        size_t n = bytes.n < w->o.segment_bytes ? bytes.n : w->o.segment_bytes;
        if (b->n && b->n + n > 2 * w->o.segment_bytes) {
            px_err err = flush(w);
            if (err)
                return err;
        }
        struct pxi_ndp_foreign f = {w->row.samples, (uint32_t)n, (uint8_t)drop, {0}};
        uint8_t raw[PXI_NDP_FOREIGN_BYTES];
        size_t pad = pxi_ndp_round_up(n, 8) - n;
        pxi_ndp_foreign_write(&f, raw);
        if (!pxi_buf_add(b, raw, sizeof raw) || !pxi_buf_add(b, bytes.p, n) ||
            (pad && !grow(b, pad)))
            return PX_ERR_NOMEM;
        bytes = px_view_of(bytes.p + n, bytes.n - n);
    }
    return PX_ERR_OK;
}

/* ----------------------------------------------------------------- segments */

/* The mask, a byte for each unit, as bits; units that no sample set count. */
static void put_mask(const struct pxi_buf *mask, uint64_t units, uint8_t *out)
{
    for (uint64_t i = 0; i < units; i++)
        if (i >= mask->n || mask->p[i])
            out[i / 8] |= (uint8_t)(1u << (i % 8));
}

/* What the parts that reach to the last unit or sample still lack. */
static bool complete(struct pxi_writer *w)
{
    static const float one = 1.0f;
    struct pxi_ndp_segment *r = &w->row;
    struct pxi_buf *weights = &w->part[PXI_NDP_PART_WEIGHTS];
    r->token_bytes = w->part[PXI_NDP_PART_TOKENS].n;
    r->foreign = w->part[PXI_NDP_PART_FOREIGN].n;
    r->documents = w->part[PXI_NDP_PART_DOCUMENTS].n / 8;
    r->alike = w->all_alike && r->samples;
    if (!r->alike)
        r->src = r->dst = r->typ = 0;
    if (r->parts & PXI_NDP_HAS_WEIGHTS)
        while (weights->n / 4 < r->samples)
            if (!pxi_buf_add(weights, &one, 4))
                return false;
    return true;
}

static void fill_segment(struct pxi_writer *w, const struct pxi_ndp_layout *l, uint8_t *out)
{
    uint64_t units = w->row.token_bytes / pxi_ndp_token_bytes(w->o.dtype);
    for (unsigned i = 0; i < PXI_NDP_PART_SUMS; i++) {
        size_t n = w->part[i].n < l->bytes[i] ? w->part[i].n : l->bytes[i];
        if (i == PXI_NDP_PART_MASK && l->bytes[i])
            put_mask(&w->part[i], units, out + l->at[i]);
        else if (n)
            memcpy(out + l->at[i], w->part[i].p, n);
    }
    uint64_t end = l->at[PXI_NDP_PART_SUMS];
    for (uint64_t at = 0; at < end; at += PXI_NDP_BLOCK) {
        size_t n = end - at < PXI_NDP_BLOCK ? (size_t)(end - at) : PXI_NDP_BLOCK;
        pxi_ndp_put_le(out + end + at / PXI_NDP_BLOCK * 4, 4, w->o.sums->crc32c(0, out + at, n));
    }
}

/* Write what was gathered as a segment behind the others. */
static px_err flush(struct pxi_writer *w)
{
    struct pxi_ndp_layout l;
    uint8_t row[PXI_NDP_SEGMENT_BYTES];
    if (!w->row.samples && !w->part[PXI_NDP_PART_FOREIGN].n)
        return PX_ERR_OK;
    if (!complete(w))
        return PX_ERR_NOMEM;
    if (!pxi_ndp_layout(&w->row, w->o.dtype, &l) || w->dir.segments == PXI_LIMIT_DATA_SEGMENTS)
        return PX_ERR_LIMIT;
    uint8_t *bytes = pxi_calloc(1, l.all);
    if (!bytes)
        return PX_ERR_NOMEM;
    fill_segment(w, &l, bytes);
    w->row.at = w->end;
    w->row.bytes = l.all;
    pxi_blake3(px_view_of(bytes, l.all), w->row.hash);
    px_err err = w->o.ops->write(w->o.file, w->end, px_view_of(bytes, l.all));
    pxi_free(bytes);
    pxi_ndp_segment_write(&w->row, row);
    if (!err && !pxi_buf_add(&w->rows, row, sizeof row))
        err = PX_ERR_NOMEM;
    if (err)
        return err;
    w->dir.segments++;
    w->end = pxi_ndp_round_up(w->end + l.all, PXI_NDP_PAGE);
    begin_segment(w);
    return PX_ERR_OK;
}

static px_err write_directory(struct pxi_writer *w, struct pxi_ndp_head *h)
{
    size_t n = PXI_NDP_DIRECTORY_BYTES + w->rows.n;
    uint8_t *bytes = pxi_calloc(1, n);
    if (!bytes)
        return PX_ERR_NOMEM;
    w->dir.previous_at = h->directory_at;
    w->dir.previous_bytes = h->directory_bytes;
    memcpy(w->dir.previous, h->hash, sizeof h->hash);
    pxi_ndp_directory_write(&w->dir, bytes);
    if (w->rows.n)
        memcpy(bytes + PXI_NDP_DIRECTORY_BYTES, w->rows.p, w->rows.n);
    h->directory_at = w->end;
    h->directory_bytes = n;
    h->file_bytes = w->end + n;
    h->generation++;
    pxi_blake3(px_view_of(bytes, n), h->hash);
    px_err err = w->o.ops->write(w->o.file, w->end, px_view_of(bytes, n));
    pxi_free(bytes);
    return err;
}

px_err pxi_writer_commit(struct pxi_writer *w)
{
    uint8_t page[PXI_NDP_PAGE] = {0};
    struct pxi_ndp_head h = w->head;
    px_err err = flush(w);
    if (!err)
        err = write_directory(w, &h);
    if (!err)
        err = w->o.ops->resize(w->o.file, h.file_bytes);
    if (!err)
        err = w->o.ops->sync(w->o.file);
    if (err)
        return err;
    pxi_ndp_head_seal(w->o.sums, h, page);
    err =
        w->o.ops->write(w->o.file, (uint64_t)w->copy * PXI_NDP_PAGE, px_view_of(page, sizeof page));
    if (!err)
        err = w->o.ops->sync(w->o.file);
    if (err)
        return err;
    w->head = h;
    w->copy = !w->copy;
    w->end = pxi_ndp_round_up(h.file_bytes, PXI_NDP_PAGE);
    return PX_ERR_OK;
}

uint64_t pxi_writer_generation(const struct pxi_writer *w)
{
    return w->head.generation;
}

const struct pxi_ndp_directory *pxi_writer_totals(const struct pxi_writer *w)
{
    return &w->dir;
}

void pxi_writer_hash(const struct pxi_writer *w, uint8_t out[32])
{
    memcpy(out, w->head.hash, 32);
}
