/*
 * Asks for the TXT records behind /dnsaddr, in a thread of libuv's pool, since the resolver of the
 * system blocks. One question serves one dial.
 */
#ifndef PXI_IO_DNSADDR_H
#define PXI_IO_DNSADDR_H

#include <netinet/in.h>

#include "io/loop.h"
#include "net/host.h"

/* Ask for what the address of a dial stands for; d->transport_data is taken, and the dial expands
 * and ends, later. server: whom to ask instead of the system's name servers (family 0: those).
 * false: nothing was begun. */
bool pxi_dnsaddr_ask(struct pxi_loop *l, struct pxi_dial *d, const struct sockaddr_in *server);
/* The dial is not interested any more. */
void pxi_dnsaddr_cancel(struct pxi_dial *d);

#endif
