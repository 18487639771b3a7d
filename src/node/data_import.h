/* Training data of other tools, from their files and folders. */
#ifndef PXI_NODE_DATA_IMPORT_H
#define PXI_NODE_DATA_IMPORT_H

#include <stdbool.h>

#include "plexus/data.h"

/* Who takes documents: whole ones. */
struct pxi_data_import_to {
    px_err (*tokens)(void *ctx, const int32_t *tokens, size_t n);
    /* NULL: text is refused. */
    px_err (*text)(void *ctx, px_view text);
    /* true ends the reading with PX_ERR_INTERRUPTED. */
    bool (*told)(void *ctx, uint64_t done, uint64_t all);
    void *ctx;
};

/* Files that are open. */
struct pxi_data_import;

/* The i-th name of a format that this reads; NULL: there are fewer. */
const char *pxi_data_import_name(unsigned i);
/* The name of the format of what is at `path`, from its name and its first bytes; NULL: none of
 * these. */
const char *pxi_data_import_find(const char *path);

/*
 * Open what is at `path` as `format`, one of these names. Of the options those of import count:
 * has_eot, eot, column. What px_file_open says, and what the format's own functions say.
 */
px_err pxi_data_import_open(const char *path, const char *format, const px_data_convert_options *o,
                            struct pxi_data_import **out, px_diag *d);
void pxi_data_import_close(struct pxi_data_import *m);

/* Bytes of all its files; bytes that hold any of its tokens, 2 or 4, 0: it is not known. */
uint64_t pxi_data_import_bytes(const struct pxi_data_import *m);
unsigned pxi_data_import_token_bytes(const struct pxi_data_import *m);

/* Hand out all documents. *left_out counts those without tokens. */
px_err pxi_data_import_read(struct pxi_data_import *m, const struct pxi_data_import_to *to,
                            uint64_t *left_out, px_diag *d);

#endif
