/* Samples of packets and of stores. */
#include "data/source.h"

#include "base/diag.h"
#include "base/limits.h"
#include "base/mem.h"

struct pxi_source {
    struct pxi_source_info info;
    const struct pxi_ndp_sums *sums;
    px_view file;
    struct pxi_far *far;
    uint64_t *at; /* packets: where each begins */
    struct pxi_source_segment *segments;
};

/* Room for one more packet. */
static bool room(struct pxi_source *s, uint64_t *cap)
{
    if (s->info.samples < *cap)
        return true;
    uint64_t want = *cap ? *cap * 2 : 1024;
    uint64_t *at = pxi_realloc(s->at, want, sizeof *at);
    if (!at)
        return false;
    s->at = at;
    *cap = want;
    return true;
}

static bool is_tokens(uint8_t typ, size_t bytes)
{
    return typ == PXI_NDP_TYP_TOKEN_IDS && bytes % 4 == 0;
}

static px_err read_packets(struct pxi_source *s, const struct pxi_source_options *o)
{
    struct pxi_ndp_reader r;
    struct pxi_ndp_piece p;
    uint64_t cap = 0, told = 0;
    pxi_ndp_reader_init(&r, s->sums, s->info.variant, s->file);
    s->info.all_tokens = true;
    while (pxi_ndp_next(&r, &p)) {
        if (p.at - told >= 1 << 26 && o->progress) {
            told = p.at;
            if (o->progress(o->ctx, p.at, s->file.n))
                return PX_ERR_INTERRUPTED;
        }
        if (!p.packet) {
            s->info.dropped_bytes += p.bytes.n;
            continue;
        }
        if (!room(s, &cap))
            return PX_ERR_NOMEM;
        s->at[s->info.samples++] = p.at;
        bool tokens_only = is_tokens(p.head.typ, p.payload.n);
        uint32_t tokens = tokens_only ? (uint32_t)(p.payload.n / 4) : 0;
        s->info.all_tokens &= tokens_only;
        s->info.tokens += tokens;
        if (tokens > s->info.most)
            s->info.most = tokens;
    }
    memcpy(s->info.dropped, r.dropped, sizeof r.dropped);
    return PX_ERR_OK;
}

static px_err open_packets(struct pxi_source *s, const struct pxi_source_options *o)
{
    s->info.bos = s->info.eos = s->info.pad = -1;
    s->info.dtype = PXI_NDP_DTYPE_I32;
    s->info.variant = o->variant;
    if (!o->forced)
        s->info.agreed = pxi_ndp_detect(s->sums, s->file, &s->info.variant, &s->info.checked);
    return read_packets(s, o);
}

/* Sums of the rows, which the directory repeats. */
static px_err add_rows(struct pxi_source *s, const struct pxi_ndp_head *h,
                       const struct pxi_ndp_directory *dir, px_view directory, px_diag *d)
{
    uint64_t end = PXI_NDP_HEADS, tokens = 0, unit = pxi_ndp_token_bytes(dir->dtype);
    s->info.all_tokens = true;
    for (uint32_t i = 0; i < dir->segments; i++) {
        struct pxi_source_segment *g = &s->segments[i];
        px_err err = pxi_ndp_segment_open(h, dir, directory, i, &end, &g->row, &g->layout, d);
        if (err)
            return err;
        g->first = s->info.samples;
        s->info.all_tokens &=
            g->row.tokens ? g->row.tokens * unit == g->row.token_bytes : !g->row.samples;
        g->bytes = px_view_of(s->file.p + g->row.at, g->row.bytes);
        s->info.samples += g->row.samples; /* each below 2^44, and 2^20 of them */
        tokens += g->row.tokens <= g->row.token_bytes ? g->row.tokens : UINT64_MAX / 2;
    }
    pxi_diag_field(d, "directory");
    if (s->info.samples != dir->samples || tokens != dir->tokens)
        return pxi_diag_set(d, PX_ERR_CORRUPT, h->directory_at, "the sums of its rows",
                            "%llu samples of %llu", (unsigned long long)dir->samples,
                            (unsigned long long)s->info.samples);
    return PX_ERR_OK;
}

