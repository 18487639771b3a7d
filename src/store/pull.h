/*
 * Fetching a model, or a part of it, from many providers at once by /plexus/shard/1. Every group is
 * checked on arrival; a provider that sends a wrong byte, or stops, is dropped and others are asked
 * for what it owed. What has arrived is kept: a fetch that was stopped, or killed, goes on.
 * docs/internals/store.md tells the rules.
 */
#ifndef PXI_STORE_PULL_H
#define PXI_STORE_PULL_H

#include "net/host.h"
#include "net/kad.h"
#include "store/serve.h"
#include "store/store.h"

struct pxi_pull;

struct pxi_pull_options {
    struct pxi_host *host;
    struct pxi_store *store;
    struct pxi_kad *kad;  /* NULL: no DHT */
    struct pxi_cid model; /* raw; BLAKE3, or SHA-256 of the manifest */
    bool part;            /* only `want` of it */
    struct pxi_want want;
    const struct pxi_peer *peers; /* providers to begin with; copied */
    unsigned peer_count;
    /* It is over: PX_ERR_OK, and the model; else what went wrong, and the pull is gone after this
     * returns. From the loop. */
    void (*done)(void *ctx, px_err err, struct pxi_store_model *m);
    void *ctx;
};

/* Begin. NULL: no memory. `done` comes later, once, unless it is cancelled. */
struct pxi_pull *pxi_pull_start(const struct pxi_pull_options *o);
void pxi_pull_cancel(struct pxi_pull *p);

/* What an error of a pull means, or NULL. */
const char *pxi_pull_why(px_err err);

struct pxi_pull_source {
    struct pxi_peer peer;
    const char *state; /* "dialling", "asked", "idle", "dropped", "wrong bytes" */
    uint64_t bytes, window, owed;
};
struct pxi_pull_status {
    const struct pxi_store_model *model; /* NULL: the manifest is not here yet */
    uint64_t bytes, bytes_here, bytes_got;
    uint32_t shards, shards_here;
    unsigned sources; /* that were tried */
};
struct pxi_pull_status pxi_pull_status_of(const struct pxi_pull *p);
/* The i-th provider that was tried; false past the end. */
bool pxi_pull_source_at(const struct pxi_pull *p, unsigned i, struct pxi_pull_source *out);

#endif
