/*
 * The quantiser of activations. Before including this the includer defines amax32, the largest
 * absolute value of 32 floats, and round32, 32 floats times a factor as integers and the sums of
 * their halves.
 */
#ifndef PXI_KERNEL_LANES_QUANT_ACT_H
#define PXI_KERNEL_LANES_QUANT_ACT_H

#include "kernel/quant.h"

static void act_quant(int8_t *q, float *d, int32_t *sum, const float *x, size_t k)
{
    for (size_t b = 0; b < k / 32; b++) {
        float amax = amax32(x + 32 * b);
        d[b] = amax < PXI_ACT_TINY ? 0 : amax / 127;
        round32(q + 32 * b, sum + 2 * b, x + 32 * b, amax < PXI_ACT_TINY ? 0 : 127 / amax);
    }
}

#endif
