/* Pieces of unpacking that the products of few tokens and the panel share, for AVX2. */
#ifndef PXI_KERNEL_QUANT_SCALES256_H
#define PXI_KERNEL_QUANT_SCALES256_H

#include <immintrin.h>
#include <stddef.h>

#include "kernel/quant.h"

#ifndef INLINE
#define INLINE static inline __attribute__((always_inline))
#endif
#define UNROLL _Pragma("GCC unroll 16")

/* 16 bytes at a and 16 at b. */
INLINE __m256i two16(const uint8_t *a, const uint8_t *b)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const void *)a)),
                                   _mm_loadu_si128((const void *)b), 1);
}

/* 16 bytes of rows i and i + 4 each. */
INLINE void get4(__m256i v[4], const uint8_t *p, size_t stride)
{
    for (size_t i = 0; i < 4; i++)
        v[i] = two16(p + i * stride, p + (i + 4) * stride);
}

/* Four vectors of rows i and i + 4 as four of all 8 rows, four bytes of each. */
INLINE void put4(void *to, const __m256i v[4])
{
    __m256i *at = to;
    __m256i ab = _mm256_unpacklo_epi32(v[0], v[1]), cd = _mm256_unpacklo_epi32(v[2], v[3]);
    __m256i ef = _mm256_unpackhi_epi32(v[0], v[1]), gh = _mm256_unpackhi_epi32(v[2], v[3]);
    _mm256_store_si256(at, _mm256_unpacklo_epi64(ab, cd));
    _mm256_store_si256(at + 1, _mm256_unpackhi_epi64(ab, cd));
    _mm256_store_si256(at + 2, _mm256_unpacklo_epi64(ef, gh));
    _mm256_store_si256(at + 3, _mm256_unpackhi_epi64(ef, gh));
}

/* Low, then high nibbles. */
INLINE __m256i low4(__m256i v)
{
    return _mm256_and_si256(v, _mm256_set1_epi8(15));
}

INLINE __m256i high4(__m256i v)
{
    return low4(_mm256_srli_epi16(v, 4));
}

/*
 * The f16 scales of 8 blocks of at least 16 bytes, each at the begin of its block, `step` bytes
 * apart: 16 bytes are loaded so that the scale of block b is word b. They begin up to 14 bytes
 * before block b, but not before the first one when step is 14 or more.
 */
INLINE __m256 scales8(const uint8_t *p, const ptrdiff_t step)
{
    __m128i v = _mm_loadu_si128((const void *)p);
#define WORD(b) _mm_blend_epi16(v, _mm_loadu_si128((const void *)(p + (b) * (step - 2))), 1 << (b))
    v = WORD(1);
    v = WORD(2);
    v = WORD(3);
    v = WORD(4);
    v = WORD(5);
    v = WORD(6);
    v = WORD(7);
#undef WORD
    return _mm256_cvtph_ps(v);
}

/* Scales and mins of a block of Q4_K or Q5_K. */
INLINE void scales_k4(const uint8_t *p, __m256 *scale, __m256 *min)
{
    uint32_t a, b, c;
    memcpy(&a, p + 4, 4);
    memcpy(&b, p + 8, 4);
    memcpy(&c, p + 12, 4);
    uint32_t s0 = a & 0x3f3f3f3f, m0 = b & 0x3f3f3f3f;
    uint32_t s1 = (c & 0x0f0f0f0f) | (a >> 2 & 0x30303030);
    uint32_t m1 = (c >> 4 & 0x0f0f0f0f) | (b >> 2 & 0x30303030);
    __m256i s = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)((uint64_t)s1 << 32 | s0)));
    __m256i m = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)((uint64_t)m1 << 32 | m0)));
    __m256 d = _mm256_set1_ps(pxi_load_half(p)), dmin = _mm256_set1_ps(pxi_load_half(p + 2));
    *scale = _mm256_mul_ps(d, _mm256_cvtepi32_ps(s));
    *min = _mm256_mul_ps(dmin, _mm256_cvtepi32_ps(m));
}

/* Scales of a block of Q6_K: of first halves, then of second halves. */
INLINE void scales_k6(const uint8_t *p, __m256 scale[2])
{
    const __m128i apart = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    __m128i v = _mm_shuffle_epi8(_mm_loadu_si128((const void *)(p + 192)), apart);
    __m256 d = _mm256_set1_ps(pxi_load_half(p + 208));
    scale[0] = _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(v)));
    v = _mm_unpackhi_epi64(v, v);
    scale[1] = _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(v)));
}

/* Floats 4 * half .. 4 * half + 3 of 8 lines of 8, `step` floats apart: lanes are lines. */
INLINE void lines4(__m256 v[4], const float *line, const int step, int half)
{
    __m256 a[4];
    UNROLL
    for (int i = 0; i < 4; i++) {
        const float *p = line + step * i + 4 * half;
        a[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_load_ps(p)),
                                    _mm_load_ps(p + 4 * step), 1);
    }
    __m256 ab = _mm256_unpacklo_ps(a[0], a[1]), cd = _mm256_unpacklo_ps(a[2], a[3]);
    __m256 ef = _mm256_unpackhi_ps(a[0], a[1]), gh = _mm256_unpackhi_ps(a[2], a[3]);
    v[0] = _mm256_shuffle_ps(ab, cd, 0x44);
    v[1] = _mm256_shuffle_ps(ab, cd, 0xee);
    v[2] = _mm256_shuffle_ps(ef, gh, 0x44);
    v[3] = _mm256_shuffle_ps(ef, gh, 0xee);
}

#endif
