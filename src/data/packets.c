/* Packets to a store and back. */
#include "data/packets.h"

#include "base/diag.h"
#include "base/mem.h"

enum { PACKET_TOKENS = PXI_NDP_MOST / 4, REPORT_EVERY = 1 << 24 };

static px_err add_packet(struct pxi_writer *w, const struct pxi_ndp_piece *p, int32_t *tokens)
{
    struct pxi_writer_sample s = {.src = p->head.src, .dst = p->head.dst, .typ = p->head.typ};
    px_err err = PX_ERR_LIMIT;
    if (p->head.typ == PXI_NDP_TYP_TOKEN_IDS && p->payload.n % 4 == 0) {
        s.tokens = tokens;
        s.count = p->payload.n / 4;
        for (size_t i = 0; i < s.count; i++)
            tokens[i] = (int32_t)pxi_ndp_be(p->payload.p + 4 * i, 4);
        err = pxi_writer_add(w, &s);
    }
    if (err != PX_ERR_LIMIT)
        return err;
    s.tokens = NULL;
    s.raw = p->payload;
    return pxi_writer_add(w, &s);
}

px_err pxi_packets_read(const struct pxi_ndp_sums *sums, struct pxi_ndp_variant v, px_view file,
                        struct pxi_writer *w, pxi_data_progress *progress, void *ctx)
{
    struct pxi_ndp_reader r;
    struct pxi_ndp_piece p;
    uint64_t told = 0;
    int32_t *tokens = pxi_calloc(PACKET_TOKENS, sizeof *tokens);
    px_err err = tokens ? PX_ERR_OK : PX_ERR_NOMEM;
    pxi_ndp_reader_init(&r, sums, v, file);
    while (!err && pxi_ndp_next(&r, &p)) {
        err = p.packet ? add_packet(w, &p, tokens) : pxi_writer_foreign(w, p.drop, p.bytes);
        if (!err && progress && r.at - told >= REPORT_EVERY) {
            told = r.at;
            err = progress(ctx, r.at, file.n) ? PX_ERR_INTERRUPTED : PX_ERR_OK;
        }
    }
    pxi_free(tokens);
    return err;
}

/* ------------------------------------------------------------------ writing */

struct out {
    const struct pxi_ndp_sums *sums;
    const struct pxi_source *s;
    const struct pxi_source_info *info;
    pxi_data_put *put;
    void *ctx;
    px_diag *d;
    uint8_t packet[PXI_NDP_PACKET_BYTES + PXI_NDP_MOST + PXI_NDP_TAIL];
};

static px_err put_payload(struct out *o, const struct pxi_item *item, size_t n)
{
    struct pxi_ndp_packet head = {.src = item->src, .dst = item->dst, .typ = item->typ};
    px_view payload = px_view_of(o->packet + PXI_NDP_PACKET_BYTES, n);
    pxi_ndp_write(o->sums, o->info->variant, head, payload, o->packet);
    return o->put(o->ctx, px_view_of(o->packet, pxi_ndp_bytes(n)));
}

/* Tokens from `from` on, as many as one packet takes. */
static px_err put_tokens(struct out *o, const struct pxi_item *item, uint32_t from)
{
    uint32_t n = item->tokens - from < PACKET_TOKENS ? item->tokens - from : PACKET_TOKENS;
    unsigned unit = item->form == PXI_FORM_U16 ? 2 : 4;
    for (uint32_t i = 0; i < n; i++)
        pxi_ndp_put_be(o->packet + PXI_NDP_PACKET_BYTES + 4 * i, 4,
                       pxi_ndp_le(item->bytes.p + (size_t)(from + i) * unit, unit));
    return put_payload(o, item, 4 * (size_t)n);
}

