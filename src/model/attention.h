/* Attention stages of the forward pass. */
#ifndef PXI_MODEL_ATTENTION_H
#define PXI_MODEL_ATTENTION_H

#include "model/work.h"

/* Cut the rows of the pass into runs (neighbours of one sequence) and tiles. */
void pxi_attention_plan(struct pxi_forward *f);

/*
 * From q, k, v of every row to f->input ([n][o_cols]); one stage or two. When `quantise`, f->act
 * gets the same, quantised (o_cols of a kv head must be a multiple of 32 then).
 */
void pxi_attention(struct pxi_member *me, uint32_t block, bool quantise);

#endif
