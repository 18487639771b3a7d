/*
 * The forward pass: tokens of any mix of sequences in, logits of the wanted ones out. The whole
 * pass is one job of a team; members claim pieces of each stage from a counter and meet at a
 * barrier where the next stage needs all of the last (five a block when few tokens are decoded,
 * eight in prefill).
 *
 * No result depends on how the work is cut: a token's arithmetic touches only its own activations,
 * the weights, and the keys and values of its own sequence.
 */
#ifndef PXI_MODEL_FORWARD_H
#define PXI_MODEL_FORWARD_H

#include "base/team.h"
#include "kernel/kernel.h"
#include "model/kvslab.h"
#include "model/weights.h"

/* One token of a pass. Tokens of one sequence come in order of position. */
struct pxi_row {
    int32_t token;
    const float *hidden; /* what the stage before made of the token (embd floats); NULL: embed it */
    uint32_t position;
    void *slab; /* of its sequence */
    uint32_t want;
};

struct pxi_forward;

/* Bytes that pxi_forward_new would take; UINT64_MAX when they do not fit. */
uint64_t pxi_forward_bytes(const struct pxi_model *m, const struct pxi_kv_layout *l, uint32_t batch,
                           unsigned threads);

/* All memory of passes of up to `batch` tokens; borrows everything. NULL when out of memory. */
struct pxi_forward *pxi_forward_new(const struct pxi_model *m, const struct pxi_kernels *kn,
                                    struct pxi_team *team, const struct pxi_kv_layout *l,
                                    uint32_t batch);
void pxi_forward_free(struct pxi_forward *f);

/*
 * Evaluate n rows (1 to batch); keys and values are stored at their positions. Logits of the wanted
 * rows go to `logits`, vocab floats each, in the order of the rows; a slice without the output
 * makes none.
 */
void pxi_forward_run(struct pxi_forward *f, const struct pxi_row *rows, size_t n, float *logits);

/* The hidden state of the i-th row of the last run, embd floats, as the next stage wants it. */
const float *pxi_forward_hidden(const struct pxi_forward *f, size_t i);

#endif
