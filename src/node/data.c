/* Files of training data, opened and read. */
#include "node/data.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/diag.h"
#include "base/math.h"
#include "base/mem.h"
#ifdef PXI_NET
#include "store/manifest.h"
#endif

enum { AHEAD_STEP = 1 << 20, AHEAD_BYTES = 8 << 20 };

static const char *const crc_names[] = PXI_NDP_CRC_NAMES;
static const char *const cover_names[] = PXI_NDP_COVER_NAMES;

void pxi_data_options(void *full, size_t full_size, const void *given)
{
    size_t size;
    memset(full, 0, full_size);
    if (!given)
        return;
    memcpy(&size, given, sizeof size);
    memcpy(full, given, size && size < full_size ? size : full_size);
}

static int index_of(const char *const *names, unsigned n, const char *name)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return (int)i;
    return -1;
}

static px_err choose_variant(const px_data_options *o, struct pxi_source_options *s, px_diag *d)
{
    int crc = o->crc ? index_of(crc_names, PXI_NDP_CRCS, o->crc) : 0;
    int cover = o->cover ? index_of(cover_names, PXI_NDP_COVERS, o->cover) : 0;
    pxi_diag_field(d, crc < 0 ? "crc" : "cover");
    if (crc < 0)
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "ccitt_false, xmodem, aug, kermit or x25", "%s",
                            o->crc);
    if (cover < 0)
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "all, payload or body", "%s", o->cover);
    s->forced = o->crc || o->cover;
    s->variant = (struct pxi_ndp_variant){(uint8_t)crc, (uint8_t)cover};
    return PX_ERR_OK;
}

bool pxi_data_store_u16(px_view bytes)
{
    struct pxi_kernels kernels;
    struct pxi_ndp_head head;
    struct pxi_ndp_directory dir;
    unsigned copy;
    px_diag d;
    if (pxi_kernels_choose(&kernels, NULL, &d) != PX_ERR_OK)
        return false;
    struct pxi_ndp_sums sums = pxi_data_sums(&kernels);
    if (pxi_ndp_head_open(&sums, bytes, bytes.n, &head, &copy, &d) != PX_ERR_OK)
        return false;
    px_view directory = px_view_of(bytes.p + head.directory_at, (size_t)head.directory_bytes);
    return pxi_ndp_directory_open(&head, directory, &dir, &d) == PX_ERR_OK &&
           dir.dtype == PXI_NDP_DTYPE_U16;
}

struct report {
    px_data_progress *progress;
    void *ctx;
};

static bool reported(void *ctx, uint64_t done, uint64_t all)
{
    const struct report *r = ctx;
    return r->progress && r->progress(r->ctx, done, all);
}

px_err px_data_open(const char *path, const px_data_options *options, px_data **out, px_diag *diag)
{
    px_data_options o;
    pxi_data_options(&o, sizeof o, options);
    struct report report = {o.progress, o.ctx};
    struct pxi_source_options so = {.progress = reported, .ctx = &report};
    *out = NULL;
    px_err err = choose_variant(&o, &so, diag);
    if (err)
        return err;
    struct px_data *d = pxi_calloc(1, sizeof *d);
    if (!d)
        return PX_ERR_NOMEM;
    err = pxi_kernels_choose(&d->kernels, NULL, diag);
    d->sums = pxi_data_sums(&d->kernels);
    if (!err)
        err = pxi_data_bytes_open(&d->bytes, path, &o, &d->sums, diag);
    if (!err) {
        so.sums = &d->sums;
        so.far = d->bytes.far;
        err = pxi_source_open(&so, d->bytes.view, &d->source, diag);
    }
    if (err) {
        px_data_close(d);
        return err;
    }
    pxi_data_bytes_settle(&d->bytes, d->source, &d->sums);
    *out = d;
    return PX_ERR_OK;
}

void px_data_close(px_data *d)
{
    if (!d)
        return;
    pxi_source_close(d->source);
    pxi_data_bytes_close(&d->bytes);
    pxi_free(d);
}

