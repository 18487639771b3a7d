/*
 * CRC-32C of many bytes by carry-less products, written once: four vectors at a time are moved over
 * the next four. Memory is read in the order of addresses, which three ranges at once are not, and
 * asked for a page ahead.
 *
 * Defined before: what lanes/crc16_clmul.h and lanes/crc32c.h need, and blocks_raw (a load whose
 * bytes stay as they are). CRC32C_CHUNKS where crc32c_chunks is defined after: it moves the vectors
 * over the larger part of a range, and tells where they are.
 */
#ifndef PXI_KERNEL_LANES_CRC32C_CLMUL_H
#define PXI_KERNEL_LANES_CRC32C_CLMUL_H

#include "kernel/crc.h"
#include "kernel/lanes/crc32c.h"

/* The pair for 4 * LANES blocks, in each lane. */
enum { CRC32C_WIDTH = 16 * LANES, CRC32C_STEP = 4 * CRC32C_WIDTH, CRC32C_AHEAD = 4096 };

/* A pair for each lane. */
#define PAIRS(k0, k1)                                                                              \
    {                                                                                              \
        {k0, k1}, {k0, k1}, {k0, k1},                                                              \
        {                                                                                          \
            k0, k1                                                                                 \
        }                                                                                          \
    }
static const uint64_t crc32c_step[4][2] =
    PAIRS(LANES == 2 ? 0x6577b24500000000 : 0xe9a5d8be00000000,
          LANES == 2 ? 0x7417153f00000000 : 0x1426a81500000000);

/* Four vectors moved over so many bytes as k is for, and the next four. */
INLINE void crc32c_move(blocks v[4], const uint64_t k[2], const uint8_t *in)
{
    for (int j = 0; j < 4; j++)
        v[j] = blocks_xor(blocks_mul(v[j], k), blocks_raw(in + CRC32C_WIDTH * j));
}

INLINE void crc32c_add(blocks v[4], uint32_t state)
{
    v[0] = blocks_xor(v[0], blocks_of(_mm_cvtsi32_si128((int)state)));
}

#ifdef CRC32C_CHUNKS
INLINE size_t crc32c_chunks(blocks v[4], const uint8_t *in, size_t n);
#else
INLINE size_t crc32c_chunks(blocks v[4], const uint8_t *in, size_t n)
{
    (void)v, (void)in, (void)n;
    return 0;
}
#endif

static uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
    const uint8_t *in = p;
    if (n < 4 * CRC32C_STEP)
        return crc32c_words(crc, in, n);
    blocks v[4], sum = blocks_none();
    for (int j = 0; j < 4; j++)
        v[j] = blocks_raw(in + CRC32C_WIDTH * j);
    crc32c_add(v, ~crc);
    size_t i = crc32c_chunks(v, in, n) + CRC32C_STEP;
    for (; i + CRC32C_STEP <= n; i += CRC32C_STEP) {
        size_t soon = n - i >= CRC32C_AHEAD + CRC32C_STEP ? i + CRC32C_AHEAD : i;
        for (int j = 0; j < CRC32C_STEP; j += 64)
            __builtin_prefetch(in + soon + j);
        crc32c_move(v, crc32c_step[0], in + i);
    }
    for (int j = 0; j < 4; j++)
        sum = blocks_xor(sum, blocks_mul(v[j], pxi_crc32c_far[16 + LANES * (j - 4)]));
    block one = blocks_sum(sum);
    uint32_t s = crc32c_word(0, (uint64_t)_mm_cvtsi128_si64(one));
    s = crc32c_word(s, (uint64_t)_mm_extract_epi64(one, 1));
    return crc32c_words(~s, in + i, n - i);
}

#endif
