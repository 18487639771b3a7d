/* CRC-16 for AVX2 with products of 256 bits. */
#include "kernel/x86/crc_block.h"
#include "kernel/x86/crc_window.h"

enum { LANES = 2 };
typedef __m256i blocks;

INLINE blocks blocks_none(void)
{
    return _mm256_setzero_si256();
}

INLINE blocks blocks_reverse(__m256i v)
{
    const __m128i order = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
    return _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(order));
}

INLINE blocks blocks_load(const uint8_t *p)
{
    return blocks_reverse(_mm256_loadu_si256((const __m256i *)p));
}

INLINE blocks blocks_xor(blocks a, blocks b)
{
    return _mm256_xor_si256(a, b);
}

INLINE blocks blocks_mul(blocks v, const uint64_t k[2])
{
    const __m256i pairs = _mm256_loadu_si256((const __m256i *)k);
    return _mm256_xor_si256(_mm256_clmulepi64_epi128(v, pairs, 0x00),
                            _mm256_clmulepi64_epi128(v, pairs, 0x11));
}

INLINE block blocks_sum(blocks v)
{
    return _mm_xor_si128(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

#include "kernel/lanes/crc16_clmul.h"

#define CRC16_WINDOWED 640

INLINE uint16_t crc16_end(const wide w[16], const uint8_t *tail, size_t n)
{
    const uint64_t(*k)[2] = pxi_crc16_far + FAR - 32;
    blocks sum = blocks_mul(blocks_reverse(w[0]), k[0]);
#pragma GCC unroll 16
    for (int i = 1; i < 16; i++)
        sum = blocks_xor(sum, blocks_mul(blocks_reverse(w[i]), k[2 * i]));
    block one = blocks_sum(sum);
    if (n <= 16)
        return crc16_tail(one, tail + n, n);
    one = block_xor(block_mul(one, pxi_crc16_far[FAR - 2]), block_load(tail));
    return crc16_tail(one, tail + n, n - 16);
}

#include "kernel/lanes/crc16.h"

void pxi_vclmul_crc(struct pxi_kernels *k)
{
    fill_crc16(k);
}
