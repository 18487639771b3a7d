#include "base/math.h"
#include "net/limits.h"
#include "net/quic_impl.h"

enum { STREAM_SPARE = 256, KEPT_MIN = 4096 };

/* Bytes queued but not yet in a packet. Those in flight do not count against the queue: the
 * congestion window bounds them. */
static size_t unsent(const struct pxi_quic_stream *s)
{
    return pxi_queue_unread(&s->out);
}

bool pxi_quic_stream_has_more(const struct pxi_quic_stream *s)
{
    return !s->gone && !s->deaf && (unsent(s) || (s->fin_want && !s->fin_sent));
}

static struct pxi_quic_stream *of(struct pxi_stream *s)
{
    return PXI_OF(s, struct pxi_quic_stream, s);
}

/* Something to send: into the round of the connection. */
static void want_send(struct pxi_quic_stream *s)
{
    if (pxi_list_empty(&s->send))
        pxi_list_add(&s->c->sendq, &s->send);
    pxi_quic_conn_ready(s->c);
}

void pxi_quic_stream_due(struct pxi_quic_stream *s, uint8_t what)
{
    s->due |= what;
    if (pxi_list_empty(&s->event))
        pxi_list_add(&s->c->events, &s->event);
    pxi_quic_due(s->c);
}

/* ------------------------------------------------------- what owners call */

static size_t op_room(struct pxi_stream *ps)
{
    struct pxi_quic_stream *s = of(ps);
    size_t n = unsent(s);
    if (s->deaf || s->gone)
        return PXI_LIMIT_NET_STREAM_QUEUE - s->dropped;
    return n < PXI_LIMIT_NET_STREAM_QUEUE ? PXI_LIMIT_NET_STREAM_QUEUE - n : 0;
}

static size_t op_write(struct pxi_stream *ps, px_view bytes)
{
    struct pxi_quic_stream *s = of(ps);
    size_t room = op_room(ps), n = bytes.n < room ? bytes.n : room;
    if (s->deaf || s->gone) {
        s->dropped += n; /* what is under way may end in peace, not what has no end */
        if (n < bytes.n) {
            s->broken = true;
            pxi_quic_stream_due(s, PXI_DUE_OVER);
        }
        return n;
    }
    if (!n)
        return n;
    s->out.max = s->out.n + n;
    size_t put = pxi_queue_put(&s->out, bytes.p, n);
    if (put)
        want_send(s);
    if (put < n) { /* no memory: nothing would ever tell that there is room again */
        s->broken = s->starved = true;
        pxi_quic_stream_due(s, PXI_DUE_OVER);
    }
    return put;
}

static void op_end(struct pxi_stream *ps)
{
    struct pxi_quic_stream *s = of(ps);
    s->fin_want = true;
    if (!s->gone && !s->deaf)
        want_send(s);
    else
        pxi_quic_stream_due(s, PXI_DUE_OVER);
}

static void op_reset(struct pxi_stream *ps)
{
    struct pxi_quic_stream *s = of(ps);
    s->dead = true;
    pxi_quic_stream_due(s, PXI_DUE_RESET);
}

static void op_resume(struct pxi_stream *ps)
{
    pxi_quic_stream_due(of(ps), PXI_DUE_RESUME);
}

static const struct pxi_stream_ops stream_ops = {op_write, op_room, op_end, op_reset, op_resume};

/* ------------------------------------------------------------- life times */

struct pxi_quic_stream *pxi_quic_stream_new(struct pxi_quic_conn *c, int64_t id, bool outbound)
{
    struct pxi_quic *q = c->q;
    struct pxi_quic_stream *s;
    if (!pxi_list_empty(&q->spare)) {
        s = PXI_OF(q->spare.next, struct pxi_quic_stream, own);
        pxi_list_remove(&s->own);
        q->spare_count--;
        memset(s, 0, sizeof *s);
    } else if (!(s = pxi_calloc(1, sizeof *s))) {
        return NULL;
    }
    s->c = c;
    s->id = id;
    pxi_list_init(&s->send);
    pxi_list_init(&s->event);
    pxi_list_init(&s->own);
    pxi_list_add(&c->all, &s->own);
    pxi_stream_init(&s->s, &stream_ops, &c->conn, outbound);
    return s;
}

