/* Sixteen integers of 32 bits for AVX-512, for src/kernel/lanes/gradient.h. */
#ifndef PXI_KERNEL_X86_INTS_AVX512_H
#define PXI_KERNEL_X86_INTS_AVX512_H

#include "kernel/x86/lanes_avx512.h"
#include "kernel/x86/words_avx2.h"

typedef __m512i ints;

INLINE ints ints_set(uint32_t v)
{
    return _mm512_set1_epi32((int)v);
}
INLINE ints ints_add(ints a, ints b)
{
    return _mm512_add_epi32(a, b);
}
INLINE ints ints_sub(ints a, ints b)
{
    return _mm512_sub_epi32(a, b);
}
INLINE ints ints_max(ints a, ints b)
{
    return _mm512_max_epu32(a, b);
}
INLINE uint32_t ints_most(ints v)
{
    return _mm512_reduce_max_epu32(v);
}

/* The nearest integers, even ones of two; and back. */
INLINE ints ints_of(lanes v)
{
    return _mm512_cvtps_epi32(v);
}
INLINE lanes lanes_of(ints v)
{
    return _mm512_cvtepi32_ps(v);
}

INLINE lanes lanes_abs(lanes v)
{
    return _mm512_abs_ps(v);
}
INLINE ints lanes_bits(lanes v)
{
    return _mm512_castps_si512(v);
}

INLINE ints ints_load_u32(const uint8_t *p)
{
    return _mm512_loadu_si512(p);
}
INLINE ints ints_load_u16(const uint8_t *p)
{
    return _mm512_cvtepu16_epi32(words_load(p));
}
INLINE ints ints_load_u8(const uint8_t *p)
{
    return _mm512_cvtepu8_epi32(load16(p));
}
INLINE ints ints_load_u4(const uint8_t *p)
{
    return _mm512_cvtepu8_epi32(load_u4(p));
}

/* Integers in [-bias, bias - 1], offset by the bias. */
INLINE void ints_store_u32(uint8_t *p, ints v, uint32_t bias)
{
    _mm512_storeu_si512(p, _mm512_add_epi32(v, _mm512_set1_epi32((int)bias)));
}
INLINE void ints_store_u16(uint8_t *p, ints v, uint32_t bias)
{
    words w = _mm512_cvtepi32_epi16(v);
    words_store(p, _mm256_add_epi16(w, _mm256_set1_epi16((short)bias)));
}
INLINE void ints_store_u8(uint8_t *p, ints v, uint32_t bias)
{
    __m128i b = _mm512_cvtepi32_epi8(v);
    _mm_storeu_si128((__m128i *)p, _mm_add_epi8(b, _mm_set1_epi8((char)bias)));
}
INLINE void ints_store_u4(uint8_t *p, ints v, uint32_t bias)
{
    __m128i b = _mm512_cvtepi32_epi8(v);
    store_u4(p, _mm_add_epi8(b, _mm_set1_epi8((char)bias)));
}

/* pxi_grad_noise of 16 values in units of 2^-32; at: seed + half the number of the first. */
INLINE lanes lanes_noise(uint32_t at)
{
    __m256i x = grad_hash(at);
    return lanes_of(_mm512_inserti64x4(_mm512_castsi256_si512(x), odd_low(x), 1));
}

#endif
