/*
 * A store that lies elsewhere, cut into blocks: the 65,536 bytes under one checksum of its
 * segments, and what lies between them. A block of a segment is proved by its entry in the
 * segment's sums.
 */
#ifndef PXI_DATA_GRID_H
#define PXI_DATA_GRID_H

#include "data/source.h"

struct pxi_grid {
    const struct pxi_source *s;
    const struct pxi_ndp_sums *sums;
};

/* The cut of an open store; the grid is borrowed. */
struct pxi_far_cut pxi_grid_cut(const struct pxi_grid *g);

#endif
