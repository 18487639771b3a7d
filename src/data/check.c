/* Checks of whole files of training data. */
#include "data/check.h"

#include <stdlib.h>

#include "base/diag.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "kernel/kernel.h"

struct pxi_ndp_sums pxi_data_sums(const struct pxi_kernels *k)
{
    return (struct pxi_ndp_sums){k->crc16, k->crc16_reflected, k->crc32c};
}

static struct pxi_ndp_sums best_sums(void)
{
    struct pxi_kernels k;
    pxi_kernels_init(&k, pxi_cpu_detect());
    return pxi_data_sums(&k);
}

px_err pxi_check_ndp(px_view bytes, px_diag *d)
{
    struct pxi_ndp_sums sums = best_sums();
    struct pxi_ndp_variant v;
    struct pxi_ndp_reader r;
    struct pxi_ndp_piece p = {0};
    unsigned checked;
    pxi_ndp_detect(&sums, bytes, &v, &checked);
    pxi_ndp_reader_init(&r, &sums, v, bytes);
    while (pxi_ndp_next(&r, &p))
        ;
    pxi_diag_field(d, "packet");
    if (!r.packets && !r.dropped[PXI_NDP_DROP_CUT])
        return pxi_diag_set(d, PX_ERR_CORRUPT, 0, "packets that begin with AA and have a CRC-16",
                            "none in %zu bytes", bytes.n);
    if (r.dropped[PXI_NDP_DROP_CUT])
        return pxi_diag_set(d, PX_ERR_TRUNCATED, p.at, "a whole packet", "its first %zu bytes",
                            p.bytes.n);
    return PX_ERR_OK;
}

/* -------------------------------------------------------------------- store */

static px_err verify_samples(const struct pxi_source *s, const struct pxi_source_segment *g,
                             px_diag *d)
{
    for (uint64_t i = 0; i < g->row.samples; i++) {
        struct pxi_item item;
        if (pxi_source_item(s, g->first + i, &item) && pxi_source_right(s, &item))
            continue;
        pxi_diag_field(d, "sample %llu", (unsigned long long)(g->first + i));
        return pxi_diag_set(d, PX_ERR_CORRUPT,
                            g->row.at + g->layout.at[PXI_NDP_PART_INDEX] + i * PXI_NDP_ENTRY_BYTES,
                            "an entry and bytes with their CRC32C", "damage");
    }
    return PX_ERR_OK;
}

static px_err verify_foreign(const struct pxi_source_segment *g, px_diag *d)
{
    px_view part = px_view_of(g->bytes.p + g->layout.at[PXI_NDP_PART_FOREIGN],
                              g->layout.bytes[PXI_NDP_PART_FOREIGN]);
    struct pxi_ndp_foreign f;
    size_t at = 0;
    px_view bytes;
    bool bad;
    uint64_t last = 0;
    while (pxi_ndp_foreign_next(part, &at, &f, &bytes, &bad)) {
        bad = f.before < last || f.before > g->row.samples;
        last = f.before;
        if (bad)
            break;
    }
    pxi_diag_field(d, "foreign bytes");
    return bad ? pxi_diag_set(d, PX_ERR_CORRUPT,
                              g->row.at + g->layout.at[PXI_NDP_PART_FOREIGN] + at,
                              "records in their order", "another one")
               : PX_ERR_OK;
}

