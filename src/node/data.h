/* What the parts of the data face share. */
#ifndef PXI_NODE_DATA_H
#define PXI_NODE_DATA_H

#include "data/check.h"
#include "data/writer.h"
#include "node/data_bytes.h"
#include "node/kernels.h"
#include "plexus/data.h"

struct px_data {
    struct pxi_data_bytes bytes;
    struct pxi_kernels kernels;
    struct pxi_ndp_sums sums;
    struct pxi_source *source;
    _Atomic uint64_t next; /* behind the last sample that was read: is it in their order? */
};

/* Options of a caller that knows fewer of them, or none. */
void pxi_data_options(void *full, size_t full_size, const void *given);

/* Whether these are the bytes of a store with tokens of two bytes. */
bool pxi_data_store_u16(px_view bytes);

/* What a writer wraps, and how packets that come from it are checked, before the first sample. */
struct pxi_writer *pxi_data_writer_inner(px_data_writer *w);
/* A writer of the very file `path`, which is made when missing. It goes on with the store that is
 * there, unless `anew` or there is none: then it begins one with this id. */
px_err pxi_data_writer_at(const char *path, const px_data_writer_options *o, const uint8_t id[16],
                          bool anew, px_data_writer **out, px_diag *d);
px_err pxi_data_writer_variant(px_data_writer *w, struct pxi_ndp_variant v);

#endif
