#include "crypto/tree.h"

#include "crypto/blake3.h"

uint64_t pxi_tree_groups(uint64_t size)
{
    return size ? (size - 1) / PXI_GROUP + 1 : 1;
}

size_t pxi_tree_group_bytes(uint64_t size, uint64_t i)
{
    uint64_t left = size - i * PXI_GROUP;
    return left < PXI_GROUP ? (size_t)left : PXI_GROUP;
}

void pxi_tree_group(px_view bytes, uint64_t i, uint8_t out[PXI_DIGEST])
{
    pxi_blake3_subtree(bytes, i * (PXI_GROUP / PXI_BLAKE3_CHUNK), out);
}

void pxi_tree_node(const uint8_t pair[PXI_TREE_NODE], int root, uint8_t out[PXI_DIGEST])
{
    pxi_blake3_parent(pair, root, out);
}

/* ------------------------------------------------------------------ stored trees */

unsigned pxi_tree_levels(uint64_t groups)
{
    unsigned n = 0;
    for (; groups > 1; groups = groups / 2 + groups % 2)
        n++;
    return n;
}

uint64_t pxi_tree_level_at(uint64_t groups, unsigned level, uint64_t *count)
{
    uint64_t at = 0;
    for (; level; level--, groups = groups / 2 + groups % 2)
        at += groups;
    *count = groups;
    return at;
}

uint64_t pxi_tree_hashes(uint64_t groups)
{
    uint64_t count;
    return pxi_tree_level_at(groups, pxi_tree_levels(groups), &count);
}

void pxi_tree_pair(const uint8_t *in, size_t count, uint8_t *out)
{
    pxi_blake3_pairs(in, count, out);
}

/* Groups of the left side of a node: the greatest power of two below its number. */
static uint64_t left_of(uint64_t count)
{
    return UINT64_C(1) << (63 - __builtin_clzll(count - 1));
}

/* Level at which a node of `count` groups stands: all but the last ones are powers of two. */
static unsigned level_of(uint64_t count)
{
    return count > 1 ? 64 - (unsigned)__builtin_clzll(count - 1) : 0;
}

void pxi_tree_children(uint64_t groups, const struct pxi_tree_at *n, uint64_t at[2])
{
    uint64_t count, left = left_of(n->count);
    unsigned level = level_of(left);
    uint64_t base = pxi_tree_level_at(groups, level, &count);
    at[0] = base + (n->first >> level);
    at[1] = at[0] + 1;
}

/* ------------------------------------------------------------------ slices */

px_err pxi_bao_begin(struct pxi_bao *s, const uint8_t root[PXI_DIGEST], uint64_t size,
                     uint64_t first, uint64_t count)
{
    uint64_t groups = pxi_tree_groups(size);
    if (first >= groups || !count || count > groups - first)
        return PX_ERR_INVALID;
    s->size = size;
    s->first = first;
    s->count = count;
    s->depth = 1;
    s->stack[0].first = 0;
    s->stack[0].count = groups;
    memcpy(s->stack[0].hash, root, PXI_DIGEST);
    return PX_ERR_OK;
}

int pxi_bao_done(const struct pxi_bao *s)
{
    return s->depth == 0;
}

size_t pxi_bao_next(const struct pxi_bao *s, struct pxi_tree_at *at)
{
    if (!s->depth)
        return 0;
    const struct pxi_bao_node *n = &s->stack[s->depth - 1];
    *at = (struct pxi_tree_at){n->first, n->count, n->count == 1};
    return at->leaf ? pxi_tree_group_bytes(s->size, n->first) : PXI_TREE_NODE;
}

static int touches(const struct pxi_bao *s, uint64_t first, uint64_t count)
{
    return first < s->first + s->count && s->first < first + count;
}

static void push(struct pxi_bao *s, uint64_t first, uint64_t count, const uint8_t *hash)
{
    if (!touches(s, first, count))
        return;
    struct pxi_bao_node *n = &s->stack[s->depth++];
    n->first = first;
    n->count = count;
    if (hash)
        memcpy(n->hash, hash, PXI_DIGEST);
}

/* Below the node on top, from right to left, so that the left one comes next. */
static void descend(struct pxi_bao *s, const uint8_t *pair)
{
    struct pxi_bao_node n = s->stack[--s->depth];
    if (n.count == 1)
        return;
    uint64_t left = left_of(n.count);
    push(s, n.first + left, n.count - left, pair ? pair + PXI_DIGEST : NULL);
    push(s, n.first, left, pair);
}

const uint8_t *pxi_bao_expect(const struct pxi_bao *s)
{
    return s->stack[s->depth - 1].hash;
}

void pxi_bao_pass(struct pxi_bao *s)
{
    if (s->depth)
        descend(s, NULL);
}

px_err pxi_bao_check(struct pxi_bao *s, px_view bytes, uint8_t hash[PXI_DIGEST])
{
    struct pxi_tree_at at;
    uint8_t got[PXI_DIGEST];
    if (!s->depth || bytes.n != pxi_bao_next(s, &at))
        return PX_ERR_INVALID;
    int whole = at.count == pxi_tree_groups(s->size);
    if (!at.leaf)
        pxi_tree_node(bytes.p, whole, got);
    else if (whole)
        pxi_blake3(bytes, got);
    else
        pxi_tree_group(bytes, at.first, got);
    if (memcmp(got, s->stack[s->depth - 1].hash, sizeof got) != 0)
        return PX_ERR_CORRUPT;
    if (at.leaf && hash)
        memcpy(hash, got, sizeof got);
    descend(s, at.leaf ? NULL : bytes.p);
    return PX_ERR_OK;
}
