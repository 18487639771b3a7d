/*
 * HTTP by libwebsockets. It parses the header and hands out the body; replies are written as raw
 * bytes, several events in one write. It is driven by its own libuv plug-in on our loop.
 */
#include "io/http.h"

#include <arpa/inet.h>
#include <libwebsockets.h>
#include <sys/socket.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/queue.h"
#include "io/loop.h"

enum {
    WRITE_BYTES = 65536,
    LINGER_S = 2,
    HEADER_SLACK = 2,
    CLOSE_ROUNDS = 4,
    CLOSE_ROUNDS_MAX = 1000
};

enum state {
    IDLE,    /* between requests */
    READING, /* the body comes */
    ASKED,   /* the owner has the request, and x is its own */
    ENDED,   /* the reply is complete, not all of it is written */
    LINGER,  /* the reply is written and half the connection closed; what comes is ignored */
};

struct conn {
    struct pxi_http_exchange x;
    struct pxi_http *server;
    struct lws *wsi;
    enum state state;
    bool inside; /* libwebsockets is calling: bytes are written on return */
    bool doomed; /* being cut */
    bool stalls; /* bytes wait for the client */
    struct pxi_queue out;
    struct pxi_buf head, body; /* texts of the header; body */
    struct pxi_http_request r;
    struct pxi_timer timer;
    uint64_t ignored;
};

struct pxi_http {
    struct pxi_loop *loop;
    struct lws_context *lws;
    const struct pxi_http_owner *owner;
    void *ctx;
    struct pxi_http_use use;
    uint64_t bodies, queued; /* bytes of all bodies in memory, and of replies */
    uint16_t port;
    bool closing;
    void *loops[1];
    struct lws_protocols protocols[2];
};

/* --------------------------------------------------------------------- ends */

static void cut(struct conn *c)
{
    if (c->doomed)
        return;
    c->doomed = true;
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

static void forget_request(struct conn *c)
{
    c->server->bodies -= c->body.cap;
    pxi_buf_deinit(&c->body);
    pxi_buf_deinit(&c->head);
    c->r = (struct pxi_http_request){0};
    pxi_timer_disarm(pxi_loop_timers(c->server->loop), &c->timer);
}

/* The owner hears once that its exchange is gone. */
static void gone(struct conn *c)
{
    bool owned = c->state == ASKED;
    forget_request(c);
    c->server->queued -= c->out.n;
    pxi_queue_clear(&c->out);
    c->state = IDLE;
    c->doomed = true;
    if (owned && c->x.closed)
        c->x.closed(&c->x);
}

static void too_late(struct pxi_timer *t, uint64_t now_ns)
{
    struct conn *c = PXI_OF(t, struct conn, timer);
    c->server->use.dropped++;
    cut(c);
}

/* ------------------------------------------------------------------ replies */

/* The reply is written: ready for the next request, or half closed. Not 0: close at once. */
static int finish(struct conn *c)
{
    forget_request(c);
    if (c->x.keep) {
        c->state = IDLE;
        return lws_http_transaction_completed(c->wsi) ? -1 : 0;
    }
    /* Closing with bytes unread would reset the connection under the reply. */
    c->state = LINGER;
    shutdown(lws_get_socket_fd(c->wsi), SHUT_WR);
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_OK, LINGER_S);
    return 0;
}

/* Write what is queued, as much as one write may take. */
static int flush(struct conn *c)
{
    if (c->doomed || (c->state != ASKED && c->state != ENDED))
        return 0;
    uint8_t *buf = pxi_loop_out(c->server->loop) + LWS_PRE;
    size_t n = 0;
    if (!lws_partial_buffered(c->wsi))
        n = pxi_queue_get(&c->out, buf, WRITE_BYTES);
    c->server->queued -= n;
    if (n && lws_write(c->wsi, buf, n, LWS_WRITE_HTTP) < 0)
        return -1;
    if (c->out.n || lws_partial_buffered(c->wsi)) {
        lws_callback_on_writable(c->wsi);
        if (n)
            lws_set_timeout(c->wsi, PENDING_TIMEOUT_HTTP_CONTENT, PXI_LIMIT_HTTP_STALL_S);
        c->stalls = true;
        return 0;
    }
    if (c->state == ENDED)
        return finish(c);
    if (c->stalls)
        lws_set_timeout(c->wsi, NO_PENDING_TIMEOUT, 0);
    c->stalls = false;
    return 0;
}

