/*
 * Gradients: the workers of a job sum their arrays as 16-, 8- or 4-bit fixed point, over memory
 * that they share or over UDP. Every worker also adds one shard of the values
 * (docs/internals/reduce.md); no server is needed.
 */
#ifndef PLEXUS_REDUCE_H
#define PLEXUS_REDUCE_H

#include "plexus/err.h"

PX_BEGIN_DECLS

typedef enum px_reduce_format { PX_REDUCE_I16, PX_REDUCE_I8, PX_REDUCE_I4 } px_reduce_format;

/* What all workers of a job must give alike, and who this one is. */
typedef struct px_reduce_options {
    size_t size;                  /* sizeof(px_reduce_options) */
    unsigned rank, world;         /* this worker, below world; world: 1 to 64 */
    const char *const *addresses; /* world multiaddrs, /ip4/../udp/PORT, in the order of ranks; the
                                   * own is bound */
    const char *aggregator;       /* NULL: every worker aggregates a shard. Else the address of one
                                   * that does it for all, as addresses; of those only the own is
                                   * used, and may be of any ip (/ip4/0.0.0.0) */
    const char *group;            /* multicast ip to which that one sends sums, or NULL */
    const uint8_t *secret;        /* 32 bytes that only the job knows */
    uint32_t job;                 /* its number; a secret is never used twice with one number */
    px_reduce_format format;
    unsigned values;      /* of a packet, a multiple of 16; 0: 688, for an MTU of 1500 */
    unsigned window;      /* packets in flight to a shard, a power of two; 0: 128 */
    unsigned deadline_ms; /* a sum goes on without those that are so late; 0: 2000. It is shorter
                           * where more than half take shorter: twice their time of late, and
                           * slack_ms */
    unsigned slack_ms;    /* 0: 500; as long as deadline_ms: that is kept, however fast sums are */
    unsigned silence_ms;  /* a member whose process says nothing for so long is given up; 0: 3000 */
    size_t longest;       /* values of the longest array, whose sums are kept for late workers; 0:
                           * none are */
    int stochastic;       /* round stochastically instead of to nearest */
    unsigned cycle;       /* sums of a step: who comes back begins with the first of one; 0: 1 */
    const char *path; /* NULL or auto: what is measured to be the cheapest; udp, shm, xsk, verbs:
                       * that one, and UDP to whom it does not reach */
    unsigned rekey;   /* chunks of a shard after which all change their key, on their own; 0: 2^30,
                       * half of what a key is good for */
    /* A job that a node offers (plexus agg offer): rank, world, addresses, aggregator, group,
     * secret, job, format, values, window and deadline_ms come from it, whatever they are here. */
    const char *name;    /* of it; NULL: none, they are as given */
    const char *node;    /* control socket of the node that joins for us and proves who it is */
    const char *host;    /* peer id or multiaddr of the node that offers it; NULL: that very node */
    const char *address; /* ours, /ip4/../udp/PORT, as the others reach it; it is bound */
    unsigned join_ms;    /* to wait for the others at most; 0: 60,000 */
} px_reduce_options;

enum { PX_REDUCE_PATHS = 4 };

/* What a datagram costs on a path, measured when the members met: processor time of both ends, and
 * time in all; 0: it is not there. */
typedef struct px_reduce_path {
    const char *name;
    unsigned cpu_ns, ns;
} px_reduce_path;

