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
    static const uint64_t order[4] __attribute__((aligned(32))) = {
        0x08090a0b0c0d0e0f, 0x0001020304050607, 0x08090a0b0c0d0e0f, 0x0001020304050607};
    return _mm256_shuffle_epi8(v, _mm256_load_si256((const __m256i *)order));
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
#define CRC32C_CHUNKS
#include "kernel/lanes/crc32c_clmul.h"

/*
 * Products and the instruction for CRC-32C do not wait for each other: of a chunk the first VECTORS
 * bytes are for the products, three ranges behind them for the instruction. Their sum is added
 * where the next chunk begins.
 */
enum { STEPS = 16, VECTORS = STEPS * CRC32C_STEP, RANGE = 640, CHUNK = VECTORS + 3 * RANGE };

/* The chunk at `in`, whose first four vectors v are, and the first four of the next. */
INLINE void crc32c_chunk(blocks v[4], const uint8_t *in, const uint8_t *soon)
{
    static const uint64_t jump[4][2] = PAIRS(0x75c513a100000000, 0x1acaec5400000000);
    const uint32_t once = 0x6b749fb2, twice = 0xdd66cbbb; /* as in lanes/crc32c.h */
    const uint8_t *p = in + VECTORS;
    uint32_t a = 0, b = 0, c = 0;
    for (size_t i = 0; i < STEPS; i++) {
        for (size_t j = 0; j < 4; j++)
            __builtin_prefetch(soon + CHUNK / STEPS * i + 64 * j);
        if (i > 0)
            crc32c_move(v, crc32c_step[0], in + CRC32C_STEP * i);
#pragma GCC unroll 5
        for (size_t j = 0; j < RANGE / STEPS; j += 8, p += 8) {
            a = crc32c_word(a, crc32c_load(p));
            b = crc32c_word(b, crc32c_load(p + RANGE));
            if (p + 8 < in + VECTORS + RANGE)
                c = crc32c_word(c, crc32c_load(p + 2 * RANGE));
        }
    }
    uint64_t moved = crc32c_product(a, twice) ^ crc32c_product(b, once);
    crc32c_move(v, jump[0], in + CHUNK);
    crc32c_add(v, crc32c_word(c, crc32c_load(in + CHUNK - 8) ^ moved));
}

INLINE size_t crc32c_chunks(blocks v[4], const uint8_t *in, size_t n)
{
    size_t i = 0;
    for (; n - i >= CHUNK + CRC32C_STEP; i += CHUNK)
        crc32c_chunk(v, in + i, in + i + (n - i > 2 * CHUNK ? CHUNK : 0));
    return i;
}

void pxi_vclmul_crc(struct pxi_kernels *k)
{
    fill_crc16(k);
    k->crc32c = crc32c;
}
