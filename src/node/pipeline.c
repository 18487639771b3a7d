#include "node/pipeline.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/math.h"
#include "base/mem.h"
#include "infer/omni.h"
#include "io/memory.h"
#include "io/team.h"
#include "node/board.h"
#include "swarm/heartbeat.h"
#include "io/compute.h"

enum {
    RATE_BYTES = 64 << 20,
    RATE_PIECE = 8 << 20,
    RATE_TIMES = 48,
    BATCH = 256,
    LINKS = 32,
    LINK_S = 600
};

/* A slice that is served. */
struct loaded {
    struct pxi_list link;
    char id[96];
    struct pxi_slice slice;
    px_model *model;
    struct pxi_session session;
    struct pxi_stage *stage;
    uint32_t positions;
    uint32_t blocks; /* of the whole model */
    uint64_t bytes, tokens_before;
    double tps; /* lately */
};

/* A slice that is about to be. */
struct pxi_load {
    struct pxi_list link;
    struct pxi_pipeline *pipeline;
    char id[96];
    struct pxi_slice slice;
    uint32_t positions, slots;
    struct pxi_slice_source *source;
    struct pxi_timer timer;
    pxi_load_fn *done;
    void *ctx;
};

struct pxi_pipeline {
    px_node *node;
    struct pxi_compute *worker;
    struct pxi_team *team;
    struct pxi_kernels kernels;
    struct pxi_stages *stages;
    struct pxi_offers *offers;
    struct pxi_omni *omni;
    struct pxi_list loaded, loads, drafters;
    struct pxi_draft_past *past;
    struct pxi_computation measuring;
    uint64_t rate;
    struct {
        struct pxi_peer peer;
        uint64_t rate, at_ns;
        unsigned times;
    } links[LINKS];
    unsigned next_link;
    uint32_t answers;      /* of our own, under way */
    struct pxi_timer beat; /* while slices are loaded */
    bool measured, draining;
};

px_node *pxi_pipeline_node(struct pxi_pipeline *p)
{
    return p->node;
}

struct pxi_stages *pxi_pipeline_stages(struct pxi_pipeline *p)
{
    return p->stages;
}

struct pxi_offers *pxi_pipeline_offers(struct pxi_pipeline *p)
{
    return p->offers;
}

void pxi_pipeline_means(struct pxi_pipeline *p, struct pxi_compute **worker,
                        const struct pxi_kernels **kn, struct pxi_team **team)
{
    if (worker)
        *worker = p->worker;
    if (kn)
        *kn = &p->kernels;
    if (team)
        *team = p->team;
}

struct pxi_list *pxi_pipeline_drafters(struct pxi_pipeline *p)
{
    return &p->drafters;
}

struct pxi_draft_past **pxi_pipeline_past(struct pxi_pipeline *p)
{
    return &p->past;
}

/* ------------------------------------------------------------------------ what we have */

struct reading {
    const uint64_t *p;
    size_t words;
    _Atomic uint64_t sum;
};

static void read_part(void *arg, unsigned rank, unsigned size)
{
    struct reading *r = arg;
    uint64_t sum = 0;
    for (size_t i = r->words / size * rank, end = r->words / size * (rank + 1); i < end; i++)
        sum += r->p[i];
    r->sum += sum;
}

/* Its first binary digits: equal machines look equal, and the plan of tomorrow is that of today,
 * whose shards are there. */
static uint64_t rounded(uint64_t rate)
{
    uint64_t step = 1;
    while (rate / step >= 8)
        step *= 2;
    return (rate + step / 2) / step * step;
}

/* Decoding reads every weight once a token: memory is the bound, so it is what is measured. In
 * pieces shorter than a turn of the scheduler: the best one was not interrupted. */
static void measure(struct pxi_computation *w)
{
    struct pxi_pipeline *p = PXI_OF(w, struct pxi_pipeline, measuring);
    uint64_t *bytes = malloc(RATE_BYTES);
    struct reading r = {bytes, RATE_PIECE / sizeof *bytes, 0};
    if (!bytes)
        return;
    memset(bytes, 1, RATE_BYTES);
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < RATE_TIMES; i++) {
        r.p = bytes + (size_t)i * RATE_PIECE % RATE_BYTES / sizeof *bytes;
        uint64_t start = pxi_clock_ns();
        pxi_team_run(p->team, read_part, &r);
        uint64_t took = pxi_clock_ns() - start;
        best = took < best ? took : best;
    }
    p->rate = r.sum && best ? rounded((uint64_t)((double)RATE_PIECE * 1e9 / (double)best)) : 0;
    free(bytes);
}

