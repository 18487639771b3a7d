/* One request to one peer: reach it, open a stream, send, take the answer. */
#include "base/limits.h"
#include "net/kad_impl.h"

static size_t rpc_data(struct pxi_stream *s, px_view bytes);
static void rpc_opened(struct pxi_stream *s);
static void rpc_ended(struct pxi_stream *s);
static void rpc_writable(struct pxi_stream *s);
static void rpc_closed(struct pxi_stream *s, px_err why);

static const struct pxi_stream_events rpc_events = {rpc_opened, rpc_data, rpc_ended, rpc_writable,
                                                    rpc_closed};

/* A stream whose work is done waits here for the other side to end it too. */
static void linger_closed(struct pxi_stream *s, px_err why)
{
    struct pxi_kad *k = s->user;
    for (unsigned i = 0; i < PXI_KAD_LINGER; i++)
        if (k->linger[i] == s)
            k->linger[i] = NULL;
}

static const struct pxi_stream_events linger_events = {NULL, NULL, NULL, NULL, linger_closed};

static void linger(struct pxi_kad *k, struct pxi_stream *s)
{
    unsigned at = k->linger_at++ % PXI_KAD_LINGER;
    struct pxi_stream *old = k->linger[at];
    k->linger[at] = s;
    pxi_stream_own(s, &linger_events, k);
    pxi_stream_end(s);
    if (old)
        pxi_stream_reset(old);
}

static void stop(struct pxi_kad_rpc *r)
{
    struct pxi_stream *s = r->stream;
    r->active = false;
    r->stream = NULL;
    pxi_timer_disarm(pxi_host_timers(r->kad->host), &r->timer);
    pxi_reach_cancel(&r->reach);
    pxi_kad_frames_clear(&r->in);
    pxi_kad_addrs_free(&r->addrs);
    if (s)
        pxi_stream_reset(s);
}

static void finish(struct pxi_kad_rpc *r, struct pxi_conn *c, px_err err)
{
    stop(r);
    r->done(r, NULL, c, err);
}

void pxi_kad_rpc_cancel(struct pxi_kad_rpc *r)
{
    if (r->active)
        stop(r);
}

bool pxi_kad_rpc_awaited(const struct pxi_kad *k, const struct pxi_conn *c)
{
    for (const struct pxi_list *l = c->streams.next; l != &c->streams; l = l->next) {
        const struct pxi_stream *s = PXI_OF(l, struct pxi_stream, link);
        const struct pxi_kad_rpc *r = s->on == &rpc_events ? s->user : NULL;
        if (r && r->kad == k && !r->no_reply)
            return true;
    }
    return false;
}

static void send_more(struct pxi_kad_rpc *r)
{
    if (r->sent < r->request.n)
        r->sent +=
            pxi_stream_write(r->stream, px_view_of(r->request.p + r->sent, r->request.n - r->sent));
    if (r->no_reply && r->sent == r->request.n)
        pxi_stream_end(r->stream);
}

/* A request without an answer is done when the peer agreed on the protocol and has all of it. */
static bool delivered(const struct pxi_kad_rpc *r, const struct pxi_stream *s)
{
    return r->no_reply && s->protocol && r->sent == r->request.n;
}

static void rpc_late(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_kad_rpc *r = PXI_OF(t, struct pxi_kad_rpc, timer);
    bool ok = r->stream && delivered(r, r->stream);
    finish(r, ok ? r->stream->conn : NULL, ok ? PX_ERR_OK : PX_ERR_TIMEOUT);
}

static void rpc_reached(struct pxi_reach *reach, struct pxi_conn *c, px_err err)
{
    struct pxi_kad_rpc *r = PXI_OF(reach, struct pxi_kad_rpc, reach);
    if (!c) {
        finish(r, NULL, err);
        return;
    }
    r->stream = pxi_host_open(c, &r->kad->o.protocol, 1, &rpc_events, r);
    if (!r->stream) {
        finish(r, NULL, PX_ERR_LIMIT);
        return;
    }
    send_more(r);
}

