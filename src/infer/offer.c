#include "infer/offer.h"

#include "base/limits.h"
#include "base/math.h"
#include "base/mem.h"
#include "net/message.h"

static const char PROTOCOL[] = "/plexus/offer/1";

/* What came until then is enough to tell; a reply that is later may have waited to be read, and the
 * bytes behind it with it. */
enum { PROBE_MS = 300, LATE_MS = 100 };

static const struct pxi_pb_field offer_fields[] = {
    PXI_PB_FIELD(pxi_msg_offer, kind, 1, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_offer, model, 2, STRING, .max = PXI_LIMIT_STAGE_MODEL_BYTES),
    PXI_PB_FIELD(pxi_msg_offer, first, 3, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_offer, last, 4, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_offer, embed, 5, BOOL, .max = 0),
    PXI_PB_FIELD(pxi_msg_offer, output, 6, BOOL, .max = 0),
    PXI_PB_FIELD(pxi_msg_offer, positions, 7, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_offer, slots, 8, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_offer, probe, 9, UINT, .max = 0),
};
const struct pxi_pb_message pxi_pb_offer = {"offer", offer_fields, 9, sizeof(struct pxi_msg_offer)};

static const struct pxi_pb_field stage_fields[] = {
    PXI_PB_FIELD(pxi_msg_offer_stage, model, 1, STRING, .max = PXI_LIMIT_STAGE_MODEL_BYTES),
    PXI_PB_FIELD(pxi_msg_offer_stage, first, 2, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_offer_stage, last, 3, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_offer_stage, blocks, 4, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_offer_stage, sessions, 5, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_offer_stage, slots, 6, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_offer_stage, busy, 7, BOOL, .max = 0),
    PXI_PB_FIELD(pxi_msg_offer_stage, bytes, 8, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_offer_stage, tokens, 9, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_offer_stage, compute_us, 10, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_offer_stage, tps_milli, 11, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_offer_stage, hidden, 12, UINT, .max = 0),
};
static const struct pxi_pb_message stage_table = {"stage", stage_fields, 12,
                                                  sizeof(struct pxi_msg_offer_stage)};

static const struct pxi_pb_field reply_fields[] = {
    PXI_PB_FIELD(pxi_msg_offer_reply, err, 1, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_offer_reply, text, 2, STRING, .max = PXI_LIMIT_STAGE_ERROR_BYTES),
    PXI_PB_FIELD(pxi_msg_offer_reply, memory, 3, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_offer_reply, rate, 4, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_offer_reply, has, 5, BOOL, .max = 0),
    PXI_PB_FIELD(pxi_msg_offer_reply, draining, 6, BOOL, .max = 0),
    PXI_PB_FIELD(pxi_msg_offer_reply, stages, 7, MESSAGE, .repeated = true,
                 .max = PXI_LIMIT_OFFER_STAGES, .sub = &stage_table),
    PXI_PB_FIELD(pxi_msg_offer_reply, served, 8, MESSAGE, .repeated = true, .max = PXI_SERVED_MAX,
                 .sub = &pxi_pb_served),
    PXI_PB_FIELD(pxi_msg_offer_reply, links, 9, MESSAGE, .repeated = true, .max = PXI_LINKS_MAX,
                 .sub = &pxi_pb_link),
    PXI_PB_FIELD(pxi_msg_offer_reply, held, 10, BYTES, .max = PXI_HELD_BYTES),
};
const struct pxi_pb_message pxi_pb_offer_reply = {"offer_reply", reply_fields, 10,
                                                  sizeof(struct pxi_msg_offer_reply)};

struct pxi_offers {
    struct pxi_host *host;
    void (*serve)(void *ctx, struct pxi_offer_call *c);
    void *ctx;
    struct pxi_list calls;
    unsigned count;
};

/* One message arrives in pieces: PX_ERR_OK when it is whole, PX_ERR_TRUNCATED before. What follows
 * it is counted in *rest. */
static px_err collect(struct pxi_buf *b, px_view bytes, px_view *message, size_t *rest)
{
    struct pxi_frame f = {.max = (size_t)PXI_LIMIT_OFFER_BYTES};
    b->max = (size_t)PXI_LIMIT_OFFER_BYTES + 8;
    size_t take = pxi_min(bytes.n, b->max - b->n);
    if (!pxi_buf_add(b, bytes.p, take))
        return PX_ERR_NOMEM;
    px_view in = px_view_of(b->p, b->n);
    px_err err = pxi_frame_next(&f, &in, message);
    pxi_frame_deinit(&f);
    *rest = in.n + bytes.n - take;
    return err == PX_ERR_TRUNCATED && take < bytes.n ? PX_ERR_LIMIT : err;
}

