/* A model over several hosts in one process, in virtual time, for tests of pipelines. */
#ifndef INFER_WORLD_H
#define INFER_WORLD_H

#include "host_net.h"
#include "infer/chain.h"
#include "model_shapes.h"

#ifndef WORLD_POSITIONS
#define WORLD_POSITIONS 128
#define WORLD_PROMPT    20
#endif

enum { STAGES = 3, HOSTS = 6, CLIENT = 0, ANSWER = 40 };
enum { POSITIONS = WORLD_POSITIONS, PROMPT = WORLD_PROMPT };

static const char MODEL[] = "model";

/* A worker without a thread: work is done when its timer fires. */
struct lazy {
    struct pxi_compute base;
    struct pxi_timers *timers;
    struct pxi_timer timer;
    struct pxi_list work;
    bool frozen;
    uint64_t ms; /* a step takes so long; 0: 3 ms */
};

static void lazy_fire(struct pxi_timer *t, uint64_t now)
{
    struct lazy *l = PXI_OF(t, struct lazy, timer);
    if (pxi_list_empty(&l->work))
        return;
    struct pxi_computation *w = PXI_OF(l->work.next, struct pxi_computation, link);
    pxi_list_remove(&w->link);
    w->run(w);
    w->done(w);
}

static void lazy_submit(struct pxi_compute *base, struct pxi_computation *w)
{
    struct lazy *l = PXI_OF(base, struct lazy, base);
    pxi_list_add(&l->work, &w->link);
    pxi_timer_after(l->timers, &l->timer, (l->ms ? l->ms : 3) * PXI_MS);
}

struct node {
    struct lazy worker;
    struct pxi_stages *stages;
    struct pxi_stage *stage;
    struct pxi_model model;
    struct pxi_session session;
    bool loaded;
};

struct talk {
    struct pxi_chain *chain;
    int32_t tokens[POSITIONS];
    uint32_t n, stop;
    unsigned broken, hop, leaving;
    px_err why;
    struct pxi_timers *timers;
    uint64_t last_ns, gap_ns; /* the longest wait for a token after the first */
    const int32_t *oracle;    /* what a draft copies, when there is one */
    uint32_t wrong;           /* of so many drafted tokens one is wrong; 0: none */
};

struct world {
    struct net net;
    struct pxi_kernels kernels;
    px_gguf *gguf;
    struct node node[HOSTS];
    struct pxi_slice slice[STAGES];
    unsigned client; /* the host of the next talk */
    uint8_t dtype;   /* of its hidden states */
};

static void world_init(struct world *w, enum model_name shape, bool pieces)
{
    static px_view file; /* one test uses one shape */
    memset(w, 0, sizeof *w);
    net_init(&w->net, HOSTS);
    w->net.pieces = pieces;
    pxi_kernels_init(&w->kernels, pxi_cpu_mask(NULL));
    if (!file.n)
        file = model_file(&model_shapes[shape]);
    CHECK_EQ(px_gguf_parse(file, &w->gguf, NULL), PX_ERR_OK);
    for (unsigned i = 0; i < HOSTS; i++) {
        struct node *n = &w->node[i];
        n->worker.base.submit = lazy_submit;
        n->worker.timers = &w->net.timers;
        n->worker.timer.fire = lazy_fire;
        pxi_list_init(&n->worker.work);
        n->stages = pxi_stages_new(w->net.host[i], &n->worker.base);
        CHECK(n->stages != NULL);
        for (unsigned k = 0; k < i; k++)
            net_connect(&w->net, i, k);
    }
    for (unsigned i = 0; i < STAGES; i++)
        w->slice[i] = (struct pxi_slice){i, i + 1, i == 0, i == STAGES - 1};
    net_run(&w->net, 100);
}

static void load(struct world *w, unsigned host, unsigned slice, uint32_t slots)
{
    struct node *n = &w->node[host];
    struct pxi_session_options o = {.positions = POSITIONS, .sequences = slots, .batch = 96};
    CHECK_EQ(pxi_model_init_slice(&n->model, w->gguf, &w->slice[slice], NULL), PX_ERR_OK);
    CHECK_EQ(pxi_session_init(&n->session, &n->model, &w->kernels, NULL, &o), PX_ERR_OK);
    CHECK_EQ(pxi_stages_add(n->stages, MODEL, &n->session, &n->stage), PX_ERR_OK);
    n->loaded = true;
}

static void world_deinit(struct world *w)
{
    for (unsigned i = 0; i < HOSTS; i++) {
        struct node *n = &w->node[i];
        pxi_timer_disarm(&w->net.timers, &n->worker.timer);
        pxi_stages_free(n->stages);
        if (n->loaded) {
            pxi_session_deinit(&n->session);
            pxi_model_deinit(&n->model);
        }
    }
    px_gguf_free(w->gguf);
    net_deinit(&w->net);
}

static void on_token(void *ctx, uint32_t index, int32_t token)
{
    struct talk *t = ctx;
    uint64_t now = t->timers->now_ns;
    if (t->n == t->stop) { /* the last one was not pushed: it comes again when all begin anew */
        CHECK_EQ(token, t->tokens[index]);
        return;
    }
    CHECK_EQ(index, t->n);
    if (t->last_ns && now - t->last_ns > t->gap_ns)
        t->gap_ns = now - t->last_ns;
    t->last_ns = now;
    t->tokens[t->n++] = token;
    if (t->n < t->stop)
        CHECK_EQ(pxi_chain_push(t->chain, &token, 1), PX_ERR_OK);
}

