/*
 * Kernels on gradients as fixed point, written once over 16 floats and 16 integers that the
 * includer defines (x86/ints_avx2.h, arm/ints_neon.h). Each loop is made for every case that
 * it would ask about at every step.
 */
#ifndef PXI_KERNEL_LANES_GRADIENT_H
#define PXI_KERNEL_LANES_GRADIENT_H

#include <string.h>

#include "kernel/sets.h"

enum { I16, I8, I4, I32 };

INLINE lanes value(const float *x, const float *r, size_t i)
{
    lanes v = lanes_load(x + i);
    return r ? lanes_add(v, lanes_load(r + i)) : v;
}

INLINE uint32_t max_as(const float *x, const float *r, size_t n)
{
    ints max = ints_set(0);
#pragma GCC unroll 4
    for (size_t i = 0; i < n; i += 16)
        max = ints_max(max, lanes_bits(lanes_abs(value(x, r, i))));
    return ints_most(max);
}

static uint32_t grad_max(const float *x, const float *r, size_t n)
{
    return r ? max_as(x, r, n) : max_as(x, NULL, n);
}

/* Packed values i to i + 15 of a format. */
INLINE ints get(const uint8_t *q, size_t i, int format)
{
    return format == I16  ? ints_load_u16(q + 2 * i)
           : format == I8 ? ints_load_u8(q + i)
           : format == I4 ? ints_load_u4(q + i / 2)
                          : ints_load_u32(q + 4 * i);
}

INLINE void put(uint8_t *q, size_t i, ints v, uint32_t bias, int format)
{
    if (format == I16)
        ints_store_u16(q + 2 * i, v, bias);
    else if (format == I8)
        ints_store_u8(q + i, v, bias);
    else if (format == I4)
        ints_store_u4(q + i / 2, v, bias);
    else
        ints_store_u32(q + 4 * i, v, bias);
}

INLINE bool quant_as(uint8_t *q, float *r, const float *x, size_t n, const struct pxi_grad *g,
                     int format, bool noisy)
{
    const uint32_t seed = g->seed, bias = g->bias;
    const lanes scale = lanes_set(g->scale), minus = lanes_set(-g->unscale);
    const lanes low = lanes_set(-pxi_grad_float(bias)), high = lanes_set(pxi_grad_float(bias - 1));
    const lanes unit = lanes_set(0x1p-32f);
    const float top = g->top;
    lanes most = lanes_set(0);
    for (size_t i = 0; i < n; i += 16) {
        lanes v = value(x, r, i), t = lanes_mul(v, scale);
        most = lanes_max(most, lanes_abs(t));
        if (noisy)
            t = lanes_fma(lanes_noise(seed + (uint32_t)(i / 2)), unit, t);
        ints k = ints_of(lanes_max(lanes_min(t, high), low));
        if (r)
            lanes_store(r + i, lanes_fma(lanes_of(k), minus, v));
        put(q, i, k, bias, format);
    }
    float max;
    uint32_t bits = ints_most(lanes_bits(most));
    memcpy(&max, &bits, sizeof max);
    return n && max >= top;
}

INLINE bool quant(void *q, float *r, const float *x, size_t n, const struct pxi_grad *g, int format)
{
    if (g->seed)
        return r ? quant_as(q, r, x, n, g, format, true) : quant_as(q, NULL, x, n, g, format, true);
    return r ? quant_as(q, r, x, n, g, format, false) : quant_as(q, NULL, x, n, g, format, false);
}

INLINE void undo(float *r, const uint8_t *q, size_t n, const struct pxi_grad *g, int format)
{
    const ints bias = ints_set(g->bias);
    const lanes unscale = lanes_set(g->unscale);
    for (size_t i = 0; i < n; i += 16) {
        lanes v = lanes_of(ints_sub(get(q, i, format), bias));
        lanes_store(r + i, lanes_fma(v, unscale, lanes_load(r + i)));
    }
}

/* Results of 8 bits: shifted and offset as floats, which hold all these integers. */
INLINE void dequant_bytes(float *y, const uint8_t *q, size_t n, const struct pxi_grad *g)
{
    const lanes unscale = lanes_set(g->unscale), minus = lanes_set(-(float)g->zero);
    const lanes shift = lanes_set((float)(1u << g->shift));
    for (size_t i = 0; i < n; i += 16) {
        lanes v = lanes_fma(lanes_of(ints_load_u8(q + i)), shift, minus);
        lanes_store(y + i, lanes_mul(v, unscale));
    }
}

INLINE void dequant(float *y, const uint8_t *q, size_t n, const struct pxi_grad *g, int format)
{
    const ints zero = ints_set(g->zero);
    const lanes unscale = lanes_set(g->unscale);
    for (size_t i = 0; i < n; i += 16) {
        lanes v = lanes_of(ints_sub(get(q, i, format), zero));
        lanes_store(y + i, lanes_mul(v, unscale));
    }
}

/* The kernels of one format. */
#define FORMAT(name, format)                                                                       \
    static bool quant_##name(void *q, float *r, const float *x, size_t n,                          \
                             const struct pxi_grad *g)                                             \
    {                                                                                              \
        return quant(q, r, x, n, g, format);                                                       \
    }                                                                                              \
    static void undo_##name(float *r, const void *q, size_t n, const struct pxi_grad *g)           \
    {                                                                                              \
        undo(r, q, n, g, format);                                                                  \
    }                                                                                              \
    static void dequant_##name(float *y, const void *q, size_t n, const struct pxi_grad *g)        \
    {                                                                                              \
        if (format == I8 || format == I4)                                                          \
            dequant_bytes(y, q, n, g);                                                             \
        else                                                                                       \
            dequant(y, q, n, g, format);                                                           \
    }
FORMAT(i16, I16)
FORMAT(i8, I8)
FORMAT(i4, I4)
FORMAT(i32, I32)
#undef FORMAT

static void fill_gradient(struct pxi_kernels *k)
{
    k->grad_max = grad_max;
#define FORMAT(name, format)                                                                       \
    k->grad_quant[format] = quant_##name;                                                          \
    k->grad_undo[format] = undo_##name;                                                            \
    k->grad_dequant[format] = dequant_##name;
    FORMAT(i16, I16)
    FORMAT(i8, I8)
    FORMAT(i4, I4)
    FORMAT(i32, I32)
#undef FORMAT
}

#endif
