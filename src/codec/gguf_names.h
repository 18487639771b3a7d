/*
 * Index from names to positions in a table whose rows begin with a px_view. Four bytes a slot, so
 * that a file full of tiny names costs little memory; a bound on probes, so that names chosen to
 * collide cost linear time and are refused.
 */
#ifndef PXI_CODEC_GGUF_NAMES_H
#define PXI_CODEC_GGUF_NAMES_H

#include "plexus/err.h"
#include "plexus/view.h"

struct pxi_names {
    const void *rows;
    size_t stride;
    uint32_t *slots; /* position + 1; 0 is free */
    size_t mask;
};

/*
 * Index the names of n rows (n < 2^31). PX_ERR_CORRUPT: row *at repeats an earlier name.
 * PX_ERR_LIMIT: too many names fall on the same slots. PX_ERR_NOMEM.
 */
px_err pxi_names_init(struct pxi_names *x, const void *rows, size_t n, size_t stride, size_t *at);
void pxi_names_deinit(struct pxi_names *x);

/* Position of name, or -1. */
int64_t pxi_names_find(const struct pxi_names *x, px_view name);

#endif
