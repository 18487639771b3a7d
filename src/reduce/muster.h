/*
 * The jobs that a node offers, without I/O: who joins, who is let in, and when all are there, who
 * has which rank and with what key. docs/internals/reduce.md has the state machine.
 *
 * A key is random, belongs to one grant, and comes with a job number that no other grant has had:
 * what was recorded under one says nothing under another.
 */
#ifndef PXI_REDUCE_MUSTER_H
#define PXI_REDUCE_MUSTER_H

#include "base/timer.h"
#include "codec/gradient.h"
#include "codec/muster.h"
#include "crypto/random.h"
#include "reduce/plan.h"

/* A job as it is offered; strings and lists are copied. */
struct pxi_muster_job {
    px_view name;
    unsigned world;   /* with so many it begins at once; 1 to 64 */
    unsigned least;   /* with fewer, but so many, it begins when nobody has come for wait_ns; 0: no
                       * fewer than world */
    uint64_t wait_ns; /* 0: 5 s; half of it when who adds for a company was lost */
    unsigned slots, values, format, deadline_ms;
    px_view aggregator, group; /* as in struct pxi_muster_order */
    /* Who joins to add adds for all; when wait_ns have passed and nobody has, each worker adds a
     * part. Else nobody is waited for, and it adds where the plan of their lines says so. No
     * aggregator is named. */
    bool central;
    const struct pxi_peer *allow; /* whom to let in; none: everybody who could connect: the private
                                   * swarm's key, or the gate of the host, said yes */
    unsigned allow_count;
};

struct pxi_muster;
struct pxi_muster_member;

/* What it says, from its timers: an order for a member, good until the call returns; with
 * PXI_MUSTER_REFUSED the member is gone. Nothing is called back into the muster from it. */
typedef void pxi_muster_tell(struct pxi_muster *of, struct pxi_muster_member *m,
                             const struct pxi_muster_order *o);

/* How fit for work peers are (swarm/heartbeat.h). */
struct pxi_muster_ranking {
    bool (*slow)(void *ctx, const struct pxi_peer *peer); /* it is ranked below the others */
    void (*late)(void *ctx, const struct pxi_peer *peer); /* more than half say it was */
    void *ctx;
};

/* Of a node; timers and random are borrowed. NULL: no memory. */
struct pxi_muster *pxi_muster_new(struct pxi_timers *timers, struct pxi_random *random,
                                  pxi_muster_tell *tell);
/* From now on. While enough others are there, a job with a `least` is granted without those who are
 * slow; they wait, and are let in when they are not slow any more. */
void pxi_muster_rank(struct pxi_muster *m, const struct pxi_muster_ranking *r);
/* Members are gone with it, untold. NULL is allowed. */
void pxi_muster_free(struct pxi_muster *m);

/* Offer a job. PX_ERR_INVALID: it cannot be, or there is one of that name; PX_ERR_LIMIT;
 * PX_ERR_NOMEM. */
px_err pxi_muster_offer(struct pxi_muster *m, const struct pxi_muster_job *job);
/* All members are refused, from this call; a grant stays good for those who have it.
 * PX_ERR_NOT_FOUND. */
px_err pxi_muster_withdraw(struct pxi_muster *m, px_view name);

/*
 * A worker that has proven to be `peer` joins. It is told soon, not from inside; ctx is what
 * pxi_muster_ctx gives back. One that joins from the same peer with the same address takes the
 * place of the other, which is refused from this call. NULL, and why in *err: PX_ERR_NOT_FOUND,
 * PX_ERR_REFUSED, PX_ERR_LIMIT: the peer has too many; PX_ERR_NOMEM.
 */
struct pxi_muster_member *pxi_muster_join(struct pxi_muster *m, const struct pxi_peer *peer,
                                          const struct pxi_muster_join *join, void *ctx,
                                          px_err *err);
/* One that adds (join->adds) hears of each grant until it leaves, and when its workers are gone;
 * when it leaves, they hear that it is over, and join once more; so do they when one of them is
 * gone and somebody waits. Of several the last that came adds. */
void *pxi_muster_ctx(const struct pxi_muster_member *member);
/* It has a grant and says which ranks sums went on without. What more than half of the workers of
 * its company say is told to the ranking, whenever one of them says it again. */
void pxi_muster_late(struct pxi_muster *m, struct pxi_muster_member *member, uint64_t ranks);
/* It leaves; whoever has a grant with it notices by its silence. */
void pxi_muster_leave(struct pxi_muster *m, struct pxi_muster_member *member);

/* What is known of the i-th job; false past the end. */
struct pxi_muster_state {
    px_view name; /* borrowed */
    unsigned world, waiting, granted, adders;
    uint32_t job;    /* of the last grant; 0: none */
    bool central;    /* somebody adds for all in it, */
    const char *why; /* for this reason; borrowed. Empty: there was none */
    uint16_t epoch;
};
bool pxi_muster_at(const struct pxi_muster *m, unsigned i, struct pxi_muster_state *out);

#endif
