#include "infer/omni.h"

#include <float.h>
#include <string.h>

#include "base/limits.h"
#include "base/math.h"
#include "base/mem.h"
#include "codec/omni.h"
#include "infer/run.h"
#include "kernel/half.h"

static const char PROTOCOL[] = "/omni/tensor-xfer/1";

struct pxi_omni {
    struct pxi_stages *stages;
    struct pxi_list calls, sessions; /* struct call, struct talk */
    unsigned call_count, session_count;
};

/* A stream: a request that comes in and our reply, or a request of ours. */
struct call {
    struct pxi_list link;
    struct pxi_omni *omni;
    struct pxi_stream *stream;
    struct pxi_buf in, out;
    size_t at; /* of out, already written */
    bool ours, answered;
    struct pxi_timer timer;
};

/* A session of a foreign peer in a slice. */
struct talk {
    struct pxi_list link;
    struct pxi_omni *omni;
    struct pxi_peer peer;
    struct pxi_run *run; /* NULL while it is made */
    uint8_t name[PXI_LIMIT_OMNI_NAME];
    size_t name_n;
    uint32_t micro_batch, from, to, told; /* of the last request; positions answered */
    uint8_t dtype;
    bool tokens; /* its hidden states are token ids */
};

static struct pxi_timers *timers(struct pxi_omni *o)
{
    return pxi_host_timers(pxi_stages_host(o->stages));
}

/* ------------------------------------------------------------------------ streams */

static void call_free(struct call *c)
{
    pxi_timer_disarm(timers(c->omni), &c->timer);
    pxi_list_remove(&c->link);
    c->omni->call_count--;
    pxi_buf_deinit(&c->in);
    pxi_buf_deinit(&c->out);
    pxi_free(c);
}

/* Write on; our reply ends the stream, a request of ours waits for what is answered. */
static void flush(struct call *c)
{
    c->at += pxi_stream_write(c->stream, px_view_of(c->out.p + c->at, c->out.n - c->at));
    if (c->at < c->out.n)
        return;
    if (!c->ours) {
        pxi_stream_leave(c->stream);
        call_free(c);
    }
}

static void on_writable(struct pxi_stream *s)
{
    struct call *c = s->user;
    if (c->out.n > c->at)
        flush(c);
}

static void on_closed(struct pxi_stream *s, px_err why)
{
    (void)why;
    call_free(s->user);
}

static void late(struct pxi_timer *t, uint64_t now_ns)
{
    struct call *c = PXI_OF(t, struct call, timer);
    (void)now_ns;
    pxi_stream_reset(c->stream);
    call_free(c);
}

static struct call *call_new(struct pxi_omni *o)
{
    struct call *c = o->call_count < PXI_LIMIT_OMNI_CALLS ? pxi_calloc(1, sizeof *c) : NULL;
    if (!c)
        return NULL;
    c->omni = o;
    c->in.max = c->out.max = (size_t)PXI_LIMIT_OMNI_BYTES + 4;
    c->timer.fire = late;
    pxi_list_init(&c->link);
    pxi_list_add(&o->calls, &c->link);
    o->call_count++;
    pxi_timer_after(timers(o), &c->timer, (uint64_t)PXI_LIMIT_STAGE_ORPHAN_MS * PXI_MS);
    return c;
}

static void handle(struct call *c, px_view frame);

static size_t on_data(struct pxi_stream *s, px_view bytes)
{
    struct call *c = s->user;
    if (c->answered)
        return bytes.n;
    bool fine = pxi_buf_add(&c->in, bytes.p, bytes.n);
    int64_t n = pxi_omni_frame(px_view_of(c->in.p, c->in.n));
    if (!fine || n < 0 || (n && (uint64_t)n < c->in.n)) {
        pxi_stream_reset(s);
        call_free(c);
    } else if (n && (uint64_t)n == c->in.n && c->ours) { /* the reply changes nothing */
        pxi_stream_leave(s);
        call_free(c);
    } else if (n && (uint64_t)n == c->in.n) {
        c->answered = true;
        handle(c, px_view_of(c->in.p, c->in.n));
    }
    return bytes.n;
}

static const struct pxi_stream_events events = {
    .data = on_data, .writable = on_writable, .closed = on_closed};

static void accept(void *ctx, struct pxi_stream *s)
{
    struct call *c = call_new(ctx);
    if (!c) {
        pxi_stream_reset(s);
        return;
    }
    c->stream = s;
    pxi_stream_own(s, &events, c);
}

/* ------------------------------------------------------------------------ numbers */

static bool all_finite(const float *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(p[i] >= -FLT_MAX && p[i] <= FLT_MAX))
            return false;
    return true;
}

