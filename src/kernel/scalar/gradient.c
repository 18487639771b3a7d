/* Scalar kernels on gradients as fixed point: the specification. */
#include "kernel/gradient.h"

#include <math.h>
#include <string.h>

#include "bpf/tag.h"
#include "kernel/sets.h"

static float value(const float *x, const float *r, size_t i)
{
    return r ? x[i] + r[i] : x[i];
}

static uint32_t grad_max(const float *x, const float *r, size_t n)
{
    uint32_t max = 0;
    for (size_t i = 0; i < n; i++) {
        float v = value(x, r, i);
        uint32_t bits;
        memcpy(&bits, &v, sizeof bits);
        bits &= 0x7fffffffu;
        max = bits > max ? bits : max;
    }
    return max;
}

/* One value, offset by the bias; *over becomes true when it does not fit. */
static uint32_t quant(float *r, const float *x, size_t i, const struct pxi_grad *g, bool *over)
{
    const float low = -pxi_grad_float(g->bias), high = pxi_grad_float(g->bias - 1);
    float v = value(x, r, i), t = v * g->scale;
    *over |= fabsf(t) >= g->top;
    t += g->seed ? pxi_grad_noise(g->seed, i) : 0;
    int32_t q = (int32_t)rintf(t <= high ? t < low ? low : t : high); /* NaN: high */
    if (r)
        r[i] = v - (float)q * g->unscale;
    return (uint32_t)q + g->bias;
}

static bool quant_i16(void *q, float *r, const float *x, size_t n, const struct pxi_grad *g)
{
    uint8_t *out = q;
    bool over = false;
    for (size_t i = 0; i < n; i++) {
        uint16_t v = (uint16_t)quant(r, x, i, g, &over);
        memcpy(out + 2 * i, &v, sizeof v);
    }
    return over;
}

static bool quant_i8(void *q, float *r, const float *x, size_t n, const struct pxi_grad *g)
{
    uint8_t *out = q;
    bool over = false;
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)quant(r, x, i, g, &over);
    return over;
}

static bool quant_i4(void *q, float *r, const float *x, size_t n, const struct pxi_grad *g)
{
    uint8_t *out = q;
    bool over = false;
    for (size_t i = 0; i < n; i += 2) {
        uint32_t low = quant(r, x, i, g, &over);
        out[i / 2] = (uint8_t)(low | quant(r, x, i + 1, g, &over) << 4);
    }
    return over;
}

static bool quant_i32(void *q, float *r, const float *x, size_t n, const struct pxi_grad *g)
{
    uint8_t *out = q;
    bool over = false;
    for (size_t i = 0; i < n; i++) {
        uint32_t v = quant(r, x, i, g, &over);
        memcpy(out + 4 * i, &v, sizeof v);
    }
    return over;
}

static void undo(float *r, size_t i, uint32_t q, const struct pxi_grad *g)
{
    r[i] += (float)(int32_t)(q - g->bias) * g->unscale;
}

static void undo_i16(float *r, const void *q, size_t n, const struct pxi_grad *g)
{
    const uint8_t *in = q;
    for (size_t i = 0; i < n; i++) {
        uint16_t v;
        memcpy(&v, in + 2 * i, sizeof v);
        undo(r, i, v, g);
    }
}

static void undo_i8(float *r, const void *q, size_t n, const struct pxi_grad *g)
{
    const uint8_t *in = q;
    for (size_t i = 0; i < n; i++)
        undo(r, i, in[i], g);
}

static void undo_i4(float *r, const void *q, size_t n, const struct pxi_grad *g)
{
    const uint8_t *in = q;
    for (size_t i = 0; i < n; i++)
        undo(r, i, in[i / 2] >> (4 * (i & 1)) & 15u, g);
}

static void undo_i32(float *r, const void *q, size_t n, const struct pxi_grad *g)
{
    const uint8_t *in = q;
    for (size_t i = 0; i < n; i++) {
        uint32_t v;
        memcpy(&v, in + 4 * i, sizeof v);
        undo(r, i, v, g);
    }
}

