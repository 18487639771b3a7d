/*
 * Being reached: relays, hole punching, AutoNAT and what peers tell of our addresses, put together
 * for one node as its options ask.
 */
#ifndef PXI_NODE_REACHABLE_H
#define PXI_NODE_REACHABLE_H

#include <jansson.h>

#include "net/identify.h"
#include "net/upgrade.h"
#include "plexus/node.h"

struct pxi_reachable;

/* Start what the options turn on. NULL: no memory. */
struct pxi_reachable *pxi_reachable_new(struct pxi_host *h, struct pxi_upgrader *u,
                                        struct pxi_identify *id, const px_node_options *o);
void pxi_reachable_free(struct pxi_reachable *r);

/* Listen at /.../p2p/RELAY/p2p-circuit: keep a reservation there. PX_ERR_UNSUPPORTED: --relay is
 * not client. */
px_err pxi_reachable_listen(struct pxi_reachable *r, px_view addr);

/* The fields observed, nat, reachable and relays of the NAT report. */
void pxi_reachable_report(const struct pxi_reachable *r, json_t *out);

#endif
