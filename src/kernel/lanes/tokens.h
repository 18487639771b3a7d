/* Token numbers to arrays: the loops of kernel/tokens.h, made of what the includer's flags allow.
 */
#ifndef PXI_KERNEL_LANES_TOKENS_H
#define PXI_KERNEL_LANES_TOKENS_H

#include "kernel/sets.h"
#include "kernel/tokens.h"

static void be32_i32(int32_t *dst, const void *src, size_t n)
{
    pxi_be32_i32(dst, src, n);
}

static void be32_i64(int64_t *dst, const void *src, size_t n)
{
    pxi_be32_i64(dst, src, n);
}

static void u16_i32(int32_t *dst, const void *src, size_t n)
{
    pxi_u16_i32(dst, src, n);
}

static void u16_i64(int64_t *dst, const void *src, size_t n)
{
    pxi_u16_i64(dst, src, n);
}

static void i32_i64(int64_t *dst, const void *src, size_t n)
{
    pxi_i32_i64(dst, src, n);
}

static void fill_tokens(struct pxi_kernels *k)
{
    k->be32_i32 = be32_i32;
    k->be32_i64 = be32_i64;
    k->u16_i32 = u16_i32;
    k->u16_i64 = u16_i64;
    k->i32_i64 = i32_i64;
}

#endif