static void add_i16(void *sum, const void *q, size_t n)
{
    uint16_t *s = sum;
    const uint8_t *in = q;
    for (size_t i = 0; i < n; i++) {
        uint16_t v;
        memcpy(&v, in + 2 * i, sizeof v);
        s[i] = (uint16_t)(s[i] + v);
    }
}

static void add_i8(void *sum, const void *q, size_t n)
{
    uint16_t *s = sum;
    const uint8_t *in = q;
    for (size_t i = 0; i < n; i++)
        s[i] = (uint16_t)(s[i] + in[i]);
}

static void add_i4(void *sum, const void *q, size_t n)
{
    uint16_t *s = sum;
    const uint8_t *in = q;
    for (size_t i = 0; i < n; i += 2) {
        s[i] = (uint16_t)(s[i] + (in[i / 2] & 15));
        s[i + 1] = (uint16_t)(s[i + 1] + (in[i / 2] >> 4));
    }
}

static void add_i32(void *sum, const void *q, size_t n)
{
    uint32_t *s = sum;
    const uint8_t *in = q;
    for (size_t i = 0; i < n; i++) {
        uint32_t v;
        memcpy(&v, in + 4 * i, sizeof v);
        s[i] += v;
    }
}

static void grad_fold(uint8_t *q, const uint16_t *sum, size_t n, unsigned shift)
{
    unsigned half = shift ? 1u << (shift - 1) : 0;
    for (size_t i = 0; i < n; i++)
        q[i] = (uint8_t)((sum[i] + half) >> shift);
}

static void dequant_i16(float *y, const void *q, size_t n, const struct pxi_grad *g)
{
    const uint8_t *in = q;
    for (size_t i = 0; i < n; i++) {
        uint16_t v;
        memcpy(&v, in + 2 * i, sizeof v);
        y[i] = (float)((int32_t)v - (int32_t)g->zero) * g->unscale;
    }
}

static void dequant_i8(float *y, const void *q, size_t n, const struct pxi_grad *g)
{
    const uint8_t *in = q;
    for (size_t i = 0; i < n; i++)
        y[i] = (float)((int32_t)((uint32_t)in[i] << g->shift) - (int32_t)g->zero) * g->unscale;
}

static void dequant_i32(float *y, const void *q, size_t n, const struct pxi_grad *g)
{
    const uint8_t *in = q;
    for (size_t i = 0; i < n; i++) {
        uint32_t v;
        memcpy(&v, in + 4 * i, sizeof v);
        y[i] = (float)(int32_t)(v - g->zero) * g->unscale;
    }
}

static void tag_nh(struct pxi_tag_sum *s, const uint64_t *key, const void *p, size_t n)
{
    const uint8_t *in = p;
    size_t i = 0;
    for (; i + PXI_TAG_GROUP <= n; i += PXI_TAG_GROUP)
        pxi_tag_group(s, key + i, in + 8 * i, 0);
    if (i < n)
        pxi_tag_group(s, key + i, in + 8 * i, 1);
}

void pxi_scalar_gradient(struct pxi_kernels *k)
{
    k->grad_max = grad_max;
    k->grad_quant[0] = quant_i16;
    k->grad_quant[1] = quant_i8;
    k->grad_quant[2] = quant_i4;
    k->grad_quant[3] = quant_i32;
    k->grad_undo[0] = undo_i16;
    k->grad_undo[1] = undo_i8;
    k->grad_undo[2] = undo_i4;
    k->grad_undo[3] = undo_i32;
    k->grad_add[0] = add_i16;
    k->grad_add[1] = add_i8;
    k->grad_add[2] = add_i4;
    k->grad_add[3] = add_i32;
    k->grad_fold = grad_fold;
    k->grad_dequant[0] = dequant_i16;
    k->grad_dequant[1] = dequant_i8;
    k->grad_dequant[2] = dequant_i8;
    k->grad_dequant[3] = dequant_i32;
    k->tag_nh = tag_nh;
}
