/*
 * The store of a node: the folder, what serves it to peers, the pushes and pulls under way, and the
 * provider records in the DHT. The stage loader takes slices from `store` (pxi_store_slice) and
 * fetches what is missing with pxi_stored_pull.
 */
#ifndef PXI_NODE_STORED_H
#define PXI_NODE_STORED_H

#include <jansson.h>

#include "node/node_impl.h"
#include "plexus/model.h"
#include "store/pull.h"
#include "store/push.h"

struct pxi_stored {
    px_node *node;
    struct pxi_files *files;
    struct pxi_store *store;
    struct pxi_shard_server *server;
    struct pxi_announcer *announcer;
    struct pxi_list jobs; /* struct pxi_job_of_store */
    uint64_t next_job;
    unsigned job_count;
    bool sha256;
};

/* Open the store of the options; nothing when they name none. After the DHT. */
px_err pxi_stored_open(px_node *n, const px_node_options *o, px_diag *d);
/* Ends every job; waits for worker threads. Before the DHT and the host go. */
void pxi_stored_close(px_node *n);

/* Fetch a part of a model (want NULL: all of it) from whoever has it. NULL: no memory. */
struct pxi_pull *pxi_stored_pull(px_node *n, const struct pxi_cid *model,
                                 const struct pxi_want *want,
                                 void (*done)(void *ctx, px_err err, struct pxi_store_model *m),
                                 void *ctx);

/* announce.c: keep telling the DHT what is here. */
struct pxi_announcer *pxi_announcer_new(px_node *n, struct pxi_store *s, bool sha256);
void pxi_announcer_free(struct pxi_announcer *a);
/* Models or shards came or went: look again. */
void pxi_announcer_look(struct pxi_announcer *a);

/* store_report.c: what replies say. The path of a model is only for this machine. */
json_t *pxi_json_store(struct pxi_store *s);
json_t *pxi_json_model(struct pxi_store *s, const struct pxi_store_model *m, bool shards);
/* Pin or unpin, remove, show: the op's own part; the reply, or NULL and what went wrong. */
json_t *pxi_store_op(struct pxi_store *s, const char *op, json_t *in, px_err *err,
                     const char **why);
/* Open the model of a path to push it; free with px_model_close. */
px_err pxi_push_open(const char *path, px_model **out, px_diag *d);

#endif
