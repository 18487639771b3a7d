/*
 * identify and identify push (/ipfs/id/1.0.0, /ipfs/id/push/1.0.0): peers tell each other their
 * agent, protocols, addresses and a signed record of them, and what address the other is seen at.
 * Every new connection is identified in both directions; changes of our own are pushed.
 */
#ifndef PXI_NET_IDENTIFY_H
#define PXI_NET_IDENTIFY_H

#include "net/host.h"

struct pxi_identify;

/* Serve and ask, for the life of the returned object. NULL: no memory. */
struct pxi_identify *pxi_identify_new(struct pxi_host *h);
void pxi_identify_free(struct pxi_identify *i);

/* A peer told us that it sees us at this address (without /p2p). */
void pxi_identify_on_observed(struct pxi_identify *i,
                              void (*fn)(void *ctx, px_view addr, struct pxi_conn *c), void *ctx);

#endif
