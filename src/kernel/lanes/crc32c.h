/*
 * CRC-32C by instructions that add a word each, written once. One follows from another after three
 * or so cycles: three ranges that lie behind each other are summed at the same time, and the first
 * two sums moved over the ranges behind them by a carry-less product.
 *
 * Defined before: INLINE, crc32c_word and crc32c_byte (a state that is not inverted, what is
 * added), crc32c_product (the carry-less product of two numbers of 32 bits).
 */
#ifndef PXI_KERNEL_LANES_CRC32C_H
#define PXI_KERNEL_LANES_CRC32C_H

#include "kernel/sets.h"

#include <string.h>

INLINE uint64_t crc32c_load(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Three ranges of `bytes`; once and twice are x^(8 bytes - 33) and x^(16 bytes - 33), reflected. */
INLINE uint32_t crc32c_three(uint32_t a, const uint8_t *p, size_t bytes, uint32_t once,
                             uint32_t twice)
{
    uint32_t b = 0, c = 0;
    size_t i = 0;
    for (; i < bytes - 8; i += 8) {
        a = crc32c_word(a, crc32c_load(p + i));
        b = crc32c_word(b, crc32c_load(p + bytes + i));
        c = crc32c_word(c, crc32c_load(p + 2 * bytes + i));
    }
    a = crc32c_word(a, crc32c_load(p + i));
    b = crc32c_word(b, crc32c_load(p + bytes + i));
    uint64_t moved = crc32c_product(a, twice) ^ crc32c_product(b, once);
    return crc32c_word(c, crc32c_load(p + 2 * bytes + i) ^ moved);
}

static uint32_t crc32c_words(uint32_t crc, const void *p, size_t n)
{
    enum { FEW = 128, MANY = 1024 };
    const uint32_t once_few = 0x0d3b6092, twice_few = 0xb9e02b86;
    const uint32_t once_many = 0x170076fa, twice_many = 0xa51b6135;
    const uint8_t *in = p;
    uint32_t s = ~crc;
    for (; n >= 3 * MANY; in += 3 * MANY, n -= 3 * MANY)
        s = crc32c_three(s, in, MANY, once_many, twice_many);
    for (; n >= 3 * FEW; in += 3 * FEW, n -= 3 * FEW)
        s = crc32c_three(s, in, FEW, once_few, twice_few);
    for (; n >= 8; in += 8, n -= 8)
        s = crc32c_word(s, crc32c_load(in));
    for (; n; in++, n--)
        s = crc32c_byte(s, *in);
    return ~s;
}

#endif