void px_data_get_info(const px_data *d, px_data_info *out)
{
    const struct pxi_source_info *i = pxi_source_info(d->source);
    *out = (px_data_info){.store = i->store,
                          .bytes = i->bytes,
                          .samples = i->samples,
                          .tokens = i->tokens,
                          .longest = i->most,
                          .segments = i->segments,
                          .vocab = i->vocab,
                          .bos = i->bos,
                          .eos = i->eos,
                          .pad = i->pad,
                          .token_bytes = pxi_ndp_token_bytes(i->dtype),
                          .crc = crc_names[i->variant.crc],
                          .cover = cover_names[i->variant.cover],
                          .agreed = i->agreed,
                          .checked = i->checked,
                          .dropped_bytes = i->dropped_bytes,
                          .generation = i->generation};
    memcpy(out->dropped, i->dropped, sizeof out->dropped);
    memcpy(out->hash, i->hash, sizeof out->hash);
    memcpy(out->tokenizer, i->tokenizer, sizeof out->tokenizer);
}

char *px_data_cid(const px_data_info *i, char *out, size_t cap)
{
#ifdef PXI_NET
    char text[PXI_CID_TEXT];
    snprintf(out, cap, "%s", pxi_hash_text(i->hash, text));
#else
    size_t n = (size_t)snprintf(out, cap, "blake3:");
    for (unsigned k = 0; k < sizeof i->hash && n + 3 <= cap; k++, n += 2)
        snprintf(out + n, cap - n, "%02x", i->hash[k]);
#endif
    return out;
}

/* The i-th of the names in an array, which may have gaps. */
#define NAMED(list, i)                                                                             \
    static const char *const names[] = list;                                                       \
    return (i) < sizeof names / sizeof *names ? names[i] : NULL

const char *px_data_drop_name(unsigned i)
{
    NAMED(PXI_NDP_DROP_NAMES, i);
}

const char *px_data_src_name(unsigned code)
{
    NAMED(PXI_NDP_SRC_NAMES, code);
}

const char *px_data_dst_name(unsigned code)
{
    NAMED(PXI_NDP_DST_NAMES, code);
}

const char *px_data_typ_name(unsigned code)
{
    NAMED(PXI_NDP_TYP_NAMES, code);
}

/* Whoever reads sample after sample gets what comes next fetched ahead, now and then. */
static void read_ahead(const px_data *d, uint64_t i, const struct pxi_item *item)
{
    struct px_data *own = (struct px_data *)(uintptr_t)d; /* a hint is no change */
    uint64_t at = (uint64_t)(item->bytes.p - d->bytes.view.p), left = d->bytes.view.n - at;
    bool in_order = atomic_exchange(&own->next, i + 1) == i;
    if (in_order && at % AHEAD_STEP < item->bytes.n + 1)
        pxi_far_ahead(d->bytes.far, at, left < AHEAD_BYTES ? left : AHEAD_BYTES);
}

px_err px_data_sample(const px_data *d, uint64_t i, px_sample *out)
{
    struct pxi_item item;
    bool there = pxi_source_item(d->source, i, &item);
    if (!there && i >= pxi_source_info(d->source)->samples)
        return PX_ERR_NOT_FOUND;
    if (!there)
        return item.err ? item.err : PX_ERR_CORRUPT;
    if (d->bytes.far)
        read_ahead(d, i, &item);
    px_err err = pxi_source_hold_bytes(d->source, item.bytes.p, item.bytes.n);
    if (err)
        return err;
    if (!pxi_source_right(d->source, &item)) {
        pxi_source_let_go_bytes(d->source, item.bytes.p, item.bytes.n);
        return PX_ERR_CORRUPT;
    }
    *out = (px_sample){.bytes = item.bytes,
                       .tokens = item.tokens,
                       .token_bytes = item.form == PXI_FORM_U16 ? 2 : 4,
                       .big_endian = item.form == PXI_FORM_BE32,
                       .src = item.src,
                       .dst = item.dst,
                       .typ = item.typ,
                       .continues = (item.flags & PXI_NDP_FLAG_CONTINUES) != 0};
    return PX_ERR_OK;
}

