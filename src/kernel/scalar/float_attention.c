/* Scalar attention over a KV cache of f32, f16 or 8-bit elements: the specification. */
#include "kernel/half.h"
#include "kernel/sets.h"

#include <math.h>

/* One panel: 16 positions, each a dot product over d in order. */
#define QK_PANEL(value)                                                                            \
    for (size_t l = 0; l < 16; l++) {                                                              \
        float acc = 0;                                                                             \
        for (size_t i = 0; i < d; i++)                                                             \
            acc = fmaf(qj[i], value, acc);                                                         \
        s[j * s_stride + 16 * p + l] = acc;                                                        \
    }

static void qk_f32(float *s, size_t s_stride, const float *q, size_t q_stride, size_t nq,
                   const float *k, size_t panel_stride, size_t panels, size_t d)
{
    for (size_t j = 0; j < nq; j++)
        for (size_t p = 0; p < panels; p++) {
            const float *qj = q + j * q_stride, *kp = k + p * panel_stride;
            QK_PANEL(kp[16 * i + l])
        }
}

static void qk_f16(float *s, size_t s_stride, const float *q, size_t q_stride, size_t nq,
                   const uint16_t *k, size_t panel_stride, size_t panels, size_t d)
{
    for (size_t j = 0; j < nq; j++)
        for (size_t p = 0; p < panels; p++) {
            const float *qj = q + j * q_stride;
            const uint16_t *kp = k + p * panel_stride;
            QK_PANEL(pxi_f16_to_f32(kp[16 * i + l]))
        }
}

static void qk_i8(float *s, size_t s_stride, const float *q, size_t q_stride, size_t nq,
                  const int8_t *k, size_t panel_stride, const float *ks, size_t ks_stride,
                  size_t panels, size_t d)
{
    for (size_t j = 0; j < nq; j++)
        for (size_t p = 0; p < panels; p++) {
            const float *qj = q + j * q_stride, *scale = ks + p * ks_stride;
            const int8_t *kp = k + p * panel_stride;
            QK_PANEL((float)kp[16 * i + l] * scale[l])
        }
}

/* Rows of V in order, each added to all d outputs of a query. */
#define PV_QUERIES(value)                                                                          \
    for (size_t j = 0; j < nq; j++) {                                                              \
        float *oj = o + j * o_stride;                                                              \
        for (size_t i = 0; i < d; i++)                                                             \
            oj[i] = 0;                                                                             \
        for (size_t t = 0; t < positions; t++)                                                     \
            for (size_t i = 0; i < d; i++)                                                         \
                oj[i] = fmaf(p[j * p_stride + t], value, oj[i]);                                   \
    }

static void pv_f32(float *o, size_t o_stride, const float *p, size_t p_stride, size_t nq,
                   const float *v, size_t v_stride, size_t positions, size_t d)
{
    PV_QUERIES(v[t * v_stride + i])
}

static void pv_f16(float *o, size_t o_stride, const float *p, size_t p_stride, size_t nq,
                   const uint16_t *v, size_t v_stride, size_t positions, size_t d)
{
    PV_QUERIES(pxi_f16_to_f32(v[t * v_stride + i]))
}

static void pv_i8(float *o, size_t o_stride, const float *p, size_t p_stride, size_t nq,
                  const int8_t *v, size_t v_stride, const float *vs, size_t vs_stride,
                  size_t positions, size_t d)
{
    PV_QUERIES((float)v[t * v_stride + i] * vs[t * vs_stride])
}

void pxi_scalar_float_attention(struct pxi_kernels *k)
{
    k->qk_f32 = qk_f32;
    k->qk_f16 = qk_f16;
    k->qk_i8 = qk_i8;
    k->pv_f32 = pv_f32;
    k->pv_f16 = pv_f16;
    k->pv_i8 = pv_i8;
}
