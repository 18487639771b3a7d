/*
 * One iterative lookup as a pure machine: whom to ask next, what they told, when it is over. No
 * I/O, no clock of its own. It ends when the k nearest peers known have answered (kad-dht
 * specification), or when its budget of requests is spent.
 *
 * What it takes from hostile answers: at most k peers an answer; a teller whose first peers were
 * all dead is not believed further; peers of one network get few places among the nearest
 * (diversity); with several paths (S/Kademlia) no peer is asked by two of them, so that one liar
 * leads at most its own path astray.
 */
#ifndef PXI_NET_KAD_LOOKUP_H
#define PXI_NET_KAD_LOOKUP_H

#include "net/kad_table.h"

enum { PXI_KAD_PATHS = 4 };

enum pxi_kad_state {
    PXI_KAD_HEARD,    /* not asked yet */
    PXI_KAD_WAITING,  /* asked */
    PXI_KAD_ANSWERED, /* answered as it should */
    PXI_KAD_FAILED,   /* unreachable, silent, or wrong */
};

struct pxi_kad_node {
    struct pxi_kad_key dist; /* from the target */
    struct pxi_kad_addrs addrs;
    uint64_t sent_ns;
    uint32_t group;
    int16_t from; /* who told of it; -1: our own table */
    uint8_t state, path, depth;
    bool slow;         /* silent for a while: no longer waited for */
    uint8_t good, bad; /* what became of the peers that it told of */
    struct pxi_peer peer;
};

struct pxi_kad_path {
    uint16_t *order; /* nodes, nearest first */
    unsigned n, cap, inflight;
};

struct pxi_kad_lookup_options {
    unsigned k, alpha, paths; /* nearest that must answer; requests at a time; 0 paths: 1 */
    unsigned group_max;       /* peers of one network among the k nearest; 0: no limit */
    unsigned requests_max;    /* 0: the limit */
    bool strict;              /* private networks count for group_max too */
    uint64_t slow_ns;         /* silence after which somebody else is asked as well */
};

struct pxi_kad_lookup {
    struct pxi_kad_lookup_options o;
    struct pxi_kad_key target, self;
    struct pxi_kad_node *node;
    uint16_t *index; /* 1 + the node of a peer id, by its hash; twice as long as node */
    unsigned n, cap;
    struct pxi_kad_path path[PXI_KAD_PATHS];
    unsigned requests, answers, failures, next_path;
};

/* self: the key of the asking peer, which is never asked. */
void pxi_kad_lookup_init(struct pxi_kad_lookup *l, const struct pxi_kad_lookup_options *o,
                         const struct pxi_kad_key *target, const struct pxi_kad_key *self);
void pxi_kad_lookup_deinit(struct pxi_kad_lookup *l);
/* A peer to begin with; they go to the paths in turn. */
void pxi_kad_lookup_seed(struct pxi_kad_lookup *l, const struct pxi_peer *p, const px_view *addrs,
                         unsigned count);
/* The node of a peer that was heard of already, or -1. */
int pxi_kad_lookup_find(const struct pxi_kad_lookup *l, const struct pxi_peer *p);
/* Node `from` named a peer with these (checked) addresses. */
void pxi_kad_lookup_hear(struct pxi_kad_lookup *l, unsigned from, const struct pxi_peer *p,
                         const px_view *addrs, unsigned count);
/* The node to ask now, which is then WAITING; -1 when nobody is to be asked now. */
int pxi_kad_lookup_next(struct pxi_kad_lookup *l, uint64_t now_ns);
/* A node answered from this network (0: unknown). Call it before pxi_kad_lookup_hear. */
void pxi_kad_lookup_answered(struct pxi_kad_lookup *l, unsigned i, uint32_t group);
void pxi_kad_lookup_failed(struct pxi_kad_lookup *l, unsigned i);
/* Nothing more is to be asked or waited for. */
bool pxi_kad_lookup_done(struct pxi_kad_lookup *l, uint64_t now_ns);
/* When somebody becomes slow; PXI_NEVER when nobody will. */
uint64_t pxi_kad_lookup_wake(const struct pxi_kad_lookup *l, uint64_t now_ns);
/* Up to cap nodes that answered, nearest first, with the diversity that was asked for. */
unsigned pxi_kad_lookup_result(const struct pxi_kad_lookup *l, uint16_t *out, unsigned cap);

#endif
