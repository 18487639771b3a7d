/* Peers that discovery (mDNS) named since the start, and connecting to them. */
#ifndef PXI_NODE_DISCOVERED_H
#define PXI_NODE_DISCOVERED_H

#include "net/host.h"

struct pxi_discovered;

/* Remember who is discovered; `connect`: dial them, too. NULL: no memory. */
struct pxi_discovered *pxi_discovered_new(struct pxi_host *h, bool connect);
void pxi_discovered_free(struct pxi_discovered *d);
bool pxi_discovered_has(const struct pxi_discovered *d, const struct pxi_peer *p);

#endif
