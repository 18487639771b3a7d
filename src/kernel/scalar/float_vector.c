/* Scalar kernels on vectors of floats: norm, activation, rotation, softmax, f16: the specification.
 */
#include "kernel/exp.h"
#include "kernel/half.h"
#include "kernel/sets.h"

/* Sum of the 16 virtual lanes, by halves. */
static float lanes_sum(float *lane)
{
    for (size_t half = 8; half; half /= 2)
        for (size_t i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
}

static void rms_norm(float *y, const float *x, const float *w, size_t n, float eps)
{
    float lane[16] = {0};
    for (size_t i = 0; i < n; i++)
        lane[i % 16] = fmaf(x[i], x[i], lane[i % 16]);
    float scale = 1.0f / sqrtf(lanes_sum(lane) / (float)n + eps);
    for (size_t i = 0; i < n; i++) {
        float v = x[i] * scale;
        y[i] = w ? v * w[i] : v;
    }
}

static void add(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
}

static void silu_mul(float *y, const float *g, const float *u, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = g[i] / (1.0f + pxi_exp(-g[i])) * u[i];
}

static void rotate(float *a, float *b, const float *cs)
{
    float c = cs[0], s = cs[1], a0 = *a, b0 = *b;
    *a = fmaf(a0, c, -(b0 * s));
    *b = fmaf(a0, s, b0 * c);
}

static void rope_adjacent(float *x, const float *cs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        rotate(&x[2 * i], &x[2 * i + 1], &cs[2 * i]);
}

static void rope_half(float *x, const float *cs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        rotate(&x[i], &x[i + n], &cs[2 * i]);
}

/* An element of minus infinity gets weight zero. */
static void softmax(float *x, size_t n, float scale)
{
    float max = x[0] * scale, lane[16] = {0};
    for (size_t i = 1; i < n; i++) {
        float v = x[i] * scale;
        max = v > max ? v : max;
    }
    for (size_t i = 0; i < n; i++) {
        x[i] = pxi_exp(x[i] * scale - max);
        lane[i % 16] += x[i];
    }
    float sum = lanes_sum(lane);
    for (size_t i = 0; i < n; i++)
        x[i] = x[i] / sum;
}

static void f32_to_f16(uint16_t *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = pxi_f16_of_f32(src[i]);
}

static void f16_to_f32(float *dst, const uint16_t *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = pxi_f16_to_f32(src[i]);
}

static void bf16_to_f32(float *y, const uint16_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = pxi_bf16_to_f32(x[i]);
}

static void f32_to_bf16(uint16_t *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = pxi_bf16_of_f32(x[i]);
}

void pxi_scalar_float_vector(struct pxi_kernels *k)
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
