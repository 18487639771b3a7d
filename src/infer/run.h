/* One session in one stage: what came in, what was computed, what goes out. For src/infer only. */
#ifndef PXI_INFER_RUN_H
#define PXI_INFER_RUN_H

#include "codec/messages.h"
#include "infer/hidden.h"
#include "infer/record.h"
#include "infer/stage.h"
#include "net/message.h"
#include "model/sampler.h"

struct pxi_run;

/* Who feeds a session and takes what it makes, without streams. */
struct pxi_run_tap {
    void (*computed)(void *ctx, struct pxi_run *r);
    void (*over)(void *ctx); /* it ends; once, also when the owner ends it */
};

/* Rows of one message; their memory may be used for another one. */
struct pxi_rows {
    struct pxi_list link;
    size_t room;                    /* bytes of payload from the words on */
    uint32_t position, count, done; /* rows handed to the worker already */
    uint32_t *words;                /* behind the structure, with what follows them */
    float *hidden;                  /* NULL: tokens only */
    const uint8_t *coded;           /* NULL: hidden states come as they are */
};

struct pxi_run {
    struct pxi_list link; /* in stage->runs */
    struct pxi_stage *stage;
    uint64_t id;
    uint8_t key[PXI_STAGE_KEY];
    uint32_t epoch, hop, slot;
    uint32_t known, prompt; /* of the last OPEN */

    struct pxi_stream *up; /* from the predecessor; NULL while it is lost */
    struct pxi_wire_in up_in;
    struct pxi_wire_out up_out;
    struct pxi_timer orphan;
    struct pxi_rows *coming;   /* the message that is being read */
    struct pxi_rows *spare;    /* where the next one is decrypted to; may be NULL */
    struct pxi_rows *idle;     /* for after that */
    struct pxi_list waiting;   /* struct pxi_rows */
    uint32_t n_in;             /* positions received */
    uint32_t firm;             /* the first of them that are no drafts: they stay */
    uint32_t cut;              /* what the worker used and is to be forgotten begins here */
    bool held;                 /* the stream waits until rows were evaluated */
    struct pxi_timer alive;    /* while it does, so do the probes behind: the predecessor is told */
    uint64_t came_ns, told_ns; /* when bytes came last; and it was told because they come */

    uint32_t *words;   /* [positions] of the context: tokens with their want bit */
    uint32_t *chosen;  /* [positions + 1]: tokens that the last stage sampled, by index */
    uint32_t computed; /* positions evaluated */
    struct pxi_record record;
    uint8_t dtype;               /* of hidden states, in and out */
    struct pxi_hidden_loss loss; /* of those that were made; the worker's while it is busy */
    uint32_t loss_told;          /* when the client is told next */
    px_sampler *sampler;         /* of the last stage */
    uint32_t sampled;     /* tokens that the sampler has seen; the worker's while it is busy */
    uint32_t chosen_n;    /* the same, for the loop */
    uint32_t good;        /* positions that hold what was chosen; the worker's while it is busy */
    bool drawn;           /* after the last of them a token was wanted; the same */
    struct pxi_buf order; /* the OPEN that came, to be passed on */

    const struct pxi_run_tap *tap; /* NULL: streams feed it and take what it makes */
    void *tap_ctx;

    struct pxi_hop down; /* to the next stage, or from the last one to the client */
    struct pxi_peer next;
    bool ready;    /* the next stage told what it holds */
    uint32_t sent; /* positions that it was sent, or tokens that the client was */
    uint32_t lent; /* positions before this may lie in the stream, lent */
    struct pxi_stage_head out;
    size_t out_at;   /* of the message that is half written */
    bool busy, dead; /* the worker computes for it; to be freed when it is done */
    bool last;
    bool rewind; /* the sampler begins anew with the tokens that stay */
};

/* A draft, to be compared with what was chosen; the logits of the row were asked for. */
enum { PXI_ROW_DRAFT = 1, PXI_ROW_WANT = 2 };

struct pxi_stage {
    struct pxi_list link;
    struct pxi_stages *service;
    struct pxi_session *session;
    char *model;
    struct pxi_list runs;
    uint32_t *slots; /* taken by which session: 1 taken */
    struct pxi_computation work;
    bool busy, removed;
    struct pxi_step *steps;  /* [batch]: what the worker evaluates */
    struct pxi_run **owners; /* [batch] */
    uint32_t *positions;     /* [batch] */
    uint8_t *flags;          /* [batch]: PXI_ROW_... */
    uint32_t n;
    px_err result;
    uint64_t tokens, compute_ns;
    uint64_t taken, copied;       /* bytes of INPUT; of them, those not decrypted to their place */
    uint64_t given, given_copied; /* bytes of hidden states sent on; of them, those copied */
    struct pxi_run *turn;         /* whose turn it is next */
};

