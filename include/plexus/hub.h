/*
 * An aggregator of gradients in user space that is none of the workers: they give its address as
 * `aggregator` in px_reduce_options. It can judge what they send before it adds: by the rules that
 * the kernel has, and by those that need the vectors of all workers (docs/internals/reduce.md,
 * "Sentry", says what each survives, and what not).
 *
 * One can be a worker of another: leaves add some of the workers each, and one above them the
 * leaves, which hand its sums down. They are the sums of one hub of all, bit by bit, and no hub
 * needs a link for all workers. Between hubs a value has 16 bits in every format, which a packet of
 * `values` is to have room for.
 */
#ifndef PLEXUS_HUB_H
#define PLEXUS_HUB_H

#include "plexus/reduce.h"

PX_BEGIN_DECLS

typedef struct px_hub_options {
    size_t size;                /* sizeof(px_hub_options) */
    const char *address;        /* multiaddr to be at, /ip4/../udp/PORT */
    const char *const *workers; /* world multiaddrs, in the order of ranks */
    unsigned world;             /* 1 to 64; 4 at least under a rule */
    const uint8_t *secret;      /* as in px_reduce_options, and so are the next */
    uint32_t job;
    px_reduce_format format;
    unsigned values, window, deadline_ms;
    size_t longest;   /* values of the longest array: rules remember the chunks of so many; 0: no
                       * rule, and no sums are kept for late workers */
    const char *rule; /* name of px_hub_rule; NULL: "mean" */
    double k;         /* of clip1: scales, of welford: deviations, to 15.75; 0: 3, and 3.5 */
    unsigned liars;   /* that a rule for vectors expects; 0: a quarter of the workers, or 1 */
    int clip;         /* welford: shrink what is too large instead of dropping it */
    int kernel;       /* have the kernel's program add, attached nowhere, where the kernel takes it
                       * and the rule is mean, clip1 or welford: to see it work, not to be fast */
    /* A leaf: where the one above is, of which number we are there, below 64, and which of the
     * `total` ranks of the job our workers have: world of them, 32 at most, from `first` on. NULL:
     * no leaf. A leaf waits for a worker for half of deadline_ms, the one above for a leaf for all
     * of it: its workers are then missing, and give up after their silence_ms. */
    const char *above;
    unsigned leaf, first, total;
    unsigned slack_ms;      /* as in px_reduce_options */
    const unsigned *leaves; /* the one above: `workers` are leaves, in the order of their ranks, and
                             * have so many workers each; NULL: they are workers. In a tree the rule
                             * is mean: nobody sees all contributions */
} px_hub_options;

/* What a rule has said of a worker's packets. */
typedef struct px_hub_worker {
    uint64_t judged, clipped, dropped, verdicts;
    unsigned score;
    int quarantined; /* its packets are not added until it has behaved for a while */
} px_hub_worker;

typedef struct px_hub_report {
    size_t size;               /* sizeof(px_hub_report) */
    uint64_t packets, added;   /* contributions that came; that were added */
    uint64_t finished, closed; /* sums; of them at their deadline, without all */
    uint64_t clipped, refused; /* contributions that a rule clamped; that it did not let pass */
    uint64_t dropped;          /* datagrams from strangers, with wrong tags or out of place */
    px_hub_worker workers[64]; /* all 0 without a rule that judges packets */
    const char *path;          /* "kernel" or "user": who adds; and why, in one line */
    char why[160];
} px_hub_report;

typedef struct px_hub px_hub;

/* Bind, and add from now on, on a thread of its own. PX_ERR_INVALID (diag names the option),
 * PX_ERR_IO, PX_ERR_PERMISSION, PX_ERR_NOMEM. Close with px_hub_close. */
PX_API PX_NODISCARD px_err px_hub_open(const px_hub_options *o, px_hub **out, px_diag *diag);
/* At once: workers whose last sum was lost ask in vain. NULL is allowed. */
PX_API void px_hub_close(px_hub *h);

/* How it stands; out->size is set by the caller. */
PX_API void px_hub_look(px_hub *h, px_hub_report *out);

/* Name of the i-th rule, NULL past the end: mean, clip1, welford, then those for vectors. */
PX_API const char *px_hub_rule(unsigned i);

PX_END_DECLS

#endif
