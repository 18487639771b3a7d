/*
 * CRC-32C of many bytes by carry-less products, written once: four vectors at a time are moved over
 * the next four. Memory is read in the order of addresses, which three ranges at once are not, and
 * asked for a page ahead.
 *
 * Defined before: what lanes/crc16_clmul.h and lanes/crc32c.h need, and blocks_raw (a load whose
 * bytes stay as they are).
 */
#ifndef PXI_KERNEL_LANES_CRC32C_CLMUL_H
#define PXI_KERNEL_LANES_CRC32C_CLMUL_H

#include "kernel/crc.h"
#include "kernel/lanes/crc32c.h"

/* The pair for 4 * LANES blocks, in each lane. */
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

static uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
    enum { WIDTH = 16 * LANES, STEP = 4 * WIDTH, AHEAD = 4096 };
    const uint8_t *in = p;
    if (n < 4 * STEP)
        return crc32c_words(crc, in, n);
    blocks v[4], sum = blocks_none();
    size_t i = STEP;
    for (int j = 0; j < 4; j++)
        v[j] = blocks_raw(in + WIDTH * j);
    v[0] = blocks_xor(v[0], blocks_of(_mm_cvtsi32_si128((int)~crc)));
    for (; i + STEP <= n; i += STEP) {
        const uint8_t *soon = in + (n - i >= AHEAD + STEP ? i + AHEAD : i);
        for (int j = 0; j < 4; j++) {
            if (WIDTH * j % 64 == 0)
                __builtin_prefetch(soon + WIDTH * j);
            v[j] = blocks_xor(blocks_mul(v[j], crc32c_step[0]), blocks_raw(in + i + WIDTH * j));
        }
    }
    for (int j = 0; j < 4; j++)
        sum = blocks_xor(sum, blocks_mul(v[j], pxi_crc32c_far[16 + LANES * (j - 4)]));
    block one = blocks_sum(sum);
    uint32_t s = crc32c_word(0, (uint64_t)_mm_cvtsi128_si64(one));
    s = crc32c_word(s, (uint64_t)_mm_extract_epi64(one, 1));
    return crc32c_words(~s, in + i, n - i);
}

#endif
