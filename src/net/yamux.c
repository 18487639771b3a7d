/* The session: its life, its timers, and the operations of a connection. */
#include "net/yamux.h"

#include "base/mem.h"
#include "net/yamux_impl.h"

enum { TIDY_MS = 2000, CTRL_ROOM = 2 }; /* frames beyond the limit: the last word */

/* ------------------------------------------------ what waits for the loop */

void pxi_yamux_later(struct pxi_yamux *y)
{
    if (!y->later_timer.armed || y->told)
        pxi_timer_after(y->timers, &y->later_timer, 0);
}

void pxi_yamux_stream_later(struct pxi_ystream *s)
{
    if (!pxi_list_empty(&s->later))
        return;
    pxi_list_add(&s->y->later, &s->later);
    pxi_yamux_later(s->y);
}

void pxi_yamux_tidy_soon(struct pxi_yamux *y)
{
    bool work = y->pool.bytes || y->out_full || y->buckets != y->first_buckets;
    if (work && !y->over && !y->tidy_timer.armed)
        pxi_timer_after(y->timers, &y->tidy_timer, TIDY_MS * PXI_MS);
}

/* The session has room again: those whose writes were cut short hear of it. */
static void wake_writers(struct pxi_yamux *y)
{
    y->out_full = false;
    for (size_t i = 0; i < (size_t)1 << y->bucket_bits; i++)
        for (struct pxi_ystream *s = y->buckets[i]; s; s = s->next)
            if (s->s.write_short)
                pxi_yamux_stream_later(s);
}

/* Turns of those streams that waited when this began; what they cause waits for the next time. */
static void run_later(struct pxi_yamux *y)
{
    struct pxi_list now;
    if (y->out_full && y->out_bytes <= PXI_LIMIT_YAMUX_QUEUED / 2)
        wake_writers(y);
    if (pxi_list_empty(&y->later))
        return;
    now = y->later;
    now.next->prev = now.prev->next = &now;
    pxi_list_init(&y->later);
    while (!pxi_list_empty(&now)) {
        struct pxi_ystream *s = PXI_OF(now.next, struct pxi_ystream, later);
        pxi_list_remove(&s->later);
        if (s->dead) {
            pxi_yamux_bury(s);
            continue;
        }
        if (s->resume)
            pxi_yamux_offer(s);
        if (!s->dead && s->s.write_short && s->out.n <= s->out.max / 2)
            pxi_stream_on_writable(&s->s);
    }
    pxi_yamux_tidy_soon(y);
}

/* Streams, then the conn, hear that it is over. */
static void tell(struct pxi_yamux *y)
{
    if (y->told)
        return;
    y->over = y->told = y->conn.closing = true;
    pxi_timer_disarm(y->timers, &y->ping_timer);
    pxi_timer_disarm(y->timers, &y->tidy_timer);
    pxi_yamux_kill_all(y, y->why);
    while (!pxi_list_empty(&y->later))
        pxi_yamux_bury(PXI_OF(y->later.next, struct pxi_ystream, later));
    pxi_conn_on_closed(&y->conn, y->why);
}

static void on_later(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_yamux *y = PXI_OF(t, struct pxi_yamux, later_timer);
    run_later(y);
    if (!y->over && y->away_got && !y->held)
        pxi_yamux_end(y, PX_ERR_RESET);
    if (!y->over)
        return;
    if (!y->told) {
        tell(y);
        y->leave_ns = now_ns + PXI_LIMIT_NET_CLOSE_MS * PXI_MS;
    }
    if (y->ctrl.n && now_ns < y->leave_ns) {
        y->below->wake(y->ctx);
        pxi_timer_arm(y->timers, &y->later_timer, y->leave_ns);
        return;
    }
    pxi_timer_disarm(y->timers, &y->later_timer);
    y->below->over(y->ctx);
}

/* A ping that waited for a whole period without a word from the remote: it is gone. */
static void on_ping(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_yamux *y = PXI_OF(t, struct pxi_yamux, ping_timer);
    if ((y->ping_out || y->ping_due) && !y->heard) {
        pxi_yamux_end(y, PX_ERR_TIMEOUT);
        return;
    }
    y->heard = false;
    y->ping_out = false;
    y->ping_due = true;
    pxi_timer_arm(y->timers, t, now_ns + PXI_LIMIT_YAMUX_PING_MS * PXI_MS);
    y->below->wake(y->ctx);
}

static void on_tidy(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_yamux *y = PXI_OF(t, struct pxi_yamux, tidy_timer);
    if (y->out_full && y->out_bytes <= PXI_LIMIT_YAMUX_QUEUED / 2)
        pxi_yamux_later(y);
    pxi_queue_pool_trim(&y->pool);
    if (!y->streams)
        pxi_yamux_table_shrink(y);
    pxi_yamux_tidy_soon(y);
}