/* A stream on which a peer said OPEN. Takes it over; false: refused (it was answered). */
bool pxi_run_open(struct pxi_stages *s, struct pxi_stream *up, const struct pxi_stage_head *h,
                  px_view payload);
/* A session without streams: greedy, hidden states as floats. PX_ERR_LIMIT, PX_ERR_NOMEM. */
px_err pxi_run_local(struct pxi_stage *stage, const struct pxi_run_tap *tap, void *ctx,
                     struct pxi_run **out);
/* n rows that follow: token ids, or hidden states, each embd floats. A token is chosen after the
 * last. PX_ERR_CONTEXT_FULL; PX_ERR_LIMIT: too many wait; PX_ERR_NOMEM; PX_ERR_INVALID: no such
 * token, and the session is over. */
px_err pxi_run_feed(struct pxi_run *r, const uint32_t *tokens, const float *hidden, uint32_t n);
/* The worker evaluated rows of this run, or failed to. Frees it when it was ended meanwhile. */
void pxi_run_computed(struct pxi_run *r, px_err err);
/* Forget the positions from `to` on, which are drafts. */
void pxi_run_cut(struct pxi_run *r, uint32_t to);
/* The same for the cache and the sampler, at a time when the worker computes nothing. */
void pxi_run_settle(struct pxi_run *r);
/* The predecessor may send again what had to wait. */
void pxi_run_release(struct pxi_run *r);
/* End a session: free, now or when the worker is done with it. */
void pxi_run_end(struct pxi_run *r);
/* Free rows, later: somebody may still read what was decrypted there. NULL is allowed. */
void pxi_stages_retire(struct pxi_stages *s, struct pxi_rows *rows);
/* Give the worker what waits, unless it is busy. */
void pxi_stage_pump(struct pxi_stage *s);
struct pxi_host *pxi_stages_host(struct pxi_stages *s);
/* The i-th stage that is served; NULL past the end. */
struct pxi_stage *pxi_stages_at(struct pxi_stages *s, unsigned i);
struct pxi_stage *pxi_stages_find(struct pxi_stages *s, px_view model, uint32_t first,
                                  uint32_t last);

/* rows.c. Memory for so many rows of cols elements (0: tokens only); NULL when it is out. */
struct pxi_rows *pxi_rows_new(uint32_t rows, uint8_t dtype, uint32_t cols);
/* It holds the rows of this message, for which it has room. */
void pxi_rows_shape(struct pxi_rows *x, const struct pxi_stage_head *h);
/* Hidden states of what was coded; false when they are no numbers. */
bool pxi_rows_decode(const struct pxi_run *r, struct pxi_rows *x);
/* Room for a message that comes: the spare rows when they have it. NULL when memory is out. */
struct pxi_rows *pxi_run_room(struct pxi_run *r, const struct pxi_stage_head *h);
/* The next message is likely to have so many rows: have spare ones. */
void pxi_run_expect(struct pxi_run *r, uint32_t rows);
/* Tell the stream where what comes next belongs. */
void pxi_run_land(struct pxi_run *r);
/* Rows were evaluated: their memory is for later ones, or for nobody. */
void pxi_run_rows_done(struct pxi_run *r, struct pxi_rows *x);
/* Give back all but the rows that wait. */
void pxi_run_rows_free(struct pxi_run *r);

/* choose.c, on the last stage: a row was computed. The sampler learns of it, and the token after it
 * is chosen when it is wanted. Drafts count up to the first that is not what was chosen: nothing is
 * drawn for those behind it. */
void pxi_run_choose(struct pxi_run *r, uint32_t position, const struct pxi_step *step,
                    unsigned flags, const float *logits);
/* Only the first n tokens were ever said or chosen. */
void pxi_run_rewind(struct pxi_run *r, uint32_t n);

/* run_out.c: to the next stage or the client. */
void pxi_run_connect(struct pxi_run *r, const struct pxi_msg_stage_open *m);
void pxi_run_send(struct pxi_run *r);
/* The stream copies rows that were lent to it and are not sent yet. */
void pxi_run_recall(struct pxi_run *r);
/* Tell the client what coding of hidden states cost, now and then. */
void pxi_run_loss(struct pxi_run *r);
/* Tell the predecessor (and so the client) that hop `hop` failed. */
void pxi_run_error(struct pxi_run *r, uint32_t hop, px_err err, const char *text);

/* Ask the client to have another peer compute this stage's blocks of the session. */
void pxi_run_drain(struct pxi_run *r);

struct pxi_list *pxi_stages_chains(struct pxi_stages *s);

/* chain.c: a stream on which TOKENS came first; the chain takes it over. NULL: nobody waits. */
struct pxi_chain *pxi_stages_chain(struct pxi_stages *s, uint64_t session);
/* The number of its session, for the fuzzer. */
const uint64_t *pxi_chain_id(const struct pxi_chain *c);
bool pxi_chain_adopt(struct pxi_chain *c, struct pxi_stream *s);

#endif
