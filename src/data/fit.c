/* First fit and best fit. */
#include "data/fit.h"

#include "base/mem.h"

#define NONE UINT32_MAX

/* First fit: a tree over bins, each node the largest room below it. */
static px_err first_fit(const uint32_t *tokens, uint32_t n, uint32_t room, uint32_t *bin,
                        uint32_t *bins)
{
    uint32_t leaves = 1;
    while (leaves < n)
        leaves *= 2;
    uint32_t *tree = pxi_calloc((size_t)leaves * 2, sizeof *tree);
    if (!tree)
        return PX_ERR_NOMEM;
    for (uint32_t i = 1; i < 2 * leaves; i++)
        tree[i] = room;
    *bins = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = 1;
        while (at < leaves)
            at = tree[2 * at] >= tokens[i] ? 2 * at : 2 * at + 1;
        bin[i] = at - leaves;
        if (bin[i] >= *bins)
            *bins = bin[i] + 1;
        tree[at] -= tokens[i];
        for (at /= 2; at; at /= 2)
            tree[at] = tree[2 * at] > tree[2 * at + 1] ? tree[2 * at] : tree[2 * at + 1];
    }
    pxi_free(tree);
    return PX_ERR_OK;
}

/* Lists by a number below `heads`: next[i] is the one behind i. */
struct lists {
    uint32_t *head, *next;
};

static void push(struct lists *l, uint32_t list, uint32_t i)
{
    l->next[i] = l->head[list];
    l->head[list] = i;
}

static uint32_t pop(struct lists *l, uint32_t list)
{
    uint32_t i = l->head[list];
    l->head[list] = l->next[i];
    return i;
}

/* The set of rooms that some bin has, as bits, and a bit for each word of them. */
struct rooms {
    uint64_t *bits, *words;
};

static void set_room(struct rooms *r, uint32_t room, bool on)
{
    uint32_t w = room / 64;
    r->bits[w] = on ? r->bits[w] | 1ull << (room % 64) : r->bits[w] & ~(1ull << (room % 64));
    r->words[w / 64] =
        r->bits[w] ? r->words[w / 64] | 1ull << (w % 64) : r->words[w / 64] & ~(1ull << (w % 64));
}

/* The smallest room of at least `want` up to `most`, NONE when no bin has one. */
static uint32_t room_for(const struct rooms *r, uint32_t want, uint32_t most)
{
    uint32_t w = want / 64;
    uint64_t bits = r->bits[w] >> (want % 64);
    if (bits)
        return want + (unsigned)__builtin_ctzll(bits);
    uint32_t group = ++w / 64;
    uint64_t words = w % 64 ? r->words[group] >> (w % 64) << (w % 64) : r->words[group];
    while (!words) {
        if (++group > most / 64 / 64)
            return NONE;
        words = r->words[group];
    }
    w = group * 64 + (unsigned)__builtin_ctzll(words);
    return w * 64 + (unsigned)__builtin_ctzll(r->bits[w]);
}

static void best_place(const uint32_t *tokens, uint32_t n, uint32_t room, struct lists *samples,
                       struct lists *open, struct rooms *rooms, uint32_t *bin, uint32_t *bins)
{
    *bins = 0;
    for (uint32_t i = n; i-- > 0;)
        push(samples, tokens[i], i);
    for (uint32_t size = room; size > 0; size--)
        while (samples->head[size] != NONE) {
            uint32_t i = pop(samples, size), have = room_for(rooms, size, room), b = *bins;
            if (have == NONE) {
                have = room;
                (*bins)++;
            } else {
                b = pop(open, have);
                if (open->head[have] == NONE)
                    set_room(rooms, have, false);
            }
            bin[i] = b;
            have -= size;
            push(open, have, b);
            set_room(rooms, have, true);
        }
}

static px_err best_fit(const uint32_t *tokens, uint32_t n, uint32_t room, uint32_t *bin,
                       uint32_t *bins)
{
    size_t heads = (size_t)room + 1, words = heads / 64 + 2;
    struct lists samples = {pxi_calloc(heads, 4), pxi_calloc(n, 4)};
    struct lists open = {pxi_calloc(heads, 4), pxi_calloc(n, 4)};
    struct rooms rooms = {pxi_calloc(words, 8), pxi_calloc(words / 64 + 2, 8)};
    px_err err = PX_ERR_NOMEM;
    if (samples.head && samples.next && open.head && open.next && rooms.bits && rooms.words) {
        for (size_t i = 0; i < heads; i++)
            samples.head[i] = open.head[i] = NONE;
        best_place(tokens, n, room, &samples, &open, &rooms, bin, bins);
        err = PX_ERR_OK;
    }
    pxi_free(samples.head);
    pxi_free(samples.next);
    pxi_free(open.head);
    pxi_free(open.next);
    pxi_free(rooms.bits);
    pxi_free(rooms.words);
    return err;
}

px_err pxi_fit(const uint32_t *tokens, uint32_t n, uint32_t room, bool best, uint32_t *bin,
               uint32_t *bins)
{
    *bins = 0;
    if (!n)
        return PX_ERR_OK;
    return best ? best_fit(tokens, n, room, bin, bins) : first_fit(tokens, n, room, bin, bins);
}