/* ------------------------------------------------------------------------ answering */

/* A call, and the bytes of it that came. */
struct call {
    struct pxi_offer_call c;
    struct pxi_buf in;
    bool served;
};

static void call_free(struct pxi_offer_call *c)
{
    struct call *k = PXI_OF(c, struct call, c);
    pxi_list_remove(&c->link);
    c->offers->count--;
    pxi_buf_deinit(&k->in);
    pxi_free(k);
}

void pxi_offer_reply(struct pxi_offer_call *c, const struct pxi_msg_offer_reply *r)
{
    static const uint8_t zeros[PXI_LIMIT_OFFER_PROBE_BYTES];
    if (c->stream &&
        pxi_message_write(c->stream, &pxi_pb_offer_reply, r, (size_t)PXI_LIMIT_OFFER_BYTES)) {
        /* As much as the stream takes at once: it is timed by its end. */
        if (c->in.kind == PXI_OFFER_QUERY && c->in.probe && !r->err)
            (void)pxi_stream_write(c->stream,
                                   px_view_of(zeros, (size_t)pxi_min(c->in.probe, sizeof zeros)));
        pxi_stream_leave(c->stream);
    } else if (c->stream)
        pxi_stream_reset(c->stream);
    call_free(c);
}

static size_t call_data(struct pxi_stream *s, px_view bytes)
{
    struct call *k = s->user;
    struct pxi_arena arena;
    px_view message;
    size_t rest;
    px_err err = k->served ? PX_ERR_TRUNCATED : collect(&k->in, bytes, &message, &rest);
    if (err == PX_ERR_TRUNCATED)
        return bytes.n;
    pxi_arena_init(&arena, 4 * (size_t)PXI_LIMIT_OFFER_BYTES);
    if (err == PX_ERR_OK)
        err = pxi_pb_decode(&pxi_pb_offer, message, &arena, &k->c.in, NULL);
    k->served = true;
    if (err != PX_ERR_OK) {
        pxi_stream_reset(s);
        call_free(&k->c);
    } else {
        k->c.offers->serve(k->c.offers->ctx, &k->c);
    }
    pxi_arena_deinit(&arena);
    return bytes.n;
}

static void call_closed(struct pxi_stream *s, px_err why)
{
    struct call *k = s->user;
    (void)why;
    k->c.stream = NULL;
    if (!k->served)
        call_free(&k->c);
}

static void accept(void *ctx, struct pxi_stream *s)
{
    static const struct pxi_stream_events events = {.data = call_data, .closed = call_closed};
    struct pxi_offers *o = ctx;
    struct call *k = o->serve && o->count < PXI_LIMIT_OFFER_CALLS ? pxi_calloc(1, sizeof *k) : NULL;
    if (!k) {
        pxi_stream_reset(s);
        return;
    }
    k->c.offers = o;
    k->c.stream = s;
    k->c.peer = s->conn->peer;
    pxi_list_add(&o->calls, &k->c.link);
    o->count++;
    pxi_stream_own(s, &events, k);
}

struct pxi_offers *pxi_offers_new(struct pxi_host *h,
                                  void (*serve)(void *ctx, struct pxi_offer_call *c), void *ctx)
{
    struct pxi_offers *o = pxi_calloc(1, sizeof *o);
    if (!o)
        return NULL;
    *o = (struct pxi_offers){.host = h, .serve = serve, .ctx = ctx};
    pxi_list_init(&o->calls);
    if (pxi_host_handle(h, PROTOCOL, PXI_HANDLE_LIMITED, accept, o) == PX_ERR_OK)
        return o;
    pxi_free(o);
    return NULL;
}

void pxi_offers_free(struct pxi_offers *o)
{
    if (!o)
        return;
    pxi_host_unhandle(o->host, PROTOCOL);
    while (!pxi_list_empty(&o->calls)) {
        struct pxi_offer_call *c = PXI_OF(o->calls.next, struct pxi_offer_call, link);
        if (c->stream)
            pxi_stream_reset(c->stream);
        call_free(c);
    }
    pxi_free(o);
}

/* --------------------------------------------------------------------------- asking */

void pxi_asking_cancel(struct pxi_asking *a)
{
    if (!a->busy)
        return;
    a->busy = false;
    pxi_timer_disarm(pxi_host_timers(a->offers->host), &a->timer);
    pxi_reach_cancel(&a->reach);
    if (a->stream)
        pxi_stream_reset(a->stream);
    a->stream = NULL;
    pxi_buf_deinit(&a->in);
    pxi_buf_deinit(&a->out);
}

