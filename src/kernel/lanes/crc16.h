/*
 * CRC-16 of many bytes by sums alone, written once over vectors that the includer defines.
 *
 * Squares of a sum of powers modulo 2 are the sum of the squares: P(x)^2 = P(x^2). So with P also
 * P(x^(8 W)) is 0 modulo P, for vectors of W = 4, 8, 16, ... bytes. P has four terms,
 *     x^16 = x^12 + x^5 + 1,
 * so a vector can be added to those 4, 11 and 16 places behind it and be forgotten. A window of the
 * last sixteen stays, and only it is multiplied. Bit order within bytes and lanes never matters.
 *
 * Defined before: wide (a type with ^), WIDE_KEEP(v) (holds the compiler to the order of sums, or
 * nothing), INLINE, CRC16_WINDOWED (bytes from which this is worth it, at least a vector and one),
 * crc16_few (fewer bytes), crc16_end and crc16_reflected_end (of the window w and of 1 to
 * sizeof(wide) bytes that follow).
 */
#ifndef PXI_KERNEL_LANES_CRC16_H
#define PXI_KERNEL_LANES_CRC16_H

#include "kernel/crc.h"
#include "kernel/sets.h"
#include "kernel/tokens.h"

enum { WIDE = sizeof(wide), WINDOW = 16 * WIDE };

INLINE wide wide_load(const void *p)
{
    wide v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* A CRC is what is added to the first two bytes. */
INLINE wide crc16_head(uint8_t first, uint8_t second)
{
    const uint64_t bytes = pxi_crc16_word(first, second);
    wide v = {0};
    memcpy(&v, &bytes, sizeof bytes);
    return v;
}

/*
 * The first window: as many vectors as leave a multiple of sixteen, behind vectors of zeros.
 * Returns how many these are.
 */
INLINE size_t crc16_begin(wide w[16], wide head, const uint8_t *p, size_t vectors)
{
    static const wide zero;
    const wide first = wide_load(p) ^ head;
    const size_t some = (vectors - 1) % 16 + 1, none = 16 - some;
#pragma GCC unroll 16
    for (size_t i = 0; i < 16; i++) {
        const void *at = i < none ? (const void *)&zero : p + WIDE * (i - none);
        w[i] = wide_load(i == none ? &first : at);
    }
    return some;
}

/* The next sixteen vectors; each takes the place of the one that is forgotten. */
INLINE void crc16_next(wide w[16], const uint8_t *p)
{
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        w[(i + 4) % 16] ^= w[i];
        WIDE_KEEP(w[(i + 4) % 16]);
        w[(i + 11) % 16] ^= w[i];
        WIDE_KEEP(w[(i + 11) % 16]);
        w[i] ^= wide_load(p + WIDE * i);
    }
}

static uint16_t crc16(uint16_t crc, const void *p, size_t n)
{
    const uint8_t *in = p;
    if (n < CRC16_WINDOWED)
        return crc16_few(crc, in, n);
    wide w[16];
    size_t vectors = (n - 1) / WIDE;
    size_t i = crc16_begin(w, crc16_head((uint8_t)(crc >> 8), (uint8_t)crc), in, vectors);
    for (; i < vectors; i += 16)
        crc16_next(w, in + WIDE * i);
    return crc16_end(w, in + WIDE * vectors, n - WIDE * vectors);
}

static uint16_t crc16_reflected(uint16_t crc, const void *p, size_t n)
{
    const uint8_t *in = p;
    if (n < CRC16_WINDOWED)
        return pxi_crc16_reflected(crc, in, n);
    wide w[16];
    size_t vectors = (n - 1) / WIDE;
    size_t i = crc16_begin(w, crc16_head((uint8_t)crc, (uint8_t)(crc >> 8)), in, vectors);
    for (; i < vectors; i += 16)
        crc16_next(w, in + WIDE * i);
    return crc16_reflected_end(w, in + WIDE * vectors, n - WIDE * vectors);
}

/* Where tokens go: i32, or i64 and once more. */
struct arrays {
    int32_t *i32;
    int64_t *i64, *more;
};

INLINE void put(const struct arrays *to, size_t at, const uint8_t *src, size_t n)
{
    if (to->i32)
        pxi_be32_i32(to->i32 + at, src + 4 * at, n);
    if (to->i64)
        pxi_be32_i64(to->i64 + at, src + 4 * at, n);
    if (to->more)
        pxi_be32_i64(to->more + at, src + 4 * at, n);
}

/* The CRC of n tokens, each window of which is put into the arrays before it is added. */
INLINE uint16_t crc16_put(uint16_t crc, struct arrays to, const uint8_t *src, size_t n)
{
    enum { TOKENS = WIDE / 4 };
    if (4 * n < CRC16_WINDOWED) {
        put(&to, 0, src, n);
        return crc16_few(crc, src, 4 * n);
    }
    wide w[16];
    size_t vectors = (4 * n - 1) / WIDE;
    size_t i = crc16_begin(w, crc16_head((uint8_t)(crc >> 8), (uint8_t)crc), src, vectors);
    put(&to, 0, src, i * TOKENS);
    for (; i < vectors; i += 16) {
        put(&to, i * TOKENS, src, WINDOW / 4);
        crc16_next(w, src + WIDE * i);
    }
    put(&to, i * TOKENS, src, n - i * TOKENS);
    return crc16_end(w, src + WIDE * vectors, 4 * n - WIDE * vectors);
}

static uint16_t crc16_be32_i32(uint16_t crc, int32_t *dst, const void *src, size_t n)
{
    return crc16_put(crc, (struct arrays){.i32 = dst}, src, n);
}

static uint16_t crc16_be32_i64(uint16_t crc, int64_t *dst, const void *src, size_t n)
{
    return crc16_put(crc, (struct arrays){.i64 = dst}, src, n);
}

static uint16_t crc16_be32_i64x2(uint16_t crc, int64_t *ids, int64_t *labels, const void *src,
                                 size_t n)
{
    return crc16_put(crc, (struct arrays){.i64 = ids, .more = labels}, src, n);
}

static void fill_crc16(struct pxi_kernels *k)
{
    k->crc16 = crc16;
    k->crc16_reflected = crc16_reflected;
    k->crc16_be32_i32 = crc16_be32_i32;
    k->crc16_be32_i64 = crc16_be32_i64;
    k->crc16_be32_i64x2 = crc16_be32_i64x2;
}

#endif
