/* What `up` and `serve` share: the HTTP API and a model behind it, and how a node ends. */
#ifndef CLI_SERVE_H
#define CLI_SERVE_H

#include "node.h"

/* Options of the HTTP API. */
void api_options(const struct cli *c, px_node_options *o);

/* Open the model and let the node answer for it. *m is to be closed after the node. 0 or an exit
 * code. */
int api_serve(const struct cli *c, px_node *n, const char *path, px_model **m);

/* Say where the API is, and where its token lies when it asks for one. */
void api_show(const struct cli *c, const px_node *n, const px_node_options *o);

/* What is missing on this machine, and what serves instead: one line each on standard error. */
void show_notes(const struct cli *c, px_node *n);

/* SIGINT and SIGTERM end the node in order. */
void signals_catch(px_node *n);
/* From here on a signal finds no node to stop. */
void signals_ignore(void);

#endif
