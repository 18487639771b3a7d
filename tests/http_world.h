/* The HTTP API without sockets and without a model that computes: exchanges that keep what is sent,
 * and a generator that says the tokens of a text. For unit tests and the fuzz target. */
#ifndef HTTP_WORLD_H
#define HTTP_WORLD_H

#include "base/mem.h"
#include "node/http.h"

enum { WORLD_OUT = 1 << 20, WORLD_JOBS = 64 };

/* An exchange of a test. */
struct ex {
    struct pxi_http_exchange x;
    struct pxi_buf out;
    size_t room; /* bytes that the client takes; more is too slow */
    bool ended, dropped;
};

struct pxi_generation {
    pxi_generate_fn *event;
    void *ctx;
    struct pxi_generate_request r;
    int32_t tokens[64];
    size_t n, at;
    bool used, started;
};

/* A generator whose answers are always the same text. */
struct parrot {
    struct pxi_generator base;
    struct pxi_generator_info info;
    px_model *model;
    px_template *chat;
    const char *text;
    struct pxi_generation jobs[WORLD_JOBS];
    px_err fail;     /* how the next answer fails after its start */
    char seen[4096]; /* the text of the last prompt */
    px_sampler_options sampler;
    unsigned cancelled;
    bool closed;
};

struct world {
    struct pxi_timers timers;
    struct pxi_random random;
    struct pxi_api *api;
    struct parrot parrot;
};

static inline bool ex_send(struct pxi_http_exchange *x, px_view bytes)
{
    struct ex *e = (struct ex *)x;
    if (e->dropped || e->out.n + bytes.n > e->room || !pxi_buf_add(&e->out, bytes.p, bytes.n)) {
        return false;
    }
    return true;
}

static inline void ex_end(struct pxi_http_exchange *x)
{
    ((struct ex *)x)->ended = true;
}

static inline void ex_drop(struct pxi_http_exchange *x)
{
    ((struct ex *)x)->dropped = true;
}

static inline size_t ex_queued(const struct pxi_http_exchange *x)
{
    return ((const struct ex *)x)->out.n;
}

static const struct pxi_http_ops ex_ops = {ex_send, ex_end, ex_drop, ex_queued};

static inline void ex_init(struct ex *e)
{
    *e = (struct ex){.x = {.ops = &ex_ops, .chunked = true, .keep = true},
                     .out = {.max = WORLD_OUT},
                     .room = WORLD_OUT};
}

/* What sockets do later: tell the owner of a dropped exchange. */
static inline void ex_gone(struct ex *e)
{
    void (*closed)(struct pxi_http_exchange *) = e->ended ? NULL : e->x.closed;
    e->x.closed = NULL;
    if (closed)
        closed(&e->x);
}

static inline const struct pxi_generator_info *parrot_info(const struct pxi_generator *g)
{
    return &((const struct parrot *)g)->info;
}

static inline px_err parrot_start(struct pxi_generator *g, const struct pxi_generate_request *r,
                                  pxi_generate_fn *event, void *ctx, struct pxi_generation **out)
{
    struct parrot *p = (struct parrot *)g;
    int32_t *ids;
    size_t n, text_n = 0;
    *out = NULL;
    px_err err = pxi_prompt_tokens(&p->info, &r->prompt, 0, &ids, &n, NULL);
    if (err != PX_ERR_OK)
        return err;
    err = px_detokenize(p->info.tokenizer, ids, n, 1, p->seen, sizeof p->seen - 1, &text_n);
    p->seen[text_n < sizeof p->seen ? text_n : 0] = 0;
    pxi_free(ids);
    p->sampler = r->sampler;
    for (size_t i = 0; i < WORLD_JOBS; i++)
        if (!p->jobs[i].used) {
            struct pxi_generation *j = *out = &p->jobs[i];
            *j = (struct pxi_generation){event, ctx, .r = *r, .used = true};
            err = px_tokenize(p->info.tokenizer, px_view_str(p->text), 0, j->tokens, 64, &j->n);
            j->used = err == PX_ERR_OK;
            return err;
        }
    return PX_ERR_LIMIT;
}

