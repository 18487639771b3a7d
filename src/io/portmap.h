/*
 * Port mapping: asks the router of a home network to let others in at our listening ports, by
 * NAT-PMP (RFC 6886) and, where libminiupnpc is installed, by UPnP. Both block, so they run in a
 * worker thread of libuv; the loop only hears what came of it. Off until somebody makes one.
 */
#ifndef PXI_IO_PORTMAP_H
#define PXI_IO_PORTMAP_H

#include "io/loop.h"
#include "net/host.h"

struct pxi_portmap;

/* Map the private addresses at which the host listens, now and again before leases end; mapped
 * ones are added to its addresses. NULL: no memory. */
struct pxi_portmap *pxi_portmap_new(struct pxi_loop *l, struct pxi_host *h);
/* Before the host is freed; a worker that still runs is waited for by the loop. Leases are left to
 * end by themselves. */
void pxi_portmap_free(struct pxi_portmap *p);
/* The i-th mapped address (without /p2p); empty past the end. */
px_view pxi_portmap_addr(const struct pxi_portmap *p, unsigned i);

#endif
