/* Sessions of a stage: opened, fed by their predecessor, freed. */
#include "infer/run.h"

#include <string.h>

#include "base/limits.h"
#include "base/math.h"
#include "base/mem.h"

static struct pxi_timers *timers(struct pxi_run *r)
{
    return pxi_host_timers(pxi_stages_host(r->stage->service));
}

/* ------------------------------------------------------------------------- the end */

/* Rows that did not come to an end: what was decrypted there may still be read. */
static void drop_coming(struct pxi_run *r)
{
    pxi_stages_retire(r->stage->service, r->coming);
    r->coming = NULL;
}

static void drop_rows(struct pxi_run *r)
{
    pxi_run_rows_free(r);
    while (!pxi_list_empty(&r->waiting)) {
        struct pxi_rows *rows = PXI_OF(r->waiting.next, struct pxi_rows, link);
        pxi_list_remove(&rows->link);
        pxi_stages_retire(r->stage->service, rows);
    }
}

static void leave_up(struct pxi_run *r)
{
    pxi_timer_disarm(timers(r), &r->alive);
    if (r->up)
        pxi_stream_leave(r->up);
    r->up = NULL;
    drop_coming(r);
    pxi_wire_in_deinit(&r->up_in);
    pxi_wire_out_deinit(&r->up_out);
}

/* The session speaks no more; what the worker uses stays until it is done. */
static void fall_silent(struct pxi_run *r)
{
    struct pxi_stage_head over = {.kind = PXI_STAGE_CLOSE, .session = r->id, .epoch = r->epoch};
    r->dead = true;
    if (r->tap)
        r->tap->over(r->tap_ctx);
    pxi_timer_disarm(timers(r), &r->orphan);
    leave_up(r);
    if (r->down.up && pxi_wire_send(&r->down.out, &over, px_view_of(NULL, 0)) &&
        !r->down.out.busy && !r->down.out.waiting.n) {
        pxi_run_recall(r);
        pxi_stream_leave(r->down.stream);
        r->down.stream = NULL;
    }
    pxi_hop_close(&r->down);
}

void pxi_run_end(struct pxi_run *r)
{
    if (!r->dead)
        fall_silent(r);
    if (r->busy)
        return;
    pxi_list_remove(&r->link);
    drop_rows(r);
    pxi_kv_truncate(&r->stage->session->kv, r->slot, 0);
    r->stage->slots[r->slot] = 0;
    px_sampler_free(r->sampler);
    pxi_record_deinit(&r->record);
    pxi_buf_deinit(&r->order);
    pxi_free(r->words);
    pxi_free(r->chosen);
    pxi_free(r);
}

static void orphaned(struct pxi_timer *t, uint64_t now_ns)
{
    (void)now_ns;
    pxi_run_end(PXI_OF(t, struct pxi_run, orphan));
}

/* The predecessor is gone: another one may come with the next epoch. */
static void lose_up(struct pxi_run *r)
{
    r->up = NULL;
    leave_up(r);
    r->orphan.fire = orphaned;
    uint64_t wait_ms = pxi_stages_draining(r->stage->service) ? PXI_LIMIT_STAGE_DRAINED_MS
                                                              : PXI_LIMIT_STAGE_ORPHAN_MS;
    pxi_timer_after(timers(r), &r->orphan, wait_ms * PXI_MS);
}

/* ------------------------------------------------------------------------- what comes */

/* A row is handed to the worker or sent on as it is: only rows that wait are forgotten here. */
static void shorten(struct pxi_run *r, struct pxi_rows *rows, uint32_t to)
{
    if (rows->position + rows->count <= to)
        return;
    rows->count = to > rows->position ? to - rows->position : 0;
    if (rows->count || rows->done)
        return;
    pxi_list_remove(&rows->link);
    pxi_stages_retire(r->stage->service, rows);
}

void pxi_run_cut(struct pxi_run *r, uint32_t to)
{
    if (to >= r->n_in)
        return;
    for (struct pxi_list *l = r->waiting.next, *next; l != &r->waiting; l = next) {
        next = l->next;
        shorten(r, PXI_OF(l, struct pxi_rows, link), to);
    }
    r->n_in = to;
    r->computed = (uint32_t)pxi_min(r->computed, to);
    if (!r->last)
        r->sent = (uint32_t)pxi_min(r->sent, to);
    r->cut = (uint32_t)pxi_min(r->cut, to);
}

