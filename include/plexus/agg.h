/*
 * The aggregator in the kernel: an XDP program that adds gradients where they arrive
 * (docs/internals/reduce.md). One process holds it; when that ends, however it ends, the program is
 * gone with it.
 */
#ifndef PLEXUS_AGG_H
#define PLEXUS_AGG_H

#include "plexus/err.h"

PX_BEGIN_DECLS

typedef struct px_agg_options {
    size_t size;         /* sizeof(px_agg_options) */
    const char *device;  /* network device */
    int generic;         /* do not try its driver */
    const char *address; /* IPv4, ours; NULL: any */
    unsigned port;       /* of contributions */
    unsigned values;     /* of a chunk, at most, a multiple of 16; 0: 688 */
    unsigned slots;      /* of a job, at most, a power of two; 0: 256 */
    unsigned chunks;     /* whose last sums are kept of a job; 0: 4096 */
    unsigned jobs;       /* leases; 0: 1 */
    int steered;         /* a slot's packets come to one processor: no slot needs a lock */
    /* A job, when there are workers: the aggregator is not one of them. */
    uint32_t job;
    const char *const *workers; /* IPv4 addresses, in the order of ranks */
    unsigned worker_count;      /* at most 64 */
    const uint8_t *secret;      /* 32 bytes that only the job knows */
    unsigned bits;              /* of a value: 16, 8 or 4; 0: 16 */
    unsigned deadline_ms;       /* of a slot, also where sums take less; 0: twice the time that a
                                 * quorum took of late and slack_ms, 2000 at most */
    unsigned slack_ms;          /* 0: 500, or deadline_ms where that is given */
    const char *group;          /* IPv4 address to which sums go: multicast or broadcast */
    unsigned group_port;        /* 0: port */
    int server; /* user space sends the sums, a wake-up for 32 or fewer; without a group
                 * to each worker's address and group_port */
    const char
        *helper; /* socket of the helper that attaches when this process may not; NULL: none */
    const char *sentry; /* rule that judges what is added: "clip1", "welford", which need 4 workers;
                         * "none"; NULL or "auto": clip1 for 4 workers or more, else none */
    double sentry_k;    /* its scales, or deviations, to 15.75; 0: 3 of clip1, 3.5 of welford */
    int sentry_clip;    /* welford: shrink what is too large instead of dropping it */
    /* Jobs that a node offers (plexus agg offer), joined again whenever they are lost:
     * workers, key, format and deadline come from there, and user space sends their sums to each
     * worker. jobs is then how many companies at once, 0: 4; address is needed, and where workers
     * find us; values and slots are the most of a job; a rule judges those of 4 workers or more,
     * and "auto" is clip1. */
    const char *const *names;
    unsigned name_count; /* at most 16 */
    const char *node;    /* control socket of our node */
    const char *host; /* peer id or multiaddr of the node that offers them; NULL: that very one */
} px_agg_options;

/*
 * Load, attach, and answer at the local socket `path` until it is asked to end ({"op":"stat"},
 * {"op":"detach"}: one line of JSON each) or *stop is not 0. ready hears once of the first answer
 * to "stat". {"op":"trace"} is answered as "stat", and then by a line for every event until its
 * asker goes. PX_ERR_UNSUPPORTED and PX_ERR_PERMISSION say in the diagnosis what is missing.
 */
PX_API PX_NODISCARD px_err px_agg_serve(const px_agg_options *o, const char *path,
                                        void (*ready)(void *ctx, const char *json), void *ctx,
                                        const volatile int *stop, px_diag *diag);

/* What px_agg_verify saw. */
typedef struct px_agg_report {
    size_t size; /* sizeof(px_agg_report) */
    uint64_t packets, summed, finished, closed, passed;
    uint64_t mismatches;   /* packets of which the kernel made something else than user space */
    double ns;             /* mean time of a packet in the program, cached; 0: not measured */
    const char *drops[16]; /* names of reasons, NULL past the end */
    uint64_t dropped[16];
} px_agg_report;

/* Give random packets to the kernel's program, attached nowhere, and to the aggregator in user
 * space, and compare every answer and the counters. sentry: the rule of both,
 * "none" (or NULL), "clip1" or "welford"; helper: as in px_agg_options. */
PX_API PX_NODISCARD px_err px_agg_verify(uint64_t packets, uint64_t seed, const char *sentry,
                                         const char *helper, px_agg_report *out, px_diag *diag);

/* What aggregators that were killed have left in libxdp's dispatcher on a device: take it out. It
 * passes all packets until then, and px_agg_serve does the same. *swept: how many there were.
 * PX_ERR_UNSUPPORTED: there is a dispatcher, and no libxdp. */
PX_API PX_NODISCARD px_err px_agg_sweep(const char *device, unsigned *swept, px_diag *diag);

PX_END_DECLS

#endif