static bool op_send(struct pxi_http_exchange *x, px_view bytes)
{
    struct conn *c = (struct conn *)x;
    /* A reply that is one piece may be larger than what a stream may leave lying. */
    c->out.max = c->out.n ? PXI_LIMIT_HTTP_QUEUE_BYTES : PXI_LIMIT_HTTP_REPLIES_BYTES;
    bool room = bytes.n <= PXI_LIMIT_HTTP_REPLIES_BYTES - c->server->queued;
    if (c->doomed || !room || pxi_queue_put(&c->out, bytes.p, bytes.n) < bytes.n) {
        c->server->use.dropped++;
        return false;
    }
    c->server->queued += bytes.n;
    if (!c->inside)
        lws_callback_on_writable(c->wsi);
    return true;
}

static void op_end(struct pxi_http_exchange *x)
{
    struct conn *c = (struct conn *)x;
    c->state = ENDED;
    if (!c->inside && !c->doomed)
        lws_callback_on_writable(c->wsi);
}

static void op_drop(struct pxi_http_exchange *x)
{
    struct conn *c = (struct conn *)x;
    c->state = ENDED;
    cut(c);
}

static size_t op_queued(const struct pxi_http_exchange *x)
{
    return ((const struct conn *)x)->out.n;
}

static const struct pxi_http_ops ops = {op_send, op_end, op_drop, op_queued};

/* ----------------------------------------------------------------- requests */

/* Copy a header's text into the buffer of the request, whose memory does not move. */
static px_view header(struct conn *c, enum lws_token_indexes token)
{
    int n = lws_hdr_total_length(c->wsi, token);
    px_view out = {0};
    if (n <= 0 || (size_t)n + 1 > c->head.cap - c->head.n)
        return out;
    char *at = (char *)c->head.p + c->head.n;
    if (lws_hdr_copy(c->wsi, at, (int)(c->head.cap - c->head.n), token) != n)
        return out;
    c->head.n += (size_t)n + 1;
    return px_view_of(at, (size_t)n);
}

static px_view query(struct conn *c)
{
    px_view first = {0};
    char part[2048];
    for (int i = 0, n;
         (n = lws_hdr_copy_fragment(c->wsi, part, sizeof part, WSI_TOKEN_HTTP_URI_ARGS, i)) >= 0;
         i++) {
        if ((size_t)n + 1 > c->head.cap - c->head.n)
            break;
        char *at = (char *)c->head.p + c->head.n;
        if (!first.p)
            first.p = (const uint8_t *)at;
        else
            first.n++;
        memcpy(at, part, (size_t)n);
        at[n] = '&';
        c->head.n += (size_t)n + 1;
        first.n += (size_t)n;
    }
    return first;
}

static px_view custom(struct conn *c, const char *name)
{
    int n = lws_hdr_custom_length(c->wsi, name, (int)strlen(name));
    px_view out = {0};
    if (n <= 0 || (size_t)n + 1 > c->head.cap - c->head.n)
        return out;
    char *at = (char *)c->head.p + c->head.n;
    if (lws_hdr_custom_copy(c->wsi, at, (int)(c->head.cap - c->head.n), name, (int)strlen(name)) <
        0)
        return out;
    c->head.n += (size_t)n + 1;
    return px_view_of(at, (size_t)n);
}

