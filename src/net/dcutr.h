/*
 * Direct connection upgrade through relay (libp2p relay/DCUtR): two peers that met over a relay
 * agree on an instant and dial each other at it, so that each NAT sees the other's packets as
 * answers to its own. The side that was dialled over the relay (B) leads: it first tries the
 * public addresses of the other (A), then punches up to three times. Over TCP both dial and A acts
 * as the client; over QUIC A dials while B sends random datagrams.
 *
 * Once a direct connection stands, new streams take it, and the relayed one closes when idle.
 */
#ifndef PXI_NET_DCUTR_H
#define PXI_NET_DCUTR_H

#include "net/host.h"

#define PXI_DCUTR_PROTOCOL "/libp2p/dcutr"

struct pxi_dcutr_options {
    bool allow_private; /* tell and dial private addresses too: labs and tests */
    /* How an attempt ended: PX_ERR_OK and after how many rounds (0: without punching), or why not.
     * May be NULL. */
    void (*result)(void *ctx, const struct pxi_peer *peer, px_err err, unsigned rounds);
    void *ctx;
};

struct pxi_dcutr;

/* Serve and start upgrades until freed; NULL: memory is out. Free it before the host. */
struct pxi_dcutr *pxi_dcutr_new(struct pxi_host *h, const struct pxi_dcutr_options *o);
void pxi_dcutr_free(struct pxi_dcutr *d);

/* Peers with an upgrade under way, and since the start: direct connections won, attempts lost. */
struct pxi_dcutr_use {
    unsigned active;
    uint64_t won, lost;
};
struct pxi_dcutr_use pxi_dcutr_use(const struct pxi_dcutr *d);

#endif
