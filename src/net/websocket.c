#include "net/websocket.h"

#include "base/limits.h"
#include "base/list.h"
#include "base/math.h"
#include "base/mem.h"
#include "net/websocket_http.h"

enum {
    HEAD_MAX = 14, /* bytes of the longest frame header */
    CONTROL = 125, /* longest payload of a control frame */
    OP_CONTINUE = 0,
    OP_BINARY = 2,
    OP_CLOSE = 8,
    OP_PING = 9,
    OP_PONG = 10,
    CODE_NORMAL = 1000,
    CODE_PROTOCOL = 1002,
};

struct websocket {
    struct pxi_link link; /* first: what the upper side sees */
    struct pxi_link *lower;
    struct pxi_timers *timers;
    struct pxi_timer timer; /* the end, once our close frame went out */
    struct pxi_random *random;
    struct pxi_faults *faults;
    bool server;
    bool open;   /* the HTTP part is done */
    bool up;     /* there is an upper side */
    bool broken; /* what arrives is not looked at any more */
    char key[PXI_WS_KEY + 1];
    struct pxi_buf http; /* the head that is arriving */
    struct pxi_buf out;  /* HTTP to send, then nothing */
    /* the frame that is arriving */
    uint8_t head[HEAD_MAX];
    unsigned head_n;
    uint64_t left; /* of its payload */
    uint8_t mask[4];
    unsigned mask_at;
    uint8_t op;
    bool in_message; /* a message goes on with the next frame */
    bool fin;
    /* control frames */
    uint8_t control[CONTROL]; /* payload that is arriving */
    unsigned control_n;
    uint8_t pong[CONTROL];
    unsigned pong_n;
    bool pong_due, close_due, close_sent;
    uint16_t close_code;
};

static struct websocket *of(struct pxi_link *l)
{
    return (struct websocket *)(void *)l;
}

static void websocket_free(struct websocket *w)
{
    pxi_timer_disarm(w->timers, &w->timer);
    pxi_buf_deinit(&w->http);
    pxi_buf_deinit(&w->out);
    pxi_free(w);
}

/* Our last frame goes out, then the lower link is closed from the loop. */
static void leave(struct websocket *w, uint16_t code)
{
    w->broken = true;
    if (!w->close_due && !w->close_sent) {
        w->close_due = w->open;
        w->close_code = code;
    }
    w->lower->ops->wake(w->lower);
    pxi_timer_after(w->timers, &w->timer, PXI_LIMIT_NET_CLOSE_MS * PXI_MS);
}

static void on_timer(struct pxi_timer *t, uint64_t now_ns)
{
    struct websocket *w = PXI_OF(t, struct websocket, timer);
    w->lower->ops->close(w->lower);
    websocket_free(w);
}

/* The upper side hears that it is over. */
static void lose(struct websocket *w, px_err why, uint16_t code)
{
    bool up = w->up;
    w->up = false;
    leave(w, code);
    if (up)
        w->link.on->lost(&w->link, why);
}

static void violated(struct websocket *w)
{
    if (w->faults)
        w->faults->n[PXI_FAULT_WEBSOCKET]++;
    lose(w, PX_ERR_PROTOCOL, CODE_PROTOCOL);
}

/* ------------------------------------------------ receiving frames */

/* Bytes of the header that begins so. */
static unsigned head_size(const uint8_t *h, unsigned n)
{
    if (n < 2)
        return 2;
    unsigned len = h[1] & 0x7f;
    return 2 + (len == 126 ? 2 : len == 127 ? 8 : 0) + (h[1] & 0x80 ? 4 : 0);
}

static uint64_t be(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

/* A whole header: true when the frame may come. */
static bool frame_begin(struct websocket *w)
{
    const uint8_t *h = w->head;
    unsigned short_len = h[1] & 0x7f, at = 2;
    bool masked = h[1] & 0x80;
    w->fin = h[0] & 0x80;
    w->op = h[0] & 0x0f;
    w->left = short_len;
    if (short_len == 126) {
        w->left = be(h + 2, 2);
        at = 4;
    } else if (short_len == 127) {
        w->left = be(h + 2, 8);
        at = 10;
    }
    if ((at == 4 && w->left < 126) || (at == 10 && w->left < 65536))
        return false; /* not the shortest form */
    if (h[0] & 0x70 || masked != w->server || w->left > PXI_LIMIT_WS_FRAME_BYTES)
        return false;
    memset(w->mask, 0, sizeof w->mask);
    if (masked)
        memcpy(w->mask, h + at, sizeof w->mask);
    w->mask_at = 0;
    w->control_n = 0;
    if (w->op >= OP_CLOSE)
        return w->fin && w->left <= CONTROL && w->op <= OP_PONG;
    if (w->op != (w->in_message ? OP_CONTINUE : OP_BINARY))
        return false;
    w->in_message = !w->fin;
    return true;
}

/* XOR with the mask, from where it stands. */
static void unmask(struct websocket *w, uint8_t *p, size_t n)
{
    uint8_t m[8];
    uint64_t wide, v;
    for (unsigned i = 0; i < 8; i++)
        m[i] = w->mask[(w->mask_at + i) & 3];
    memcpy(&wide, m, 8);
    w->mask_at = (w->mask_at + n) & 3;
    if (!wide)
        return;
    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&v, p, 8);
        v ^= wide;
        memcpy(p, &v, 8);
    }
    for (size_t i = 0; i < n; i++)
        p[i] ^= m[i];
}

