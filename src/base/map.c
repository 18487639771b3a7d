/* Open addressing with linear probing, at most half full. */
#include "base/map.h"

#include "base/mem.h"

struct pxi_map_slot {
    px_view key;
    uint32_t value, used;
};

uint64_t pxi_hash64(const void *p, size_t n, uint64_t seed)
{
    const uint8_t *b = p;
    uint64_t h = 0xcbf29ce484222325u ^ (seed * 0x9e3779b97f4a7c15u);
    for (size_t i = 0; i < n; i++)
        h = (h ^ b[i]) * 0x100000001b3u;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return h ^ (h >> 32);
}

bool pxi_map_init(struct pxi_map *m, size_t count)
{
    size_t slots = 16;
    while (slots < count * 2)
        slots *= 2;
    *m = (struct pxi_map){pxi_calloc(slots, sizeof(struct pxi_map_slot)), 0, slots - 1};
    return m->slots != NULL;
}

void pxi_map_deinit(struct pxi_map *m)
{
    pxi_free(m->slots);
    *m = (struct pxi_map){0};
}

static struct pxi_map_slot *slot_of(const struct pxi_map *m, px_view key)
{
    size_t i = (size_t)pxi_hash64(key.p, key.n, 0) & m->mask;
    while (m->slots[i].used && !px_view_equal(m->slots[i].key, key))
        i = (i + 1) & m->mask;
    return &m->slots[i];
}

int64_t pxi_map_get(const struct pxi_map *m, px_view key)
{
    if (!m->slots)
        return -1;
    const struct pxi_map_slot *s = slot_of(m, key);
    return s->used ? (int64_t)s->value : -1;
}

static bool rehash(struct pxi_map *m)
{
    struct pxi_map bigger;
    if (!pxi_map_init(&bigger, m->count * 2 + 8))
        return false;
    for (size_t i = 0; m->slots && i <= m->mask; i++)
        if (m->slots[i].used)
            *slot_of(&bigger, m->slots[i].key) = m->slots[i];
    bigger.count = m->count;
    pxi_map_deinit(m);
    *m = bigger;
    return true;
}

int64_t pxi_map_put(struct pxi_map *m, px_view key, uint32_t value)
{
    if ((!m->slots || m->count * 2 >= m->mask) && !rehash(m))
        return -1;
    struct pxi_map_slot *s = slot_of(m, key);
    if (s->used)
        return s->value;
    *s = (struct pxi_map_slot){key, value, 1};
    m->count++;
    return value;
}
