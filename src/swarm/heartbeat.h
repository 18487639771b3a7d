/*
 * Heartbeats and ranking: who is fit for work. Every connected peer is pinged each second; one that
 * answers late (beyond 500 ms unless configured) or not at all is ranked below the others for every
 * kind of work, and comes back once it answers in time again. Pipeline and reduction order their
 * peers by this and nothing else.
 */
#ifndef PXI_SWARM_HEARTBEAT_H
#define PXI_SWARM_HEARTBEAT_H

#include "net/host.h"

enum pxi_peer_state {
    PXI_PEER_GONE,   /* not connected */
    PXI_PEER_SILENT, /* does not answer */
    PXI_PEER_SLOW,   /* down-ranked */
    PXI_PEER_NEW,    /* no answer yet, none is late */
    PXI_PEER_GOOD,
};

struct pxi_heartbeat_options {
    uint64_t every_ns; /* 0: one second */
    uint64_t slow_ns;  /* 0: 500 ms */
    /* A peer changed its state; from the loop. May be NULL. */
    void (*changed)(void *ctx, const struct pxi_peer *p, enum pxi_peer_state state);
    void *ctx;
};

struct pxi_heartbeat;

/* Ping the peers of a host until freed. NULL: no memory. Free it before the host. */
struct pxi_heartbeat *pxi_heartbeat_new(struct pxi_host *h, const struct pxi_heartbeat_options *o);
void pxi_heartbeat_free(struct pxi_heartbeat *b);

/* State of a peer, and its smoothed round trip in *rtt_ns (0: unknown; may be NULL). */
enum pxi_peer_state pxi_heartbeat_state(const struct pxi_heartbeat *b, const struct pxi_peer *p,
                                        uint64_t *rtt_ns);
/* Work of another kind was done without a peer that is connected, since it was late: it is slow, as
 * after a late answer, until it has answered in time again for some beats. */
void pxi_heartbeat_late(struct pxi_heartbeat *b, const struct pxi_peer *p);
/* Name of a state: "good", "new", "slow", "silent", "gone". */
const char *pxi_peer_state_name(enum pxi_peer_state s);

/* Order peers for work: better states first, then shorter round trips, equal ones as they were. */
void pxi_heartbeat_rank(const struct pxi_heartbeat *b, struct pxi_peer *peers, size_t n);

#endif
