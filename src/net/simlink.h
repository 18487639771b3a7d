/*
 * The carrier of the simulator: connections and streams between hosts of one process, on shared
 * timers in virtual time, without encryption. Everything above a carrier is the code of production:
 * hosts, negotiation, identify, Kademlia. Delays are a half path of each end, drawn once from a
 * seeded generator; bytes are reliable, loss shows as delay.
 */
#ifndef PXI_NET_SIMLINK_H
#define PXI_NET_SIMLINK_H

#include "base/rng.h"
#include "net/host.h"

struct pxi_simnet;
struct pxi_simport;

struct pxi_simnet_options {
    struct pxi_timers *timers; /* shared with the hosts */
    uint64_t seed;
    uint64_t near_ns, far_ns; /* half paths lie between them; 0: 10 and 150 ms */
    uint64_t idle_ns;         /* connections without streams are closed; 0: 10 s */
    double loss;              /* share of flights that need a second try */
    double refused;           /* share of dead hosts whose address answers "no" at once */
    unsigned handshake_rtts;  /* round trips of a dial; 0: 2 */
};

struct pxi_simnet *pxi_simnet_new(const struct pxi_simnet_options *o);
/* Every port has left before. */
void pxi_simnet_free(struct pxi_simnet *n);

/* A host becomes reachable at an address (without /p2p), and can dial the others. The address is
 * added to those of the host. NULL: no memory, or the address is taken. */
struct pxi_simport *pxi_simnet_join(struct pxi_simnet *n, struct pxi_host *h, px_view addr);
/* Vanish: nobody is told, the address stays known and is dead. Then the host may be freed. */
void pxi_simport_die(struct pxi_simport *p);
/* Leave for good, after the host was freed; frees the port. */
void pxi_simport_leave(struct pxi_simport *p);
/* Half path of a host, for tests. */
uint64_t pxi_simport_delay_ns(const struct pxi_simport *p);

struct pxi_simnet_stats {
    uint64_t dials, dials_failed, conns, streams, bytes;
    unsigned conns_now, conns_most;
};
struct pxi_simnet_stats pxi_simnet_stats_of(const struct pxi_simnet *n);

#endif
