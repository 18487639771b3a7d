/* One errand of the worker that asks routers. */
#ifndef PXI_IO_PORTMAP_IMPL_H
#define PXI_IO_PORTMAP_IMPL_H

#include "codec/maddr.h"

enum { PXI_PORTMAP_MAX = 8, PXI_PORTMAP_LEASE_S = 3600 };

struct pxi_portmap_want {
    struct pxi_endpoint inside, outside; /* outside.family == 0: not mapped */
};

struct pxi_portmap_job {
    struct pxi_portmap_want want[PXI_PORTMAP_MAX];
    unsigned n;
};

/* Ask the gateway by NAT-PMP, then by UPnP for what is left. Blocks for seconds. */
void pxi_portmap_ask(struct pxi_portmap_job *job);
/* UPnP alone (portmap_upnp.c). */
void pxi_portmap_ask_upnp(struct pxi_portmap_job *job);

#endif
