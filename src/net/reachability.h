/*
 * Whether others can reach us, as far as they say so: votes of distinct peers, and the limits on
 * dialling back for them. What AutoNAT v1 and v2 share.
 */
#ifndef PXI_NET_REACHABILITY_H
#define PXI_NET_REACHABILITY_H

#include "base/limits.h"
#include "net/host.h"

enum pxi_reachability { PXI_REACH_UNKNOWN, PXI_REACH_PUBLIC, PXI_REACH_PRIVATE };

/* What the node hears: addr is one of the host's own; empty: all of them together. */
typedef void (*pxi_verdict)(void *ctx, px_view addr, enum pxi_reachability r);

/* The last votes, one a peer: a peer that votes again replaces its vote. Zeroed is empty. */
struct pxi_votes {
    struct {
        struct pxi_peer peer;
        bool good;
    } v[PXI_LIMIT_AUTONAT_VOTES];
    unsigned n, next;
};
void pxi_votes_add(struct pxi_votes *v, const struct pxi_peer *peer, bool good);
bool pxi_votes_has(const struct pxi_votes *v, const struct pxi_peer *peer);
/* At least `agree` peers say so, and more than say the opposite. */
enum pxi_reachability pxi_votes_verdict(const struct pxi_votes *v, unsigned agree);

/* Dial-backs granted in the running minute. Zeroed is ready. */
struct pxi_backs {
    uint64_t minute_ns;
    unsigned granted, active;
    struct {
        struct pxi_peer peer;
        unsigned n;
    } by[PXI_LIMIT_AUTONAT_BACKS_MINUTE];
};
/* Whether to dial back for this peer now: counts it when true. Every grant needs one end. */
bool pxi_backs_grant(struct pxi_backs *b, const struct pxi_peer *peer, uint64_t now_ns);
void pxi_backs_end(struct pxi_backs *b);

/* Whether an address may be dialled back, or asked about: ip, TCP or QUIC, not relayed, public. */
bool pxi_reach_testable(px_view addr, bool allow_private, struct pxi_endpoint *out);
/* Whether an endpoint and the remote of a connection have the same ip. */
bool pxi_same_ip(const struct pxi_endpoint *e, const struct pxi_conn *c);
/* A random direct connection to a peer that serves a protocol and has not voted yet, or NULL. */
struct pxi_conn *pxi_reach_server(struct pxi_host *h, const char *protocol,
                                  const struct pxi_votes *voted);

#endif
