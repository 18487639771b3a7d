/*
 * The host: one peer's identity, its connections, the protocols it serves and the addresses it
 * knows. Transports give it connections, protocol services (identify, kad, relay, ...) register
 * handlers and watch what happens. It runs on one thread and knows no socket: time comes from its
 * timers, bytes from the carriers of connections.
 */
#ifndef PXI_NET_HOST_H
#define PXI_NET_HOST_H

#include "base/timer.h"
#include "crypto/key.h"
#include "net/conn.h"
#include "net/fault.h"

struct pxi_host;
struct pxi_proofs;
struct pxi_spare;
struct pxi_transport;
struct pxi_dial;

struct pxi_host_options {
    const struct pxi_key *key; /* identity; borrowed for the life of the host */
    struct pxi_timers *timers; /* shared with whoever drives the host */
    struct pxi_random *random;
    const char *agent;                   /* agentVersion of identify */
    const struct pxi_net_limits *limits; /* net/limits.h; NULL: the defaults */
    uint64_t (*wall_s)(void);            /* seconds since 1970, for records; NULL: 0 */
    unsigned peers_max;                  /* most peers remembered; 0: the limit PEERSTORE_PEERS */
    bool simulated; /* records are not signed or verified: the simulator only */
};

struct pxi_host *pxi_host_new(const struct pxi_host_options *o);
/* Ends every wish, dial and connection; watchers and handlers hear of it, nothing new is let in.
 * Transports may still look at the host: free them after this and before pxi_host_free. */
void pxi_host_close(struct pxi_host *h);
/* Closes everything at once (as above), then frees. */
void pxi_host_free(struct pxi_host *h);

const struct pxi_peer *pxi_host_self(const struct pxi_host *h);
const struct pxi_key *pxi_host_key(const struct pxi_host *h);
const char *pxi_host_agent(const struct pxi_host *h);
struct pxi_timers *pxi_host_timers(struct pxi_host *h);
struct pxi_random *pxi_host_random(struct pxi_host *h);
/* Signatures of peers that are known to be right, and key pairs for handshakes. */
struct pxi_proofs *pxi_host_proofs(struct pxi_host *h);
struct pxi_spare *pxi_host_spare(struct pxi_host *h);
uint64_t pxi_host_wall_s(struct pxi_host *h);
/* What connections are counted against before their handshake (net/limits.h). */
bool pxi_host_simulated(const struct pxi_host *h);
struct pxi_limiter *pxi_host_limiter(struct pxi_host *h);
/* Malformed input and refusals, counted by kind; never NULL. */
struct pxi_faults *pxi_host_faults(struct pxi_host *h);

/* ------------------------------------------------------------- protocols */

enum pxi_handle_flags { PXI_HANDLE_LIMITED = 1 }; /* serve it on relayed connections too */

/* Serve a protocol: `accept` takes ownership of every stream that a peer opens for it (set events
 * with pxi_stream_own before returning). The string must live as long as the host. */
px_err pxi_host_handle(struct pxi_host *h, const char *protocol, unsigned flags,
                       void (*accept)(void *ctx, struct pxi_stream *s), void *ctx);
void pxi_host_unhandle(struct pxi_host *h, const char *protocol);
/* The i-th served protocol, NULL past the end. */
const char *pxi_host_protocol(const struct pxi_host *h, unsigned i);

/* Open a stream on a connection for the first of `count` protocols that the remote has (order of
 * preference; 1 protocol is sent optimistically together with the first bytes written). NULL when
 * the connection takes no more streams. Protocol strings must live as long as the host. */
struct pxi_stream *pxi_host_open(struct pxi_conn *c, const char *const *protocols, unsigned count,
                                 const struct pxi_stream_events *on, void *user);

/* ------------------------------------------------- reaching a peer (net/reach.c) */

/* A wish for a connection to a peer. Embedded in its owner; zeroed before use. */
struct pxi_reach {
    struct pxi_host *host;
    struct pxi_peer peer;
    void (*done)(struct pxi_reach *r, struct pxi_conn *c, px_err err); /* once; c or err */
    bool limited_ok;          /* a relayed connection will do */
    bool force_new;           /* dial even when connected */
    bool at_once;             /* all addresses together, without head starts (needs force_new) */
    bool simultaneous_server; /* as in struct pxi_dial (needs force_new) */
    bool fresh_port;          /* likewise */
    uint64_t timeout_ns;      /* 0: the default of the limits table */
    struct pxi_list link;
    struct pxi_timer timer;
    struct pxi_dialing *dialing;
};

/* Connect to r->peer: an existing connection, or dial the addresses given here (binary multiaddrs)
 * and those in the peerstore, happy-eyeballs style. `done` comes later, never from inside. A host
 * that closes answers the wishes that it has and takes no new ones: their `done` does not come. */
void pxi_reach_start(struct pxi_reach *r, struct pxi_host *h, const px_view *addrs, unsigned count);
/* Forget the wish; `done` will not come. Harmless when it came. */
void pxi_reach_cancel(struct pxi_reach *r);

/* ----------------------------------------------------------- connections */

/* Best usable connection to a peer (direct before limited, old before new), or NULL. */
struct pxi_conn *pxi_host_conn(struct pxi_host *h, const struct pxi_peer *p, bool limited_ok);
/* Every connection: walk with PXI_OF(l, struct pxi_conn, link). */
struct pxi_list *pxi_host_conns(struct pxi_host *h);
unsigned pxi_host_conn_count(const struct pxi_host *h);
/* Close every connection to a peer. */
void pxi_host_hangup(struct pxi_host *h, const struct pxi_peer *p);
/* Connections to this peer must not be trimmed; counts up and down. */
void pxi_host_protect(struct pxi_host *h, const struct pxi_peer *p, int by);

