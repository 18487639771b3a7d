/*
 * This node's part in models over several peers: slices that it serves to others, and answers that
 * it has others compute. The machines are src/infer; what they stand on (threads, files, memory,
 * who is out there) comes from here.
 */
#ifndef PXI_NODE_PIPELINE_H
#define PXI_NODE_PIPELINE_H

#include "infer/chain.h"
#include "infer/coding.h"
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

/* Load a slice here, or find it loaded. `done` comes once, later, with a sentence that is good
 * until it returns; NULL: nobody waits. Errors: those of pxi_slice_fetch, PX_ERR_LIMIT,
 * PX_ERR_INVALID, PX_ERR_NOMEM. */
struct pxi_load;
typedef void pxi_load_fn(void *ctx, px_err err, const char *why);
struct pxi_load *pxi_pipeline_load(struct pxi_pipeline *p, const char *id,
                                   const struct pxi_slice *s, uint32_t positions, uint32_t slots,
                                   pxi_load_fn *done, void *ctx);
/* `done` will not come; the slice is loaded all the same. */
void pxi_load_forget(struct pxi_load *l);
/* Slices that are loaded: of one model, or of all (id NULL); how many. Borrowed until one goes. */
unsigned pxi_pipeline_served(const struct pxi_pipeline *p, const char *id,
                             struct pxi_msg_served *out, unsigned cap);
/* Peers that are connected and how far they are; `peers` holds what out points to. */
unsigned pxi_pipeline_links(const struct pxi_pipeline *p, struct pxi_msg_link *out,
                            struct pxi_peer *peers, unsigned cap);
/* Bytes a second of the link to a peer, as measured in the last ten minutes; 0: too fast to tell.
 * Returns how often that was measured: 0: it is not known. Of several measurements the fastest
 * counts: nothing makes a link look faster than it is. */
unsigned pxi_pipeline_link_rate(const struct pxi_pipeline *p, const struct pxi_peer *peer,
                                uint64_t *rate);
void pxi_pipeline_link_measured(struct pxi_pipeline *p, const struct pxi_peer *peer, uint64_t rate);
/* What this node offers to others. */
uint64_t pxi_pipeline_memory(const struct pxi_pipeline *p);
uint64_t pxi_pipeline_rate(const struct pxi_pipeline *p);

/* Drain: no new slices, sessions or answers, and those of others go to other peers. Slices that
 * nobody uses any more are unloaded. */
void pxi_pipeline_drain(struct pxi_pipeline *p, bool on);
bool pxi_pipeline_draining(const struct pxi_pipeline *p);
/* What is still here: sessions of others, answers of our own. Unloads what a drain has freed. */
struct pxi_pipeline_work {
    uint32_t sessions, answers, slices;
};
struct pxi_pipeline_work pxi_pipeline_look(struct pxi_pipeline *p);
/* An answer of our own begins (1) or ends (-1). */
void pxi_pipeline_working(struct pxi_pipeline *p, int more);
/* What drafters compute with; those that are not wanted may be NULL. */
void pxi_pipeline_means(struct pxi_pipeline *p, struct pxi_compute **worker,
                        const struct pxi_kernels **kn, struct pxi_team **team);
struct pxi_list *pxi_pipeline_drafters(struct pxi_pipeline *p);
struct pxi_draft_past **pxi_pipeline_past(struct pxi_pipeline *p);

/* The i-th slice that is served here; false past the end. The view is good until it is unloaded. */
bool pxi_pipeline_slice(const struct pxi_pipeline *p, unsigned i, struct pxi_msg_offer_stage *out);

px_node *pxi_pipeline_node(struct pxi_pipeline *p);
struct pxi_stages *pxi_pipeline_stages(struct pxi_pipeline *p);
struct pxi_offers *pxi_pipeline_offers(struct pxi_pipeline *p);

/* ---------------------------------------------------------------------- answers (swarm_job.c) */

struct pxi_swarm_job;

enum { PXI_SWARM_ENDS = 16 };

struct pxi_swarm_events {
    void (*planned)(void *ctx, struct pxi_swarm_job *j); /* also after a peer was replaced */
    void (*token)(void *ctx, int32_t token);
    /* With `keep`: an answer is complete, pxi_swarm_go_on may follow, from inside too. */
    void (*turn)(void *ctx);
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
    unsigned stages_max; /* 0: any number */
    bool no_spares;      /* peers without a stage load nothing before it is needed */
    bool keep;           /* the session outlives its answer; `turn` tells instead of `over` */
    const int32_t *ends; /* tokens that complete an answer, at most PXI_SWARM_ENDS */
    unsigned end_count;
    px_sampler_options sampling;
    uint8_t dtype;         /* of hidden states; 0: as the links allow */
    const char *draft;     /* NULL or "auto", "off", "lookup", or the name of a model */
    uint32_t draft_max;    /* most tokens that are guessed at a time */
    uint32_t draft_blocks; /* of the model that guesses, the first so many; 0: all */
    const struct pxi_swarm_events *on;
    void *ctx;
};

/* Begin: ask peers, plan, load, run. NULL: no memory. Nothing is told from inside. */
struct pxi_swarm_job *pxi_swarm_start(struct pxi_pipeline *p, const struct pxi_swarm_options *o);
/* The next turn of a kept session, whose stages hold its first `from` tokens: these follow, and an
 * answer to them. PX_ERR_INVALID: none is kept, or it holds another number of tokens;
 * PX_ERR_CONTEXT_FULL; PX_ERR_REFUSED: this node drains. */
px_err pxi_swarm_go_on(struct pxi_swarm_job *j, uint32_t from, const int32_t *tokens, size_t n,
                       uint32_t max_tokens);
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
/* The i-th peer that was thought of, and why it got blocks or none; false past the end. */
struct pxi_swarm_peer {
    const struct pxi_candidate *candidate;
    const struct pxi_plan_peer *plan; /* NULL: it did not answer, or has not the model */
    bool connected;                   /* false: known by its record in the DHT */
};
bool pxi_swarm_peer_at(const struct pxi_swarm_job *j, unsigned i, struct pxi_swarm_peer *out);
/* The plan: its times, and whether its slices are loaded already; and how hidden states travel. */
const struct pxi_choice *pxi_swarm_choice(const struct pxi_swarm_job *j);
const struct pxi_coding *pxi_swarm_coding(const struct pxi_swarm_job *j);
uint32_t pxi_swarm_blocks(const struct pxi_swarm_job *j); /* that the model has */
struct pxi_chain_counts pxi_swarm_counts(const struct pxi_swarm_job *j);
/* How often the chain was opened: 1 when no peer was lost. */
uint32_t pxi_swarm_epoch(const struct pxi_swarm_job *j);
/* How often it broke: each time a peer was lost, or a session stood still. */
uint32_t pxi_swarm_lost(const struct pxi_swarm_job *j);

#endif
