/* Files of training data, checked from end to end: `plexus check` and `plexus data verify`. */
#ifndef PXI_DATA_CHECK_H
#define PXI_DATA_CHECK_H

#include "data/packets.h"

struct pxi_kernels;

/* The checksums of a table of kernels. */
struct pxi_ndp_sums pxi_data_sums(const struct pxi_kernels *k);

/* Formats ndp and ndp3 of px_check: parsers of hostile files. Packets that were dropped are no
 * error; a file that ends within one, or has none, is. */
px_err pxi_check_ndp(px_view bytes, px_diag *d);
px_err pxi_check_ndp3(px_view bytes, px_diag *d);

/*
 * Every block, every sample, every hash of a store that `s` is of: PX_ERR_CORRUPT names the first
 * that is wrong, the segment and the block or the sample. Finds any byte that changed.
 */
px_err pxi_store_verify(const struct pxi_ndp_sums *sums, const struct pxi_source *s, px_view file,
                        pxi_data_progress *progress, void *ctx, px_diag *d);

#endif
