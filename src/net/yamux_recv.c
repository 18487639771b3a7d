/* What a session receives: frames, their bodies as they come, and what they do to streams. */
#include "base/math.h"
#include "net/yamux_impl.h"

/* ------------------------------------------------ data */

static void maybe_closed(struct pxi_ystream *s)
{
    if (!s->dead && s->fin_sent && s->fin_told)
        pxi_yamux_kill(s, PX_ERR_OK);
}

/* Everything before the end was taken: say so, once. */
static void tell_end(struct pxi_ystream *s)
{
    if (s->dead || !s->fin_got || s->fin_told || s->in.n)
        return;
    s->fin_told = true;
    pxi_stream_on_end(&s->s);
    maybe_closed(s);
}

static void refuse(struct pxi_ystream *s, px_err why)
{
    struct pxi_yamux *y = s->y;
    uint32_t id = s->id;
    if (y->faults)
        y->faults->n[PXI_FAULT_LIMIT]++;
    pxi_yamux_kill(s, why);
    pxi_yamux_control(y, PXI_YAMUX_UPDATE, PXI_YAMUX_RST, id, 0);
}

/* Bytes that the owner did not take. */
static void keep(struct pxi_ystream *s, px_view rest)
{
    struct pxi_yamux *y = s->y;
    if (!rest.n)
        return;
    if (!pxi_yamux_hold(y, &y->kept_bytes, PXI_LIMIT_YAMUX_KEPT, rest.n)) {
        refuse(s, PX_ERR_LIMIT);
        return;
    }
    size_t taken = pxi_queue_put(&s->in, rest.p, rest.n);
    if (taken < rest.n) {
        pxi_yamux_let_go(y, &y->kept_bytes, rest.n - taken);
        refuse(s, PX_ERR_NOMEM);
    }
}

static void data(struct pxi_ystream *s, px_view bytes)
{
    size_t taken = 0;
    s->recv_window -= (uint32_t)bytes.n;
    if (!s->in.n)
        taken = pxi_min(pxi_stream_on_data(&s->s, bytes), bytes.n);
    if (s->dead)
        return;
    keep(s, px_view_of(bytes.p + taken, bytes.n - taken));
    if (pxi_yamux_window_wants(s))
        pxi_yamux_ready(s);
}

void pxi_yamux_offer(struct pxi_ystream *s)
{
    struct pxi_yamux *y = s->y;
    s->resume = false;
    while (s->in.n && !s->dead) {
        px_view v = pxi_queue_peek(&s->in, 0);
        size_t taken = pxi_min(pxi_stream_on_data(&s->s, v), v.n);
        if (s->dead)
            return;
        pxi_queue_drop(&s->in, taken);
        pxi_yamux_let_go(y, &y->kept_bytes, taken);
        if (taken < v.n)
            break;
    }
    if (pxi_yamux_window_wants(s))
        pxi_yamux_ready(s);
    tell_end(s);
}

/* ------------------------------------------------ frames */

static void frame_end(struct pxi_yamux *y)
{
    struct pxi_ystream *s = y->body;
    y->body = NULL;
    if (s && y->body_flags & PXI_YAMUX_FIN && !s->fin_got) {
        s->fin_got = true;
        tell_end(s);
    }
}

static void ping(struct pxi_yamux *y, const struct pxi_yamux_header *h)
{
    if (h->flags & PXI_YAMUX_ACK) {
        if (!y->ping_out || h->length != y->ping_value)
            return;
        y->ping_out = false;
        pxi_yamux_rtt_add(y, y->timers->now_ns - y->ping_sent_ns);
    } else if (h->flags & PXI_YAMUX_SYN && y->pongs < PXI_LIMIT_YAMUX_PONGS) {
        y->pongs++;
        pxi_yamux_control(y, PXI_YAMUX_PING, PXI_YAMUX_ACK, 0, h->length);
    }
}

static void go_away(struct pxi_yamux *y)
{
    y->away_got = true;
    if (!y->held)
        pxi_yamux_end(y, PX_ERR_RESET);
}

/* A stream that the remote opens; NULL when it is refused. */
static struct pxi_ystream *opened(struct pxi_yamux *y, const struct pxi_yamux_header *h)
{
    if (h->stream > y->seen_id)
        y->seen_id = h->stream;
    if (h->flags & PXI_YAMUX_RST)
        return NULL;
    struct pxi_ystream *s = NULL;
    if (y->unacked_in < PXI_LIMIT_YAMUX_BACKLOG)
        s = pxi_yamux_add(y, h->stream, false);
    if (!s) {
        if (y->faults)
            y->faults->n[PXI_FAULT_LIMIT]++;
        pxi_yamux_control(y, PXI_YAMUX_UPDATE, PXI_YAMUX_RST, h->stream, 0);
        return NULL;
    }
    pxi_conn_on_stream(&y->conn, &s->s);
    if (s->dead)
        return NULL;
    pxi_yamux_ready(s);
    return s;
}

