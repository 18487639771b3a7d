#include "net/negotiate.h"

#include "net/host_impl.h"
#include "net/select.h"

enum { PROPOSALS = 8 };

struct pxi_negotiation {
    struct pxi_stream *stream;
    struct pxi_select select;
    struct pxi_buf out; /* what the carrier did not take at once */
    size_t sent;
    struct pxi_timer timer;
    unsigned count;
    const char *proposals[PROPOSALS];
};

static struct pxi_host *host_of(const struct pxi_stream *s)
{
    return s->conn->host;
}

/* No agreement: the owner hears why, then the stream is reset. */
static void refused(struct pxi_stream *s, px_err err)
{
    const struct pxi_stream_events *on = s->on;
    s->gone = true; /* whatever the owner does to it now does nothing */
    if (on->closed)
        on->closed(s, err);
    s->gone = false;
    pxi_stream_reset(s);
}

static void late(struct pxi_timer *t, uint64_t now_ns)
{
    refused(PXI_OF(t, struct pxi_negotiation, timer)->stream, PX_ERR_TIMEOUT);
}

static struct pxi_negotiation *begin(struct pxi_stream *s)
{
    struct pxi_negotiation *n = pxi_calloc(1, sizeof *n);
    if (!n)
        return NULL;
    n->stream = s;
    n->out.max = 4 * PXI_SELECT_OUT;
    n->timer.fire = late;
    pxi_timer_after(pxi_host_timers(host_of(s)), &n->timer, PXI_LIMIT_NET_NEGOTIATE_MS * PXI_MS);
    s->neg = n;
    return n;
}

void pxi_negotiate_drop(struct pxi_stream *s)
{
    struct pxi_negotiation *n = s->neg;
    if (!n)
        return;
    s->neg = NULL;
    if (host_of(s))
        pxi_timer_disarm(pxi_host_timers(host_of(s)), &n->timer);
    pxi_select_close(&n->select);
    pxi_buf_deinit(&n->out);
    pxi_free(n);
}

/* Give the carrier what waits; true when it took everything. */
static bool flush(struct pxi_stream *s, struct pxi_negotiation *n)
{
    if (n->sent < n->out.n)
        n->sent += s->ops->write(s, px_view_of(n->out.p + n->sent, n->out.n - n->sent));
    return n->sent == n->out.n;
}

static const char *serves(void *ctx, px_view name)
{
    struct pxi_stream *s = ctx;
    const struct pxi_handler *h = pxi_host_handler(host_of(s), name);
    bool ok = h && (!s->conn->limited || (h->flags & PXI_HANDLE_LIMITED));
    return ok ? h->protocol : NULL;
}

bool pxi_negotiate_inbound(struct pxi_stream *s)
{
    struct pxi_host *h = host_of(s);
    if (s->conn->scope && pxi_scope_stream_open(s->conn->scope, false, &s->scope) != PX_ERR_OK) {
        pxi_host_fault(h, PXI_FAULT_LIMIT);
        return false;
    }
    struct pxi_negotiation *n = begin(s);
    if (n)
        pxi_select_open_in(&n->select, serves, s);
    return n != NULL;
}

bool pxi_negotiate_outbound(struct pxi_stream *s, const char *const *protocols, unsigned count)
{
    struct pxi_negotiation *n = begin(s);
    if (!n)
        return false;
    n->count = count < PROPOSALS ? count : PROPOSALS;
    memcpy(n->proposals, protocols, n->count * sizeof *protocols);
    if (pxi_select_open_out(&n->select, n->proposals, n->count, &n->out) != PX_ERR_OK)
        return false;
    return flush(s, n);
}

bool pxi_negotiate_may_write(const struct pxi_stream *s)
{
    return s->outbound && s->neg->count == 1;
}

/* A protocol is agreed on: the stream passes to its owner. */
static void agreed(struct pxi_stream *s, const char *protocol)
{
    bool hold = s->end_held, inbound = !s->outbound;
    s->protocol = protocol;
    pxi_negotiate_drop(s);
    s->end_held = false;
    if (s->scope && pxi_scope_stream_protocol(s->scope, protocol) != PX_ERR_OK) {
        pxi_host_fault(host_of(s), PXI_FAULT_LIMIT);
        refused(s, PX_ERR_LIMIT);
        return;
    }
    if (hold)
        pxi_stream_end(s);
    if (inbound) {
        const struct pxi_handler *h = pxi_host_handler(host_of(s), px_view_str(protocol));
        h->accept(h->ctx, s);
    } else if (s->on->opened) {
        s->on->opened(s);
    }
    if (!s->gone && s->write_short && s->on->writable) {
        s->write_short = false;
        s->on->writable(s);
    }
}

static void count_fault(struct pxi_stream *s, px_err err)
{
    pxi_host_fault(host_of(s),
                   err == PX_ERR_NO_PROTOCOL ? PXI_FAULT_NO_PROTOCOL : PXI_FAULT_MULTISTREAM);
}

size_t pxi_negotiate_data(struct pxi_stream *s, px_view bytes)
{
    struct pxi_negotiation *n = s->neg;
    size_t used = pxi_select_push(&n->select, bytes, &n->out);
    bool flushed = flush(s, n);
    if (!n->select.done)
        return used;
    if (n->select.agreed && flushed) {
        agreed(s, n->select.agreed);
        return used;
    }
    px_err err = n->select.agreed ? PX_ERR_LIMIT : n->select.err;
    count_fault(s, err);
    refused(s, err);
    return used;
}

void pxi_negotiate_ended(struct pxi_stream *s)
{
    refused(s, PX_ERR_NO_PROTOCOL);
}
