/* Upgrades in pairs: two hosts over links in memory, whole and in pieces, right and wrong. */
#include <malloc.h>

#include "base/limits.h"
#include "base/mem.h"
#include "net/limits.h"
#include "net/pnet.h"
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

static const uint8_t *psk; /* of a private swarm, for all pairs */

static void pairs(enum pxi_security first, enum pxi_security second, const char *name)
{
    for (unsigned i = 0; i < sizeof LINKS / sizeof *LINKS; i++) {
        struct node a, b;
        CHECK(node_open(&a, 1, first, second));
        CHECK(node_open(&b, 2, PXI_SECURITY_NOISE, PXI_SECURITY_TLS));
        a.up.psk = b.up.psk = psk;
        talk(&a, &b, LINKS[i], 2000000);
        CHECK_STR(a.conn->security, name);
        CHECK_STR(b.conn->security, name);
        quiet(&a);
        quiet(&b);
        node_close(&a);
        node_close(&b);
        CHECK_EQ(pxi_timers_next(&net_timers), PXI_NEVER);
    }
}

TEST(noise_pairs)
{
    pairs(PXI_SECURITY_NOISE, PXI_SECURITY_NONE, "/noise");
    pairs(PXI_SECURITY_NOISE, PXI_SECURITY_TLS, "/noise");
}

TEST(tls_pairs)
{
    pairs(PXI_SECURITY_TLS, PXI_SECURITY_NONE, "/tls/1.0.0");
    pairs(PXI_SECURITY_TLS, PXI_SECURITY_NOISE, "/tls/1.0.0");
}

TEST(private_swarm_pairs)
{
    static const uint8_t key[PXI_PNET_KEY] = {1, 2, 3};
    psk = key;
    pairs(PXI_SECURITY_NOISE, PXI_SECURITY_NONE, "/noise");
}

TEST(websocket_pairs)
{
    net_websocket = true;
    pairs(PXI_SECURITY_NOISE, PXI_SECURITY_NONE, "/noise");
    pairs(PXI_SECURITY_TLS, PXI_SECURITY_NOISE, "/tls/1.0.0");
}

/* ------------------------------------------------ what goes wrong */

static uint64_t faults(const struct node *n, enum pxi_fault f)
{
    return pxi_host_faults(n->host)->n[f];
}

TEST(wrong_key_of_a_swarm)
{
    static const uint8_t one[PXI_PNET_KEY] = {1}, two[PXI_PNET_KEY] = {2};
    struct node a, b;
    CHECK(node_open(&a, 1, PXI_SECURITY_NOISE, PXI_SECURITY_NONE));
    CHECK(node_open(&b, 2, PXI_SECURITY_NOISE, PXI_SECURITY_NONE));
    a.up.psk = one;
    b.up.psk = two;
    CHECK(nodes_join(&a, &b, LINKS[0]));
    net_run(20 * PXI_SECOND);
    CHECK(a.done == 1 && b.done == 1 && !a.conn && !b.conn);
    CHECK(faults(&a, PXI_FAULT_PNET) + faults(&b, PXI_FAULT_PNET) >= 1);
    node_close(&a);
    node_close(&b);
}

TEST(nothing_in_common)
{
    struct node a, b;
    CHECK(node_open(&a, 1, PXI_SECURITY_TLS, PXI_SECURITY_NONE));
    CHECK(node_open(&b, 2, PXI_SECURITY_NOISE, PXI_SECURITY_NONE));
    CHECK(nodes_join(&a, &b, LINKS[3]));
    net_run(PXI_SECOND);
    CHECK(a.done == 1 && b.done == 1);
    CHECK(a.err != PX_ERR_OK && b.err != PX_ERR_OK);
    node_close(&a);
    node_close(&b);
}

TEST(wrong_peer)
{
    static const enum pxi_security kinds[] = {PXI_SECURITY_NOISE, PXI_SECURITY_TLS};
    for (unsigned i = 0; i < 2; i++) {
        struct node a, b, c;
        struct pxi_link *la, *lb;
        struct pxi_memlink_options o = {.timers = &net_timers};
        CHECK(node_open(&a, 1, kinds[i], PXI_SECURITY_NONE));
        CHECK(node_open(&b, 2, kinds[i], PXI_SECURITY_NONE));
        CHECK(node_open(&c, 3, kinds[i], PXI_SECURITY_NONE));
        CHECK_EQ(pxi_memlink_pair(&o, &la, &lb), PX_ERR_OK);
        CHECK(node_upgrade(&a, la, true, pxi_host_self(c.host)));
        CHECK(node_upgrade(&b, lb, false, NULL));
        net_run(12 * PXI_SECOND);
        CHECK_EQ(a.err, PX_ERR_IDENTITY);
        CHECK(a.done == 1 && b.done && !a.conn);
        CHECK_EQ(faults(&a, PXI_FAULT_IDENTITY), 1);
        node_close(&a);
        node_close(&b);
        node_close(&c);
    }
}

TEST(silence_times_out)
{
    struct node a;
    struct pxi_link *la, *lb;
    struct pxi_memlink_options o = {.timers = &net_timers};
    static const struct pxi_link_events deaf = {0};
    CHECK(node_open(&a, 1, PXI_SECURITY_NOISE, PXI_SECURITY_TLS));
    CHECK_EQ(pxi_memlink_pair(&o, &la, &lb), PX_ERR_OK);
    lb->on = &deaf;
    CHECK(node_upgrade(&a, la, false, NULL));
    net_run(PXI_LIMIT_NET_UPGRADE_MS * PXI_MS - 1);
    CHECK_EQ(a.done, 0);
    struct pxi_limiter_use use = pxi_limiter_use(pxi_host_limiter(a.host));
    CHECK_EQ(use.conns_transient, 1);
    lb->ops->close(lb); /* nobody listens there */
    net_run(1);
    CHECK(a.done == 1 && a.err == PX_ERR_RESET);
    use = pxi_limiter_use(pxi_host_limiter(a.host));
    CHECK(use.conns_transient == 0 && use.conns_in == 0);
    node_close(&a);
}

