/*
 * AutoNAT v1 (/libp2p/autonat/1.0.0): peers are asked to dial us back, and more than three that
 * agree decide whether we are public. The server dials only the address from which it sees the
 * asking peer, never through a relay, and only so often.
 */
#ifndef PXI_NET_AUTONAT_H
#define PXI_NET_AUTONAT_H

#include "net/reachability.h"

#define PXI_AUTONAT_PROTOCOL "/libp2p/autonat/1.0.0"

struct pxi_autonat_options {
    bool server, client;
    bool allow_private;  /* test and dial private addresses too: labs and tests */
    pxi_verdict verdict; /* of the client: all addresses together, when it changes. May be NULL */
    void *ctx;
};

struct pxi_autonat;

/* Serve and ask until freed; NULL: memory is out. Free it before the host. */
struct pxi_autonat *pxi_autonat_new(struct pxi_host *h, const struct pxi_autonat_options *o);
void pxi_autonat_free(struct pxi_autonat *a);
/* What is believed now. */
enum pxi_reachability pxi_autonat_verdict(const struct pxi_autonat *a);

#endif
