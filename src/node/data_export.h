/*
 * Files of tokens for other tools, written beside their place and moved there when they are whole:
 * llm.c's .bin, and Megatron's .bin with its .idx, which goes last, so that a pair whose .idx is
 * there is whole.
 */
#ifndef PXI_NODE_DATA_EXPORT_H
#define PXI_NODE_DATA_EXPORT_H

#include <stdbool.h>

#include "plexus/err.h"

struct pxi_data_export_options {
    bool megatron;        /* else llmc */
    unsigned token_bytes; /* 2 or 4 */
    bool has_eot;         /* llmc: documents that do not begin with `eot` get it before them */
    int32_t eot;
};

struct pxi_data_export;

/* PX_ERR_INVALID: a path for Megatron that does not end in .bin; PX_ERR_PERMISSION, _NOT_FOUND,
 * _IO, _NOMEM. */
px_err pxi_data_export_open(const char *path, const struct pxi_data_export_options *o,
                            struct pxi_data_export **out, px_diag *d);
/* What was not finished is gone. */
void pxi_data_export_close(struct pxi_data_export *e);

/* So many tokens will come, all below `vocab` (0: not known). PX_ERR_LIMIT: the format cannot hold
 * them. */
px_err pxi_data_export_expect(const struct pxi_data_export *e, uint64_t tokens, uint64_t vocab,
                              px_diag *d);

/* A whole document. PX_ERR_LIMIT: a token that is too large, too many of them. */
px_err pxi_data_export_put(struct pxi_data_export *e, const int32_t *tokens, size_t n, px_diag *d);

/* All is there: move it to its place. */
px_err pxi_data_export_finish(struct pxi_data_export *e);

#endif
