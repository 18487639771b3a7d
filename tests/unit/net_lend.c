/* Bytes that are lent to a stream and land where they are used: over both secure channels, over
 * links that cut, alone on a connection and among others, with places that are wrong. */
#include "base/limits.h"
#include "base/mem.h"
#include "base/rng.h"
#include "net_pair.h"
#include "px_test.h"

#define SINK "/sink/1.0.0"

enum { TOTAL = 3000000, HEAD = 32 };

static const enum pxi_security KINDS[] = {PXI_SECURITY_NOISE, PXI_SECURITY_TLS};
static const char *const SINKS[] = {SINK};
static uint8_t source[TOTAL], target[TOTAL];

/* ------------------------------------------------ who takes: HEAD bytes, then the rest to target
 */

static struct sink {
    struct pxi_stream *s; /* the one that lands */
    size_t got, landed;
    struct pxi_rng *wrong; /* of places, at times */
} sink;

static void expect(struct pxi_stream *s)
{
    size_t lead = sink.got < HEAD ? HEAD - sink.got : 0, at = sink.got + lead - HEAD;
    size_t n = TOTAL - at;
    if (sink.wrong && pxi_rng_below(sink.wrong, 2)) {
        lead = pxi_rng_below(sink.wrong, lead + 1);
        n = pxi_rng_below(sink.wrong, n + 1);
        at += pxi_rng_below(sink.wrong, TOTAL - at - n + 1);
    }
    pxi_stream_land(s, lead, target + at, n);
}

static size_t sink_data(struct pxi_stream *s, px_view bytes)
{
    size_t head = sink.got < HEAD ? HEAD - sink.got : 0;
    head = head < bytes.n ? head : bytes.n;
    sink.got += head;
    if (bytes.n > head) {
        uint8_t *to = target + sink.got - HEAD;
        CHECK(sink.got - HEAD + bytes.n - head <= TOTAL);
        sink.landed += to == bytes.p + head ? bytes.n - head : 0;
        memmove(to, bytes.p + head, bytes.n - head);
        sink.got += bytes.n - head;
    }
    expect(s);
    return bytes.n;
}

static const struct pxi_stream_events sink_events = {.data = sink_data};
static const struct pxi_stream_events other_events;

/* The first stream lands, others are read over. */
static void sink_accept(void *ctx, struct pxi_stream *s)
{
    if (sink.s) {
        pxi_stream_own(s, &other_events, NULL);
        return;
    }
    sink.s = s;
    pxi_stream_own(s, &sink_events, NULL);
    expect(s);
}

/* ------------------------------------------------ who gives */

static struct giver {
    size_t at, copied;
    bool owned, closed; /* it recalls what it lent, and writes over it */
    px_err why;
    struct pxi_rng *others;
} giver;

static void give(struct pxi_stream *s)
{
    static uint8_t own[50000];
    while (giver.at < TOTAL) {
        size_t n = TOTAL - giver.at < sizeof own ? TOTAL - giver.at : sizeof own, took;
        if (giver.owned) {
            memcpy(own, source + giver.at, n);
            took = pxi_stream_lend(s, px_view_of(own, n));
            pxi_stream_recall(s);
            memset(own, 0xee, sizeof own);
        } else {
            took = pxi_stream_lend(s, px_view_of(source + giver.at, n));
        }
        giver.at += took;
        giver.copied = s->copied;
        if (took < n)
            return;
    }
}

static void giver_closed(struct pxi_stream *s, px_err why)
{
    giver.closed = true;
    giver.why = why;
}

static const struct pxi_stream_events giver_events = {.writable = give, .closed = giver_closed};

static void pair_open(struct node *a, struct node *b, enum pxi_security kind,
                      struct pxi_memlink_options o)
{
    memset(&sink, 0, sizeof sink);
    memset(&giver, 0, sizeof giver);
    memset(target, 0, sizeof target);
    for (size_t i = 0; i < TOTAL; i++)
        source[i] = (uint8_t)(i * 131 >> 5 ^ i);
    CHECK(node_open(a, 1, kind, PXI_SECURITY_NONE));
    CHECK(node_open(b, 2, kind, PXI_SECURITY_NONE));
    CHECK_EQ(pxi_host_handle(b->host, SINK, 0, sink_accept, NULL), PX_ERR_OK);
    CHECK(nodes_join(a, b, o));
    net_run(2 * PXI_SECOND);
    CHECK(a->conn && b->conn);
}

static void pair_close(struct node *a, struct node *b)
{
    node_close(a);
    node_close(b);
    CHECK_EQ(pxi_timers_next(&net_timers), PXI_NEVER);
}

