/*
 * CRC-16 of many bytes by sums alone, written once over vectors that the includer defines.
 *
 * Squares of a sum of powers modulo 2 are the sum of the squares: P(x)^2 = P(x^2). So with P also
 * P(x^(8 W)) is 0 modulo P, for vectors of W = 4, 8, 16, ... bytes. P has four terms,
 *     x^16 = x^12 + x^5 + 1,
 * so a vector can be added to those 4, 11 and 16 places behind it and be forgotten. A window of the
 * last sixteen stays, and only it is multiplied. Bit order within bytes and lanes never matters.
 *
 * Defined before: INLINE; wide (a type with ^), WIDE_KEEP(v) (holds the compiler to the order of
 * sums, or nothing), wide_native (bytes of each token swapped), wide_i32 and wide_i64 (these tokens
 * to an array); CRC16_WINDOWED (bytes from which this is worth it, at least a window), crc16_few
 * (fewer bytes), crc16_end (of the window w and of what follows, less than a window), and both for
 * the reflected CRC.
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

/* The first window. */
INLINE void crc16_begin(wide w[16], wide head, const uint8_t *p)
{
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        w[i] = wide_load(p + WIDE * i);
    w[0] ^= head;
}

/* Where tokens go: nowhere, to i32, to i64, to i64 and once more. */
enum put { PUT_NONE, PUT_I32, PUT_I64, PUT_TWICE };

struct arrays {
    int32_t *i32;
    int64_t *i64, *more;
};

INLINE void put(enum put mode, const struct arrays *to, size_t at, wide v)
{
    if (mode == PUT_I32)
        wide_i32(to->i32 + at, wide_native(v));
    if (mode == PUT_I64 || mode == PUT_TWICE)
        wide_i64(to->i64 + at, wide_native(v));
    if (mode == PUT_TWICE)
        wide_i64(to->more + at, wide_native(v));
}

INLINE void put_some(enum put mode, const struct arrays *to, size_t from, size_t n,
                     const uint8_t *src)
{
    if (mode == PUT_I32)
        pxi_be32_i32(to->i32 + from, src + 4 * from, n);
    if (mode == PUT_I64 || mode == PUT_TWICE)
        pxi_be32_i64(to->i64 + from, src + 4 * from, n);
    if (mode == PUT_TWICE)
        pxi_be32_i64(to->more + from, src + 4 * from, n);
}

/* The next sixteen vectors, from token `at` on; each takes the place of the one it pushes out. */
INLINE void crc16_next(wide w[16], enum put mode, const struct arrays *to, size_t at,
                       const uint8_t *src)
{
#pragma GCC unroll 16
    for (size_t i = 0; i < 16; i++) {
        w[(i + 4) % 16] ^= w[i];
        WIDE_KEEP(w[(i + 4) % 16]);
        w[(i + 11) % 16] ^= w[i];
        WIDE_KEEP(w[(i + 11) % 16]);
        wide v = wide_load(src + 4 * at + WIDE * i);
        put(mode, to, at + WIDE / 4 * i, v);
        w[i] ^= v;
        WIDE_KEEP(w[i]);
    }
}

static uint16_t crc16(uint16_t crc, const void *p, size_t n)
{
    const uint8_t *in = p;
    if (n < CRC16_WINDOWED)
        return crc16_few(crc, in, n);
    wide w[16];
    size_t i = WINDOW;
    crc16_begin(w, crc16_head((uint8_t)(crc >> 8), (uint8_t)crc), in);
    for (; i + WINDOW <= n; i += WINDOW)
        crc16_next(w, PUT_NONE, NULL, i / 4, in);
    return crc16_end(w, in + i, n - i);
}

static uint16_t crc16_reflected(uint16_t crc, const void *p, size_t n)
{
    const uint8_t *in = p;
    if (n < CRC16_WINDOWED)
        return crc16_reflected_few(crc, in, n);
    wide w[16];
    size_t i = WINDOW;
    crc16_begin(w, crc16_head((uint8_t)crc, (uint8_t)(crc >> 8)), in);
    for (; i + WINDOW <= n; i += WINDOW)
        crc16_next(w, PUT_NONE, NULL, i / 4, in);
    return crc16_reflected_end(w, in + i, n - i);
}

/* The CRC of n tokens, each of which goes to the arrays when it is read. */
INLINE uint16_t crc16_put(uint16_t crc, enum put mode, struct arrays to, const uint8_t *src,
                          size_t n)
{
    if (4 * n < CRC16_WINDOWED) {
        put_some(mode, &to, 0, n, src);
        return crc16_few(crc, src, 4 * n);
    }
    wide w[16];
    size_t i = WINDOW / 4;
    crc16_begin(w, crc16_head((uint8_t)(crc >> 8), (uint8_t)crc), src);
    for (int j = 0; j < 16; j++)
        put(mode, &to, WIDE / 4 * j, wide_load(src + WIDE * j));
    for (; i + WINDOW / 4 <= n; i += WINDOW / 4)
        crc16_next(w, mode, &to, i, src);
    put_some(mode, &to, i, n - i, src);
    return crc16_end(w, src + 4 * i, 4 * (n - i));
}

static uint16_t crc16_be32_i32(uint16_t crc, int32_t *dst, const void *src, size_t n)
{
    return crc16_put(crc, PUT_I32, (struct arrays){.i32 = dst}, src, n);
}

static uint16_t crc16_be32_i64(uint16_t crc, int64_t *dst, const void *src, size_t n)
{
    return crc16_put(crc, PUT_I64, (struct arrays){.i64 = dst}, src, n);
}

static uint16_t crc16_be32_i64x2(uint16_t crc, int64_t *ids, int64_t *labels, const void *src,
                                 size_t n)
{
    return crc16_put(crc, PUT_TWICE, (struct arrays){.i64 = ids, .more = labels}, src, n);
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
