/*
 * Slices that this peer serves, and the sessions that run through them: /plexus/stage/1. Bytes come
 * in over streams, work goes to a worker, results leave over the hop to the next stage; sessions of
 * one slice are evaluated together (continuous batching), long prompts in micro-batches that
 * overlap with the stages behind. See docs/internals/infer.md.
 */
#ifndef PXI_INFER_STAGE_H
#define PXI_INFER_STAGE_H

#include "base/compute.h"
#include "infer/hop.h"
#include "infer/session.h"

struct pxi_stages;
struct pxi_stage;
struct pxi_chain;

/* The service. Borrows host and worker, whose thread must be ended before pxi_stages_free. */
struct pxi_stages *pxi_stages_new(struct pxi_host *h, struct pxi_compute *w);
void pxi_stages_free(struct pxi_stages *s);
/* Give nothing more to the worker: its thread is about to end. */
void pxi_stages_stop(struct pxi_stages *s);

/* Serve a slice of `model` (what clients call it). Borrows the session, whose sequences are the
 * slots of clients. PX_ERR_NOMEM; PX_ERR_EXISTS when the same slice is served already. */
px_err pxi_stages_add(struct pxi_stages *s, const char *model, struct pxi_session *session,
                      struct pxi_stage **out);
/* Stop serving: its sessions end with PX_ERR_NOT_FOUND. True when it is gone, false while the
 * worker still computes for it: ask again later. */
bool pxi_stages_remove(struct pxi_stages *s, struct pxi_stage *stage);

/* Drain: sessions that are new are refused, and the clients of the others are asked to go to other
 * peers, which they do without losing a token; those that go on are served. Off: as before. */
void pxi_stages_drain(struct pxi_stages *s, bool on);
bool pxi_stages_draining(const struct pxi_stages *s);

/* For chains whose next hop is this peer. */
struct pxi_hop_self pxi_stages_self(struct pxi_stages *s);
/* What `plexus ps` shows of a stage. */
struct pxi_stage_status {
    const char *model;
    struct pxi_slice slice;
    uint32_t sessions, slots;
    uint64_t tokens;       /* rows evaluated */
    uint64_t compute_ns;   /* that took */
    uint64_t taken;        /* bytes of INPUT that came over streams */
    uint64_t copied;       /* of them, those that were not decrypted to where they are used */
    uint64_t given;        /* bytes of hidden states that went to the next stage */
    uint64_t given_copied; /* of them, those that were not encrypted from where they were made */
    bool busy;             /* the worker computes for it now */
    uint8_t dtype;         /* of hidden states: of its sessions, the one that loses most; 0: none */
};
/* The i-th stage; false past the end. */
bool pxi_stages_status(const struct pxi_stages *s, unsigned i, struct pxi_stage_status *out);

#endif
