/*
 * What the float products share: how rows are widened into the scratch when a batch is large. See
 * kernel.h for the order in which columns are added.
 */
#ifndef PXI_KERNEL_FLOAT_H
#define PXI_KERNEL_FLOAT_H

#include <stddef.h>

#include "base/math.h"

enum {
    PXI_FLOAT_LANES = 16,
    PXI_FLOAT_TOKENS = 12, /* tokens that go through widened rows together, at most */
    PXI_FLOAT_X = 6144,    /* floats of their activations: they stay in the first-level cache */
    PXI_FLOAT_PANEL_BYTES = 640 << 10, /* widened rows: they stay in the second-level cache */
    PXI_FLOAT_PANEL_ROWS = 64,
};

/* Floats that a widened row of k columns takes. */
static inline size_t pxi_float_stride(size_t k)
{
    return (k + PXI_FLOAT_LANES - 1) / PXI_FLOAT_LANES * PXI_FLOAT_LANES;
}

/* Rows that are widened together: a multiple of 4. */
static inline size_t pxi_float_rows(size_t k)
{
    size_t fit = PXI_FLOAT_PANEL_BYTES / sizeof(float) / pxi_max(pxi_float_stride(k), 1) / 4 * 4;
    return pxi_max(4, pxi_min(fit, PXI_FLOAT_PANEL_ROWS));
}

/* Scratch, in floats: lanes that go on from block to block, activations, widened rows. */
static inline size_t pxi_float_scratch(size_t k)
{
    size_t rows = pxi_float_rows(k);
    return rows * PXI_FLOAT_TOKENS * PXI_FLOAT_LANES + PXI_FLOAT_X + rows * pxi_float_stride(k);
}

/* The bf16 set: see x86/float_matmul_bf16.c. */
enum {
    PXI_BF16_STEP = 32,            /* columns of a vector */
    PXI_BF16_TOKENS = 24,          /* tokens whose lanes wait */
    PXI_BF16_ROWS = 64,            /* rows of a panel, at most */
    PXI_BF16_PANEL_VECTORS = 8960, /* 560 KiB of rounded rows stay in the second-level cache */
    PXI_BF16_BATCH = 512,          /* tokens whose activations are rounded at once */
};

/* Its scratch, in floats. */
static inline size_t pxi_bf16_scratch(size_t k)
{
    size_t steps = (k + PXI_BF16_STEP - 1) / PXI_BF16_STEP;
    size_t rows = pxi_max(PXI_BF16_PANEL_VECTORS, 4 * steps) + PXI_BF16_BATCH * steps;
    return PXI_BF16_ROWS * PXI_BF16_TOKENS * PXI_FLOAT_LANES + rows * PXI_BF16_STEP / 2;
}

#endif
