/* Heartbeats: late answers rank a peer below the others, answers in time bring it back. */
#include "host_net.h"
#include "net/ping.h"
#include "swarm/heartbeat.h"

/* A peer whose answers to pings wait as long as the test says; for ever when it is PXI_NEVER. */
struct lag {
    struct net *net;
    struct pxi_timer timer;
    struct pxi_stream *stream;
    uint64_t by_ns;
    uint8_t kept[64];
    size_t n;
};

static void lag_over(struct pxi_timer *t, uint64_t now)
{
    struct lag *l = PXI_OF(t, struct lag, timer);
    if (l->stream)
        pxi_stream_write(l->stream, px_view_of(l->kept, l->n));
    l->n = 0;
}

static size_t lag_data(struct pxi_stream *s, px_view v)
{
    struct lag *l = s->user;
    size_t n = v.n < sizeof l->kept - l->n ? v.n : sizeof l->kept - l->n;
    memcpy(l->kept + l->n, v.p, n);
    l->n += n;
    if (l->by_ns != PXI_NEVER)
        pxi_timer_after(&l->net->timers, &l->timer, l->by_ns);
    return v.n;
}

static void lag_closed(struct pxi_stream *s, px_err why)
{
    struct lag *l = s->user;
    pxi_timer_disarm(&l->net->timers, &l->timer);
    l->stream = NULL;
    l->n = 0;
}

static const struct pxi_stream_events lag_events = {.data = lag_data, .closed = lag_closed};

static void lag_accept(void *ctx, struct pxi_stream *s)
{
    struct lag *l = ctx;
    l->stream = s;
    pxi_stream_own(s, &lag_events, l);
}

static void lag_init(struct lag *l, struct net *n, unsigned host)
{
    *l = (struct lag){.net = n, .timer = {.fire = lag_over}};
    CHECK_EQ(pxi_host_handle(n->host[host], "/ipfs/ping/1.0.0", 0, lag_accept, l), PX_ERR_OK);
}

static unsigned changes;
static void on_change(void *ctx, const struct pxi_peer *p, enum pxi_peer_state s)
{
    changes++;
}

static enum pxi_peer_state state_of(struct net *n, struct pxi_heartbeat *b, unsigned i)
{
    return pxi_heartbeat_state(b, pxi_host_self(n->host[i]), NULL);
}

TEST(beyond_500_ms_is_below_the_others_and_comes_back)
{
    static struct net n;
    static struct lag lag[3];
    struct pxi_heartbeat_options o = {.changed = on_change};
    net_init(&n, 4);
    struct pxi_heartbeat *b = pxi_heartbeat_new(n.host[0], &o);
    for (unsigned i = 1; i < 4; i++) {
        lag_init(&lag[i - 1], &n, i);
        lag[i - 1].by_ns = i * 50 * PXI_MS;
        net_connect(&n, 0, i);
        CHECK_EQ(state_of(&n, b, i), PXI_PEER_NEW);
    }
    net_run(&n, 5000);
    struct pxi_peer ranked[3];
    for (unsigned i = 1; i < 4; i++) {
        CHECK_EQ(state_of(&n, b, i), PXI_PEER_GOOD);
        ranked[3 - i] = *pxi_host_self(n.host[i]);
    }
    pxi_heartbeat_rank(b, ranked, 3);
    for (unsigned i = 1; i < 4; i++) /* the shorter round trip first */
        CHECK(pxi_peer_equal(&ranked[i - 1], pxi_host_self(n.host[i])));

    lag[0].by_ns = 600 * PXI_MS; /* the best of them becomes slow */
    net_run(&n, 2000);
    CHECK_EQ(state_of(&n, b, 1), PXI_PEER_SLOW);
    pxi_heartbeat_rank(b, ranked, 3);
    CHECK(pxi_peer_equal(&ranked[2], pxi_host_self(n.host[1])));
    CHECK(pxi_peer_equal(&ranked[0], pxi_host_self(n.host[2])));

    lag[0].by_ns = 20 * PXI_MS;
    net_run(&n, 4000);
    CHECK_EQ(state_of(&n, b, 1), PXI_PEER_GOOD);
    CHECK(changes >= 5);
    pxi_heartbeat_free(b);
    net_deinit(&n);
}

