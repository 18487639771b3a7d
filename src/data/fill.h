/*
 * Rows of samples as batches: token ids in the dtype that is wanted, labels, documents, positions.
 * A packet's tokens are turned round and its CRC computed in one pass over them, straight into the
 * batch; nothing is allocated. One pxi_fill is shared by all threads that fill.
 */
#ifndef PXI_DATA_FILL_H
#define PXI_DATA_FILL_H

#include "data/plan.h"
#include "kernel/kernel.h"

struct pxi_fill {
    struct pxi_kernels kernels;
    const struct pxi_plan *plan;
    const struct pxi_source *const *sources;
    uint32_t row_tokens, batch;
    px_labels labels;
    bool padded; /* a row is a sample */
    bool far;    /* some source lies elsewhere */
    bool ids64, labels64, documents, positions, cross, unchecked;
    px_damage damage;
    int32_t pad;
    uint64_t seed, drop_below; /* a sample is dropped when its 64 random bits are below it */
};

enum { PXI_FILL_BAD = 16 };

/* A batch and its memory. */
struct pxi_slot {
    px_batch batch;
    uint8_t *ids, *labels;
    int32_t *documents, *positions;
    uint32_t *lengths;
    uint64_t *numbers;
    /* Its rows, planned: pieces of row i are first[i] .. first[i + 1]. */
    struct pxi_piece *pieces;
    uint32_t *first, piece_cap, planned;
    uint32_t sought;            /* pieces whose bytes were asked for ahead (what lies elsewhere) */
    struct pxi_place at, end;   /* of its first row, and behind its last */
    px_loader_counts counts;    /* of this batch: damaged, dropped, refilled, masked */
    uint64_t bad[PXI_FILL_BAD]; /* the first samples that were damaged */
    px_err err; /* PX_ERR_CORRUPT: bad[0]; others: of bringing it from elsewhere, bad[0] */
};

/* Bytes of memory, aligned to 64, that the arrays of a slot take. */
size_t pxi_slot_bytes(const struct pxi_fill *f);
/* Lay a slot's arrays out in so many bytes at p. */
void pxi_slot_place(const struct pxi_fill *f, struct pxi_slot *s, uint8_t *p);
void pxi_slot_deinit(struct pxi_slot *s);

/* Add a row to those that the slot is going to hold. PX_ERR_NOMEM. */
px_err pxi_slot_plan(struct pxi_slot *s, const struct pxi_row *row);

/* Some of the planned pieces lie elsewhere: ask for their entries, once, */
void pxi_slot_seek(const struct pxi_fill *f, struct pxi_slot *s);
/* and for the bytes of those whose entries came. */
void pxi_slot_ahead(const struct pxi_fill *f, struct pxi_slot *s);

/* Fill the slot with its planned rows; the first is at `position` among the rows of all. */
void pxi_fill(const struct pxi_fill *f, struct pxi_slot *s);

#endif
