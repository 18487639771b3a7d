#include "net/localstream.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/queue.h"

struct end {
    struct pxi_stream s;
    struct pair *pair;
    struct pxi_queue in; /* bytes that come to this end */
    struct pxi_timer timer;
    bool starved; /* the last write to the other end was cut short */
    bool stalled; /* this end did not take everything */
    bool end_in, end_told, reset_in, dead;
};

struct pair {
    struct pxi_conn conn;
    struct pxi_timers *timers;
    struct end end[2];
};

static struct end *of(struct pxi_stream *s)
{
    return PXI_OF(s, struct end, s);
}

static struct end *other(struct end *e)
{
    return &e->pair->end[e == &e->pair->end[0]];
}

static void poke(struct end *e)
{
    if (!e->timer.armed)
        pxi_timer_after(e->pair->timers, &e->timer, 0);
}

/* Both ends are over: nobody looks at the pair any more. */
static void release(struct end *e)
{
    struct pair *p = e->pair;
    pxi_timer_disarm(p->timers, &e->timer);
    if (!e->dead || !other(e)->dead)
        return;
    for (int i = 0; i < 2; i++) {
        pxi_timer_disarm(p->timers, &p->end[i].timer);
        pxi_queue_clear(&p->end[i].in);
    }
    pxi_free(p);
}

static size_t do_write(struct pxi_stream *s, px_view v)
{
    struct end *e = of(s), *o = other(e);
    size_t n = o->dead ? v.n : pxi_queue_put(&o->in, v.p, v.n);
    e->starved = n < v.n;
    poke(o);
    return n;
}

static size_t do_room(struct pxi_stream *s)
{
    struct end *o = other(of(s));
    return o->in.max - o->in.n;
}

static void do_end(struct pxi_stream *s)
{
    other(of(s))->end_in = true;
    poke(other(of(s)));
    poke(of(s));
}

static void do_reset(struct pxi_stream *s)
{
    struct end *e = of(s);
    e->dead = true;
    other(e)->reset_in = true;
    poke(other(e));
    poke(e); /* freed from the loop: the caller may still hold the stream */
}

static void do_resume(struct pxi_stream *s)
{
    of(s)->stalled = false;
    poke(of(s));
}

static void deliver(struct end *e)
{
    while (e->in.n && !e->dead && !e->stalled) {
        px_view v = pxi_queue_peek(&e->in, 0);
        e->stalled = true; /* unless it asks for more from inside */
        size_t n = pxi_stream_on_data(&e->s, v);
        if (e->dead)
            return;
        pxi_queue_drop(&e->in, n);
        if (n < v.n)
            break;
        e->stalled = false;
    }
    if (other(e)->starved && !other(e)->dead && e->in.n < e->in.max) {
        other(e)->starved = false;
        poke(other(e));
    }
}

static void closed(struct end *e, px_err why)
{
    e->dead = true;
    pxi_stream_on_closed(&e->s, why);
    release(e);
}

static void fire(struct pxi_timer *t, uint64_t now_ns)
{
    struct end *e = PXI_OF(t, struct end, timer);
    (void)now_ns;
    if (e->dead) {
        release(e);
        return;
    }
    deliver(e);
    if (e->dead)
        return; /* its own reset armed the timer again */
    if (e->reset_in) {
        closed(e, PX_ERR_RESET);
        return;
    }
    if (e->s.write_short && !e->starved)
        pxi_stream_on_writable(&e->s);
    if (!e->dead && e->end_in && !e->in.n && !e->end_told) {
        e->end_told = true;
        pxi_stream_on_end(&e->s);
    }
    if (!e->dead && e->end_told && e->s.ended_local)
        closed(e, PX_ERR_OK);
}

px_err pxi_localstream_pair(struct pxi_host *h, struct pxi_stream **a, struct pxi_stream **b)
{
    static const struct pxi_stream_ops ops = {do_write, do_room, do_end, do_reset, do_resume};
    struct pair *p = pxi_calloc(1, sizeof *p);
    if (!p)
        return PX_ERR_NOMEM;
    p->timers = pxi_host_timers(h);
    p->conn.peer = *pxi_host_self(h);
    pxi_list_init(&p->conn.streams);
    for (int i = 0; i < 2; i++) {
        struct end *e = &p->end[i];
        e->pair = p;
        e->in.max = (size_t)PXI_LIMIT_LOCAL_STREAM_BYTES;
        e->timer.fire = fire;
        pxi_stream_init(&e->s, &ops, &p->conn, i == 0);
    }
    *a = &p->end[0].s;
    *b = &p->end[1].s;
    return PX_ERR_OK;
}
