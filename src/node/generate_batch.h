/*
 * Continuous batching: several answers grow in one context. Each step evaluates the next token of
 * every answer that runs and a piece of the prompts that are being read; answers come and go
 * between steps. A place that is free remembers what it has read, so that a conversation that goes
 * on reads only what is new. Belongs to one thread; knows no thread, clock or socket.
 */
#ifndef PXI_NODE_GENERATE_BATCH_H
#define PXI_NODE_GENERATE_BATCH_H

#include "base/list.h"
#include "node/generate_json.h"
#include "node/generator.h"

/* One generation. Zeroed, then filled by its owner, who frees it after its last event. */
struct pxi_job {
    struct pxi_list link; /* waiting or running; pxi_list_init before */
    struct pxi_generate_request r;
    int32_t *ids; /* of the prompt; r.prompt is not looked at */
    size_t n;
    void *owner;
    /* of the batch */
    struct pxi_job_place *place; /* NULL: it waits */
    px_sampler *sampler;
    struct pxi_json_state json;
    float *sum; /* of an embedding: states of the tokens so far */
    uint32_t made;
    uint64_t begun_ns, read_ns; /* began to read the prompt; had read it */
};

struct pxi_batch_options {
    const struct pxi_generator_info *info;
    px_context *context; /* borrowed, and used by nobody else */
    uint32_t places, batch;
    uint64_t (*now_ns)(void);
    void (*emit)(void *ctx, struct pxi_job *job, const struct pxi_generate_event *e);
    void *ctx;
};

struct pxi_batch;

/* PX_ERR_NOMEM. */
px_err pxi_batch_new(const struct pxi_batch_options *o, struct pxi_batch **out);
/* Jobs that it still has are their owner's to free; no event follows. */
void pxi_batch_free(struct pxi_batch *b);

/* Take a job. Its events come from steps. */
void pxi_batch_add(struct pxi_batch *b, struct pxi_job *job);
/* Forget a job; no event follows. */
void pxi_batch_cancel(struct pxi_batch *b, struct pxi_job *job);

/* Nothing to do. */
bool pxi_batch_idle(const struct pxi_batch *b);
/* Evaluate one batch; events are emitted. */
void pxi_batch_step(struct pxi_batch *b);

struct pxi_generator_stats pxi_batch_stats(const struct pxi_batch *b);

#endif
