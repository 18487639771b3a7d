/* The generator of this machine: a batch on a thread of its own, and mail between it and the loop.
 */
#include <stdio.h>

#include "base/diag.h"
#include "base/math.h"
#include "base/mem.h"
#include "io/loop.h"
#include "io/worker.h"
#include "node/generate_batch.h"

enum { PLACES = 4, BATCH = 512, WHY = 256 };

/* Words to the thread. */
enum word { ADD, CANCEL };
struct command {
    struct pxi_mail mail;
    enum word word;
    struct pxi_generation *g;
};

/* Words to the loop: an event with what it points to. */
struct told {
    struct pxi_mail mail;
    struct pxi_generation *g;
    struct pxi_generate_event e;
    struct pxi_logprob top[]; /* or the embedding; of the last event nothing */
};

struct pxi_generation {
    struct pxi_job job; /* of the thread */
    struct local *local;
    struct pxi_list link; /* of the loop: all generations */
    pxi_generate_fn *event;
    void *ctx;
    struct command add, cancel;
    bool dead;               /* of the loop: it hears no more */
    bool cancelled;          /* of the loop: it goes when the thread has heard of it */
    bool over;               /* of the thread: its last event was told */
    struct told last, heard; /* so that the end can always be told */
    char why[WHY];
    /* copies for the request */
    int32_t *ids;
    char *chat, *text;
    px_logit_bias *bias;
};

struct local {
    struct pxi_generator base;
    struct pxi_generator_info info;
    const px_model *model;
    px_template *chat;
    px_context *context;
    struct pxi_batch *batch;
    struct pxi_loop *loop;
    struct pxi_worker *worker;
    struct pxi_list all;
    uint32_t count, places;
    bool closing;
    char *name;
    uv_mutex_t lock; /* of stats */
    struct pxi_generator_stats stats;
};

/* ------------------------------------------------------------------- on the thread */

static void tell_last(struct pxi_generation *g, const struct pxi_generate_event *e)
{
    g->last.g = g;
    g->last.e = *e;
    if (e->why && e->why != g->why) {
        snprintf(g->why, sizeof g->why, "%s", e->why);
        g->last.e.why = g->why;
    }
    g->over = true;
    pxi_worker_tell(g->local->worker, &g->last.mail);
}

static void emit(void *ctx, struct pxi_job *job, const struct pxi_generate_event *e)
{
    struct pxi_generation *g = job->owner;
    struct told *t;
    if (e->kind == PXI_GENERATE_DONE || e->kind == PXI_GENERATE_FAILED) {
        tell_last(g, e);
        return;
    }
    size_t top = e->top_count * sizeof *t->top;
    size_t embedding = e->embedding_count * sizeof *e->embedding;
    t = pxi_calloc(1, sizeof *t + top + embedding);
    if (!t)
        return; /* what is missing shows in the count of the last event */
    t->g = g;
    t->e = *e;
    if (e->top_count)
        memcpy(t->top, e->top, top);
    t->e.top = t->top;
    if (e->embedding_count) { /* an event has one or the other */
        memcpy(t->top, e->embedding, embedding);
        t->e.embedding = (const float *)(const void *)t->top;
    }
    pxi_worker_tell(g->local->worker, &t->mail);
}

static void add_job(struct local *l, struct pxi_generation *g)
{
    px_diag d = {0};
    struct pxi_job *job = &g->job;
    px_err err = pxi_prompt_tokens(&l->info, &job->r.prompt, (int64_t)pxi_clock_wall_s(), &job->ids,
                                   &job->n, &d);
    if (err == PX_ERR_OK) {
        pxi_batch_add(l->batch, job);
        return;
    }
    if (d.found[0])
        snprintf(g->why, sizeof g->why, "%s: %s wanted, %s found", px_err_text(err), d.expected,
                 d.found);
    tell_last(g, &(struct pxi_generate_event){
                     .kind = PXI_GENERATE_FAILED, .err = err, .why = d.found[0] ? g->why : NULL});
}

static void obey(struct local *l, struct pxi_mail *m)
{
    struct command *c = PXI_OF(m, struct command, mail);
    struct pxi_generation *g = c->g;
    if (c->word == ADD)
        add_job(l, g);
    else {
        if (!g->over)
            pxi_batch_cancel(l->batch, &g->job);
        g->heard.g = g;
        pxi_worker_tell(l->worker, &g->heard.mail);
    }
}

