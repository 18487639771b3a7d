/* Vectors of 32 bytes for the window of src/kernel/lanes/crc16.h. */
#ifndef PXI_KERNEL_X86_CRC_WINDOW_H
#define PXI_KERNEL_X86_CRC_WINDOW_H

#include "kernel/crc.h"

#include <immintrin.h>

typedef __m256i wide;
#define WIDE_KEEP(v) __asm__ volatile("" : "+x"(v))

INLINE wide wide_native(wide v)
{
    static const uint8_t order[32]
        __attribute__((aligned(32))) = {3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12,
                                        3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12};
    return _mm256_shuffle_epi8(v, _mm256_load_si256((const __m256i *)order));
}

INLINE void wide_i32(int32_t *dst, wide v)
{
    _mm256_storeu_si256((__m256i *)dst, v);
}

INLINE void wide_i64(int64_t *dst, wide v)
{
    _mm256_storeu_si256((__m256i *)dst, _mm256_cvtepi32_epi64(_mm256_castsi256_si128(v)));
    _mm256_storeu_si256((__m256i *)(dst + 4),
                        _mm256_cvtepi32_epi64(_mm256_extracti128_si256(v, 1)));
}

/* The low half as the high one, the high as the low; zeros beside it. */
#define WIDE_HALVES

INLINE wide wide_up(wide v)
{
    return _mm256_permute2x128_si256(v, v, 0x08);
}

INLINE wide wide_down(wide v)
{
    return _mm256_permute2x128_si256(v, v, 0x81);
}

#define crc16_reflected_few pxi_crc16_reflected

INLINE uint16_t crc16_reflected_end(const wide w[16], const uint8_t *rest, size_t n)
{
    return pxi_crc16_reflected(pxi_crc16_reflected(0, w, 16 * sizeof *w), rest, n);
}

#endif
