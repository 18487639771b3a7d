/*
 * A worker of a job, without I/O. Sharded: every member aggregates one shard (reduce/slots) and
 * takes part in all (reduce/rank); what goes to its own shard never leaves it. Who is gone is voted
 * out (reduce/view), and the next member takes its shard over (reduce/takeover.c). Central: there
 * is one shard, and somebody else aggregates it: peer 0, and the only one.
 */
#ifndef PXI_REDUCE_GROUP_H
#define PXI_REDUCE_GROUP_H

#include "reduce/rank.h"
#include "reduce/slots.h"

enum { PXI_GROUP_SECRET = 32, PXI_GROUP_LEAVES = 128 };

struct pxi_group;

struct pxi_group_options {
    uint32_t job, base, slots;
    uint16_t epoch, values;
    uint8_t format, rank, world; /* world: members, which are the shards too; at most 64 */
    bool central;
    bool stochastic;
    uint64_t rto_min_ns, rto_max_ns;
    uint64_t deadline_ns, slack_ns; /* of a slot, as for slots */
    uint64_t silence_ns;            /* who is silent so long in an operation is gone */
    uint64_t life;   /* random, not 0: no two members, and no two lives of one, have the same */
    unsigned cycle;  /* who comes later begins with a multiple of so many operations; 0: 1 */
    uint32_t chunks; /* of the longest operation, so that late members still get sums; 0: none
                      * is kept */
    const uint8_t *secret; /* of the job, PXI_GROUP_SECRET bytes; not needed after the call */
    uint8_t *arena;        /* pxi_group_arena bytes, aligned to 64; outlives it */
    const struct pxi_kernels *kernels; /* outlives it */
};

/* The secret of one direction: of what member `from` contributes to the shard of `to`, or, when
 * both are one, of that shard's answers. An aggregator that is no member is number 64, a leaf of it
 * PXI_GROUP_LEAVES and its number there. */
void pxi_group_secret(const uint8_t secret[PXI_GROUP_SECRET], unsigned from, unsigned to,
                      uint8_t out[PXI_GROUP_SECRET]);

/* The secret and the job's number under which all go on when sequence numbers run out: a hash of
 * the secret, which is overwritten. */
uint32_t pxi_group_next(uint8_t secret[PXI_GROUP_SECRET], uint32_t job);
/* The most sequence numbers of a shard that are used, of 2^31. */
uint32_t pxi_group_used(const struct pxi_group *g);
uint32_t pxi_group_job(const struct pxi_group *g);
/* A new group, for another key, has the members that the one before has. False: no memory. */
bool pxi_group_inherit(struct pxi_group *g, const struct pxi_group *before);

/* Bytes for all frames: those that are sent, and those in which sums are made. */
size_t pxi_group_arena(const struct pxi_group_options *o);

struct pxi_group_counts {
    uint64_t packets; /* that came; of them */
    uint64_t bad[PX_GRADIENT_DROPS];
    uint64_t full;             /* answers that found no room to wait: as good as lost */
    uint64_t views, takeovers; /* changes of members; shards that we took over */
};

/* NULL: no memory, or options that cannot be. */
struct pxi_group *pxi_group_new(const struct pxi_group_options *o);
void pxi_group_free(struct pxi_group *g);

/* As pxi_rank_begin; where counts values of the shards together from the operation's first. */
px_err pxi_group_begin(struct pxi_group *g, const struct pxi_rank_op *op);
bool pxi_group_done(const struct pxi_group *g);
unsigned pxi_group_least(const struct pxi_group *g);
/* Members that some sum of the last operation went on without. */
uint64_t pxi_group_missing(const struct pxi_group *g);
uint32_t pxi_group_lost(const struct pxi_group *g);
void pxi_group_abort(struct pxi_group *g);

/* Chunks that somebody had values for that are not finite: NaN now. */
uint32_t pxi_group_not_finite(const struct pxi_group *g);

/* The member without which the operation cannot end, -1: none. Another one is gone and too few are
 * left to go on without it, or, our own number, they have gone on without us. Abort it then. */
int pxi_group_gone(const struct pxi_group *g);
/* Come back to those who went on without us, with another life: the next operation begins with
 * theirs. */
void pxi_group_return(struct pxi_group *g, uint64_t life);

/* The number of the operation that was begun last, from 1; the members, and how often they changed.
 */
uint32_t pxi_group_operation(const struct pxi_group *g);
uint64_t pxi_group_members(const struct pxi_group *g);
uint16_t pxi_group_epoch(const struct pxi_group *g);

/* Do what needs no network: our own contributions to our own shard. Before pulling. */
void pxi_group_turn(struct pxi_group *g, uint64_t now_ns);

/* The next packet for a member; empty: none now. Send it before the next call but pull: then it
 * may change. */
px_view pxi_group_pull(struct pxi_group *g, unsigned to, uint64_t now_ns);

/* A datagram that came from the address of a member; it is read only. */
void pxi_group_take(struct pxi_group *g, unsigned from, px_view datagram, uint64_t now_ns);

/* When to turn again though nothing came; UINT64_MAX: nothing waits. */
uint64_t pxi_group_deadline(const struct pxi_group *g);

/* Of the shard of our number (NULL: we do not add it), of our part in a shard, and of datagrams
 * that were neither. */
const struct pxi_slots_counts *pxi_group_slots(const struct pxi_group *g);
const struct pxi_rank_counts *pxi_group_rank(const struct pxi_group *g, unsigned shard);
const struct pxi_group_counts *pxi_group_counts(const struct pxi_group *g);

#endif
