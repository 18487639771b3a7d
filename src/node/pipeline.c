#include "node/pipeline.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/math.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "io/memory.h"
#include "io/team.h"
#include "io/compute.h"

enum { RATE_BYTES = 64 << 20, NAME_HASH = 8, BATCH = 256 };

/* A slice that is served. */
struct loaded {
    struct pxi_list link;
    px_model *model;
    struct pxi_session session;
    struct pxi_stage *stage;
    const char *id;
    uint32_t positions;
};

struct pxi_pipeline {
    px_node *node;
    struct pxi_compute *worker;
    struct pxi_team *team;
    struct pxi_kernels kernels;
    struct pxi_stages *stages;
    struct pxi_offers *offers;
    struct pxi_list loaded;
    char tiny[sizeof "tiny-" + 2 * NAME_HASH];
    px_model *whole; /* the embedded model, opened when it is first asked for */
    struct pxi_job measuring;
    uint64_t rate;
    bool measured;
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

/* Decoding reads every weight once a token: memory is the bound, so it is what is measured. */
static void measure(struct pxi_job *w)
{
    struct pxi_pipeline *p = PXI_OF(w, struct pxi_pipeline, measuring);
    uint64_t *bytes = malloc(RATE_BYTES);
    struct reading r = {bytes, RATE_BYTES / sizeof *bytes, 0};
    if (!bytes)
        return;
    memset(bytes, 1, RATE_BYTES);
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 3; i++) {
        uint64_t start = pxi_clock_ns();
        pxi_team_run(p->team, read_part, &r);
        uint64_t took = pxi_clock_ns() - start;
        best = took < best ? took : best;
    }
    p->rate = r.sum && best ? (uint64_t)((double)RATE_BYTES * 1e9 / (double)best) : 0;
    free(bytes);
}

static void measure_done(struct pxi_job *w)
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

const char *pxi_pipeline_model(struct pxi_pipeline *p, const char *name)
{
    return name && (strcmp(name, "tiny") == 0 || strcmp(name, p->tiny) == 0) ? p->tiny : NULL;
}

const px_model *pxi_pipeline_open(struct pxi_pipeline *p, const char *id, px_err *err)
{
    *err = pxi_pipeline_model(p, id) ? PX_ERR_OK : PX_ERR_NOT_FOUND;
    if (*err == PX_ERR_OK && !p->whole)
        *err = px_model_open("tiny", &p->whole, NULL);
    return *err == PX_ERR_OK ? p->whole : NULL;
}

/* ------------------------------------------------------------------------ slices served */

static struct loaded *find(struct pxi_pipeline *p, const char *id, const struct pxi_slice *s)
{
    for (struct pxi_list *l = p->loaded.next; l != &p->loaded; l = l->next) {
        struct loaded *k = PXI_OF(l, struct loaded, link);
        const struct pxi_slice *have = &k->model->model.slice;
        if (k->id == id && have->first == s->first && have->last == s->last)
            return k;
    }
    return NULL;
}

static void unload(struct loaded *k)
{
    pxi_list_remove(&k->link);
    pxi_session_deinit(&k->session);
    px_model_close(k->model);
    pxi_free(k);
}

