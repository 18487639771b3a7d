/* Blocks of stores. */
#include "data/grid.h"

/* The segments that begin at or before a byte. */
static uint32_t segments_before(const struct pxi_source *s, uint64_t at)
{
    uint32_t low = 0, high = pxi_source_info(s)->segments;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (pxi_source_segment(s, mid)->row.at <= at)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* The block of bytes from .. end in which `at` lies. */
static void cut(uint64_t from, uint64_t end, uint64_t at, struct pxi_far_block *out)
{
    uint64_t begin = from + (at - from) / PXI_NDP_BLOCK * PXI_NDP_BLOCK, left = end - begin;
    out->at = begin;
    out->n = left < PXI_NDP_BLOCK ? (uint32_t)left : PXI_NDP_BLOCK;
}

static void block(const void *ctx, uint64_t at, struct pxi_far_block *out)
{
    const struct pxi_grid *g = ctx;
    const struct pxi_source_info *info = pxi_source_info(g->s);
    uint32_t k = segments_before(g->s, at);
    const struct pxi_source_segment *before = k ? pxi_source_segment(g->s, k - 1) : NULL;
    const struct pxi_source_segment *after = pxi_source_segment(g->s, k);
    uint64_t sums = before ? before->row.at + before->layout.at[PXI_NDP_PART_SUMS] : 0;
    *out = (struct pxi_far_block){0};
    if (at < sums) {
        cut(before->row.at, sums, at, out);
        out->proof_at = sums + (out->at - before->row.at) / PXI_NDP_BLOCK * 4;
        out->proof_n = 4;
    } else {
        cut(sums, after ? after->row.at : info->bytes, at, out);
    }
}

static bool right(const void *ctx, const struct pxi_far_block *b, const uint8_t *file)
{
    const struct pxi_grid *g = ctx;
    return g->sums->crc32c(0, file + b->at, b->n) == pxi_ndp_le(file + b->proof_at, 4);
}

struct pxi_far_cut pxi_grid_cut(const struct pxi_grid *g)
{
    return (struct pxi_far_cut){block, right, g};
}
