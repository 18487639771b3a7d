/*
 * The order of an epoch: a bijection of [0, n) chosen by a key, computed for one place at a time.
 * No array is made, so that an order of 10^9 samples costs nothing to begin and nothing to resume.
 * A Feistel network of eight rounds over the least power of two (256 at least) that holds n, walked
 * until it comes out below n (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002):
 * below two steps on average.
 */
#ifndef PXI_DATA_ORDER_H
#define PXI_DATA_ORDER_H

#include <stdint.h>

enum { PXI_ORDER_ROUNDS = 8 };

struct pxi_order {
    uint64_t n;
    uint64_t key[PXI_ORDER_ROUNDS];
    unsigned low, high; /* bits of the two halves */
};

/* The order of n > 0 things in an epoch of a seed. */
void pxi_order_init(struct pxi_order *o, uint64_t n, uint64_t seed, uint64_t epoch);
/* Which thing comes at place i < n. */
uint64_t pxi_order_at(const struct pxi_order *o, uint64_t i);
/* At which place thing x < n comes. */
uint64_t pxi_order_place(const struct pxi_order *o, uint64_t x);

/* 64 bits that look random, from three numbers. The same on every machine, for ever. */
uint64_t pxi_order_hash(uint64_t seed, uint64_t a, uint64_t b);

#endif