static void publish(struct local *l)
{
    struct pxi_generator_stats s = pxi_batch_stats(l->batch);
    uv_mutex_lock(&l->lock);
    l->stats = s;
    uv_mutex_unlock(&l->lock);
}

static void compute(void *ctx, struct pxi_worker *w)
{
    struct local *l = ctx;
    struct pxi_mail *m;
    while (!pxi_worker_stopping(w)) {
        bool wait = pxi_batch_idle(l->batch);
        while ((m = pxi_worker_take(w, wait))) {
            obey(l, m);
            wait = false;
        }
        if (!pxi_worker_stopping(w))
            pxi_batch_step(l->batch);
        publish(l);
    }
}

/* --------------------------------------------------------------------- on the loop */

static void forget(struct pxi_generation *g)
{
    pxi_list_remove(&g->link);
    g->local->count--;
    pxi_free(g->job.ids);
    pxi_free(g->ids);
    pxi_free(g->chat);
    pxi_free(g->text);
    pxi_free(g->bias);
    pxi_free(g);
}

static void heard(void *ctx, struct pxi_mail *m)
{
    struct local *l = ctx;
    struct told *t = PXI_OF(m, struct told, mail);
    struct pxi_generation *g = t->g;
    bool last = t == &g->last;
    if (t == &g->heard) {
        forget(g);
        return;
    }
    if (!l->closing && !g->dead) {
        g->dead = last;
        g->event(g->ctx, &t->e);
    }
    if (!last)
        pxi_free(t);
    else if (!g->cancelled)
        forget(g);
}

static bool copy_prompt(struct pxi_generation *g, const struct pxi_prompt *from)
{
    struct pxi_prompt *p = &g->job.r.prompt;
    if (from->ids) {
        p->ids = g->ids = pxi_calloc(from->count ? from->count : 1, sizeof *g->ids);
        if (g->ids)
            memcpy(g->ids, from->ids, from->count * sizeof *g->ids);
        return g->ids != NULL;
    }
    if (from->chat_json) {
        p->chat_json = g->chat = pxi_strdup_view(px_view_str(from->chat_json));
        return g->chat != NULL;
    }
    g->text = pxi_calloc(1, from->text.n + 1);
    if (g->text && from->text.n)
        memcpy(g->text, from->text.p, from->text.n);
    p->text = px_view_of(g->text, from->text.n);
    return g->text != NULL;
}

static bool copy_request(struct pxi_generation *g, const struct pxi_generate_request *r)
{
    px_sampler_options *s = &g->job.r.sampler;
    g->job.r = *r;
    s->bias = NULL;
    if (r->sampler.bias_count) {
        s->bias = g->bias = pxi_calloc(r->sampler.bias_count, sizeof *g->bias);
        if (!g->bias)
            return false;
        memcpy(g->bias, r->sampler.bias, r->sampler.bias_count * sizeof *g->bias);
    }
    return copy_prompt(g, &r->prompt);
}

static px_err start(struct pxi_generator *base, const struct pxi_generate_request *r,
                    pxi_generate_fn *event, void *ctx, struct pxi_generation **out)
{
    struct local *l = (struct local *)base;
    *out = NULL;
    if (l->count >= l->places + PXI_LIMIT_GENERATE_WAITING)
        return PX_ERR_LIMIT;
    if (r->embed && !l->info.embeds)
        return PX_ERR_UNSUPPORTED;
    struct pxi_generation *g = pxi_calloc(1, sizeof *g);
    if (!g)
        return PX_ERR_NOMEM;
    g->local = l;
    g->event = event;
    g->ctx = ctx;
    g->job.owner = g;
    g->add = (struct command){.word = ADD, .g = g};
    g->cancel = (struct command){.word = CANCEL, .g = g};
    pxi_list_init(&g->job.link);
    pxi_list_add(&l->all, &g->link);
    l->count++;
    if (!copy_request(g, r)) {
        forget(g);
        return PX_ERR_NOMEM;
    }
    pxi_worker_send(l->worker, &g->add.mail);
    *out = g;
    return PX_ERR_OK;
}

static void cancel(struct pxi_generator *base, struct pxi_generation *g)
{
    struct local *l = (struct local *)base;
    if (g->dead)
        return;
    g->dead = g->cancelled = true;
    pxi_worker_send(l->worker, &g->cancel.mail);
}

