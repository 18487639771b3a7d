/* From packets to a store and back: the same bytes, also of what was damaged. */
#ifndef PXI_DATA_PACKETS_H
#define PXI_DATA_PACKETS_H

#include "data/source.h"
#include "data/writer.h"

/* Long work reports; true ends it with PX_ERR_INTERRUPTED. */
typedef bool pxi_data_progress(void *ctx, uint64_t done, uint64_t all);

/*
 * Add every packet of `file` to a store, and keep what is none as foreign bytes. A packet whose
 * tokens the store's dtype cannot hold is kept raw. The caller commits.
 */
px_err pxi_packets_read(const struct pxi_ndp_sums *sums, struct pxi_ndp_variant v, px_view file,
                        struct pxi_writer *w, pxi_data_progress *progress, void *ctx);

typedef px_err pxi_data_put(void *ctx, px_view bytes);

/*
 * Write the samples of a source as packets, in the source's variant. What lay between them in the
 * file that a store was made of lies between them again. A sample that is too long for one packet
 * becomes several. PX_ERR_CORRUPT: a sample or a record that is damaged; what `put` returns.
 */
px_err pxi_packets_write(const struct pxi_ndp_sums *sums, const struct pxi_source *s,
                         pxi_data_put *put, void *put_ctx, pxi_data_progress *progress, void *ctx,
                         px_diag *d);

#endif
