/*
 * Putting a model into the store: cut, hashed and written in one pass, then named by a manifest.
 * The middle part may run on a worker thread.
 */
#ifndef PXI_STORE_PUSH_H
#define PXI_STORE_PUSH_H

#include <stdatomic.h>

#include "store/store.h"

struct pxi_push {
    struct pxi_store *store;
    const struct pxi_key *key;
    px_view name; /* borrowed; empty: that of the metadata */
    bool sha256;
    struct pxi_cut cut;
    struct pxi_manifest_shard *rows;
    struct pxi_sink sink;
    uint32_t written;                     /* shards that have their names */
    _Atomic uint64_t done;                /* bytes; cut.bytes is all of them */
    _Atomic bool stop;                    /* set it to end the run soon */
    void (*progress)(struct pxi_push *p); /* from the run, now and then; may be NULL */
    void *user;
    px_err err;
};

/* Decide the cut and make room (owner's thread). The model is borrowed to the end. Zeroed memory
 * with store, key, name and sha256 set. PX_ERR_NOT_FOUND: p->cut.missing is what the model lacks.
 */
px_err pxi_push_begin(struct pxi_push *p, const px_gguf *g);
/* Write all shards (any thread); the result is in p->err. */
void pxi_push_run(struct pxi_push *p);
/* Enter what was written and add the manifest (owner's thread), even after a failed run. */
px_err pxi_push_end(struct pxi_push *p, struct pxi_store_model **out, px_diag *d);
void pxi_push_deinit(struct pxi_push *p);

#endif
