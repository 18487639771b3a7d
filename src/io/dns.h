/*
 * Names in addresses (/dns, /dns4, /dns6): a transport that asks the system's resolver and passes
 * the dial on to the transport of the ip that it found. /dnsaddr needs TXT records, which the
 * system's resolver does not give: such an address is not dialled.
 */
#ifndef PXI_IO_DNS_H
#define PXI_IO_DNS_H

#include "io/loop.h"
#include "net/host.h"

struct pxi_dns_io;

/* The transport of a host: adds itself to it. NULL: no memory. */
struct pxi_dns_io *pxi_dns_io_new(struct pxi_loop *l, struct pxi_host *h);
/* After the host. The loop must run once more after it. NULL is allowed. */
void pxi_dns_io_free(struct pxi_dns_io *d);

#endif
