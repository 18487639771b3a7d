/*
 * Attention over a KV cache, written once over a type `lanes` of 16 floats that the includer
 * defines. Scores: lanes are 16 positions. Weighted sums: lanes are 16 elements of the output.
 */
#ifndef PXI_KERNEL_LANES_ATTENTION_H
#define PXI_KERNEL_LANES_ATTENTION_H

#include "kernel/half.h"
#include "kernel/sets.h"

#include <math.h>

enum cache { CACHE_F32, CACHE_F16, CACHE_I8 };

/* The cache: K panels or V rows, `stride` elements apart. */
struct kv {
    const void *base;
    size_t stride;
    const float *scale;
    size_t scale_stride;
};

/* 16 elements of the cache as floats; `scale` only for 8 bits. */
INLINE lanes load_cache(enum cache type, const struct kv *kv, size_t at, lanes scale)
{
    if (type == CACHE_F32)
        return lanes_load((const float *)kv->base + at);
    if (type == CACHE_F16)
        return lanes_load_f16((const uint16_t *)kv->base + at);
    return lanes_mul(lanes_load_i8((const int8_t *)kv->base + at), scale);
}

INLINE float load_one(enum cache type, const struct kv *kv, size_t at, float scale)
{
    if (type == CACHE_F32)
        return ((const float *)kv->base)[at];
    if (type == CACHE_F16)
        return pxi_f16_to_f32(((const uint16_t *)kv->base)[at]);
    return (float)((const int8_t *)kv->base)[at] * scale;
}

/* NQ queries against P panels. */
INLINE void qk_tile(enum cache type, const int NQ, const int P, float *s, size_t s_stride,
                    const float *q, size_t q_stride, const struct kv *k, size_t panel, size_t d)
{
    lanes acc[4][2], scale[2];
    for (int p = 0; p < P; p++) {
        scale[p] = lanes_set(0);
        if (type == CACHE_I8)
            scale[p] = lanes_load(k->scale + (panel + (size_t)p) * k->scale_stride);
        for (int j = 0; j < NQ; j++)
            acc[j][p] = lanes_set(0);
    }
    for (size_t i = 0; i < d; i++)
        for (int p = 0; p < P; p++) {
            lanes w = load_cache(type, k, (panel + (size_t)p) * k->stride + 16 * i, scale[p]);
            for (int j = 0; j < NQ; j++)
                acc[j][p] = lanes_fma(lanes_set(q[(size_t)j * q_stride + i]), w, acc[j][p]);
        }
    for (int j = 0; j < NQ; j++)
        for (int p = 0; p < P; p++)
            lanes_store(s + (size_t)j * s_stride + 16 * (panel + (size_t)p), acc[j][p]);
}

INLINE void qk(enum cache type, float *s, size_t s_stride, const float *q, size_t q_stride,
               size_t nq, const struct kv *k, size_t panels, size_t d)
{
    size_t j = 0;
    for (; j + 4 <= nq; j += 4)
        for (size_t p = 0; p < panels; p++)
            qk_tile(type, 4, 1, s + j * s_stride, s_stride, q + j * q_stride, q_stride, k, p, d);
    for (; j < nq; j++) {
        size_t p = 0;
        for (; p + 2 <= panels; p += 2)
            qk_tile(type, 1, 2, s + j * s_stride, s_stride, q + j * q_stride, q_stride, k, p, d);
        if (p < panels)
            qk_tile(type, 1, 1, s + j * s_stride, s_stride, q + j * q_stride, q_stride, k, p, d);
    }
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

/* NQ queries times 16 * D outputs from element i on. */
INLINE void pv_tile(enum cache type, const int NQ, const int D, float *o, size_t o_stride,
                    const float *p, size_t p_stride, const struct kv *v, size_t positions, size_t i)
{
    lanes acc[4][4];
    for (int j = 0; j < NQ; j++)
        for (int c = 0; c < D; c++)
            acc[j][c] = lanes_set(0);
    for (size_t t = 0; t < positions; t++) {
        lanes scale = lanes_set(type == CACHE_I8 ? v->scale[t * v->scale_stride] : 0);
        for (int c = 0; c < D; c++) {
            lanes w = load_cache(type, v, t * v->stride + i + 16 * (size_t)c, scale);
            for (int j = 0; j < NQ; j++)
                acc[j][c] = lanes_fma(lanes_set(p[(size_t)j * p_stride + t]), w, acc[j][c]);
        }
    }
    for (int j = 0; j < NQ; j++)
        for (int c = 0; c < D; c++)
            lanes_store(o + (size_t)j * o_stride + i + 16 * (size_t)c, acc[j][c]);
}

/* The outputs that do not fill 16 lanes. */
INLINE void pv_rest(enum cache type, float *o, const float *p, const struct kv *v, size_t positions,
                    size_t i, size_t d)
{
    for (; i < d; i++) {
        float acc = 0;
        for (size_t t = 0; t < positions; t++) {
            float scale = type == CACHE_I8 ? v->scale[t * v->scale_stride] : 0;
            acc = fmaf(p[t], load_one(type, v, t * v->stride + i, scale), acc);
        }
        o[i] = acc;
    }
}

INLINE void pv(enum cache type, float *o, size_t o_stride, const float *p, size_t p_stride,
               size_t nq, const struct kv *v, size_t positions, size_t d)
{
    size_t j = 0, i;
    for (; j + 4 <= nq; j += 4)
        for (i = 0; i + 16 <= d; i += 16)
            pv_tile(type, 4, 1, o + j * o_stride, o_stride, p + j * p_stride, p_stride, v,
                    positions, i);
    for (; j < nq; j++) {
        for (i = 0; i + 64 <= d; i += 64)
            pv_tile(type, 1, 4, o + j * o_stride, o_stride, p + j * p_stride, p_stride, v,
                    positions, i);
        for (; i + 16 <= d; i += 16)
            pv_tile(type, 1, 1, o + j * o_stride, o_stride, p + j * p_stride, p_stride, v,
                    positions, i);
    }
    for (j = 0; j < nq; j++)
        pv_rest(type, o + j * o_stride, p + j * p_stride, v, positions, d / 16 * 16, d);
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

static void fill_attention(struct pxi_kernels *k)
{
    k->qk_f32 = qk_f32;
    k->qk_f16 = qk_f16;
    k->qk_i8 = qk_i8;
    k->pv_f32 = pv_f32;
    k->pv_f16 = pv_f16;
    k->pv_i8 = pv_i8;
}

#endif
