/*
 * The exponential of plexus, one sequence of operations for every instruction set, so that all give
 * the same bits. For a float x:
 *
 *     x = x < HI ? x : HI;  x = x > LO ? x : LO            (past them: infinity and zero)
 *     z = fma(x, log2(e), 1.5 * 2^23);  n = z - 1.5 * 2^23  (n = x / ln 2 rounded to nearest even)
 *     r = fma(n, -ln2_hi, x);  r = fma(n, -ln2_lo, r)       (|r| <= 0.347)
 *     p = c6;  p = fma(p, r, c5) ... c4, c3, c2, 1, 1       (minimax, fitted by Remez exchange)
 *     result = p * 2^n, rounded once: the exact p * 2^(n >> 1), then times 2^(n - (n >> 1))
 *
 * The largest error seen is 0.86 ulp (tests/unit/kernel_exp.c); denormal results are
 * right, results below half of the smallest denormal are zero.
 */
#ifndef PXI_KERNEL_EXP_H
#define PXI_KERNEL_EXP_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define PXI_EXP_HI         90.0f
#define PXI_EXP_LO         (-105.0f)
#define PXI_EXP_LOG2E      0x1.715476p+0f
#define PXI_EXP_MAGIC      0x1.8p+23f
#define PXI_EXP_MAGIC_BITS 0x4b400000
#define PXI_EXP_LN2_HI     0x1.62e43p-1f
#define PXI_EXP_LN2_LO     (-0x1.05c61p-29f)
#define PXI_EXP_C2         0x1.fffffcp-2f
#define PXI_EXP_C3         0x1.555492p-3f
#define PXI_EXP_C4         0x1.5558f2p-5f
#define PXI_EXP_C5         0x1.123a2p-7f
#define PXI_EXP_C6         0x1.6a23dp-10f

/* 2^n for -126 <= n <= 127. */
static inline float pxi_exp2_int(int32_t n)
{
    uint32_t bits = (uint32_t)(n + 127) << 23;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

static inline float pxi_exp(float x)
{
    x = x < PXI_EXP_HI ? x : PXI_EXP_HI;
    x = x > PXI_EXP_LO ? x : PXI_EXP_LO;
    float z = fmaf(x, PXI_EXP_LOG2E, PXI_EXP_MAGIC);
    float n = z - PXI_EXP_MAGIC;
    float r = fmaf(n, -PXI_EXP_LN2_HI, x);
    r = fmaf(n, -PXI_EXP_LN2_LO, r);
    float p = fmaf(PXI_EXP_C6, r, PXI_EXP_C5);
    p = fmaf(p, r, PXI_EXP_C4);
    p = fmaf(p, r, PXI_EXP_C3);
    p = fmaf(p, r, PXI_EXP_C2);
    p = fmaf(p, r, 1.0f);
    p = fmaf(p, r, 1.0f);
    int32_t i = (int32_t)n, half = i >> 1;
    return p * pxi_exp2_int(half) * pxi_exp2_int(i - half);
}

#endif
