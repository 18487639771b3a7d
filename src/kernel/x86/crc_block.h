/* Blocks of 16 bytes as polynomials, by PCLMULQDQ, for src/kernel/lanes/crc16_clmul.h, and words
 * for src/kernel/lanes/crc32c.h. */
#ifndef PXI_KERNEL_X86_CRC_BLOCK_H
#define PXI_KERNEL_X86_CRC_BLOCK_H

#include "kernel/crc.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

typedef __m128i block;

INLINE block block_reverse(__m128i v)
{
    return _mm_shuffle_epi8(v, _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f));
}

INLINE block block_load(const uint8_t *p)
{
    return block_reverse(_mm_loadu_si128((const __m128i *)p));
}

INLINE block block_none(void)
{
    return _mm_setzero_si128();
}

INLINE block block_set(uint16_t crc)
{
    return _mm_slli_si128(_mm_cvtsi32_si128(crc), 14);
}

INLINE block block_tail(const uint8_t *end, size_t n)
{
    static const uint8_t mask[32] = {[0 ... 15] = 0xff};
    return _mm_and_si128(block_load(end - 16), _mm_loadu_si128((const __m128i *)(mask + 16 - n)));
}

INLINE block block_xor(block a, block b)
{
    return _mm_xor_si128(a, b);
}

INLINE block block_mul(block v, const uint64_t k[2])
{
    const __m128i pair = _mm_loadu_si128((const __m128i *)k);
    return _mm_xor_si128(_mm_clmulepi64_si128(v, pair, 0x00), _mm_clmulepi64_si128(v, pair, 0x11));
}

/* T = q P + r: q from the upper 64 of 80 bits, and P is x^16 + x^12 + x^5 + 1. */
INLINE uint16_t block_end(block t)
{
    const __m128i quotient = _mm_cvtsi64_si128((long long)PXI_CRC16_QUOTIENT);
    __m128i high = _mm_clmulepi64_si128(_mm_srli_si128(t, 2), quotient, 0x00);
    uint32_t low = (uint32_t)_mm_cvtsi128_si32(t);
    uint32_t q = low >> 16 ^ (uint32_t)_mm_extract_epi16(high, 4);
    return (uint16_t)(low ^ q ^ q << 5 ^ q << 12);
}

INLINE uint32_t crc32c_word(uint32_t state, uint64_t word)
{
    return (uint32_t)_mm_crc32_u64(state, word);
}

INLINE uint32_t crc32c_byte(uint32_t state, uint8_t byte)
{
    return _mm_crc32_u8(state, byte);
}

INLINE uint64_t crc32c_product(uint32_t a, uint32_t b)
{
    const __m128i v = _mm_cvtsi32_si128((int)a), k = _mm_cvtsi32_si128((int)b);
    return (uint64_t)_mm_cvtsi128_si64(_mm_clmulepi64_si128(v, k, 0x00));
}

#endif
