/*
 * The client of a pipeline: it opens a chain of stages, gives tokens to the first one, hears tokens
 * from the last one, and opens it anew, with another peer in it, when one is lost. Sans-I/O but for
 * the host whose streams it uses.
 */
#ifndef PXI_INFER_CHAIN_H
#define PXI_INFER_CHAIN_H

#include "infer/stage.h"
#include "plexus/sampler.h"

struct pxi_chain;

/* One stage: who, where, which blocks. Views are borrowed during the call only. */
struct pxi_chain_hop {
    struct pxi_peer peer;
    const px_view *addrs; /* binary multiaddrs; those of the peerstore are tried too */
    unsigned addr_count;
    uint32_t first, last;
};

struct pxi_chain_events {
    /* The token of this index was sampled. To go on, push it; from inside is allowed. */
    void (*token)(void *ctx, uint32_t index, int32_t token);
    /* Hop `hop` failed (its number may be that of hops: the way back to us). Nothing more comes
     * until pxi_chain_route is called, now or later. */
    void (*broken)(void *ctx, unsigned hop, px_err why, px_view text);
    /* The peer of hop `hop` wants to go and serves until then: pxi_chain_route through another one,
     * when that has loaded its slice, loses nothing. May be NULL. */
    void (*leaving)(void *ctx, unsigned hop);
    /* May be NULL. Guess up to `max` tokens that follow the n words (of codec/stage.h) there are;
     * how many went to out, or PXI_DRAFT_LATER: pxi_chain_drafted follows. */
    uint32_t (*draft)(void *ctx, const uint32_t *words, uint32_t n, uint32_t *out, uint32_t max);
};

#define PXI_DRAFT_LATER UINT32_MAX

struct pxi_chain_options {
    const char *model;
    const px_sampler_options *sampling; /* copied; at most PXI_LIMIT_STAGE_BIAS biases */
    const struct pxi_chain_events *on;
    void *ctx;
    uint32_t positions; /* most tokens of the session */
    uint32_t vocab;     /* tokens that the model has; 0: not known */
    uint32_t draft_max; /* most tokens that are guessed at a time; 0: none */
    uint8_t dtype;      /* of hidden states (infer/hidden.h); 0: f32 */
};

/* A session that goes nowhere yet. NULL without memory. */
struct pxi_chain *pxi_chain_new(struct pxi_stages *s, const struct pxi_chain_options *o);
/* Ends the session; stages free what they hold. NULL is allowed. */
void pxi_chain_free(struct pxi_chain *c);

/* How hidden states travel, when that is known later than the session; before the first
 * pxi_chain_route only. */
void pxi_chain_code(struct pxi_chain *c, uint8_t dtype);

/* Open the chain through these hops, or anew through others. PX_ERR_INVALID, PX_ERR_NOMEM,
 * PX_ERR_LIMIT. There must be tokens. */
px_err pxi_chain_route(struct pxi_chain *c, const struct pxi_chain_hop *hops, unsigned count);
/* Tokens that follow; a token is sampled after the last of them. The first push is the prompt. Who
 * pushes from outside of `token` while drafts are out opens the chain anew. PX_ERR_CONTEXT_FULL,
 * PX_ERR_NOMEM. */
px_err pxi_chain_push(struct pxi_chain *c, const int32_t *tokens, size_t n);

/* The draft that was asked for when there were n words. Harmless when they are not the last. */
void pxi_chain_drafted(struct pxi_chain *c, uint32_t n, const uint32_t *tokens, uint32_t count);

struct pxi_chain_counts {
    uint64_t trips;    /* passes through all stages of which a token came */
    uint64_t tokens;   /* that came */
    uint64_t drafted;  /* tokens guessed */
    uint64_t accepted; /* that came true */
    float rms, worst;  /* what coding of hidden states cost on the worst hop: relative errors */
};
struct pxi_chain_counts pxi_chain_counts(const struct pxi_chain *c);
uint32_t pxi_chain_length(const struct pxi_chain *c);
uint32_t pxi_chain_epoch(const struct pxi_chain *c); /* how often it was opened */

#endif