void pxi_run_settle(struct pxi_run *r)
{
    pxi_kv_truncate(&r->stage->session->kv, r->slot, r->cut);
    if (r->cut < r->good) {
        r->good = r->cut;
        r->drawn = r->good && (r->words[r->good - 1] & PXI_STAGE_WANT);
    }
    r->cut = UINT32_MAX;
    if (r->rewind)
        pxi_run_rewind(r, r->good);
    r->rewind = false;
}

/* A probe that waits behind rows cannot be answered: we speak unasked. */
static void tell_alive(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_run *r = PXI_OF(t, struct pxi_run, alive);
    struct pxi_stage_head pong = {.kind = PXI_STAGE_PONG, .session = r->id, .epoch = r->epoch};
    (void)now_ns;
    if (!r->held && r->computed == r->n_in)
        return;
    pxi_wire_send(&r->up_out, &pong, px_view_of(NULL, 0));
    pxi_timer_after(timers(r), t, (uint64_t)PXI_LIMIT_STAGE_PROBE_MS * PXI_MS);
}

static void hold(struct pxi_run *r)
{
    r->held = true;
    r->alive.fire = tell_alive;
    if (!r->alive.armed)
        pxi_timer_after(timers(r), &r->alive, (uint64_t)PXI_LIMIT_STAGE_PROBE_MS * PXI_MS);
}

void pxi_run_release(struct pxi_run *r)
{
    if (r->held && r->up) {
        r->held = false;
        pxi_stream_resume(r->up);
    }
}

/* Too many rows wait, or those that would be overwritten are on their way to the next stage. */
static bool must_wait(const struct pxi_run *r, const struct pxi_stage_head *h)
{
    uint32_t waiting = r->n_in - r->computed;
    return (waiting && waiting + h->rows > PXI_LIMIT_STAGE_WAITING) ||
           (!r->last && r->down.out.busy && h->position < r->out.position + r->out.rows);
}

/* Rows follow those that are there, or take the place of drafts. */
static enum pxi_wire_verdict begin_rows(struct pxi_run *r, const struct pxi_stage_head *h,
                                        void **place)
{
    const struct pxi_model *m = r->stage->session->model;
    uint32_t cols = m->slice.embed ? 0 : m->config.embd;
    if (h->epoch != r->epoch)
        return PXI_WIRE_DROP;
    if (h->cols != cols || (cols && h->dtype != r->dtype) || h->position > r->n_in ||
        h->position < r->firm || h->rows > r->stage->session->kv.positions - h->position)
        return PXI_WIRE_BAD;
    if (must_wait(r, h)) {
        hold(r);
        return PXI_WIRE_WAIT;
    }
    pxi_run_cut(r, h->position);
    if (h->position < r->lent) /* others will be written in their place */
        pxi_run_recall(r);
    struct pxi_rows *rows = pxi_run_room(r, h);
    if (!rows)
        return PXI_WIRE_BAD;
    *place = rows->words;
    drop_coming(r);
    r->coming = rows;
    return PXI_WIRE_TAKE;
}

static enum pxi_wire_verdict begin(void *ctx, const struct pxi_stage_head *h, void **place)
{
    struct pxi_run *r = ctx;
    if (h->session != r->id)
        return PXI_WIRE_BAD;
    switch (h->kind) {
    case PXI_STAGE_INPUT: return begin_rows(r, h, place);
    case PXI_STAGE_OPEN:
    case PXI_STAGE_PING:
    case PXI_STAGE_PONG:
    case PXI_STAGE_CLOSE: return PXI_WIRE_TAKE;
    default: return PXI_WIRE_BAD;
    }
}

