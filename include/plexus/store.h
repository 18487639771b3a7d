/*
 * The store of models: a folder of shards named by their hashes. A running node owns its store and
 * answers these commands on its control socket; without a node, this opens the folder itself.
 */
#ifndef PLEXUS_STORE_H
#define PLEXUS_STORE_H

#include "plexus/err.h"

PX_BEGIN_DECLS

/* All zero but root is the default. */
typedef struct px_store_options {
    size_t size;          /* sizeof(px_store_options) */
    const char *root;     /* the folder, made when missing */
    const char *key_file; /* who signs manifests, as in px_node_options */
    uint64_t quota;       /* bytes; 0: no limit */
} px_store_options;

/*
 * Run one command on a folder that no node has open: {"op":"store-list"}, "store-show",
 * "store-pin", "store-rm", "store-push" as the node takes them. `reply` hears one JSON object with
 * "ok", before it some with "progress". Errors of the folder itself are returned: PX_ERR_REFUSED
 * when another process has it open.
 */
PX_API PX_NODISCARD px_err px_store_do(const px_store_options *o, const char *command,
                                       void (*reply)(void *ctx, const char *text), void *ctx);

/*
 * The path that px_model_open takes for a model of the store: its CID (or the first 8 letters or
 * more), or its name. PX_ERR_NOT_FOUND: no such model, or not all of it is here. Free the path
 * with px_node_text_free.
 */
PX_API PX_NODISCARD px_err px_store_model_path(const char *root, const char *model, char **path);

/* The same for px_model_open_words: the shard with metadata and tokenizer must be here. */
PX_API PX_NODISCARD px_err px_store_words_path(const char *root, const char *model, char **path);

PX_END_DECLS

#endif
