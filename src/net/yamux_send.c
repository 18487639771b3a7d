/* What a session sends: control frames first, then streams in turn. */
#include "base/math.h"
#include "net/yamux_impl.h"

enum {
    QUANTUM = 16384, /* of data in one turn, when others wait */
    LEAST = 1024,    /* a turn begins only when this much fits */
    GAP_LEAST = 128, /* fewer bytes are copied: another call of a cipher costs more */
};

static size_t put(uint8_t *out, uint8_t type, uint16_t flags, uint32_t id, uint32_t length)
{
    struct pxi_yamux_header h = {type, flags, id, length};
    pxi_yamux_put(out, &h);
    return PXI_YAMUX_HEADER;
}

static bool can_send(const struct pxi_ystream *s)
{
    return s->out.n && s->send_window;
}

static bool must_end(const struct pxi_ystream *s)
{
    return s->fin && !s->fin_sent && !s->out.n;
}

static bool has_work(const struct pxi_ystream *s)
{
    return !s->dead &&
           (s->syn || s->ack || can_send(s) || must_end(s) || pxi_yamux_window_wants(s));
}

void pxi_yamux_ready(struct pxi_ystream *s)
{
    if (!pxi_list_empty(&s->ring) || !has_work(s))
        return;
    pxi_list_add(&s->y->ring, &s->ring);
    s->y->below->wake(s->y->ctx);
}

void pxi_yamux_control(struct pxi_yamux *y, uint8_t type, uint16_t flags, uint32_t id,
                       uint32_t length)
{
    uint8_t h[PXI_YAMUX_HEADER];
    put(h, type, flags, id, length);
    if (y->over)
        return;
    if (y->ctrl_at) {
        y->ctrl.n -= y->ctrl_at;
        memmove(y->ctrl.p, y->ctrl.p + y->ctrl_at, y->ctrl.n);
        y->ctrl_at = 0;
    }
    if (!pxi_buf_add(&y->ctrl, h, sizeof h)) {
        if (y->faults)
            y->faults->n[PXI_FAULT_LIMIT]++;
        pxi_yamux_end(y, PX_ERR_LIMIT);
        return;
    }
    y->below->wake(y->ctx);
}

/* ------------------------------------------------ filling */

static size_t fill_control(struct pxi_yamux *y, uint8_t *out, size_t cap)
{
    size_t n = pxi_min(y->ctrl.n - y->ctrl_at, cap / PXI_YAMUX_HEADER * PXI_YAMUX_HEADER);
    if (n)
        memcpy(out, y->ctrl.p + y->ctrl_at, n);
    y->ctrl_at += n;
    if (y->ctrl_at < y->ctrl.n)
        return n;
    y->ctrl_at = y->ctrl.n = 0;
    y->pongs = 0;
    if (y->ctrl.cap > 512)
        pxi_buf_deinit(&y->ctrl);
    return n;
}

static size_t fill_ping(struct pxi_yamux *y, uint8_t *out)
{
    y->ping_due = false;
    y->ping_out = true;
    y->ping_sent_ns = y->timers->now_ns;
    return put(out, PXI_YAMUX_PING, PXI_YAMUX_SYN, 0, ++y->ping_value);
}

static uint16_t take_flags(struct pxi_ystream *s)
{
    uint16_t flags = (uint16_t)((s->syn ? PXI_YAMUX_SYN : 0) | (s->ack ? PXI_YAMUX_ACK : 0));
    s->y->unacked_in -= s->ack;
    s->syn = s->ack = false;
    return flags;
}

/* The next n bytes of the queue to out; those that are lent stay where they are. */
static void take(struct pxi_ystream *s, uint8_t *out, size_t n, struct pxi_gaps *gaps)
{
    for (size_t at = 0, part; at < n; at += part) {
        px_view v = pxi_queue_peek(&s->out, 0);
        bool lent = pxi_queue_is_lent(&s->out);
        part = pxi_min(v.n, n - at);
        if (lent && part >= GAP_LEAST && pxi_gaps_room(gaps)) {
            pxi_gaps_add(gaps, out + at, px_view_of(v.p, part));
        } else {
            memcpy(out + at, v.p, part);
            s->s.copied += lent ? part : 0;
        }
        pxi_queue_drop(&s->out, part);
    }
}

/* The frames of one turn. */
static size_t fill_stream(struct pxi_ystream *s, uint8_t *out, size_t cap, struct pxi_gaps *gaps)
{
    struct pxi_yamux *y = s->y;
    size_t at = 0;
    uint16_t flags = take_flags(s);
    uint32_t delta = pxi_yamux_window_due(s);
    if (delta) {
        at = put(out, PXI_YAMUX_UPDATE, flags, s->id, delta);
        flags = 0;
    }
    if (can_send(s)) {
        size_t most = pxi_list_empty(&y->ring) ? cap : QUANTUM;
        size_t n =
            pxi_min(pxi_min(s->out.n, s->send_window), pxi_min(most, cap - at - PXI_YAMUX_HEADER));
        put(out + at, PXI_YAMUX_DATA, flags, s->id, (uint32_t)n);
        take(s, out + at + PXI_YAMUX_HEADER, n, gaps);
        pxi_yamux_let_go(y, &y->out_bytes, n);
        s->send_window -= (uint32_t)n;
        at += PXI_YAMUX_HEADER + n;
    } else if (flags || must_end(s)) {
        if (must_end(s))
            flags |= PXI_YAMUX_FIN;
        at += put(out + at, PXI_YAMUX_UPDATE, flags, s->id, 0);
    }
    s->fin_sent |= (flags & PXI_YAMUX_FIN) != 0;
    return at;
}

