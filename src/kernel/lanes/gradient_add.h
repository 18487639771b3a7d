/* Sums of packed gradients, written once over 16 words that the includer defines. */
#ifndef PXI_KERNEL_LANES_GRADIENT_ADD_H
#define PXI_KERNEL_LANES_GRADIENT_ADD_H

#include "kernel/sets.h"

static void add_i16(void *sum, const void *q, size_t n)
{
    uint8_t *s = sum;
    const uint8_t *in = q;
#pragma GCC unroll 4
    for (size_t i = 0; i < 2 * n; i += 32)
        words_store(s + i, words_add(words_load(s + i), words_load(in + i)));
}

static void add_i8(void *sum, const void *q, size_t n)
{
    uint16_t *s = sum;
    const uint8_t *in = q;
    for (size_t i = 0; i < n; i += 16)
        words_store(s + i, words_add(words_load(s + i), words_load_u8(in + i)));
}

static void add_i4(void *sum, const void *q, size_t n)
{
    uint16_t *s = sum;
    const uint8_t *in = q;
    for (size_t i = 0; i < n; i += 16)
        words_store(s + i, words_add(words_load(s + i), words_load_u4(in + i / 2)));
}

static void add_i32(void *sum, const void *q, size_t n)
{
    uint8_t *s = sum;
    const uint8_t *in = q;
#pragma GCC unroll 4
    for (size_t i = 0; i < 4 * n; i += 64)
        ints_store_u32(s + i, ints_add(ints_load_u32(s + i), ints_load_u32(in + i)), 0);
}

static void grad_fold(uint8_t *q, const uint16_t *sum, size_t n, unsigned shift)
{
    for (size_t i = 0; i < n; i += 16) {
        words v = words_load(sum + i);
        words_store_u8(q + i, shift ? words_shr_round(v, shift) : v);
    }
}

static void fill_gradient_add(struct pxi_kernels *k)
{
    k->grad_add[0] = add_i16;
    k->grad_add[1] = add_i8;
    k->grad_add[2] = add_i4;
    k->grad_add[3] = add_i32;
    k->grad_fold = grad_fold;
}

#endif