static struct pxi_stream *begin(struct node *a)
{
    static const uint8_t head[HEAD];
    struct pxi_stream *s = pxi_host_open(a->conn, SINKS, 1, &giver_events, NULL);
    CHECK(s != NULL);
    net_run(PXI_SECOND); /* the protocol is agreed */
    CHECK_EQ(pxi_stream_write(s, px_view_of(head, sizeof head)), HEAD);
    give(s);
    return s;
}

/* ------------------------------------------------ cases */

TEST(nothing_is_copied)
{
    for (unsigned k = 0; k < 2; k++) {
        struct node a, b;
        pair_open(&a, &b, KINDS[k], (struct pxi_memlink_options){0});
        begin(&a);
        net_run(20 * PXI_SECOND);
        CHECK_EQ(sink.got, TOTAL + HEAD);
        CHECK(memcmp(source, target, TOTAL) == 0);
        CHECK_EQ(giver.copied, 0);
        CHECK_EQ(sink.landed, TOTAL);
        pair_close(&a, &b);
    }
}

TEST(over_links_that_cut)
{
    static const struct pxi_memlink_options links[] = {
        {.push_bytes = 3000, .seed = 7},
        {.delay_ns = 5 * PXI_MS, .bytes_per_s = 10000000, .push_bytes = 1448}};
    for (unsigned i = 0; i < 4; i++) {
        struct node a, b;
        pair_open(&a, &b, KINDS[i & 1], links[i >> 1]);
        begin(&a);
        net_run(20 * PXI_SECOND);
        CHECK(memcmp(source, target, TOTAL) == 0);
        CHECK(giver.copied < TOTAL / 1000); /* little pieces at the end of a window */
        CHECK_EQ(sink.landed, TOTAL);
        pair_close(&a, &b);
    }
}

TEST(what_is_recalled_may_change)
{
    for (unsigned k = 0; k < 2; k++) {
        struct node a, b;
        pair_open(&a, &b, KINDS[k], (struct pxi_memlink_options){0});
        giver.owned = true;
        begin(&a);
        net_run(20 * PXI_SECOND);
        CHECK(memcmp(source, target, TOTAL) == 0);
        CHECK(giver.copied > TOTAL / 2);
        pair_close(&a, &b);
    }
}

/* Others speak on the connection, and the place is often a wrong one. */
TEST(wrong_places_do_no_harm)
{
    struct pxi_rng r = {px_seed};
    for (unsigned k = 0; k < 4; k++) {
        struct node a, b;
        static uint8_t block[40000];
        struct pxi_stream *other[3] = {0};
        pair_open(&a, &b, KINDS[k & 1],
                  (struct pxi_memlink_options){.push_bytes = 5000, .seed = px_seed});
        sink.wrong = k & 2 ? &r : NULL;
        struct pxi_stream *s = begin(&a);
        for (unsigned i = 0; i < 3; i++)
            other[i] = pxi_host_open(a.conn, SINKS, 1, &other_events, NULL);
        for (unsigned i = 0; i < 4000 && sink.got < TOTAL + HEAD; i++) {
            size_t n = pxi_rng_below(&r, pxi_rng_below(&r, 2) ? 60 : sizeof block);
            struct pxi_stream *o = other[pxi_rng_below(&r, 3)];
            if (pxi_rng_below(&r, 2))
                pxi_stream_write(o, px_view_of(block, n));
            else
                pxi_stream_lend(o, px_view_of(block, n));
            if (pxi_rng_below(&r, 50) == 0)
                pxi_stream_recall(s);
            net_run(pxi_rng_below(&r, 3));
        }
        net_run(20 * PXI_SECOND);
        CHECK_EQ(sink.got, TOTAL + HEAD);
        CHECK(memcmp(source, target, TOTAL) == 0);
        pair_close(&a, &b);
    }
}

/* After a reset the bytes may go at once; without memory for a recall the stream is lost. */
TEST(lenders_leave)
{
    for (unsigned k = 0; k < 4; k++) {
        struct node a, b;
        pair_open(&a, &b, KINDS[k & 1], (struct pxi_memlink_options){.delay_ns = 100 * PXI_MS});
        struct pxi_stream *s = pxi_host_open(a.conn, SINKS, 1, &giver_events, NULL);
        uint8_t *p = pxi_realloc(NULL, 100000, 1);
        net_run(3 * PXI_SECOND);
        memset(p, 1, 100000);
        CHECK_EQ(pxi_stream_lend(s, px_view_of(p, 100000)), 100000);
        if (k & 2) {
            pxi_mem_fail_after(1);
            pxi_stream_recall(s);
            pxi_mem_fail_after(0);
        } else {
            pxi_stream_reset(s);
        }
        pxi_free(p);
        net_run(10 * PXI_SECOND);
        CHECK_EQ(giver.closed, (k & 2) != 0);
        CHECK_EQ(giver.why, k & 2 ? PX_ERR_NOMEM : PX_ERR_OK);
        pair_close(&a, &b);
    }
}

TEST_MAIN()