TEST(down_ranked_at_500_ms_not_when_the_answer_comes)
{
    static struct net n;
    static struct lag lag;
    struct pxi_heartbeat_options o = {0};
    net_init(&n, 2);
    struct pxi_heartbeat *b = pxi_heartbeat_new(n.host[0], &o);
    lag_init(&lag, &n, 1);
    net_connect(&n, 0, 1);
    net_run(&n, 3000);
    CHECK_EQ(state_of(&n, b, 1), PXI_PEER_GOOD);
    lag.by_ns = PXI_NEVER;
    net_run(&n, 1600); /* a beat, and half a second */
    CHECK_EQ(state_of(&n, b, 1), PXI_PEER_SLOW);
    net_run(&n, 8000);
    CHECK_EQ(state_of(&n, b, 1), PXI_PEER_SILENT);
    lag.by_ns = PXI_MS;
    net_run(&n, 15000); /* the stream that hangs is given up, a new one answers */
    CHECK_EQ(state_of(&n, b, 1), PXI_PEER_GOOD);
    pxi_heartbeat_free(b);
    net_deinit(&n);
}

TEST(one_good_answer_does_not_bring_a_flapping_peer_back)
{
    static struct net n;
    static struct lag lag;
    struct pxi_heartbeat_options o = {.slow_ns = 100 * PXI_MS};
    net_init(&n, 2);
    struct pxi_heartbeat *b = pxi_heartbeat_new(n.host[0], &o);
    lag_init(&lag, &n, 1);
    net_connect(&n, 0, 1);
    net_run(&n, 3000);
    for (unsigned i = 0; i < 10; i++) {
        lag.by_ns = i % 2 ? 10 * PXI_MS : 200 * PXI_MS;
        net_run(&n, 1000);
        CHECK_EQ(state_of(&n, b, 1), PXI_PEER_SLOW);
    }
    pxi_heartbeat_free(b);
    net_deinit(&n);
}

TEST(gone_peers_are_forgotten)
{
    static struct net n;
    struct pxi_heartbeat_options o = {0};
    net_init(&n, 3);
    struct pxi_heartbeat *b = pxi_heartbeat_new(n.host[0], &o);
    for (unsigned i = 1; i < 3; i++) {
        CHECK_EQ(pxi_ping_serve(n.host[i]), PX_ERR_OK);
        net_connect(&n, 0, i);
    }
    net_run(&n, 3000);
    uint64_t rtt = 0;
    CHECK_EQ(pxi_heartbeat_state(b, pxi_host_self(n.host[1]), &rtt), PXI_PEER_GOOD);
    CHECK(rtt > 0 && rtt < 20 * PXI_MS);
    net_kill(&n, 1);
    net_run(&n, 10);
    CHECK_EQ(pxi_heartbeat_state(b, pxi_host_self(n.host[1]), &rtt), PXI_PEER_GONE);
    CHECK_EQ(rtt, 0);
    struct pxi_peer ranked[] = {*pxi_host_self(n.host[1]), *pxi_host_self(n.host[2])};
    pxi_heartbeat_rank(b, ranked, 2);
    CHECK(pxi_peer_equal(&ranked[1], pxi_host_self(n.host[1])));
    net_connect(&n, 0, 1);
    net_run(&n, 3000);
    CHECK_EQ(state_of(&n, b, 1), PXI_PEER_GOOD);
    pxi_heartbeat_free(b); /* with peers still connected */
    net_run(&n, 3000);
    net_deinit(&n);
}

TEST(a_peer_without_ping_is_silent)
{
    static struct net n;
    struct pxi_heartbeat_options o = {0};
    net_init(&n, 2);
    struct pxi_heartbeat *b = pxi_heartbeat_new(n.host[0], &o);
    net_connect(&n, 0, 1);
    net_run(&n, 8000);
    CHECK_EQ(state_of(&n, b, 1), PXI_PEER_SILENT);
    CHECK_STR(pxi_peer_state_name(PXI_PEER_SILENT), "silent");
    pxi_heartbeat_free(b);
    net_deinit(&n);
}

TEST_MAIN()