void px_data_give_back(const px_data *d, const px_sample *s)
{
    pxi_source_let_go_bytes(d->source, s->bytes.p, s->bytes.n);
}

void px_data_get_traffic(const px_data *d, px_data_traffic *out)
{
    struct pxi_pager_counts c;
    *out = (px_data_traffic){0};
    if (!d->bytes.pager)
        return;
    pxi_pager_counts(d->bytes.pager, &c);
    *out = (px_data_traffic){.elsewhere = 1,
                             .hits = c.hits,
                             .misses = c.misses,
                             .ahead = c.ahead,
                             .evicted = c.evicted,
                             .bytes = c.bytes,
                             .here = c.here,
                             .requests = c.requests,
                             .retries = c.retries,
                             .wrong = c.wrong,
                             .damaged = c.damaged,
                             .first_damaged = c.first_damaged};
}

void px_data_why(const px_data *d, px_diag *diag)
{
    if (d->bytes.pager)
        pxi_pager_why(d->bytes.pager, diag);
}

/* Adds sample i to those before it; false: it does not lie behind them. */
static bool add_to_window(const px_data *d, uint64_t i, uint32_t segment, px_sample *w, px_err *err)
{
    struct pxi_item item;
    if (!pxi_source_item(d->source, i, &item) || item.segment != segment ||
        item.form == PXI_FORM_RAW || item.bytes.p != w->bytes.p + w->bytes.n ||
        item.tokens > UINT32_MAX - w->tokens)
        return false;
    if (!pxi_source_right(d->source, &item))
        *err = PX_ERR_CORRUPT;
    w->bytes.n += item.bytes.n;
    w->tokens += item.tokens;
    return !*err;
}

px_err px_data_window(const px_data *d, uint64_t first, uint64_t count, px_sample *out,
                      uint64_t *got)
{
    struct pxi_item item;
    *got = 0;
    if (!pxi_source_info(d->source)->store || d->bytes.far)
        return PX_ERR_UNSUPPORTED;
    px_err err = px_data_sample(d, first, out);
    if (err || !pxi_source_item(d->source, first, &item))
        return err ? err : PX_ERR_CORRUPT;
    for (*got = 1; *got < count && out->tokens; ++*got)
        if (!add_to_window(d, first + *got, item.segment, out, &err))
            break;
    return err;
}

size_t px_sample_tokens(const px_sample *s, uint32_t from, int32_t *out, size_t cap)
{
    size_t n = from < s->tokens ? pxi_min(s->tokens - from, cap) : 0;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = s->bytes.p + (from + i) * s->token_bytes;
        out[i] = (int32_t)(s->big_endian ? pxi_ndp_be(p, 4) : pxi_ndp_le(p, s->token_bytes));
    }
    return n;
}

/* The first span of packets that was dropped. */
static px_err verify_packets(const px_data *d, struct report *report, px_diag *diag)
{
    struct pxi_ndp_reader r;
    struct pxi_ndp_piece p;
    uint64_t told = 0;
    pxi_ndp_reader_init(&r, &d->sums, pxi_source_info(d->source)->variant, d->bytes.view);
    while (pxi_ndp_next(&r, &p)) {
        pxi_diag_field(diag, "packet %llu", (unsigned long long)r.packets);
        if (!p.packet)
            return pxi_diag_set(diag, PX_ERR_CORRUPT, p.at, "a packet with its CRC-16",
                                "%zu bytes dropped (%s)", p.bytes.n, px_data_drop_name(p.drop));
        if (p.at - told >= 1 << 24 && reported(report, told = p.at, d->bytes.view.n))
            return PX_ERR_INTERRUPTED;
    }
    return PX_ERR_OK;
}

px_err px_data_verify(const px_data *d, px_data_progress *progress, void *ctx, px_diag *diag)
{
    struct report report = {progress, ctx};
    if (!pxi_source_info(d->source)->store)
        return verify_packets(d, &report, diag);
    px_err err = pxi_store_verify(&d->sums, d->source, d->bytes.view, reported, &report, diag);
    return pxi_data_bytes_failed(&d->bytes, err, diag);
}
