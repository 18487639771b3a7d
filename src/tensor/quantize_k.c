/*
 * The K types: super-blocks of 256 in 8 or 16 groups. Each group gets its best scale (and offset)
 * in float; those are quantised against the largest of them, and the values are rounded again with
 * the scales as they are stored. Layouts: docs/formats/gguf.md.
 */
#include <string.h>

#include "tensor/quantize.h"
#include "tensor/quantize_fit.h"

enum { GROUPS = 16 };

struct coded {
    float d, m;           /* the f16 values as stored */
    int8_t scale[GROUPS]; /* integers that multiply d */
    int8_t min[GROUPS];   /* integers that multiply m */
    int8_t q[256];
};

static float inverse(float d)
{
    return d != 0 ? 1 / d : 0;
}

/* Groups with a scale and an offset, both coded in 0..top; values coded in 0..hi. */
static void code_affine(struct coded *c, const float *x, int groups, int hi, int top, uint8_t *d_at,
                        uint8_t *m_at)
{
    float d[GROUPS] = {0}, m[GROUPS] = {0};
    int n = 256 / groups;
    for (int g = 0; g < groups; g++) {
        struct pxi_affine a = pxi_fit_affine(x + g * n, n, hi);
        d[g] = a.d;
        m[g] = a.m;
    }
    c->d = pxi_fit_store_half(d_at, pxi_fit_peak(d, groups) / (float)top);
    c->m = pxi_fit_store_half(m_at, pxi_fit_peak(m, groups) / (float)top);
    pxi_fit_round(c->scale, d, groups, inverse(c->d), 0, 0, top);
    pxi_fit_round(c->min, m, groups, inverse(c->m), 0, 0, top);
    for (int g = 0; g < groups; g++) {
        float inv = inverse(c->d * (float)c->scale[g]);
        pxi_fit_round(c->q + g * n, x + g * n, n, inv, c->m * (float)c->min[g] * inv, 0, hi);
    }
}

/* 16 groups with a scale coded in [scale_lo, -scale_lo - 1]; values coded in [lo, -lo - 1]. */
static void code_symmetric(struct coded *c, const float *x, int lo, int scale_lo, uint8_t *d_at)
{
    float d[GROUPS];
    for (int g = 0; g < GROUPS; g++)
        d[g] = pxi_fit_scale(x + g * 16, 16, lo);
    c->d = pxi_fit_store_half(d_at, pxi_fit_peak(d, GROUPS) / (float)scale_lo);
    pxi_fit_round(c->scale, d, GROUPS, inverse(c->d), 0, scale_lo, -scale_lo - 1);
    for (int g = 0; g < GROUPS; g++)
        pxi_fit_round(c->q + g * 16, x + g * 16, 16, inverse(c->d * (float)c->scale[g]), 0, lo,
                      -lo - 1);
}

void pxi_quantize_q2_k(uint8_t *dst, const float *x)
{
    struct coded c;
    code_affine(&c, x, 16, 3, 15, dst + 80, dst + 82);
    for (int g = 0; g < 16; g++)
        dst[g] = (uint8_t)(c.scale[g] | c.min[g] << 4);
    memset(dst + 16, 0, 64);
    for (int i = 0; i < 256; i++)
        dst[16 + i / 128 * 32 + i % 32] |= (uint8_t)(c.q[i] << i % 128 / 32 * 2);
}

void pxi_quantize_q3_k(uint8_t *dst, const float *x)
{
    struct coded c;
    code_symmetric(&c, x, -4, -32, dst + 108);
    memset(dst, 0, 108);
    for (int g = 0; g < 16; g++) {
        unsigned s = (unsigned)(c.scale[g] + 32);
        dst[96 + g % 8] |= (uint8_t)((s & 15) << g / 8 * 4);
        dst[104 + g % 4] |= (uint8_t)(s >> 4 << g / 4 * 2);
    }
    for (int i = 0; i < 256; i++) {
        unsigned q = (unsigned)(c.q[i] + 4);
        dst[i % 32] |= (uint8_t)(q >> 2 << i / 32);
        dst[32 + i / 128 * 32 + i % 32] |= (uint8_t)((q & 3) << i % 128 / 32 * 2);
    }
}

/* Eight 6-bit scales and eight 6-bit mins in the 12 bytes at dst. */
static void pack_scales(uint8_t *dst, const struct coded *c)
{
    for (int j = 0; j < 4; j++) {
        dst[j] = (uint8_t)(c->scale[j] | c->scale[j + 4] >> 4 << 6);
        dst[j + 4] = (uint8_t)(c->min[j] | c->min[j + 4] >> 4 << 6);
        dst[j + 8] = (uint8_t)((c->scale[j + 4] & 15) | (c->min[j + 4] & 15) << 4);
    }
}

/* Low nibbles of 256 codes: groups of 32 in pairs, the first in the low halves. */
static void pack_pairs(uint8_t *dst, const int8_t q[256])
{
    for (int i = 0; i < 128; i++) {
        const int8_t *pair = q + i / 32 * 64 + i % 32;
        dst[i] = (uint8_t)((pair[0] & 15) | (pair[32] & 15) << 4);
    }
}

void pxi_quantize_q4_k(uint8_t *dst, const float *x)
{
    struct coded c;
    code_affine(&c, x, 8, 15, 63, dst, dst + 2);
    pack_scales(dst + 4, &c);
    pack_pairs(dst + 16, c.q);
}

void pxi_quantize_q5_k(uint8_t *dst, const float *x)
{
    struct coded c;
    code_affine(&c, x, 8, 31, 63, dst, dst + 2);
    pack_scales(dst + 4, &c);
    memset(dst + 16, 0, 32);
    for (int i = 0; i < 256; i++)
        dst[16 + i % 32] |= (uint8_t)((c.q[i] >> 4 & 1) << i / 32);
    pack_pairs(dst + 48, c.q);
}

void pxi_quantize_q6_k(uint8_t *dst, const float *x)
{
    struct coded c;
    code_symmetric(&c, x, -32, -128, dst + 208);
    memset(dst, 0, 192);
    memcpy(dst + 192, c.scale, 16);
    for (int i = 0; i < 256; i++) {
        unsigned q = (unsigned)(c.q[i] + 32), part = (unsigned)i % 128 / 32;
        uint8_t *low = dst + i / 128 * 64 + part % 2 * 32 + i % 32;
        *low |= (uint8_t)((q & 15) << part / 2 * 4);
        dst[128 + i / 128 * 32 + i % 32] |= (uint8_t)(q >> 4 << part * 2);
    }
}