static px_err verify_held(const struct pxi_ndp_sums *sums, const struct pxi_source *s, uint32_t k,
                          px_diag *d)
{
    const struct pxi_source_segment *g = pxi_source_segment(s, k);
    uint8_t hash[PXI_DIGEST];
    uint64_t block = pxi_ndp_damaged_block(sums, g->bytes, &g->layout);
    if (block != UINT64_MAX) {
        px_err err = verify_samples(s, g, d); /* the sample, when it is one */
        if (err)
            return err;
        pxi_diag_field(d, "segment %u, block %llu", k, (unsigned long long)block);
        return pxi_diag_set(d, PX_ERR_CORRUPT, g->row.at + block * PXI_NDP_BLOCK,
                            "the CRC32C of its 65536 bytes", "another one");
    }
    pxi_blake3(g->bytes, hash);
    pxi_diag_field(d, "segment %u", k);
    if (memcmp(hash, g->row.hash, sizeof hash) != 0)
        return pxi_diag_set(d, PX_ERR_CORRUPT, g->row.at, "the BLAKE3 that the directory names",
                            "another one");
    px_err err = verify_samples(s, g, d);
    return err ? err : verify_foreign(g, d);
}

static px_err verify_segment(const struct pxi_ndp_sums *sums, const struct pxi_source *s,
                             uint32_t k, px_diag *d)
{
    px_view bytes = pxi_source_segment(s, k)->bytes;
    px_err err = pxi_source_hold_bytes(s, bytes.p, bytes.n);
    if (err)
        return err;
    pxi_source_ahead_segment(s, k + 1);
    err = verify_held(sums, s, k, d);
    pxi_source_let_go_bytes(s, bytes.p, bytes.n);
    return err;
}

/* ------------------------------------------ bytes that belong to nothing */

struct range {
    uint64_t at, end;
};

