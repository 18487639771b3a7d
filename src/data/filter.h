/*
 * Which samples of a source are let in, by source, destination and type: how many, and the i-th.
 * Where all are let in nothing is kept. A store whose segments are alike inside is judged by its
 * directory; else one bit a sample is made, from one pass over the index.
 */
#ifndef PXI_DATA_FILTER_H
#define PXI_DATA_FILTER_H

#include "data/source.h"

struct pxi_filter;

struct pxi_filter_options {
    const uint8_t *src, *dst, *typ; /* bit sets of 256 codes; NULL: all */
};

/* Samples without tokens are never let in. PX_ERR_NOMEM. */
px_err pxi_filter_new(const struct pxi_source *s, const struct pxi_filter_options *o,
                      struct pxi_filter **out);
void pxi_filter_free(struct pxi_filter *f);

uint64_t pxi_filter_count(const struct pxi_filter *f);
/* Number in the source of the i-th that is let in, i < count. */
uint64_t pxi_filter_at(const struct pxi_filter *f, uint64_t i);
/* Whether sample i of the source is let in. */
bool pxi_filter_has(const struct pxi_filter *f, uint64_t i);

#endif
