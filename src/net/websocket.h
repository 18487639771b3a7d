/*
 * WebSocket (RFC 6455), client and server, as a link over a link: an HTTP upgrade, then binary
 * messages that are one stream of bytes whatever their borders. For addresses with /ws.
 */
#ifndef PXI_NET_WEBSOCKET_H
#define PXI_NET_WEBSOCKET_H

#include "base/timer.h"
#include "crypto/random.h"
#include "net/fault.h"
#include "net/link.h"

struct pxi_websocket_options {
    struct pxi_timers *timers;
    struct pxi_random *random; /* keys and masks of a client */
    struct pxi_faults *faults; /* NULL: not counted */
    bool server;
    const char *host; /* of a client: what the Host header says; copied */
};

/* Take over the lower link; the caller sets on and user of the one returned, which is freed after
 * its close or its `lost`. Nothing is pulled from its upper side before the upgrade is done. NULL
 * when memory is out or the host name is too long. */
struct pxi_link *pxi_websocket_new(const struct pxi_websocket_options *o, struct pxi_link *lower);

#endif
