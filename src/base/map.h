/* Hash map from borrowed byte strings to 32-bit numbers. Keys must outlive the map. */
#ifndef PXI_BASE_MAP_H
#define PXI_BASE_MAP_H

#include <stdbool.h>
#include <string.h>

#include "plexus/view.h"

struct pxi_map {
    struct pxi_map_slot *slots;
    size_t count, mask;
};

/* Room for `count` keys without growing. false when out of memory. Zeroed memory is an empty map.
 */
bool pxi_map_init(struct pxi_map *m, size_t count);
void pxi_map_deinit(struct pxi_map *m);

/* Number stored under key, or -1. */
int64_t pxi_map_get(const struct pxi_map *m, px_view key);

/*
 * Store value under key unless the key is present. Returns the value now stored, which differs
 * from `value` when the key was there before; -1 when out of memory.
 */
int64_t pxi_map_put(struct pxi_map *m, px_view key, uint32_t value);

/* 64-bit hash of bytes (FNV-1a with a final mix): for tables and digests, not for security. */
uint64_t pxi_hash64(const void *p, size_t n, uint64_t seed);

/* The same eight bytes at a time: for tables alone, since it differs between byte orders. */
static inline uint64_t pxi_hash_quick(const void *p, size_t n, uint64_t seed)
{
    const uint8_t *b = (const uint8_t *)p;
    uint64_t h = (seed ^ n) * 0x9e3779b97f4a7c15u, word;
    for (; n >= sizeof word; n -= sizeof word, b += sizeof word) {
        memcpy(&word, b, sizeof word);
        h = (h ^ word) * 0xd6e8feb86659fd93u;
        h ^= h >> 32;
    }
    word = 0;
    memcpy(&word, b, n);
    h = (h ^ word) * 0xd6e8feb86659fd93u;
    h ^= h >> 32;
    return (h * 0x9e3779b97f4a7c15u) ^ (h >> 29);
}

#endif
