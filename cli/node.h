/* What verbs of the network share: options of a node, and asking the node that runs. */
#ifndef CLI_NODE_H
#define CLI_NODE_H

#include "json.h"

/* Options of a node from those of the verb; what the verb does not have is the default. */
px_node_options node_options(const struct cli *c);

/* Allow this process as many open files as the system lets it have: a connection is a file. */
void files_raise(void);

/* Path of the control socket in the node's home. Kept. */
const char *node_socket(void);

/* Ask the running node: {"op":op} and the fields of `in` (stolen). The reply, or NULL after the
 * error was told; then *rc is the exit code. */
json_t *node_ask(const struct cli *c, const char *op, json_t *in, int *rc);

/* The same, with what to do when the node refuses. */
json_t *node_ask_hint(const struct cli *c, const char *op, json_t *in, int *rc, const char *hint);

/* Ask the running node for op with the first argument as `field`; --json prints that field. The
 * exit code. */
int node_order(struct cli *c, const char *op, const char *field);

/* The error with this stable code. */
px_err node_err(const char *code);

/* Print the named fields of a reply as the --json document of the verb; frees the reply. */
int node_print(const struct cli *c, json_t *reply, const char *const *fields);

/* store.c: put a file into the store of the running node, with progress; it is not pinned. cid:
 * what the model is called then. 0 or an exit code. */
int store_push_file(const struct cli *c, const char *path, char *cid, size_t cap);
/* Have the node fetch metadata and tokenizer of a model. 0 or an exit code. */
int store_pull_words(const struct cli *c, const char *cid);

/* Print the ready line of a node; with --json it has the schema. */
void node_ready(const struct cli *c, const char *ready);

/* A multiaddr rather than a peer id. */
int node_is_addr(const char *text);

#endif