/* Frames for a stream that is gone are dropped; nobody may name one that never was. */
static bool was_known(const struct pxi_yamux *y, uint32_t id)
{
    return pxi_yamux_may_open(id, !y->conn.outbound) ? id <= y->seen_id : id < y->next_id;
}

/* Whether the frame keeps to the window; the first one of a stream has the window of all. */
static bool fits(const struct pxi_ystream *s, const struct pxi_yamux_header *h)
{
    if (h->type == PXI_YAMUX_UPDATE) /* the length of a reset may be an error code */
        return !s || h->flags & PXI_YAMUX_RST || h->length <= UINT32_MAX - s->send_window;
    if (s)
        return h->length <= s->recv_window && !(s->fin_got && h->length);
    return h->length <= (h->flags & PXI_YAMUX_SYN ? PXI_YAMUX_WINDOW : PXI_LIMIT_YAMUX_WINDOW);
}

static void answered(struct pxi_ystream *s)
{
    if (!s->s.outbound || s->acked)
        return;
    s->acked = true;
    s->y->unacked_out--;
}

static void stream_frame(struct pxi_yamux *y, const struct pxi_yamux_header *h)
{
    struct pxi_ystream *s = pxi_yamux_find(y, h->stream);
    bool syn = h->flags & PXI_YAMUX_SYN;
    if (syn ? s || !pxi_yamux_may_open(h->stream, !y->conn.outbound)
            : !s && !was_known(y, h->stream)) {
        pxi_yamux_violated(y);
        return;
    }
    if (!fits(s, h) ||
        (syn && h->type == PXI_YAMUX_UPDATE && h->length > UINT32_MAX - PXI_YAMUX_WINDOW)) {
        pxi_yamux_violated(y);
        return;
    }
    if (syn)
        s = opened(y, h);
    if (s && h->flags & PXI_YAMUX_RST) {
        pxi_yamux_kill(s, PX_ERR_RESET);
        s = NULL;
    }
    if (s)
        answered(s);
    if (s && h->type == PXI_YAMUX_UPDATE && h->length) {
        s->send_window += h->length;
        pxi_yamux_ready(s);
    }
    y->body = s;
    y->body_flags = h->flags;
    y->body_left = h->type == PXI_YAMUX_DATA ? h->length : 0;
    if (!y->body_left)
        frame_end(y);
}

static void frame(struct pxi_yamux *y, const uint8_t head[PXI_YAMUX_HEADER])
{
    struct pxi_yamux_header h;
    px_diag diag;
    if (pxi_yamux_get(head, &h, &diag) != PX_ERR_OK)
        pxi_yamux_violated(y);
    else if (h.type == PXI_YAMUX_PING)
        ping(y, &h);
    else if (h.type == PXI_YAMUX_GO_AWAY)
        go_away(y);
    else
        stream_frame(y, &h);
}

/* ------------------------------------------------ bytes */

static size_t push_body(struct pxi_yamux *y, const uint8_t *p, size_t n)
{
    size_t part = pxi_min(n, y->body_left);
    if (y->body)
        data(y->body, px_view_of(p, part));
    y->body_left -= (uint32_t)part;
    if (!y->body_left)
        frame_end(y);
    return part;
}

static size_t push_head(struct pxi_yamux *y, const uint8_t *p, size_t n)
{
    if (!y->head_n && n >= PXI_YAMUX_HEADER) {
        frame(y, p);
        return PXI_YAMUX_HEADER;
    }
    size_t part = pxi_min(n, PXI_YAMUX_HEADER - y->head_n);
    memcpy(y->head + y->head_n, p, part);
    y->head_n += (unsigned)part;
    if (y->head_n == PXI_YAMUX_HEADER) {
        y->head_n = 0;
        frame(y, y->head);
    }
    return part;
}

/* If the next frame, or what is left of this one, is for the stream that has a place. */
struct pxi_landing pxi_yamux_landing(const struct pxi_yamux *y)
{
    struct pxi_landing none = {0};
    if (!y->conn.landing || y->over)
        return none;
    const struct pxi_ystream *s = (const struct pxi_ystream *)(const void *)y->conn.landing;
    struct pxi_landing l = s->s.land;
    if (s->in.n || (y->body_left && y->body != s))
        return none;
    if (!y->body_left)
        l.lead += PXI_YAMUX_HEADER - y->head_n;
    else if (y->body_left <= l.lead)
        return none;
    else
        l.n = pxi_min(l.n, y->body_left - l.lead);
    return l;
}

void pxi_yamux_push(struct pxi_yamux *y, const uint8_t *bytes, size_t n)
{
    y->heard = true;
    for (size_t at = 0; at < n && !y->over;)
        at += y->body_left ? push_body(y, bytes + at, n - at) : push_head(y, bytes + at, n - at);
    pxi_yamux_tidy_soon(y);
}
