/* Keyed permutations. */
#include "data/order.h"

/* The finaliser of splitmix64 (Steele, Lea and Flood, 2014). */
static uint64_t mixed(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

uint64_t pxi_order_hash(uint64_t seed, uint64_t a, uint64_t b)
{
    uint64_t x = mixed(seed + 0x9e3779b97f4a7c15u);
    x = mixed(x ^ (a + 0x9e3779b97f4a7c15u));
    return mixed(x ^ (b + 0xd1b54a32d192ed03u));
}

void pxi_order_init(struct pxi_order *o, uint64_t n, uint64_t seed, uint64_t epoch)
{
    unsigned bits = 8; /* halves of fewer bits are not even enough */
    while (bits < 64 && n > 1ull << bits)
        bits++;
    o->n = n;
    o->low = bits / 2;
    o->high = bits - bits / 2;
    for (unsigned r = 0; r < PXI_ORDER_ROUNDS; r++)
        o->key[r] = pxi_order_hash(seed, epoch, r);
}

static uint64_t below(unsigned bits)
{
    return (1ull << bits) - 1;
}

/* One pass of the rounds, forwards or backwards. */
static uint64_t pass(const struct pxi_order *o, uint64_t x, int back)
{
    uint64_t low = x & below(o->low), high = x >> o->low;
    for (unsigned i = 0; i < PXI_ORDER_ROUNDS; i++) {
        unsigned r = back ? PXI_ORDER_ROUNDS - 1 - i : i;
        if (r % 2)
            low ^= mixed(high ^ o->key[r]) & below(o->low);
        else
            high ^= mixed(low ^ o->key[r]) & below(o->high);
    }
    return high << o->low | low;
}

uint64_t pxi_order_at(const struct pxi_order *o, uint64_t i)
{
    uint64_t x = i;
    do
        x = pass(o, x, 0);
    while (x >= o->n);
    return x;
}

uint64_t pxi_order_place(const struct pxi_order *o, uint64_t x)
{
    do
        x = pass(o, x, 1);
    while (x >= o->n);
    return x;
}