static void control_end(struct websocket *w)
{
    if (w->op == OP_CLOSE) {
        if (w->control_n == 1) {
            violated(w);
            return;
        }
        lose(w, PX_ERR_RESET, CODE_NORMAL);
    } else if (w->op == OP_PING) {
        memcpy(w->pong, w->control, w->control_n); /* only the newest is answered */
        w->pong_n = w->control_n;
        w->pong_due = true;
        w->lower->ops->wake(w->lower);
    }
}

static size_t push_payload(struct websocket *w, uint8_t *p, size_t n)
{
    size_t part = w->left < n ? (size_t)w->left : n;
    unmask(w, p, part);
    w->left -= part;
    if (w->op < OP_CLOSE) {
        w->link.on->push(&w->link, p, part);
        return part;
    }
    memcpy(w->control + w->control_n, p, part);
    w->control_n += (unsigned)part;
    if (!w->left)
        control_end(w);
    return part;
}

static size_t push_head(struct websocket *w, const uint8_t *p, size_t n)
{
    size_t at = 0;
    while (at < n) {
        w->head[w->head_n++] = p[at++];
        if (w->head_n < head_size(w->head, w->head_n))
            continue;
        w->head_n = 0;
        if (!frame_begin(w))
            violated(w);
        else if (!w->left && w->op >= OP_CLOSE)
            control_end(w);
        break;
    }
    return at;
}

/* ------------------------------------------------ the HTTP part */

