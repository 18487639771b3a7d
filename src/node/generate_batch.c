/* Continuous batching. */
#include "node/generate_batch.h"

#include <math.h>

#include "base/math.h"
#include "base/mem.h"
#include "node/generate_choose.h"

enum { READ_BESIDE = 128 }; /* tokens of prompts in a step, while others wait for their next */

/* A sequence of the context, and the job that has it. */
struct pxi_job_place {
    struct pxi_job *job;
    uint32_t seq;
    int32_t *held;   /* [positions]: tokens that the context has read */
    uint32_t length; /* of held */
    uint64_t used;   /* when it was taken, in steps */
    int32_t next;    /* the token to evaluate, once the prompt is read */
    uint32_t share;  /* of the step that runs: its tokens */
};

struct pxi_batch {
    struct pxi_batch_options o;
    struct pxi_list waiting;
    struct pxi_job_place *places;
    px_batch_token *tokens; /* [batch] */
    float *masked;          /* [vocab] */
    struct pxi_spellings spellings;
    struct pxi_generator_stats stats;
};

static uint32_t vocab(const struct pxi_batch *b)
{
    return b->o.info->model->vocab;
}

px_err pxi_batch_new(const struct pxi_batch_options *o, struct pxi_batch **out)
{
    struct pxi_batch *b = *out = pxi_calloc(1, sizeof *b);
    if (!b)
        return PX_ERR_NOMEM;
    b->o = *o;
    pxi_list_init(&b->waiting);
    b->places = pxi_calloc(o->places, sizeof *b->places);
    b->tokens = pxi_calloc(o->batch, sizeof *b->tokens);
    b->masked = pxi_calloc(o->info->model->vocab, sizeof *b->masked);
    bool ok = b->places && b->tokens && b->masked;
    for (uint32_t i = 0; i < o->places && ok; i++) {
        b->places[i].seq = i;
        b->places[i].held = pxi_calloc(o->info->positions, sizeof *b->places[i].held);
        ok = b->places[i].held != NULL;
    }
    b->stats.slots = o->places;
    b->stats.positions_all = o->places * o->info->positions;
    if (ok)
        return PX_ERR_OK;
    pxi_batch_free(b);
    *out = NULL;
    return PX_ERR_NOMEM;
}

void pxi_batch_free(struct pxi_batch *b)
{
    if (!b)
        return;
    for (uint32_t i = 0; b->places && i < b->o.places; i++) {
        if (b->places[i].job) {
            px_sampler_free(b->places[i].job->sampler);
            pxi_free(b->places[i].job->sum);
        }
        pxi_free(b->places[i].held);
    }
    pxi_spellings_deinit(&b->spellings);
    pxi_free(b->places);
    pxi_free(b->tokens);
    pxi_free(b->masked);
    pxi_free(b);
}

/* ------------------------------------------------------------------ coming and going */

static void leave(struct pxi_batch *b, struct pxi_job *job)
{
    if (job->place) {
        job->place->job = NULL;
        b->stats.running--;
    } else {
        pxi_list_remove(&job->link);
        b->stats.waiting--;
    }
    job->place = NULL;
    px_sampler_free(job->sampler);
    pxi_free(job->sum);
    job->sampler = NULL;
    job->sum = NULL;
}

static void end(struct pxi_batch *b, struct pxi_job *job, struct pxi_generate_event e)
{
    uint64_t now = b->o.now_ns();
    e.prompt_tokens = (uint32_t)job->n;
    e.made_tokens = job->made;
    e.prompt_ns = job->read_ns ? job->read_ns - job->begun_ns : 0;
    e.decode_ns = job->read_ns ? now - job->read_ns : 0;
    leave(b, job);
    b->o.emit(b->o.ctx, job, &e);
}

static void end_ok(struct pxi_batch *b, struct pxi_job *job, enum pxi_generate_reason why,
                   int32_t token)
{
    end(b, job,
        (struct pxi_generate_event){.kind = PXI_GENERATE_DONE, .reason = why, .token = token});
}

static void end_failed(struct pxi_batch *b, struct pxi_job *job, px_err err, const char *why)
{
    end(b, job, (struct pxi_generate_event){.kind = PXI_GENERATE_FAILED, .err = err, .why = why});
}

void pxi_batch_add(struct pxi_batch *b, struct pxi_job *job)
{
    pxi_list_add(&b->waiting, &job->link);
    b->stats.waiting++;
}

void pxi_batch_cancel(struct pxi_batch *b, struct pxi_job *job)
{
    leave(b, job);
}

bool pxi_batch_idle(const struct pxi_batch *b)
{
    return !b->stats.running && !b->stats.waiting;
}

struct pxi_generator_stats pxi_batch_stats(const struct pxi_batch *b)
{
    struct pxi_generator_stats s = b->stats;
    for (uint32_t i = 0; i < b->o.places; i++)
        s.positions_used += b->places[i].length;
    return s;
}

