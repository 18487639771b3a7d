/*
 * BLAKE3 as a tree over groups of 64 KiB (64 chunks), so that any range of groups can be checked
 * against the hash of the whole while it arrives. A slice is sent in pre-order: at each node that
 * the range touches, the two hashes below it, then what lies below; at a leaf the bytes of the
 * group. This is Bao with groups for leaves. Pure functions, no allocation.
 */
#ifndef PXI_CRYPTO_TREE_H
#define PXI_CRYPTO_TREE_H

#include "crypto/hash.h"
#include "plexus/err.h"

enum {
    PXI_GROUP = 65536,
    PXI_TREE_NODE = 2 * PXI_DIGEST, /* the two hashes below a node */
    PXI_TREE_DEPTH = 49,            /* levels of 2^64 bytes, and one */
};

/* Groups of `size` bytes; an empty input is one empty group. */
uint64_t pxi_tree_groups(uint64_t size);
/* Bytes of group i (i < groups). */
size_t pxi_tree_group_bytes(uint64_t size, uint64_t i);

/* Hash (chaining value) of group i of an input of more than one group. */
void pxi_tree_group(px_view bytes, uint64_t i, uint8_t out[PXI_DIGEST]);
/* Hash of a node from the two below it; root: of the whole input. */
void pxi_tree_node(const uint8_t pair[PXI_TREE_NODE], int root, uint8_t out[PXI_DIGEST]);

/*
 * Stored trees: level 0 holds the hashes of the groups, each further level those of pairs of the
 * one below (an odd one at the end rises as it is), down to a level of two. A single group has no
 * stored tree. Positions count hashes of 32 bytes.
 */
unsigned pxi_tree_levels(uint64_t groups);
/* First position of a level, and how many hashes it holds. */
uint64_t pxi_tree_level_at(uint64_t groups, unsigned level, uint64_t *count);
/* Hashes of all levels. */
uint64_t pxi_tree_hashes(uint64_t groups);
/* Pair `count` hashes at in into (count + 1) / 2 at out, which may be in. */
void pxi_tree_pair(const uint8_t *in, size_t count, uint8_t *out);

/* A node: the groups that it covers, and where its two hashes stand (0, 1) in a stored tree. */
struct pxi_tree_at {
    uint64_t first, count; /* groups */
    int leaf;
};
void pxi_tree_children(uint64_t groups, const struct pxi_tree_at *n, uint64_t at[2]);

/*
 * One slice on its way: the walk that sender and receiver share. The sender calls pxi_bao_next
 * and pxi_bao_pass; the receiver pxi_bao_next and pxi_bao_check.
 */
struct pxi_bao {
    uint64_t size, first, count; /* bytes of the input; groups asked for */
    unsigned depth;
    struct pxi_bao_node {
        uint64_t first, count;
        uint8_t hash[PXI_DIGEST];
    } stack[PXI_TREE_DEPTH];
};

/* Begin with the hash of the input. PX_ERR_INVALID when the range is empty or past the end. */
px_err pxi_bao_begin(struct pxi_bao *s, const uint8_t root[PXI_DIGEST], uint64_t size,
                     uint64_t first, uint64_t count);
/* What comes next: its bytes, and where it is; 0 when the slice is complete. An empty input has
 * one leaf of no bytes: check it (done is 1). */
size_t pxi_bao_next(const struct pxi_bao *s, struct pxi_tree_at *at);
int pxi_bao_done(const struct pxi_bao *s);
/* The hash that the next part must have; for those who check leaves elsewhere and then pass. */
const uint8_t *pxi_bao_expect(const struct pxi_bao *s);
/* The sender has sent it. */
void pxi_bao_pass(struct pxi_bao *s);
/* It has arrived: PX_ERR_CORRUPT when it is not what the hash says, and nothing moves. Of a leaf,
 * `hash` (may be NULL) receives its hash as a stored tree has it. */
px_err pxi_bao_check(struct pxi_bao *s, px_view bytes, uint8_t hash[PXI_DIGEST]);

#endif
