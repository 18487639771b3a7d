/*
 * Bases. Those whose size is a power of two move bits; base58 and base36 are one long number, whose
 * digits cost quadratic time, so lengths are bounded before anything else.
 */
#include "codec/multibase.h"

#include "base/diag.h"

static const struct base {
    char prefix;
    uint8_t radix, bits; /* bits is 0 when the radix is no power of two */
    const char *digits;
} bases[] = {
    {'z', 58, 0, "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"},
    {'b', 32, 5, "abcdefghijklmnopqrstuvwxyz234567"},
    {'B', 32, 5, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"},
    {'f', 16, 4, "0123456789abcdef"},
    {'F', 16, 4, "0123456789ABCDEF"},
    {'k', 36, 0, "0123456789abcdefghijklmnopqrstuvwxyz"},
    {'K', 36, 0, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
    {'u', 64, 6, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"},
    {'m', 64, 6, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"},
};

static const struct base *find_base(char prefix)
{
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++)
        if (bases[i].prefix == prefix)
            return &bases[i];
    return NULL;
}

static int digit_of(const struct base *b, uint8_t c)
{
    const char *p = c ? strchr(b->digits, c) : NULL;
    return p ? (int)(p - b->digits) : -1;
}

static px_err wrong(px_diag *d, size_t at, const char *expected, px_view text)
{
    char found[8];
    pxi_diag_field(d, "text");
    if (at >= text.n)
        return pxi_diag_set(d, PX_ERR_CORRUPT, at, expected, "%zu characters", text.n);
    pxi_escape(found, sizeof found, text.p + at, 1);
    return pxi_diag_set(d, PX_ERR_CORRUPT, at, expected, "%s", found);
}

/* ---------------------------------------------------------------------------- one long number */

/* digits (n of them, most significant first) in radix `from`: append carry * 1 after multiplying by
 * `by`. The number lies at the end of num. Returns its new length, or cap + 1 when it is too long.
 */
static size_t number_push(uint8_t *num, size_t cap, size_t n, unsigned from, unsigned by,
                          unsigned carry)
{
    size_t i = 0;
    for (; i < n || carry; i++) {
        if (i == cap)
            return cap + 1;
        unsigned v = (i < n ? num[cap - 1 - i] * by : 0) + carry;
        num[cap - 1 - i] = (uint8_t)(v % from);
        carry = v / from;
    }
    return i;
}

static size_t number_put(const struct base *b, px_view in, char *out, size_t cap)
{
    uint8_t num[PXI_BASE_TEXT_MAX];
    size_t zeros = 0, n = 0;
    while (zeros < in.n && in.p[zeros] == 0)
        zeros++;
    for (size_t i = zeros; i < in.n; i++)
        n = number_push(num, sizeof num, n, b->radix, 256, in.p[i]);
    if (n > sizeof num || zeros + n > cap)
        return 0;
    memset(out, b->digits[0], zeros);
    for (size_t i = 0; i < n; i++)
        out[zeros + i] = b->digits[num[sizeof num - n + i]];
    return zeros + n;
}

static px_err number_get(const struct base *b, px_view text, uint8_t *out, size_t cap, size_t *n,
                         px_diag *d)
{
    uint8_t num[PXI_BASE_MAX];
    size_t zeros = 0, len = 0;
    while (zeros < text.n && text.p[zeros] == (uint8_t)b->digits[0])
        zeros++;
    for (size_t i = zeros; i < text.n; i++) {
        int digit = digit_of(b, text.p[i]);
        if (digit < 0)
            return wrong(d, i, "a character of the base", text);
        len = number_push(num, sizeof num, len, 256, b->radix, (unsigned)digit);
        if (len > sizeof num)
            return wrong(d, text.n, "shorter text", text);
    }
    if (zeros + len > cap)
        return wrong(d, text.n, "shorter text", text);
    memset(out, 0, zeros);
    memcpy(out + zeros, num + sizeof num - len, len);
    *n = zeros + len;
    return PX_ERR_OK;
}

/* ---------------------------------------------------------------------------- groups of bits */

static size_t bits_put(const struct base *b, px_view in, char *out, size_t cap)
{
    unsigned have = 0, acc = 0, mask = b->radix - 1u;
    size_t n = 0;
    if ((in.n * 8 + b->bits - 1) / b->bits > cap)
        return 0;
    for (size_t i = 0; i < in.n; i++) {
        acc = acc << 8 | in.p[i];
        for (have += 8; have >= b->bits; have -= b->bits)
            out[n++] = b->digits[acc >> (have - b->bits) & mask];
    }
    if (have)
        out[n++] = b->digits[acc << (b->bits - have) & mask];
    return n;
}

static px_err bits_get(const struct base *b, px_view text, uint8_t *out, size_t cap, size_t *n,
                       px_diag *d)
{
    unsigned have = 0, acc = 0;
    *n = 0;
    for (size_t i = 0; i < text.n; i++) {
        int digit = digit_of(b, text.p[i]);
        if (digit < 0)
            return wrong(d, i, "a character of the base", text);
        acc = (acc << b->bits | (unsigned)digit) & 0xffff;
        have += b->bits;
        if (have < 8)
            continue;
        if (*n == cap)
            return wrong(d, text.n, "shorter text", text);
        have -= 8;
        out[(*n)++] = (uint8_t)(acc >> have);
    }
    if (have >= b->bits || (acc & ((1u << have) - 1)) != 0)
        return wrong(d, text.n ? text.n - 1 : 0, "no bits left over", text);
    return PX_ERR_OK;
}

/* ---------------------------------------------------------------------------- any of them */

size_t pxi_base_put(enum pxi_base base, px_view in, char *out, size_t cap)
{
    const struct base *b = find_base((char)base);
    if (!b || in.n > PXI_BASE_MAX)
        return 0;
    return b->bits ? bits_put(b, in, out, cap) : number_put(b, in, out, cap);
}

px_err pxi_base_get(char base, px_view text, uint8_t *out, size_t cap, size_t *n, px_diag *d)
{
    const struct base *b = find_base(base);
    *n = 0;
    if (!b)
        return wrong(d, 0, "a known base", px_view_of(&base, 1));
    if (text.n > PXI_BASE_TEXT_MAX)
        return wrong(d, text.n, "shorter text", text);
    return b->bits ? bits_get(b, text, out, cap, n, d) : number_get(b, text, out, cap, n, d);
}

px_err pxi_multibase_get(px_view text, uint8_t *out, size_t cap, size_t *n, px_diag *d)
{
    *n = 0;
    if (!text.n || !find_base((char)text.p[0]))
        return wrong(d, 0, "a multibase prefix: b B z f F k K u m", text);
    px_view rest = px_view_of(text.p + 1, text.n - 1);
    px_err err = pxi_base_get((char)text.p[0], rest, out, cap, n, d);
    if (err != PX_ERR_OK && d)
        d->offset++;
    return err;
}
