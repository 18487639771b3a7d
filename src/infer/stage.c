/* The service: streams that come in, slices that are served, work for the worker. */
#include "infer/stage.h"

#include <string.h>

#include "base/limits.h"
#include "base/math.h"
#include "base/mem.h"
#include "infer/run.h"

enum { MICRO_BATCH = 32 }; /* rows of one session in one evaluation, so that stages overlap */

struct pxi_stages {
    struct pxi_host *host;
    struct pxi_compute *worker;
    struct pxi_list stages, entries, chains;
    struct pxi_list retired; /* struct pxi_rows */
    struct pxi_timer sweep;  /* frees them */
    bool stopped, draining;
};

/* A stream that has not said yet what it is for. */
struct entry {
    struct pxi_list link;
    struct pxi_stages *service;
    struct pxi_stream *stream;
    struct pxi_wire_in in;
    struct pxi_timer timer;
    bool refused;
};

/* ----------------------------------------------------------------------- streams */

static void entry_free(struct entry *e)
{
    pxi_timer_disarm(pxi_host_timers(e->service->host), &e->timer);
    pxi_list_remove(&e->link);
    pxi_wire_in_deinit(&e->in);
    pxi_free(e);
}

static enum pxi_wire_verdict entry_begin(void *ctx, const struct pxi_stage_head *h, void **place)
{
    (void)ctx;
    (void)place;
    return h->kind == PXI_STAGE_OPEN || h->kind == PXI_STAGE_READY ? PXI_WIRE_TAKE : PXI_WIRE_BAD;
}

/* OPEN begins a session, READY brings the tokens of one that we began. Either way the stream has
 * another owner now, or is refused. */
static bool entry_message(void *ctx, const struct pxi_stage_head *h, px_view payload)
{
    struct entry *e = ctx;
    struct pxi_chain *chain = pxi_stages_chain(e->service, h->session);
    if (h->kind == PXI_STAGE_OPEN)
        e->refused = !pxi_run_open(e->service, e->stream, h, payload);
    else if (!(e->refused = !chain) && !pxi_chain_adopt(chain, e->stream))
        e->refused = true; /* and reset */
    if (h->kind == PXI_STAGE_READY && !chain)
        pxi_stream_reset(e->stream);
    return false;
}

static size_t entry_data(struct pxi_stream *s, px_view bytes)
{
    static const struct pxi_wire_events events = {entry_begin, entry_message};
    struct entry *e = s->user;
    size_t took;
    px_err err = pxi_wire_read(&e->in, bytes, &events, e, &took);
    if (err == PX_ERR_OK)
        return took;
    if (err != PX_ERR_RESET)
        pxi_stream_reset(s);
    else if (!e->refused)
        pxi_stream_resume(s); /* what follows is for the new owner */
    entry_free(e);
    return err == PX_ERR_RESET ? took : bytes.n;
}

static void entry_closed(struct pxi_stream *s, px_err why)
{
    (void)why;
    entry_free(s->user);
}

static void entry_late(struct pxi_timer *t, uint64_t now_ns)
{
    struct entry *e = PXI_OF(t, struct entry, timer);
    (void)now_ns;
    pxi_stream_reset(e->stream);
    entry_free(e);
}

static void accept(void *ctx, struct pxi_stream *s)
{
    static const struct pxi_stream_events events = {.data = entry_data, .closed = entry_closed};
    struct pxi_stages *service = ctx;
    struct entry *e = pxi_calloc(1, sizeof *e);
    if (!e) {
        pxi_stream_reset(s);
        return;
    }
    e->service = service;
    e->stream = s;
    e->timer.fire = entry_late;
    pxi_list_add(&service->entries, &e->link);
    pxi_timer_after(pxi_host_timers(service->host), &e->timer,
                    (uint64_t)PXI_LIMIT_STAGE_OPEN_MS * PXI_MS);
    pxi_stream_own(s, &events, e);
}

/* ---------------------------------------------------------------------- the service */

