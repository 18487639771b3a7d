#include "node/drafter.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/math.h"
#include "base/mem.h"
#include "codec/stage.h"
#include "infer/draft.h"
#include "node/pipeline.h"

enum { BATCH = 64 };

/* A model that guesses. The worker has it while `busy`. */
struct speaker {
    struct pxi_drafter *drafter;
    px_model *model;
    struct pxi_session session;
    struct pxi_computation work;
    uint32_t *words; /* what it is to go on from */
    uint32_t *held;  /* what its cache holds */
    uint32_t n, held_n, max, made, tokens[PXI_LIMIT_STAGE_DRAFT];
};

struct pxi_drafter {
    struct pxi_list link; /* in the pipeline */
    struct pxi_pipeline *pipeline;
    void (*ready)(void *ctx, uint32_t n, const uint32_t *tokens, uint32_t count);
    void *ctx;
    struct pxi_draft_past *const *past;
    char model[96], source_id[96]; /* that is guessed for, that guesses */
    struct pxi_slice_source *source;
    struct speaker *speaker; /* NULL: look-up only, or not here yet */
    uint32_t positions, vocab;
    bool busy, quiet, dead, opened;
};

/* ------------------------------------------------------------------------ earlier texts */

struct pxi_draft_past {
    char model[96];
    uint32_t n, words[PXI_LIMIT_DRAFT_PAST];
};

void pxi_draft_past_add(struct pxi_draft_past **past, const char *model, const uint32_t *words,
                        uint32_t n)
{
    struct pxi_draft_past *p = *past;
    if (!p && !(p = *past = pxi_calloc(1, sizeof *p)))
        return;
    if (strcmp(p->model, model) != 0) /* one model at a time */
        p->n = 0;
    snprintf(p->model, sizeof p->model, "%s", model);
    uint32_t take = (uint32_t)pxi_min(n, PXI_LIMIT_DRAFT_PAST / 2);
    if (p->n + take > PXI_LIMIT_DRAFT_PAST) {
        uint32_t keep = PXI_LIMIT_DRAFT_PAST / 2;
        memmove(p->words, p->words + p->n - keep, keep * sizeof *p->words);
        p->n = keep;
    }
    memcpy(p->words + p->n, words + n - take, take * sizeof *p->words);
    p->n += take;
}

void pxi_draft_past_free(struct pxi_draft_past *past)
{
    pxi_free(past);
}

static uint32_t lookup(const struct pxi_drafter *d, const uint32_t *words, uint32_t n,
                       uint32_t *out, uint32_t max)
{
    const struct pxi_draft_past *past = *d->past;
    bool mine = past && strcmp(past->model, d->model) == 0;
    return pxi_draft_lookup(words, n, mine ? past->words : NULL, mine ? past->n : 0, out, max);
}

/* ------------------------------------------------------------------------ a small model */

static void speaker_free(struct pxi_drafter *d)
{
    struct speaker *s = d->speaker;
    if (!s)
        return;
    pxi_session_deinit(&s->session);
    px_model_close(s->model);
    pxi_slice_release(pxi_pipeline_node(d->pipeline), d->source_id);
    pxi_free(s->words);
    pxi_free(s->held);
    pxi_free(s);
    d->speaker = NULL;
}

static uint32_t best(const float *logits, uint32_t vocab)
{
    uint32_t at = 0;
    for (uint32_t i = 1; i < vocab; i++)
        at = logits[i] > logits[at] ? i : at;
    return at;
}

/* On the worker: read what is new, then go on with the likeliest token each time. */
static void speak(struct pxi_computation *w)
{
    struct speaker *s = PXI_OF(w, struct speaker, work);
    uint32_t same = 0, vocab = s->session.model->config.vocab;
    px_batch_token b[BATCH];
    while (same < s->held_n && same + 1 < s->n && s->held[same] == s->words[same])
        same++;
    pxi_kv_truncate(&s->session.kv, 0, same);
    s->made = 0;
    for (uint32_t at = same; at < s->n;) {
        uint32_t k = (uint32_t)pxi_min(s->n - at, BATCH);
        for (uint32_t i = 0; i < k; i++)
            b[i] = (px_batch_token){(int32_t)s->words[at + i], 0, at + i + 1 == s->n && s->max};
        if (pxi_session_eval(&s->session, b, k) != PX_ERR_OK)
            break;
        memcpy(s->held + at, s->words + at, k * sizeof *s->held);
        s->held_n = at += k;
    }
    while (s->made < s->max && s->held_n >= s->n && s->held_n < s->session.kv.positions) {
        uint32_t token = s->tokens[s->made++] = best(pxi_session_logits(&s->session, 0), vocab);
        b[0] = (px_batch_token){(int32_t)token, 0, 1};
        if (s->made == s->max || pxi_session_eval(&s->session, b, 1) != PX_ERR_OK)
            return;
        s->held[s->held_n++] = token;
    }
}

static void drop(struct pxi_drafter *d)
{
    pxi_list_remove(&d->link);
    speaker_free(d);
    pxi_free(d);
}

static void spoken(struct pxi_computation *w)
{
    struct speaker *s = PXI_OF(w, struct speaker, work);
    struct pxi_drafter *d = s->drafter;
    d->busy = false;
    if (d->dead)
        drop(d);
    else if (!d->quiet)
        d->ready(d->ctx, s->n, s->tokens, s->made);
}

