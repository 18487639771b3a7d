/* CRCs for AVX2 with products of 256 bits. */
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

INLINE blocks blocks_raw(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

INLINE blocks blocks_load(const uint8_t *p)
{
    return blocks_reverse(blocks_raw(p));
}

INLINE blocks blocks_xor(blocks a, blocks b)
{
    return _mm256_xor_si256(a, b);
}

INLINE blocks two(block low, block high)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

/* The pairs of the low and the high lane. */
INLINE blocks pairs(const uint64_t low[2], const uint64_t high[2])
{
    return two(_mm_loadu_si128((const __m128i *)low), _mm_loadu_si128((const __m128i *)high));
}

INLINE blocks mul(blocks v, blocks k)
{
    return _mm256_xor_si256(_mm256_clmulepi64_epi128(v, k, 0x00),
                            _mm256_clmulepi64_epi128(v, k, 0x11));
}

INLINE blocks blocks_mul(blocks v, const uint64_t k[2])
{
    return mul(v, _mm256_loadu_si256((const __m256i *)k));
}

INLINE blocks blocks_of(block v)
{
    return _mm256_zextsi128_si256(v);
}

INLINE block blocks_sum(blocks v)
{
    return _mm_xor_si128(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

INLINE block block_mul_pair(block a, const uint64_t k[2], block b, const uint64_t l[2])
{
    return blocks_sum(mul(two(a, b), pairs(k, l)));
}

#define CRC16_SHORT

/* 80 bits with the CRC of 16 to SHORT bytes. */
INLINE block crc16_short(block head, const uint8_t *p, size_t n)
{
    static const uint8_t mask[64] = {[32 ... 63] = 0xff};
    const uint64_t(*k)[2] = pxi_crc16_near;
    const uint8_t *end = p + n;
    if (n < 32)
        return block_mul_pair(block_xor(block_load(p), head), k[n - 16], block_tail(end, n - 16),
                              k[0]);
    blocks sum = mul(blocks_xor(blocks_load(p), blocks_of(head)), pairs(k[n - 16], k[n - 32]));
    for (n -= 32, p += 32; n >= 32; n -= 32, p += 32)
        sum = blocks_xor(sum, mul(blocks_load(p), pairs(k[n - 16], k[n - 32])));
    if (n) {
        __m256i last = _mm256_loadu_si256((const __m256i *)(end - 32));
        last = _mm256_and_si256(last, _mm256_loadu_si256((const __m256i *)(mask + n)));
        sum = blocks_xor(sum, mul(blocks_reverse(last), pairs(k[16], k[0])));
    }
    return blocks_sum(sum);
}

#include "kernel/lanes/crc16_clmul.h"

#define CRC16_WINDOWED 512

INLINE uint16_t crc16_end(wide w[16], const uint8_t *rest, size_t n)
{
    const size_t count = n / 16;
    const uint64_t(*k)[2] = pxi_crc16_far + FAR - count;
    block one = crc16_sum(block_none(), rest, count, k);
    blocks sum = blocks_of(one);
    k -= 32;
    crc16_halve(w);
#pragma GCC unroll 8
    for (int i = 8; i < 16; i++)
        sum = blocks_xor(sum, blocks_mul(blocks_reverse(w[i]), k[2 * i]));
    return crc16_tail(blocks_sum(sum), rest + n, n % 16);
}

#include "kernel/lanes/crc16.h"
#include "kernel/lanes/crc32c_clmul.h"

void pxi_vclmul_crc(struct pxi_kernels *k)
{
    fill_crc16(k);
    k->crc32c = crc32c;
}