static enum pxi_http_method method(struct conn *c, px_view *path)
{
    static const struct {
        enum lws_token_indexes token;
        enum pxi_http_method method;
    } table[] = {{WSI_TOKEN_GET_URI, PXI_HTTP_GET},     {WSI_TOKEN_POST_URI, PXI_HTTP_POST},
                 {WSI_TOKEN_HEAD_URI, PXI_HTTP_HEAD},   {WSI_TOKEN_OPTIONS_URI, PXI_HTTP_OPTIONS},
                 {WSI_TOKEN_PUT_URI, PXI_HTTP_OTHER},   {WSI_TOKEN_PATCH_URI, PXI_HTTP_OTHER},
                 {WSI_TOKEN_DELETE_URI, PXI_HTTP_OTHER}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (lws_hdr_total_length(c->wsi, table[i].token) > 0) {
            *path = header(c, table[i].token);
            return table[i].method;
        }
    return PXI_HTTP_OTHER;
}

/* Digits only, so that two lengths joined by a comma are none. */
static bool length_of(px_view v, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9' || *out > UINT64_MAX / 100)
            return false;
        *out = *out * 10 + (v.p[i] - '0');
    }
    return v.n != 0;
}

/* Sum of the headers that libwebsockets keeps. */
static size_t header_bytes(struct conn *c)
{
    size_t n = 0;
    for (int t = 0; t < WSI_TOKEN_COUNT; t++) {
        int one = lws_hdr_total_length(c->wsi, t);
        n += one > 0 ? (size_t)one : 0;
    }
    return n;
}