static bool decode(const struct pxi_omni_request *m, float *out)
{
    size_t n = (size_t)m->seq * m->hidden;
    for (size_t i = 0; i < n && m->dtype == PXI_OMNI_BF16; i++)
        out[i] = pxi_bf16_to_f32((uint16_t)(m->data.p[2 * i] | m->data.p[2 * i + 1] << 8));
    for (size_t i = 0; i < n && m->dtype == PXI_OMNI_F16; i++)
        out[i] = pxi_f16_to_f32((uint16_t)(m->data.p[2 * i] | m->data.p[2 * i + 1] << 8));
    if (m->dtype == PXI_OMNI_F32)
        memcpy(out, m->data.p, n * sizeof *out);
    return all_finite(out, n);
}

static void encode(uint8_t dtype, const float *in, uint32_t n, uint8_t *out)
{
    if (dtype != PXI_OMNI_BF16)
        pxi_hidden_encode(dtype == PXI_OMNI_F16 ? PXI_STAGE_F16 : PXI_STAGE_F32, in, n, out);
    for (uint32_t i = 0; i < n && dtype == PXI_OMNI_BF16; i++) {
        uint32_t u = pxi_bits_of_f32(in[i]);
        u += 0x7fff + (u >> 16 & 1); /* to nearest even */
        out[2 * i] = (uint8_t)(u >> 16);
        out[2 * i + 1] = (uint8_t)(u >> 24);
    }
}

/* ------------------------------------------------------------------------ what follows */

static void talk_free(struct talk *t)
{
    pxi_list_remove(&t->link);
    t->omni->session_count--;
    pxi_free(t);
}

static void on_over(void *ctx)
{
    talk_free(ctx);
}

/* A request of ours, on a stream of its own to the peer. */
static void send(struct talk *t, struct pxi_omni_request *m)
{
    static const char *const proposal[] = {PROTOCOL};
    struct pxi_conn *conn = pxi_host_conn(pxi_stages_host(t->omni->stages), &t->peer, true);
    struct call *c = conn ? call_new(t->omni) : NULL;
    if (!c)
        return; /* it will ask again, or has gone */
    m->session = px_view_of(t->name, t->name_n);
    m->micro_batch = t->micro_batch;
    m->from = t->to;
    c->ours = true;
    if (pxi_omni_request_write(m, &c->out))
        c->stream = pxi_host_open(conn, proposal, 1, &events, c);
    if (c->stream)
        flush(c);
    else
        call_free(c);
}

static void send_token(struct talk *t, uint32_t token)
{
    uint8_t id[4];
    for (int i = 0; i < 4; i++)
        id[i] = (uint8_t)(token >> (8 * i));
    struct pxi_omni_request m = {
        .to = t->from, .seq = 1, .hidden = 1, .dtype = t->dtype, .data = px_view_of(id, 4)};
    send(t, &m);
}

static void send_hidden(struct talk *t, struct pxi_run *r)
{
    uint32_t cols = r->stage->session->model->config.embd, rows = r->computed - t->told;
    size_t width = t->dtype == PXI_OMNI_F32 ? 4 : 2;
    uint8_t *data = pxi_calloc((size_t)rows * cols, width);
    if (!data)
        return;
    for (uint32_t i = 0; i < rows; i++)
        encode(t->dtype, (const float *)(const void *)pxi_record_row(&r->record, t->told + i), cols,
               data + i * cols * width);
    struct pxi_omni_request m = {.to = t->to + 1,
                                 .seq = rows,
                                 .hidden = cols,
                                 .dtype = t->dtype,
                                 .data = px_view_of(data, rows * cols * width)};
    send(t, &m);
    pxi_free(data);
}

/* All rows that came are computed: the peer hears what follows. */
static void on_computed(void *ctx, struct pxi_run *r)
{
    struct talk *t = ctx;
    if (r->computed < r->n_in || r->computed == t->told)
        return;
    if (!r->last)
        send_hidden(t, r);
    else if (r->chosen_n == r->computed + 1)
        send_token(t, r->chosen[r->computed] & PXI_STAGE_TOKEN);
    t->told = r->computed;
}

/* ------------------------------------------------------------------------ requests */

static struct talk *talk_find(struct pxi_omni *o, const struct pxi_peer *p, px_view name)
{
    for (struct pxi_list *l = o->sessions.next; l != &o->sessions; l = l->next) {
        struct talk *t = PXI_OF(l, struct talk, link);
        if (pxi_peer_equal(&t->peer, p) && t->name_n == name.n &&
            (!name.n || memcmp(t->name, name.p, name.n) == 0))
            return t;
    }
    return NULL;
}

static struct pxi_stage *choose(struct pxi_omni *o, const struct pxi_omni_request *m)
{
    bool tokens = m->to == 0 && m->hidden == 1;
    struct pxi_stage *best = NULL, *s;
    for (unsigned i = 0; (s = pxi_stages_at(o->stages, i)) != NULL; i++) {
        const struct pxi_model *model = s->session->model;
        bool fits =
            tokens ? model->slice.embed : !model->slice.embed && model->config.embd == m->hidden;
        if (fits && !s->removed && (!best || model->slice.last > best->session->model->slice.last))
            best = s;
    }
    return best;
}

