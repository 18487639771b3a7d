/*
 * Rows of the most used types into the panel, for AVX2: 8 blocks of 8 rows at a time, nibbles
 * transposed in registers on the way. Other types, and panels that are not full, go through the
 * unpack functions of the scalar set (unpack_span).
 */
#ifndef PXI_KERNEL_QUANT_UNPACK256_H
#define PXI_KERNEL_QUANT_UNPACK256_H

#include "kernel/x86/quant_scales256.h"

/* So many blocks of 8 rows, `stride` apart from p on, as vectors g of the panel. */
typedef void unpack8_fn(struct panel *to, size_t g, const uint8_t *p, size_t stride, size_t blocks);

/* Lines of 8 rows, a value of 8 blocks each, to where it is in the first of the blocks w. */
INLINE void put_scales(struct panel *w, float *to, const float lines[8][8])
{
    size_t step = sizeof *w / sizeof(float);
    for (size_t half = 0; half < 2; half++) {
        __m256 v[4];
        lines4(v, lines[0], 8, (int)half);
        for (size_t b = 0; b < 4; b++)
            _mm256_store_ps(to + (4 * half + b) * step, v[b]);
    }
}

static void unpack8_q4_0(struct panel *to, size_t g, const uint8_t *p, size_t stride, size_t blocks)
{
    for (size_t b = 0; b < blocks; b++, p += 18, to++) {
        __m256i v[4], lo[4], hi[4];
        get4(v, p + 2, stride);
        for (int i = 0; i < 4; i++) {
            lo[i] = low4(v[i]);
            hi[i] = high4(v[i]);
        }
        put4(to->q[g], lo);
        put4(to->q[g] + 4, hi);
        _mm256_store_ps(to->dw[0] + 8 * g, scales8(p, (ptrdiff_t)stride));
    }
}

static void unpack8_q8_0(struct panel *to, size_t g, const uint8_t *p, size_t stride, size_t blocks)
{
    for (size_t b = 0; b < blocks; b++, p += 34, to++) {
        __m256i v[4];
        for (int half = 0; half < 2; half++) {
            get4(v, p + 2 + 16 * half, stride);
            put4(to->q[g] + 4 * half, v);
        }
        _mm256_store_ps(to->dw[0] + 8 * g, scales8(p, (ptrdiff_t)stride));
    }
}

static void unpack8_q4_k(struct panel *to, size_t g, const uint8_t *p, size_t stride, size_t blocks)
{
    for (size_t b = 0; b < blocks; b += 8, p += 144, to += 8) {
        _Alignas(32) float scale[8][8], min[8][8];
        for (size_t i = 0; i < 8; i++)
            scales_k4(p + i * stride, (__m256 *)scale[i], (__m256 *)min[i]);
        put_scales(to, to->dw[0] + 8 * g, scale);
        put_scales(to, to->mw[0] + 8 * g, min);
        for (size_t c = 0; c < 8; c++) {
            __m256i v[4], lo[4], hi[4];
            get4(v, p + 16 + 16 * c, stride);
            for (int i = 0; i < 4; i++) {
                lo[i] = low4(v[i]);
                hi[i] = high4(v[i]);
            }
            put4(to[c / 2 * 2].q[g] + c % 2 * 4, lo);
            put4(to[c / 2 * 2 + 1].q[g] + c % 2 * 4, hi);
        }
    }
}

static void unpack8_q6_k(struct panel *to, size_t g, const uint8_t *p, size_t stride, size_t blocks)
{
    const __m256i up = _mm256_set1_epi8(48);
    for (size_t b = 0; b < blocks; b += 8, p += 210, to += 8) {
        _Alignas(32) float scale[2][8][8];
        for (size_t i = 0; i < 8; i++) {
            __m256 both[2];
            scales_k6(p + i * stride, both);
            _mm256_store_ps(scale[0][i], both[0]);
            _mm256_store_ps(scale[1][i], both[1]);
        }
        put_scales(to, to->dw[0] + 8 * g, scale[0]);
        put_scales(to, to->dw[1] + 8 * g, scale[1]);
        for (size_t c = 0; c < 4; c++) { /* 16 columns of 4 blocks */
            const uint8_t *ql = p + c / 2 * 64 + c % 2 * 16;
            struct panel *at = to + c / 2 * 4;
            __m256i low[4], later[4], h[4], v[4];
            get4(low, ql, stride);
            get4(later, ql + 32, stride);
            get4(h, p + 128 + 16 * c, stride);
            for (int i = 0; i < 4; i++)
                v[i] =
                    _mm256_or_si256(low4(low[i]), _mm256_and_si256(_mm256_slli_epi16(h[i], 4), up));
            put4(at[0].q[g] + c % 2 * 4, v);
            for (int i = 0; i < 4; i++)
                v[i] = _mm256_or_si256(low4(later[i]),
                                       _mm256_and_si256(_mm256_slli_epi16(h[i], 2), up));
            put4(at[1].q[g] + c % 2 * 4, v);
            for (int i = 0; i < 4; i++)
                v[i] = _mm256_or_si256(high4(low[i]), _mm256_and_si256(h[i], up));
            put4(at[2].q[g] + c % 2 * 4, v);
            for (int i = 0; i < 4; i++)
                v[i] = _mm256_or_si256(high4(later[i]),
                                       _mm256_and_si256(_mm256_srli_epi16(h[i], 2), up));
            put4(at[3].q[g] + c % 2 * 4, v);
        }
    }
}

#endif
