/* What all versions of the CRCs share: the tables, and the ends of a range byte by byte. */
#ifndef PXI_KERNEL_CRC_H
#define PXI_KERNEL_CRC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* [i][b]: the CRC, from 0, of byte b with i bytes of zeros behind it. */
extern const uint16_t pxi_crc16_slice[16][256];
extern const uint16_t pxi_crc16_reflected_slice[16][256];
extern const uint32_t pxi_crc32c_slice[16][256];

/*
 * What the halves of a block (16 bytes, the first the most significant) are multiplied with: the
 * low one, the high one. far: with 127 - i blocks behind it. near: with i bytes, and 2 for the CRC.
 */
extern const uint64_t pxi_crc16_far[128][2], pxi_crc16_near[128][2];

/* The same of CRC-32C for vectors as they lie, the first byte and bit the most significant: with
 * 15 - i blocks behind. */
extern const uint64_t pxi_crc32c_far[16][2];

/* x^80 / P without its first term: where quotients of 80 bits come from. */
#define PXI_CRC16_QUOTIENT 0x11303471a041b343u

/* The scalar CRCs. */
uint16_t pxi_crc16(uint16_t crc, const void *p, size_t n);
uint16_t pxi_crc16_reflected(uint16_t crc, const void *p, size_t n);
uint32_t pxi_crc32c(uint32_t crc, const void *p, size_t n);

static inline uint16_t pxi_crc16_block(uint16_t crc, const uint8_t *p)
{
    const uint16_t(*t)[256] = pxi_crc16_slice;
    unsigned tail = 0;
    for (int i = 2; i < 16; i++)
        tail ^= t[15 - i][p[i]];
    return (uint16_t)(tail ^ t[15][p[0] ^ crc >> 8] ^ t[14][p[1] ^ (crc & 0xff)]);
}

/* A word whose first two bytes in memory these are. */
static inline uint64_t pxi_crc16_word(uint8_t first, uint8_t second)
{
    uint64_t word = first | (uint64_t)second << 8;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

#endif
