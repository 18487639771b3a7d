/*
 * Scalar matrix products with quantised weights, activation quantiser and dequantisers: the
 * specification. A type is its unpack function; product and dequantiser are written once.
 */
#include <math.h>

#include "kernel/quant.h"
#include "kernel/sets.h"

/* One block of 32 elements: value = dw[h] * q - mw[h], h the half, or 0 when the type has no
 * halves. */
struct block {
    int8_t q[32];
    float dw[2], mw[2];
};

typedef void unpack_fn(struct block *b, const uint8_t *p);

static void unpack_q4_0(struct block *b, const uint8_t *p)
{
    b->dw[0] = pxi_load_half(p);
    for (int i = 0; i < 16; i++) {
        b->q[i] = (int8_t)((p[2 + i] & 15) - 8);
        b->q[i + 16] = (int8_t)((p[2 + i] >> 4) - 8);
    }
}

static void unpack_q4_1(struct block *b, const uint8_t *p)
{
    b->dw[0] = pxi_load_half(p);
    b->mw[0] = -pxi_load_half(p + 2);
    for (int i = 0; i < 16; i++) {
        b->q[i] = (int8_t)(p[4 + i] & 15);
        b->q[i + 16] = (int8_t)(p[4 + i] >> 4);
    }
}

/* Nibbles at qs and 32 fifth bits at qh, less `offset`. */
static void unpack_five(int8_t q[32], const uint8_t *qh, const uint8_t *qs, int offset)
{
    for (int i = 0; i < 16; i++) {
        int low = qh[i / 8] >> (i % 8) & 1, high = qh[2 + i / 8] >> (i % 8) & 1;
        q[i] = (int8_t)(((qs[i] & 15) | low << 4) - offset);
        q[i + 16] = (int8_t)((qs[i] >> 4 | high << 4) - offset);
    }
}

static void unpack_q5_0(struct block *b, const uint8_t *p)
{
    b->dw[0] = pxi_load_half(p);
    unpack_five(b->q, p + 2, p + 6, 16);
}

static void unpack_q5_1(struct block *b, const uint8_t *p)
{
    b->dw[0] = pxi_load_half(p);
    b->mw[0] = -pxi_load_half(p + 2);
    unpack_five(b->q, p + 4, p + 8, 0);
}

static void unpack_q8_0(struct block *b, const uint8_t *p)
{
    b->dw[0] = pxi_load_half(p);
    memcpy(b->q, p + 2, 32);
}

static void unpack_q2_k(struct block *b, const uint8_t *p)
{
    float d = pxi_load_half(p + 80), dmin = pxi_load_half(p + 82);
    for (int j = 0; j < 8; j++) {
        const uint8_t *qs = p + 16 + j / 4 * 32;
        for (int i = 0; i < 32; i++)
            b[j].q[i] = (int8_t)(qs[i] >> (j % 4 * 2) & 3);
        for (int h = 0; h < 2; h++) {
            b[j].dw[h] = d * (float)(p[2 * j + h] & 15);
            b[j].mw[h] = dmin * (float)(p[2 * j + h] >> 4);
        }
    }
}

static void unpack_q3_k(struct block *b, const uint8_t *p)
{
    float d = pxi_load_half(p + 108);
    for (int j = 0; j < 8; j++) {
        const uint8_t *qs = p + 32 + j / 4 * 32;
        for (int i = 0; i < 32; i++)
            b[j].q[i] = (int8_t)((qs[i] >> (j % 4 * 2) & 3) + (p[i] >> j & 1) * 4 - 4);
        for (int h = 0; h < 2; h++)
            b[j].dw[h] = d * (float)pxi_k3_scale(p + 96, 2 * j + h);
    }
}

/* Scales and mins of Q4_K and Q5_K, whose first 16 bytes are alike. */
static void unpack_k4_scales(struct block *b, const uint8_t *p)
{
    float d = pxi_load_half(p), dmin = pxi_load_half(p + 2);
    for (int j = 0; j < 8; j++) {
        int scale, min;
        pxi_k4_scale_min(p + 4, j, &scale, &min);
        b[j].dw[0] = d * (float)scale;
        b[j].mw[0] = dmin * (float)min;
    }
}

static void unpack_q4_k(struct block *b, const uint8_t *p)
{
    unpack_k4_scales(b, p);
    for (int j = 0; j < 8; j++)
        for (int i = 0; i < 32; i++)
            b[j].q[i] = (int8_t)(p[16 + j / 2 * 32 + i] >> (j % 2 * 4) & 15);
}

static void unpack_q5_k(struct block *b, const uint8_t *p)
{
    unpack_k4_scales(b, p);
    for (int j = 0; j < 8; j++)
        for (int i = 0; i < 32; i++)
            b[j].q[i] =
                (int8_t)((p[48 + j / 2 * 32 + i] >> (j % 2 * 4) & 15) | (p[16 + i] >> j & 1) << 4);
}

static void unpack_q6_k(struct block *b, const uint8_t *p)
{
    float d = pxi_load_half(p + 208);
    for (int j = 0; j < 8; j++) {
        const uint8_t *ql = p + j / 4 * 64 + j % 2 * 32, *qh = p + 128 + j / 4 * 32;
        for (int i = 0; i < 32; i++)
            b[j].q[i] =
                (int8_t)(((ql[i] >> (j % 4 / 2 * 4) & 15) | (qh[i] >> (j % 4 * 2) & 3) << 4) - 32);
        for (int h = 0; h < 2; h++)
            b[j].dw[h] = d * (float)(int8_t)p[192 + 2 * j + h];
    }
}

static void unpack_codes(int8_t q[32], const uint8_t *qs, const int8_t codes[16])
{
    for (int i = 0; i < 16; i++) {
        q[i] = codes[qs[i] & 15];
        q[i + 16] = codes[qs[i] >> 4];
    }
}

static void unpack_iq4_nl(struct block *b, const uint8_t *p)
{
    static const int8_t codes[16] = {PXI_IQ4_NL_CODES};
    b->dw[0] = pxi_load_half(p);
    unpack_codes(b->q, p + 2, codes);
}

static void unpack_mxfp4(struct block *b, const uint8_t *p)
{
    static const int8_t codes[16] = {PXI_MXFP4_CODES};
    b->dw[0] = pxi_e8m0_half(p[0]);
    unpack_codes(b->q, p + 1, codes);
}

static int32_t dot16(const int8_t *a, const int8_t *b)
{
    int32_t sum = 0;
    for (int i = 0; i < 16; i++)
        sum += a[i] * b[i];
    return sum;
}

/* y + the product of one block of weights with one block of activations (q, dx, two sums). */
static float block_add(float y, const struct block *b, const int8_t *q, float dx,
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

static inline void matmul(const struct pxi_matmul *m, unpack_fn *unpack, size_t super, size_t bytes,
                          int flags)
{
    size_t blocks = m->k / 32;
    struct block b[PXI_Q_SUPER];
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

static inline void dequant(float *dst, const uint8_t *src, size_t n, unpack_fn *unpack,
                           size_t super, size_t bytes, int flags)
{
    struct block b[PXI_Q_SUPER];
    for (size_t i = 0; i < n; i++) {
        const struct block *c = &b[i / 32 % super];
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
        matmul(m, unpack_##name, super, bytes, flags);                                             \
    }                                                                                              \
    static void dequant_##name(float *dst, const void *src, size_t n)                              \
    {                                                                                              \
        dequant(dst, src, n, unpack_##name, super, bytes, flags);                                  \
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
