/* Operations that open a test stream to a peer: echo, reqres, perf, raw. */
#include "base/mem.h"
#include "codec/varint.h"
#include "crypto/hash.h"
#include "node/call.h"

enum { BLOCK = 65536 };
static const uint8_t zeros[BLOCK];
static const struct pxi_stream_events nobody; /* of a stream that ends by itself */

/* What one of these operations is doing. */
struct streaming {
    struct pxi_stream *stream;
    uint8_t *bytes; /* echo: what was sent; reqres: one request with its length */
    uint64_t total, sent, got, want, count, began_ns, up_ns;
    size_t piece;
    uint8_t head[8];
    unsigned head_sent;
    uint8_t digest[PXI_DIGEST + 1];
    bool ended, fresh;
};

static void stream_drop(struct pxi_call *c)
{
    struct streaming *s = c->state;
    if (s->stream)
        pxi_stream_reset(s->stream);
    pxi_free(s->bytes);
    pxi_free(s);
}

static struct streaming *begin(struct pxi_call *c)
{
    struct streaming *s = pxi_calloc(1, sizeof *s);
    if (!s) {
        pxi_call_fail(c, PX_ERR_NOMEM, NULL);
        return NULL;
    }
    c->state = s;
    c->drop = stream_drop;
    return s;
}

static void on_closed(struct pxi_stream *st, px_err why)
{
    struct pxi_call *c = st->user;
    struct streaming *s = c->state;
    s->stream = NULL;
    pxi_call_fail(c, why ? why : PX_ERR_RESET, why ? NULL : "the stream ended too early");
}

/* Open the stream of an operation; the call fails when that is not possible. */
static bool open_stream(struct pxi_call *c, struct pxi_conn *conn, const char *const *protocol,
                        const struct pxi_stream_events *on)
{
    struct streaming *s = c->state;
    if (!s->began_ns)
        s->began_ns = pxi_loop_now(c->node->loop);
    s->stream = pxi_host_open(conn, protocol, 1, on, c);
    if (!s->stream)
        pxi_call_fail(c, PX_ERR_LIMIT, "no stream can be opened");
    return s->stream != NULL;
}

