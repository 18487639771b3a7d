/*
 * Attention over a KV cache for AVX-512. Scores: a vector is 16 positions, sums of 8 queries stay
 * in registers. Weighted sums: a vector is 16 elements of the output, tiles of queries x elements.
 */
#include "kernel/sets.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum cache { CACHE_F32, CACHE_F16, CACHE_I8 };

/* 16 elements of the cache as floats; `scale` only for 8 bits. Lanes out of the mask are 0. */
INLINE __m512 load(enum cache type, const void *base, size_t at, __mmask16 mask, __m512 scale)
{
    if (type == CACHE_F32)
        return _mm512_maskz_loadu_ps(mask, (const float *)base + at);
    if (type == CACHE_F16)
        return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, (const uint16_t *)base + at));
    __m128i q = _mm_maskz_loadu_epi8(mask, (const int8_t *)base + at);
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q)), scale);
}

/* The cache as the kernels see it: K panels or V rows, `stride` elements apart. */
struct kv {
    const void *base;
    size_t stride;
    const float *scale;
    size_t scale_stride;
};

/* NQ queries against P panels: NQ * P accumulators. */
INLINE void qk_tile(enum cache type, const int NQ, const int P, float *s, size_t s_stride,
                    const float *q, size_t q_stride, const struct kv *k, size_t panel, size_t d)
{
    __m512 acc[8][2], scale[2];
    for (int j = 0; j < NQ; j++)
        acc[j][0] = acc[j][1] = _mm512_setzero_ps();
    for (int p = 0; p < P; p++)
        scale[p] = type == CACHE_I8
                       ? _mm512_loadu_ps(k->scale + (panel + (size_t)p) * k->scale_stride)
                       : _mm512_setzero_ps();
    for (size_t i = 0; i < d; i++) {
        __m512 w[2];
        for (int p = 0; p < P; p++)
            w[p] = load(type, k->base, (panel + (size_t)p) * k->stride + 16 * i, 0xffff, scale[p]);
        for (int j = 0; j < NQ; j++) {
            __m512 b = _mm512_set1_ps(q[(size_t)j * q_stride + i]);
            for (int p = 0; p < P; p++)
                acc[j][p] = _mm512_fmadd_ps(b, w[p], acc[j][p]);
        }
    }
    for (int j = 0; j < NQ; j++)
        for (int p = 0; p < P; p++)
            _mm512_storeu_ps(s + (size_t)j * s_stride + 16 * (panel + (size_t)p), acc[j][p]);
}

INLINE void qk_queries(enum cache type, const int NQ, float *s, size_t s_stride, const float *q,
                       size_t q_stride, const struct kv *k, size_t panels, size_t d)
{
    size_t p = 0;
    for (; p + 2 <= panels; p += 2)
        qk_tile(type, NQ, 2, s, s_stride, q, q_stride, k, p, d);
    if (p < panels)
        qk_tile(type, NQ, 1, s, s_stride, q, q_stride, k, p, d);
}

INLINE void qk(enum cache type, float *s, size_t s_stride, const float *q, size_t q_stride,
               size_t nq, const struct kv *k, size_t panels, size_t d)
{
    size_t j = 0;
    for (; j + 8 <= nq; j += 8)
        qk_queries(type, 8, s + j * s_stride, s_stride, q + j * q_stride, q_stride, k, panels, d);
    for (; j + 4 <= nq; j += 4)
        qk_queries(type, 4, s + j * s_stride, s_stride, q + j * q_stride, q_stride, k, panels, d);
    for (; j < nq; j++)
        qk_queries(type, 1, s + j * s_stride, s_stride, q + j * q_stride, q_stride, k, panels, d);
}

static void qk_f32(float *s, size_t s_stride, const float *q, size_t q_stride, size_t nq,
                   const float *k, size_t panel_stride, size_t panels, size_t d)
{
    qk(CACHE_F32, s, s_stride, q, q_stride, nq, &(struct kv){k, panel_stride, NULL, 0}, panels, d);
}

static void qk_f16(float *s, size_t s_stride, const float *q, size_t q_stride, size_t nq,
                   const uint16_t *k, size_t panel_stride, size_t panels, size_t d)
{
    qk(CACHE_F16, s, s_stride, q, q_stride, nq, &(struct kv){k, panel_stride, NULL, 0}, panels, d);
}

