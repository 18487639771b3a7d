/*
 * QUIC as a transport of the host: dials through the endpoint of the right address family and hands
 * over what connects. Whoever owns the sockets (io/quic, a test) makes the endpoints.
 */
#ifndef PXI_NET_QUIC_TRANSPORT_H
#define PXI_NET_QUIC_TRANSPORT_H

#include "net/host.h"
#include "net/quic.h"

/* Embedded in its owner, zeroed before init. */
struct pxi_quic_transport {
    struct pxi_transport transport;
    struct pxi_host *host;
    /* The endpoint to dial this address from, or NULL. Set by the owner before init. */
    struct pxi_quic *(*pick)(struct pxi_quic_transport *t, const struct pxi_udp_addr *to,
                             bool fresh); /* fresh: not from where we listen */
    struct pxi_list failed;               /* dials that could not start, answered from the loop */
    struct pxi_timer timer;
};

/* Make it known to the host. */
void pxi_quic_transport_init(struct pxi_quic_transport *t, struct pxi_host *h);
/* Forget dials that wait; the host is told nothing. Before its owner goes away. */
void pxi_quic_transport_deinit(struct pxi_quic_transport *t);
/* The events `accepted` and `dialled` of the endpoints. */
px_err pxi_quic_transport_accepted(struct pxi_quic_transport *t, struct pxi_conn *c);
void pxi_quic_transport_dialled(struct pxi_quic_transport *t, void *user, struct pxi_conn *c,
                                px_err err);

#endif
