/* CRC-16 for AVX2 without carry-less products, and token numbers. */
#include <immintrin.h>

#include "kernel/crc.h"

#define INLINE static inline __attribute__((always_inline))
#include "kernel/x86/crc_window.h"

#define CRC16_WINDOWED 1024
#define crc16_few      pxi_crc16

/* The window once more, by words. */
INLINE uint16_t crc16_end(const wide w[16], const uint8_t *rest, size_t n)
{
    return pxi_crc16(pxi_crc16(0, w, 16 * sizeof *w), rest, n);
}

#include "kernel/lanes/crc16.h"
#include "kernel/lanes/tokens.h"

/* A compiler widens twice. */
static void u16_to_i64(int64_t *dst, const void *src, size_t n)
{
    const uint8_t *in = src;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m128i low = _mm_loadl_epi64((const __m128i *)(in + 2 * i));
        __m128i high = _mm_loadl_epi64((const __m128i *)(in + 2 * i + 8));
        _mm256_storeu_si256((__m256i *)(dst + i), _mm256_cvtepu16_epi64(low));
        _mm256_storeu_si256((__m256i *)(dst + i + 4), _mm256_cvtepu16_epi64(high));
    }
    pxi_u16_i64(dst + i, in + 2 * i, n - i);
}

void pxi_avx2_crc(struct pxi_kernels *k)
{
    fill_crc16(k);
    fill_tokens(k);
    k->u16_i64 = u16_to_i64;
}
