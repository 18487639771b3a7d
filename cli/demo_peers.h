/* An act of the demo: two peers on this machine find each other. */
#ifndef CLI_DEMO_PEERS_H
#define CLI_DEMO_PEERS_H

#include "json.h"

struct peers_seen {
    char mine[80], other[80]; /* peer ids */
    const char *how;          /* "mDNS", or "address" where there is no multicast */
    double found_ms, ping_ms;
    char addr[512], security[32];
    int ok;
};

/* Start a peer in a process of its own and one here, let them meet. PX_ERR_UNSUPPORTED: a build
 * without the network. */
px_err demo_peers(struct peers_seen *out, px_diag *d);

#endif
