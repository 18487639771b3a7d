/*
 * What generates text, seen from the HTTP API: a model on this machine (src/node/generate_local.c),
 * or one over several (the pipeline). A generation is started with a prompt and options and tells
 * what it makes, token by token, on the loop; turning tokens into text and stopping at strings is
 * done above it (src/node/generate_text.h), so that back ends speak of token ids only.
 */
#ifndef PXI_NODE_GENERATOR_H
#define PXI_NODE_GENERATOR_H

#include <stdbool.h>

#include "base/limits.h"
#include "plexus/model.h"
#include "plexus/node.h"
#include "plexus/sampler.h"
#include "plexus/template.h"

/* What is known of the model. Borrowed, unchanged while the generator is open. */
struct pxi_generator_info {
    const char *name; /* by which requests ask for it */
    const px_model_info *model;
    const px_tokenizer *tokenizer;
    const px_template *chat; /* NULL: the model has no template */
    uint32_t positions;      /* tokens of a prompt and its answer together */
    uint64_t file_bytes;
    uint64_t created_s;          /* when it was opened, seconds since 1970 */
    bool embeds, json, logprobs; /* what it can do: embeddings; an answer that is JSON; tell
                                  * probabilities */
    const char *backend;         /* "local", "swarm" */
};

/* One of three: token ids, a conversation for the template, or text. */
struct pxi_prompt {
    const int32_t *ids;
    size_t count;
    const char *chat_json; /* {"messages": [...], "tools": ...}: variables of the template */
    px_view text;
    bool raw; /* of text: add no BOS */
};

/* All is copied by start. */
struct pxi_generate_request {
    struct pxi_prompt prompt;
    px_sampler_options sampler; /* with size set; bias as there */
    uint32_t max_tokens;        /* 0: as many as fit */
    uint32_t top_logprobs;      /* alternatives to tell, at most PXI_LIMIT_HTTP_LOGPROBS */
    bool logprobs;
    bool ignore_end; /* go on after tokens that end an answer */
    bool json;       /* the answer is one JSON object */
    bool embed;      /* no answer: the embedding of the prompt */
};

enum pxi_generate_kind {
    PXI_GENERATE_STARTED,   /* the prompt was read: prompt_tokens, cached_tokens */
    PXI_GENERATE_TOKEN,     /* token, logprob, top */
    PXI_GENERATE_EMBEDDING, /* embedding */
    PXI_GENERATE_DONE,      /* reason; the last event */
    PXI_GENERATE_FAILED,    /* err, why; the last event */
};

enum pxi_generate_reason {
    PXI_GENERATE_END,    /* the model ended its answer */
    PXI_GENERATE_LENGTH, /* max_tokens, or the context is full */
};

struct pxi_logprob {
    int32_t token;
    float logprob; /* natural logarithm of the probability before temperature and cuts */
};

struct pxi_generate_event {
    enum pxi_generate_kind kind;
    enum pxi_generate_reason reason;
    px_err err;
    const char *why; /* a sentence, or NULL */
    int32_t token;   /* of DONE by END: the token that ended it, or PX_TOKEN_NONE */
    float logprob;
    const struct pxi_logprob *top;
    uint32_t top_count;
    const float *embedding;
    uint32_t embedding_count;
    uint32_t prompt_tokens, cached_tokens, made_tokens;
    uint64_t prompt_ns, decode_ns; /* of DONE: time that it took */
    uint64_t born_ns; /* when the token was chosen, by the clock of the loop (pxi_clock_ns) */
};

/* Hears of a generation, on the loop, never from inside start or cancel. */
typedef void pxi_generate_fn(void *ctx, const struct pxi_generate_event *e);

struct pxi_generator_stats {
    uint32_t running, waiting, slots;
    uint64_t prompt_tokens, cached_tokens, made_tokens, steps, step_tokens;
    uint32_t positions_used, positions_all; /* of the KV cache */
};

struct pxi_generation; /* a generation that runs; the back end's own */

struct pxi_generator {
    const struct pxi_generator_info *(*info)(const struct pxi_generator *g);
    /* PX_ERR_LIMIT: too many are waiting. */
    px_err (*start)(struct pxi_generator *g, const struct pxi_generate_request *r,
                    pxi_generate_fn *event, void *ctx, struct pxi_generation **out);
    /* End it without a further event. To be called only before the last event; after that one the
     * generation is gone by itself. */
    void (*cancel)(struct pxi_generator *g, struct pxi_generation *job);
    struct pxi_generator_stats (*stats)(const struct pxi_generator *g);
    void (*close)(struct pxi_generator *g); /* running generations end without an event */
};

/*
 * Tokens of a prompt, as every back end makes them: a conversation goes through the template, and
 * gets a BOS only where the template wrote none. *out is freed with pxi_free. PX_ERR_TEMPLATE with
 * diag, PX_ERR_CONTEXT_FULL (no room for an answer), PX_ERR_INVALID (empty, or ids that the model
 * does not have), PX_ERR_NOMEM.
 */
px_err pxi_prompt_tokens(const struct pxi_generator_info *info, const struct pxi_prompt *p,
                         int64_t now_unix, int32_t **out, size_t *n, px_diag *diag);

/* Open the back end of the swarm: peers compute, each a part of the model (src/node/pipeline.h),
 * whose name is what pxi_model_facts takes. Only m's tokenizer and template are used; it must
 * outlive the generator, and the generator the node. Requests for log-probabilities, JSON and
 * embeddings are PX_ERR_UNSUPPORTED. */
px_err pxi_generator_swarm(px_node *n, const px_model *m, const char *name,
                           struct pxi_generator **out);

/* Open the back end of this machine: it computes on a thread of its own, several sequences in one
 * context. The model must outlive it. */
struct pxi_loop;
struct pxi_local_options {
    const char *name;
    px_context_options context; /* sequences: answers at a time, 0 = 4 */
    uint64_t file_bytes;
};
px_err pxi_generator_local(struct pxi_loop *l, const px_model *m, const struct pxi_local_options *o,
                           struct pxi_generator **out, px_diag *diag);

#endif
