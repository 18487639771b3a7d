/* CRCs for AVX2 with products of 128 bits. */
#include "kernel/x86/crc_block.h"
#include "kernel/x86/crc_window.h"

enum { LANES = 1 };
typedef block blocks;

INLINE blocks blocks_none(void)
{
    return _mm_setzero_si128();
}

INLINE blocks blocks_load(const uint8_t *p)
{
    return block_load(p);
}

INLINE blocks blocks_xor(blocks a, blocks b)
{
    return block_xor(a, b);
}

INLINE blocks blocks_mul(blocks v, const uint64_t k[2])
{
    return block_mul(v, k);
}

INLINE blocks blocks_of(block v)
{
    return v;
}

INLINE block block_mul_pair(block a, const uint64_t k[2], block b, const uint64_t l[2])
{
    return block_xor(block_mul(a, k), block_mul(b, l));
}

INLINE block blocks_sum(blocks v)
{
    return v;
}

#include "kernel/lanes/crc16_clmul.h"

#define CRC16_WINDOWED 512

INLINE uint16_t crc16_end(wide w[16], const uint8_t *rest, size_t n)
{
    const size_t count = n / 16;
    const uint64_t(*k)[2] = pxi_crc16_far + FAR - count;
    block sum = crc16_sum(block_none(), rest, count, k);
    k -= 32;
    crc16_halve(w);
#pragma GCC unroll 8
    for (int i = 8; i < 16; i++) {
        block low = block_reverse(_mm256_castsi256_si128(w[i]));
        block high = block_reverse(_mm256_extracti128_si256(w[i], 1));
        sum = block_xor(sum, block_mul_pair(low, k[2 * i], high, k[2 * i + 1]));
    }
    return crc16_tail(sum, rest + n, n % 16);
}

#include "kernel/lanes/crc16.h"

#include "kernel/lanes/crc32c.h"

void pxi_clmul_crc(struct pxi_kernels *k)
{
    fill_crc16(k);
    k->crc32c = crc32c_words;
}
