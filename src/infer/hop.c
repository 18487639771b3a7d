#include "infer/hop.h"

#include "base/limits.h"
#include "base/math.h"
#include "net/localstream.h"

const char pxi_stage_protocol[] = "/plexus/stage/1";

static struct pxi_timers *timers(struct pxi_hop *h)
{
    return pxi_host_timers(h->host);
}

void pxi_hop_close(struct pxi_hop *h)
{
    if (!h->host)
        return;
    pxi_timer_disarm(timers(h), &h->probe);
    if (h->opening)
        pxi_reach_cancel(&h->reach);
    if (h->stream)
        pxi_stream_reset(h->stream);
    h->stream = NULL;
    h->up = h->opening = false;
    pxi_wire_in_deinit(&h->in);
    pxi_wire_out_deinit(&h->out);
}

static void lose(struct pxi_hop *h, px_err why)
{
    pxi_hop_close(h);
    h->on->lost(h, why);
}

/* ------------------------------------------------------------------- what comes back */

static enum pxi_wire_verdict begin(void *ctx, const struct pxi_stage_head *m, void **place)
{
    struct pxi_hop *h = ctx;
    (void)place;
    bool back = m->kind == PXI_STAGE_READY || m->kind == PXI_STAGE_ERROR ||
                m->kind == PXI_STAGE_PING || m->kind == PXI_STAGE_PONG ||
                m->kind == PXI_STAGE_DRAIN || m->kind == PXI_STAGE_LOSS;
    return back && m->session == h->session ? PXI_WIRE_TAKE : PXI_WIRE_BAD;
}

static bool message(void *ctx, const struct pxi_stage_head *m, px_view payload)
{
    struct pxi_hop *h = ctx;
    if (m->kind == PXI_STAGE_PONG)
        pxi_pulse_answered(&h->pulse, timers(h)->now_ns);
    if (m->kind == PXI_STAGE_PING || m->kind == PXI_STAGE_PONG)
        return true;
    h->on->message(h, m, payload);
    return h->up;
}

static size_t on_data(struct pxi_stream *s, px_view bytes)
{
    static const struct pxi_wire_events events = {begin, message};
    struct pxi_hop *h = s->user;
    size_t took;
    h->heard_ns = timers(h)->now_ns;
    px_err err = pxi_wire_read(&h->in, bytes, &events, h, &took);
    if (err == PX_ERR_RESET) /* closed from inside a message */
        return bytes.n;
    if (err != PX_ERR_OK)
        lose(h, err == PX_ERR_CORRUPT ? PX_ERR_PROTOCOL : err);
    return err == PX_ERR_OK ? took : bytes.n;
}

static void on_writable(struct pxi_stream *s)
{
    struct pxi_hop *h = s->user;
    pxi_wire_flush(&h->out);
    h->on->writable(h);
}

static void on_closed(struct pxi_stream *s, px_err why)
{
    struct pxi_hop *h = s->user;
    h->stream = NULL;
    lose(h, why ? why : PX_ERR_RESET);
}

static void on_ended(struct pxi_stream *s)
{
    lose(s->user, PX_ERR_RESET);
}

/* ------------------------------------------------------------------------- probes */

/* When the peer was heard last, on this stream or any other of the connection. */
static uint64_t heard_ns(const struct pxi_hop *h)
{
    return pxi_max(h->heard_ns, h->stream->conn->heard_ns);
}

static void probe(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_hop *h = PXI_OF(t, struct pxi_hop, probe);
    struct pxi_stage_head ping = {.kind = PXI_STAGE_PING, .session = h->session};
    bool ask;
    if (!h->up) {
        lose(h, PX_ERR_TIMEOUT);
        return;
    }
    if (pxi_peer_equal(&h->peer, pxi_host_self(h->host)))
        return; /* who is silent himself cannot tell */
    uint64_t wait_ns = pxi_pulse_look(&h->pulse, heard_ns(h), now_ns, &ask);
    if (!wait_ns || (ask && !pxi_wire_send(&h->out, &ping, px_view_of(NULL, 0)))) {
        lose(h, PX_ERR_TIMEOUT);
        return;
    }
    pxi_timer_after(timers(h), t, wait_ns);
}

/* ------------------------------------------------------------------------ opening */

static void opened(struct pxi_hop *h)
{
    h->up = true;
    h->out.stream = h->stream;
    h->heard_ns = timers(h)->now_ns;
    pxi_pulse_begin(&h->pulse, h->heard_ns);
    if (h->stream->conn->ops && h->stream->conn->ops->prompt)
        h->stream->conn->ops->prompt(h->stream->conn);
    pxi_timer_after(timers(h), &h->probe, (uint64_t)PXI_LIMIT_STAGE_PROBE_MS * PXI_MS);
    h->on->opened(h);
}

static const struct pxi_stream_events events = {
    .data = on_data, .ended = on_ended, .writable = on_writable, .closed = on_closed};

static void reached(struct pxi_reach *r, struct pxi_conn *c, px_err err)
{
    static const char *const proposal[] = {pxi_stage_protocol};
    struct pxi_hop *h = PXI_OF(r, struct pxi_hop, reach);
    h->opening = false;
    if (c)
        h->stream = pxi_host_open(c, proposal, 1, &events, h);
    if (h->stream)
        opened(h); /* the only proposal goes out with the first message */
    else
        lose(h, err != PX_ERR_OK ? err : PX_ERR_LIMIT);
}

/* A stream to ourselves is there at once, but nothing is told from inside pxi_hop_open. */
static void open_self(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_hop *h = PXI_OF(t, struct pxi_hop, probe);
    (void)now_ns;
    t->fire = probe;
    opened(h);
}

void pxi_hop_open(struct pxi_hop *h, struct pxi_host *host, const struct pxi_peer *peer,
                  const px_view *addrs, unsigned addr_count, const struct pxi_hop_self *self)
{
    struct pxi_stream *far;
    pxi_hop_close(h);
    h->host = host;
    h->peer = *peer;
    h->probe.fire = probe;
    pxi_timer_after(timers(h), &h->probe, (uint64_t)PXI_LIMIT_STAGE_OPEN_MS * PXI_MS);
    if (pxi_peer_equal(peer, pxi_host_self(host))) {
        if (pxi_localstream_pair(host, &h->stream, &far) != PX_ERR_OK)
            return; /* the timer tells */
        pxi_stream_own(h->stream, &events, h);
        h->probe.fire = open_self;
        pxi_timer_after(timers(h), &h->probe, 0);
        self->accept(self->ctx, far);
        return;
    }
    h->reach = (struct pxi_reach){.peer = *peer, .done = reached, .limited_ok = true};
    h->opening = true;
    pxi_reach_start(&h->reach, host, addrs, addr_count);
}
