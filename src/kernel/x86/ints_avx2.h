/* Sixteen integers of 32 bits for AVX2, for src/kernel/lanes/gradient.h. */
#ifndef PXI_KERNEL_X86_INTS_AVX2_H
#define PXI_KERNEL_X86_INTS_AVX2_H

#include "kernel/x86/lanes_avx2.h"
#include "kernel/x86/words_avx2.h"

typedef struct {
    __m256i lo, hi;
} ints;

INLINE ints ints_set(uint32_t v)
{
    return (ints){_mm256_set1_epi32((int)v), _mm256_set1_epi32((int)v)};
}
INLINE ints ints_add(ints a, ints b)
{
    return (ints){_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)};
}
INLINE ints ints_sub(ints a, ints b)
{
    return (ints){_mm256_sub_epi32(a.lo, b.lo), _mm256_sub_epi32(a.hi, b.hi)};
}
INLINE ints ints_max(ints a, ints b)
{
    return (ints){_mm256_max_epu32(a.lo, b.lo), _mm256_max_epu32(a.hi, b.hi)};
}

/* The nearest integers, even ones of two; and back. */
INLINE ints ints_of(lanes v)
{
    return (ints){_mm256_cvtps_epi32(v.lo), _mm256_cvtps_epi32(v.hi)};
}
INLINE lanes lanes_of(ints v)
{
    return (lanes){_mm256_cvtepi32_ps(v.lo), _mm256_cvtepi32_ps(v.hi)};
}

INLINE lanes lanes_abs(lanes v)
{
    const __m256 mask = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    return (lanes){_mm256_and_ps(v.lo, mask), _mm256_and_ps(v.hi, mask)};
}
INLINE ints lanes_bits(lanes v)
{
    return (ints){_mm256_castps_si256(v.lo), _mm256_castps_si256(v.hi)};
}

INLINE uint32_t ints_most(ints v)
{
    __m256i a = _mm256_max_epu32(v.lo, v.hi);
    __m128i b = _mm_max_epu32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    b = _mm_max_epu32(b, _mm_shuffle_epi32(b, 0x4e));
    return (uint32_t)_mm_cvtsi128_si32(_mm_max_epu32(b, _mm_shuffle_epi32(b, 0xb1)));
}

INLINE ints ints_load_u32(const uint8_t *p)
{
    return (ints){_mm256_loadu_si256((const __m256i *)p),
                  _mm256_loadu_si256((const __m256i *)(p + 32))};
}
INLINE ints ints_load_u16(const uint8_t *p)
{
    return (ints){_mm256_cvtepu16_epi32(load16(p)), _mm256_cvtepu16_epi32(load16(p + 16))};
}
INLINE ints ints_load_u8(const uint8_t *p)
{
    return (ints){_mm256_cvtepu8_epi32(load8(p)), _mm256_cvtepu8_epi32(load8(p + 8))};
}
INLINE ints ints_load_u4(const uint8_t *p)
{
    __m128i v = load_u4(p);
    return (ints){_mm256_cvtepu8_epi32(v), _mm256_cvtepu8_epi32(_mm_srli_si128(v, 8))};
}

/* Integers in [-bias, bias - 1], offset by the bias; in their order. */
INLINE __m256i pack_words(ints v)
{
    return _mm256_permute4x64_epi64(_mm256_packs_epi32(v.lo, v.hi), 0xd8);
}
INLINE __m128i pack_bytes(ints v, uint32_t bias)
{
    __m256i w = pack_words(v);
    __m128i b = _mm_packs_epi16(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1));
    return _mm_add_epi8(b, _mm_set1_epi8((char)bias));
}

INLINE void ints_store_u32(uint8_t *p, ints v, uint32_t bias)
{
    const __m256i by = _mm256_set1_epi32((int)bias);
    _mm256_storeu_si256((__m256i *)p, _mm256_add_epi32(v.lo, by));
    _mm256_storeu_si256((__m256i *)(p + 32), _mm256_add_epi32(v.hi, by));
}
INLINE void ints_store_u16(uint8_t *p, ints v, uint32_t bias)
{
    const __m256i by = _mm256_set1_epi16((short)bias);
    _mm256_storeu_si256((__m256i *)p, _mm256_add_epi16(pack_words(v), by));
}
INLINE void ints_store_u8(uint8_t *p, ints v, uint32_t bias)
{
    _mm_storeu_si128((__m128i *)p, pack_bytes(v, bias));
}
INLINE void ints_store_u4(uint8_t *p, ints v, uint32_t bias)
{
    store_u4(p, pack_bytes(v, bias));
}

/* pxi_grad_noise of 16 values in units of 2^-32; at: seed + half the number of the first. */
INLINE lanes lanes_noise(uint32_t at)
{
    __m256i x = grad_hash(at);
    return lanes_of((ints){x, odd_low(x)});
}

#endif