TEST(cancelled_and_cut)
{
    for (unsigned step = 0; step < 40; step++) {
        struct node a, b;
        struct pxi_memlink_options o = {.delay_ns = PXI_MS, .push_bytes = 30};
        struct pxi_link *la, *lb;
        o.timers = &net_timers;
        CHECK(node_open(&a, 1, PXI_SECURITY_NOISE, PXI_SECURITY_TLS));
        CHECK(node_open(&b, 2, PXI_SECURITY_TLS, PXI_SECURITY_NOISE));
        CHECK_EQ(pxi_memlink_pair(&o, &la, &lb), PX_ERR_OK);
        CHECK(node_upgrade(&a, la, true, NULL) && node_upgrade(&b, lb, false, NULL));
        net_run(step / 2 * PXI_MS);
        if (step & 1)
            pxi_memlink_cut(la);
        else if (a.u)
            pxi_upgrade_cancel(a.u), a.u = NULL;
        net_run(20 * PXI_SECOND);
        node_close(&a);
        node_close(&b);
        CHECK_EQ(pxi_timers_next(&net_timers), PXI_NEVER);
    }
}

/* ------------------------------------------------ memory */

static size_t heap_bytes(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

TEST(idle_connection_is_small)
{
    static const enum pxi_security kinds[] = {PXI_SECURITY_NOISE, PXI_SECURITY_TLS};
    enum { COUNT = 8 };
    for (unsigned i = 0; i < 2; i++) {
        struct node a, b;
        CHECK(node_open(&a, 1, kinds[i], PXI_SECURITY_NONE));
        CHECK(node_open(&b, 2, kinds[i], PXI_SECURITY_NONE));
        pxi_host_handle(b.host, ECHO, 0, echo_accept, NULL);
        size_t before = 0;
        for (unsigned k = 0; k < COUNT + 2; k++) {
            struct client c;
            if (k == 2)
                before = heap_bytes();           /* what is made once is there */
            CHECK(nodes_join(&a, &b, LINKS[3])); /* its packets do not stay */
            net_run(PXI_SECOND);
            CHECK(a.conn && b.conn);
            client_start(&c, a.conn, 3000000, 5000);
            net_run(20 * PXI_SECOND); /* buffers of the transfer are given back */
            CHECK_EQ(c.got, c.total);
        }
        size_t each = (heap_bytes() - before) / COUNT / 2;
        printf("# kind %u: an idle connection holds %zu bytes\n", i, each);
        CHECK(each < 12000);
        node_close(&a);
        node_close(&b);
    }
}

TEST(messages_allocate_nothing)
{
    static const enum pxi_security kinds[] = {PXI_SECURITY_NOISE, PXI_SECURITY_TLS};
    for (unsigned i = 0; i < 2; i++) {
        struct node a, b;
        struct client c = {.total = 1 << 30};
        uint8_t message[100];
        CHECK(node_open(&a, 1, kinds[i], PXI_SECURITY_NONE));
        CHECK(node_open(&b, 2, kinds[i], PXI_SECURITY_NONE));
        pxi_host_handle(b.host, ECHO, 0, echo_accept, NULL);
        CHECK(nodes_join(&a, &b, LINKS[0]));
        net_run(PXI_MS);
        struct pxi_stream *s = pxi_host_open(a.conn, ECHOES, 1, &client_events, &c);
        uint64_t before = 0;
        for (unsigned k = 0; k < 2000; k++) {
            if (k == 100)
                before = pxi_mem_count();
            for (size_t j = 0; j < sizeof message; j++)
                message[j] = byte_at(c.sent + j);
            c.sent += pxi_stream_write(s, px_view_of(message, sizeof message));
            net_run(1);
            net_run(1);
            CHECK_EQ(c.got, c.sent);
        }
        CHECK_EQ(pxi_mem_count() - before, 0);
        node_close(&a);
        node_close(&b);
    }
}

TEST(memory_runs_out)
{
    for (uint64_t k = 1; k < 120; k += k < 40 ? 1 : 7) {
        struct node a, b;
        CHECK(node_open(&a, 1, PXI_SECURITY_NOISE, PXI_SECURITY_TLS));
        CHECK(node_open(&b, 2, PXI_SECURITY_TLS, PXI_SECURITY_NOISE));
        pxi_host_handle(b.host, ECHO, 0, echo_accept, NULL);
        struct pxi_link *la, *lb;
        struct pxi_memlink_options o = {.timers = &net_timers, .push_bytes = 50};
        CHECK_EQ(pxi_memlink_pair(&o, &la, &lb), PX_ERR_OK);
        CHECK(node_upgrade(&a, la, true, NULL) && node_upgrade(&b, lb, false, NULL));
        struct client c = {0};
        pxi_mem_fail_after(k);
        net_run(PXI_SECOND);
        struct pxi_conn *conn = pxi_host_conn(a.host, pxi_host_self(b.host), false);
        struct pxi_stream *s = conn ? pxi_host_open(conn, ECHOES, 1, &client_events, &c) : NULL;
        c = (struct client){.total = 100000, .chunk = 3000};
        if (s)
            client_write(s);
        net_run(5 * PXI_SECOND);
        pxi_mem_fail_after(0);
        net_run(20 * PXI_SECOND);
        CHECK(a.done == 1 && b.done == 1);
        node_close(&a);
        node_close(&b);
    }
}

TEST_MAIN()
