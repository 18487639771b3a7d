/*
 * A reader of binary input that knows its end. Every read can fail; a failed read sets `failed`,
 * returns zero and moves nothing, so that a parser may read several fields and check once.
 * This is the only way in which plexus reads integers out of hostile bytes.
 */
#ifndef PXI_BASE_CURSOR_H
#define PXI_BASE_CURSOR_H

#include <stdbool.h>

#include "plexus/view.h"

struct pxi_cursor {
    const uint8_t *base;
    size_t at, end;
    bool failed;
};

static inline struct pxi_cursor pxi_cursor_of(px_view v)
{
    return (struct pxi_cursor){v.p, 0, v.n, false};
}

static inline size_t pxi_cursor_left(const struct pxi_cursor *c)
{
    return c->end - c->at;
}

/* The next n bytes, borrowed; an empty view and `failed` when fewer remain. */
static inline px_view pxi_cursor_take(struct pxi_cursor *c, uint64_t n)
{
    if (c->failed || n > c->end - c->at) {
        c->failed = true;
        return px_view_of(NULL, 0);
    }
    px_view v = px_view_of(c->base + c->at, (size_t)n);
    c->at += (size_t)n;
    return v;
}

/* Little-endian unsigned integer of `bytes` bytes (1 to 8). */
static inline uint64_t pxi_cursor_le(struct pxi_cursor *c, unsigned bytes)
{
    px_view v = pxi_cursor_take(c, bytes);
    uint64_t x = 0;
    for (size_t i = 0; i < v.n; i++)
        x |= (uint64_t)v.p[i] << (8 * i);
    return x;
}

static inline uint8_t pxi_cursor_u8(struct pxi_cursor *c)
{
    return (uint8_t)pxi_cursor_le(c, 1);
}
static inline uint16_t pxi_cursor_u16(struct pxi_cursor *c)
{
    return (uint16_t)pxi_cursor_le(c, 2);
}
static inline uint32_t pxi_cursor_u32(struct pxi_cursor *c)
{
    return (uint32_t)pxi_cursor_le(c, 4);
}
static inline uint64_t pxi_cursor_u64(struct pxi_cursor *c)
{
    return pxi_cursor_le(c, 8);
}

#endif
