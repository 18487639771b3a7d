/* Choosing a token: the mask of JSON, the sampler, logarithms of probabilities. */
#ifndef PXI_NODE_GENERATE_CHOOSE_H
#define PXI_NODE_GENERATE_CHOOSE_H

#include "node/generate_json.h"
#include "node/generator.h"

/* The bytes of every token, one after the other; zeroed before its first use. */
struct pxi_spellings {
    uint32_t *first; /* [tokens + 1] */
    uint8_t *bytes;
};

/* Fill it, if it is empty. PX_ERR_NOMEM. */
px_err pxi_spellings_make(struct pxi_spellings *s, const px_tokenizer *t);
void pxi_spellings_deinit(struct pxi_spellings *s);

/* Copy logits to out with all tokens forbidden that cannot go on the JSON object of `state`; false
 * when none is left. */
bool pxi_json_mask(const struct pxi_spellings *s, const px_tokenizer *t,
                   const struct pxi_json_state *state, const float *logits, float *out,
                   uint32_t vocab);

/* Logarithm of the probability of `token`, and the `count` likeliest tokens, best first; equals go
 * by id. */
float pxi_logprobs(const float *logits, uint32_t vocab, int32_t token, struct pxi_logprob *top,
                   uint32_t count);

#endif
