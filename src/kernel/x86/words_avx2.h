/*
 * What the gradient kernels of AVX2 and AVX-512 share: sixteen words, bytes and halves of bytes in
 * memory, the hash of the noise.
 */
#ifndef PXI_KERNEL_X86_WORDS_AVX2_H
#define PXI_KERNEL_X86_WORDS_AVX2_H

#include "kernel/gradient.h"

#include <immintrin.h>

typedef __m256i words;

INLINE __m128i load16(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}
INLINE __m128i load8(const void *p)
{
    return _mm_loadl_epi64((const __m128i *)p);
}

/* Sixteen bytes of 4 bits each, from eight. */
INLINE __m128i load_u4(const void *p)
{
    __m128i v = _mm_cvtepu8_epi16(load8(p));
    return _mm_and_si128(_mm_or_si128(v, _mm_slli_epi16(v, 4)), _mm_set1_epi8(15));
}

/* And back. */
INLINE void store_u4(void *p, __m128i v)
{
    __m128i w = _mm_maddubs_epi16(v, _mm_set1_epi16(0x1001));
    _mm_storel_epi64((__m128i *)p, _mm_packus_epi16(w, w));
}

INLINE words words_load(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}
INLINE words words_load_u8(const uint8_t *p)
{
    return _mm256_cvtepu8_epi16(load16(p));
}
INLINE words words_load_u4(const uint8_t *p)
{
    return _mm256_cvtepu8_epi16(load_u4(p));
}
INLINE void words_store(void *p, words v)
{
    _mm256_storeu_si256((__m256i *)p, v);
}
INLINE words words_add(words a, words b)
{
    return _mm256_add_epi16(a, b);
}

/* v / 2^shift, rounded up at halves; shift at least 1. */
INLINE words words_shr_round(words v, unsigned shift)
{
    v = _mm256_srl_epi16(v, _mm_cvtsi32_si128((int)shift - 1));
    return _mm256_avg_epu16(v, _mm256_setzero_si256());
}

/* The low bytes. */
INLINE void words_store_u8(uint8_t *p, words v)
{
    v = _mm256_and_si256(v, _mm256_set1_epi16(0xff));
    _mm_storeu_si128((__m128i *)p,
                     _mm_packus_epi16(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)));
}

/* pxi_grad_hash of eight numbers from `at` on. */
INLINE __m256i grad_hash(uint32_t at)
{
    const __m256i first = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i x = _mm256_add_epi32(_mm256_set1_epi32((int)at), first);
    x = _mm256_xor_si256(x, _mm256_srli_epi32(x, 16));
    x = _mm256_mullo_epi32(x, _mm256_set1_epi32((int)PXI_GRAD_MIX_1));
    x = _mm256_xor_si256(x, _mm256_srli_epi32(x, 15));
    x = _mm256_mullo_epi32(x, _mm256_set1_epi32((int)PXI_GRAD_MIX_2));
    return _mm256_xor_si256(x, _mm256_srli_epi32(x, 16));
}

/* The noise of the other eight values: low halves, made odd. */
INLINE __m256i odd_low(__m256i x)
{
    return _mm256_or_si256(_mm256_slli_epi32(x, 16), _mm256_set1_epi32(0x8000));
}

#endif