/* The bytes that the owner did not take are gone, and count no more. */
static void drop_kept(struct pxi_quic_stream *s)
{
    if (s->cap && s->c->conn.scope)
        pxi_scope_memory(s->c->conn.scope, -(int64_t)s->cap);
    pxi_free(s->kept);
    s->kept = NULL;
    s->begin = s->end = s->cap = 0;
}

void pxi_quic_stream_free(struct pxi_quic_stream *s)
{
    struct pxi_quic *q = s->c->q;
    pxi_list_remove(&s->send);
    pxi_list_remove(&s->event);
    pxi_list_remove(&s->own);
    pxi_queue_clear(&s->out);
    drop_kept(s);
    if (q->spare_count >= STREAM_SPARE) {
        pxi_free(s);
        return;
    }
    pxi_list_add(&q->spare, &s->own);
    q->spare_count++;
}

struct pxi_stream *pxi_quic_stream_open(struct pxi_conn *pc)
{
    struct pxi_quic_conn *c = PXI_OF(pc, struct pxi_quic_conn, conn);
    int64_t id;
    if (c->state != PXI_QUIC_UP || c->close_want ||
        !ngtcp2_conn_get_streams_bidi_left(pxi_quic_ng(c)))
        return NULL;
    if (ngtcp2_conn_open_bidi_stream(pxi_quic_ng(c), &id, NULL) != 0)
        return NULL;
    struct pxi_quic_stream *s = pxi_quic_stream_new(c, id, true);
    if (!s) {
        ngtcp2_conn_shutdown_stream(pxi_quic_ng(c), id, 0);
        return NULL;
    }
    ngtcp2_conn_set_stream_user_data(pxi_quic_ng(c), id, s);
    return &s->s;
}

/* --------------------------------------------------------------- receiving */

/* n bytes were taken: the peer may send as many more. */
static void credit(struct pxi_quic_stream *s, size_t n)
{
    if (!n || !s->c->ng)
        return;
    if (!s->gone)
        ngtcp2_conn_extend_max_stream_offset(pxi_quic_ng(s->c), s->id, n);
    ngtcp2_conn_extend_max_offset(pxi_quic_ng(s->c), n);
    pxi_quic_conn_ready(s->c);
}

/* Room for so many bytes that the owner did not take: they count against the connection, its peer
 * and all peers together. */
static bool keep_room(struct pxi_quic_stream *s, size_t cap)
{
    struct pxi_scope_conn *scope = s->c->conn.scope;
    size_t more = cap - s->cap;
    if (scope && pxi_scope_memory(scope, (int64_t)more) != PX_ERR_OK)
        return false;
    uint8_t *kept = pxi_realloc(s->kept, cap, 1);
    if (!kept) {
        if (scope)
            pxi_scope_memory(scope, -(int64_t)more);
        return false;
    }
    s->kept = kept;
    s->cap = cap;
    return true;
}

/* Keep what the owner did not take, in one piece. The window that we gave bounds it. */
static bool keep(struct pxi_quic_stream *s, const uint8_t *p, size_t n)
{
    if (s->begin && s->end + n > s->cap) {
        memmove(s->kept, s->kept + s->begin, s->end - s->begin);
        s->end -= s->begin;
        s->begin = 0;
    }
    if (s->end + n > s->cap) {
        size_t cap = pxi_max(KEPT_MIN, s->cap);
        while (cap < s->end + n)
            cap *= 2;
        if (!keep_room(s, cap))
            return false;
    }
    memcpy(s->kept + s->end, p, n);
    s->end += n;
    return true;
}

/* Forget what was kept; the connection's window opens by as much. */
static void forget_kept(struct pxi_quic_stream *s)
{
    if (s->begin < s->end && s->c->ng)
        ngtcp2_conn_extend_max_offset(pxi_quic_ng(s->c), s->end - s->begin);
    drop_kept(s);
}

/* The remote's end, once everything before it was taken. */
static void tell_end(struct pxi_quic_stream *s)
{
    if (!s->fin_seen || s->fin_told || s->dead || s->begin < s->end)
        return;
    s->fin_told = true;
    pxi_stream_on_end(&s->s);
    if (s->gone)
        pxi_quic_stream_due(s, PXI_DUE_OVER);
}

