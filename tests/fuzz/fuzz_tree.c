/*
 * Any bytes as the stream of a slice: geometry and size come from the first bytes. What is accepted
 * must be the group of the true input, which is the same for every run.
 */
#include "crypto/tree.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { GROUPS = 7, BYTES = (GROUPS - 1) * PXI_GROUP + 100 };
static uint8_t input[BYTES], tree[2 * GROUPS * PXI_DIGEST], root[PXI_DIGEST];

static void setup(void)
{
    uint64_t count;
    for (size_t i = 0; i < BYTES; i++)
        input[i] = (uint8_t)(i / PXI_GROUP);
    for (uint64_t i = 0; i < GROUPS; i++)
        pxi_tree_group(px_view_of(input + i * PXI_GROUP, pxi_tree_group_bytes(BYTES, i)), i,
                       tree + i * PXI_DIGEST);
    for (unsigned l = 1; l < pxi_tree_levels(GROUPS); l++) {
        uint64_t from = pxi_tree_level_at(GROUPS, l - 1, &count);
        pxi_tree_pair(tree + from * PXI_DIGEST, count, tree + (from + count) * PXI_DIGEST);
    }
    pxi_blake3(px_view_of(input, BYTES), root);
}

/* What a true sender would send next, changed where the data say so. */
static size_t offer(const struct pxi_bao *s, uint8_t *out, struct pxi_tree_at *at, uint8_t change)
{
    size_t n = pxi_bao_next(s, at);
    if (at->leaf && at->first < GROUPS) {
        memcpy(out, input + at->first * PXI_GROUP, pxi_tree_group_bytes(BYTES, at->first));
    } else if (!at->leaf && at->first < GROUPS && at->count <= GROUPS) {
        uint64_t pos[2];
        pxi_tree_children(GROUPS, at, pos);
        for (unsigned i = 0; i < 2 && pos[i] < 2 * GROUPS; i++)
            memcpy(out + i * PXI_DIGEST, tree + pos[i] * PXI_DIGEST, PXI_DIGEST);
    }
    if (change && n)
        out[change % n] ^= change;
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[PXI_GROUP];
    struct pxi_bao s;
    uint64_t claim = BYTES;
    if (size < 8)
        return 0;
    if (!root[0])
        setup();
    for (unsigned i = 0; i < 4 && data[0] & 1; i++)
        claim = claim << 8 ^ data[1 + i];
    if (pxi_bao_begin(&s, root, claim, data[5] % 9, data[6]) != PX_ERR_OK)
        return 0;
    for (size_t i = 7; i < size && !pxi_bao_done(&s); i++) {
        struct pxi_tree_at at;
        size_t n = offer(&s, out, &at, data[i]);
        px_err err = pxi_bao_check(&s, px_view_of(out, n), NULL);
        if (err != PX_ERR_OK)
            break;
        if (at.leaf && (at.first >= GROUPS || memcmp(out, input + at.first * PXI_GROUP, n) != 0))
            abort();
    }
    if (s.depth > PXI_TREE_DEPTH)
        abort();
    return 0;
}
