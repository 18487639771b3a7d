/* /ipfs/ping/1.0.0: 32 random bytes that come back; the answer takes one round trip. */
#ifndef PXI_NET_PING_H
#define PXI_NET_PING_H

#include "net/host.h"

/* Answer pings (at most two streams a connection). */
px_err pxi_ping_serve(struct pxi_host *h);

/* A series of pings on one stream. */
struct pxi_ping;

/* Begin on a connection; NULL when no stream can be had. `pong` comes for each answer with the
 * round trip (err PX_ERR_OK), or once with what went wrong, and then the ping is gone. */
struct pxi_ping *pxi_ping_open(struct pxi_conn *c,
                               void (*pong)(void *ctx, uint64_t rtt_ns, px_err err), void *ctx);
/* Send the next ping; one at a time. timeout_ns from now ends the series with PX_ERR_TIMEOUT. */
void pxi_ping_send(struct pxi_ping *p, uint64_t timeout_ns);
/* End the series; nothing more is heard. */
void pxi_ping_close(struct pxi_ping *p);

#endif
