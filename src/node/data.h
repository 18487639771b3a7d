/* What the parts of the data face share. */
#ifndef PXI_NODE_DATA_H
#define PXI_NODE_DATA_H

#include "data/check.h"
#include "kernel/kernel.h"
#include "plexus/data.h"
#include "plexus/file.h"

struct px_data {
    px_file *file;
    px_view bytes;
    struct pxi_kernels kernels;
    struct pxi_ndp_sums sums;
    struct pxi_source *source;
};

/* Options of a caller that knows fewer of them, or none. */
void pxi_data_options(void *full, size_t full_size, const void *given);

#endif
