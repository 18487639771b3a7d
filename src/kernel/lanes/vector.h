/*
 * Kernels on vectors of floats, written once over a type `lanes` of 16 floats that the includer
 * defines (x86/lanes_avx2.h, arm/lanes_neon.h). What does not fill 16 lanes is done one by one by
 * the same operations.
 */
#ifndef PXI_KERNEL_LANES_VECTOR_H
#define PXI_KERNEL_LANES_VECTOR_H

#include "kernel/exp.h"
#include "kernel/half.h"
#include "kernel/sets.h"

/* kernel/exp.h in lanes. */
INLINE lanes exp_lanes(lanes x)
{
    const lanes one = lanes_set(1.0f), magic = lanes_set(PXI_EXP_MAGIC);
    x = lanes_max(lanes_min(x, lanes_set(PXI_EXP_HI)), lanes_set(PXI_EXP_LO));
    lanes n = lanes_sub(lanes_fma(x, lanes_set(PXI_EXP_LOG2E), magic), magic);
    lanes r = lanes_fma(n, lanes_set(-PXI_EXP_LN2_HI), x);
    r = lanes_fma(n, lanes_set(-PXI_EXP_LN2_LO), r);
    lanes p = lanes_fma(lanes_set(PXI_EXP_C6), r, lanes_set(PXI_EXP_C5));
    p = lanes_fma(p, r, lanes_set(PXI_EXP_C4));
    p = lanes_fma(p, r, lanes_set(PXI_EXP_C3));
    p = lanes_fma(p, r, lanes_set(PXI_EXP_C2));
    p = lanes_fma(p, r, one);
    p = lanes_fma(p, r, one);
    return lanes_scale2(p, n);
}

static float sum_of(const lanes *v, float *lane, const float *tail, size_t n, int square)
{
    lanes_store(lane, *v);
    for (size_t i = 0; i < n; i++)
        lane[i] = square ? fmaf(tail[i], tail[i], lane[i]) : lane[i] + tail[i];
    for (size_t half = 8; half; half /= 2)
        for (size_t i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
}

static void rms_norm(float *y, const float *x, const float *w, size_t n, float eps)
{
    float lane[16];
    lanes sum = lanes_set(0);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        lanes v = lanes_load(x + i);
        sum = lanes_fma(v, v, sum);
    }
    float scale = 1.0f / sqrtf(sum_of(&sum, lane, x + i, n - i, 1) / (float)n + eps);
    for (i = 0; i + 16 <= n; i += 16) {
        lanes v = lanes_mul(lanes_load(x + i), lanes_set(scale));
        lanes_store(y + i, w ? lanes_mul(v, lanes_load(w + i)) : v);
    }
    for (; i < n; i++) {
        float v = x[i] * scale;
        y[i] = w ? v * w[i] : v;
    }
}

static void add(float *y, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        lanes_store(y + i, lanes_add(lanes_load(y + i), lanes_load(x + i)));
    for (; i < n; i++)
        y[i] += x[i];
}

static void silu_mul(float *y, const float *g, const float *u, size_t n)
{
    const lanes one = lanes_set(1.0f);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        lanes v = lanes_load(g + i), e = lanes_add(one, exp_lanes(lanes_neg(v)));
        lanes_store(y + i, lanes_mul(lanes_div(v, e), lanes_load(u + i)));
    }
    for (; i < n; i++)
        y[i] = g[i] / (1.0f + pxi_exp(-g[i])) * u[i];
}

static void rotate_one(float *a, float *b, const float *cs)
{
    float c = cs[0], s = cs[1], a0 = *a, b0 = *b;
    *a = fmaf(a0, c, -(b0 * s));
    *b = fmaf(a0, s, b0 * c);
}

INLINE void rotate(lanes *a, lanes *b, const float *cs)
{
    lanes c, s, a0 = *a, b0 = *b;
    lanes_load_pairs(cs, &c, &s);
    *a = lanes_fma(a0, c, lanes_neg(lanes_mul(b0, s)));
    *b = lanes_fma(a0, s, lanes_mul(b0, c));
}

static void rope_adjacent(float *x, const float *cs, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        lanes a, b;
        lanes_load_pairs(x + 2 * i, &a, &b);
        rotate(&a, &b, cs + 2 * i);
        lanes_store_pairs(x + 2 * i, a, b);
    }
    for (; i < n; i++)
        rotate_one(&x[2 * i], &x[2 * i + 1], &cs[2 * i]);
}

static void rope_half(float *x, const float *cs, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        lanes a = lanes_load(x + i), b = lanes_load(x + i + n);
        rotate(&a, &b, cs + 2 * i);
        lanes_store(x + i, a);
        lanes_store(x + i + n, b);
    }
    for (; i < n; i++)
        rotate_one(&x[i], &x[i + n], &cs[2 * i]);
}

static float largest(const float *x, size_t n, float scale)
{
    float lane[16], max = x[0] * scale;
    lanes most = lanes_set(max);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        most = lanes_max(most, lanes_mul(lanes_load(x + i), lanes_set(scale)));
    lanes_store(lane, most);
    for (int l = 0; l < 16; l++)
        max = lane[l] > max ? lane[l] : max;
    for (; i < n; i++)
        max = x[i] * scale > max ? x[i] * scale : max;
    return max;
}

static void softmax(float *x, size_t n, float scale)
{
    float lane[16], max = largest(x, n, scale);
    lanes sum = lanes_set(0);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        lanes v = lanes_mul(lanes_load(x + i), lanes_set(scale));
        v = exp_lanes(lanes_sub(v, lanes_set(max)));
        sum = lanes_add(sum, v);
        lanes_store(x + i, v);
    }
    size_t whole = i;
    for (; i < n; i++)
        x[i] = pxi_exp(x[i] * scale - max);
    float total = sum_of(&sum, lane, x + whole, n - whole, 0);
    for (i = 0; i + 16 <= n; i += 16)
        lanes_store(x + i, lanes_div(lanes_load(x + i), lanes_set(total)));
    for (; i < n; i++)
        x[i] = x[i] / total;
}

static void f32_to_f16(uint16_t *dst, const float *src, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        lanes_store_f16(dst + i, lanes_load(src + i));
    for (; i < n; i++)
        dst[i] = pxi_f16_of_f32(src[i]);
}

static void f16_to_f32(float *dst, const uint16_t *src, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        lanes_store(dst + i, lanes_load_f16(src + i));
    for (; i < n; i++)
        dst[i] = pxi_f16_to_f32(src[i]);
}

/* Steps of 16 with nothing that depends: these become vectors by themselves. */
static void bf16_to_f32(float *y, const uint16_t *x, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (unsigned k = 0; k < 16; k++)
            y[i + k] = pxi_bf16_to_f32(x[i + k]);
    for (; i < n; i++)
        y[i] = pxi_bf16_to_f32(x[i]);
}

static void f32_to_bf16(uint16_t *y, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (unsigned k = 0; k < 16; k++)
            y[i + k] = pxi_bf16_of_f32(x[i + k]);
    for (; i < n; i++)
        y[i] = pxi_bf16_of_f32(x[i]);
}

static void fill_vector(struct pxi_kernels *k)
{
    k->rms_norm = rms_norm;
    k->add = add;
    k->silu_mul = silu_mul;
    k->rope_adjacent = rope_adjacent;
    k->rope_half = rope_half;
    k->softmax = softmax;
    k->f32_to_f16 = f32_to_f16;
    k->f16_to_f32 = f16_to_f32;
    k->f32_to_bf16 = f32_to_bf16;
    k->bf16_to_f32 = bf16_to_f32;
}

#endif
