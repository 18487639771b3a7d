/*
 * AutoNAT v2 (/libp2p/autonat/2/dial-request and dial-back): each of our addresses is tested on its
 * own. The server proves that it got through by bringing back a nonce; before it dials an address
 * of another ip than the asker's, the asker must send it more bytes than the dial costs a victim.
 */
#ifndef PXI_NET_AUTONAT2_H
#define PXI_NET_AUTONAT2_H

#include "net/reachability.h"

#define PXI_AUTONAT2_REQUEST "/libp2p/autonat/2/dial-request"
#define PXI_AUTONAT2_BACK    "/libp2p/autonat/2/dial-back"

struct pxi_autonat2_options {
    bool server, client;
    bool allow_private;  /* test and dial private addresses too: labs and tests */
    pxi_verdict verdict; /* of the client: one of our addresses, when it changes. May be NULL */
    void *ctx;
};

struct pxi_autonat2;

/* Serve and ask until freed; NULL: memory is out. Free it before the host. */
struct pxi_autonat2 *pxi_autonat2_new(struct pxi_host *h, const struct pxi_autonat2_options *o);
void pxi_autonat2_free(struct pxi_autonat2 *a);
/* What is believed of one of our addresses (without /p2p). */
enum pxi_reachability pxi_autonat2_verdict(const struct pxi_autonat2 *a, px_view addr);

#endif
