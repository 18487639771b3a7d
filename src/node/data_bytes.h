/* The bytes of training data: a file that is mapped, or one that lies elsewhere. */
#ifndef PXI_NODE_DATA_BYTES_H
#define PXI_NODE_DATA_BYTES_H

#include "data/grid.h"
#include "io/pager.h"
#include "plexus/data.h"
#include "plexus/file.h"

struct pxi_data_bytes {
    px_file *file;           /* one of the two */
    struct pxi_pager *pager; /* its bytes must be held, unless all are */
    px_view view;
    struct pxi_far *far; /* of a store that lies elsewhere: what its readers hold */
    uint64_t directory_at, directory_bytes;
    struct pxi_grid grid;
};

/*
 * Open a path, or an address. Of a store that lies elsewhere heads and directory are held now; of
 * any other file that does, all of it, which takes its time. Zeroed before; to be closed in any
 * case.
 */
px_err pxi_data_bytes_open(struct pxi_data_bytes *b, const char *path, const px_data_options *o,
                           const struct pxi_ndp_sums *sums, px_diag *d);
/* The store was opened: from now on its readers hold what they read, in its blocks. */
void pxi_data_bytes_settle(struct pxi_data_bytes *b, const struct pxi_source *s,
                           const struct pxi_ndp_sums *sums);
void pxi_data_bytes_close(struct pxi_data_bytes *b);
/* An error of reading: the diagnosis of what could not be brought, if it was that. */
px_err pxi_data_bytes_failed(const struct pxi_data_bytes *b, px_err err, px_diag *d);

#endif