static px_err speaker_new(struct pxi_drafter *d, px_model *m)
{
    struct pxi_session_options o = {.positions = d->positions, .sequences = 1, .batch = BATCH};
    struct speaker *s = pxi_calloc(1, sizeof *s);
    const struct pxi_kernels *kn;
    struct pxi_team *team;
    if (!s)
        return PX_ERR_NOMEM;
    pxi_pipeline_means(d->pipeline, NULL, &kn, &team);
    s->words = pxi_calloc(d->positions, sizeof *s->words);
    s->held = pxi_calloc(d->positions, sizeof *s->held);
    px_err err =
        s->words && s->held ? pxi_session_init(&s->session, &m->model, kn, team, &o) : PX_ERR_NOMEM;
    if (err != PX_ERR_OK) {
        pxi_free(s->words);
        pxi_free(s->held);
        pxi_free(s);
        return err;
    }
    s->model = m;
    s->work = (struct pxi_computation){.run = speak, .done = spoken};
    pxi_list_init(&s->work.link);
    s->drafter = d;
    d->speaker = s;
    return PX_ERR_OK;
}

/* Without it there are look-ups. */
static void fetched(void *ctx, px_err err, const char *why, px_model *m)
{
    (void)why;
    struct pxi_drafter *d = ctx;
    d->source = NULL;
    if (err == PX_ERR_OK && m->model.config.vocab > d->vocab)
        err = PX_ERR_INVALID;
    if (err == PX_ERR_OK)
        err = speaker_new(d, m);
    if (m && err != PX_ERR_OK) {
        px_model_close(m);
        pxi_slice_release(pxi_pipeline_node(d->pipeline), d->source_id);
    }
    if (err != PX_ERR_OK)
        pxi_node_note(pxi_pipeline_node(d->pipeline), "the draft model cannot be used");
}

/* Ask the worker; the tokens come later, or not at all when it only reads. */
static uint32_t ask(struct pxi_drafter *d, const uint32_t *words, uint32_t n, uint32_t max)
{
    struct speaker *s = d->speaker;
    struct pxi_compute *worker;
    if (d->busy || n > d->positions)
        return 0;
    for (uint32_t i = 0; i < n; i++)
        s->words[i] = words[i] & PXI_STAGE_TOKEN;
    d->quiet = !s->held_n; /* a prompt is not held up */
    s->n = n;
    s->max = d->quiet ? 0 : (uint32_t)pxi_min(max, PXI_LIMIT_STAGE_DRAFT);
    d->busy = true;
    pxi_pipeline_means(d->pipeline, &worker, NULL, NULL);
    worker->submit(worker, &s->work);
    return d->quiet ? 0 : PXI_DRAFT_LATER;
}

/* ------------------------------------------------------------------------ the drafter */

uint32_t pxi_drafter_draft(struct pxi_drafter *d, const uint32_t *words, uint32_t n, uint32_t *out,
                           uint32_t max)
{
    if (d->opened)
        return d->speaker ? ask(d, words, n, max) : 0;
    return lookup(d, words, n, out, max);
}

/* Begin to open the model that drafts. */
static px_err open_model(struct pxi_drafter *d, const struct pxi_drafter_options *o)
{
    struct pxi_model_facts f;
    px_node *n = pxi_pipeline_node(d->pipeline);
    px_err err = pxi_model_facts(n, o->what, &f);
    if (err != PX_ERR_OK)
        return err;
    if (f.vocab != o->facts->vocab)
        return PX_ERR_INVALID;
    uint32_t last = o->blocks && o->blocks < f.blocks ? o->blocks : f.blocks;
    struct pxi_slice s = {0, last, true, true};
    d->positions = (uint32_t)pxi_min(d->positions, f.context_train);
    d->opened = true;
    snprintf(d->source_id, sizeof d->source_id, "%s", f.id);
    d->source = pxi_slice_fetch(n, f.id, &s, fetched, d);
    return d->source ? PX_ERR_OK : PX_ERR_NOMEM;
}

px_err pxi_drafter_new(struct pxi_pipeline *p, const struct pxi_drafter_options *o,
                       struct pxi_drafter **out)
{
    struct pxi_drafter *d = *out = pxi_calloc(1, sizeof *d);
    if (!d)
        return PX_ERR_NOMEM;
    *d = (struct pxi_drafter){.pipeline = p,
                              .ready = o->ready,
                              .ctx = o->ctx,
                              .past = pxi_pipeline_past(p),
                              .positions = o->positions,
                              .vocab = o->facts->vocab};
    snprintf(d->model, sizeof d->model, "%s", o->facts->id);
    pxi_list_init(&d->link);
    pxi_list_add(pxi_pipeline_drafters(p), &d->link);
    px_err err = o->what && strcmp(o->what, "lookup") != 0 ? open_model(d, o) : PX_ERR_OK;
    if (err != PX_ERR_OK) {
        pxi_drafter_free(d);
        *out = NULL;
    }
    return err;
}

void pxi_drafters_free(struct pxi_list *all)
{
    while (!pxi_list_empty(all)) {
        struct pxi_drafter *d = PXI_OF(all->next, struct pxi_drafter, link);
        d->busy = false;
        pxi_drafter_free(d);
    }
}

void pxi_drafter_free(struct pxi_drafter *d)
{
    if (!d)
        return;
    pxi_slice_cancel(d->source);
    d->source = NULL;
    d->dead = true;
    if (!d->busy)
        drop(d);
}
