/* Upgrades in pairs: two hosts over links in memory, whole and in pieces, right and wrong. */
#include "base/rng.h"
#include "net_pair.h"
#include "px_test.h"

#define ECHO "/echo/1.0.0"

/* ------------------------------------------------ a service that sends back what it gets */

static size_t echo_data(struct pxi_stream *s, px_view bytes)
{
    return pxi_stream_write(s, bytes);
}

static void echo_writable(struct pxi_stream *s)
{
    pxi_stream_resume(s);
}

static void echo_ended(struct pxi_stream *s)
{
    pxi_stream_end(s);
}

static const struct pxi_stream_events echo_events = {
    .data = echo_data, .ended = echo_ended, .writable = echo_writable};

static void echo_accept(void *ctx, struct pxi_stream *s)
{
    pxi_stream_own(s, &echo_events, ctx);
}

/* ------------------------------------------------ a client that checks it */

struct client {
    uint64_t total, sent, got, chunk;
    bool ended, closed;
    px_err why;
};

static uint8_t byte_at(uint64_t i)
{
    return (uint8_t)(i * 131 >> 5 ^ i);
}

static void client_write(struct pxi_stream *s)
{
    struct client *c = s->user;
    uint8_t bytes[5000];
    while (c->sent < c->total) {
        size_t n = c->total - c->sent < c->chunk ? (size_t)(c->total - c->sent) : (size_t)c->chunk;
        for (size_t i = 0; i < n; i++)
            bytes[i] = byte_at(c->sent + i);
        size_t took = pxi_stream_write(s, px_view_of(bytes, n));
        c->sent += took;
        if (took < n)
            return;
    }
    pxi_stream_end(s);
}

static size_t client_data(struct pxi_stream *s, px_view bytes)
{
    struct client *c = s->user;
    for (size_t i = 0; i < bytes.n; i++)
        CHECK_EQ(bytes.p[i], byte_at(c->got + i));
    c->got += bytes.n;
    return bytes.n;
}

static void client_ended(struct pxi_stream *s)
{
    ((struct client *)s->user)->ended = true;
}

static void client_closed(struct pxi_stream *s, px_err why)
{
    struct client *c = s->user;
    c->closed = true;
    c->why = why;
}

static const struct pxi_stream_events client_events = {
    .data = client_data, .ended = client_ended, .writable = client_write, .closed = client_closed};

static const char *const ECHOES[] = {ECHO};

static void client_start(struct client *c, struct pxi_conn *conn, uint64_t total, uint64_t chunk)
{
    *c = (struct client){.total = total, .chunk = chunk};
    struct pxi_stream *s = pxi_host_open(conn, ECHOES, 1, &client_events, c);
    CHECK(s != NULL);
    client_write(s);
}

/* ------------------------------------------------ pairs */

static const struct pxi_memlink_options LINKS[] = {
    {0},
    {.push_bytes = 1},
    {.push_bytes = 3000, .seed = 7},
    {.delay_ns = 20 * PXI_MS},
    {.delay_ns = 5 * PXI_MS, .bytes_per_s = 10000000, .push_bytes = 1448},
};

static void talk(struct node *a, struct node *b, struct pxi_memlink_options o, uint64_t total)
{
    struct client c[5];
    CHECK(pxi_host_handle(b->host, ECHO, 0, echo_accept, NULL) == PX_ERR_OK);
    CHECK(nodes_join(a, b, o));
    net_run(2 * PXI_SECOND);
    CHECK_EQ(a->err, PX_ERR_OK);
    CHECK_EQ(b->err, PX_ERR_OK);
    CHECK(a->done == 1 && b->done == 1 && a->conn && b->conn);
    CHECK(pxi_peer_equal(&a->conn->peer, pxi_host_self(b->host)));
    CHECK(pxi_peer_equal(&b->conn->peer, pxi_host_self(a->host)));
    CHECK_STR(a->conn->muxer, "/yamux/1.0.0");
    CHECK(px_view_equal(a->conn->pubkey, pxi_key_public(b->key)));
    for (unsigned i = 0; i < 5; i++)
        client_start(&c[i], a->conn, total >> (2 * i), 1 + 1111 * i);
    net_run(20 * PXI_SECOND);
    for (unsigned i = 0; i < 5; i++) {
        CHECK_EQ(c[i].got, c[i].total);
        CHECK(c[i].ended && c[i].closed);
        CHECK_EQ(c[i].why, PX_ERR_OK);
    }
    CHECK_EQ(a->conn->stream_count, 0);
    if (o.delay_ns)
        CHECK(a->conn->ops->rtt_ns(a->conn) >= 2 * o.delay_ns);
}

static void quiet(const struct node *n)
{
    for (unsigned i = 0; i < PXI_FAULTS; i++)
        CHECK_EQ(pxi_host_faults(n->host)->n[i], 0);
}

TEST(noise_pairs)
{
    for (unsigned i = 0; i < sizeof LINKS / sizeof *LINKS; i++) {
        struct node a, b;
        CHECK(node_open(&a, 1, PXI_SECURITY_NOISE, PXI_SECURITY_NONE));
        CHECK(node_open(&b, 2, PXI_SECURITY_NOISE, PXI_SECURITY_NONE));
        talk(&a, &b, LINKS[i], 2000000);
        CHECK_STR(a.conn->security, "/noise");
        quiet(&a);
        quiet(&b);
        node_close(&a);
        node_close(&b);
        CHECK_EQ(pxi_timers_next(&net_timers), PXI_NEVER);
    }
}

TEST_MAIN()