/* ------------------------------------------------------------------------------- places */

static uint32_t common(const struct pxi_job_place *p, const struct pxi_job *job)
{
    uint32_t n = 0;
    while (!job->r.embed && n < p->length && n + 1 < job->n && p->held[n] == job->ids[n])
        n++;
    return n;
}

/* The free place that has read most of the prompt; of equals, the one that rested longest. */
static struct pxi_job_place *place_for(struct pxi_batch *b, const struct pxi_job *job)
{
    struct pxi_job_place *best = NULL;
    uint32_t most = 0;
    for (uint32_t i = 0; i < b->o.places; i++) {
        struct pxi_job_place *p = &b->places[i];
        if (p->job)
            continue;
        uint32_t same = common(p, job);
        if (!best || same > most || (same == most && p->used < best->used)) {
            best = p;
            most = same;
        }
    }
    return best;
}

static px_err prepare(struct pxi_batch *b, struct pxi_job *job)
{
    if (job->r.embed) {
        job->sum = pxi_calloc(b->o.info->model->embd, sizeof *job->sum);
        return job->sum ? PX_ERR_OK : PX_ERR_NOMEM;
    }
    px_err err = px_sampler_new(&job->r.sampler, vocab(b), &job->sampler);
    if (err == PX_ERR_OK && job->r.json)
        err = pxi_spellings_make(&b->spellings, b->o.info->tokenizer);
    for (size_t i = 0; i < job->n && err == PX_ERR_OK; i++)
        px_sampler_accept(job->sampler, job->ids[i]);
    return err;
}

static void start(struct pxi_batch *b, struct pxi_job *job, struct pxi_job_place *p)
{
    px_err err = prepare(b, job);
    if (err != PX_ERR_OK) {
        end_failed(b, job, err, err == PX_ERR_INVALID ? "sampling options out of range" : NULL);
        return;
    }
    pxi_list_remove(&job->link);
    b->stats.waiting--;
    b->stats.running++;
    p->job = job;
    job->place = p;
    job->begun_ns = b->o.now_ns();
    p->used = b->stats.steps;
    p->length = common(p, job);
    px_context_truncate(b->o.context, p->seq, p->length);
    b->stats.cached_tokens += p->length;
    b->o.emit(b->o.ctx, job,
              &(struct pxi_generate_event){.kind = PXI_GENERATE_STARTED,
                                           .prompt_tokens = (uint32_t)job->n,
                                           .cached_tokens = p->length});
}

static void admit(struct pxi_batch *b)
{
    while (!pxi_list_empty(&b->waiting)) {
        struct pxi_job *job = PXI_OF(b->waiting.next, struct pxi_job, link);
        struct pxi_job_place *p = place_for(b, job);
        if (!p)
            return;
        start(b, job, p);
    }
}

/* ---------------------------------------------------------------------------- one step */

static bool reading(const struct pxi_job_place *p)
{
    return p->job && !p->job->r.embed && p->length < p->job->n;
}

/* Tokens of a place for this step: the next one, or a piece of the prompt. */
static uint32_t take(struct pxi_batch *b, struct pxi_job_place *p, uint32_t at, uint32_t room)
{
    uint32_t n = 1;
    if (reading(p))
        n = (uint32_t)pxi_min(room, p->job->n - p->length);
    for (uint32_t i = 0; i < n; i++) {
        int32_t token = reading(p) ? p->job->ids[p->length + i] : p->next;
        bool last = !reading(p) || p->length + i + 1 == p->job->n;
        b->tokens[at + i] = (px_batch_token){token, p->seq, last};
    }
    p->share = n;
    return n;
}

static uint32_t gather(struct pxi_batch *b)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->o.places; i++) {
        struct pxi_job_place *p = &b->places[i];
        p->share = 0;
        if (p->job && !p->job->r.embed && !reading(p))
            n += take(b, p, n, 1);
    }
    uint32_t most = n ? (uint32_t)pxi_min(b->o.batch, n + READ_BESIDE) : b->o.batch;
    for (uint32_t i = 0; i < b->o.places && n < most; i++)
        if (reading(&b->places[i]))
            n += take(b, &b->places[i], n, most - n);
    return n;
}

static void emit_token(struct pxi_batch *b, struct pxi_job *job, const float *logits, int32_t token)
{
    struct pxi_logprob top[PXI_LIMIT_HTTP_LOGPROBS];
    struct pxi_generate_event e = {
        .kind = PXI_GENERATE_TOKEN, .token = token, .born_ns = b->o.now_ns()};
    if (job->r.logprobs) {
        e.top_count =
            (uint32_t)pxi_min(pxi_min(job->r.top_logprobs, PXI_LIMIT_HTTP_LOGPROBS), vocab(b));
        e.top = top;
        e.logprob = pxi_logprobs(logits, vocab(b), token, top, e.top_count);
    }
    b->o.emit(b->o.ctx, job, &e);
}

