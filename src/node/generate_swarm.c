/* The generator of a swarm: each answer is a session of the pipeline (src/node/swarm_job.c). */
#include "base/math.h"
#include "base/mem.h"
#include "node/generator.h"
#include "node/pipeline.h"

enum { DRAFT = 16 }; /* tokens guessed at a time, where the peers are far */

struct swarm {
    struct pxi_generator base;
    struct pxi_generator_info info;
    struct pxi_generator_stats stats;
    px_node *node;
    px_template *chat;
    char *name;
    struct pxi_list all;
};

struct pxi_generation {
    struct pxi_list link;
    struct swarm *swarm;
    struct pxi_swarm_job *job;
    pxi_generate_fn *event;
    void *ctx;
    int32_t *ids;
    uint32_t prompt, made;
    uint64_t began_ns, first_ns;
    bool ignore_end, started;
};

static void forget(struct pxi_generation *g)
{
    pxi_list_remove(&g->link);
    g->swarm->stats.running--;
    pxi_swarm_cancel(g->job);
    pxi_free(g->ids);
    pxi_free(g);
}

static uint64_t now(const struct pxi_generation *g)
{
    return pxi_loop_now(g->swarm->node->loop);
}

/* The last event; the generation is gone before it is heard. */
static void finish(struct pxi_generation *g, struct pxi_generate_event e)
{
    pxi_generate_fn *event = g->event;
    void *ctx = g->ctx;
    uint64_t at = now(g);
    e.prompt_tokens = g->prompt;
    e.made_tokens = g->made;
    e.prompt_ns = (g->first_ns ? g->first_ns : at) - g->began_ns;
    e.decode_ns = g->first_ns ? at - g->first_ns : 0;
    forget(g);
    event(ctx, &e);
}

static void on_planned(void *ctx, struct pxi_swarm_job *j)
{
    struct pxi_generation *g = ctx;
    struct pxi_generate_event e = {.kind = PXI_GENERATE_STARTED, .prompt_tokens = g->prompt};
    (void)j;
    if (g->started)
        return; /* a peer was replaced */
    g->started = true;
    g->swarm->stats.prompt_tokens += g->prompt;
    g->event(g->ctx, &e); /* may cancel: nothing is touched after it */
}

static void on_token(void *ctx, int32_t token)
{
    struct pxi_generation *g = ctx;
    struct pxi_generate_event e = {.token = token, .prompt_tokens = g->prompt, .born_ns = now(g)};
    if (!g->made++)
        g->first_ns = e.born_ns;
    g->swarm->stats.made_tokens++;
    e.made_tokens = g->made;
    if (!g->ignore_end && px_tokenizer_is_end(g->swarm->info.tokenizer, token)) {
        e.kind = PXI_GENERATE_DONE;
        e.reason = PXI_GENERATE_END;
        finish(g, e);
        return;
    }
    e.kind = PXI_GENERATE_TOKEN;
    g->event(g->ctx, &e);
}

static void on_over(void *ctx, px_err err, const char *why)
{
    struct pxi_generation *g = ctx;
    struct pxi_generate_event e = {.kind = err ? PXI_GENERATE_FAILED : PXI_GENERATE_DONE,
                                   .reason = PXI_GENERATE_LENGTH,
                                   .token = PX_TOKEN_NONE,
                                   .err = err,
                                   .why = why};
    g->job = NULL; /* it frees itself */
    finish(g, e);
}

static px_err start(struct pxi_generator *base, const struct pxi_generate_request *r,
                    pxi_generate_fn *event, void *ctx, struct pxi_generation **out)
{
    static const struct pxi_swarm_events events = {
        .planned = on_planned, .token = on_token, .over = on_over};
    struct swarm *s = (struct swarm *)base;
    int32_t *ids = NULL;
    size_t n = 0;
    *out = NULL;
    if (r->logprobs || r->json || r->embed)
        return PX_ERR_UNSUPPORTED; /* only token ids come back from the last stage */
    px_err err =
        pxi_prompt_tokens(&s->info, &r->prompt, (int64_t)pxi_clock_wall_s(), &ids, &n, NULL);
    struct pxi_generation *g = err == PX_ERR_OK ? pxi_calloc(1, sizeof *g) : NULL;
    if (!g) {
        pxi_free(ids);
        return err != PX_ERR_OK ? err : PX_ERR_NOMEM;
    }
    *g = (struct pxi_generation){.swarm = s,
                                 .event = event,
                                 .ctx = ctx,
                                 .ids = ids,
                                 .prompt = (uint32_t)n,
                                 .ignore_end = r->ignore_end};
    uint32_t room = s->info.positions - (uint32_t)pxi_min(n, s->info.positions);
    struct pxi_swarm_options o = {.model = s->name,
                                  .tokens = ids,
                                  .token_count = n,
                                  .max_tokens =
                                      (uint32_t)pxi_min(r->max_tokens ? r->max_tokens : room, room),
                                  .positions = s->info.positions,
                                  .sampling = r->sampler,
                                  .draft_max = DRAFT,
                                  .on = &events,
                                  .ctx = g};
    pxi_list_init(&g->link);
    pxi_list_add(&s->all, &g->link);
    s->stats.running++;
    g->began_ns = now(g);
    g->job = room ? pxi_swarm_start(s->node->pipeline, &o) : NULL;
    if (!g->job) {
        forget(g);
        return room ? PX_ERR_NOMEM : PX_ERR_CONTEXT_FULL;
    }
    *out = g;
    return PX_ERR_OK;
}

static void cancel(struct pxi_generator *base, struct pxi_generation *g)
{
    (void)base;
    forget(g);
}

static const struct pxi_generator_info *info(const struct pxi_generator *base)
{
    return &((const struct swarm *)base)->info;
}

static struct pxi_generator_stats stats(const struct pxi_generator *base)
{
    return ((const struct swarm *)base)->stats;
}

static void close_swarm(struct pxi_generator *base)
{
    struct swarm *s = (struct swarm *)base;
    while (!pxi_list_empty(&s->all))
        forget(PXI_OF(s->all.next, struct pxi_generation, link));
    px_template_free(s->chat);
    pxi_free(s->name);
    pxi_free(s);
}

px_err pxi_generator_swarm(px_node *n, const px_model *m, const char *name,
                           struct pxi_generator **out)
{
    struct swarm *s = pxi_calloc(1, sizeof *s);
    const px_model_info *mi = px_model_info_get(m);
    *out = NULL;
    if (!s)
        return PX_ERR_NOMEM;
    *s = (struct swarm){.base = {info, start, cancel, stats, close_swarm}, .node = n};
    pxi_list_init(&s->all);
    s->name = pxi_strdup_view(px_view_str(name));
    px_err err = s->name ? PX_ERR_OK : PX_ERR_NOMEM;
    if (err == PX_ERR_OK && mi->chat_template)
        err = px_template_new(px_view_str(mi->chat_template), &s->chat, NULL);
    if (err != PX_ERR_OK && err != PX_ERR_TEMPLATE) { /* text is completed without it */
        close_swarm(&s->base);
        return err;
    }
    s->info = (struct pxi_generator_info){.name = s->name,
                                          .model = mi,
                                          .tokenizer = px_model_tokenizer(m),
                                          .chat = s->chat,
                                          .positions = (uint32_t)pxi_min(mi->context_train, 4096),
                                          .created_s = pxi_clock_wall_s(),
                                          .backend = "swarm"};
    *out = &s->base;
    return PX_ERR_OK;
}