static void sweep(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_stages *s = PXI_OF(t, struct pxi_stages, sweep);
    (void)now_ns;
    while (!pxi_list_empty(&s->retired)) {
        struct pxi_rows *rows = PXI_OF(s->retired.next, struct pxi_rows, link);
        pxi_list_remove(&rows->link);
        pxi_free(rows);
    }
}

void pxi_stages_retire(struct pxi_stages *s, struct pxi_rows *rows)
{
    if (!rows)
        return;
    pxi_list_add(&s->retired, &rows->link);
    if (!s->sweep.armed)
        pxi_timer_after(pxi_host_timers(s->host), &s->sweep, 0);
}

struct pxi_stages *pxi_stages_new(struct pxi_host *h, struct pxi_compute *w)
{
    struct pxi_stages *s = pxi_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->host = h;
    s->worker = w;
    pxi_list_init(&s->stages);
    pxi_list_init(&s->entries);
    pxi_list_init(&s->chains);
    pxi_list_init(&s->retired);
    s->sweep.fire = sweep;
    if (pxi_host_handle(h, pxi_stage_protocol, PXI_HANDLE_LIMITED, accept, s) != PX_ERR_OK) {
        pxi_free(s);
        return NULL;
    }
    return s;
}

void pxi_stages_stop(struct pxi_stages *s)
{
    if (s)
        s->stopped = true;
}

void pxi_stages_free(struct pxi_stages *s)
{
    if (!s)
        return;
    s->stopped = true;
    pxi_host_unhandle(s->host, pxi_stage_protocol);
    while (!pxi_list_empty(&s->entries)) {
        struct entry *e = PXI_OF(s->entries.next, struct entry, link);
        pxi_stream_reset(e->stream);
        entry_free(e);
    }
    while (!pxi_list_empty(&s->stages)) {
        struct pxi_stage *stage = PXI_OF(s->stages.next, struct pxi_stage, link);
        stage->busy = false; /* the thread has ended */
        pxi_stages_remove(s, stage);
    }
    pxi_timer_disarm(pxi_host_timers(s->host), &s->sweep);
    sweep(&s->sweep, 0);
    pxi_free(s);
}

void pxi_stages_drain(struct pxi_stages *s, bool on)
{
    bool begins = on && !s->draining;
    s->draining = on;
    for (struct pxi_list *l = s->stages.next; begins && l != &s->stages; l = l->next) {
        struct pxi_stage *stage = PXI_OF(l, struct pxi_stage, link);
        for (struct pxi_list *k = stage->runs.next; k != &stage->runs; k = k->next)
            if (!PXI_OF(k, struct pxi_run, link)->dead)
                pxi_run_drain(PXI_OF(k, struct pxi_run, link));
    }
}

bool pxi_stages_draining(const struct pxi_stages *s)
{
    return s->draining;
}

struct pxi_hop_self pxi_stages_self(struct pxi_stages *s)
{
    return (struct pxi_hop_self){accept, s};
}

struct pxi_host *pxi_stages_host(struct pxi_stages *s)
{
    return s->host;
}

struct pxi_list *pxi_stages_chains(struct pxi_stages *s)
{
    return &s->chains;
}

static void stage_free(struct pxi_stage *s)
{
    while (!pxi_list_empty(&s->runs)) {
        struct pxi_run *r = PXI_OF(s->runs.next, struct pxi_run, link);
        r->busy = false;
        pxi_run_end(r);
    }
    pxi_list_remove(&s->link);
    pxi_free(s->model);
    pxi_free(s->slots);
    pxi_free(s->steps);
    pxi_free(s->owners);
    pxi_free(s->positions);
    pxi_free(s->flags);
    pxi_free(s);
}