static const struct pxi_generator_info *info(const struct pxi_generator *base)
{
    return &((const struct local *)base)->info;
}

static struct pxi_generator_stats stats(const struct pxi_generator *base)
{
    struct local *l = (struct local *)base;
    uv_mutex_lock(&l->lock);
    struct pxi_generator_stats s = l->stats;
    uv_mutex_unlock(&l->lock);
    s.running = (uint32_t)pxi_min(l->count, l->places);
    s.waiting = l->count - s.running;
    return s;
}

static void untaken(void *ctx, struct pxi_mail *m) {}

static void close_local(struct pxi_generator *base)
{
    struct local *l = (struct local *)base;
    l->closing = true;
    pxi_worker_close(l->worker, untaken);
    pxi_batch_free(l->batch);
    while (!pxi_list_empty(&l->all))
        forget(PXI_OF(l->all.next, struct pxi_generation, link));
    px_context_free(l->context);
    px_template_free(l->chat);
    uv_mutex_destroy(&l->lock);
    pxi_free(l->name);
    pxi_free(l);
}

/* ------------------------------------------------------------------------- opening */

static px_err open_chat(struct local *l, px_diag *diag)
{
    const char *source = px_model_info_get(l->model)->chat_template;
    px_err err = source ? px_template_new(px_view_str(source), &l->chat, diag) : PX_ERR_OK;
    return err == PX_ERR_TEMPLATE ? PX_ERR_OK : err; /* text completion works without it */
}

static px_err open_context(struct local *l, const px_context_options *given, px_diag *diag)
{
    px_context_options o = *given;
    const px_model_info *m = px_model_info_get(l->model);
    o.size = sizeof o;
    o.sequences = o.sequences ? o.sequences : PLACES;
    o.positions = o.positions ? o.positions : (uint32_t)pxi_min(m->context_train, 4096);
    o.batch = (uint32_t)pxi_max(o.batch ? o.batch : BATCH, o.sequences);
    if (o.sequences > PXI_LIMIT_GENERATE_SLOTS)
        return pxi_diag_set(diag, PX_ERR_LIMIT, 0, "at most 64 answers at a time", "%u",
                            o.sequences);
    px_err err = px_context_new(l->model, &o, &l->context, diag);
    if (err != PX_ERR_OK)
        return err;
    l->places = o.sequences;
    l->info.positions = o.positions;
    struct pxi_batch_options bo = {
        .info = &l->info,
        .context = l->context,
        .places = o.sequences,
        .batch = (uint32_t)pxi_min(o.batch, (uint64_t)o.positions * o.sequences),
        .now_ns = pxi_clock_ns,
        .emit = emit,
        .ctx = l};
    return pxi_batch_new(&bo, &l->batch);
}

static void describe(struct local *l, const struct pxi_local_options *o)
{
    l->info.name = l->name;
    l->info.model = px_model_info_get(l->model);
    l->info.tokenizer = px_model_tokenizer(l->model);
    l->info.chat = l->chat;
    l->info.file_bytes = o->file_bytes;
    l->info.created_s = pxi_clock_wall_s();
    l->info.json = l->info.embeds = l->info.logprobs = true;
    l->info.backend = "local";
}

px_err pxi_generator_local(struct pxi_loop *loop, const px_model *m,
                           const struct pxi_local_options *o, struct pxi_generator **out,
                           px_diag *diag)
{
    static const struct pxi_worker_events on = {compute, heard};
    struct local *l = pxi_calloc(1, sizeof *l);
    *out = NULL;
    if (!l)
        return PX_ERR_NOMEM;
    l->base = (struct pxi_generator){info, start, cancel, stats, close_local};
    l->model = m;
    l->loop = loop;
    pxi_list_init(&l->all);
    if (uv_mutex_init(&l->lock)) {
        pxi_free(l);
        return PX_ERR_IO;
    }
    l->name = pxi_strdup_view(px_view_str(o->name));
    px_err err = l->name ? open_chat(l, diag) : PX_ERR_NOMEM;
    describe(l, o);
    if (err == PX_ERR_OK)
        err = open_context(l, &o->context, diag);
    if (err == PX_ERR_OK)
        err = pxi_worker_open(loop, &on, l, &l->worker);
    if (err == PX_ERR_OK)
        *out = &l->base;
    else
        close_local(&l->base);
    return err;
}
