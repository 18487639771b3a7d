/*
 * Cutting a model into shards: which tensors belong to which shard, and the bytes of each. A shard
 * is a GGUF v3 file of a split model; its bytes are canonical, so that the same model has the same
 * shards wherever it is cut: docs/internals/store.md.
 */
#ifndef PXI_STORE_SHARD_H
#define PXI_STORE_SHARD_H

#include "base/mem.h"
#include "plexus/gguf.h"

enum pxi_shard_role {
    PXI_SHARD_META,   /* all metadata, and tensors of no other role (rope_freqs) */
    PXI_SHARD_EMBED,  /* token_embd.* */
    PXI_SHARD_BLOCK,  /* blk.N.* */
    PXI_SHARD_OUTPUT, /* output*.* */
    PXI_SHARD_ROLES
};

/* "meta", "token_embd", "block", "output"; "?" for another number. */
const char *pxi_shard_role_name(uint64_t role);

/* One shard of a model that is being cut. */
struct pxi_shard {
    enum pxi_shard_role role;
    uint32_t block;
    uint32_t first, count; /* of pxi_cut.order */
    uint64_t bytes;        /* of the whole shard */
};

/* A model and how it is cut. Borrows the model. */
struct pxi_cut {
    const px_gguf *g;
    const px_gguf_tensor **order; /* tensors, shard by shard, by name inside a shard */
    struct pxi_shard *shards;
    uint32_t count, blocks;
    uint64_t bytes;      /* of all shards */
    const char *missing; /* after PX_ERR_NOT_FOUND: what the model lacks */
};

/* Decide the cut. PX_ERR_NOT_FOUND: no token_embd, no output norm, no block, or a block without
 * tensors before others. PX_ERR_LIMIT: more blocks than a manifest holds. PX_ERR_NOMEM. Deinit
 * after any of them. */
px_err pxi_cut_init(struct pxi_cut *c, const px_gguf *g);
void pxi_cut_deinit(struct pxi_cut *c);

/* Write the bytes of shard i to fn, in order. With fn NULL, find their number instead. PX_ERR_IO:
 * fn refused. */
px_err pxi_shard_write(struct pxi_cut *c, uint32_t i, px_write_fn *fn, void *ctx);

/*
 * Does a parsed shard hold what its row says: number `no` of `count`, so many tensors, all of that
 * role and block? PX_ERR_CORRUPT with the diagnosis.
 */
px_err pxi_shard_check(const px_gguf *g, uint32_t no, uint32_t count, enum pxi_shard_role role,
                       uint32_t block, uint64_t tensors, px_diag *d);

#endif
