#include "net/ping.h"

#include "net/host_impl.h"

enum { SIZE = 32 };
static const char PROTOCOL[] = "/ipfs/ping/1.0.0";

/* ---------------------------------------------------------------- answering */

/* Bytes go back as they come; what does not fit into the send queue is not taken. */
static size_t echo(struct pxi_stream *s, px_view bytes)
{
    return pxi_stream_write(s, bytes);
}

static void more(struct pxi_stream *s)
{
    pxi_stream_resume(s);
}

static void ended(struct pxi_stream *s)
{
    pxi_stream_end(s);
}

static const struct pxi_stream_events answering = {.data = echo, .writable = more, .ended = ended};

static void on_accept(void *ctx, struct pxi_stream *s)
{
    unsigned open = 0;
    for (struct pxi_list *l = s->conn->streams.next; l != &s->conn->streams; l = l->next) {
        struct pxi_stream *other = PXI_OF(l, struct pxi_stream, link);
        open += !other->outbound && other->protocol == s->protocol;
    }
    if (open > 2)
        pxi_stream_reset(s);
    else
        pxi_stream_own(s, &answering, NULL);
}

px_err pxi_ping_serve(struct pxi_host *h)
{
    return pxi_host_handle(h, PROTOCOL, PXI_HANDLE_LIMITED, on_accept, h);
}

/* ------------------------------------------------------------------- asking */

struct pxi_ping {
    struct pxi_stream *stream;
    struct pxi_host *host;
    void (*pong)(void *ctx, uint64_t rtt_ns, px_err err);
    void *ctx;
    struct pxi_timer timer;
    uint64_t sent_ns;
    uint8_t out[SIZE];
    unsigned got;
    bool waiting;
};

static void over(struct pxi_ping *p, px_err err)
{
    pxi_timer_disarm(pxi_host_timers(p->host), &p->timer);
    p->pong(p->ctx, 0, err);
    pxi_free(p);
}

static size_t on_data(struct pxi_stream *s, px_view bytes)
{
    struct pxi_ping *p = s->user;
    struct pxi_timers *timers = pxi_host_timers(p->host);
    if (!p->waiting || bytes.n > SIZE - p->got || memcmp(p->out + p->got, bytes.p, bytes.n)) {
        pxi_stream_reset(s);
        over(p, PX_ERR_PROTOCOL);
        return bytes.n;
    }
    p->got += (unsigned)bytes.n;
    if (p->got == SIZE) {
        p->waiting = false;
        pxi_timer_disarm(timers, &p->timer);
        p->pong(p->ctx, timers->now_ns - p->sent_ns, PX_ERR_OK);
    }
    return bytes.n;
}

static void on_end(struct pxi_stream *s)
{
    struct pxi_ping *p = s->user;
    pxi_stream_reset(s);
    over(p, PX_ERR_RESET);
}

static void on_closed(struct pxi_stream *s, px_err why)
{
    over(s->user, why ? why : PX_ERR_RESET);
}

static void late(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_ping *p = PXI_OF(t, struct pxi_ping, timer);
    pxi_stream_reset(p->stream);
    over(p, PX_ERR_TIMEOUT);
}

struct pxi_ping *pxi_ping_open(struct pxi_conn *c,
                               void (*pong)(void *ctx, uint64_t rtt_ns, px_err err), void *ctx)
{
    static const struct pxi_stream_events asking = {
        .data = on_data, .ended = on_end, .closed = on_closed};
    static const char *const proposal[] = {PROTOCOL};
    struct pxi_ping *p = pxi_calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->host = c->host;
    p->pong = pong;
    p->ctx = ctx;
    p->timer.fire = late;
    p->stream = pxi_host_open(c, proposal, 1, &asking, p);
    if (!p->stream) {
        pxi_free(p);
        return NULL;
    }
    return p;
}

void pxi_ping_send(struct pxi_ping *p, uint64_t timeout_ns)
{
    struct pxi_timers *timers = pxi_host_timers(p->host);
    pxi_random_fill(pxi_host_random(p->host), p->out, SIZE);
    p->got = 0;
    p->waiting = true;
    p->sent_ns = timers->now_ns;
    pxi_timer_after(timers, &p->timer, timeout_ns);
    pxi_stream_write(p->stream, px_view_of(p->out, SIZE));
}

void pxi_ping_close(struct pxi_ping *p)
{
    pxi_timer_disarm(pxi_host_timers(p->host), &p->timer);
    pxi_stream_reset(p->stream);
    pxi_free(p);
}