static void measure_done(struct pxi_computation *w)
{
    PXI_OF(w, struct pxi_pipeline, measuring)->measured = true;
}

uint64_t pxi_pipeline_rate(const struct pxi_pipeline *p)
{
    return p->measured ? p->rate : 0;
}

uint64_t pxi_pipeline_memory(const struct pxi_pipeline *p)
{
    (void)p;
    return pxi_memory_available() / 2; /* half is left to others */
}

/* ------------------------------------------------------------------------ slices served */

static struct loaded *find(struct pxi_pipeline *p, const char *id, const struct pxi_slice *s)
{
    for (struct pxi_list *l = p->loaded.next; l != &p->loaded; l = l->next) {
        struct loaded *k = PXI_OF(l, struct loaded, link);
        if (strcmp(k->id, id) == 0 && k->slice.first == s->first && k->slice.last == s->last)
            return k;
    }
    return NULL;
}

static void unload(struct pxi_pipeline *p, struct loaded *k)
{
    pxi_list_remove(&k->link);
    pxi_session_deinit(&k->session);
    px_model_close(k->model);
    pxi_slice_release(p->node, k->id);
    pxi_free(k);
}

static bool status_of(const struct pxi_pipeline *p, const struct loaded *k,
                      struct pxi_stage_status *out)
{
    for (unsigned i = 0; pxi_stages_status(p->stages, i, out); i++)
        if (strcmp(out->model, k->id) == 0 && out->slice.first == k->slice.first &&
            out->slice.last == k->slice.last)
            return true;
    return false;
}

/* Once a second: how many tokens it was. */
static void beat(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_pipeline *p = PXI_OF(t, struct pxi_pipeline, beat);
    struct pxi_stage_status st;
    (void)now_ns;
    for (struct pxi_list *l = p->loaded.next; l != &p->loaded; l = l->next) {
        struct loaded *k = PXI_OF(l, struct loaded, link);
        if (!status_of(p, k, &st))
            continue;
        double more = (double)(st.tokens - k->tokens_before);
        k->tps = k->tokens_before && k->tps > 0 ? (k->tps + more) / 2 : more;
        k->tps = k->tps < 0.1 ? 0 : k->tps;
        k->tokens_before = st.tokens;
    }
    if (!pxi_list_empty(&p->loaded))
        pxi_timer_after(pxi_loop_timers(p->node->loop), t, PXI_SECOND);
}

bool pxi_pipeline_slice(const struct pxi_pipeline *p, unsigned i, struct pxi_msg_offer_stage *out)
{
    struct pxi_stage_status st;
    for (const struct pxi_list *l = p->loaded.next; l != &p->loaded; l = l->next) {
        const struct loaded *k = PXI_OF(l, struct loaded, link);
        if (i--)
            continue;
        if (!status_of(p, k, &st))
            return false;
        *out = (struct pxi_msg_offer_stage){.model = px_view_str(k->id),
                                            .first = k->slice.first,
                                            .last = k->slice.last,
                                            .blocks = k->blocks,
                                            .sessions = st.sessions,
                                            .slots = st.slots,
                                            .busy = st.busy,
                                            .bytes = k->bytes,
                                            .tokens = st.tokens,
                                            .compute_us = st.compute_ns / 1000,
                                            .tps_milli = (uint64_t)(k->tps * 1000),
                                            .hidden = st.dtype};
        return true;
    }
    return false;
}

/* Make room: a slice that no session uses. */
static bool evict(struct pxi_pipeline *p, struct loaded *k)
{
    struct pxi_stage_status st;
    if (status_of(p, k, &st) && (st.sessions || st.busy))
        return false;
    if (!pxi_stages_remove(p->stages, k->stage))
        return false;
    unload(p, k);
    return true;
}

