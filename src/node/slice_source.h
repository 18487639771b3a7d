/*
 * Where the weights of a slice come from: the model that the program carries, or shards of the
 * store, fetched from peers when they are not here. Only the shards of the slice are fetched and
 * mapped.
 */
#ifndef PXI_NODE_SLICE_SOURCE_H
#define PXI_NODE_SLICE_SOURCE_H

#include "node/engine.h"
#include "node/node_impl.h"

/* What planning wants to know of a model. */
struct pxi_model_facts {
    char id[96]; /* by which peers know it: "tiny-" and a hash, or the CID of its manifest */
    uint32_t blocks, context_train, vocab;
    uint64_t block_bytes, embed_bytes,
        output_bytes;           /* weights; output: what the last stage reads */
    uint64_t kv_position_bytes; /* of one position in one block, f16 */
    uint64_t row_bytes;         /* a hidden state, f32 */
};

/* By name, CID or beginning of one. PX_ERR_NOT_FOUND: neither carried nor in the store. */
px_err pxi_model_facts(px_node *n, const char *name, struct pxi_model_facts *out);

/* The shards of a model that are on this disk; those of the model inside are. */
struct pxi_held;
void pxi_model_held(px_node *n, const char *name, struct pxi_held *out);

/* A slice that is being opened. */
struct pxi_slice_source;

/* The model (px_model_close, then pxi_slice_release with the same id), or why not: a sentence that
 * is good until this returns. */
typedef void pxi_slice_fn(void *ctx, px_err err, const char *why, px_model *m);

/* Open a slice of the model of that id, from anywhere. `done` comes once, later, never from inside.
 * NULL: no memory. */
struct pxi_slice_source *pxi_slice_fetch(px_node *n, const char *id, const struct pxi_slice *s,
                                         pxi_slice_fn *done, void *ctx);
void pxi_slice_cancel(struct pxi_slice_source *f);
/* A slice is no longer used: garbage collection may take its shards. */
void pxi_slice_release(px_node *n, const char *id);

#endif
