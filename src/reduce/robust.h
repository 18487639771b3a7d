/*
 * Rules that make one vector of those of all workers, for mode `server` and at most 64 workers.
 * They need whole vectors, so they run in user space; what the kernel can do is reduce/sentry.h.
 * docs/internals/reduce.md, section "Sentry", says what each survives.
 *
 * A vector with a value that is not finite is left out, and counts against f. Of no rule more than
 * the fraction that the page states is promised.
 */
#ifndef PXI_REDUCE_ROBUST_H
#define PXI_REDUCE_ROBUST_H

#include <stdbool.h>
#include <stddef.h>

#include "plexus/err.h"

enum { PXI_ROBUST_WORKERS = 64 };

struct pxi_robust_in {
    const float *const *v; /* n vectors of d values */
    unsigned n;            /* 1 to PXI_ROBUST_WORKERS */
    size_t d;
    unsigned f;        /* workers that may lie; what n does not allow is lowered to (n - 1) / 2 */
    const float *last; /* the last result, for rules that start from it; NULL: zeros */
    const float *root; /* what trusted data gives, for `root` */
};

struct pxi_robust; /* memory of the rules */

struct pxi_robust_rule {
    const char *name, *text;
    bool needs_root;
    void (*run)(struct pxi_robust *r, const struct pxi_robust_in *in, float *out);
};

extern const struct pxi_robust_rule pxi_robust_rules[];
extern const unsigned pxi_robust_rule_count;

/* NULL: there is none of that name. */
const struct pxi_robust_rule *pxi_robust_find(const char *name);
/* The default: `root` with a root set, else `nnm+trim`; NULL above PXI_ROBUST_WORKERS workers. */
const struct pxi_robust_rule *pxi_robust_default(unsigned n, bool has_root);

/* For n workers at most; NULL: no memory. */
struct pxi_robust *pxi_robust_new(unsigned n);
void pxi_robust_free(struct pxi_robust *r);

/* The vector of a rule to `out` (d values, none of the input). PX_ERR_INVALID, and zeros: no vector
 * is finite, or there is no root. */
px_err pxi_robust_run(struct pxi_robust *r, const struct pxi_robust_rule *rule,
                      const struct pxi_robust_in *in, float *out);

#endif