static px_err talk_new(struct pxi_omni *o, const struct pxi_peer *p,
                       const struct pxi_omni_request *m, struct talk **out)
{
    static const struct pxi_run_tap tap = {on_computed, on_over};
    struct pxi_stage *s = pxi_stages_draining(o->stages) ? NULL : choose(o, m);
    struct talk *t = o->session_count < PXI_LIMIT_OMNI_SESSIONS ? pxi_calloc(1, sizeof *t) : NULL;
    if (!s || !t) {
        pxi_free(t);
        return !s ? PX_ERR_NOT_FOUND : PX_ERR_LIMIT;
    }
    t->omni = o;
    t->peer = *p;
    t->name_n = m->session.n;
    if (t->name_n)
        memcpy(t->name, m->session.p, t->name_n);
    t->tokens = s->session->model->slice.embed;
    pxi_list_init(&t->link);
    px_err err = pxi_run_local(s, &tap, t, &t->run);
    if (err != PX_ERR_OK) {
        pxi_free(t);
        return err;
    }
    pxi_list_add(&o->sessions, &t->link);
    o->session_count++;
    *out = t;
    return PX_ERR_OK;
}

/* Into the slice; the session ends when its numbers are none. */
static px_err feed(struct talk *t, const struct pxi_omni_request *m)
{
    size_t n = (size_t)m->seq * m->hidden;
    float *hidden = pxi_calloc(n, sizeof *hidden);
    px_err err = hidden ? PX_ERR_OK : PX_ERR_NOMEM;
    t->micro_batch = m->micro_batch;
    t->from = m->from;
    t->to = m->to;
    t->dtype = m->dtype;
    if (hidden && t->tokens) {
        uint32_t *ids = (uint32_t *)(void *)hidden;
        for (size_t i = 0; i < n; i++)
            ids[i] = (uint32_t)m->data.p[4 * i] | (uint32_t)m->data.p[4 * i + 1] << 8 |
                     (uint32_t)m->data.p[4 * i + 2] << 16 | (uint32_t)m->data.p[4 * i + 3] << 24;
        err = pxi_run_feed(t->run, ids, NULL, m->seq);
    } else if (hidden) {
        err = decode(m, hidden) ? pxi_run_feed(t->run, NULL, hidden, m->seq) : PX_ERR_CORRUPT;
    }
    pxi_free(hidden);
    return err;
}

static px_err serve(struct pxi_omni *o, const struct pxi_peer *p, const struct pxi_omni_request *m)
{
    struct talk *t = talk_find(o, p, m->session);
    if (t && m->micro_batch <= t->micro_batch)
        return PX_ERR_REFUSED;
    if (t && (t->tokens ? m->hidden != 1 : m->hidden != t->run->stage->session->model->config.embd))
        return PX_ERR_INVALID;
    bool fresh = !t;
    px_err err = t ? PX_ERR_OK : talk_new(o, p, m, &t);
    if (err != PX_ERR_OK)
        return err;
    err = feed(t, m);
    if (fresh && err != PX_ERR_OK && err != PX_ERR_INVALID) /* that one has ended it */
        pxi_run_end(t->run);
    return err;
}

static void handle(struct call *c, px_view frame)
{
    struct pxi_omni_request m;
    if (pxi_omni_request_read(frame, &m) != PX_ERR_OK) {
        pxi_stream_reset(c->stream);
        call_free(c);
        return;
    }
    px_err err = serve(c->omni, &c->stream->conn->peer, &m);
    struct pxi_omni_reply r = {.session = m.session,
                               .micro_batch = m.micro_batch,
                               .stage = m.to,
                               .accepted = err == PX_ERR_OK};
    if (err != PX_ERR_OK)
        r.error = px_view_str(px_err_text(err));
    if (pxi_omni_reply_write(&r, &c->out)) {
        flush(c);
    } else {
        pxi_stream_reset(c->stream);
        call_free(c);
    }
}

/* ------------------------------------------------------------------------ the service */

struct pxi_omni *pxi_omni_new(struct pxi_stages *s)
{
    struct pxi_omni *o = pxi_calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->stages = s;
    pxi_list_init(&o->calls);
    pxi_list_init(&o->sessions);
    if (pxi_host_handle(pxi_stages_host(s), PROTOCOL, PXI_HANDLE_LIMITED, accept, o) == PX_ERR_OK)
        return o;
    pxi_free(o);
    return NULL;
}

void pxi_omni_free(struct pxi_omni *o)
{
    if (!o)
        return;
    pxi_host_unhandle(pxi_stages_host(o->stages), PROTOCOL);
    while (!pxi_list_empty(&o->sessions))
        pxi_run_end(PXI_OF(o->sessions.next, struct talk, link)->run);
    while (!pxi_list_empty(&o->calls)) {
        struct call *c = PXI_OF(o->calls.next, struct call, link);
        pxi_stream_reset(c->stream);
        call_free(c);
    }
    pxi_free(o);
}