/* Make room: a slice that no session uses. */
static bool evict(struct pxi_pipeline *p, struct loaded *k)
{
    struct pxi_stage_status st;
    for (unsigned i = 0; pxi_stages_status(p->stages, i, &st); i++)
        if (st.slice.first == k->model->model.slice.first &&
            st.slice.last == k->model->model.slice.last && st.sessions)
            return false;
    if (!pxi_stages_remove(p->stages, k->stage))
        return false;
    unload(k);
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

px_err pxi_pipeline_load(struct pxi_pipeline *p, const char *name, const struct pxi_slice *s,
                         uint32_t positions, uint32_t slots)
{
    const char *id = pxi_pipeline_model(p, name);
    if (!id)
        return PX_ERR_NOT_FOUND;
    if (!positions || positions > PXI_LIMIT_CONTEXT_POSITIONS || !slots ||
        slots > PXI_LIMIT_STAGE_SESSIONS)
        return PX_ERR_INVALID;
    struct loaded *k = find(p, id, s);
    if (k && k->positions >= positions)
        return PX_ERR_OK;
    if ((k && !evict(p, k)) || !make_room(p))
        return PX_ERR_LIMIT;
    k = pxi_calloc(1, sizeof *k);
    if (!k)
        return PX_ERR_NOMEM;
    struct pxi_session_options so = {
        .positions = positions, .sequences = slots, .batch = (uint32_t)pxi_min(BATCH, positions)};
    px_err err = pxi_model_open_slice(pxi_tiny_model(), s, &k->model, NULL);
    if (err == PX_ERR_OK &&
        pxi_session_bytes(&k->model->model, &so, p->team->size) > pxi_pipeline_memory(p))
        err = PX_ERR_NOMEM;
    if (err == PX_ERR_OK)
        err = pxi_session_init(&k->session, &k->model->model, &p->kernels, p->team, &so);
    if (err != PX_ERR_OK) {
        px_model_close(k->model);
        pxi_free(k);
        return err;
    }
    k->id = id;
    k->positions = positions;
    pxi_list_add(&p->loaded, &k->link);
    err = pxi_stages_add(p->stages, id, &k->session, &k->stage);
    if (err != PX_ERR_OK)
        unload(k);
    return err;
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

static void serve(void *ctx, struct pxi_offer_call *c)
{
    struct pxi_pipeline *p = ctx;
    char model[PXI_LIMIT_STAGE_MODEL_BYTES + 1];
    px_err err = text_of(c->in.model, model, sizeof model) ? PX_ERR_OK : PX_ERR_INVALID;
    if (err == PX_ERR_OK && c->in.kind == PXI_OFFER_LOAD) {
        struct pxi_slice s = {(uint32_t)pxi_min(c->in.first, UINT32_MAX),
                              (uint32_t)pxi_min(c->in.last, UINT32_MAX), c->in.embed != 0,
                              c->in.output != 0};
        err = pxi_pipeline_load(p, model, &s, (uint32_t)pxi_min(c->in.positions, UINT32_MAX),
                                (uint32_t)pxi_min(c->in.slots, UINT32_MAX));
    } else if (c->in.kind > PXI_OFFER_LOAD) {
        err = PX_ERR_UNSUPPORTED;
    }
    struct pxi_msg_offer_reply r = {.err = (uint64_t)-err,
                                    .text = px_view_str(err ? px_err_text(err) : ""),
                                    .memory = pxi_pipeline_memory(p),
                                    .rate = pxi_pipeline_rate(p),
                                    .has = pxi_pipeline_model(p, model) != NULL};
    pxi_offer_reply(c, &r);
}

static void name_tiny(struct pxi_pipeline *p)
{
    uint8_t digest[PXI_DIGEST];
    pxi_blake3(pxi_tiny_model(), digest);
    size_t n = (size_t)snprintf(p->tiny, sizeof p->tiny, "tiny-");
    for (int i = 0; i < NAME_HASH; i++)
        n += (size_t)snprintf(p->tiny + n, sizeof p->tiny - n, "%02x", digest[i]);
}

struct pxi_pipeline *pxi_pipeline_new(px_node *n)
{
    struct pxi_pipeline *p = pxi_calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->node = n;
    pxi_list_init(&p->loaded);
    pxi_kernels_init(&p->kernels, pxi_cpu_mask(getenv("PLEXUS_CPU")));
    name_tiny(p);
    p->team = pxi_team_new(0);
    p->worker = p->team ? pxi_compute_new(n->loop) : NULL;
    p->stages = p->worker ? pxi_stages_new(n->host, p->worker) : NULL;
    p->offers = p->stages ? pxi_offers_new(n->host, serve, p) : NULL;
    if (!p->offers) {
        pxi_pipeline_free(p);
        return NULL;
    }
    p->measuring = (struct pxi_job){.run = measure, .done = measure_done};
    pxi_list_init(&p->measuring.link);
    p->worker->submit(p->worker, &p->measuring);
    return p;
}

void pxi_pipeline_free(struct pxi_pipeline *p)
{
    if (!p)
        return;
    pxi_offers_free(p->offers);
    pxi_stages_stop(p->stages);
    pxi_compute_free(p->worker);
    pxi_stages_free(p->stages);
    while (!pxi_list_empty(&p->loaded))
        unload(PXI_OF(p->loaded.next, struct loaded, link));
    pxi_team_free(p->team);
    px_model_close(p->whole);
    pxi_free(p);
}