/* Who wants to hear about connections and peers; embedded in its owner, zeroed before use. */
struct pxi_watch {
    void (*connected)(struct pxi_watch *w, struct pxi_conn *c);
    void (*disconnected)(struct pxi_watch *w, struct pxi_conn *c);
    void (*identified)(struct pxi_watch *w, const struct pxi_peer *p, struct pxi_conn *c);
    void (*discovered)(struct pxi_watch *w, const struct pxi_peer *p); /* mDNS and such */
    void (*addrs_changed)(struct pxi_watch *w);                        /* our own addresses */
    struct pxi_list link;
};
void pxi_host_watch(struct pxi_host *h, struct pxi_watch *w);
void pxi_host_unwatch(struct pxi_watch *w);
void pxi_host_identified(struct pxi_host *h, const struct pxi_peer *p, struct pxi_conn *c);
void pxi_host_discovered(struct pxi_host *h, const struct pxi_peer *p);

/* Who may connect: called once the peer is known, before any stream. NULL lets everybody in. */
void pxi_host_gate(struct pxi_host *h, bool (*allow)(void *ctx, const struct pxi_peer *p),
                   void *ctx);

/* --------------------------------------------------------- own addresses */

/* Where our addresses come from; an address is known until it is removed from every source. */
enum pxi_addr_source {
    PXI_ADDR_LISTEN,
    PXI_ADDR_ANNOUNCE,
    PXI_ADDR_OBSERVED,
    PXI_ADDR_MAPPED,
    PXI_ADDR_RELAY
};
px_err pxi_host_addr_add(struct pxi_host *h, px_view maddr, enum pxi_addr_source source);
void pxi_host_addr_remove(struct pxi_host *h, px_view maddr, enum pxi_addr_source source);
/* Something that identify tells has changed: watchers hear of it from the loop. */
void pxi_host_addrs_changed(struct pxi_host *h);
/* The i-th address that we tell others (announced ones replace listen ones), without /p2p; empty
 * past the end. */
px_view pxi_host_addr(const struct pxi_host *h, unsigned i);

/* -------------------------------------------------------------- peerstore */

/* Addresses and facts of a peer (net/peerstore.c). */
void pxi_peer_addr_add(struct pxi_host *h, const struct pxi_peer *p, px_view maddr,
                       uint64_t ttl_ns);
/* Up to cap addresses that have not expired, borrowed until the next change; returns how many. */
unsigned pxi_peer_addrs(struct pxi_host *h, const struct pxi_peer *p, px_view *out, unsigned cap);
/* What identify told: protocols (copied, a list of strings), agent. Empty views leave as it was. */
void pxi_peer_set_protocols(struct pxi_host *h, const struct pxi_peer *p, const px_view *protocols,
                            unsigned count);
/* The last identify message of a peer as it came; empty when there was none. Borrowed. */
px_view pxi_peer_identify(struct pxi_host *h, const struct pxi_peer *p);
/* 1 the peer serves it, 0 it does not, -1 not known (not identified). */
int pxi_peer_supports(struct pxi_host *h, const struct pxi_peer *p, const char *protocol);

/* -------------------------------------------------------------- transports */

/* One attempt to connect to one address. The host makes it, the transport answers it. */
struct pxi_dial {
    struct pxi_host *host;
    struct pxi_maddr addr;        /* without a final /p2p */
    struct pxi_peer peer;         /* who must answer; n == 0: anybody */
    void *transport_data;         /* the transport's own */
    struct pxi_scope_conn *scope; /* counted already; moves to the connection */
    struct pxi_transport *transport;
    struct pxi_dialing *dialing; /* the host's own */
    struct pxi_list link;
    struct pxi_timer timer;
    bool simultaneous_server; /* DCUtR over TCP: dial, then act as the responder */
    bool fresh_port;          /* AutoNAT: not from a port that we listen on, which a NAT may know */
    uint8_t depth;            /* how many names led to the address */
};

/* A way to carry connections: io/tcp, io/quic, net/relay, the simulator. */
struct pxi_transport {
    const char *name;
    bool (*can_dial)(struct pxi_transport *t, const struct pxi_endpoint *e);
    /* Start. pxi_dial_done must follow, later, not from inside. */
    void (*dial)(struct pxi_transport *t, struct pxi_dial *d);
    /* The host is no longer interested; pxi_dial_done must not follow. */
    void (*cancel)(struct pxi_transport *t, struct pxi_dial *d);
    /* Send one datagram of random bytes there from the listening socket, so that our NAT lets the
     * other's packets in (DCUtR over QUIC). NULL: nothing to punch with. */
    void (*punch)(struct pxi_transport *t, const struct pxi_endpoint *e);
    struct pxi_list link;
};
void pxi_host_transport(struct pxi_host *h, struct pxi_transport *t);
/* Punch towards an address with the transport that dials it; false when none can. */
bool pxi_host_punch(struct pxi_host *h, px_view maddr);
/* A transport found out where an address leads: the dial goes on with the transport of that
 * address. false when there is none; then the caller ends the dial. */
bool pxi_dial_pass(struct pxi_dial *d, px_view addr);
/* A transport found out that an address stands for these: they are tried in turn, with those that
 * the peer has besides. Then the caller ends the dial with what this returns. */
px_err pxi_dial_expand(struct pxi_dial *d, const px_view *addrs, unsigned n);
/* A dial ended: c (authenticated, ready), or NULL and why not (PX_ERR_OK: it expanded). */
void pxi_dial_done(struct pxi_dial *d, struct pxi_conn *c, px_err err);
/* An inbound connection is ready. On failure (limits, gate) the carrier closes it at once. */
px_err pxi_host_add_conn(struct pxi_host *h, struct pxi_conn *c);

#endif
