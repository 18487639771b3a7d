/* What all versions of the gradient kernels share: noise and clamps. */
#ifndef PXI_KERNEL_GRADIENT_H
#define PXI_KERNEL_GRADIENT_H

#include <stddef.h>
#include <stdint.h>

/* Odd multipliers and shifts of the hash: numbers that follow each other become uniform ones. */
#define PXI_GRAD_MIX_1 0x7feb352du
#define PXI_GRAD_MIX_2 0x846ca68bu

static inline uint32_t pxi_grad_hash(uint32_t x)
{
    x ^= x >> 16;
    x *= PXI_GRAD_MIX_1;
    x ^= x >> 15;
    x *= PXI_GRAD_MIX_2;
    x ^= x >> 16;
    return x;
}

/*
 * What stochastic rounding adds to value i before it rounds to nearest: uniform in [-1/2, 1/2].
 * Of 16 values the first eight have a hash each, and the other eight its lower half, made odd: a
 * whole number then never lies between two.
 */
static inline float pxi_grad_noise(uint32_t seed, size_t i)
{
    uint32_t h = pxi_grad_hash(seed + (uint32_t)(i / 16 * 8 + i % 8));
    h = i & 8 ? h << 16 | 0x8000 : h;
    return (float)(int32_t)h * 0x1p-32f;
}

/* The largest float that is not above n, 2^31 at most. */
static inline float pxi_grad_float(uint32_t n)
{
    int drop = n >> 24 ? 8 - __builtin_clz(n) : 0;
    return (float)(n >> drop << drop);
}

#endif
