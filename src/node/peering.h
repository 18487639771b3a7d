/* Whom a node keeps close and whom it lets in: bootstrap peers and the allow-list. */
#ifndef PXI_NODE_PEERING_H
#define PXI_NODE_PEERING_H

#include "net/host.h"

/* Peers that are dialled until they answer, and again when they go. Addresses need a /p2p. */
struct pxi_reaching;
px_err pxi_bootstrap_new(struct pxi_host *h, const char *const *addrs, unsigned count,
                         struct pxi_reaching **out, px_diag *d);
void pxi_bootstrap_free(struct pxi_reaching *r);

/* Only these peers may be connected; with none the host stays open and *out is NULL. */
struct pxi_allow;
px_err pxi_allow_new(struct pxi_host *h, const char *const *peers, unsigned count,
                     struct pxi_allow **out, px_diag *d);
void pxi_allow_free(struct pxi_allow *a);

#endif
