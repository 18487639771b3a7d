/*
 * The choice of scale and offset for a group of values that share them. All sums run in four lanes
 * that are added in a fixed order, so that the result depends on the values alone.
 */
#ifndef PXI_TENSOR_QUANTIZE_FIT_H
#define PXI_TENSOR_QUANTIZE_FIT_H

#include <stdint.h>

struct pxi_affine {
    float d, m; /* value = d * q - m, both not negative */
};

/* x of the largest magnitude, with its sign; n is a multiple of 4. */
float pxi_fit_peak(const float *x, int n);

/*
 * d that minimises the weighted squared error of x ~ d * q, q an integer in [lo, -lo - 1]: a search
 * over roundings, each with its least-squares d. n is a multiple of 4, at most 32.
 */
float pxi_fit_scale(const float *x, int n, int lo);

/* The same for x ~ d * q - m, q in [0, hi] and m >= 0. */
struct pxi_affine pxi_fit_affine(const float *x, int n, int hi);

/* q[i] = x[i] * inv + add rounded to the nearest integer (ties to even) within [lo, hi]. */
void pxi_fit_round(int8_t *q, const float *x, int n, float inv, float add, int lo, int hi);

/* f as f16 that is finite, stored at p; returns the value stored. */
float pxi_fit_store_half(uint8_t *p, float f);

#endif
