/*
 * The ends of a CRC-16 by carry-less products, written once over vectors of `LANES` blocks of 16
 * bytes that the includer defines; the middle of many bytes is lanes/crc16.h.
 *
 * A block is a polynomial of 128 bits, its first byte the most significant. Multiplied with two
 * constants of 16 bits it is moved to where the last block is, whatever lies between, and has 80
 * bits there. All such products are independent of each other; their sum is then moved over the
 * tail, of less than 16 bytes, and divided.
 *
 * Defined before: INLINE; block with block_none, block_load, block_set (the two first bytes),
 * block_tail (the n last bytes before an address, of 16 that exist), block_xor, block_mul (by a
 * pair of constants), block_mul_pair (the sum of two products) and block_end (the remainder of 80
 * bits); blocks with blocks_none, blocks_load, blocks_xor, blocks_of (a first block), blocks_mul
 * (each lane by its own pair), blocks_sum. CRC16_SHORT where crc16_short is defined too,
 * WIDE_HALVES where wide_up and wide_down are.
 */
#ifndef PXI_KERNEL_LANES_CRC16_CLMUL_H
#define PXI_KERNEL_LANES_CRC16_CLMUL_H

#include "kernel/crc.h"

enum {
    FAR = sizeof pxi_crc16_far / sizeof *pxi_crc16_far,
    SHORT = sizeof pxi_crc16_near / sizeof *pxi_crc16_near,
};

/* The CRC of what was summed up and of the n < 16 bytes that follow. */
INLINE uint16_t crc16_tail(block sum, const uint8_t *end, size_t n)
{
    return block_end(block_mul_pair(sum, pxi_crc16_near[n], block_tail(end, n), pxi_crc16_near[0]));
}

/* The sum of `count` blocks, to the first of which a CRC was added; k is for the first. */
INLINE block crc16_sum(block head, const uint8_t *p, size_t count, const uint64_t (*k)[2])
{
    block sum = block_none();
    blocks heads, sums = blocks_none();
    size_t i = 0;
    for (; i < count % LANES; i++) {
        sum = block_xor(sum, block_mul(block_xor(block_load(p + 16 * i), head), k[i]));
        head = block_none();
    }
    heads = blocks_of(head);
    for (; i < count; i += LANES) {
        sums = blocks_xor(sums, blocks_mul(blocks_xor(blocks_load(p + 16 * i), heads), k[i]));
        heads = blocks_none();
    }
    return block_xor(sum, blocks_sum(sums));
}

#ifdef WIDE_HALVES
/* The window of lanes/crc16.h as one of 32 halves, of which the last 16 remain. */
INLINE void crc16_halve(wide w[16])
{
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        w[i + 2] ^= w[i];
        w[i + 8] ^= w[i];
        w[i + 5] ^= wide_up(w[i]);
        w[i + 6] ^= wide_down(w[i]);
    }
}
#endif

#ifndef CRC16_SHORT
/* 80 bits with the CRC of 16 to SHORT bytes. */
INLINE block crc16_short(block head, const uint8_t *p, size_t n)
{
    const uint8_t *end = p + n;
    block sum = block_mul(block_tail(end, n % 16), pxi_crc16_near[0]);
    for (; n >= 16; p += 16) {
        n -= 16;
        sum = block_xor(sum, block_mul(block_xor(block_load(p), head), pxi_crc16_near[n]));
        head = block_none();
    }
    return sum;
}
#endif

/* Less than 16 * FAR bytes. */
static uint16_t crc16_few(uint16_t crc, const uint8_t *p, size_t n)
{
    const size_t count = n / 16;
    if (!count)
        return pxi_crc16(crc, p, n);
    if (n <= SHORT)
        return block_end(crc16_short(block_set(crc), p, n));
    block head = block_set(crc);
    return crc16_tail(crc16_sum(head, p, count, pxi_crc16_far + FAR - count), p + n, n % 16);
}

#endif
