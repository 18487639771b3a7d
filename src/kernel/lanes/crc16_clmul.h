/*
 * The ends of a CRC-16 by carry-less products, written once over vectors of `LANES` blocks of 16
 * bytes that the includer defines; the middle of many bytes is lanes/crc16.h.
 *
 * A block is a polynomial of 128 bits, its first byte the most significant. Multiplied with two
 * constants of 16 bits it is moved to where the last block but one is, whatever lies between, and
 * has 80 bits there. All such products are independent of each other; their sum is then moved over
 * the tail, of 1 to 16 bytes, and divided.
 *
 * Defined before: INLINE; block with block_load, block_set (the two first bytes), block_tail (of
 * the n last bytes before an address), block_xor, block_mul (by a pair of constants) and block_end
 * (the remainder of 80 bits); blocks with blocks_none, blocks_load, blocks_xor, blocks_of (a first
 * block), blocks_mul (each lane by its own pair) and blocks_sum.
 */
#ifndef PXI_KERNEL_LANES_CRC16_CLMUL_H
#define PXI_KERNEL_LANES_CRC16_CLMUL_H

#include "kernel/crc.h"

enum { FAR = sizeof pxi_crc16_far / sizeof *pxi_crc16_far };

/* The CRC of what was summed up and of 1 to 16 bytes that follow; 16 bytes before `end` exist. */
INLINE uint16_t crc16_tail(block sum, const uint8_t *end, size_t n)
{
    block tail = block_mul(block_tail(end, n), pxi_crc16_near[0]);
    return block_end(block_xor(block_mul(sum, pxi_crc16_near[n]), tail));
}

/* 17 to 16 * FAR + 16 bytes. */
INLINE uint16_t crc16_products(uint16_t crc, const uint8_t *p, size_t n)
{
    const size_t count = (n - 1) / 16;
    const uint64_t(*k)[2] = pxi_crc16_far + FAR - count;
    block head = block_set((uint8_t)(crc >> 8), (uint8_t)crc), sum = block_mul(head, *k);
    size_t i = 0;
    for (; i < count % LANES; i++)
        sum = block_xor(sum, block_mul(block_load(p + 16 * i), k[i]));
    blocks wide_sum = blocks_none();
    for (; i < count; i += LANES)
        wide_sum = blocks_xor(wide_sum, blocks_mul(blocks_load(p + 16 * i), k[i]));
    sum = block_xor(sum, blocks_sum(wide_sum));
    return crc16_tail(sum, p + n, n - 16 * count);
}

/* Up to 16 * FAR + 16 bytes. */
static uint16_t crc16_few(uint16_t crc, const uint8_t *p, size_t n)
{
    return n > 16 ? crc16_products(crc, p, n) : pxi_crc16(crc, p, n);
}

#endif
