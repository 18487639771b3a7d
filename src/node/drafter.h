/*
 * Who guesses the tokens of an answer (infer/draft.h): a look-up in the text and in earlier answers
 * of the same model, or a small model that is computed here.
 */
#ifndef PXI_NODE_DRAFTER_H
#define PXI_NODE_DRAFTER_H

#include "infer/chain.h"
#include "node/slice_source.h"

struct pxi_pipeline;
struct pxi_drafter;

struct pxi_drafter_options {
    const char *what;   /* NULL or "lookup"; or the name of a model as pxi_model_facts knows it */
    uint32_t blocks;    /* of that model, the first so many; 0: all */
    uint32_t positions; /* most tokens of the text */
    const struct pxi_model_facts *facts; /* of the model whose tokens are guessed */
    /* A draft that was asked for with PXI_DRAFT_LATER is there: give it to pxi_chain_drafted. */
    void (*ready)(void *ctx, uint32_t n, const uint32_t *tokens, uint32_t count);
    void *ctx;
};

/* PX_ERR_NOT_FOUND, PX_ERR_NOMEM; PX_ERR_INVALID: the model has another vocabulary. */
px_err pxi_drafter_new(struct pxi_pipeline *p, const struct pxi_drafter_options *o,
                       struct pxi_drafter **out);
/* NULL is allowed. `ready` comes no more. */
void pxi_drafter_free(struct pxi_drafter *d);
/* Those of a pipeline whose worker has ended. */
void pxi_drafters_free(struct pxi_list *all);

/* As `draft` of pxi_chain_events. While a model reads the prompt, or is not here yet, nothing is
 * guessed rather than waited for. */
uint32_t pxi_drafter_draft(struct pxi_drafter *d, const uint32_t *words, uint32_t n, uint32_t *out,
                           uint32_t max);

/* Earlier texts of one model, the newest at the end; in the memory of this node only. */
struct pxi_draft_past;
/* Add a text that is complete; past may be NULL and is made then. */
void pxi_draft_past_add(struct pxi_draft_past **past, const char *model, const uint32_t *words,
                        uint32_t n);
void pxi_draft_past_free(struct pxi_draft_past *past);

#endif
