/* The test protocols that an interop peer serves: echo, perf, request-response. */
#include "base/mem.h"
#include "codec/varint.h"
#include "crypto/hash.h"
#include "node/node_impl.h"

enum { BLOCK = 65536 };
static const uint8_t zeros[BLOCK];

/* ------------------------------------------------------------------------ echo */

static size_t echo_data(struct pxi_stream *st, px_view bytes)
{
    return pxi_stream_write(st, bytes);
}

static void echo_more(struct pxi_stream *st)
{
    pxi_stream_resume(st);
}

static void echo_end(struct pxi_stream *st)
{
    pxi_stream_end(st);
}

static void echo_accept(void *ctx, struct pxi_stream *st)
{
    static const struct pxi_stream_events on = {
        .data = echo_data, .writable = echo_more, .ended = echo_end};
    pxi_stream_own(st, &on, NULL);
}

/* ------------------------------------------------------------------------ perf */

struct perf {
    uint64_t want; /* bytes that still go back */
    unsigned head; /* bytes of the number read */
    bool ended;
};

static void perf_send(struct pxi_stream *st)
{
    struct perf *p = st->user;
    if (!p->ended)
        return;
    while (p->want) {
        size_t n = p->want < BLOCK ? (size_t)p->want : BLOCK;
        size_t taken = pxi_stream_write(st, px_view_of(zeros, n));
        p->want -= taken;
        if (taken < n)
            return;
    }
    pxi_stream_end(st);
}

static size_t perf_data(struct pxi_stream *st, px_view bytes)
{
    struct perf *p = st->user;
    for (size_t i = 0; i < bytes.n && p->head < 8; i++, p->head++)
        p->want = p->want << 8 | bytes.p[i];
    return bytes.n;
}

static void perf_end(struct pxi_stream *st)
{
    struct perf *p = st->user;
    if (p->head < 8) {
        pxi_stream_reset(st);
        pxi_free(p);
        return;
    }
    p->ended = true;
    perf_send(st);
}

static void perf_closed(struct pxi_stream *st, px_err why)
{
    pxi_free(st->user);
}

static void perf_accept(void *ctx, struct pxi_stream *st)
{
    static const struct pxi_stream_events on = {
        .data = perf_data, .writable = perf_send, .ended = perf_end, .closed = perf_closed};
    struct perf *p = pxi_calloc(1, sizeof *p);
    if (p)
        pxi_stream_own(st, &on, p);
    else
        pxi_stream_reset(st);
}

/* ------------------------------------------------------------ request-response */

struct reqres {
    struct pxi_sha256 *hash;
    uint64_t left; /* bytes of the request that are to come */
    uint8_t head[PXI_VARINT_MAX];
    unsigned head_n;
};

static bool answer(struct pxi_stream *st, struct reqres *r)
{
    uint8_t out[PXI_DIGEST + 1] = {PXI_DIGEST};
    if (pxi_stream_room(st) < sizeof out)
        return false;
    pxi_sha256_end(r->hash, out + 1);
    r->hash = NULL;
    r->head_n = 0;
    pxi_stream_write(st, px_view_of(out, sizeof out));
    return true;
}

/* Take one request, or as much of it as is there; 0 bytes: wait. -1: malformed. */
static ptrdiff_t request_part(struct pxi_stream *st, struct reqres *r, px_view in)
{
    if (!r->hash) {
        size_t used = 0;
        int n = 0;
        while (used < in.n && !n && r->head_n < sizeof r->head) {
            r->head[r->head_n++] = in.p[used++];
            n = pxi_varint_get(px_view_of(r->head, r->head_n), &r->left);
        }
        if (n < 0 || (!n && r->head_n == sizeof r->head))
            return -1;
        if (!n)
            return (ptrdiff_t)used;
        r->hash = pxi_sha256_begin();
        if (!r->hash)
            return -1;
        if (!r->left && !answer(st, r))
            return -1;
        return (ptrdiff_t)used;
    }
    size_t n = r->left < in.n ? (size_t)r->left : in.n;
    if (n == r->left && pxi_stream_room(st) < PXI_DIGEST + 1) {
        pxi_stream_write(st, px_view_of(zeros, 0));
        return 0;
    }
    pxi_sha256_add(r->hash, px_view_of(in.p, n));
    r->left -= n;
    if (!r->left)
        answer(st, r);
    return (ptrdiff_t)n;
}

static void reqres_drop(struct reqres *r)
{
    if (r->hash)
        pxi_sha256_drop(r->hash);
    pxi_free(r);
}

static size_t reqres_data(struct pxi_stream *st, px_view bytes)
{
    struct reqres *r = st->user;
    size_t at = 0;
    while (at < bytes.n) {
        ptrdiff_t n = request_part(st, r, px_view_of(bytes.p + at, bytes.n - at));
        if (n < 0) {
            pxi_stream_reset(st);
            reqres_drop(r);
            return bytes.n;
        }
        if (n == 0)
            break;
        at += (size_t)n;
    }
    return at;
}

static void reqres_closed(struct pxi_stream *st, px_err why)
{
    reqres_drop(st->user);
}

static void reqres_accept(void *ctx, struct pxi_stream *st)
{
    static const struct pxi_stream_events on = {
        .data = reqres_data, .writable = echo_more, .ended = echo_end, .closed = reqres_closed};
    struct reqres *r = pxi_calloc(1, sizeof *r);
    if (r)
        pxi_stream_own(st, &on, r);
    else
        pxi_stream_reset(st);
}

px_err pxi_serve_tests(px_node *n)
{
    unsigned limited = PXI_HANDLE_LIMITED;
    px_err err = pxi_host_handle(n->host, "/echo/1.0.0", limited, echo_accept, n);
    if (err == PX_ERR_OK)
        err = pxi_host_handle(n->host, "/perf/1.0.0", limited, perf_accept, n);
    if (err == PX_ERR_OK)
        err = pxi_host_handle(n->host, "/interop/reqres/1.0.0", limited, reqres_accept, n);
    return err;
}
