/*
 * The tokens of a source one behind the other, cut into rows: how many rows there are, and which
 * pieces of samples make up the i-th. In a store whose segments are let in as a whole, the place of
 * a token is that of its bytes, and nothing is built; else every 64th sample's place is kept. Rows
 * of a store do not cross segments.
 */
#ifndef PXI_DATA_CHUNK_H
#define PXI_DATA_CHUNK_H

#include "data/plan.h"

struct pxi_chunks;

/* Rows of `tokens` tokens, of which `more` of the next one are wanted, too. PX_ERR_NOMEM. */
px_err pxi_chunks_new(const struct pxi_source *s, const struct pxi_filter *f, uint32_t tokens,
                      uint32_t more, struct pxi_chunks **out);
void pxi_chunks_free(struct pxi_chunks *c);

uint64_t pxi_chunks_count(const struct pxi_chunks *c);

/*
 * The pieces of row i < count, at most `cap` written to `out`; how many there are is returned (call
 * again with room when it is more). *err: the index could not be brought from elsewhere.
 */
uint32_t pxi_chunks_row(const struct pxi_chunks *c, uint64_t i, uint16_t source,
                        struct pxi_piece *out, uint32_t cap, px_err *err);

#endif
