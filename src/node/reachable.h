/* How others reach this node: relays, hole punching, AutoNAT, and what is known of its NAT. */
#ifndef PXI_NODE_REACHABLE_H
#define PXI_NODE_REACHABLE_H

#include <jansson.h>

#include "net/identify.h"
#include "net/relay.h"
#include "plexus/node.h"

struct pxi_reachable;

/* Start what the options ask for. PX_ERR_NOMEM. */
px_err pxi_reachable_new(struct pxi_host *h, struct pxi_identify *i, struct pxi_upgrader *u,
                         const px_node_options *o, struct pxi_reachable **out);
/* Before the host is freed. */
void pxi_reachable_free(struct pxi_reachable *r);

/* Listen at RELAY/p2p-circuit: keep a reservation there. PX_ERR_UNSUPPORTED without relays. */
px_err pxi_reachable_listen(struct pxi_reachable *r, px_view addr);

/* Add observed, nat, reachable and relays to a report. */
void pxi_reachable_report(struct pxi_reachable *r, json_t *out);

#endif