static int by_place(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

static bool add_range(struct pxi_buf *b, uint64_t at, uint64_t bytes)
{
    struct range r = {at, at + bytes};
    return pxi_buf_add(b, &r, sizeof r);
}

/* The directories of earlier commits, each named by the next one. */
static px_err add_history(struct pxi_buf *ranges, const struct pxi_source *s, px_view file,
                          const struct pxi_ndp_head *h, px_diag *d)
{
    struct pxi_ndp_head at = *h;
    for (;;) {
        struct pxi_ndp_directory dir;
        px_view bytes = px_view_of(file.p + at.directory_at, at.directory_bytes);
        px_err err = pxi_source_hold_bytes(s, bytes.p, bytes.n);
        if (err)
            return err;
        err = pxi_ndp_directory_open(&at, bytes, &dir, d);
        pxi_source_let_go_bytes(s, bytes.p, bytes.n);
        if (err)
            return err;
        if (!add_range(ranges, at.directory_at, at.directory_bytes))
            return PX_ERR_NOMEM;
        if (!dir.previous_at)
            return PX_ERR_OK;
        if (dir.previous_at < PXI_NDP_HEADS || dir.previous_at >= at.directory_at ||
            dir.previous_bytes > at.directory_at - dir.previous_at)
            return pxi_diag_set(d, PX_ERR_CORRUPT, at.directory_at + 80,
                                "a directory before this one", "%llu bytes at %llu",
                                (unsigned long long)dir.previous_bytes,
                                (unsigned long long)dir.previous_at);
        at.directory_at = dir.previous_at;
        at.directory_bytes = dir.previous_bytes;
        memcpy(at.hash, dir.previous, sizeof at.hash);
    }
}

/* *at moves on to the first byte that is not zero, or to `stop`. */
static px_err pass_zeros(const struct pxi_source *s, px_view file, uint64_t *at, uint64_t stop)
{
    while (*at < stop) {
        uint64_t from = *at, n = stop - from < PXI_NDP_BLOCK ? stop - from : PXI_NDP_BLOCK;
        px_err err = pxi_source_hold_bytes(s, file.p + from, n);
        if (err)
            return err;
        while (*at < from + n && !file.p[*at])
            ++*at;
        pxi_source_let_go_bytes(s, file.p + from, n);
        if (*at < from + n)
            return PX_ERR_OK;
    }
    return PX_ERR_OK;
}

/* The offset of the first byte that is not zero outside the ranges; `end` when there is none. */
static px_err stray(const struct pxi_source *s, px_view file, const struct range *r, size_t n,
                    uint64_t end, uint64_t *at)
{
    *at = 0;
    for (size_t i = 0; i <= n; i++) {
        uint64_t stop = i < n ? r[i].at : end;
        px_err err = pass_zeros(s, file, at, stop);
        if (err || *at < stop)
            return err;
        if (i < n && r[i].end > *at)
            *at = r[i].end;
    }
    *at = end;
    return PX_ERR_OK;
}

static px_err verify_between(const struct pxi_ndp_sums *sums, const struct pxi_source *s,
                             px_view file, px_diag *d)
{
    struct pxi_buf ranges = {.max = SIZE_MAX};
    struct pxi_ndp_head h;
    unsigned copy;
    px_err err = pxi_ndp_head_open(sums, px_view_of(file.p, PXI_NDP_HEADS), file.n, &h, &copy, d);
    if (err)
        return err;
    bool room = add_range(&ranges, (uint64_t)copy * PXI_NDP_PAGE, PXI_NDP_HEAD_BYTES);
    const uint8_t *other = file.p + (copy ? 0 : PXI_NDP_PAGE);
    struct pxi_ndp_head old = pxi_ndp_head_read(other);
    if (h.generation > 1 && old.crc == sums->crc32c(0, other, PXI_NDP_HEAD_BYTES - 4))
        room &= add_range(&ranges, copy ? 0 : PXI_NDP_PAGE, PXI_NDP_HEAD_BYTES);
    for (uint32_t k = 0; k < pxi_source_info(s)->segments; k++) {
        const struct pxi_source_segment *g = pxi_source_segment(s, k);
        room &= add_range(&ranges, g->row.at, g->row.bytes);
    }
    err = room ? add_history(&ranges, s, file, &h, d) : PX_ERR_NOMEM;
    if (!err) {
        qsort(ranges.p, ranges.n / sizeof(struct range), sizeof(struct range), by_place);
        uint64_t at;
        err = stray(s, file, (const struct range *)(void *)ranges.p,
                    ranges.n / sizeof(struct range), h.file_bytes, &at);
        pxi_diag_field(d, "store");
        if (!err && at < h.file_bytes)
            err = pxi_diag_set(d, PX_ERR_CORRUPT, at, "zeros between the parts of the file",
                               "another byte");
    }
    pxi_buf_deinit(&ranges);
    return err;
}

static px_err verify_rest(const struct pxi_ndp_sums *sums, const struct pxi_source *s, px_view file,
                          px_diag *d)
{
    px_err err = pxi_source_hold_bytes(s, file.p, PXI_NDP_HEADS);
    if (err)
        return err;
    err = verify_between(sums, s, file, d);
    pxi_source_let_go_bytes(s, file.p, PXI_NDP_HEADS);
    return err;
}

px_err pxi_store_verify(const struct pxi_ndp_sums *sums, const struct pxi_source *s, px_view file,
                        pxi_data_progress *progress, void *ctx, px_diag *d)
{
    const struct pxi_source_info *info = pxi_source_info(s);
    px_err err = PX_ERR_OK;
    for (uint32_t k = 0; !err && k < info->segments; k++) {
        if (progress && progress(ctx, pxi_source_segment(s, k)->row.at, info->bytes))
            return PX_ERR_INTERRUPTED;
        err = verify_segment(sums, s, k, d);
    }
    return err ? err : verify_rest(sums, s, file, d);
}

px_err pxi_check_ndp3(px_view bytes, px_diag *d)
{
    struct pxi_ndp_sums sums = best_sums();
    struct pxi_source_options o = {.sums = &sums};
    struct pxi_source *s;
    pxi_diag_field(d, "head");
    if (bytes.n < 4 || memcmp(bytes.p, "NDP3", 4) != 0)
        return pxi_diag_set(d, PX_ERR_CORRUPT, 0, "a store NDP3", "another file");
    px_err err = pxi_source_open(&o, bytes, &s, d);
    if (err)
        return err;
    err = pxi_store_verify(&sums, s, bytes, NULL, NULL, d);
    pxi_source_close(s);
    return err;
}