/* The next token of an answer, -1 when JSON allows none. */
static int32_t choose(struct pxi_batch *b, struct pxi_job *job, const float *logits)
{
    const px_tokenizer *t = b->o.info->tokenizer;
    if (!job->r.json)
        return px_sampler_next(job->sampler, logits);
    if (!pxi_json_mask(&b->spellings, t, &job->json, logits, b->masked, vocab(b)))
        return -1;
    int32_t token = px_sampler_next(job->sampler, b->masked);
    uint32_t first = b->spellings.first[token];
    pxi_json_state_add(
        &job->json, px_view_of(b->spellings.bytes + first, b->spellings.first[token + 1] - first));
    return token;
}

/* Logits of a place are there: choose, tell, and see whether the answer ends. */
static void grow(struct pxi_batch *b, struct pxi_job_place *p, const float *logits)
{
    struct pxi_job *job = p->job;
    if (!job->read_ns)
        job->read_ns = b->o.now_ns();
    int32_t token = choose(b, job, logits);
    if (token < 0) { /* a complete object, and a model without a token for the end */
        end_ok(b, job, PXI_GENERATE_END, PX_TOKEN_NONE);
        return;
    }
    job->made++;
    b->stats.made_tokens++;
    if (!job->r.ignore_end && px_tokenizer_is_end(b->o.info->tokenizer, token)) {
        end_ok(b, job, PXI_GENERATE_END, token);
        return;
    }
    emit_token(b, job, logits, token);
    p->next = token;
    if (job->r.json && pxi_json_state_complete(&job->json))
        end_ok(b, job, PXI_GENERATE_END, PX_TOKEN_NONE);
    else if ((job->r.max_tokens && job->made >= job->r.max_tokens) ||
             p->length >= b->o.info->positions)
        end_ok(b, job, PXI_GENERATE_LENGTH, PX_TOKEN_NONE);
}

static void fail_all(struct pxi_batch *b, px_err err)
{
    for (uint32_t i = 0; i < b->o.places; i++)
        if (b->places[i].share)
            end_failed(b, b->places[i].job, err, NULL);
}

/* What was evaluated is held now. */
static void settle(struct pxi_batch *b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct pxi_job_place *p = &b->places[b->tokens[i].seq];
        p->held[p->length++] = b->tokens[i].token;
    }
}

/* ------------------------------------------------------------------------- embeddings */

/* The mean, made as long as 1. */
static void emit_embedding(struct pxi_batch *b, struct pxi_job *job)
{
    uint32_t embd = b->o.info->model->embd;
    double square = 0;
    for (uint32_t i = 0; i < embd; i++)
        square += (double)job->sum[i] * job->sum[i];
    for (uint32_t i = 0; i < embd && square > 0; i++)
        job->sum[i] = (float)(job->sum[i] / sqrt(square));
    b->o.emit(b->o.ctx, job,
              &(struct pxi_generate_event){
                  .kind = PXI_GENERATE_EMBEDDING, .embedding = job->sum, .embedding_count = embd});
    end_ok(b, job, PXI_GENERATE_END, PX_TOKEN_NONE);
}

/* A piece of a prompt whose embedding is wanted. */
static void embed_piece(struct pxi_batch *b, struct pxi_job_place *p)
{
    struct pxi_job *job = p->job;
    size_t n = pxi_min(pxi_min(b->o.batch, READ_BESIDE), job->n - p->length);
    px_err err = px_context_embed(b->o.context, p->seq, job->ids + p->length, n, job->sum);
    if (err != PX_ERR_OK) {
        end_failed(b, job, err, NULL);
        return;
    }
    memcpy(p->held + p->length, job->ids + p->length, n * sizeof *p->held);
    p->length += (uint32_t)n;
    b->stats.prompt_tokens += n;
    if (p->length < job->n)
        return;
    job->read_ns = b->o.now_ns();
    emit_embedding(b, job);
}

void pxi_batch_step(struct pxi_batch *b)
{
    admit(b);
    for (uint32_t i = 0; i < b->o.places; i++)
        if (b->places[i].job && b->places[i].job->r.embed)
            embed_piece(b, &b->places[i]);
    uint32_t n = gather(b), wanted = 0;
    if (!n)
        return;
    px_err err = px_context_eval(b->o.context, b->tokens, n);
    b->stats.steps++;
    b->stats.step_tokens += n;
    if (err != PX_ERR_OK) {
        fail_all(b, err);
        return;
    }
    for (uint32_t i = 0; i < b->o.places; i++)
        if (reading(&b->places[i]))
            b->stats.prompt_tokens += b->places[i].share;
    settle(b, n);
    for (uint32_t i = 0; i < n; i++)
        if (b->tokens[i].want)
            grow(b, &b->places[b->tokens[i].seq], px_context_logits(b->o.context, wanted++));
}