struct pxi_stage *pxi_stages_find(struct pxi_stages *s, px_view model, uint32_t first,
                                  uint32_t last)
{
    for (struct pxi_list *l = s->stages.next; l != &s->stages; l = l->next) {
        struct pxi_stage *stage = PXI_OF(l, struct pxi_stage, link);
        const struct pxi_slice *slice = &stage->session->model->slice;
        if (!stage->removed && slice->first == first && slice->last == last &&
            px_view_is(model, stage->model))
            return stage;
    }
    return NULL;
}

struct pxi_stage *pxi_stages_at(struct pxi_stages *s, unsigned i)
{
    for (struct pxi_list *l = s->stages.next; l != &s->stages; l = l->next)
        if (i-- == 0)
            return PXI_OF(l, struct pxi_stage, link);
    return NULL;
}

bool pxi_stages_status(const struct pxi_stages *s, unsigned i, struct pxi_stage_status *out)
{
    for (const struct pxi_list *l = s->stages.next; l != &s->stages; l = l->next) {
        const struct pxi_stage *stage = PXI_OF(l, struct pxi_stage, link);
        if (i--)
            continue;
        *out = (struct pxi_stage_status){.model = stage->model,
                                         .slice = stage->session->model->slice,
                                         .slots = stage->session->kv.sequences,
                                         .tokens = stage->tokens,
                                         .compute_ns = stage->compute_ns,
                                         .taken = stage->taken,
                                         .copied = stage->copied,
                                         .given = stage->given,
                                         .given_copied = stage->given_copied,
                                         .busy = stage->busy};
        for (uint32_t k = 0; k < out->slots; k++)
            out->sessions += stage->slots[k];
        for (const struct pxi_list *k = stage->runs.next; k != &stage->runs; k = k->next)
            out->dtype = (uint8_t)pxi_max(out->dtype, PXI_OF(k, struct pxi_run, link)->dtype);
        return true;
    }
    return false;
}

/* ------------------------------------------------------------------------- the work */

/* The hidden states of a row, as they will be sent. */
static void keep(struct pxi_run *r, uint32_t position, const float *hidden, uint32_t cols)
{
    uint8_t *row = pxi_record_row(&r->record, position);
    pxi_hidden_encode(r->dtype, hidden, cols, row);
    if (r->dtype != PXI_STAGE_F32)
        pxi_hidden_measure(&r->loss, r->dtype, hidden, cols, row);
}

/* On the worker's thread. */
static void compute(struct pxi_computation *w)
{
    struct pxi_stage *s = PXI_OF(w, struct pxi_stage, work);
    size_t wanted = 0;
    uint32_t cols = s->session->model->config.embd;
    s->result = pxi_session_step(s->session, s->steps, s->n);
    for (uint32_t i = 0; i < s->n && s->result == PX_ERR_OK; i++) {
        struct pxi_run *r = s->owners[i];
        if (r->last)
            pxi_run_choose(r, s->positions[i], &s->steps[i], s->flags[i],
                           pxi_session_logits(s->session, wanted));
        else
            keep(r, s->positions[i], pxi_session_hidden(s->session, i), cols);
        wanted += s->steps[i].want != 0;
    }
}

static void computed(struct pxi_computation *w)
{
    struct pxi_stage *s = PXI_OF(w, struct pxi_stage, work);
    struct pxi_run *before = NULL;
    s->busy = false;
    s->tokens += s->n;
    s->compute_ns += w->took_ns;
    for (uint32_t i = 0; i < s->n; i++)
        s->owners[i]->busy = false;
    for (uint32_t i = 0; i < s->n; i++) {
        struct pxi_run *r = s->owners[i];
        if (r == before)
            continue;
        before = r;
        pxi_run_computed(r, s->result);
    }
    pxi_stage_pump(s);
}

static uint8_t flags_of(uint32_t word, bool fresh)
{
    bool draft = fresh && (word & PXI_STAGE_DRAFT);
    return (uint8_t)((draft ? PXI_ROW_DRAFT : 0) | (word & PXI_STAGE_WANT ? PXI_ROW_WANT : 0));
}

