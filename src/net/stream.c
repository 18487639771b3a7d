#include "net/stream.h"

#include "net/host_impl.h"
#include "net/limits.h"
#include "net/negotiate.h"

static const struct pxi_stream_events nobody;

void pxi_stream_init(struct pxi_stream *s, const struct pxi_stream_ops *ops, struct pxi_conn *conn,
                     bool outbound)
{
    s->ops = ops;
    s->on = &nobody;
    s->conn = conn;
    s->outbound = outbound;
    pxi_list_add(&conn->streams, &s->link);
    conn->stream_count++;
    if (conn->host)
        conn->used_ns = pxi_host_timers(conn->host)->now_ns;
}

static size_t give(struct pxi_stream *s, size_t (*op)(struct pxi_stream *, px_view), px_view bytes)
{
    size_t n = 0;
    if (!s->ended_local && !s->end_held && (!s->neg || pxi_negotiate_may_write(s)))
        n = op(s, bytes);
    s->write_short = n < bytes.n && !s->ended_local && !s->end_held;
    return n;
}

size_t pxi_stream_write(struct pxi_stream *s, px_view bytes)
{
    return give(s, s->ops->write, bytes);
}

size_t pxi_stream_lend(struct pxi_stream *s, px_view bytes)
{
    size_t n = give(s, s->ops->lend ? s->ops->lend : s->ops->write, bytes);
    if (!s->ops->lend)
        s->copied += n;
    return n;
}

void pxi_stream_recall(struct pxi_stream *s)
{
    if (s->ops->recall)
        s->ops->recall(s);
}

void pxi_stream_land(struct pxi_stream *s, size_t lead, void *p, size_t n)
{
    s->land = (struct pxi_landing){p, lead, n};
    if (n)
        s->conn->landing = s;
    else if (s->conn->landing == s)
        s->conn->landing = NULL;
}

void pxi_stream_own(struct pxi_stream *s, const struct pxi_stream_events *on, void *user)
{
    pxi_stream_land(s, 0, NULL, 0);
    s->on = on;
    s->user = user;
}

size_t pxi_stream_room(struct pxi_stream *s)
{
    if (s->ended_local || s->end_held || (s->neg && !pxi_negotiate_may_write(s)))
        return 0;
    return s->ops->room(s);
}

void pxi_stream_end(struct pxi_stream *s)
{
    /* Some peers miss an end that comes in the same flight as the proposal: wait for their answer.
     */
    if (s->neg) {
        s->end_held = true;
    } else if (!s->ended_local) {
        s->ended_local = true;
        s->ops->end(s);
    }
}

/* The stream no longer counts and no longer speaks. */
static void leave(struct pxi_stream *s)
{
    s->gone = true;
    pxi_stream_own(s, &nobody, s->user);
    pxi_negotiate_drop(s);
    pxi_list_remove(&s->link);
    s->conn->stream_count--;
    if (s->conn->host)
        s->conn->used_ns = pxi_host_timers(s->conn->host)->now_ns;
    if (s->scope)
        pxi_scope_stream_close(s->scope);
    s->scope = NULL;
}

void pxi_stream_reset(struct pxi_stream *s)
{
    if (s->gone)
        return;
    leave(s);
    s->ops->reset(s);
}

void pxi_stream_resume(struct pxi_stream *s)
{
    s->ops->resume(s);
}

size_t pxi_stream_on_data(struct pxi_stream *s, px_view bytes)
{
    size_t used = 0;
    if (s->conn->host)
        s->conn->heard_ns = pxi_host_timers(s->conn->host)->now_ns;
    if (s->neg)
        used = pxi_negotiate_data(s, bytes);
    if (s->gone)
        return bytes.n;
    if (s->neg || used == bytes.n)
        return used;
    px_view rest = px_view_of(bytes.p + used, bytes.n - used);
    return used + (s->on->data ? s->on->data(s, rest) : rest.n);
}

void pxi_stream_on_end(struct pxi_stream *s)
{
    if (s->gone)
        return;
    s->ended_remote = true;
    if (s->neg)
        pxi_negotiate_ended(s);
    else if (s->on->ended)
        s->on->ended(s);
}

void pxi_stream_on_writable(struct pxi_stream *s)
{
    if (s->gone || !s->write_short || s->neg)
        return;
    s->write_short = false;
    if (s->on->writable)
        s->on->writable(s);
}

void pxi_stream_on_closed(struct pxi_stream *s, px_err why)
{
    if (s->gone)
        return;
    const struct pxi_stream_events *on = s->on;
    if (s->neg && why == PX_ERR_OK)
        why = PX_ERR_NO_PROTOCOL;
    leave(s);
    if (on->closed)
        on->closed(s, why);
}