static bool take_rows(struct pxi_run *r)
{
    struct pxi_rows *rows = r->coming;
    uint32_t vocab = r->stage->session->model->config.vocab;
    r->coming = NULL;
    uint32_t firm = r->firm, end = rows->position + rows->count;
    const char *wrong = NULL;
    for (uint32_t i = 0; i < rows->count; i++) {
        if ((rows->words[i] & PXI_STAGE_TOKEN) >= vocab)
            wrong = "a token beyond the vocabulary";
        if (!(rows->words[i] & PXI_STAGE_DRAFT))
            firm = rows->position + i + 1;
    }
    if (end - firm > PXI_LIMIT_STAGE_DRAFT)
        wrong = "a draft that is too long";
    if (!wrong && !pxi_rows_decode(r, rows))
        wrong = "hidden states that are not finite";
    if (wrong) {
        pxi_stages_retire(r->stage->service, rows);
        pxi_run_error(r, r->hop, PX_ERR_PROTOCOL, wrong);
        pxi_run_end(r);
        return false;
    }
    memcpy(r->words + rows->position, rows->words, rows->count * sizeof *rows->words);
    r->stage->taken += r->up_in.taken;
    r->stage->copied += r->up_in.copied;
    r->up_in.taken = r->up_in.copied = 0;
    r->n_in = end;
    r->firm = firm;
    pxi_list_add(&r->waiting, &rows->link);
    pxi_run_expect(r, rows->count);
    pxi_stage_pump(r->stage);
    return true;
}

static bool message(void *ctx, const struct pxi_stage_head *h, px_view payload)
{
    struct pxi_run *r = ctx;
    struct pxi_stage_head pong = {.kind = PXI_STAGE_PONG, .session = r->id};
    switch (h->kind) {
    case PXI_STAGE_INPUT: return take_rows(r);
    case PXI_STAGE_OPEN:
        if (pxi_run_open(r->stage->service, r->up, h, payload))
            return true;
        r->up = NULL; /* it was answered and left */
        lose_up(r);
        return false;
    case PXI_STAGE_PING:
        if (pxi_wire_send(&r->up_out, &pong, px_view_of(NULL, 0)))
            return true;
        pxi_stream_reset(r->up);
        lose_up(r);
        return false;
    case PXI_STAGE_CLOSE: pxi_run_end(r); return false;
    default: return true;
    }
}

/* The same while rows come and come over a slow link: the probes are behind them. */
static void tell_coming(struct pxi_run *r)
{
    struct pxi_stage_head pong = {.kind = PXI_STAGE_PONG, .session = r->id, .epoch = r->epoch};
    const uint64_t pause = (uint64_t)PXI_LIMIT_STAGE_PROBE_MS * PXI_MS;
    uint64_t now_ns = timers(r)->now_ns;
    if (now_ns - r->came_ns > pause)
        r->told_ns = now_ns; /* they begin to */
    r->came_ns = now_ns;
    if (!r->coming || now_ns - r->told_ns < pause)
        return;
    r->told_ns = now_ns;
    pxi_wire_send(&r->up_out, &pong, px_view_of(NULL, 0));
}

static size_t on_data(struct pxi_stream *s, px_view bytes)
{
    static const struct pxi_wire_events events = {begin, message};
    struct pxi_run *r = s->user;
    size_t took;
    px_err err = pxi_wire_read(&r->up_in, bytes, &events, r, &took);
    if (err == PX_ERR_RESET) /* the run may be gone */
        return bytes.n;
    if (err != PX_ERR_OK) {
        pxi_run_error(r, r->hop, PX_ERR_PROTOCOL, "a message that does not fit the session");
        pxi_run_end(r);
        return bytes.n;
    }
    tell_coming(r);
    pxi_run_land(r);
    return took;
}

static void on_ended(struct pxi_stream *s)
{
    struct pxi_run *r = s->user;
    pxi_stream_leave(s);
    lose_up(r);
}

static void on_closed(struct pxi_stream *s, px_err why)
{
    (void)why;
    lose_up(s->user);
}

static void on_writable(struct pxi_stream *s)
{
    struct pxi_run *r = s->user;
    pxi_wire_flush(&r->up_out);
}

static void take_up(struct pxi_run *r, struct pxi_stream *s)
{
    static const struct pxi_stream_events events = {
        .data = on_data, .ended = on_ended, .writable = on_writable, .closed = on_closed};
    if (r->up == s)
        return;
    leave_up(r);
    pxi_timer_disarm(timers(r), &r->orphan);
    r->up = s;
    r->up_out.stream = s;
    pxi_stream_own(s, &events, r);
}

/* ------------------------------------------------------------------------- OPEN */