static bool make_room(struct pxi_pipeline *p)
{
    unsigned n = 0;
    for (struct pxi_list *l = p->loaded.next; l != &p->loaded; l = l->next)
        n++;
    for (struct pxi_list *l = p->loaded.next, *next; l != &p->loaded && n >= PXI_LIMIT_OFFER_MODELS;
         l = next) {
        next = l->next;
        n -= evict(p, PXI_OF(l, struct loaded, link));
    }
    return n < PXI_LIMIT_OFFER_MODELS;
}

/* ------------------------------------------------------------------------ draining */

void pxi_pipeline_drain(struct pxi_pipeline *p, bool on)
{
    p->draining = on;
    pxi_stages_drain(p->stages, on);
}

bool pxi_pipeline_draining(const struct pxi_pipeline *p)
{
    return p->draining;
}

struct pxi_pipeline_work pxi_pipeline_look(struct pxi_pipeline *p)
{
    struct pxi_pipeline_work w = {.answers = p->answers};
    struct pxi_stage_status st;
    for (struct pxi_list *l = p->loaded.next, *next; p->draining && l != &p->loaded; l = next) {
        next = l->next;
        evict(p, PXI_OF(l, struct loaded, link));
    }
    for (; pxi_stages_status(p->stages, w.slices, &st); w.slices++)
        w.sessions += st.sessions;
    return w;
}

void pxi_pipeline_working(struct pxi_pipeline *p, int more)
{
    p->answers += (uint32_t)more;
}

/* ------------------------------------------------------------------------ loading */

/* A model that was opened: a cache for its sessions, and it is served. Takes the model. */
static px_err install(struct pxi_pipeline *p, struct pxi_load *l, px_model *m)
{
    struct pxi_session_options so = {.positions = l->positions,
                                     .sequences = l->slots,
                                     .batch = (uint32_t)pxi_min(BATCH, l->positions)};
    struct pxi_model_facts facts;
    struct loaded *k = pxi_calloc(1, sizeof *k);
    px_err err = k ? PX_ERR_OK : PX_ERR_NOMEM;
    uint64_t bytes = pxi_session_bytes(&m->model, &so, p->team->size);
    if (k && bytes > pxi_pipeline_memory(p))
        err = PX_ERR_NOMEM;
    if (err == PX_ERR_OK)
        err = pxi_session_init(&k->session, &m->model, &p->kernels, p->team, &so);
    if (err != PX_ERR_OK) {
        px_model_close(m);
        pxi_slice_release(p->node, l->id);
        pxi_free(k);
        return err;
    }
    k->model = m;
    k->slice = l->slice;
    k->positions = l->positions;
    k->bytes = m->model.weight_bytes + bytes;
    if (pxi_model_facts(p->node, l->id, &facts) == PX_ERR_OK)
        k->blocks = facts.blocks;
    p->beat.fire = beat;
    if (!p->beat.armed)
        pxi_timer_after(pxi_loop_timers(p->node->loop), &p->beat, PXI_SECOND);
    snprintf(k->id, sizeof k->id, "%s", l->id);
    pxi_list_add(&p->loaded, &k->link);
    err = pxi_stages_add(p->stages, k->id, &k->session, &k->stage);
    if (err != PX_ERR_OK)
        unload(p, k);
    pxi_board_look(p->node->board);
    return err;
}

static void load_over(struct pxi_load *l, px_err err, const char *why)
{
    pxi_load_fn *done = l->done;
    void *ctx = l->ctx;
    pxi_timer_disarm(pxi_loop_timers(l->pipeline->node->loop), &l->timer);
    pxi_list_remove(&l->link);
    pxi_free(l);
    if (done)
        done(ctx, err, why ? why : px_err_text(err));
}

static void fetched(void *ctx, px_err err, const char *why, px_model *m)
{
    struct pxi_load *l = ctx;
    struct loaded *k = find(l->pipeline, l->id, &l->slice);
    l->source = NULL;
    if (err == PX_ERR_OK && k) { /* another request was quicker */
        px_model_close(m);
        pxi_slice_release(l->pipeline->node, l->id);
        err = k->positions >= l->positions ? PX_ERR_OK : PX_ERR_LIMIT;
        why = NULL;
    } else if (err == PX_ERR_OK) {
        err = install(l->pipeline, l, m);
        why = NULL;
    }
    load_over(l, err, why);
}

