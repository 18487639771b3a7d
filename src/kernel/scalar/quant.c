/*
 * Scalar matrix products with quantised weights, activation quantiser and dequantisers: the
 * specification. A type is its unpack function; product and dequantiser are written once.
 */
#include <math.h>

#include "kernel/quant_unpack.h"
#include "kernel/sets.h"

static int32_t dot16(const int8_t *a, const int8_t *b)
{
    int32_t sum = 0;
    for (int i = 0; i < 16; i++)
        sum += a[i] * b[i];
    return sum;
}

/* y + the product of one block of weights with one block of activations (q, dx, two sums). */
static float block_add(float y, const struct pxi_block *b, const int8_t *q, float dx,
                       const int32_t *sum, int flags)
{
    int32_t i0 = dot16(b->q, q), i1 = dot16(b->q + 16, q + 16);
    if (flags & PXI_Q_HALVES)
        y = fmaf(fmaf(b->dw[1], (float)i1, b->dw[0] * (float)i0), dx, y);
    else
        y = fmaf(b->dw[0] * (float)(i0 + i1), dx, y);
    if (!(flags & PXI_Q_MINS))
        return y;
    if (!(flags & PXI_Q_HALVES))
        return fmaf(-b->mw[0], dx * (float)(sum[0] + sum[1]), y);
    y = fmaf(-b->mw[0], dx * (float)sum[0], y);
    return fmaf(-b->mw[1], dx * (float)sum[1], y);
}

static inline void matmul(const struct pxi_matmul *m, pxi_unpack_fn *unpack, size_t super,
                          size_t bytes, int flags)
{
    size_t blocks = m->k / 32;
    struct pxi_block b[PXI_Q_SUPER];
    for (size_t r = m->row_first; r < m->row_last; r++) {
        const uint8_t *row = (const uint8_t *)m->w + r * m->row_bytes;
        for (size_t t = 0; t < m->tokens; t++)
            m->y[t * m->y_stride + r] = 0;
        for (size_t j = 0; j < blocks; j++) {
            if (j % super == 0)
                unpack(b, row + j / super * bytes);
            for (size_t t = 0; t < m->tokens; t++) {
                size_t at = t * blocks + j;
                float *y = &m->y[t * m->y_stride + r];
                *y = block_add(*y, &b[j % super], m->act.q + at * 32, m->act.d[at],
                               m->act.sum + at * 2, flags);
            }
        }
    }
}

static inline void dequant(float *dst, const uint8_t *src, size_t n, pxi_unpack_fn *unpack,
                           size_t super, size_t bytes, int flags)
{
    struct pxi_block b[PXI_Q_SUPER];
    for (size_t i = 0; i < n; i++) {
        const struct pxi_block *c = &b[i / 32 % super];
        int h = flags & PXI_Q_HALVES ? i % 32 / 16 : 0;
        if (i % (32 * super) == 0)
            unpack(b, src + i / (32 * super) * bytes);
        dst[i] = c->dw[h] * (float)c->q[i % 32];
        if (flags & PXI_Q_MINS)
            dst[i] -= c->mw[h]; /* the product is exact, so fused or not is the same */
    }
}

#define X(name, id, super, bytes, flags)                                                           \
    static void matmul_##name(const struct pxi_matmul *m)                                          \
    {                                                                                              \
        matmul(m, pxi_unpack_##name, super, bytes, flags);                                         \
    }                                                                                              \
    static void dequant_##name(float *dst, const void *src, size_t n)                              \
    {                                                                                              \
        dequant(dst, src, n, pxi_unpack_##name, super, bytes, flags);                              \
    }
PXI_QTYPE_TABLE(X)
#undef X

static float amax32(const float *x)
{
    float amax = 0;
    for (int i = 0; i < 32; i++)
        amax = fabsf(x[i]) > amax ? fabsf(x[i]) : amax;
    return amax;
}

/* Blocks whose amax is below PXI_ACT_TINY are zero too, so that 127 / amax is always finite. */
static void act_quant(int8_t *q, float *d, int32_t *sum, const float *x, size_t k)
{
    for (size_t b = 0; b < k / 32; b++) {
        float amax = amax32(x + b * 32);
        float inverse = amax < PXI_ACT_TINY ? 0 : 127 / amax;
        d[b] = amax < PXI_ACT_TINY ? 0 : amax / 127;
        sum[2 * b] = sum[2 * b + 1] = 0;
        for (size_t i = b * 32; i < b * 32 + 32; i++) {
            q[i] = (int8_t)lrintf(x[i] * inverse);
            sum[i / 16] += q[i];
        }
    }
}

void pxi_scalar_quant(struct pxi_kernels *k)
{
#define X(name, id, super, bytes, flags)                                                           \
    k->matmul[id] = matmul_##name;                                                                 \
    k->dequant[id] = dequant_##name;
    PXI_QTYPE_TABLE(X)
#undef X
    k->act_quant = act_quant;
}
