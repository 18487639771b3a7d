/* Streams of the simulator: bytes that arrive one delay later, in order. */
#include "net/simlink_impl.h"

enum { WINDOW = 256 * 1024 };

static struct pxi_timers *timers(const struct sim_stream *s)
{
    return s->conn->net->o.timers;
}

static struct sim_stream *stream_of(struct pxi_stream *ps)
{
    return PXI_OF(ps, struct sim_stream, s);
}

/* Fire at t, or earlier when it is armed for earlier. */
static void wake(struct sim_stream *s, uint64_t at_ns)
{
    if (!s->timer.armed || s->timer.at_ns > at_ns)
        pxi_timer_arm(timers(s), &s->timer, at_ns);
}

static struct sim_chunk *chunk_new(struct sim_stream *s, size_t cap)
{
    size_t bytes = sizeof(struct sim_chunk) + cap;
    if (cap > SIM_LARGE_BYTES)
        return pxi_realloc(NULL, 1, bytes);
    return pxi_sim_take(s->conn->net, cap == SIM_CHUNK_BYTES ? SIM_CHUNK : SIM_LARGE, bytes);
}

static void chunk_free(struct sim_stream *s, struct sim_chunk *c)
{
    if (c->cap <= SIM_LARGE_BYTES)
        pxi_sim_give(s->conn->net, c->cap == SIM_CHUNK_BYTES ? SIM_CHUNK : SIM_LARGE, c);
    else
        pxi_free(c);
}

static void chunks_free(struct sim_stream *s)
{
    while (s->in) {
        struct sim_chunk *c = s->in;
        s->in = c->next;
        chunk_free(s, c);
    }
    s->in_last = NULL;
    s->in_bytes = 0;
}

void pxi_sim_stream_free(struct sim_stream *s)
{
    pxi_timer_disarm(timers(s), &s->timer);
    if (s->other)
        s->other->other = NULL;
    pxi_list_remove(&s->of_conn);
    chunks_free(s);
    pxi_sim_give(s->conn->net, SIM_STREAM, s);
}

/* ---------------------------------------------------------------- sending */

static size_t room(struct pxi_stream *ps)
{
    struct sim_stream *o = stream_of(ps)->other;
    return o ? (o->in_bytes < WINDOW ? WINDOW - o->in_bytes : 0) : WINDOW;
}

/* Append to what is on its way to `o`, in the last chunk when that leaves now too. */
static bool append(struct sim_stream *o, const uint8_t *p, size_t n, uint64_t at_ns)
{
    struct sim_chunk *c = o->in_last;
    if (c && c->at_ns > at_ns)
        at_ns = c->at_ns; /* never overtakes */
    if (!c || c->at_ns != at_ns || c->cap - c->n < n) {
        size_t cap = n <= SIM_CHUNK_BYTES ? SIM_CHUNK_BYTES : n;
        cap = n > SIM_CHUNK_BYTES && n < SIM_LARGE_BYTES ? SIM_LARGE_BYTES : cap;
        c = chunk_new(o, cap);
        if (!c)
            return false;
        *c = (struct sim_chunk){.at_ns = at_ns, .cap = cap};
        if (o->in_last)
            o->in_last->next = c;
        else
            o->in = c;
        o->in_last = c;
    }
    memcpy(c->b + c->n, p, n);
    c->n += n;
    o->in_bytes += n;
    return true;
}

static size_t write(struct pxi_stream *ps, px_view bytes)
{
    struct sim_stream *s = stream_of(ps), *o = s->other;
    size_t n = room(ps);
    n = n < bytes.n ? n : bytes.n;
    if (!o || !n) /* a dead peer: the bytes are lost, nobody knows yet */
        return o ? 0 : bytes.n;
    struct pxi_simnet *net = s->conn->net;
    uint64_t at = net->o.timers->now_ns + pxi_sim_flight(net, s->conn->delay_ns);
    if (!append(o, bytes.p, n, at))
        return 0;
    net->stats.bytes += n;
    if (!o->full)
        wake(o, o->in->at_ns);
    return n;
}

/* When what is sent now arrives after everything sent before. */
static uint64_t after_all(const struct sim_stream *s, const struct sim_stream *o)
{
    uint64_t at = s->conn->net->o.timers->now_ns + s->conn->delay_ns;
    return o->in_last && o->in_last->at_ns > at ? o->in_last->at_ns : at;
}