static px_err open_store(struct pxi_source *s, px_diag *d)
{
    struct pxi_ndp_head h;
    struct pxi_ndp_directory dir;
    unsigned copy;
    px_view begin = px_view_of(s->file.p, s->file.n < PXI_NDP_HEADS ? s->file.n : PXI_NDP_HEADS);
    px_err err = pxi_ndp_head_open(s->sums, begin, s->file.n, &h, &copy, d);
    if (err)
        return err;
    px_view directory = px_view_of(s->file.p + h.directory_at, h.directory_bytes);
    if ((err = pxi_ndp_directory_open(&h, directory, &dir, d)))
        return err;
    if (dir.segments && !(s->segments = pxi_calloc(dir.segments, sizeof *s->segments)))
        return PX_ERR_NOMEM;
    if ((err = add_rows(s, &h, &dir, directory, d)))
        return err;
    struct pxi_source_info *i = &s->info;
    i->store = true;
    i->tokens = dir.tokens;
    i->segments = dir.segments;
    i->variant = (struct pxi_ndp_variant){dir.crc, dir.cover};
    i->most = dir.most;
    i->vocab = dir.vocab;
    i->bos = dir.bos;
    i->eos = dir.eos;
    i->pad = dir.pad;
    i->dtype = dir.dtype;
    i->generation = h.generation;
    memcpy(i->id, h.id, sizeof i->id);
    memcpy(i->hash, h.hash, sizeof i->hash);
    memcpy(i->tokenizer, dir.tokenizer, sizeof i->tokenizer);
    return PX_ERR_OK;
}

px_err pxi_source_open(const struct pxi_source_options *o, px_view file, struct pxi_source **out,
                       px_diag *d)
{
    struct pxi_source *s = pxi_calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return PX_ERR_NOMEM;
    s->sums = o->sums;
    s->file = file;
    s->far = o->far;
    s->info.bytes = file.n;
    bool store = file.n >= 4 && memcmp(file.p, "NDP3", 4) == 0;
    px_err err = store ? open_store(s, d) : open_packets(s, o);
    if (err) {
        pxi_source_close(s);
        return err;
    }
    *out = s;
    return PX_ERR_OK;
}

void pxi_source_close(struct pxi_source *s)
{
    if (!s)
        return;
    pxi_free(s->at);
    pxi_free(s->segments);
    pxi_free(s);
}

const struct pxi_source_info *pxi_source_info(const struct pxi_source *s)
{
    return &s->info;
}

const struct pxi_source_segment *pxi_source_segment(const struct pxi_source *s, uint32_t k)
{
    return k < s->info.segments ? &s->segments[k] : NULL;
}

/* The segment of sample i: the last one that begins at or before it. */
static uint32_t segment_of(const struct pxi_source *s, uint64_t i)
{
    uint32_t low = 0, high = s->info.segments;
    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;
        if (s->segments[mid].first <= i)
            low = mid;
        else
            high = mid;
    }
    return low;
}

/* Where entry i of a segment lies. */
static const uint8_t *entry_at(const struct pxi_source_segment *g, uint64_t i)
{
    return g->bytes.p + g->layout.at[PXI_NDP_PART_INDEX] + i * PXI_NDP_ENTRY_BYTES;
}

px_err pxi_source_entry(const struct pxi_source *s, uint32_t k, uint64_t i,
                        struct pxi_ndp_entry *out)
{
    const uint8_t *p = entry_at(&s->segments[k], i);
    px_err err = pxi_source_hold_bytes(s, p, PXI_NDP_ENTRY_BYTES);
    if (err)
        return err;
    *out = pxi_ndp_entry_read(p);
    pxi_source_let_go_bytes(s, p, PXI_NDP_ENTRY_BYTES);
    return PX_ERR_OK;
}