int pxi_quic_stream_recv(struct pxi_quic_stream *s, bool fin, const uint8_t *p, size_t n)
{
    size_t taken = n;
    if (!s->dead && n && (s->paused || s->begin < s->end)) {
        if (!keep(s, p, n))
            return -1;
        taken = 0;
    } else if (!s->dead && n) {
        taken = pxi_stream_on_data(&s->s, px_view_of(p, n));
        if (s->dead)
            taken = n;
        if (taken < n && !keep(s, p + taken, n - taken))
            return -1;
        s->paused = taken < n;
    }
    credit(s, taken);
    s->fin_seen |= fin;
    tell_end(s);
    return 0;
}

/* Offer again what was kept. */
static void resume(struct pxi_quic_stream *s)
{
    s->paused = false;
    while (s->begin < s->end && !s->dead) {
        size_t n = s->end - s->begin;
        size_t taken = pxi_stream_on_data(&s->s, px_view_of(s->kept + s->begin, n));
        s->begin += taken < n ? taken : n;
        credit(s, taken);
        if (taken < n) {
            s->paused = true;
            return;
        }
    }
    forget_kept(s);
    tell_end(s);
}

/* ----------------------------------------------------------------- sending */

void pxi_quic_stream_sent(struct pxi_quic_stream *s, size_t n, bool fin)
{
    pxi_queue_read(&s->out, n);
    s->fin_sent |= fin;
    if (s->s.write_short && unsent(s) <= PXI_LIMIT_NET_STREAM_QUEUE / 2)
        pxi_quic_stream_due(s, PXI_DUE_WRITABLE);
}

void pxi_quic_stream_acked(struct pxi_quic_stream *s, size_t n)
{
    pxi_queue_drop(&s->out, n);
}

void pxi_quic_stream_deaf(struct pxi_quic_stream *s)
{
    s->deaf = true;
    pxi_list_remove(&s->send);
    if (s->s.write_short)
        pxi_quic_stream_due(s, PXI_DUE_WRITABLE);
    pxi_quic_stream_due(s, PXI_DUE_OVER);
}

/* ------------------------------------------------------------------ ending */

void pxi_quic_stream_broken(struct pxi_quic_stream *s)
{
    s->broken = true;
    pxi_quic_stream_due(s, PXI_DUE_OVER);
}

void pxi_quic_stream_gone(struct pxi_quic_stream *s, bool error)
{
    bool said = s->fin_sent && !s->out.n; /* all of our side was acknowledged */
    s->gone = true;
    if (error && !s->fin_seen)
        s->broken = true;
    else if (error && !said)
        s->deaf = true;
    pxi_list_remove(&s->send);
    pxi_quic_stream_due(s, PXI_DUE_OVER);
}

/* Tell the owner that it is over; the rest goes on without it. */
static void tell_closed(struct pxi_quic_stream *s, px_err why)
{
    s->dead = true;
    pxi_stream_on_closed(&s->s, why);
    forget_kept(s);
    if (!s->gone)
        ngtcp2_conn_shutdown_stream(pxi_quic_ng(s->c), s->id, 0);
}

void pxi_quic_stream_settle(struct pxi_quic_stream *s)
{
    uint8_t due = s->due;
    struct pxi_quic_conn *c = s->c;
    s->due = 0;
    if (due & PXI_DUE_RESET) {
        forget_kept(s);
        if (!s->gone)
            ngtcp2_conn_shutdown_stream(pxi_quic_ng(c), s->id, 0);
        pxi_list_remove(&s->send);
        pxi_quic_conn_ready(c);
    }
    if ((due & PXI_DUE_RESUME) && !s->dead && !s->broken)
        resume(s);
    if ((due & PXI_DUE_WRITABLE) && !s->dead && !s->broken)
        pxi_stream_on_writable(&s->s);
    if (!s->dead && s->broken)
        tell_closed(s, s->starved ? PX_ERR_NOMEM : PX_ERR_RESET);
    else if (!s->dead && s->fin_told && s->s.ended_local && (s->gone || s->deaf))
        tell_closed(s, s->deaf ? PX_ERR_RESET : PX_ERR_OK);
    if (s->dead && s->gone) {
        if (!s->s.outbound)
            ngtcp2_conn_extend_max_streams_bidi(pxi_quic_ng(c), 1);
        pxi_quic_conn_ready(c);
        pxi_quic_stream_free(s);
    }
}