static float float_of(uint64_t bits)
{
    uint32_t u = (uint32_t)bits;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static px_err make_sampler(struct pxi_run *r, const struct pxi_msg_stage_sampling *m)
{
    static const struct pxi_msg_stage_sampling greedy;
    m = m ? m : &greedy;
    px_sampler_options o = {.size = sizeof o,
                            .temperature = float_of(m->temperature),
                            .top_k = (uint32_t)m->top_k,
                            .top_p = float_of(m->top_p),
                            .min_p = float_of(m->min_p),
                            .repeat_penalty = float_of(m->repeat),
                            .presence_penalty = float_of(m->presence),
                            .frequency_penalty = float_of(m->frequency),
                            .penalty_window = (uint32_t)m->window,
                            .seed = m->seed};
    px_logit_bias *rows = m->bias.n ? pxi_calloc(m->bias.n, sizeof *rows) : NULL;
    if (m->bias.n && !rows)
        return PX_ERR_NOMEM;
    for (size_t i = 0; i < m->bias.n; i++) {
        const struct pxi_msg_stage_bias *b = PXI_PB_AT(m->bias, struct pxi_msg_stage_bias, i);
        rows[i] = (px_logit_bias){(int32_t)(uint32_t)b->token, float_of(b->value)};
    }
    o.bias = rows;
    o.bias_count = m->bias.n;
    px_err err = px_sampler_new(&o, r->stage->session->model->config.vocab, &r->sampler);
    pxi_free(rows);
    return err;
}

/* A free slot, or that of a session whose client has gone: those who are there come first. */
static uint32_t take_slot(struct pxi_stage *stage)
{
    uint32_t slot = 0, slots = stage->session->kv.sequences;
    while (slot < slots && stage->slots[slot])
        slot++;
    for (struct pxi_list *l = stage->runs.next; slot == slots && l != &stage->runs; l = l->next) {
        struct pxi_run *r = PXI_OF(l, struct pxi_run, link);
        if (r->up || r->busy || r->tap)
            continue;
        slot = r->slot;
        pxi_run_end(r);
        break;
    }
    return slot;
}

static px_err make(struct pxi_stage *stage, const struct pxi_stage_head *h,
                   const struct pxi_msg_stage_open *m, struct pxi_run **out)
{
    const struct pxi_session *s = stage->session;
    uint32_t slot = take_slot(stage);
    struct pxi_run *r = slot < s->kv.sequences ? pxi_calloc(1, sizeof *r) : NULL;
    if (!r)
        return slot < s->kv.sequences ? PX_ERR_NOMEM : PX_ERR_LIMIT;
    r->stage = stage;
    r->id = h->session;
    r->slot = slot;
    r->cut = UINT32_MAX;
    r->dtype = m->dtype ? (uint8_t)m->dtype : PXI_STAGE_F32;
    r->last = s->model->slice.output;
    memcpy(r->key, m->key.p, PXI_STAGE_KEY);
    r->order.max = (size_t)PXI_LIMIT_STAGE_OPEN_BYTES;
    pxi_list_init(&r->waiting);
    pxi_list_init(&r->link);
    pxi_list_add(&stage->runs, &r->link);
    stage->slots[slot] = 1;
    r->words = pxi_calloc(s->kv.positions, sizeof *r->words);
    r->chosen = pxi_calloc((size_t)s->kv.positions + 1, sizeof *r->chosen);
    px_err err = r->words && r->chosen ? PX_ERR_OK : PX_ERR_NOMEM;
    if (err == PX_ERR_OK && r->last)
        err = make_sampler(r, m->sampling);
    else if (err == PX_ERR_OK &&
             !pxi_record_init(&r->record, s->kv.positions,
                              (size_t)pxi_stage_row_bytes(r->dtype, s->model->config.embd)))
        err = PX_ERR_NOMEM;
    if (err != PX_ERR_OK)
        pxi_run_end(r);
    *out = r;
    return err;
}

/* ------------------------------------------------------------------------- without streams */

static void wait_for_more(struct pxi_run *r)
{
    r->orphan.fire = orphaned;
    pxi_timer_after(timers(r), &r->orphan, (uint64_t)PXI_LIMIT_STAGE_ORPHAN_MS * PXI_MS);
}

px_err pxi_run_local(struct pxi_stage *stage, const struct pxi_run_tap *tap, void *ctx,
                     struct pxi_run **out)
{
    struct pxi_random *rnd = pxi_host_random(pxi_stages_host(stage->service));
    uint8_t key[PXI_STAGE_KEY];
    struct pxi_stage_head h = {.session = pxi_random_u64(rnd)};
    pxi_random_fill(rnd, key, sizeof key);
    struct pxi_msg_stage_open m = {.key = px_view_of(key, sizeof key)};
    px_err err = make(stage, &h, &m, out);
    if (err != PX_ERR_OK)
        return err;
    (*out)->epoch = 1;
    (*out)->tap = tap;
    (*out)->tap_ctx = ctx;
    wait_for_more(*out);
    return PX_ERR_OK;
}

px_err pxi_run_feed(struct pxi_run *r, const uint32_t *tokens, const float *hidden, uint32_t n)
{
    uint32_t cols = hidden ? r->stage->session->model->config.embd : 0;
    struct pxi_stage_head h = {
        .dtype = PXI_STAGE_F32, .position = r->n_in, .rows = n, .cols = cols};
    if (n > r->stage->session->kv.positions - r->n_in)
        return PX_ERR_CONTEXT_FULL;
    if (n > PXI_LIMIT_STAGE_WAITING || must_wait(r, &h))
        return PX_ERR_LIMIT;
    h.bytes = n * (uint32_t)(4 + pxi_stage_row_bytes(PXI_STAGE_F32, cols));
    struct pxi_rows *rows = pxi_rows_new(n, h.dtype, cols);
    if (!rows)
        return PX_ERR_NOMEM;
    pxi_rows_shape(rows, &h);
    /* Whoever sends hidden states does not say of which tokens: the one chosen here is known. */
    for (uint32_t i = 0; i < n; i++)
        rows->words[i] = tokens ? (uint32_t)pxi_min(tokens[i], PXI_STAGE_TOKEN)
                         : h.position + i < r->chosen_n
                             ? r->chosen[h.position + i] & PXI_STAGE_TOKEN
                             : 0;
    rows->words[n - 1] |= PXI_STAGE_WANT;
    if (hidden)
        memcpy(rows->hidden, hidden, (size_t)n * cols * sizeof *hidden);
    r->coming = rows;
    wait_for_more(r);
    return take_rows(r) ? PX_ERR_OK : PX_ERR_INVALID;
}

/* ------------------------------------------------------------------------- finding */

static struct pxi_run *find(struct pxi_stage *stage, uint64_t id)
{
    for (struct pxi_list *l = stage->runs.next; l != &stage->runs; l = l->next) {
        struct pxi_run *r = PXI_OF(l, struct pxi_run, link);
        if (r->id == id && !r->dead)
            return r;
    }
    return NULL;
}

/* Keys are compared in full, so that the time tells nothing. */
static bool same_key(const uint8_t *a, const uint8_t *b)
{
    uint8_t differ = 0;
    for (unsigned i = 0; i < PXI_STAGE_KEY; i++)
        differ |= a[i] ^ b[i];
    return !differ;
}

static bool plausible(const struct pxi_stage_head *h, const struct pxi_msg_stage_open *m,
                      const struct pxi_stage *stage)
{
    uint32_t positions = stage->session->kv.positions;
    const struct pxi_slice *slice = &stage->session->model->slice;
    bool last = (size_t)h->hop + 2 == m->hops.n;
    return m->key.n == PXI_STAGE_KEY && h->epoch && m->prompt && m->prompt <= m->known &&
           m->known <= positions && m->dtype <= PXI_STAGE_Q8 && slice->output == last &&
           slice->embed == (h->hop == 0);
}

/* Of drafts nobody knows any more what became of them; and the last stage forgets its choices and
 * makes that of the next token again, which the client may not have heard. */
static void begin_anew(struct pxi_run *r, uint32_t known)
{
    if (r->last)
        r->firm = (uint32_t)pxi_min(r->firm, known - 1);
    pxi_run_cut(r, r->firm);
    r->rewind = r->last;
    r->chosen_n = 0;
}

static px_err adopt(struct pxi_stages *s, struct pxi_stream *up, const struct pxi_stage_head *h,
                    px_view payload, const struct pxi_msg_stage_open *m)
{
    if ((size_t)h->hop + 2 > m->hops.n)
        return PX_ERR_PROTOCOL;
    const struct pxi_msg_stage_hop *hop = PXI_PB_AT(m->hops, struct pxi_msg_stage_hop, h->hop);
    struct pxi_stage *stage =
        hop->first < hop->last && hop->last <= UINT32_MAX
            ? pxi_stages_find(s, m->model, (uint32_t)hop->first, (uint32_t)hop->last)
            : NULL;
    if (!stage)
        return PX_ERR_NOT_FOUND;
    if (!plausible(h, m, stage))
        return PX_ERR_PROTOCOL;
    struct pxi_run *r = find(stage, h->session);
    if (r && (!same_key(r->key, m->key.p) || h->epoch <= r->epoch))
        return PX_ERR_REFUSED;
    if (r && r->dtype != (m->dtype ? m->dtype : PXI_STAGE_F32))
        return PX_ERR_PROTOCOL; /* what is recorded is coded already */
    bool draining = pxi_stages_draining(s);
    px_err err = r ? PX_ERR_OK : draining ? PX_ERR_REFUSED : make(stage, h, m, &r);
    if (err != PX_ERR_OK)
        return err;
    bool fresh = !r->epoch;
    take_up(r, up);
    begin_anew(r, (uint32_t)m->known);
    if (fresh)
        r->prompt = (uint32_t)m->prompt; /* the worker reads it: it never changes */
    r->epoch = h->epoch;
    r->hop = h->hop;
    r->known = (uint32_t)m->known;
    r->order.n = 0;
    struct pxi_stage_head ready = {
        .kind = PXI_STAGE_READY, .session = r->id, .epoch = r->epoch, .position = r->n_in};
    if (!pxi_buf_add(&r->order, payload.p, payload.n) ||
        !pxi_wire_send(&r->up_out, &ready, px_view_of(NULL, 0))) {
        if (fresh)
            pxi_run_end(r);
        return PX_ERR_NOMEM;
    }
    if (draining)
        pxi_run_drain(r);
    pxi_run_expect(r, r->known - r->n_in);
    pxi_run_land(r);
    pxi_run_connect(r, m);
    return PX_ERR_OK;
}

bool pxi_run_open(struct pxi_stages *s, struct pxi_stream *up, const struct pxi_stage_head *h,
                  px_view payload)
{

    struct pxi_msg_stage_open m;
    struct pxi_arena arena;
    pxi_arena_init(&arena, 4 * (size_t)PXI_LIMIT_STAGE_OPEN_BYTES);
    px_err err = pxi_pb_decode(&pxi_pb_stage_open, payload, &arena, &m, NULL);
    if (err == PX_ERR_OK)
        err = adopt(s, up, h, payload, &m);
    pxi_arena_deinit(&arena);
    if (err == PX_ERR_OK)
        return true;
    struct pxi_wire_out out = {.stream = up};
    struct pxi_stage_head no = {.kind = PXI_STAGE_ERROR,
                                .session = h->session,
                                .epoch = h->epoch,
                                .hop = h->hop,
                                .position = (uint32_t)err};
    pxi_wire_send(&out, &no, px_view_str(px_err_text(err)));
    pxi_wire_out_deinit(&out);
    pxi_stream_leave(up);
    return false;
}

/* ------------------------------------------------------------------------- computed */

void pxi_run_computed(struct pxi_run *r, px_err err)
{
    if (r->dead) {
        pxi_run_end(r);
        return;
    }
    if (err != PX_ERR_OK) {
        pxi_run_error(r, r->hop, err, px_err_text(err));
        pxi_run_end(r);
        return;
    }
    pxi_run_settle(r);
    r->computed = r->stage->session->kv.length[r->slot];
    r->chosen_n = r->sampled;
    while (!pxi_list_empty(&r->waiting)) {
        struct pxi_rows *rows = PXI_OF(r->waiting.next, struct pxi_rows, link);
        if (rows->done < rows->count)
            break;
        pxi_list_remove(&rows->link);
        pxi_run_rows_done(r, rows);
    }
    if (r->tap) {
        r->tap->computed(r->tap_ctx, r);
        return;
    }
    pxi_run_release(r);
    pxi_run_loss(r);
    pxi_run_send(r);
}