static bool store_item(const struct pxi_source *s, uint64_t i, struct pxi_item *out)
{
    struct pxi_ndp_entry e;
    out->segment = segment_of(s, i);
    const struct pxi_source_segment *g = &s->segments[out->segment];
    out->err = pxi_source_entry(s, out->segment, i - g->first, &e);
    if (out->err || !pxi_ndp_sample_of(g->bytes, &g->layout, s->info.dtype, &e, &out->bytes))
        return false;
    out->crc = e.crc;
    out->src = e.src;
    out->dst = e.dst;
    out->typ = e.typ;
    out->flags = e.flags;
    out->form = out->flags & PXI_NDP_FLAG_RAW        ? PXI_FORM_RAW
                : s->info.dtype == PXI_NDP_DTYPE_U16 ? PXI_FORM_U16
                                                     : PXI_FORM_I32;
    if (out->form != PXI_FORM_RAW)
        out->tokens = (uint32_t)(out->bytes.n / pxi_ndp_token_bytes(s->info.dtype));
    return true;
}

bool pxi_source_item(const struct pxi_source *s, uint64_t i, struct pxi_item *out)
{
    *out = (struct pxi_item){.number = i};
    if (i >= s->info.samples)
        return false;
    if (s->info.store)
        return store_item(s, i, out);
    const uint8_t *p = s->file.p + s->at[i];
    struct pxi_ndp_packet head = pxi_ndp_packet_read(p);
    if (s->file.n - s->at[i] < PXI_NDP_PACKET_BYTES + head.length + (size_t)PXI_NDP_TAIL)
        return false; /* written to since it was opened */
    out->bytes = px_view_of(p + PXI_NDP_PACKET_BYTES, head.length);
    out->src = head.src;
    out->dst = head.dst;
    out->typ = head.typ;
    out->form = is_tokens(head.typ, head.length) ? PXI_FORM_BE32 : PXI_FORM_RAW;
    out->tokens = out->form == PXI_FORM_BE32 ? head.length / 4 : 0;
    return true;
}

bool pxi_source_right(const struct pxi_source *s, const struct pxi_item *item)
{
    if (s->info.store) {
        const struct pxi_ndp_entry e = {
            .src = item->src, .dst = item->dst, .typ = item->typ, .flags = item->flags};
        return pxi_ndp_sample_crc(s->sums, &e, item->bytes) == item->crc;
    }
    px_view covered =
        px_view_of(item->bytes.p - PXI_NDP_PACKET_BYTES, item->bytes.n + PXI_NDP_PACKET_BYTES);
    return pxi_ndp_packet_crc(s->sums, s->info.variant, covered) ==
           pxi_ndp_be(item->bytes.p + item->bytes.n, PXI_NDP_TAIL);
}

void pxi_source_prefetch(const struct pxi_source *s, uint64_t i)
{
    if (i >= s->info.samples)
        return;
    if (!s->info.store) {
        __builtin_prefetch(s->file.p + s->at[i]);
        return;
    }
    const struct pxi_source_segment *g = &s->segments[segment_of(s, i)];
    __builtin_prefetch(entry_at(g, i - g->first));
}

/* ------------------------------------------------------------------ elsewhere */

struct pxi_far *pxi_source_far(const struct pxi_source *s)
{
    return s->far;
}

px_err pxi_source_hold_bytes(const struct pxi_source *s, const uint8_t *p, uint64_t n)
{
    return pxi_far_hold(s->far, (uint64_t)(p - s->file.p), n);
}

void pxi_source_let_go_bytes(const struct pxi_source *s, const uint8_t *p, uint64_t n)
{
    pxi_far_let_go(s->far, (uint64_t)(p - s->file.p), n);
}

/* Parts of a segment that belong to a sample: its bytes, its mask, its positions. */
enum { OWN_PARTS = 3 };

