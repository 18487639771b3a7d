/*
 * Which pieces of which samples make up each row, in which order: a pure function of the options
 * and of where one is. A place is a position, and in packings a row of the group that begins there,
 * so that anybody can begin anywhere without what came before.
 *
 * Padded rows and chunks are found one by one. Fitted rows are made in groups: the samples of
 * PXI_PLAN_GROUP positions are laid out together, and their rows shuffled.
 */
#ifndef PXI_DATA_PLAN_H
#define PXI_DATA_PLAN_H

#include "data/filter.h"
#include "data/mix.h"
#include "data/order.h"
#include "plexus/data.h"

enum { PXI_PLAN_GROUP = 4096 };

/* Tokens from .. from + count of a sample, or as many as it has: samples are not looked at for
 * padded rows. */
struct pxi_piece {
    uint64_t sample;
    uint32_t from, count;
    uint16_t source;
    bool begins; /* with the first token of a document, or is the first of its row */
};

struct pxi_row {
    uint64_t position;
    const struct pxi_piece *pieces;
    uint32_t count;
};

struct pxi_plan_options {
    const struct pxi_source *const *sources;
    const struct pxi_filter *const *filters; /* of each */
    const uint64_t *weights;
    const int *once;
    unsigned count; /* up to PXI_MIX_SOURCES */
    uint32_t row_tokens;
    uint32_t more; /* tokens after the row that are wanted, too: 0 or 1 */
    px_packing packing;
    uint64_t seed, epochs;
    bool sequential;
};

struct pxi_plan;

/* PX_ERR_NOT_FOUND: no rows. PX_ERR_NOMEM. The arrays are copied, what they point to is borrowed.
 */
px_err pxi_plan_new(const struct pxi_plan_options *o, struct pxi_plan **out);
void pxi_plan_free(struct pxi_plan *p);

/* Padded and chunked: rows until the end, UINT64_MAX without one. Fitted: positions. */
uint64_t pxi_plan_positions(const struct pxi_plan *p);
/* Whether a row is a position: then row i is at position i. */
bool pxi_plan_direct(const struct pxi_plan *p);

/* Where one is: position, and row of the group that begins there (fitted). */
struct pxi_place {
    uint64_t position, row;
};

/* What one reader of a plan needs: buffers, and what it found last. Zeroed; deinit it. */
struct pxi_plan_reader {
    struct pxi_piece *pieces;
    uint32_t piece_cap;
    struct pxi_order *orders; /* of each source */
    uint64_t *epochs;
    unsigned order_count;
    struct pxi_group *group;
    uint64_t group_at;
};
void pxi_plan_reader_deinit(struct pxi_plan_reader *r);
/* What it found last counts no more: it may be half done. */
void pxi_plan_reader_forget(struct pxi_plan_reader *r);

/*
 * The row at a place, which moves to the next; rows borrow from the reader until its next call.
 * False at the end, or (*err) without memory.
 */
bool pxi_plan_next(const struct pxi_plan *p, struct pxi_plan_reader *r, struct pxi_place *at,
                   struct pxi_row *out, px_err *err);
/* Move over n rows. */
px_err pxi_plan_skip(const struct pxi_plan *p, struct pxi_plan_reader *r, struct pxi_place *at,
                     uint64_t n);

/* Another sample of the source instead of one that cannot be used, for the k-th time. */
uint64_t pxi_plan_instead(const struct pxi_plan *p, unsigned source, uint64_t position, unsigned k);

/* 16 bytes that tell plans apart: sources, weights, packing, seed. */
void pxi_plan_name(const struct pxi_plan *p, uint8_t out[16]);

#endif
