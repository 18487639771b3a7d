/* Token numbers of any byte order and width, at any address, one by one: what the scalar kernels
 * are made of, and the ends of a range in the others. */
#ifndef PXI_KERNEL_TOKENS_H
#define PXI_KERNEL_TOKENS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline int32_t pxi_be32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    return (int32_t)v;
}

static inline int32_t pxi_le32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    return (int32_t)v;
}

static inline uint16_t pxi_le16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap16(v);
#endif
    return v;
}

static inline void pxi_be32_i32(int32_t *restrict dst, const uint8_t *restrict src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = pxi_be32(src + 4 * i);
}

static inline void pxi_be32_i64(int64_t *restrict dst, const uint8_t *restrict src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = pxi_be32(src + 4 * i);
}

static inline void pxi_u16_i32(int32_t *restrict dst, const uint8_t *restrict src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = pxi_le16(src + 2 * i);
}

static inline void pxi_u16_i64(int64_t *restrict dst, const uint8_t *restrict src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = pxi_le16(src + 2 * i);
}

static inline void pxi_i32_i64(int64_t *restrict dst, const uint8_t *restrict src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = pxi_le32(src + 4 * i);
}

#endif