void pxi_kad_rpc_start(struct pxi_kad_rpc *r, struct pxi_kad *k, const struct pxi_peer *p,
                       const px_view *addrs, unsigned count)
{
    uint64_t timeout = k->o.request_ns ? k->o.request_ns : PXI_LIMIT_KAD_REQUEST_MS * PXI_MS;
    r->kad = k;
    r->active = true;
    k->requests_out++;
    r->timer.fire = rpc_late;
    pxi_timer_after(pxi_host_timers(k->host), &r->timer, timeout);
    r->reach.peer = *p;
    r->reach.done = rpc_reached;
    r->reach.timeout_ns = timeout;
    if (count) /* for a second try */
        pxi_kad_addrs_set(&r->addrs, addrs, count);
    pxi_reach_start(&r->reach, k->host, addrs, count);
}

static void rpc_opened(struct pxi_stream *s)
{
    struct pxi_kad_rpc *r = s->user;
    send_more(r);
}

static void rpc_writable(struct pxi_stream *s)
{
    struct pxi_kad_rpc *r = s->user;
    send_more(r);
}

/* The answer, or not: the frame is judged, then the owner hears. */
static void answered(struct pxi_kad_rpc *r, px_view frame)
{
    struct pxi_msg_kad m;
    struct pxi_arena a;
    px_diag d;
    struct pxi_conn *c = r->stream->conn;
    pxi_arena_init(&a, PXI_LIMIT_KAD_ARENA_BYTES);
    px_err err = pxi_kad_decode(frame, &a, &m, &d);
    if (err == PX_ERR_OK && m.type != r->type)
        err = PX_ERR_PROTOCOL;
    if (err != PX_ERR_OK) {
        pxi_kad_fault(r->kad, PXI_FAULT_KAD);
        pxi_arena_deinit(&a);
        finish(r, NULL, err);
        return;
    }
    struct pxi_stream *s = r->stream;
    struct pxi_kad_frames in = r->in; /* the frame lies in it */
    r->in = (struct pxi_kad_frames){0};
    r->stream = NULL;
    stop(r);
    linger(r->kad, s);
    r->done(r, &m, c, PX_ERR_OK);
    pxi_kad_frames_clear(&in);
    pxi_arena_deinit(&a);
}

static size_t rpc_data(struct pxi_stream *s, px_view bytes)
{
    struct pxi_kad_rpc *r = s->user;
    size_t n = bytes.n;
    px_view frame;
    if (r->no_reply)
        return n;
    int got = pxi_kad_frame_next(&r->in, &bytes, &frame);
    if (got < 0) {
        pxi_kad_fault(r->kad, PXI_FAULT_KAD);
        finish(r, NULL, PX_ERR_PROTOCOL);
    } else if (got > 0) {
        answered(r, frame);
    }
    return n;
}

static void rpc_ended(struct pxi_stream *s)
{
    struct pxi_kad_rpc *r = s->user;
    bool ok = delivered(r, s);
    struct pxi_conn *c = s->conn;
    if (ok) {
        r->stream = NULL;
        linger(r->kad, s);
    }
    finish(r, ok ? c : NULL, ok ? PX_ERR_OK : PX_ERR_RESET);
}

/* The connection went away under the request, as idle ones do: reach the peer once more. */
static void retry(struct pxi_kad_rpc *r)
{
    r->retried = true;
    r->sent = 0;
    pxi_kad_frames_clear(&r->in);
    px_view addrs[PXI_LIMIT_KAD_ADDRS];
    unsigned n = pxi_kad_addrs_get(&r->addrs, addrs, PXI_LIMIT_KAD_ADDRS);
    pxi_reach_start(&r->reach, r->kad->host, addrs, n);
}

static void rpc_closed(struct pxi_stream *s, px_err why)
{
    struct pxi_kad_rpc *r = s->user;
    bool ok = delivered(r, s) && why == PX_ERR_OK;
    r->stream = NULL;
    if (!ok && s->conn->closing && !r->retried) {
        retry(r);
        return;
    }
    finish(r, ok ? s->conn : NULL, ok ? PX_ERR_OK : why ? why : PX_ERR_RESET);
}