static void load_begin(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_load *l = PXI_OF(t, struct pxi_load, timer);
    struct pxi_pipeline *p = l->pipeline;
    struct loaded *k = find(p, l->id, &l->slice);
    (void)now_ns;
    if (!l->positions || l->positions > PXI_LIMIT_CONTEXT_POSITIONS || !l->slots ||
        l->slots > PXI_LIMIT_STAGE_SESSIONS)
        load_over(l, PX_ERR_INVALID, NULL);
    else if (p->draining)
        load_over(l, PX_ERR_REFUSED, NULL);
    else if (k && k->positions >= l->positions)
        load_over(l, PX_ERR_OK, NULL);
    else if ((k && !evict(p, k)) || !make_room(p))
        load_over(l, PX_ERR_LIMIT, NULL);
    else if (!(l->source = pxi_slice_fetch(p->node, l->id, &l->slice, fetched, l)))
        load_over(l, PX_ERR_NOMEM, NULL);
}

struct pxi_load *pxi_pipeline_load(struct pxi_pipeline *p, const char *id,
                                   const struct pxi_slice *s, uint32_t positions, uint32_t slots,
                                   pxi_load_fn *done, void *ctx)
{
    struct pxi_load *l = pxi_calloc(1, sizeof *l);
    if (!l)
        return NULL;
    *l = (struct pxi_load){.pipeline = p,
                           .slice = *s,
                           .positions = positions,
                           .slots = slots,
                           .done = done,
                           .ctx = ctx};
    snprintf(l->id, sizeof l->id, "%s", id);
    pxi_list_init(&l->link);
    pxi_list_add(&p->loads, &l->link);
    l->timer.fire = load_begin;
    pxi_timer_after(pxi_loop_timers(p->node->loop), &l->timer, 0);
    return l;
}

void pxi_load_forget(struct pxi_load *l)
{
    if (l)
        l->done = NULL;
}

/* ------------------------------------------------------------------------ what is told */

unsigned pxi_pipeline_served(const struct pxi_pipeline *p, const char *id,
                             struct pxi_msg_served *out, unsigned cap)
{
    struct pxi_stage_status st;
    unsigned n = 0;
    for (struct pxi_list *l = p->loaded.next; l != &p->loaded && n < cap; l = l->next) {
        const struct loaded *k = PXI_OF(l, struct loaded, link);
        if (id && strcmp(id, k->id) != 0)
            continue;
        out[n] = (struct pxi_msg_served){.model = px_view_str(k->id),
                                         .first = k->slice.first,
                                         .last = k->slice.last,
                                         .embed = k->slice.embed,
                                         .output = k->slice.output,
                                         .positions = k->positions};
        for (unsigned i = 0; pxi_stages_status(p->stages, i, &st); i++)
            if (strcmp(st.model, k->id) == 0 && st.slice.first == k->slice.first &&
                st.slice.last == k->slice.last) {
                out[n].slots = st.slots;
                out[n].sessions = st.sessions;
            }
        n++;
    }
    return n;
}

unsigned pxi_pipeline_links(const struct pxi_pipeline *p, struct pxi_msg_link *out,
                            struct pxi_peer *peers, unsigned cap)
{
    struct pxi_list *conns = pxi_host_conns(p->node->host);
    unsigned n = 0;
    for (struct pxi_list *l = conns->next; l != conns && n < cap; l = l->next) {
        const struct pxi_conn *c = PXI_OF(l, struct pxi_conn, link);
        uint64_t rtt_ns = 0;
        bool known = c->closing || !p->node->heartbeat;
        for (unsigned i = 0; i < n && !known; i++)
            known = pxi_peer_equal(&peers[i], &c->peer);
        if (known || pxi_heartbeat_state(p->node->heartbeat, &c->peer, &rtt_ns) != PXI_PEER_GOOD ||
            !rtt_ns)
            continue;
        peers[n] = c->peer;
        out[n] = (struct pxi_msg_link){pxi_peer_view(&peers[n]), rtt_ns / 1000};
        n++;
    }
    return n;
}

