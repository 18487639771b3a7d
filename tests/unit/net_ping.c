/* Ping: answers, the peers that answer wrongly or not at all, and those that ask too much. */
#include "host_net.h"
#include "net/ping.h"

static struct net n;
static struct net_conn *ab;
static struct pxi_ping *ping;
static unsigned pongs;
static px_err last;
static uint64_t rtt;

static void pong(void *ctx, uint64_t rtt_ns, px_err err)
{
    pongs++;
    last = err;
    rtt = rtt_ns;
    if (err != PX_ERR_OK)
        ping = NULL;
}

static void setup(bool pieces)
{
    pongs = 0;
    net_init(&n, 2);
    n.pieces = pieces;
    CHECK_EQ(pxi_ping_serve(n.host[1]), PX_ERR_OK);
    ab = net_connect(&n, 0, 1);
    net_run(&n, 100);
}

static void ask(void)
{
    ping = pxi_ping_open(&ab->c, pong, NULL);
    CHECK(ping);
    pxi_ping_send(ping, PXI_SECOND);
}

TEST(answers_again_and_again)
{
    for (int pieces = 0; pieces < 2; pieces++) {
        setup(pieces);
        ask();
        for (unsigned i = 1; i < 20; i++) {
            net_run(&n, 50);
            CHECK_EQ(pongs, i);
            CHECK_EQ(last, PX_ERR_OK);
            CHECK(rtt >= 2 * PXI_MS && rtt < 10 * PXI_MS);
            pxi_ping_send(ping, PXI_SECOND);
        }
        pxi_ping_close(ping);
        net_run(&n, 50);
        CHECK_EQ(ab->c.stream_count, 0);
        CHECK_EQ(ab->other->c.stream_count, 0);
        net_deinit(&n);
    }
}

static size_t wrong(struct pxi_stream *s, px_view v)
{
    uint8_t out[64];
    for (size_t i = 0; i < v.n && i < 64; i++)
        out[i] = v.p[i] ^ (i == 31);
    pxi_stream_write(s, px_view_of(out, v.n < 64 ? v.n : 64));
    return v.n;
}
static size_t twice(struct pxi_stream *s, px_view v)
{
    pxi_stream_write(s, v);
    pxi_stream_write(s, v);
    return v.n;
}
static size_t silent(struct pxi_stream *s, px_view v)
{
    return v.n;
}
static size_t hang_up(struct pxi_stream *s, px_view v)
{
    pxi_stream_end(s);
    return v.n;
}
static size_t reset(struct pxi_stream *s, px_view v)
{
    pxi_stream_reset(s);
    return v.n;
}

static struct pxi_stream_events liar;
static void accept_liar(void *ctx, struct pxi_stream *s)
{
    pxi_stream_own(s, &liar, NULL);
}

TEST(wrong_answers)
{
    static const struct {
        size_t (*data)(struct pxi_stream *s, px_view v);
        px_err err;
    } rows[] = {{wrong, PX_ERR_PROTOCOL},
                {twice, PX_ERR_PROTOCOL},
                {silent, PX_ERR_TIMEOUT},
                {hang_up, PX_ERR_RESET},
                {reset, PX_ERR_RESET}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        setup(false);
        liar = (struct pxi_stream_events){.data = rows[i].data};
        CHECK_EQ(pxi_host_handle(n.host[1], "/ipfs/ping/1.0.0", 0, accept_liar, NULL), PX_ERR_OK);
        ask();
        net_run(&n, 3000);
        CHECK_EQ(pongs, 1);
        CHECK_EQ(last, rows[i].err);
        net_run(&n, 50);
        CHECK_EQ(ab->c.stream_count, 0);
        net_deinit(&n);
    }
}

TEST(more_than_two_streams_of_one_peer_are_reset)
{
    setup(false);
    for (unsigned i = 0; i < 2; i++) {
        ask();
        net_run(&n, 20);
        CHECK_EQ(last, PX_ERR_OK);
    }
    ask();
    net_run(&n, 50);
    CHECK_EQ(last, PX_ERR_RESET);
    net_deinit(&n);
}

/* Who pings without reading the answers fills his own window and no more. */
TEST(a_peer_that_never_reads)
{
    static uint8_t flood[1 << 16];
    static const char *const name[] = {"/ipfs/ping/1.0.0"};
    static const struct pxi_stream_events deaf = {0};
    setup(false);
    struct pxi_stream *s = pxi_host_open(&ab->c, name, 1, &deaf, NULL);
    net_run(&n, 20);
    net_of(s)->stalled = true; /* reads nothing from now on */
    size_t sent = 0;
    for (unsigned i = 0; i < 200; i++) {
        sent += pxi_stream_write(s, px_view_of(flood, sizeof flood));
        net_run(&n, 5);
    }
    CHECK(sent <= 3 * NET_STREAM_MAX); /* what lies in both directions */
    net_of(s)->stalled = false;
    net_poke(net_of(s));
    net_run(&n, 100);
    CHECK(pxi_stream_room(s) > 0);
    net_deinit(&n);
}

TEST(the_connection_goes_in_the_middle)
{
    setup(false);
    ask();
    net_kill(&n, 1);
    net_run(&n, 50);
    CHECK_EQ(pongs, 1);
    CHECK_EQ(last, PX_ERR_RESET);
    net_deinit(&n);
}

TEST_MAIN()
