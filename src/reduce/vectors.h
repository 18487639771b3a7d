/*
 * What came of each worker in the slots that are open, so that a rule for whole vectors
 * (reduce/robust.h) can take the place of their sum: part of the Sentry (reduce/sentry.h). A rule
 * looks at one chunk at a time.
 */
#ifndef PXI_REDUCE_VECTORS_H
#define PXI_REDUCE_VECTORS_H

#include "codec/gradient.h"
#include "reduce/robust.h"

struct pxi_vectors_options {
    const struct pxi_robust_rule *rule; /* none that needs a root */
    unsigned liars;                     /* that it is told of */
    uint8_t format, fan_in;
    uint16_t values;
    uint32_t slots, chunks;
};

struct pxi_vectors;

/* NULL: no memory. The options are those of the Sentry, which has looked at them. */
struct pxi_vectors *pxi_vectors_new(const struct pxi_vectors_options *o);
void pxi_vectors_free(struct pxi_vectors *v);

/* The lanes of a contribution, with their bias. False: of no worker of the job. */
bool pxi_vectors_keep(struct pxi_vectors *v, const struct px_gradient_head *h,
                      const uint16_t *lanes);

/* The rule's result of the workers `in`, all of whom came, times their number, in place of the
 * sum. Nothing changes when there is none. The head is as in pxi_sentry_finish. */
void pxi_vectors_finish(struct pxi_vectors *v, const struct px_gradient_head *h, uint64_t in,
                        uint16_t *lanes);

#endif