/* ------------------------------------------------ the end */

void pxi_yamux_end(struct pxi_yamux *y, px_err why)
{
    if (y->over)
        return;
    uint8_t h[PXI_YAMUX_HEADER];
    struct pxi_yamux_header bye = {.type = PXI_YAMUX_GO_AWAY, .length = PXI_YAMUX_NORMAL};
    if (why == PX_ERR_PROTOCOL)
        bye.length = PXI_YAMUX_PROTOCOL;
    else if (why == PX_ERR_NOMEM || why == PX_ERR_LIMIT)
        bye.length = PXI_YAMUX_INTERNAL;
    pxi_yamux_put(h, &bye);
    y->ctrl.max += CTRL_ROOM * sizeof h;
    pxi_buf_add(&y->ctrl, h, sizeof h); /* without memory it ends without a word */
    y->over = y->conn.closing = true;
    y->why = why;
    y->below->wake(y->ctx);
    pxi_yamux_later(y);
}

void pxi_yamux_violated(struct pxi_yamux *y)
{
    if (y->faults)
        y->faults->n[PXI_FAULT_YAMUX]++;
    pxi_yamux_end(y, PX_ERR_PROTOCOL);
}

void pxi_yamux_lost(struct pxi_yamux *y, px_err why)
{
    if (!y->over)
        y->why = why;
    tell(y);
    pxi_timer_disarm(y->timers, &y->later_timer);
}

void pxi_yamux_free(struct pxi_yamux *y)
{
    pxi_yamux_lost(y, PX_ERR_RESET);
    pxi_buf_deinit(&y->ctrl);
    pxi_queue_pool_clear(&y->pool);
    pxi_yamux_table_shrink(y);
    pxi_free(y);
}

/* ------------------------------------------------ operations of a connection */

static struct pxi_stream *conn_open(struct pxi_conn *c)
{
    struct pxi_yamux *y = pxi_yamux_of(c);
    if (y->over || y->away_got || y->unacked_out >= PXI_LIMIT_YAMUX_BACKLOG ||
        y->next_id >= UINT32_MAX - 2)
        return NULL;
    struct pxi_ystream *s = pxi_yamux_add(y, y->next_id, true);
    if (!s)
        return NULL;
    y->next_id += 2;
    pxi_yamux_ready(s);
    return &s->s;
}

static void conn_close(struct pxi_conn *c, px_err why)
{
    pxi_yamux_end(pxi_yamux_of(c), why);
}

static uint64_t conn_rtt(struct pxi_conn *c)
{
    return pxi_yamux_of(c)->rtt_ns;
}

static void conn_prompt(struct pxi_conn *c)
{
    struct pxi_yamux *y = pxi_yamux_of(c);
    if (!y->over && y->below->prompt)
        y->below->prompt(y->ctx);
}

static const struct pxi_conn_ops conn_ops = {conn_open, conn_close, conn_rtt, conn_prompt};

struct pxi_conn *pxi_yamux_conn(struct pxi_yamux *y)
{
    return &y->conn;
}

struct pxi_yamux *pxi_yamux_of(struct pxi_conn *c)
{
    return (struct pxi_yamux *)(void *)c;
}

struct pxi_yamux *pxi_yamux_new(const struct pxi_yamux_options *o)
{
    struct pxi_yamux *y = pxi_calloc(1, sizeof *y);
    if (!y)
        return NULL;
    y->below = o->below;
    y->ctx = o->ctx;
    y->timers = o->timers;
    y->faults = o->faults;
    pxi_yamux_table_shrink(y);
    y->hash = pxi_random_u64(o->random) | 1;
    y->ping_value = (uint32_t)pxi_random_u64(o->random);
    y->next_id = o->outbound ? 1 : 2;
    y->ctrl.max = PXI_LIMIT_YAMUX_CONTROL * PXI_YAMUX_HEADER;
    y->pool.max = PXI_LIMIT_NET_STREAM_QUEUE;
    pxi_list_init(&y->ring);
    pxi_list_init(&y->later);
    y->later_timer.fire = on_later;
    y->ping_timer.fire = on_ping;
    y->tidy_timer.fire = on_tidy;
    pxi_conn_init(&y->conn, &conn_ops, o->outbound);
    y->conn.muxer = PXI_YAMUX_ID;
    y->ping_due = true;
    pxi_timer_after(y->timers, &y->ping_timer, PXI_LIMIT_YAMUX_PING_MS * PXI_MS);
    return y;
}
