/*
 * TCP and WebSocket connections: listening sockets, dials, and each socket as a struct pxi_link
 * that is upgraded (net/upgrade). Dials beyond this machine leave from the listening port, so that
 * NATs map both alike and peers can punch holes.
 */
#ifndef PXI_IO_TCP_H
#define PXI_IO_TCP_H

#include "io/loop.h"
#include "net/upgrade.h"

struct pxi_tcp;

/* The transport of a host: adds itself to it. NULL: no memory. */
struct pxi_tcp *pxi_tcp_new(struct pxi_loop *l, struct pxi_upgrader *u);
/* Stop listening and close what is left of the sockets. The loop must run once more after it. */
void pxi_tcp_free(struct pxi_tcp *t);

/* Listen at /ip4|ip6/../tcp/PORT(/ws); port 0 picks one. Adds our addresses to the host. */
px_err pxi_tcp_listen(struct pxi_tcp *t, px_view maddr, px_diag *d);

/* The same with a socket that is bound and listening already (non-blocking); it is taken over. */
px_err pxi_tcp_adopt(struct pxi_tcp *t, int fd);

#endif
