#include "net/streamlink.h"

#include "base/limits.h"
#include "base/math.h"
#include "base/mem.h"
#include "base/queue.h"

enum { PULL = 66 * 1024, PUSH = 16 * 1024 };

struct streamlink {
    struct pxi_link link;
    struct pxi_stream *stream;
    struct pxi_timers *timers;
    struct pxi_timer timer;   /* to pull; after close: to give up */
    struct pxi_queue pending; /* pulled, but the stream had no room: at most one pull */
    bool paused, closing, ended;
    bool fresh; /* the stream may hold bytes that nobody has asked for */
};

static void streamlink_free(struct streamlink *k)
{
    pxi_timer_disarm(k->timers, &k->timer);
    pxi_queue_clear(&k->pending);
    pxi_free(k);
}

/* The pipe is over: tell the upper side unless it left first. */
static void streamlink_lost(struct streamlink *k, px_err why)
{
    if (!k->closing && k->link.on)
        k->link.on->lost(&k->link, why);
    streamlink_free(k);
}

static void pending_write(struct streamlink *k)
{
    while (k->pending.n) {
        px_view v = pxi_queue_peek(&k->pending, 0);
        size_t n = pxi_stream_write(k->stream, v);
        pxi_queue_drop(&k->pending, n);
        if (n < v.n)
            return;
    }
}

/* Move bytes from the upper side to the stream while both go on. false: the pipe broke. */
static bool pump(struct streamlink *k)
{
    pending_write(k);
    if (k->closing || k->pending.n || !k->link.on)
        return true;
    uint8_t *out = pxi_realloc(NULL, PULL, 1);
    if (!out)
        return false;
    while (!k->closing && !k->pending.n) { /* a short write, or nothing left, ends it */
        size_t n = k->link.on->pull(&k->link, out, PULL);
        if (!n)
            break;
        size_t sent = pxi_stream_write(k->stream, px_view_of(out, n));
        if (pxi_queue_put(&k->pending, out + sent, n - sent) != n - sent) {
            pxi_free(out);
            return false;
        }
    }
    pxi_free(out);
    return true;
}

/* After close: end the stream behind what was pulled, and wait for the other side a while. */
static void finish(struct streamlink *k)
{
    if (k->pending.n || k->ended)
        return;
    k->ended = true;
    pxi_stream_end(k->stream);
}

static void fire(struct pxi_timer *t, uint64_t now_ns)
{
    struct streamlink *k = PXI_OF(t, struct streamlink, timer);
    if (k->fresh && !k->closing)
        pxi_stream_resume(k->stream);
    k->fresh = false;
    if (k->closing || !pump(k)) {
        pxi_stream_reset(k->stream);
        streamlink_lost(k, PX_ERR_NOMEM);
    }
}

static void link_wake(struct pxi_link *l)
{
    struct streamlink *k = PXI_OF(l, struct streamlink, link);
    if (!k->closing && !k->timer.armed)
        pxi_timer_after(k->timers, &k->timer, 0);
}

static void link_close(struct pxi_link *l)
{
    struct streamlink *k = PXI_OF(l, struct streamlink, link);
    k->closing = true;
    pxi_timer_after(k->timers, &k->timer, PXI_LIMIT_RELAY_LINGER_MS * PXI_MS);
    finish(k);
}

static void link_want(struct pxi_link *l, bool more)
{
    struct streamlink *k = PXI_OF(l, struct streamlink, link);
    k->paused = !more;
    if (more)
        pxi_stream_resume(k->stream);
}

static const struct pxi_link_ops link_ops = {link_wake, link_close, link_want};

/* The upper side decrypts in place, the stream's bytes are not ours: a copy, a piece at a time. */
static size_t on_data(struct pxi_stream *s, px_view bytes)
{
    struct streamlink *k = s->user;
    uint8_t *piece = NULL;
    size_t used = 0;
    if (!k->closing && !k->link.on)
        return 0;
    if (!k->closing && !k->paused)
        piece = pxi_realloc(NULL, PUSH, 1);
    while (piece && used < bytes.n && !k->closing && !k->paused) {
        size_t n = pxi_min(PUSH, bytes.n - used);
        memcpy(piece, bytes.p + used, n);
        used += n;
        k->link.on->push(&k->link, piece, n);
    }
    pxi_free(piece);
    return k->closing ? bytes.n : used;
}

static void on_writable(struct pxi_stream *s)
{
    struct streamlink *k = s->user;
    if (k->closing) {
        pending_write(k);
        finish(k);
    } else {
        link_wake(&k->link);
    }
}

static void on_ended(struct pxi_stream *s)
{
    struct streamlink *k = s->user;
    if (k->closing && k->ended)
        return; /* closed follows */
    pxi_stream_reset(s);
    streamlink_lost(k, PX_ERR_RESET);
}

static void on_closed(struct pxi_stream *s, px_err why)
{
    streamlink_lost(s->user, why ? why : PX_ERR_RESET);
}

static const struct pxi_stream_events stream_events = {
    .data = on_data, .ended = on_ended, .writable = on_writable, .closed = on_closed};

struct pxi_link *pxi_streamlink_new(struct pxi_stream *s, struct pxi_timers *timers)
{
    struct streamlink *k = pxi_calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->link.ops = &link_ops;
    k->stream = s;
    k->timers = timers;
    k->timer.fire = fire;
    k->pending.max = PULL;
    pxi_stream_own(s, &stream_events, k);
    k->fresh = true;
    pxi_timer_after(timers, &k->timer, 0);
    return &k->link;
}
