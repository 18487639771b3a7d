/*
 * A reader of FlatBuffers: tables of which each names where its fields are, all by offsets. Nothing
 * is believed: what does not lie within the bytes reads as absent and sets `failed`, which callers
 * ask for once. Nothing is followed twice by itself; callers bound how deep and how often they go.
 */
#ifndef PXI_CODEC_FLAT_H
#define PXI_CODEC_FLAT_H

#include <stdbool.h>

#include "plexus/view.h"

struct pxi_flat {
    px_view bytes;
    bool failed;
};

/* A table; all zero: it is absent, and so are its fields. */
struct pxi_flat_table {
    struct pxi_flat *f;
    size_t at, bytes; /* of the table */
    size_t fields;    /* where the offsets of its fields begin */
    unsigned count;   /* of them */
};

/* Elements of one size. */
struct pxi_flat_vector {
    struct pxi_flat *f;
    size_t at;
    uint32_t n;
};

/* The table that the bytes begin with. */
struct pxi_flat_table pxi_flat_root(struct pxi_flat *f);

/* Field `id` of `bytes` bytes (1 to 8), little-endian; `absent` when it is. */
uint64_t pxi_flat_number(const struct pxi_flat_table *t, unsigned id, unsigned bytes,
                         uint64_t absent);
/* Field `id`: a table, a string, a vector with elements of so many bytes. */
struct pxi_flat_table pxi_flat_table(const struct pxi_flat_table *t, unsigned id);
px_view pxi_flat_string(const struct pxi_flat_table *t, unsigned id);
struct pxi_flat_vector pxi_flat_vector(const struct pxi_flat_table *t, unsigned id, unsigned bytes);

/* Element i < n of a vector of tables; of `bytes` bytes, the number at `from` of `width` bytes. */
struct pxi_flat_table pxi_flat_element(const struct pxi_flat_vector *v, uint32_t i);
uint64_t pxi_flat_at(const struct pxi_flat_vector *v, uint32_t i, unsigned bytes, unsigned from,
                     unsigned width);

#endif
