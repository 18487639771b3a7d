/*
 * This node's part in models over several peers: slices that it serves to others, and answers that
 * it has others compute. The machines are src/infer; what they stand on (threads, files, memory,
 * who is out there) comes from here.
 */
#ifndef PXI_NODE_PIPELINE_H
#define PXI_NODE_PIPELINE_H

#include "infer/chain.h"
#include "infer/offer.h"
#include "infer/plan.h"
#include "node/drafter.h"
#include "node/engine.h"
#include "node/node_impl.h"
#include "node/slice_source.h"

struct pxi_pipeline;

/* Serve slices to whoever may connect. NULL: no memory, or no thread. */
struct pxi_pipeline *pxi_pipeline_new(px_node *n);
void pxi_pipeline_free(struct pxi_pipeline *p);

/* Load a slice here, or find it loaded. `done` comes once, later; NULL: nobody waits. Errors: those
 * of pxi_slice_fetch, PX_ERR_LIMIT, PX_ERR_INVALID, PX_ERR_NOMEM. */
struct pxi_load;
struct pxi_load *pxi_pipeline_load(struct pxi_pipeline *p, const char *id,
                                   const struct pxi_slice *s, uint32_t positions, uint32_t slots,
                                   void (*done)(void *ctx, px_err err), void *ctx);
/* `done` will not come; the slice is loaded all the same. */
void pxi_load_forget(struct pxi_load *l);
/* What this node offers to others. */
uint64_t pxi_pipeline_memory(const struct pxi_pipeline *p);
uint64_t pxi_pipeline_rate(const struct pxi_pipeline *p);

/* What drafters compute with; those that are not wanted may be NULL. */
void pxi_pipeline_means(struct pxi_pipeline *p, struct pxi_compute **worker,
                        const struct pxi_kernels **kn, struct pxi_team **team);
struct pxi_list *pxi_pipeline_drafters(struct pxi_pipeline *p);
struct pxi_draft_past **pxi_pipeline_past(struct pxi_pipeline *p);

px_node *pxi_pipeline_node(struct pxi_pipeline *p);
struct pxi_stages *pxi_pipeline_stages(struct pxi_pipeline *p);
struct pxi_offers *pxi_pipeline_offers(struct pxi_pipeline *p);

/* ---------------------------------------------------------------------- answers (swarm_job.c) */

struct pxi_swarm_job;

struct pxi_swarm_events {
    void (*planned)(void *ctx, struct pxi_swarm_job *j); /* also after a peer was replaced */
    void (*token)(void *ctx, int32_t token);
    /* Once; the job is freed after it. PX_ERR_OK: as many tokens as asked for. */
    void (*over)(void *ctx, px_err err, const char *why);
};

struct pxi_swarm_options {
    const char *model;     /* as pxi_pipeline_model names it */
    const int32_t *tokens; /* the prompt */
    size_t token_count;
    uint32_t max_tokens; /* sampled at most; 0: none, only a plan is made */
    uint32_t positions;  /* 0: enough for prompt and answer */
    unsigned stages_min; /* 0: as the plan finds best */
    px_sampler_options sampling;
    const char *draft;     /* NULL or "auto", "off", "lookup", or the name of a model */
    uint32_t draft_max;    /* most tokens that are guessed at a time */
    uint32_t draft_blocks; /* of the model that guesses, the first so many; 0: all */
    const struct pxi_swarm_events *on;
    void *ctx;
};

/* Begin: ask peers, plan, load, run. NULL: no memory. Nothing is told from inside. */
struct pxi_swarm_job *pxi_swarm_start(struct pxi_pipeline *p, const struct pxi_swarm_options *o);
/* End without an event. */
void pxi_swarm_cancel(struct pxi_swarm_job *j);

/* The i-th stage of the plan: who, which blocks, seconds a token, why; false past the end. */
struct pxi_swarm_stage {
    struct pxi_peer peer;
    uint32_t first, last;
    uint64_t memory, rate;
    double seconds;
};
bool pxi_swarm_stage_at(const struct pxi_swarm_job *j, unsigned i, struct pxi_swarm_stage *out);
struct pxi_chain_counts pxi_swarm_counts(const struct pxi_swarm_job *j);
/* How often the chain was opened: 1 when no peer was lost. */
uint32_t pxi_swarm_epoch(const struct pxi_swarm_job *j);

#endif
