/*
 * The Sentry: judges contributions before they are added, since what was added cannot be taken
 * back. The rules are those that fit the kernel; their arithmetic is bpf/sentry.h, which the
 * kernel half shares. docs/internals/reduce.md says what each protects against, and what not.
 * Rules that need the vectors of all workers are in reduce/robust.h: under one of them what came of
 * each worker is kept until the slot is finished, and the rule's result takes the place of the sum.
 */
#ifndef PXI_REDUCE_SENTRY_H
#define PXI_REDUCE_SENTRY_H

#include "bpf/sentry.h"
#include "codec/gradient.h"
#include "reduce/robust.h"

struct pxi_sentry_options {
    enum px_sentry_rule rule;
    const struct pxi_robust_rule *robust; /* with PX_SENTRY_NONE; none that needs a root */
    unsigned liars;                       /* that a robust rule is told of */
    unsigned k;     /* deviations, or scales, in quarters, at most 63; 0: that of the rule */
    bool clip;      /* welford: shrink what is too large instead of dropping it */
    uint8_t format; /* the next as pxi_slots_options; a fan-in of 4 at least */
    uint8_t fan_in;
    uint16_t values;
    uint32_t slots, chunks;
};

struct pxi_sentry;

/* NULL: no memory, or options that cannot be. */
struct pxi_sentry *pxi_sentry_new(const struct pxi_sentry_options *o);
void pxi_sentry_free(struct pxi_sentry *s);

/* What follows names a version of a slot by its place, seq modulo 2 x slots. */

/* It begins, with what this packet says. */
void pxi_sentry_begin(struct pxi_sentry *s, const struct px_gradient_head *h);

/*
 * Judge a contribution that has values. *lanes: what is to be added, count 16-bit lanes with the
 * bias, borrowed until the next call; not set when it is dropped.
 */
enum px_sentry_verdict pxi_sentry_judge(struct pxi_sentry *s, const struct px_gradient_head *h,
                                        px_view values, const void **lanes);

/* Note what a contribution says of the next exponent; ask for what is agreed on, which is `most`,
 * the largest that was said, when all are in quarantine. */
void pxi_sentry_said(struct pxi_sentry *s, const struct px_gradient_head *h);
int8_t pxi_sentry_exponent(const struct pxi_sentry *s, uint32_t seq, int8_t most);

/*
 * The sum is complete: learn from it. The head is that of the first packet; `lanes` are the sums,
 * before they are folded, of the workers `added`, out of `members`. A robust rule replaces them: by
 * its result times the number of workers, so that their mean is the result.
 */
void pxi_sentry_finish(struct pxi_sentry *s, const struct px_gradient_head *h, void *lanes,
                       uint64_t added, uint64_t members);

/* Counters of a worker below 64. */
const struct px_sentry_worker *pxi_sentry_worker(const struct pxi_sentry *s, unsigned worker);
/* The control plane takes a quarantine back, or another worker has its number. */
void pxi_sentry_pardon(struct pxi_sentry *s, unsigned worker);

#endif
