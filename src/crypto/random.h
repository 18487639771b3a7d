/*
 * Random bytes by interface: the system's in production, a seeded stream in the simulator and in
 * tests, so that a run repeats.
 */
#ifndef PXI_CRYPTO_RANDOM_H
#define PXI_CRYPTO_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct pxi_random {
    void (*fill)(struct pxi_random *r, void *p, size_t n);
    uint64_t state; /* of the seeded kind */
};

/* The generator of libcrypto; never fails once it was seeded. */
struct pxi_random *pxi_random_system(void);

/* A reproducible stream, for the simulator and tests only. */
struct pxi_random pxi_random_seeded(uint64_t seed);

static inline void pxi_random_fill(struct pxi_random *r, void *p, size_t n)
{
    r->fill(r, p, n);
}

static inline uint64_t pxi_random_u64(struct pxi_random *r)
{
    uint64_t v;
    r->fill(r, &v, sizeof v);
    return v;
}

#endif
