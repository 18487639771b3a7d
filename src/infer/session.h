/*
 * A session: sequences of tokens over one model, evaluated in batches. This is px_context without
 * what touches the system; src/node/context.c gives it threads, kernels and a file to watch.
 */
#ifndef PXI_INFER_SESSION_H
#define PXI_INFER_SESSION_H

#include "infer/kv.h"
#include "model/forward.h"

struct pxi_session {
    const struct pxi_model *model;
    struct pxi_forward *forward;
    struct pxi_kv kv;
    uint32_t batch;
    struct pxi_row *rows; /* [batch] */
    uint32_t *before;     /* [sequences]: lengths before the evaluation that runs */
    float *logits;        /* [logits_cap][vocab] */
    size_t logits_cap, logits_n;
    int (*changed)(const void *); /* may be NULL: did the weights change under us? */
    const void *changed_arg;
};

struct pxi_session_options {
    uint32_t positions, sequences, batch; /* all at least 1 */
    px_kv_type kv_type;
};

/* Bytes that pxi_session_init takes; UINT64_MAX when they do not fit. Logits are counted for one
 * token a sequence; more are taken when an evaluation first wants them. */
uint64_t pxi_session_bytes(const struct pxi_model *m, const struct pxi_session_options *o,
                           unsigned threads);

/* Borrows model, kernels and team. PX_ERR_NOMEM, PX_ERR_LIMIT. Deinit after success only. */
px_err pxi_session_init(struct pxi_session *s, const struct pxi_model *m,
                        const struct pxi_kernels *kn, struct pxi_team *team,
                        const struct pxi_session_options *o);
void pxi_session_deinit(struct pxi_session *s);

/* One token of a stage: with the hidden state that the stage before made of it, or without. */
struct pxi_step {
    int32_t token;
    uint32_t seq, want;
    const float *hidden; /* embd floats; NULL in a slice that embeds */
};

/* Evaluate n steps, at most a batch, of a slice; as px_context_eval in all else. Afterwards logits
 * are those of the wanted steps, hidden states those of all. */
px_err pxi_session_step(struct pxi_session *s, const struct pxi_step *steps, size_t n);
/* Of the i-th step of the last pxi_session_step: embd floats, borrowed until the next. */
const float *pxi_session_hidden(const struct pxi_session *s, size_t i);

/* As px_context_eval, _logits and _copy. */
px_err pxi_session_eval(struct pxi_session *s, const px_batch_token *tokens, size_t n);
const float *pxi_session_logits(const struct pxi_session *s, size_t i);
px_err pxi_session_copy(struct pxi_session *s, uint32_t dst, uint32_t src, uint32_t length);

#endif