/* After a turn: back into the ring, room for the owner, the end. Owners hear later when there are
 * gaps: they could change what is to be sealed. */
static void turn_over(struct pxi_ystream *s, const struct pxi_gaps *gaps)
{
    if (has_work(s))
        pxi_list_add(&s->y->ring, &s->ring);
    if (s->fin_sent && s->fin_told)
        pxi_yamux_kill(s, PX_ERR_OK);
    else if (!s->s.write_short || s->out.n > s->out.max / 2 || s->fin)
        return;
    else if (gaps && gaps->n)
        pxi_yamux_stream_later(s);
    else
        pxi_stream_on_writable(&s->s);
}

size_t pxi_yamux_fill(struct pxi_yamux *y, uint8_t *out, size_t cap, struct pxi_gaps *gaps)
{
    size_t at = fill_control(y, out, cap);
    if (y->over) {
        if (y->ctrl.n == 0)
            pxi_yamux_later(y);
        return at;
    }
    if (y->ping_due && cap - at >= PXI_YAMUX_HEADER)
        at += fill_ping(y, out + at);
    while (!pxi_list_empty(&y->ring) && cap - at >= LEAST && !y->over) {
        struct pxi_ystream *s = PXI_OF(y->ring.next, struct pxi_ystream, ring);
        pxi_list_remove(&s->ring);
        at += fill_stream(s, out + at, cap - at, gaps);
        turn_over(s, gaps);
    }
    pxi_yamux_tidy_soon(y);
    return at;
}

/* ------------------------------------------------ operations of a stream */

static struct pxi_ystream *of(struct pxi_stream *s)
{
    return (struct pxi_ystream *)(void *)s;
}

static size_t stream_room(struct pxi_stream *ps)
{
    struct pxi_ystream *s = of(ps);
    if (s->dead || s->fin)
        return 0;
    uint64_t all = s->y->out_bytes;
    size_t left = all < PXI_LIMIT_YAMUX_QUEUED ? PXI_LIMIT_YAMUX_QUEUED - (size_t)all : 0;
    return pxi_min(s->out.max - s->out.n, left);
}

/* Queue bytes, as copies or lent. */
static size_t queue(struct pxi_stream *ps, px_view bytes,
                    size_t (*add)(struct pxi_queue *, const void *, size_t))
{
    struct pxi_ystream *s = of(ps);
    struct pxi_yamux *y = s->y;
    size_t n = pxi_min(bytes.n, stream_room(ps));
    if (s->dead || s->fin || !bytes.n || s->out.n == s->out.max)
        return 0;
    if (!n || !pxi_yamux_hold(y, &y->out_bytes, PXI_LIMIT_YAMUX_QUEUED, n)) {
        y->out_full = true;
        pxi_yamux_tidy_soon(y);
        return 0;
    }
    size_t taken = add(&s->out, bytes.p, n);
    pxi_yamux_let_go(y, &y->out_bytes, n - taken);
    if (taken < bytes.n && s->out.n <= s->out.max / 2) {
        y->out_full = true; /* no event of this stream would wake the owner */
        pxi_yamux_tidy_soon(y);
    }
    pxi_yamux_ready(s);
    return taken;
}

static size_t stream_write(struct pxi_stream *ps, px_view bytes)
{
    return queue(ps, bytes, pxi_queue_put);
}

static size_t stream_lend(struct pxi_stream *ps, px_view bytes)
{
    return queue(ps, bytes, pxi_queue_lend);
}

static void stream_end(struct pxi_stream *ps)
{
    struct pxi_ystream *s = of(ps);
    s->fin = true;
    pxi_yamux_ready(s);
}

static void abandon(struct pxi_ystream *s, px_err why)
{
    if (s->dead)
        return;
    bool known = !s->syn;
    pxi_yamux_kill(s, why);
    if (known)
        pxi_yamux_control(s->y, PXI_YAMUX_UPDATE, PXI_YAMUX_RST, s->id, 0);
}

static void stream_reset(struct pxi_stream *ps)
{
    abandon(of(ps), PX_ERR_RESET);
}

static void stream_recall(struct pxi_stream *ps)
{
    struct pxi_ystream *s = of(ps);
    ps->copied += s->out.lent;
    if (!pxi_queue_own(&s->out))
        abandon(s, PX_ERR_NOMEM);
}

static void stream_resume(struct pxi_stream *ps)
{
    struct pxi_ystream *s = of(ps);
    if (s->dead)
        return;
    s->resume = true;
    pxi_yamux_stream_later(s);
}

const struct pxi_stream_ops pxi_yamux_stream_ops = {
    stream_write, stream_room, stream_end, stream_reset, stream_resume, stream_lend, stream_recall};
