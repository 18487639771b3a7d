/*
 * The bytes of a file that lies elsewhere: as many addresses as it has bytes, to which they are
 * brought when they are asked for. Blocks are what comes at once and is checked as a whole.
 */
#ifndef PXI_BASE_FAR_H
#define PXI_BASE_FAR_H

#include <stdbool.h>

#include "plexus/err.h"

struct pxi_far;

struct pxi_far_ops {
    /* Have bytes here, and checked, until they are let go of; waits. n may be 0. What is wrong at
     * its origin is here, too: the checksums of samples tell. On failure nothing is held. */
    px_err (*hold)(struct pxi_far *f, uint64_t at, uint64_t n);
    void (*let_go)(struct pxi_far *f, uint64_t at, uint64_t n);
    /* Bytes will be held soon: true when they are here. Does not wait. */
    bool (*ahead)(struct pxi_far *f, uint64_t at, uint64_t n);
};

struct pxi_far {
    const struct pxi_far_ops *ops;
};

/* A block, and the bytes elsewhere in the file without which it cannot be checked (0: there are
 * none). They lie in blocks that need no others. */
struct pxi_far_block {
    uint64_t at, proof_at;
    uint32_t n, proof_n;
};

/* How a file is cut into blocks. */
struct pxi_far_cut {
    /* The block in which a byte of the file lies. */
    void (*block)(const void *ctx, uint64_t at, struct pxi_far_block *out);
    /* Is a block right? `file` is where the file would begin; the proof is here, too. */
    bool (*right)(const void *ctx, const struct pxi_far_block *b, const uint8_t *file);
    const void *ctx;
};

/* Of a file that is here, f is NULL. */
static inline px_err pxi_far_hold(struct pxi_far *f, uint64_t at, uint64_t n)
{
    return f ? f->ops->hold(f, at, n) : PX_ERR_OK;
}
static inline void pxi_far_let_go(struct pxi_far *f, uint64_t at, uint64_t n)
{
    if (f)
        f->ops->let_go(f, at, n);
}
static inline bool pxi_far_ahead(struct pxi_far *f, uint64_t at, uint64_t n)
{
    return !f || f->ops->ahead(f, at, n);
}

#endif
