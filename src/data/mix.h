/*
 * Weighted mixing of sources: which source the p-th draw comes from, and which of its draws that
 * is, for any p at once. After every number of draws each source is within one of its share
 * (Tijdeman, "The chairman assignment problem", 1980: off by at most 1 - 1 / (2 k - 2)). The
 * schedule of one period is a table; weights whose sum is too large for one are rounded, and say
 * so.
 */
#ifndef PXI_DATA_MIX_H
#define PXI_DATA_MIX_H

#include <stdbool.h>

#include "plexus/err.h"

enum { PXI_MIX_SOURCES = 255 };

struct pxi_mix;

struct pxi_mix_source {
    uint64_t weight;  /* > 0 */
    uint64_t samples; /* > 0 */
    bool once;        /* drawn from once through; else again and again */
};

/* k of 1 to PXI_MIX_SOURCES. PX_ERR_INVALID: a weight or a size of 0. PX_ERR_NOMEM. */
px_err pxi_mix_new(const struct pxi_mix_source *sources, unsigned k, struct pxi_mix **out);
void pxi_mix_free(struct pxi_mix *m);

/* Draws until every source that is drawn from once is through, if all are; else UINT64_MAX. */
uint64_t pxi_mix_draws(const struct pxi_mix *m);

/* Source of draw p < draws, and in *nth how many draws of that source came before. */
unsigned pxi_mix_at(const struct pxi_mix *m, uint64_t p, uint64_t *nth);

/* Draws of source i among the first p. */
uint64_t pxi_mix_count(const struct pxi_mix *m, unsigned i, uint64_t p);

/* The weight that source i has among the first draws, of *sum; *rounded: not quite as given. */
uint64_t pxi_mix_weight(const struct pxi_mix *m, unsigned i, uint64_t *sum, bool *rounded);

#endif
