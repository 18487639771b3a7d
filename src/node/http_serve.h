/* The HTTP API of a running node: its socket, its token, and what it tells of the node. */
#ifndef PXI_NODE_HTTP_SERVE_H
#define PXI_NODE_HTTP_SERVE_H

#include "node/http.h"
#include "node/node_impl.h"

struct pxi_http_serve;

/* Open what the options ask for; *n->http stays NULL when they ask for nothing. */
px_err pxi_http_serve_open(px_node *n, const px_node_options *o, px_diag *d);
/* NULL is allowed. */
void pxi_http_serve_close(struct pxi_http_serve *s);

/* "http://127.0.0.1:7878"; NULL for no server. */
const char *pxi_http_serve_url(const struct pxi_http_serve *s);
/* The API, to add generators to; NULL for no server. */
struct pxi_api *pxi_http_serve_api(const struct pxi_http_serve *s);

#endif