static void on_broken(void *ctx, unsigned hop, px_err why, px_view text)
{
    struct talk *t = ctx;
    t->broken++;
    t->hop = hop;
    t->why = why;
}

static void on_leaving(void *ctx, unsigned hop)
{
    struct talk *t = ctx;
    t->leaving++;
    t->hop = hop;
}

/* Guesses what will be said, with errors now and then. */
static uint32_t on_draft(void *ctx, const uint32_t *words, uint32_t n, uint32_t *out, uint32_t max)
{
    const struct talk *t = ctx;
    uint32_t k = 0;
    for (; t->oracle && k < max && n + k < PROMPT + ANSWER; k++) {
        bool slip = t->wrong && (n * 7 + k) % t->wrong == t->wrong - 1;
        out[k] = (uint32_t)(t->oracle[n + k] + slip) % MODEL_VOCAB;
    }
    return k;
}

static const struct pxi_chain_events events = {on_token, on_broken, on_leaving, on_draft};

static px_sampler_options sampling(bool greedy)
{
    return (px_sampler_options){.size = sizeof(px_sampler_options),
                                .temperature = greedy ? 0 : 0.9f,
                                .top_k = 50,
                                .repeat_penalty = 1.1f,
                                .seed = 7};
}

static void prompt_of(int32_t *out, uint32_t which)
{
    for (uint32_t i = 0; i < PROMPT; i++)
        out[i] = (int32_t)((i * 13 + which * 5 + 1) % MODEL_VOCAB);
}

/* What one machine says. */
static void expected(struct world *w, uint32_t which, bool greedy, int32_t *out)
{
    struct pxi_model m;
    struct pxi_session s;
    struct pxi_session_options o = {.positions = POSITIONS, .sequences = 1, .batch = 32};
    px_sampler_options so = sampling(greedy);
    px_sampler *sampler;
    CHECK_EQ(pxi_model_init(&m, w->gguf, NULL), PX_ERR_OK);
    CHECK_EQ(pxi_session_init(&s, &m, &w->kernels, NULL, &o), PX_ERR_OK);
    CHECK_EQ(px_sampler_new(&so, m.config.vocab, &sampler), PX_ERR_OK);
    prompt_of(out, which);
    for (uint32_t i = 0; i < PROMPT + ANSWER - 1; i++) {
        px_batch_token b = {out[i], 0, 1};
        CHECK_EQ(pxi_session_eval(&s, &b, 1), PX_ERR_OK);
        if (i < PROMPT)
            px_sampler_accept(sampler, out[i]);
        if (i + 1 >= PROMPT)
            out[i + 1] = px_sampler_next(sampler, pxi_session_logits(&s, 0));
    }
    px_sampler_free(sampler);
    pxi_session_deinit(&s);
    pxi_model_deinit(&m);
}

static px_err route(struct world *w, struct talk *t, const unsigned *hosts)
{
    struct pxi_chain_hop hops[STAGES] = {{.first = 0}};
    for (unsigned i = 0; i < STAGES; i++)
        hops[i] = (struct pxi_chain_hop){.peer = *pxi_host_self(w->net.host[hosts[i]]),
                                         .first = w->slice[i].first,
                                         .last = w->slice[i].last};
    return pxi_chain_route(t->chain, hops, STAGES);
}

/* The drafts are those of `oracle`, up to draft_max at a time, one of `wrong` wrong. */
static void talk_draft(struct world *w, struct talk *t, uint32_t which, bool greedy,
                       const unsigned *hosts, const int32_t *oracle, uint32_t draft_max,
                       uint32_t wrong)
{
    px_sampler_options so = sampling(greedy);
    struct pxi_chain_options o = {.model = MODEL,
                                  .sampling = &so,
                                  .on = &events,
                                  .ctx = t,
                                  .positions = POSITIONS,
                                  .draft_max = draft_max,
                                  .dtype = w->dtype,
                                  .vocab = MODEL_VOCAB};
    *t = (struct talk){.n = PROMPT,
                       .stop = PROMPT + ANSWER,
                       .timers = &w->net.timers,
                       .oracle = oracle,
                       .wrong = wrong};
    t->chain = pxi_chain_new(w->node[w->client].stages, &o);
    CHECK(t->chain != NULL);
    prompt_of(t->tokens, which);
    CHECK_EQ(pxi_chain_push(t->chain, t->tokens, PROMPT), PX_ERR_OK);
    CHECK_EQ(route(w, t, hosts), PX_ERR_OK);
}

static inline void talk_begin(struct world *w, struct talk *t, uint32_t which, bool greedy,
                              const unsigned *hosts)
{
    talk_draft(w, t, which, greedy, hosts, NULL, 0, 0);
}

static inline void compare(struct world *w, const struct talk *t, uint32_t which, bool greedy)
{
    int32_t want[POSITIONS];
    expected(w, which, greedy, want);
    CHECK_EQ(t->n, PROMPT + ANSWER);
    for (uint32_t i = 0; i < t->n; i++)
        if (want[i] != t->tokens[i])
            PX_FAIL("token %u is %d, expected %d", i, t->tokens[i], want[i]);
}

static inline uint32_t sessions(struct world *w, unsigned host)
{
    struct pxi_stage_status st;
    CHECK(pxi_stages_status(w->node[host].stages, 0, &st));
    return st.sessions;
}

#endif
