/*
 * The resource manager: what connections, streams and memory of peers count against, scope by
 * scope (system, transient, peer, IP address, subnet, protocol), in the manner of go-libp2p's.
 * Nothing is allocated for a peer before it was counted. Every figure is a row of gen/limits.def.
 */
#ifndef PXI_NET_LIMITS_H
#define PXI_NET_LIMITS_H

#include "codec/maddr.h"

struct pxi_limiter;
struct pxi_scope_conn;
struct pxi_scope_stream;

/* Limits of one limiter; pxi_net_limits_default reads the table. */
struct pxi_net_limits {
    unsigned conns_in, conns_out, conns_transient; /* system */
    unsigned conns_peer, conns_ip, conns_subnet;   /* /56 of IPv6 counts as an IP, /24 and /48 as a
                                                      subnet; loopback counts in neither */
    unsigned streams_in, streams_out, streams_peer, streams_protocol, streams_protocol_peer;
    uint64_t memory, memory_peer, memory_conn; /* bytes of buffers */
};
struct pxi_net_limits pxi_net_limits_default(void);

struct pxi_limiter *pxi_limiter_new(const struct pxi_net_limits *l);
void pxi_limiter_free(struct pxi_limiter *l);

/* Count a connection before its handshake. PX_ERR_LIMIT: refuse it. */
px_err pxi_scope_conn_open(struct pxi_limiter *l, bool outbound, const struct pxi_endpoint *remote,
                           struct pxi_scope_conn **out);
/* The handshake named the peer: from transient to the peer's scope. */
px_err pxi_scope_conn_peer(struct pxi_scope_conn *s, const struct pxi_peer *peer);
void pxi_scope_conn_close(struct pxi_scope_conn *s);
/* Reserve (delta > 0) or return (delta < 0) bytes of buffers for a connection. */
px_err pxi_scope_memory(struct pxi_scope_conn *s, int64_t delta);

px_err pxi_scope_stream_open(struct pxi_scope_conn *s, bool outbound,
                             struct pxi_scope_stream **out);
/* The protocol was agreed. */
px_err pxi_scope_stream_protocol(struct pxi_scope_stream *s, const char *protocol);
void pxi_scope_stream_close(struct pxi_scope_stream *s);

/* The address as limits see it: 4 or 16 bytes at out, 0 when it does not count (loopback, none, a
 * relay's). An IPv4 address inside IPv6 is an IPv4 address. */
unsigned pxi_limits_ip(const struct pxi_endpoint *e, uint8_t out[16]);

/* What is in use, for status and tests. */
struct pxi_limiter_use {
    unsigned conns_in, conns_out, conns_transient, streams_in, streams_out, peers;
    uint64_t memory, refused;
};
struct pxi_limiter_use pxi_limiter_use(const struct pxi_limiter *l);

#endif
