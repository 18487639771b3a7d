/* Random bytes: libcrypto's generator, and a seeded stream for tests and the simulator. */
#include "crypto/random.h"

#include "base/rng.h"

#include <limits.h>
#include <openssl/rand.h>
#include <string.h>

/* A generator that cannot be seeded leaves no safe way on: keys of known bytes would be worse. */
static void fill_system(struct pxi_random *r, void *p, size_t n)
{
    uint8_t *at = p;
    while (n) {
        int part = n > INT_MAX ? INT_MAX : (int)n;
        if (RAND_bytes(at, part) != 1)
            __builtin_trap();
        at += part;
        n -= (size_t)part;
    }
}

struct pxi_random *pxi_random_system(void)
{
    static struct pxi_random system = {fill_system, 0};
    return &system;
}

static void fill_seeded(struct pxi_random *r, void *p, size_t n)
{
    struct pxi_rng rng = {r->state};
    uint8_t *at = p;
    for (size_t i = 0; i < n; i += 8) {
        uint64_t w = pxi_rng_u64(&rng);
        for (size_t j = i; j < n && j < i + 8; j++, w >>= 8)
            at[j] = (uint8_t)w;
    }
    r->state = rng.state;
}

struct pxi_random pxi_random_seeded(uint64_t seed)
{
    return (struct pxi_random){fill_seeded, seed};
}
