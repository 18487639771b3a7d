/* What all versions of the gradient kernels share. */
#ifndef PXI_KERNEL_GRADIENT_H
#define PXI_KERNEL_GRADIENT_H

#include <stdint.h>

/* A number that is uniform in [0, 1) over numbers that follow each other. */
static inline float pxi_grad_uniform(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    x ^= x >> 16;
    return (float)(x >> 8) * 0x1p-24f;
}

#endif
