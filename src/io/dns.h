/*
 * Names in addresses: a transport that asks the system's resolver. /dns, /dns4 and /dns6 pass the
 * dial on to the transport of the ip that was found; /dnsaddr gives the addresses that it stands
 * for to the attempt that it is part of (io/dnsaddr).
 */
#ifndef PXI_IO_DNS_H
#define PXI_IO_DNS_H

#include "io/loop.h"
#include "net/host.h"

struct pxi_dns_io;

/* The transport of a host: adds itself to it. NULL: no memory. */
struct pxi_dns_io *pxi_dns_io_new(struct pxi_loop *l, struct pxi_host *h);
/* Ask this name server (IPv4, network order) for TXT records, not those of the system. */
void pxi_dns_io_server(struct pxi_dns_io *d, uint32_t ip, uint16_t port);
/* After the host. The loop must run once more after it. NULL is allowed. */
void pxi_dns_io_free(struct pxi_dns_io *d);

#endif