static void end(struct pxi_stream *ps)
{
    struct sim_stream *s = stream_of(ps), *o = s->other;
    if (o) {
        o->end_ns = after_all(s, o);
        if (!o->full)
            wake(o, o->end_ns);
    }
    if (s->s.ended_remote)
        wake(s, timers(s)->now_ns); /* both ended: closed, from the loop */
}

static void reset(struct pxi_stream *ps)
{
    struct sim_stream *s = stream_of(ps), *o = s->other;
    if (o) {
        o->reset_ns = s->conn->net->o.timers->now_ns + s->conn->delay_ns;
        wake(o, o->reset_ns);
        o->other = NULL;
        s->other = NULL;
    }
    s->dead = true;
    wake(s, timers(s)->now_ns);
}

static void resume(struct pxi_stream *ps)
{
    struct sim_stream *s = stream_of(ps);
    s->full = false;
    wake(s, timers(s)->now_ns);
}

static const struct pxi_stream_ops stream_ops = {write, room, end, reset, resume};

/* -------------------------------------------------------------- receiving */

/* Offer what has arrived; false when the owner left something, or left. */
static bool deliver(struct sim_stream *s, uint64_t now_ns)
{
    while (s->in && s->in->at_ns <= now_ns) {
        struct sim_chunk *c = s->in;
        size_t had = c->n - c->used;
        s->full = true; /* unless it asks for more from inside */
        size_t took = pxi_stream_on_data(&s->s, px_view_of(c->b + c->used, had));
        if (s->s.gone)
            return false;
        c->used += took < had ? took : had;
        s->in_bytes -= took < had ? took : had;
        if (s->other && s->other->s.write_short && took) {
            s->other->roomy = true;
            wake(s->other, now_ns + s->conn->delay_ns);
        }
        if (c->used < c->n)
            return false;
        s->full = false;
        s->in = c->next;
        if (!s->in)
            s->in_last = NULL;
        chunk_free(s, c);
    }
    return true;
}

static void close_now(struct sim_stream *s, px_err why)
{
    if (!s->s.gone)
        pxi_stream_on_closed(&s->s, why);
    pxi_sim_stream_free(s);
}

/* When there is something to do again. */
static uint64_t next_at(const struct sim_stream *s)
{
    uint64_t at = s->reset_ns;
    if (!s->full && s->in && s->in->at_ns < at)
        at = s->in->at_ns;
    if (!s->full && !s->in && !s->s.ended_remote && s->end_ns < at)
        at = s->end_ns;
    return at;
}

static void show(struct sim_stream *s)
{
    s->shown = true;
    pxi_stream_init(&s->s, &stream_ops, &s->conn->c, false);
    pxi_conn_on_stream(&s->conn->c, &s->s);
}

static void fire(struct pxi_timer *t, uint64_t now_ns)
{
    struct sim_stream *s = PXI_OF(t, struct sim_stream, timer);
    if (!s->dead && !s->shown)
        show(s);
    if (!s->dead && !s->s.gone && s->roomy) {
        s->roomy = false;
        pxi_stream_on_writable(&s->s);
    }
    if (!s->dead && !s->full && deliver(s, now_ns) && !s->in && s->end_ns <= now_ns &&
        !s->s.ended_remote)
        pxi_stream_on_end(&s->s);
    if (s->dead || s->s.gone) {
        pxi_sim_stream_free(s);
        return;
    }
    if (s->reset_ns <= now_ns)
        close_now(s, PX_ERR_RESET);
    else if (s->s.ended_local && s->s.ended_remote && !s->in)
        close_now(s, PX_ERR_OK);
    else if (next_at(s) != PXI_NEVER)
        wake(s, next_at(s));
}

static struct sim_stream *end_new(struct sim_conn *c)
{
    struct sim_stream *s = pxi_sim_take(c->net, SIM_STREAM, sizeof *s);
    if (!s)
        return NULL;
    *s = (struct sim_stream){.conn = c};
    s->timer.fire = fire;
    s->end_ns = s->reset_ns = PXI_NEVER;
    pxi_list_add(&c->streams, &s->of_conn);
    return s;
}

struct pxi_stream *pxi_sim_stream_open(struct pxi_conn *pc)
{
    struct sim_conn *c = PXI_OF(pc, struct sim_conn, c);
    struct sim_stream *s = end_new(c);
    struct sim_stream *o = s && c->other && !c->other->c.closing ? end_new(c->other) : NULL;
    if (!s)
        return NULL;
    if (o) {
        s->other = o;
        o->other = s;
    }
    s->shown = true;
    c->net->stats.streams++;
    pxi_stream_init(&s->s, &stream_ops, pc, true);
    return &s->s;
}