static void refuse_http(struct websocket *w)
{
    static const char NO[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
                             "Content-Length: 0\r\n\r\n";
    if (w->server)
        pxi_buf_add(&w->out, NO, sizeof NO - 1);
    violated(w);
}

/* Returns the bytes that belong to it; those after the head are frames already. */
static size_t push_http(struct websocket *w, const uint8_t *p, size_t n)
{
    size_t before = w->http.n;
    size_t part = pxi_min(n, w->http.max - before);
    if (!pxi_buf_add(&w->http, p, part)) {
        lose(w, PX_ERR_NOMEM, 0);
        return n;
    }
    size_t head = pxi_ws_head(px_view_of(w->http.p, w->http.n));
    if (!head) {
        if (w->http.n == w->http.max)
            refuse_http(w);
        return part;
    }
    px_view text = px_view_of(w->http.p, head);
    px_err err =
        w->server ? pxi_ws_check_request(text, w->key) : pxi_ws_check_response(text, w->key);
    if (err == PX_ERR_OK && w->server)
        err = pxi_ws_response(w->key, &w->out);
    pxi_buf_deinit(&w->http);
    if (err != PX_ERR_OK) {
        refuse_http(w);
        return n;
    }
    w->open = true;
    w->lower->ops->wake(w->lower);
    return head - before;
}

/* ------------------------------------------------ the lower link */

static void on_push(struct pxi_link *l, uint8_t *bytes, size_t n)
{
    struct websocket *w = l->user;
    for (size_t at = 0; at < n && !w->broken;) {
        if (!w->open)
            at += push_http(w, bytes + at, n - at);
        else if (w->left)
            at += push_payload(w, bytes + at, n - at);
        else
            at += push_head(w, bytes + at, n - at);
    }
}

/* Write a frame header for n bytes; returns its size. The mask of a client comes last. */
static size_t put_head(struct websocket *w, uint8_t *out, uint8_t op, size_t n)
{
    size_t at = 2;
    out[0] = (uint8_t)(0x80 | op);
    if (n < 126) {
        out[1] = (uint8_t)n;
    } else {
        unsigned bytes = n < 65536 ? 2 : 8;
        out[1] = bytes == 2 ? 126 : 127;
        for (unsigned i = 0; i < bytes; i++)
            out[2 + i] = (uint8_t)((uint64_t)n >> (8 * (bytes - 1 - i)));
        at += bytes;
    }
    if (!w->server) {
        out[1] |= 0x80;
        pxi_random_fill(w->random, out + at, 4);
        at += 4;
    }
    return at;
}

static void mask_out(const struct websocket *w, const uint8_t *mask, uint8_t *p, size_t n)
{
    struct websocket m = {.mask_at = 0};
    if (w->server)
        return;
    memcpy(m.mask, mask, 4);
    unmask(&m, p, n);
}

static size_t put_control(struct websocket *w, uint8_t *out, uint8_t op, const uint8_t *p, size_t n)
{
    size_t at = put_head(w, out, op, n);
    memcpy(out + at, p, n);
    mask_out(w, out + at - 4, out + at, n);
    return at + n;
}

/* What the upper side has to say, as one binary message. */
static size_t pull_message(struct websocket *w, uint8_t *out, size_t cap)
{
    uint8_t head[HEAD_MAX];
    size_t longest = w->server ? HEAD_MAX - 4 : HEAD_MAX;
    size_t n = w->link.on->pull(&w->link, out + longest, cap - longest);
    if (!n)
        return 0;
    size_t size = put_head(w, head, OP_BINARY, n);
    if (size < longest)
        memmove(out + size, out + longest, n);
    memcpy(out, head, size);
    mask_out(w, head + size - 4, out + size, n);
    return size + n;
}

static size_t pull_out(struct websocket *w, uint8_t *out, size_t cap)
{
    size_t n = pxi_min(cap, w->out.n);
    memcpy(out, w->out.p, n);
    if (n == w->out.n)
        pxi_buf_deinit(&w->out);
    else
        memmove(w->out.p, w->out.p + n, w->out.n -= n);
    return n;
}

static size_t on_pull(struct pxi_link *l, uint8_t *out, size_t cap)
{
    struct websocket *w = l->user;
    size_t at = w->out.n ? pull_out(w, out, cap) : 0;
    if (w->pong_due && !w->close_sent && cap - at >= HEAD_MAX + CONTROL) {
        w->pong_due = false;
        at += put_control(w, out + at, OP_PONG, w->pong, w->pong_n);
    }
    if (w->open && w->up && !w->broken && cap - at > 2 * HEAD_MAX)
        at += pull_message(w, out + at, cap - at);
    if (w->close_due && !w->close_sent && cap - at >= HEAD_MAX + 2) {
        uint8_t code[2] = {(uint8_t)(w->close_code >> 8), (uint8_t)w->close_code};
        w->close_sent = true;
        at += put_control(w, out + at, OP_CLOSE, code, sizeof code);
    }
    if (w->broken && !w->out.n && w->close_sent == w->close_due)
        pxi_timer_after(w->timers, &w->timer, 0); /* nothing more to say */
    return at;
}

static void on_lost(struct pxi_link *l, px_err why)
{
    struct websocket *w = l->user;
    if (w->up)
        w->link.on->lost(&w->link, why);
    websocket_free(w);
}

static const struct pxi_link_events events = {on_push, on_pull, on_lost};

/* ------------------------------------------------ the upper side */

static void link_wake(struct pxi_link *l)
{
    of(l)->lower->ops->wake(of(l)->lower);
}

static void link_close(struct pxi_link *l)
{
    of(l)->up = false;
    leave(of(l), CODE_NORMAL);
}

static void link_want(struct pxi_link *l, bool more)
{
    of(l)->lower->ops->want(of(l)->lower, more);
}

static const struct pxi_link_ops ops = {link_wake, link_close, link_want};

struct pxi_link *pxi_websocket_new(const struct pxi_websocket_options *o, struct pxi_link *lower)
{
    struct websocket *w = pxi_calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->link.ops = &ops;
    w->lower = lower;
    w->timers = o->timers;
    w->timer.fire = on_timer;
    w->random = o->random;
    w->faults = o->faults;
    w->server = o->server;
    w->up = true;
    w->http.max = PXI_LIMIT_WS_HEAD_BYTES;
    w->out.max = 1024;
    px_err err = PX_ERR_OK;
    if (!o->server) {
        uint8_t key[16];
        pxi_random_fill(o->random, key, sizeof key);
        pxi_ws_key(key, w->key);
        err = pxi_ws_request(o->host, w->key, &w->out);
    }
    if (err != PX_ERR_OK) {
        websocket_free(w);
        return NULL;
    }
    lower->on = &events;
    lower->user = w;
    lower->ops->wake(lower);
    return &w->link;
}
