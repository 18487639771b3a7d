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

static inline uint16_t pxi_crc16_byte(uint16_t crc, uint8_t byte)
{
    return (uint16_t)(crc << 8 ^ pxi_crc16_slice[0][crc >> 8 ^ byte]);
}

static inline uint16_t pxi_crc16_bytes(uint16_t crc, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        crc = pxi_crc16_byte(crc, p[i]);
    return crc;
}

/* Sixteen bytes at once. */
static inline uint16_t pxi_crc16_block(uint16_t crc, const uint8_t *p)
{
    const uint16_t(*t)[256] = pxi_crc16_slice;
    unsigned tail = 0;
    for (int i = 2; i < 16; i++)
        tail ^= t[15 - i][p[i]];
    return (uint16_t)(tail ^ t[15][p[0] ^ crc >> 8] ^ t[14][p[1] ^ (crc & 0xff)]);
}

static inline uint32_t pxi_crc32c_bytes(uint32_t state, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        state = state >> 8 ^ pxi_crc32c_slice[0][(state ^ p[i]) & 0xff];
    return state;
}

#endif
