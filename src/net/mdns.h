/*
 * Finding peers on the local network by multicast DNS (libp2p discovery/mdns, RFC 6762): a machine
 * that takes and gives datagrams. It asks for _p2p._udp.local now and then, answers for itself, and
 * puts what others answer into the peerstore: a hint where to dial, nothing more, for identity is
 * proven by the handshake. Only sources and addresses of the link itself count.
 */
#ifndef PXI_NET_MDNS_H
#define PXI_NET_MDNS_H

#include "net/host.h"

struct pxi_mdns;

enum { PXI_MDNS_PORT = 5353, PXI_MDNS_PREFIXES = 16 };

/* An address of our own on a link, and how many of its bits the link shares. */
struct pxi_mdns_prefix {
    uint8_t family, bits;
    uint8_t ip[16];
};

struct pxi_mdns_options {
    struct pxi_host *host;
    px_view fingerprint;      /* of a private network: it has a service of its own; else empty */
    uint32_t interval_ms;     /* between the first questions; 0: 10 s. Doubles up to the next */
    uint32_t interval_max_ms; /* 0: 16 times the interval, at most 10 min */
    void *ctx;
    /* Send a datagram to the multicast group on a link, in all families that it has. */
    void (*send)(void *ctx, unsigned link, px_view datagram);
};

/* NULL: no memory, or a fingerprint that makes no name. */
struct pxi_mdns *pxi_mdns_new(const struct pxi_mdns_options *o);
void pxi_mdns_free(struct pxi_mdns *m);

/* A link (a network interface, by its index) is there, with these prefixes; none: it is gone.
 * Questions go out soon when that changes something. */
px_err pxi_mdns_link(struct pxi_mdns *m, unsigned link, const struct pxi_mdns_prefix *prefixes,
                     unsigned count);

/* A datagram arrived on a link. */
void pxi_mdns_input(struct pxi_mdns *m, unsigned link, const struct pxi_endpoint *source,
                    px_view datagram);

/* Counters since the start. */
struct pxi_mdns_stats {
    uint64_t queries, answers, heard, malformed, off_link, limited, addresses, dropped;
};
struct pxi_mdns_stats pxi_mdns_stats(const struct pxi_mdns *m);

#endif