static void qk_i8(float *s, size_t s_stride, const float *q, size_t q_stride, size_t nq,
                  const int8_t *k, size_t panel_stride, const float *ks, size_t ks_stride,
                  size_t panels, size_t d)
{
    qk(CACHE_I8, s, s_stride, q, q_stride, nq, &(struct kv){k, panel_stride, ks, ks_stride}, panels,
       d);
}

/* NQ queries times 16 * D outputs from element i on; the last vector has `mask` lanes. */
INLINE void pv_tile(enum cache type, const int NQ, const int D, float *o, size_t o_stride,
                    const float *p, size_t p_stride, const struct kv *v, size_t positions, size_t i,
                    __mmask16 mask)
{
    __m512 acc[8][4];
    for (int j = 0; j < NQ; j++)
        for (int c = 0; c < D; c++)
            acc[j][c] = _mm512_setzero_ps();
    for (size_t t = 0; t < positions; t++) {
        __m512 scale = _mm512_setzero_ps(), w[4];
        if (type == CACHE_I8)
            scale = _mm512_set1_ps(v->scale[t * v->scale_stride]);
        for (int c = 0; c < D; c++)
            w[c] = load(type, v->base, t * v->stride + i + 16 * (size_t)c,
                        c == D - 1 ? mask : (__mmask16)0xffff, scale);
        for (int j = 0; j < NQ; j++) {
            __m512 b = _mm512_set1_ps(p[(size_t)j * p_stride + t]);
            for (int c = 0; c < D; c++)
                acc[j][c] = _mm512_fmadd_ps(b, w[c], acc[j][c]);
        }
    }
    for (int j = 0; j < NQ; j++)
        for (int c = 0; c < D; c++)
            _mm512_mask_storeu_ps(o + (size_t)j * o_stride + i + 16 * (size_t)c,
                                  c == D - 1 ? mask : (__mmask16)0xffff, acc[j][c]);
}

INLINE void pv_queries(enum cache type, const int NQ, float *o, size_t o_stride, const float *p,
                       size_t p_stride, const struct kv *v, size_t positions, size_t d)
{
    size_t i = 0;
    const __mmask16 full = 0xffff;
    for (; NQ <= 4 && i + 64 <= d; i += 64)
        pv_tile(type, NQ, 4, o, o_stride, p, p_stride, v, positions, i, full);
    for (; i + 32 <= d; i += 32)
        pv_tile(type, NQ, 2, o, o_stride, p, p_stride, v, positions, i, full);
    for (; i < d; i += 16)
        pv_tile(type, NQ, 1, o, o_stride, p, p_stride, v, positions, i,
                d - i >= 16 ? full : (__mmask16)((1u << (d - i)) - 1));
}

INLINE void pv(enum cache type, float *o, size_t o_stride, const float *p, size_t p_stride,
               size_t nq, const struct kv *v, size_t positions, size_t d)
{
    size_t j = 0;
    for (; j + 4 <= nq; j += 4)
        pv_queries(type, 4, o + j * o_stride, o_stride, p + j * p_stride, p_stride, v, positions,
                   d);
    for (; j < nq; j++)
        pv_queries(type, 1, o + j * o_stride, o_stride, p + j * p_stride, p_stride, v, positions,
                   d);
}

static void pv_f32(float *o, size_t o_stride, const float *p, size_t p_stride, size_t nq,
                   const float *v, size_t v_stride, size_t positions, size_t d)
{
    pv(CACHE_F32, o, o_stride, p, p_stride, nq, &(struct kv){v, v_stride, NULL, 0}, positions, d);
}

static void pv_f16(float *o, size_t o_stride, const float *p, size_t p_stride, size_t nq,
                   const uint16_t *v, size_t v_stride, size_t positions, size_t d)
{
    pv(CACHE_F16, o, o_stride, p, p_stride, nq, &(struct kv){v, v_stride, NULL, 0}, positions, d);
}

static void pv_i8(float *o, size_t o_stride, const float *p, size_t p_stride, size_t nq,
                  const int8_t *v, size_t v_stride, const float *vs, size_t vs_stride,
                  size_t positions, size_t d)
{
    pv(CACHE_I8, o, o_stride, p, p_stride, nq, &(struct kv){v, v_stride, vs, vs_stride}, positions,
       d);
}

void pxi_avx512_float_attention(struct pxi_kernels *k)
{
    k->qk_f32 = qk_f32;
    k->qk_f16 = qk_f16;
    k->qk_i8 = qk_i8;
    k->pv_f32 = pv_f32;
    k->pv_f16 = pv_f16;
    k->pv_i8 = pv_i8;
}