static unsigned trouble(struct conn *c)
{
    struct pxi_http_request *r = &c->r;
    px_view length = header(c, WSI_TOKEN_HTTP_CONTENT_LENGTH);
    if (lws_hdr_total_length(c->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0)
        return length.n ? 400 : 411;
    if (length.n && !length_of(length, &r->length))
        return 400;
    if (!length.n && lws_hdr_total_length(c->wsi, WSI_TOKEN_POST_URI) > 0)
        return 411;
    if (!length.n && r->method == PXI_HTTP_OTHER)
        return 405;
    if (header_bytes(c) > PXI_LIMIT_HTTP_HEADER_BYTES)
        return 431;
    if (r->length > PXI_LIMIT_HTTP_BODY_BYTES)
        return 413;
    return r->length > PXI_LIMIT_HTTP_BODIES_BYTES - c->server->bodies ? 503 : 0;
}

static bool read_head(struct conn *c)
{
    struct pxi_http_request *r = &c->r;
    *r = (struct pxi_http_request){0};
    c->head.max = (size_t)HEADER_SLACK * PXI_LIMIT_HTTP_HEADER_BYTES;
    c->head.cap = header_bytes(c) + 4096;
    c->head.p = pxi_calloc(1, c->head.cap);
    if (!c->head.p)
        return false;
    r->method = method(c, &r->path);
    r->refuse = trouble(c);
    r->query = query(c);
    r->host = header(c, WSI_TOKEN_HOST);
    r->origin = header(c, WSI_TOKEN_ORIGIN);
    r->authorization = header(c, WSI_TOKEN_HTTP_AUTHORIZATION);
    r->content_type = header(c, WSI_TOKEN_HTTP_CONTENT_TYPE);
    r->last_event_id = custom(c, "last-event-id:");
    px_view version = header(c, WSI_TOKEN_HTTP), going = header(c, WSI_TOKEN_CONNECTION);
    bool new_version = version.n == 8 && memcmp(version.p, "HTTP/1.1", 8) == 0;
    bool close = going.n == 5 && strncasecmp((const char *)going.p, "close", 5) == 0;
    c->x = (struct pxi_http_exchange){.ops = &ops,
                                      .chunked = new_version,
                                      .keep = new_version && !close && !r->refuse,
                                      .head = r->method == PXI_HTTP_HEAD};
    return true;
}

/* libwebsockets has no timeout pending when a request is complete. */
static int asked(struct conn *c)
{
    c->state = ASKED;
    pxi_timer_disarm(pxi_loop_timers(c->server->loop), &c->timer);
    c->server->use.requests++;
    c->r.body = px_view_of(c->body.p, c->body.n);
    c->server->owner->request(c->server->ctx, &c->x, &c->r);
    if (c->state == ASKED)
        forget_request(c);
    return flush(c);
}

static int begin(struct conn *c)
{
    struct pxi_http *h = c->server;
    if (c->state != IDLE || !read_head(c))
        return -1;
    c->state = ASKED;
    if (!h->owner->head(h->ctx, &c->x, &c->r)) {
        h->use.refused++;
        if (c->r.length)
            c->x.keep = false; /* its body is not read */
        return flush(c);
    }
    if (!c->r.length)
        return asked(c);
    c->body.max = (size_t)c->r.length;
    c->state = READING;
    pxi_timer_after(pxi_loop_timers(h->loop), &c->timer, PXI_LIMIT_HTTP_REQUEST_MS * PXI_MS);
    return 0;
}

static int body(struct conn *c, const void *p, size_t n)
{
    if (c->state != READING) {
        c->ignored += n;
        return c->ignored > PXI_LIMIT_HTTP_LINGER_BYTES ? -1 : 0;
    }
    size_t before = c->body.cap;
    bool ok = pxi_buf_add(&c->body, p, n);
    c->server->bodies += c->body.cap - before;
    return ok && c->server->bodies <= PXI_LIMIT_HTTP_BODIES_BYTES ? 0 : -1;
}

/* --------------------------------------------------------- libwebsockets */

static int on_new(struct pxi_http *h, struct lws *wsi)
{
    struct conn *c = pxi_calloc(1, sizeof *c);
    if (!c)
        return -1;
    c->server = h;
    c->wsi = wsi;
    c->timer.fire = too_late;
    lws_set_opaque_user_data(wsi, c);
    h->use.connections++;
    h->use.accepted++;
    return 0;
}

static void on_gone(struct pxi_http *h, struct conn *c)
{
    gone(c);
    lws_set_opaque_user_data(c->wsi, NULL);
    h->use.connections--;
    pxi_free(c);
}

static int on_conn(struct conn *c, enum lws_callback_reasons reason, void *in, size_t n)
{
    int rc = 0;
    pxi_loop_now(c->server->loop);
    c->inside = true;
    if (reason == LWS_CALLBACK_HTTP)
        rc = begin(c);
    else if (reason == LWS_CALLBACK_HTTP_BODY)
        rc = body(c, in, n);
    else if (reason == LWS_CALLBACK_HTTP_BODY_COMPLETION)
        rc = c->state == READING ? asked(c) : 0;
    else if (reason == LWS_CALLBACK_HTTP_WRITEABLE)
        rc = flush(c);
    else if (reason == LWS_CALLBACK_HTTP_CONFIRM_UPGRADE)
        rc = -1;
    c->inside = false;
    return rc;
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t n)
{
    struct lws_context *context = wsi ? lws_get_context(wsi) : NULL;
    struct pxi_http *h = context ? lws_context_user(context) : NULL;
    if (!h)
        return 0;
    struct conn *c = lws_get_opaque_user_data(wsi);
    switch ((int)reason) {
    case LWS_CALLBACK_FILTER_NETWORK_CONNECTION:
        return h->closing || h->use.connections >= PXI_LIMIT_HTTP_CONNS;
    case LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED: return on_new(h, wsi);
    case LWS_CALLBACK_HTTP:
    case LWS_CALLBACK_HTTP_BODY:
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
    case LWS_CALLBACK_HTTP_WRITEABLE:
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE: return c ? on_conn(c, reason, in, n) : -1;
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_WSI_DESTROY:
        if (c)
            on_gone(h, c);
        return 0;
    default: return 0;
    }
}

/* ------------------------------------------------------------------- server */

static bool is_address(const char *s)
{
    uint8_t a[16];
    return inet_pton(AF_INET, s, a) == 1 || inet_pton(AF_INET6, s, a) == 1;
}

/* Is the port free? libwebsockets only says that something failed. */
static px_err probe(const char *address, uint16_t port)
{
    struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    bool v4 = inet_pton(AF_INET, address, &a4.sin_addr) == 1;
    if (!v4 && inet_pton(AF_INET6, address, &a6.sin6_addr) != 1)
        return PX_ERR_INVALID;
    int one = 1, fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return PX_ERR_IO;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    int rc = v4 ? bind(fd, (struct sockaddr *)&a4, sizeof a4)
                : bind(fd, (struct sockaddr *)&a6, sizeof a6);
    int bound = rc == 0 && listen(fd, 1) == 0;
    close(fd);
    return bound ? PX_ERR_OK : PX_ERR_REFUSED;
}

static struct lws_context *context_new(struct pxi_http *h, const char *address, uint16_t port)
{
    struct lws_context_creation_info info = {0};
    lws_set_log_level(0, NULL);
    h->loops[0] = pxi_loop_uv(h->loop);
    h->protocols[0] = (struct lws_protocols){.name = "http", .callback = callback};
    info.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_DISABLE_IPV6;
    if (strchr(address, ':'))
        info.options &= ~(uint64_t)LWS_SERVER_OPTION_DISABLE_IPV6;
    info.foreign_loops = h->loops;
    info.pcontext = &h->lws;
    info.user = h;
    info.fd_limit_per_thread = PXI_LIMIT_HTTP_CONNS + 16;
    info.max_http_header_data = HEADER_SLACK * PXI_LIMIT_HTTP_HEADER_BYTES - 1;
    info.max_http_header_pool = PXI_LIMIT_HTTP_CONNS; /* a stream keeps its header */
    info.timeout_secs = PXI_LIMIT_HTTP_REQUEST_MS / 1000;
    info.timeout_secs_ah_idle = PXI_LIMIT_HTTP_REQUEST_MS / 1000;
    info.keepalive_timeout = PXI_LIMIT_HTTP_IDLE_S;
    info.gid = (gid_t)-1;
    info.uid = (uid_t)-1;
    struct lws_context *lws = lws_create_context(&info);
    if (!lws)
        return NULL;
    info.port = port;
    info.iface = address;
    info.protocols = h->protocols;
    struct lws_vhost *v = lws_create_vhost(lws, &info);
    if (v)
        h->port = (uint16_t)lws_get_vhost_listen_port(v);
    return lws;
}

px_err pxi_http_open(struct pxi_loop *l, const char *address, uint16_t port,
                     const struct pxi_http_owner *owner, void *ctx, struct pxi_http **out)
{
    *out = NULL;
    px_err err = is_address(address) ? probe(address, port) : PX_ERR_INVALID;
    if (err != PX_ERR_OK)
        return err;
    struct pxi_http *h = pxi_calloc(1, sizeof *h);
    if (!h)
        return PX_ERR_NOMEM;
    h->loop = l;
    h->owner = owner;
    h->ctx = ctx;
    h->lws = context_new(h, address, port);
    if (!h->lws || !h->port) {
        bool raced = h->lws && port; /* it was free: somebody was faster */
        pxi_http_close(h);
        return raced ? PX_ERR_REFUSED : PX_ERR_IO;
    }
    *out = h;
    return PX_ERR_OK;
}

uint16_t pxi_http_port(const struct pxi_http *h)
{
    return h->port;
}

struct pxi_http_use pxi_http_use(const struct pxi_http *h)
{
    return h->use;
}

/* libwebsockets closes its handles on our loop, and frees itself when it is asked again. */
static void lws_close(struct pxi_http *h)
{
    lws_context_destroy(h->lws);
    for (int i = 0, rest = CLOSE_ROUNDS; i < CLOSE_ROUNDS_MAX && rest; i++) {
        uv_run(pxi_loop_uv(h->loop), UV_RUN_NOWAIT);
        rest = h->use.connections ? CLOSE_ROUNDS : rest - 1;
    }
    if (h->lws)
        lws_context_destroy(h->lws);
}

void pxi_http_close(struct pxi_http *h)
{
    if (!h)
        return;
    h->closing = true;
    if (h->lws)
        lws_close(h);
    pxi_free(h);
}
