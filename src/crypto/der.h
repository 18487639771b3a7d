/* Reading DER (X.690): one element at a time, definite lengths in their shortest form only. */
#ifndef PXI_CRYPTO_DER_H
#define PXI_CRYPTO_DER_H

#include "base/cursor.h"

enum {
    PXI_DER_BOOLEAN = 0x01,
    PXI_DER_INTEGER = 0x02,
    PXI_DER_BIT_STRING = 0x03,
    PXI_DER_OCTET_STRING = 0x04,
    PXI_DER_OID = 0x06,
    PXI_DER_UTC_TIME = 0x17,
    PXI_DER_GENERAL_TIME = 0x18,
    PXI_DER_SEQUENCE = 0x30,
};

/* The content of the next element, which must have this tag; else `failed` and an empty view. */
static inline px_view pxi_der_take(struct pxi_cursor *c, uint8_t tag)
{
    if (pxi_cursor_u8(c) != tag)
        c->failed = true;
    uint64_t n = pxi_cursor_u8(c);
    if (n > 0x80 && n <= 0x84) {
        uint64_t long_n = 0, bytes = n - 0x80;
        for (uint64_t i = 0; i < bytes; i++)
            long_n = long_n << 8 | pxi_cursor_u8(c);
        if (long_n < 0x80 || long_n >> (8 * (bytes - 1)) == 0)
            c->failed = true;
        n = long_n;
    } else if (n >= 0x80) {
        c->failed = true;
    }
    return pxi_cursor_take(c, n);
}

/* 1 when the next element has this tag; moves nothing. */
static inline bool pxi_der_is(const struct pxi_cursor *c, uint8_t tag)
{
    return !c->failed && c->at < c->end && c->base[c->at] == tag;
}

/* A positive INTEGER without its sign byte; empty and `failed` for negative or padded ones. */
static inline px_view pxi_der_unsigned(struct pxi_cursor *c)
{
    px_view v = pxi_der_take(c, PXI_DER_INTEGER);
    if (v.n == 0 || v.p[0] & 0x80 || (v.n > 1 && v.p[0] == 0 && !(v.p[1] & 0x80))) {
        c->failed = true;
        return px_view_of(NULL, 0);
    }
    return v.p[0] == 0 && v.n > 1 ? px_view_of(v.p + 1, v.n - 1) : v;
}

/* 1 when everything was read and nothing failed. */
static inline bool pxi_der_done(const struct pxi_cursor *c)
{
    return !c->failed && c->at == c->end;
}

#endif