static inline void parrot_cancel(struct pxi_generator *g, struct pxi_generation *j)
{
    ((struct parrot *)g)->cancelled++;
    j->used = false;
}

static inline struct pxi_generator_stats parrot_stats(const struct pxi_generator *g)
{
    return (struct pxi_generator_stats){.slots = 1, .positions_all = 512};
}

static inline void parrot_close(struct pxi_generator *g)
{
    ((struct parrot *)g)->closed = true;
}

/* One event of one answer. */
static inline void parrot_say(struct parrot *p, struct pxi_generation *j)
{
    static const float vector[3] = {1, 0.5f, -2};
    struct pxi_logprob top[2] = {{j->tokens[0], -0.5f}, {1, -1.5f}};
    struct pxi_generate_event e = {.prompt_tokens = 5, .token = PX_TOKEN_NONE};
    if (!j->started) {
        j->started = true;
        e.kind = j->r.embed ? PXI_GENERATE_EMBEDDING : PXI_GENERATE_STARTED;
        e.embedding = vector;
        e.embedding_count = 3;
        j->at = j->r.embed ? j->n : 0;
    } else if (p->fail != PX_ERR_OK) {
        e.kind = PXI_GENERATE_FAILED;
        e.err = p->fail;
        j->used = false;
    } else if (j->at < j->n && (!j->r.max_tokens || j->at < j->r.max_tokens)) {
        e.kind = PXI_GENERATE_TOKEN;
        e.token = j->tokens[j->at++];
        e.logprob = -0.25f;
        e.top = top;
        e.top_count = j->r.top_logprobs < 2 ? j->r.top_logprobs : 2;
    } else {
        e.kind = PXI_GENERATE_DONE;
        e.reason = j->at < j->n ? PXI_GENERATE_LENGTH : PXI_GENERATE_END;
        e.made_tokens = (uint32_t)j->at;
        j->used = false;
    }
    j->event(j->ctx, &e);
}

/* Until nobody has more to say. */
static inline void world_run(struct world *w)
{
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < WORLD_JOBS; i++)
            if (w->parrot.jobs[i].used) {
                parrot_say(&w->parrot, &w->parrot.jobs[i]);
                more = true;
            }
    }
}

static inline uint64_t world_wall(void)
{
    return 1700000000;
}

static inline bool world_init(struct world *w, const char *token)
{
    *w = (struct world){.random = pxi_random_seeded(7)};
    struct parrot *p = &w->parrot;
    if (px_model_open("tiny", &p->model, NULL) != PX_ERR_OK)
        return false;
    p->base = (struct pxi_generator){parrot_info, parrot_start, parrot_cancel, parrot_stats,
                                     parrot_close};
    p->text = " there was a fox.";
    p->info = (struct pxi_generator_info){.name = "tiny",
                                          .model = px_model_info_get(p->model),
                                          .tokenizer = px_model_tokenizer(p->model),
                                          .positions = 512,
                                          .embeds = true,
                                          .logprobs = true,
                                          .json = true,
                                          .backend = "local"};
    struct pxi_api_options o = {
        .timers = &w->timers, .random = &w->random, .wall_s = world_wall, .token = token};
    w->api = pxi_api_new(&o);
    return w->api && pxi_api_add(w->api, &p->base);
}

static inline void world_deinit(struct world *w)
{
    pxi_api_free(w->api);
    px_template_free(w->parrot.chat);
    px_model_close(w->parrot.model);
}

/* A whole request; false when it was refused by its header. */
static inline bool world_ask(struct world *w, struct ex *e, const struct pxi_http_request *r)
{
    e->x.head = r->method == PXI_HTTP_HEAD;
    if (!pxi_api_owner.head(w->api, &e->x, r))
        return false;
    pxi_api_owner.request(w->api, &e->x, r);
    return true;
}

#endif
