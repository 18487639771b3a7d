/* WebSocket: the example of RFC 6455, heads that are wrong, frames that are wrong, the end. */
#include "net/websocket.h"

#include "base/limits.h"
#include "base/mem.h"
#include "net/websocket_http.h"
#include "px_test.h"

TEST(accept_key)
{
    char out[PXI_WS_ACCEPT + 1];
    CHECK(pxi_ws_accept("dGhlIHNhbXBsZSBub25jZQ==", out));
    CHECK_STR(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define REST    "Host: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"

TEST(requests)
{
    static const struct {
        const char *head;
        px_err err;
    } rows[] = {
        {"GET / HTTP/1.1\r\n" REST KEY VERSION "\r\n", PX_ERR_OK},
        {"GET /any?x HTTP/1.1\r\nhOST:h\r\nUPGRADE: WebSocket\r\nconnection:upgrade\r\n" KEY VERSION
         "\r\n",
         PX_ERR_OK},
        {"POST / HTTP/1.1\r\n" REST KEY VERSION "\r\n", PX_ERR_PROTOCOL},
        {"GET / HTTP/1.0\r\n" REST KEY VERSION "\r\n", PX_ERR_PROTOCOL},
        {"GET / HTTP/1.1\r\n" REST VERSION "\r\n", PX_ERR_PROTOCOL},
        {"GET / HTTP/1.1\r\n" REST KEY KEY VERSION "\r\n", PX_ERR_PROTOCOL},
        {"GET / HTTP/1.1\r\n" REST KEY "\r\n", PX_ERR_PROTOCOL},
        {"GET / HTTP/1.1\r\n" REST KEY "Sec-WebSocket-Version: 8\r\n\r\n", PX_ERR_PROTOCOL},
        {"GET / HTTP/1.1\r\n" REST KEY VERSION "no colon\r\n\r\n", PX_ERR_PROTOCOL},
        {"GET / HTTP/1.1\r\n" REST KEY VERSION ": no name\r\n\r\n", PX_ERR_PROTOCOL},
        {"GET / HTTP/1.1\r\n" REST VERSION "Sec-WebSocket-Key: short\r\n\r\n", PX_ERR_PROTOCOL},
        {"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" KEY VERSION "\r\n",
         PX_ERR_PROTOCOL},
        {"\r\n\r\n", PX_ERR_PROTOCOL},
    };
    char key[PXI_WS_KEY + 1];
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        px_view v = px_view_str(rows[i].head);
        if (i + 1 < sizeof rows / sizeof *rows)
            CHECK_EQ(pxi_ws_head(v), v.n);
        if (pxi_ws_check_request(v, key) != rows[i].err)
            PX_FAIL("row %u", i);
    }
}

TEST(responses)
{
    struct pxi_buf b = {.max = 1024};
    const char *key = "dGhlIHNhbXBsZSBub25jZQ==";
    CHECK_EQ(pxi_ws_response(key, &b), PX_ERR_OK);
    CHECK_EQ(pxi_ws_check_response(px_view_of(b.p, b.n), key), PX_ERR_OK);
    CHECK_EQ(pxi_ws_check_response(px_view_of(b.p, b.n), "AGhlIHNhbXBsZSBub25jZQ=="),
             PX_ERR_PROTOCOL);
    for (size_t i = 0; i < b.n - 4; i++) {
        uint8_t was = b.p[i];
        b.p[i] = '\x7f';
        CHECK(i > 12 || pxi_ws_check_response(px_view_of(b.p, b.n), key) != PX_ERR_OK);
        b.p[i] = was;
    }
    pxi_buf_deinit(&b);
}

/* ------------------------------------------------ frames into a server */

static struct pxi_timers timers;
static struct pxi_faults faults;
static struct pxi_link lower;
static struct {
    uint8_t bytes[300000];
    size_t n;
    bool lost, closed;
    px_err why;
    const char *say;
} up;

static void wake(struct pxi_link *l)
{
    (void)l;
}

static void close_lower(struct pxi_link *l)
{
    CHECK(!up.closed);
    up.closed = true;
}

static void want(struct pxi_link *l, bool more)
{
    (void)more;
}

static const struct pxi_link_ops lower_ops = {wake, close_lower, want};

static void on_push(struct pxi_link *l, uint8_t *bytes, size_t n)
{
    CHECK(!up.lost && up.n + n <= sizeof up.bytes);
    memcpy(up.bytes + up.n, bytes, n);
    up.n += n;
}

static size_t on_pull(struct pxi_link *l, uint8_t *out, size_t cap)
{
    size_t n = up.say ? strlen(up.say) : 0;
    CHECK(!up.lost);
    if (n)
        memcpy(out, up.say, n);
    up.say = NULL;
    return n;
}

static void on_lost(struct pxi_link *l, px_err why)
{
    CHECK(!up.lost);
    up.lost = true;
    up.why = why;
}

static const struct pxi_link_events upper = {on_push, on_pull, on_lost};
static uint8_t out[70000];

static void feed(const void *bytes, size_t n, size_t step)
{
    static uint8_t copy[300000];
    memcpy(copy, bytes, n);
    for (size_t at = 0; at < n && !up.closed; at += step)
        lower.on->push(&lower, copy + at, step < n - at ? step : n - at);
}

/* A server whose upgrade is done. */
static struct pxi_link *server(void)
{
    static const char head[] = "GET / HTTP/1.1\r\n" REST KEY VERSION "\r\n";
    struct pxi_websocket_options o = {.timers = &timers, .faults = &faults, .server = true};
    memset(&up, 0, sizeof up);
    memset(&faults, 0, sizeof faults);
    lower = (struct pxi_link){.ops = &lower_ops};
    struct pxi_link *l = pxi_websocket_new(&o, &lower);
    CHECK(l != NULL);
    l->on = &upper;
    feed(head, sizeof head - 1, 7);
    size_t n = lower.on->pull(&lower, out, sizeof out);
    CHECK(n > 100 && memcmp(out, "HTTP/1.1 101", 12) == 0);
    return l;
}

TEST(a_stream_of_messages)
{
    /* "hello" in one frame, " wor" + "ld" in two with a ping between, an empty frame */
    static const uint8_t in[] = "\x82\x85\x01\x02\x03\x04igohn"
                                "\x02\x84\x00\x00\x00\x00 wor"
                                "\x89\x82\x01\x01\x01\x01qr"
                                "\x80\x82\x00\x00\x00\x00ld"
                                "\x82\x80\x00\x00\x00\x00";
    for (size_t step = 1; step < sizeof in; step++) {
        struct pxi_link *l = server();
        feed(in, sizeof in - 1, step);
        CHECK(px_view_is(px_view_of(up.bytes, up.n), "hello world"));
        CHECK_EQ(lower.on->pull(&lower, out, sizeof out), 4);
        CHECK(memcmp(out, "\x8a\x02ps", 4) == 0); /* the pong */
        up.say = "answer";
        CHECK_EQ(lower.on->pull(&lower, out, sizeof out), 8);
        CHECK(memcmp(out,
                     "\x82\x06"
                     "answer",
                     8) == 0);
        l->ops->close(l);
        CHECK_EQ(lower.on->pull(&lower, out, sizeof out), 4);
        CHECK(memcmp(out, "\x88\x02\x03\xe8", 4) == 0);
        CHECK(!up.closed);
        pxi_timers_run(&timers, timers.now_ns);
        CHECK(up.closed && !up.lost);
    }
}

TEST(close_of_the_remote)
{
    static const uint8_t in[] = "\x88\x82\x00\x00\x00\x00\x03\xe8\x82";
    server();
    feed(in, sizeof in - 1, 1);
    CHECK(up.lost && up.why == PX_ERR_RESET && faults.n[PXI_FAULT_WEBSOCKET] == 0);
    CHECK_EQ(lower.on->pull(&lower, out, sizeof out), 4);
    pxi_timers_run(&timers, timers.now_ns);
    CHECK(up.closed);
    CHECK_EQ(pxi_timers_next(&timers), PXI_NEVER);
}

TEST(wrong_frames)
{
    static const struct {
        const char *bytes;
        size_t n;
    } rows[] = {
#define ROW(s) {s, sizeof s - 1}
        ROW("\x82\x05hello"),                                    /* not masked */
        ROW("\x81\x85\x00\x00\x00\x00hello"),                    /* text */
        ROW("\x80\x85\x00\x00\x00\x00hello"),                    /* continues nothing */
        ROW("\x02\x80\x00\x00\x00\x00\x82\x80\x00\x00\x00\x00"), /* a message in a message */
        ROW("\xc2\x85\x00\x00\x00\x00hello"),                    /* reserved bit */
        ROW("\x83\x80\x00\x00\x00\x00"),                         /* reserved kind */
        ROW("\x8b\x80\x00\x00\x00\x00"),
        ROW("\x09\x80\x00\x00\x00\x00"),         /* a ping in parts */
        ROW("\x89\xfe\x00\x7e\x00\x00\x00\x00"), /* a long ping */
        ROW("\x82\xfe\x00\x7d\x00\x00\x00\x00"), /* not the shortest length */
        ROW("\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x00\x00"),
        ROW("\x82\xff\x00\x00\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00"), /* too long */
        ROW("\x82\xff\x80\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"),
        ROW("\x88\x81\x00\x00\x00\x00x"), /* half a code */
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        server();
        feed(rows[i].bytes, rows[i].n, 1);
        if (!up.lost || up.why != PX_ERR_PROTOCOL || faults.n[PXI_FAULT_WEBSOCKET] != 1)
            PX_FAIL("row %u", i);
        CHECK_EQ(lower.on->pull(&lower, out, sizeof out), 4);
        CHECK(memcmp(out, "\x88\x02\x03\xea", 4) == 0);
        pxi_timers_run(&timers, timers.now_ns);
        CHECK(up.closed);
    }
}

TEST(a_head_without_end)
{
    struct pxi_websocket_options o = {.timers = &timers, .faults = &faults, .server = true};
    memset(&up, 0, sizeof up);
    memset(&faults, 0, sizeof faults);
    lower = (struct pxi_link){.ops = &lower_ops};
    struct pxi_link *l = pxi_websocket_new(&o, &lower);
    l->on = &upper;
    uint8_t x[100];
    memset(x, 'x', sizeof x);
    size_t fed = 0;
    while (!up.lost) {
        lower.on->push(&lower, x, sizeof x);
        fed += sizeof x;
        CHECK(fed <= PXI_LIMIT_WS_HEAD_BYTES + 100);
    }
    CHECK_EQ(faults.n[PXI_FAULT_WEBSOCKET], 1);
    size_t n = lower.on->pull(&lower, out, sizeof out);
    CHECK(n > 12 && memcmp(out, "HTTP/1.1 400", 12) == 0);
    pxi_timers_run(&timers, timers.now_ns);
    CHECK(up.closed);
}

TEST_MAIN()
