/* Sixteen floats as two AVX2 vectors, for the kernels of src/kernel/lanes. */
#ifndef PXI_KERNEL_X86_LANES_AVX2_H
#define PXI_KERNEL_X86_LANES_AVX2_H

#include <immintrin.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

#define TILE_ROWS   2
#define BLOCK_TILES 4
#define WIDEN_ABOVE (3 * TILE_TOKENS)
#define TILE_TOKENS 3 /* 12 of 16 registers are sums */

enum elem { ELEM_F32, ELEM_F16, ELEM_BF16 };

typedef struct {
    __m256 lo, hi;
} lanes;

/* Lanes in parts of a register each, for loops that need all registers. */
#define PARTS            2
#define PART_REGISTER(v) "+x"(v)
#define PART_LANES       8
typedef __m256 part;

INLINE part *part_at(lanes *v, int i)
{
    return i ? &v->hi : &v->lo;
}
INLINE part part_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
INLINE part part_fma(part a, part b, part c)
{
    return _mm256_fmadd_ps(a, b, c);
}

INLINE lanes lanes_set(float f)
{
    return (lanes){_mm256_set1_ps(f), _mm256_set1_ps(f)};
}
INLINE lanes lanes_load(const float *p)
{
    return (lanes){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}

INLINE void lanes_store(float *p, lanes v)
{
    _mm256_storeu_ps(p, v.lo);
    _mm256_storeu_ps(p + 8, v.hi);
}

#define LANES_OP(name, op)                                                                         \
    INLINE lanes lanes_##name(lanes a, lanes b)                                                    \
    {                                                                                              \
        return (lanes){op(a.lo, b.lo), op(a.hi, b.hi)};                                            \
    }
LANES_OP(add, _mm256_add_ps)
LANES_OP(sub, _mm256_sub_ps)
LANES_OP(mul, _mm256_mul_ps)
LANES_OP(div, _mm256_div_ps)
LANES_OP(min, _mm256_min_ps)
LANES_OP(max, _mm256_max_ps)
#undef LANES_OP

INLINE lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return (lanes){_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}

INLINE lanes lanes_neg(lanes a)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return (lanes){_mm256_xor_ps(a.lo, sign), _mm256_xor_ps(a.hi, sign)};
}

INLINE __m256 exponent_of(__m256i n)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}

/* p * 2^n in two steps, n a whole number: only the second rounds. */
INLINE __m256 scale2(__m256 p, __m256 n)
{
    __m256i i = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(i, 1);
    p = _mm256_mul_ps(p, exponent_of(half));
    return _mm256_mul_ps(p, exponent_of(_mm256_sub_epi32(i, half)));
}

INLINE lanes lanes_scale2(lanes p, lanes n)
{
    return (lanes){scale2(p.lo, n.lo), scale2(p.hi, n.hi)};
}

INLINE __m256 load_f16(const void *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128(p));
}

INLINE __m256 load_bf16(const void *p)
{
    return _mm256_castsi256_ps(
        _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)), 16));
}

INLINE lanes lanes_load_f16(const void *p)
{
    return (lanes){load_f16(p), load_f16((const uint8_t *)p + 16)};
}

INLINE lanes lanes_load_bf16(const void *p)
{
    return (lanes){load_bf16(p), load_bf16((const uint8_t *)p + 16)};
}

INLINE lanes lanes_load_i8(const int8_t *p)
{
    __m128i q = _mm_loadu_si128((const __m128i *)p);
    return (lanes){_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q)),
                   _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(q, 8)))};
}

INLINE void lanes_store_f16(uint16_t *p, lanes v)
{
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(v.lo, _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128((__m128i *)(p + 8), _mm256_cvtps_ph(v.hi, _MM_FROUND_TO_NEAREST_INT));
}

/* Even elements of 16 floats in *a, odd ones in *b. */
INLINE void load_pairs(const float *p, __m256 *a, __m256 *b)
{
    __m256 x = _mm256_loadu_ps(p), y = _mm256_loadu_ps(p + 8);
    __m256 even = _mm256_shuffle_ps(x, y, 0x88), odd = _mm256_shuffle_ps(x, y, 0xdd);
    *a = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(even), 0xd8));
    *b = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(odd), 0xd8));
}

INLINE void lanes_load_pairs(const float *p, lanes *a, lanes *b)
{
    load_pairs(p, &a->lo, &b->lo);
    load_pairs(p + 16, &a->hi, &b->hi);
}

INLINE void store_pairs(float *p, __m256 a, __m256 b)
{
    __m256 lo = _mm256_unpacklo_ps(a, b), hi = _mm256_unpackhi_ps(a, b);
    _mm256_storeu_ps(p, _mm256_permute2f128_ps(lo, hi, 0x20));
    _mm256_storeu_ps(p + 8, _mm256_permute2f128_ps(lo, hi, 0x31));
}

INLINE void lanes_store_pairs(float *p, lanes a, lanes b)
{
    store_pairs(p, a.lo, b.lo);
    store_pairs(p + 16, a.hi, b.hi);
}

/* The tree of kernel.h for TILE_ROWS vectors at once. */
INLINE void lanes_sums(const lanes *v, float *sum)
{
    for (int r = 0; r < TILE_ROWS; r++) {
        __m256 a = _mm256_add_ps(v[r].lo, v[r].hi);
        __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
        b = _mm_add_ps(b, _mm_movehl_ps(b, b));
        sum[r] = _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
    }
}

#endif
