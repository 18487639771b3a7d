/*
 * Multicast DNS on the sockets of this machine: the group of IPv4 and that of IPv6, on every
 * interface that is up and can multicast, for the machine of net/mdns.h.
 */
#ifndef PXI_IO_MDNS_H
#define PXI_IO_MDNS_H

#include "io/loop.h"
#include "net/mdns.h"

struct pxi_io_mdns;

/* Open the sockets and begin; `send` and `ctx` of the options are filled here. Interfaces are
 * looked up again every now and then. One family may be missing; PX_ERR_IO when both are. */
px_err pxi_io_mdns_open(struct pxi_loop *l, const struct pxi_mdns_options *o,
                        struct pxi_io_mdns **out);
/* Close; the loop must run once more after it. Before the host is freed. */
void pxi_io_mdns_close(struct pxi_io_mdns *m);
/* The machine, for its counters. */
struct pxi_mdns *pxi_io_mdns_machine(struct pxi_io_mdns *m);

#endif
