/*
 * One authenticated, multiplexed connection to a peer, whatever carries it: yamux over Noise or TLS
 * over TCP, WebSocket or a relayed stream (net/upgrade), QUIC (net/quic), the simulator
 * (net/simlink). The carrier embeds struct pxi_conn and implements its operations; the host owns
 * it from pxi_host_add_conn or pxi_dial_done on.
 */
#ifndef PXI_NET_CONN_H
#define PXI_NET_CONN_H

#include "codec/maddr.h"
#include "codec/peer.h"
#include "net/stream.h"

struct pxi_host;

struct pxi_conn_ops {
    /* A new outbound stream, or NULL when the remote allows no more now. The carrier calls
     * pxi_stream_init and sends nothing of its own beyond what its framing needs. */
    struct pxi_stream *(*open)(struct pxi_conn *c);
    /* Begin to close; pxi_conn_on_closed follows from the loop, never from inside this call. */
    void (*close)(struct pxi_conn *c, px_err why);
    /* Smoothed round trip time, 0 when unknown. */
    uint64_t (*rtt_ns)(struct pxi_conn *c);
    /* Short bursts matter now: they leave at once, whatever the kernel paces. NULL: they do. */
    void (*prompt)(struct pxi_conn *c);
};

struct pxi_conn {
    const struct pxi_conn_ops *ops;
    struct pxi_host *host;     /* NULL until the host has it */
    struct pxi_list link;      /* in the host's list of connections */
    struct pxi_list peer_link; /* in the peer's list of connections */
    struct pxi_list streams;   /* struct pxi_stream.link */
    struct pxi_peer peer;      /* proven by the handshake */
    px_view pubkey;            /* PublicKey protobuf, owned by the carrier */
    const char *security;      /* "/noise", "/tls/1.0.0", "" for QUIC and the simulator */
    const char *muxer;         /* "/yamux/1.0.0", "" likewise */
    struct pxi_scope_conn *scope;
    uint64_t opened_ns, used_ns; /* used: last time that a stream was opened or closed */
    unsigned stream_count;
    unsigned protect; /* > 0: not trimmed (relay reservations, mesh peers, stages) */
    bool outbound;
    bool limited; /* through a relay: only protocols that allow it */
    bool closing;
    struct pxi_stream *landing;     /* who has a place for what comes next (pxi_stream_land) */
    uint64_t heard_ns;              /* when bytes of a stream came last */
    struct pxi_maddr local, remote; /* without /p2p at the end; either may be empty */
};

/* Set up the shared part of a new connection; the carrier has zeroed it and set ops. */
void pxi_conn_init(struct pxi_conn *c, const struct pxi_conn_ops *ops, bool outbound);
/* The remote opened a stream (pxi_stream_init has run). Agrees on a protocol with it. */
void pxi_conn_on_stream(struct pxi_conn *c, struct pxi_stream *s);
/* The connection is over; the carrier has closed every stream and frees it after this. */
void pxi_conn_on_closed(struct pxi_conn *c, px_err why);

#endif
