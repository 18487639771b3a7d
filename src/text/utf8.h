/* UTF-8 as Unicode defines it: no overlong forms, no surrogates, nothing past U+10FFFF. */
#ifndef PXI_TEXT_UTF8_H
#define PXI_TEXT_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define PXI_UTF8_BAD 0xffffffffu

/* Length of the sequence that a byte begins: 1 to 4, 0 for a byte that begins none. */
static inline unsigned pxi_utf8_lead(uint8_t b)
{
    if (b < 0x80)
        return 1;
    if (b < 0xc2 || b > 0xf4)
        return 0;
    return b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
}

/* May `b` follow the `n` bytes (1 to 3) at p in a valid sequence that is longer than n? */
static inline int pxi_utf8_follows(const uint8_t *p, unsigned n, uint8_t b)
{
    uint8_t lo = 0x80, hi = 0xbf;
    if (n == 1) {
        lo = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : lo;
        hi = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : hi;
    }
    return b >= lo && b <= hi;
}

/*
 * Decode the character at p (left > 0 bytes remain). Returns its length; for a byte that begins no
 * valid sequence 1, with *cp = PXI_UTF8_BAD.
 */
static inline unsigned pxi_utf8_next(const uint8_t *p, size_t left, uint32_t *cp)
{
    unsigned n = pxi_utf8_lead(p[0]);
    if (n == 1) {
        *cp = p[0];
        return 1;
    }
    uint32_t c = n ? p[0] & (0x7fu >> n) : 0;
    unsigned i = n && n <= left ? 1 : 0;
    for (; i && i < n; i++) {
        if (!pxi_utf8_follows(p, i, p[i]))
            break;
        c = c << 6 | (p[i] & 0x3fu);
    }
    *cp = i && i == n ? c : PXI_UTF8_BAD;
    return i && i == n ? n : 1;
}

/* Encode cp (at most U+10FFFF) into out (4 bytes); returns the length. */
static inline unsigned pxi_utf8_put(uint8_t *out, uint32_t cp)
{
    if (cp < 0x80) {
        out[0] = (uint8_t)cp;
        return 1;
    }
    unsigned n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (unsigned i = n; i-- > 1; cp >>= 6)
        out[i] = (uint8_t)(0x80 | (cp & 0x3f));
    out[0] = (uint8_t)((0xf00u >> n) | cp);
    return n;
}

#endif