/* Of the last px_reduce_sum, and of the connection since it was opened. */
typedef struct px_reduce_report {
    size_t size;    /* sizeof(px_reduce_report) */
    int gone;       /* after PX_ERR_TIMEOUT the rank without which nothing goes on, else -1 */
    unsigned least; /* the smallest number of workers in one of the sums */
    uint64_t lost;  /* values that are as they were: their sum was gone when we asked */
    uint64_t packets, again, late,
        wide;         /* contributions; sent again; closed without us; resent in 32 bits */
    uint64_t dropped; /* datagrams from strangers, with wrong tags or out of place */
    uint64_t syscalls, wakeups, wakes; /* wakes: of others, by a system call */
    uint64_t copied;     /* bytes of values copied in user space, beyond packing and unpacking */
    const char *pages;   /* of the frames: huge, transparent or normal */
    uint64_t operation;  /* number of the sum in the job, from 1 */
    uint64_t members;    /* bit set of the ranks that take part */
    unsigned epoch;      /* grows whenever they change */
    uint64_t takeovers;  /* shards of others that we took over */
    uint64_t not_finite; /* values that are NaN now, since somebody's chunk had one not finite */
    uint64_t full;       /* sums that found no room to wait in, and were asked for again */
    int cuda;            /* they are registered with CUDA: its driver and a context were there */
    const char *path; /* that are taken: "shm", or "shm 2, udp 1" members; this and the next belong
                       * to the handle */
    const char *why;  /* in one line */
    unsigned path_changes; /* times that a path was lost and replaced */
    unsigned rekeys;       /* times that the key was changed */
    px_reduce_path paths[PX_REDUCE_PATHS];
    uint64_t kept; /* bytes of sums put aside, for who may have to add a shard in another's place:
                    * those of the last window of each array; of bf16 all */
    const char *rule;     /* by which an aggregator of a job by name judges what it adds, or "none";
                           * belongs to the handle */
    uint64_t missing;     /* bit set of members that a sum of this call went on without */
    const char *topology; /* sharded or central; this and the next belong to the handle */
    const char *topology_why; /* in one line */
    uint64_t bytes; /* of the datagrams that were sent, without heads of IP and UDP; in shared
                     * memory: that were shown to others */
} px_reduce_report;

typedef struct px_reduce px_reduce;

/* Bind and join. Workers may come in any order; the first sum waits for all. With a name, that of
 * a job, it waits here until they are there. PX_ERR_INVALID (diag names the option), PX_ERR_IO,
 * PX_ERR_PERMISSION, PX_ERR_NOMEM; with a name PX_ERR_UNREACHABLE: no node runs there,
 * PX_ERR_NOT_FOUND: it offers no such job, PX_ERR_REFUSED: not to us, PX_ERR_TIMEOUT. Close with
 * px_reduce_close. */
PX_API PX_NODISCARD px_err px_reduce_open(const px_reduce_options *o, px_reduce **out,
                                          px_diag *diag);
/* Leave. Waits until no other worker has asked for a sum for 0.2 s, 2 s at most. NULL is allowed.
 */
PX_API void px_reduce_close(px_reduce *r);

/* Who this worker is, and of how many: of the options, or what the job said. */
PX_API unsigned px_reduce_rank(const px_reduce *r);
PX_API unsigned px_reduce_world(const px_reduce *r);

/*
 * Replace n values of x by the sums over all workers, or, with mean != 0, by their means. All
 * workers call it with the same n in the same order; one thread at a time. residual: n values, zero
 * at first, that keep what rounding took for the next call; NULL: it is lost. The result has the
 * same bits on all workers. Until all workers were there once it waits for them.
 *
 * A value that is not finite, or 2^126 and above, makes NaN of its chunk on all workers, and the
 * report counts them: a step to leave out, as loss scalers do.
 *
 * A worker that is silent for 3 s is left out from then on, in the midst of a sum, and others add
 * its shard; least and members tell. One that begins anew with the same rank, job and secret takes
 * part from a later sum on, which operation names: it takes the state of others at that point.
 * PX_ERR_TIMEOUT: too few are left to go on (two sides of a broken network must not both), and x is
 * partly summed; the job goes on with a new handle and a new number. Or, when report->gone is our
 * own rank, others went on without us: take their state and call again.
 * PX_ERR_RESET: of a job by name, whose aggregator left it: open it anew, and another adds, or all
 * do. x is partly summed. report->gone is 0 where an aggregator is lost. PX_ERR_LIMIT: an
 * aggregator adds for all, and the key is used up (rekey): go on with a new handle and another key.
 * After a change of keys nobody can come back. PX_ERR_INVALID: too many values. report: NULL is
 * allowed.
 */
PX_API PX_NODISCARD px_err px_reduce_sum(px_reduce *r, float *x, float *residual, size_t n,
                                         int mean, px_reduce_report *report);

/* The same for bf16 (the upper half of a float): x and the result, which is rounded to nearest
 * even. What is summed, and owed in the residual, has the bits that floats of these values have. */
PX_API PX_NODISCARD px_err px_reduce_sum_bf16(px_reduce *r, uint16_t *x, float *residual, size_t n,
                                              int mean, px_reduce_report *report);

PX_END_DECLS

#endif