/* Send from the position until everything is sent or there is no room; true at the end. */
static bool send_bytes(struct streaming *s, const uint8_t *from, size_t piece)
{
    while (s->sent < s->total) {
        uint64_t left = s->total - s->sent;
        size_t n = left < piece ? (size_t)left : piece;
        const uint8_t *p = from == zeros ? zeros : from + s->sent;
        size_t taken = pxi_stream_write(s->stream, px_view_of(p, n));
        s->sent += taken;
        if (taken < n)
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------------ echo */

static void echo_send(struct pxi_stream *st)
{
    struct pxi_call *c = st->user;
    struct streaming *s = c->state;
    if (!s->ended && send_bytes(s, s->bytes, s->piece)) {
        s->ended = true;
        pxi_stream_end(st);
    }
}

static size_t echo_data(struct pxi_stream *st, px_view bytes)
{
    struct pxi_call *c = st->user;
    struct streaming *s = c->state;
    if (bytes.n > s->sent - s->got || memcmp(s->bytes + s->got, bytes.p, bytes.n)) {
        pxi_call_fail(c, PX_ERR_PROTOCOL, "echo mismatch");
        return bytes.n;
    }
    s->got += bytes.n;
    return bytes.n;
}

static void echo_end(struct pxi_stream *st)
{
    struct pxi_call *c = st->user;
    struct streaming *s = c->state;
    if (s->got != s->total) {
        pxi_call_fail(c, PX_ERR_PROTOCOL, "echo is too short");
        return;
    }
    json_t *out = json_pack("{s:I, s:f, s:s}", "bytes", (json_int_t)s->got, "ms",
                            pxi_ms_since(c->node, s->began_ns), "protocol", st->protocol);
    s->stream = NULL; /* both sides have ended: it closes by itself */
    pxi_stream_own(st, &nobody, NULL);
    pxi_call_ok(c, out);
}

static void echo_on(struct pxi_call *c, struct pxi_conn *conn)
{
    static const struct pxi_stream_events on = {
        .data = echo_data, .ended = echo_end, .writable = echo_send, .closed = on_closed};
    static const char *const protocol[] = {"/echo/1.0.0"};
    struct streaming *s = begin(c);
    if (!s)
        return;
    s->total = pxi_call_uint(c, "bytes", BLOCK);
    s->piece = (size_t)pxi_call_uint(c, "chunk", BLOCK);
    s->piece = s->piece ? s->piece : 1;
    s->bytes = s->total <= 1 << 30 ? pxi_calloc(s->total ? s->total : 1, 1) : NULL;
    if (!s->bytes) {
        pxi_call_fail(c, PX_ERR_LIMIT, "too many bytes");
        return;
    }
    pxi_random_fill(pxi_host_random(c->node->host), s->bytes, s->total);
    if (open_stream(c, conn, protocol, &on))
        echo_send(s->stream);
}

static void op_echo(struct pxi_call *c)
{
    pxi_call_meet(c, false, echo_on);
}

/* ---------------------------------------------------------------------- reqres */

static void request_send(struct pxi_stream *st)
{
    struct pxi_call *c = st->user;
    struct streaming *s = c->state;
    send_bytes(s, s->bytes, BLOCK);
}

/* A new request: its length, random bytes, and the digest that must come back. */
static void request_new(struct pxi_call *c, size_t size)
{
    struct streaming *s = c->state;
    size_t n = pxi_varint_put(s->bytes, size);
    pxi_random_fill(pxi_host_random(c->node->host), s->bytes + n, size);
    s->digest[0] = PXI_DIGEST;
    pxi_sha256(px_view_of(s->bytes + n, size), s->digest + 1);
    s->total = n + size;
    s->sent = s->got = 0;
    request_send(s->stream);
}

static bool request_open(struct pxi_call *c, struct pxi_conn *conn);

/* The answer is whole: the next request, on a stream of its own if that was asked for, or the end.
 */
static void request_done(struct pxi_call *c, struct pxi_stream *st)
{
    struct streaming *s = c->state;
    bool more = ++s->count < s->want;
    if (more && !s->fresh) {
        request_new(c, s->piece);
        return;
    }
    s->stream = NULL;
    pxi_stream_own(st, &nobody, NULL);
    pxi_stream_end(st);
    if (!more)
        pxi_call_ok(c, json_pack("{s:I, s:b, s:f}", "count", (json_int_t)s->count, "fresh",
                                 s->fresh, "ms", pxi_ms_since(c->node, s->began_ns)));
    else if (request_open(c, st->conn))
        request_new(c, s->piece);
}

static size_t request_data(struct pxi_stream *st, px_view bytes)
{
    struct pxi_call *c = st->user;
    struct streaming *s = c->state;
    if (bytes.n > sizeof s->digest - s->got || memcmp(s->digest + s->got, bytes.p, bytes.n)) {
        pxi_call_fail(c, PX_ERR_PROTOCOL, "bad response");
        return bytes.n;
    }
    s->got += bytes.n;
    if (s->got == sizeof s->digest)
        request_done(c, st);
    return bytes.n;
}

static bool request_open(struct pxi_call *c, struct pxi_conn *conn)
{
    static const struct pxi_stream_events on = {
        .data = request_data, .writable = request_send, .closed = on_closed};
    static const char *const protocol[] = {"/interop/reqres/1.0.0"};
    return open_stream(c, conn, protocol, &on);
}

/* "count" requests of "bytes" bytes one after the other, on one stream, or ("fresh") each on one.
 */
static void reqres_on(struct pxi_call *c, struct pxi_conn *conn)
{
    struct streaming *s = begin(c);
    if (!s)
        return;
    s->piece = (size_t)pxi_call_uint(c, "bytes", 1000);
    s->want = pxi_call_uint(c, "count", 1);
    s->fresh = pxi_call_true(c, "fresh");
    s->bytes = s->piece <= 1 << 26 ? pxi_calloc(s->piece + PXI_VARINT_MAX, 1) : NULL;
    if (!s->bytes) {
        pxi_call_fail(c, PX_ERR_LIMIT, "too many bytes");
        return;
    }
    if (request_open(c, conn))
        request_new(c, s->piece);
}

static void op_reqres(struct pxi_call *c)
{
    pxi_call_meet(c, false, reqres_on);
}

/* ------------------------------------------------------------------------ perf */

static void perf_send(struct pxi_stream *st)
{
    struct pxi_call *c = st->user;
    struct streaming *s = c->state;
    if (s->ended)
        return;
    if (s->head_sent < sizeof s->head)
        s->head_sent += (unsigned)pxi_stream_write(
            st, px_view_of(s->head + s->head_sent, sizeof s->head - s->head_sent));
    if (s->head_sent == sizeof s->head && send_bytes(s, zeros, BLOCK)) {
        s->ended = true;
        s->up_ns = pxi_loop_now(c->node->loop);
        pxi_stream_end(st);
    }
}

static size_t perf_data(struct pxi_stream *st, px_view bytes)
{
    struct pxi_call *c = st->user;
    ((struct streaming *)c->state)->got += bytes.n;
    return bytes.n;
}

static void perf_end(struct pxi_stream *st)
{
    struct pxi_call *c = st->user;
    struct streaming *s = c->state;
    if (s->got != s->want) {
        pxi_call_fail(c, PX_ERR_PROTOCOL, "perf sent another number of bytes");
        return;
    }
    double seconds = pxi_ms_since(c->node, s->began_ns) / 1e3;
    json_t *out = json_pack("{s:I, s:I, s:f, s:f, s:f}", "up", (json_int_t)s->total, "down",
                            (json_int_t)s->got, "seconds", seconds, "MBps",
                            (double)(s->total + s->got) / 1e6 / seconds, "uploadSeconds",
                            (double)(s->up_ns - s->began_ns) / 1e9);
    s->stream = NULL;
    pxi_stream_own(st, &nobody, NULL);
    pxi_call_ok(c, out);
}

/* Tell how far it is, every "interval" ms. */
static void perf_tick(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_call *c = PXI_OF(t, struct pxi_call, timer);
    struct streaming *s = c->state;
    pxi_timer_after(pxi_loop_timers(c->node->loop), t, pxi_call_uint(c, "interval", 0) * PXI_MS);
    pxi_call_progress(c, json_pack("{s:f, s:I, s:I}", "seconds",
                                   pxi_ms_since(c->node, s->began_ns) / 1e3, "up",
                                   (json_int_t)s->sent, "down", (json_int_t)s->got));
}

static void perf_on(struct pxi_call *c, struct pxi_conn *conn)
{
    static const struct pxi_stream_events on = {
        .data = perf_data, .ended = perf_end, .writable = perf_send, .closed = on_closed};
    static const char *const protocol[] = {"/perf/1.0.0"};
    struct streaming *s = begin(c);
    if (!s)
        return;
    s->total = pxi_call_uint(c, "up", 0);
    s->want = pxi_call_uint(c, "down", 0);
    for (int i = 0; i < 8; i++)
        s->head[i] = (uint8_t)(s->want >> (56 - 8 * i));
    if (!open_stream(c, conn, protocol, &on))
        return;
    if (pxi_call_uint(c, "interval", 0)) {
        c->timer.fire = perf_tick;
        pxi_timer_after(pxi_loop_timers(c->node->loop), &c->timer,
                        pxi_call_uint(c, "interval", 0) * PXI_MS);
    }
    perf_send(s->stream);
}

static void op_perf(struct pxi_call *c)
{
    pxi_call_meet(c, false, perf_on);
}

/* ------------------------------------------------------------------------- raw */

static void raw_send(struct pxi_stream *st)
{
    struct pxi_call *c = st->user;
    struct streaming *s = c->state;
    if (!s->ended && send_bytes(s, zeros, 16384)) {
        s->ended = true;
        pxi_stream_end(st);
    }
}

/* The protocol's name belongs to the command: the reply waits until the stream is gone. */
static void raw_closed(struct pxi_stream *st, px_err why)
{
    struct pxi_call *c = st->user;
    struct streaming *s = c->state;
    s->stream = NULL;
    if (why != PX_ERR_OK) {
        pxi_call_fail(c, why, NULL);
        return;
    }
    pxi_call_ok(c, json_pack("{s:I, s:f}", "got", (json_int_t)s->got, "ms",
                             pxi_ms_since(c->node, s->began_ns)));
}

static void raw_end(struct pxi_stream *st)
{
    struct pxi_call *c = st->user;
    struct streaming *s = c->state;
    s->ended = true;
    pxi_stream_end(st);
}

static void raw_on(struct pxi_call *c, struct pxi_conn *conn)
{
    static const struct pxi_stream_events on = {
        .data = perf_data, .ended = raw_end, .writable = raw_send, .closed = raw_closed};
    struct streaming *s = begin(c);
    if (!s)
        return;
    s->total = pxi_call_uint(c, "bytes", 0);
    const char *name = pxi_call_text(c, "protocol");
    const char *const protocol[] = {name ? name : ""};
    if (open_stream(c, conn, protocol, &on))
        raw_send(s->stream);
}

static void op_raw(struct pxi_call *c)
{
    pxi_call_meet(c, false, raw_on);
}

const struct pxi_op pxi_ops_stream[] = {
    {"echo", op_echo}, {"reqres", op_reqres}, {"perf", op_perf}, {"raw", op_raw}, {NULL, NULL},
};