/* Rows of one session into the batch, in order, without a gap. */
static void gather(struct pxi_stage *s, struct pxi_run *r)
{
    uint32_t room = (uint32_t)pxi_min(s->session->batch - s->n, MICRO_BATCH);
    size_t cols = s->session->model->config.embd;
    pxi_run_settle(r);
    for (struct pxi_list *l = r->waiting.next; l != &r->waiting && room; l = l->next) {
        struct pxi_rows *rows = PXI_OF(l, struct pxi_rows, link);
        for (; rows->done < rows->count && room; rows->done++, room--) {
            uint32_t word = rows->words[rows->done], position = rows->position + rows->done;
            if (!r->last && !pxi_record_row(&r->record, position))
                return; /* no memory now: the rows wait */
            s->steps[s->n] = (struct pxi_step){
                .token = (int32_t)(word & PXI_STAGE_TOKEN),
                .seq = r->slot,
                .want = r->last && (word & PXI_STAGE_WANT) && position + 1 >= r->known,
                .hidden = rows->hidden ? rows->hidden + rows->done * cols : NULL};
            s->owners[s->n] = r;
            s->flags[s->n] = flags_of(word, position >= r->known);
            s->positions[s->n++] = position;
            r->busy = true;
        }
    }
}

void pxi_stage_pump(struct pxi_stage *s)
{
    if (s->busy || s->removed || s->service->stopped || pxi_list_empty(&s->runs))
        return;
    struct pxi_list *l = s->runs.next, *first = l;
    s->n = 0;
    do {
        if (l != &s->runs && s->n < s->session->batch)
            gather(s, PXI_OF(l, struct pxi_run, link));
        l = l->next;
    } while (l != first);
    /* Next time another session comes first. */
    pxi_list_remove(first);
    pxi_list_add(&s->runs, first);
    if (!s->n)
        return;
    s->busy = true;
    s->service->worker->submit(s->service->worker, &s->work);
}

px_err pxi_stages_add(struct pxi_stages *s, const char *model, struct pxi_session *session,
                      struct pxi_stage **out)
{
    const struct pxi_slice *slice = &session->model->slice;
    *out = NULL;
    if (pxi_stages_find(s, px_view_str(model), slice->first, slice->last))
        return PX_ERR_INVALID;
    struct pxi_stage *stage = pxi_calloc(1, sizeof *stage);
    if (!stage)
        return PX_ERR_NOMEM;
    pxi_list_init(&stage->runs);
    pxi_list_init(&stage->link);
    pxi_list_add(&s->stages, &stage->link);
    stage->service = s;
    stage->session = session;
    stage->work = (struct pxi_computation){.run = compute, .done = computed};
    pxi_list_init(&stage->work.link);
    stage->model = pxi_strdup_view(px_view_str(model));
    stage->slots = pxi_calloc(session->kv.sequences, sizeof *stage->slots);
    stage->steps = pxi_calloc(session->batch, sizeof *stage->steps);
    stage->owners = pxi_calloc(session->batch, sizeof(struct pxi_run *));
    stage->positions = pxi_calloc(session->batch, sizeof *stage->positions);
    stage->flags = pxi_calloc(session->batch, sizeof *stage->flags);
    if (!stage->model || !stage->slots || !stage->steps || !stage->owners || !stage->positions ||
        !stage->flags) {
        stage_free(stage);
        return PX_ERR_NOMEM;
    }
    *out = stage;
    return PX_ERR_OK;
}

bool pxi_stages_remove(struct pxi_stages *s, struct pxi_stage *stage)
{
    (void)s;
    stage->removed = true;
    for (struct pxi_list *l = stage->runs.next, *next; l != &stage->runs; l = next) {
        struct pxi_run *r = PXI_OF(l, struct pxi_run, link);
        next = l->next;
        if (!r->dead)
            pxi_run_error(r, r->hop, PX_ERR_NOT_FOUND, "the slice is served no more");
        pxi_run_end(r);
    }
    if (stage->busy)
        return false;
    stage_free(stage);
    return true;
}