unsigned pxi_pipeline_link_rate(const struct pxi_pipeline *p, const struct pxi_peer *peer,
                                uint64_t *rate)
{
    uint64_t now = pxi_loop_now(p->node->loop);
    *rate = 0;
    for (unsigned i = 0; i < LINKS; i++)
        if (p->links[i].at_ns && now - p->links[i].at_ns < (uint64_t)LINK_S * PXI_SECOND &&
            pxi_peer_equal(&p->links[i].peer, peer)) {
            *rate = p->links[i].rate;
            return p->links[i].times;
        }
    return 0;
}

void pxi_pipeline_link_measured(struct pxi_pipeline *p, const struct pxi_peer *peer, uint64_t rate)
{
    uint64_t before;
    unsigned at = p->next_link, times = pxi_pipeline_link_rate(p, peer, &before);
    for (unsigned i = 0; i < LINKS; i++)
        if (pxi_peer_equal(&p->links[i].peer, peer))
            at = i;
    if (at == p->next_link)
        p->next_link = (p->next_link + 1) % LINKS;
    p->links[at].peer = *peer;
    p->links[at].rate = times && rate && (!before || before > rate) ? before : rate;
    p->links[at].times = times + 1;
    p->links[at].at_ns = pxi_loop_now(p->node->loop);
}

/* ------------------------------------------------------------------------ what others ask */

static bool text_of(px_view v, char *out, size_t cap)
{
    if (v.n >= cap)
        return false;
    if (v.n)
        memcpy(out, v.p, v.n);
    out[v.n] = 0;
    return true;
}

static void answer(struct pxi_pipeline *p, struct pxi_offer_call *c, px_err err, const char *why,
                   bool has)
{
    struct pxi_msg_offer_reply r = {.err = (uint64_t)-err,
                                    .text = px_view_str(!err  ? ""
                                                        : why ? why
                                                              : px_err_text(err)),
                                    .memory = pxi_pipeline_memory(p),
                                    .rate = pxi_pipeline_rate(p),
                                    .has = has};
    pxi_offer_reply(c, &r);
}

/* With what is loaded of that model, and the peers that we see. */
static void answer_query(struct pxi_pipeline *p, struct pxi_offer_call *c, const char *model,
                         bool has)
{
    struct pxi_msg_served served[PXI_SERVED_MAX];
    struct pxi_msg_link links[PXI_LINKS_MAX];
    struct pxi_peer peers[PXI_LINKS_MAX];
    struct pxi_held held;
    pxi_model_held(p->node, model, &held);
    struct pxi_msg_offer_reply r = {
        .memory = pxi_pipeline_memory(p),
        .rate = pxi_pipeline_rate(p),
        .has = has,
        .served = {served, pxi_pipeline_served(p, model, served, PXI_CANDIDATE_SLICES)},
        .links = {links, pxi_pipeline_links(p, links, peers, PXI_LINKS_MAX)},
        .held = px_view_of(held.bits, sizeof held.bits)};
    pxi_offer_reply(c, &r);
}

static void answer_status(struct pxi_pipeline *p, struct pxi_offer_call *c)
{
    struct pxi_msg_offer_stage stages[PXI_LIMIT_OFFER_STAGES];
    struct pxi_msg_offer_reply r = {
        .memory = pxi_pipeline_memory(p), .rate = pxi_pipeline_rate(p), .draining = p->draining};
    unsigned n = 0;
    while (n < PXI_LIMIT_OFFER_STAGES && pxi_pipeline_slice(p, n, &stages[n]))
        n++;
    r.stages.p = stages;
    r.stages.n = n;
    pxi_offer_reply(c, &r);
}

/* A request whose slice is being fetched. */
struct asked {
    struct pxi_pipeline *pipeline;
    struct pxi_offer_call *call;
};

static void asked_done(void *ctx, px_err err, const char *why)
{
    struct asked *a = ctx;
    answer(a->pipeline, a->call, err, why, err == PX_ERR_OK);
    pxi_free(a);
}

