/* Seeded random numbers: SplitMix64, a counter-based stream that is easy to reproduce anywhere. */
#ifndef PXI_BASE_RNG_H
#define PXI_BASE_RNG_H

#include <stdint.h>

struct pxi_rng {
    uint64_t state;
};

/* Next 64 random bits. */
static inline uint64_t pxi_rng_u64(struct pxi_rng *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Uniform in [0, n), n > 0; the bias of the modulus is below n / 2^64. */
static inline uint64_t pxi_rng_below(struct pxi_rng *r, uint64_t n)
{
    return pxi_rng_u64(r) % n;
}

/* Uniform in [0, 1) with 24 bits. */
static inline float pxi_rng_f32(struct pxi_rng *r)
{
    return (float)(pxi_rng_u64(r) >> 40) * 0x1p-24f;
}

#endif
