/*
 * Circuit relay v2 (libp2p relay/circuit-v2): a peer that nobody can dial reserves a place on a
 * relay, and others reach it through there. The relay couples two streams and sees only sealed
 * bytes; the two ends upgrade the coupled streams to a connection as they would a socket.
 *
 * The relay buffers nothing: what one side has no room for stays with the sender of the other.
 * Nothing is reserved or connected over a connection that is itself relayed.
 */
#ifndef PXI_NET_RELAY_H
#define PXI_NET_RELAY_H

#include "net/host.h"
#include "net/upgrade.h"

#define PXI_RELAY_HOP  "/libp2p/circuit/relay/0.2.0/hop"
#define PXI_RELAY_STOP "/libp2p/circuit/relay/0.2.0/stop"

/* Whether a connection goes through a relay. */
static inline bool pxi_conn_relayed(const struct pxi_conn *c)
{
    struct pxi_maddr_part part;
    return c->limited || pxi_maddr_find(pxi_maddr_view(&c->remote), PXI_MA_P2P_CIRCUIT, &part);
}

/* ------------------------------------------------------------- the relay (net/relay_hop.c) */

/* What a relay grants; a zero takes the row of gen/limits.def. */
struct pxi_relay_options {
    unsigned reservations, reservations_ip; /* in all; of one address (IPv6: one /56) */
    unsigned circuits, circuits_peer;       /* in all; that one peer takes part in */
    uint64_t ttl_s;                         /* of a reservation */
    uint64_t duration_s, data;              /* of a circuit: time; bytes in each direction */
};

struct pxi_relay_use {
    unsigned reservations, circuits, requests; /* requests: streams that have not decided yet */
    uint64_t bytes, refused;                   /* since the start */
};

struct pxi_relay_hop;

/* Serve as a relay until freed. NULL when memory is out. Free it before the host. */
struct pxi_relay_hop *pxi_relay_hop_new(struct pxi_host *h, const struct pxi_relay_options *o);
void pxi_relay_hop_free(struct pxi_relay_hop *r);
struct pxi_relay_use pxi_relay_hop_use(const struct pxi_relay_hop *r);

/* ---------------------------------------------------------- its users (net/relay_client.c) */

struct pxi_relay_client;

/* Dial /p2p-circuit addresses (registers a transport) and answer those who come through relays on
 * which we hold a reservation. upgrader is borrowed. NULL when memory is out. */
struct pxi_relay_client *pxi_relay_client_new(struct pxi_host *h, struct pxi_upgrader *upgrader);
/* Free it after the host has closed its connections, or before the host is freed. */
void pxi_relay_client_free(struct pxi_relay_client *c);

/* Keep a reservation on a relay: connect, reserve, renew, and start again when it is lost. While
 * it holds, /p2p-circuit addresses are among the host's own. addrs: where the relay is (without
 * or with its /p2p); none: what the peerstore knows. Calling it again is harmless. */
px_err pxi_relay_reserve(struct pxi_relay_client *c, const struct pxi_peer *relay,
                         const px_view *addrs, unsigned count);
/* Give a reservation up; its addresses go. */
void pxi_relay_release(struct pxi_relay_client *c, const struct pxi_peer *relay);

/* How a reservation stands, for status and tests. */
struct pxi_relay_standing {
    struct pxi_peer relay;
    bool held;
    uint64_t status;      /* last answer of the relay; 0: none yet */
    uint64_t renew_at_ns; /* of the host's timers */
    unsigned tries;       /* failures in a row */
};
/* The i-th; false past the end. */
bool pxi_relay_standing(const struct pxi_relay_client *c, unsigned i,
                        struct pxi_relay_standing *out);

#endif