static void serve(void *ctx, struct pxi_offer_call *c)
{
    struct pxi_pipeline *p = ctx;
    char model[PXI_LIMIT_STAGE_MODEL_BYTES + 1];
    if (!text_of(c->in.model, model, sizeof model) || c->in.kind > PXI_OFFER_STATUS) {
        answer(p, c, PX_ERR_INVALID, NULL, false);
        return;
    }
    if (c->in.kind == PXI_OFFER_STATUS) {
        answer_status(p, c);
        return;
    }
    if (p->draining) {
        answer(p, c, PX_ERR_REFUSED, NULL, false);
        return;
    }
    if (c->in.kind == PXI_OFFER_QUERY) {
        /* Whoever has a store can get any model that somebody provides. */
        struct pxi_model_facts facts;
        bool has = p->node->stored || pxi_model_facts(p->node, model, &facts) == PX_ERR_OK;
        has = has && (strncmp(model, "tiny-", 5) != 0 ||
                      pxi_model_facts(p->node, model, &facts) == PX_ERR_OK);
        answer_query(p, c, model, has);
        return;
    }
    struct pxi_slice s = {(uint32_t)pxi_min(c->in.first, UINT32_MAX),
                          (uint32_t)pxi_min(c->in.last, UINT32_MAX), c->in.embed != 0,
                          c->in.output != 0};
    struct asked *a = pxi_calloc(1, sizeof *a);
    if (a)
        *a = (struct asked){p, c};
    if (!a || !pxi_pipeline_load(p, model, &s, (uint32_t)pxi_min(c->in.positions, UINT32_MAX),
                                 (uint32_t)pxi_min(c->in.slots, UINT32_MAX), asked_done, a)) {
        pxi_free(a);
        answer(p, c, PX_ERR_NOMEM, NULL, false);
    }
}

/* The kernels of PLEXUS_CPU, or the best of this processor when it cannot run those. */
static void choose_kernels(struct pxi_pipeline *p)
{
    uint32_t mask = pxi_cpu_mask(getenv("PLEXUS_CPU"));
    if (!mask || (mask & ~pxi_cpu_detect())) {
        pxi_node_note(p->node,
                      "PLEXUS_CPU names kernels that this processor does not run: stages use "
                      "the best that it does");
        mask = pxi_cpu_mask(NULL);
    }
    pxi_kernels_init(&p->kernels, mask);
}

struct pxi_pipeline *pxi_pipeline_new(px_node *n)
{
    struct pxi_pipeline *p = pxi_calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->node = n;
    pxi_list_init(&p->loaded);
    pxi_list_init(&p->loads);
    pxi_list_init(&p->drafters);
    choose_kernels(p);
    p->team = pxi_team_new(0);
    p->worker = p->team ? pxi_compute_new(n->loop) : NULL;
    p->stages = p->worker ? pxi_stages_new(n->host, p->worker) : NULL;
    p->offers = p->stages ? pxi_offers_new(n->host, serve, p) : NULL;
    if (!p->offers) {
        pxi_pipeline_free(p);
        return NULL;
    }
    p->omni = pxi_omni_new(p->stages);
    p->measuring = (struct pxi_computation){.run = measure, .done = measure_done};
    pxi_list_init(&p->measuring.link);
    p->worker->submit(p->worker, &p->measuring);
    return p;
}

void pxi_pipeline_free(struct pxi_pipeline *p)
{
    if (!p)
        return;
    while (!pxi_list_empty(&p->loads)) {
        struct pxi_load *l = PXI_OF(p->loads.next, struct pxi_load, link);
        pxi_slice_cancel(l->source);
        load_over(l, PX_ERR_INTERRUPTED, NULL);
    }
    pxi_omni_free(p->omni);
    pxi_timer_disarm(pxi_loop_timers(p->node->loop), &p->beat);
    pxi_offers_free(p->offers);
    pxi_stages_stop(p->stages);
    pxi_compute_free(p->worker);
    pxi_drafters_free(&p->drafters);
    pxi_draft_past_free(p->past);
    pxi_stages_free(p->stages);
    while (!pxi_list_empty(&p->loaded))
        unload(p, PXI_OF(p->loaded.next, struct loaded, link));
    pxi_team_free(p->team);
    pxi_free(p);
}