static px_view part_of(const struct pxi_source *s, const struct pxi_item *item, unsigned part)
{
    const struct pxi_source_segment *g = &s->segments[item->segment];
    unsigned unit = pxi_ndp_token_bytes(s->info.dtype);
    const uint8_t *tokens = g->bytes.p + g->layout.at[PXI_NDP_PART_TOKENS];
    uint64_t from = (uint64_t)(item->bytes.p - tokens) / unit, to = from + item->tokens;
    if (part == 0)
        return item->bytes;
    if (part == 1 && g->row.parts & PXI_NDP_HAS_MASK && item->tokens)
        return px_view_of(g->bytes.p + g->layout.at[PXI_NDP_PART_MASK] + from / 8,
                          (to + 7) / 8 - from / 8);
    if (part == 2 && g->row.parts & PXI_NDP_HAS_POSITIONS)
        return px_view_of(g->bytes.p + g->layout.at[PXI_NDP_PART_POSITIONS] + from * 4,
                          (to - from) * 4);
    return px_view_of(g->bytes.p, 0);
}

px_err pxi_source_hold(const struct pxi_source *s, const struct pxi_item *item)
{
    px_err err = PX_ERR_OK;
    for (unsigned i = 0; s->far && !err && i < OWN_PARTS; i++) {
        px_view part = part_of(s, item, i);
        err = pxi_source_hold_bytes(s, part.p, part.n);
        for (unsigned k = 0; err && k < i; k++) {
            part = part_of(s, item, k);
            pxi_source_let_go_bytes(s, part.p, part.n);
        }
    }
    return err;
}

void pxi_source_let_go(const struct pxi_source *s, const struct pxi_item *item)
{
    for (unsigned i = 0; s->far && i < OWN_PARTS; i++) {
        px_view part = part_of(s, item, i);
        pxi_source_let_go_bytes(s, part.p, part.n);
    }
}

static bool ahead(const struct pxi_source *s, const uint8_t *p, uint64_t n)
{
    return pxi_far_ahead(s->far, (uint64_t)(p - s->file.p), n);
}

void pxi_source_ahead_entry(const struct pxi_source *s, uint64_t i)
{
    if (!s->far || i >= s->info.samples)
        return;
    const struct pxi_source_segment *g = &s->segments[segment_of(s, i)];
    ahead(s, entry_at(g, i - g->first), PXI_NDP_ENTRY_BYTES);
}

bool pxi_source_ahead_item(const struct pxi_source *s, uint64_t i)
{
    struct pxi_item item;
    if (!s->far || i >= s->info.samples)
        return true;
    const struct pxi_source_segment *g = &s->segments[segment_of(s, i)];
    if (!ahead(s, entry_at(g, i - g->first), PXI_NDP_ENTRY_BYTES))
        return false;
    if (pxi_source_item(s, i, &item))
        for (unsigned k = 0; k < OWN_PARTS; k++) {
            px_view part = part_of(s, &item, k);
            ahead(s, part.p, part.n);
        }
    return true;
}

void pxi_source_ahead_index(const struct pxi_source *s, uint32_t k)
{
    if (s->far && k < s->info.segments)
        ahead(s, entry_at(&s->segments[k], 0), s->segments[k].row.samples * PXI_NDP_ENTRY_BYTES);
}

void pxi_source_ahead_segment(const struct pxi_source *s, uint32_t k)
{
    if (s->far && k < s->info.segments)
        ahead(s, s->segments[k].bytes.p, s->segments[k].bytes.n);
}

bool pxi_source_fused(const struct pxi_source *s, const struct pxi_item *item, uint16_t *crc)
{
    struct pxi_ndp_variant v = s->info.variant;
    if (s->info.store || v.crc == PXI_NDP_CRC_KERMIT || v.crc == PXI_NDP_CRC_X25)
        return false;
    /* The CRC of a head without payload, under this variant, is that up to the payload. */
    *crc = pxi_ndp_packet_crc(
        s->sums, v, px_view_of(item->bytes.p - PXI_NDP_PACKET_BYTES, PXI_NDP_PACKET_BYTES));
    return true;
}

uint16_t pxi_source_crc(const struct pxi_item *item)
{
    return (uint16_t)pxi_ndp_be(item->bytes.p + item->bytes.n, PXI_NDP_TAIL);
}
