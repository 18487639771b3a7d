/* Checked arithmetic and small integer helpers. */
#ifndef PXI_BASE_MATH_H
#define PXI_BASE_MATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* a + b and a * b into *out; false, with *out unspecified, when the result does not fit. */
static inline bool pxi_add_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

static inline bool pxi_mul_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

static inline bool pxi_mul_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

/* n rounded up to a multiple of the power of two a; false on overflow. */
static inline bool pxi_align_u64(uint64_t n, uint64_t a, uint64_t *out)
{
    if (!pxi_add_u64(n, a - 1, out))
        return false;
    *out &= ~(a - 1);
    return true;
}

static inline size_t pxi_min(size_t a, size_t b)
{
    return a < b ? a : b;
}
static inline size_t pxi_max(size_t a, size_t b)
{
    return a > b ? a : b;
}

#endif