/* The end: the reply, if it has come. */
static void over(struct pxi_asking *a, px_err err)
{
    struct pxi_msg_offer_reply r;
    struct pxi_arena arena;
    px_view message;
    size_t rest;
    struct pxi_buf kept = a->in; /* the reply points into it */
    uint64_t took_ns = pxi_host_timers(a->offers->host)->now_ns - a->since_ns;
    bool replied = a->since_ns != 0;
    a->link_rate =
        replied && took_ns && a->came ? (uint64_t)((double)a->came * 1e9 / (double)took_ns) : 0;
    a->timed = replied && (took_ns >= PXI_MS || a->since_ns - a->sent_ns < LATE_MS * PXI_MS);
    a->in = (struct pxi_buf){0};
    pxi_arena_init(&arena, 4 * (size_t)PXI_LIMIT_OFFER_BYTES);
    if (replied)
        err = collect(&kept, px_view_of(NULL, 0), &message, &rest);
    if (replied && err == PX_ERR_OK)
        err = pxi_pb_decode(&pxi_pb_offer_reply, message, &arena, &r, NULL);
    pxi_asking_cancel(a);
    a->done(a, err, err == PX_ERR_OK ? &r : NULL);
    pxi_arena_deinit(&arena);
    pxi_buf_deinit(&kept);
}

/* The reply; then, when they were asked for, the bytes that time the link. */
static size_t ask_data(struct pxi_stream *s, px_view bytes)
{
    struct pxi_asking *a = s->user;
    px_view message;
    size_t rest;
    if (a->since_ns) {
        a->came += bytes.n;
        if (a->came + a->first >= a->probe)
            over(a, PX_ERR_OK);
        return bytes.n;
    }
    px_err err = collect(&a->in, bytes, &message, &rest);
    if (err == PX_ERR_TRUNCATED)
        return bytes.n;
    if (err != PX_ERR_OK) {
        over(a, err);
        return bytes.n;
    }
    a->since_ns = pxi_host_timers(a->offers->host)->now_ns;
    a->first = rest;
    if (rest >= a->probe)
        over(a, PX_ERR_OK);
    else
        pxi_timer_after(pxi_host_timers(a->offers->host), &a->timer, PROBE_MS * PXI_MS);
    return bytes.n;
}

static void ask_closed(struct pxi_stream *s, px_err why)
{
    struct pxi_asking *a = s->user;
    a->stream = NULL;
    over(a, why ? why : PX_ERR_RESET);
}

static void ask_ended(struct pxi_stream *s)
{
    over(s->user, PX_ERR_RESET);
}

static void reached(struct pxi_reach *r, struct pxi_conn *c, px_err err)
{
    static const struct pxi_stream_events events = {
        .data = ask_data, .ended = ask_ended, .closed = ask_closed};
    static const char *const proposal[] = {PROTOCOL};
    struct pxi_asking *a = PXI_OF(r, struct pxi_asking, reach);
    if (c)
        a->stream = pxi_host_open(c, proposal, 1, &events, a);
    px_view m = px_view_of(a->out.p, a->out.n);
    if (!a->stream || pxi_stream_write(a->stream, m) < m.n)
        over(a, err != PX_ERR_OK ? err : PX_ERR_LIMIT);
}

static void late(struct pxi_timer *t, uint64_t now_ns)
{
    (void)now_ns;
    over(PXI_OF(t, struct pxi_asking, timer), PX_ERR_TIMEOUT);
}

void pxi_offer_ask(struct pxi_offers *o, struct pxi_asking *a, const struct pxi_peer *p,
                   const struct pxi_msg_offer *m, uint64_t timeout_ns)
{
    a->offers = o;
    a->busy = true;
    a->probe = m->kind == PXI_OFFER_QUERY ? pxi_min(m->probe, PXI_LIMIT_OFFER_PROBE_BYTES) : 0;
    a->came = a->first = a->since_ns = 0;
    a->sent_ns = pxi_host_timers(o->host)->now_ns;
    a->timed = false;
    a->timer.fire = late;
    a->out = (struct pxi_buf){.max = (size_t)PXI_LIMIT_OFFER_BYTES + 8};
    bool ok = pxi_pb_encode_framed(&pxi_pb_offer, m, &a->out) == PX_ERR_OK;
    pxi_timer_after(pxi_host_timers(o->host), &a->timer, ok ? timeout_ns : 0);
    a->reach = (struct pxi_reach){.peer = *p, .done = reached, .limited_ok = true};
    if (ok)
        pxi_reach_start(&a->reach, o->host, NULL, 0);
}
