/*
 * QUIC version 1 for libp2p (RFC 9000, specs/quic): one endpoint listens and dials on one UDP
 * address, ngtcp2 speaks the protocol, crypto/shake its handshake. No sockets here: datagrams and
 * the time (pxi_timers) go in, batches of datagrams of one size come out, ready for one sendmsg
 * with generic segmentation offload. Connections are struct pxi_conn, streams struct pxi_stream.
 */
#ifndef PXI_NET_QUIC_H
#define PXI_NET_QUIC_H

#include "base/timer.h"
#include "codec/maddr.h"
#include "crypto/random.h"
#include "net/conn.h"
#include "net/fault.h"

struct pxi_shaker;
struct pxi_pages;
struct pxi_quic;      /* an endpoint */
struct pxi_quic_conn; /* one of its connections */

/* Where a datagram comes from or goes to. Unused bytes are zero, so memcmp compares. */
struct pxi_udp_addr {
    uint8_t family; /* 4 or 6 */
    uint8_t ip[16]; /* network order; the first 4 bytes for family 4 */
    uint16_t port;
    uint32_t zone; /* interface of a link-local IPv6 address */
};

/* Datagrams that arrived together: n bytes cut into pieces of `segment` (the last may be shorter);
 * segment 0: one datagram. */
struct pxi_udp_in {
    uint8_t *bytes;
    size_t n, segment;
    struct pxi_udp_addr local, remote; /* local.family 0: not known */
    uint8_t ecn;                       /* the two bits of RFC 3168 */
};

/* Datagrams to send. The caller gives bytes and cap (at least PXI_UDP_BATCH), pull fills the rest;
 * all pieces have `segment` bytes except the last, which may be shorter. */
struct pxi_udp_out {
    uint8_t *bytes;
    size_t cap, n, segment;
    struct pxi_udp_addr local, remote; /* local.family 0: any */
    uint8_t ecn;
};

enum { PXI_UDP_BATCH = 65536, PXI_UDP_SEGMENTS = 60 };

/* What the endpoint tells its owner. None comes from inside a call of the owner, except wake. */
struct pxi_quic_events {
    /* There are datagrams to pull: call pull soon, not from inside. Cheap when called again. */
    void (*wake)(void *ctx);
    /* An inbound connection is ready: its peer is proven. Any error closes it at once. */
    px_err (*accepted)(void *ctx, struct pxi_conn *c);
    /* A dial ended, once: a ready connection, or why there is none. */
    void (*dialled)(void *ctx, void *user, struct pxi_conn *c, px_err err);
};

struct pxi_quic_options {
    struct pxi_shaker
        *shaker; /* crypto/shake.h: has the TLS certificate of this host; outlives it */
    struct pxi_timers *timers;
    struct pxi_random *random;
    struct pxi_faults *faults; /* NULL: not counted */
    uint64_t (*wall_s)(void);  /* seconds since 1970, for the dates of certificates */
    const struct pxi_quic_events *on;
    void *ctx;
    struct pxi_udp_addr local; /* where the socket is bound; the ip may be the wildcard */
    const uint8_t *secret; /* 32 bytes that outlive a restart, for stateless resets; NULL: new */
    unsigned conns;        /* most connections; 0: the limit NET_CONNS_IN */
    unsigned retry_at;     /* unproven handshakes from which on clients must prove their address
                            * (Retry); 0: the limit QUIC_RETRY_AT; 1: always */
    bool dial_only;        /* answer no new clients */
    /* Pages of the system (base/fold.h), so that connections at rest take little memory. NULL:
     * they stay as they are. */
    const struct pxi_pages *pages;
};

/* Counters of an endpoint, for status, tests and measurements. */
struct pxi_quic_stats {
    uint64_t datagrams_in, bytes_in, datagrams_out, bytes_out;
    uint64_t handshakes, dropped, retries, resets_sent, version_negotiations, refused;
    unsigned conns, unproven, lingering, resting;
};

/* A new endpoint; PX_ERR_NOMEM. */
px_err pxi_quic_new(const struct pxi_quic_options *o, struct pxi_quic **out);
/* Closes every connection (their owners hear of it) without a word to the peers: call
 * pxi_quic_shutdown and pull what it queued first. */
void pxi_quic_free(struct pxi_quic *q);
/* Close every connection and take no more. */
void pxi_quic_shutdown(struct pxi_quic *q);
struct pxi_quic_stats pxi_quic_stats_of(const struct pxi_quic *q);

/* Datagrams arrived. The time is that of the timers. */
void pxi_quic_push(struct pxi_quic *q, const struct pxi_udp_in *in);
/* Fill in the next batch to send; false: nothing to send now. */
bool pxi_quic_pull(struct pxi_quic *q, struct pxi_udp_out *out);

/* Connect. peer->n == 0: whoever answers. `dialled` follows with this user, unless the dial is
 * cancelled; *out is good until then. */
px_err pxi_quic_dial(struct pxi_quic *q, const struct pxi_udp_addr *remote,
                     const struct pxi_peer *peer, void *user, struct pxi_quic_conn **out);
/* Give up a dial that has not ended; `dialled` does not follow. */
void pxi_quic_dial_cancel(struct pxi_quic_conn *c);

/* Send one datagram of n (at most 64) random bytes: opens the way through a NAT (DCUtR). */
void pxi_quic_poke(struct pxi_quic *q, const struct pxi_udp_addr *remote, size_t n);

/* Between addresses of datagrams and endpoints of multiaddrs; false: not an IP over QUIC. */
bool pxi_udp_addr_of(const struct pxi_endpoint *e, struct pxi_udp_addr *out);
struct pxi_maddr pxi_udp_addr_maddr(const struct pxi_udp_addr *a);

#endif