static px_err put_sample(struct out *o, uint64_t i)
{
    struct pxi_item item;
    px_err err = PX_ERR_OK;
    bool there = pxi_source_item(o->s, i, &item);
    if (item.err)
        return item.err;
    pxi_diag_field(o->d, "sample %llu", (unsigned long long)i);
    if (!there || !pxi_source_right(o->s, &item))
        return pxi_diag_set(o->d, PX_ERR_CORRUPT, 0, "a sample with its checksum", "a damaged one");
    if (item.form == PXI_FORM_RAW || item.form == PXI_FORM_BE32) {
        if (item.bytes.n > PXI_NDP_MOST)
            return pxi_diag_set(o->d, PX_ERR_LIMIT, 0, "65535 bytes of payload", "%zu",
                                item.bytes.n);
        if (item.bytes.n)
            memcpy(o->packet + PXI_NDP_PACKET_BYTES, item.bytes.p, item.bytes.n);
        return put_payload(o, &item, item.bytes.n);
    }
    if (!item.tokens)
        return put_payload(o, &item, 0);
    for (uint32_t from = 0; !err && from < item.tokens; from += PACKET_TOKENS)
        err = put_tokens(o, &item, from);
    return err;
}

/* The foreign bytes that lie before sample `at` of a segment; *where moves behind them. */
static px_err put_foreign(struct out *o, px_view part, size_t *where, uint64_t at)
{
    struct pxi_ndp_foreign f;
    px_view bytes;
    bool bad = false;
    for (size_t next = *where;
         pxi_ndp_foreign_next(part, &next, &f, &bytes, &bad) && f.before <= at; *where = next) {
        px_err err = o->put(o->ctx, bytes);
        if (err)
            return err;
    }
    pxi_diag_field(o->d, "foreign bytes");
    return bad ? pxi_diag_set(o->d, PX_ERR_CORRUPT, *where, "records within their part",
                              "one that leaves it")
               : PX_ERR_OK;
}

static px_err put_held(struct out *o, const struct pxi_source_segment *g,
                       pxi_data_progress *progress, void *ctx)
{
    px_view part = px_view_of(g->bytes.p + g->layout.at[PXI_NDP_PART_FOREIGN],
                              g->layout.bytes[PXI_NDP_PART_FOREIGN]);
    size_t where = 0;
    px_err err = PX_ERR_OK;
    for (uint64_t i = 0; !err && i < g->row.samples; i++) {
        err = put_foreign(o, part, &where, i);
        if (!err)
            err = put_sample(o, g->first + i);
        if (!err && progress && i % 65536 == 0 && progress(ctx, g->first + i, o->info->samples))
            err = PX_ERR_INTERRUPTED;
    }
    return err ? err : put_foreign(o, part, &where, UINT64_MAX);
}

static px_err put_segment(struct out *o, uint32_t k, pxi_data_progress *progress, void *ctx)
{
    const struct pxi_source_segment *g = pxi_source_segment(o->s, k);
    px_err err = pxi_source_hold_bytes(o->s, g->bytes.p, g->bytes.n);
    if (err)
        return err;
    pxi_source_ahead_segment(o->s, k + 1);
    err = put_held(o, g, progress, ctx);
    pxi_source_let_go_bytes(o->s, g->bytes.p, g->bytes.n);
    return err;
}

px_err pxi_packets_write(const struct pxi_ndp_sums *sums, const struct pxi_source *s,
                         pxi_data_put *put, void *put_ctx, pxi_data_progress *progress, void *ctx,
                         px_diag *d)
{
    struct out *o = pxi_calloc(1, sizeof *o);
    px_err err = PX_ERR_OK;
    if (!o)
        return PX_ERR_NOMEM;
    o->sums = sums;
    o->s = s;
    o->info = pxi_source_info(s);
    o->put = put;
    o->ctx = put_ctx;
    o->d = d;
    for (uint32_t k = 0; !err && k < o->info->segments; k++)
        err = put_segment(o, k, progress, ctx);
    for (uint64_t i = 0; !err && !o->info->store && i < o->info->samples; i++)
        err = put_sample(o, i);
    pxi_free(o);
    return err;
}
