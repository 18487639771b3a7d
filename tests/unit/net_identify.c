/* identify: what is told arrives; what is a lie, too long or of somebody else is not believed. */
#include "base/limits.h"
#include "codec/messages.h"
#include "codec/varint.h"
#include "host_net.h"
#include "net/envelope.h"
#include "net/host_impl.h"

static struct net n;
static struct pxi_buf crafted;

static void accept_crafted(void *ctx, struct pxi_stream *s)
{
    uint8_t length[PXI_VARINT_MAX];
    static const struct pxi_stream_events deaf = {0};
    pxi_stream_own(s, &deaf, NULL);
    pxi_stream_write(s, px_view_of(length, (size_t)pxi_varint_put(length, crafted.n)));
    pxi_stream_write(s, px_view_of(crafted.p, crafted.n));
    pxi_stream_end(s);
}

static void deinit(void)
{
    net_deinit(&n);
    pxi_buf_deinit(&crafted);
}

static struct pxi_maddr addr_of(uint8_t i)
{
    struct pxi_endpoint e = {.family = 4, .ip = {192, 0, 2, i}, .port = 4001, .via = PXI_VIA_TCP};
    return pxi_endpoint_maddr(&e);
}

static unsigned known(unsigned host, unsigned of)
{
    px_view out[PXI_LIMIT_PEERSTORE_ADDRS];
    return pxi_peer_addrs(n.host[host], pxi_host_self(n.host[of]), out, PXI_LIMIT_PEERSTORE_ADDRS);
}

static uint64_t faults(unsigned host)
{
    return n.host[host]->faults.n[PXI_FAULT_IDENTIFY];
}

/* Host 1 says this to whoever asks; host 0 asks. */
static void say(const struct pxi_msg_identify *m)
{
    crafted = (struct pxi_buf){.max = 1 << 20};
    CHECK_EQ(pxi_pb_encode(&pxi_pb_identify, m, &crafted), PX_ERR_OK);
    CHECK_EQ(pxi_host_handle(n.host[1], "/ipfs/id/1.0.0", 0, accept_crafted, NULL), PX_ERR_OK);
    net_connect(&n, 0, 1);
    net_run(&n, 100);
}

static unsigned identified;
static void on_identified(struct pxi_watch *w, const struct pxi_peer *p, struct pxi_conn *c)
{
    identified++;
}

TEST(both_sides_learn_of_each_other)
{
    for (int pieces = 0; pieces < 2; pieces++) {
        net_init(&n, 2);
        n.pieces = pieces;
        identified = 0;
        struct pxi_watch w = {.identified = on_identified};
        pxi_host_watch(n.host[0], &w);
        struct pxi_maddr x = addr_of(1);
        CHECK_EQ(pxi_host_addr_add(n.host[1], pxi_maddr_view(&x), PXI_ADDR_LISTEN), PX_ERR_OK);
        net_connect(&n, 0, 1);
        net_run(&n, 200);
        CHECK_EQ(identified, 1);
        CHECK_EQ(known(0, 1), 1);
        CHECK_EQ(pxi_peer_supports(n.host[0], pxi_host_self(n.host[1]), "/ipfs/id/1.0.0"), 1);
        CHECK_EQ(pxi_peer_supports(n.host[1], pxi_host_self(n.host[0]), "/none"), 0);
        CHECK(pxi_peer_identify(n.host[0], pxi_host_self(n.host[1])).n > 0);
        CHECK_EQ(faults(0) + faults(1), 0);
        pxi_host_unwatch(&w);
        net_deinit(&n);
    }
}

TEST(a_lying_key_is_refused)
{
    net_init(&n, 3);
    struct pxi_maddr x = addr_of(1);
    px_view v = pxi_maddr_view(&x);
    struct pxi_msg_identify m = {
        .public_key = pxi_key_public(n.key[2]), .has_public_key = true, .listen_addrs = {&v, 1}};
    say(&m);
    CHECK_EQ(faults(0), 1);
    CHECK_EQ(known(0, 1) + known(0, 2), 0);
    CHECK_EQ(pxi_peer_supports(n.host[0], pxi_host_self(n.host[1]), "/x"), -1);
    deinit();
}

TEST(a_signed_record_of_another_peer_is_not_believed)
{
    net_init(&n, 3);
    struct pxi_maddr x = addr_of(1), plain = addr_of(2);
    px_view v = pxi_maddr_view(&x), pv = pxi_maddr_view(&plain);
    struct pxi_buf record = {.max = PXI_ENVELOPE_MAX};
    CHECK_EQ(pxi_peer_record_seal(n.key[2], pxi_host_self(n.host[2]), 1, &v, 1, &record),
             PX_ERR_OK);
    struct pxi_msg_identify m = {.listen_addrs = {&pv, 1},
                                 .signed_peer_record = px_view_of(record.p, record.n),
                                 .has_signed_peer_record = true};
    say(&m);
    CHECK_EQ(faults(0), 1);
    CHECK_EQ(known(0, 2), 0);
    CHECK_EQ(known(0, 1), 1); /* what it said without a signature, as of any old peer */
    pxi_buf_deinit(&record);
    deinit();
}

TEST(too_long_is_refused_before_it_is_read)
{
    net_init(&n, 2);
    static uint8_t big[PXI_LIMIT_IDENTIFY_BYTES + 1];
    struct pxi_msg_identify m = {.agent_version = px_view_of(big, sizeof big),
                                 .has_agent_version = true};
    memset(big, 'x', sizeof big);
    crafted.max = 1 << 20;
    if (pxi_pb_encode(&pxi_pb_identify, &m, &crafted) != PX_ERR_OK) { /* beyond its field too */
        crafted.n = 0;
        CHECK(pxi_buf_add(&crafted, big, sizeof big));
    }
    CHECK_EQ(pxi_host_handle(n.host[1], "/ipfs/id/1.0.0", 0, accept_crafted, NULL), PX_ERR_OK);
    net_connect(&n, 0, 1);
    net_run(&n, 100);
    CHECK_EQ(faults(0), 1);
    CHECK_EQ(pxi_peer_identify(n.host[0], pxi_host_self(n.host[1])).n, 0);
    CHECK_EQ(pxi_host_conn_count(n.host[0]), 1); /* the stream ends, not the connection */
    deinit();
}

TEST(junk_is_refused)
{
    for (unsigned i = 0; i < 20; i++) {
        net_init(&n, 2);
        uint8_t junk[40];
        crafted = (struct pxi_buf){.max = 1 << 20};
        pxi_random_fill(&n.random, junk, sizeof junk);
        junk[0] = 0x0a; /* a field that claims more than there is */
        junk[1] = 0xff;
        junk[2] = 0x7f;
        CHECK(pxi_buf_add(&crafted, junk, sizeof junk));
        CHECK_EQ(pxi_host_handle(n.host[1], "/ipfs/id/1.0.0", 0, accept_crafted, NULL), PX_ERR_OK);
        net_connect(&n, 0, 1);
        net_run(&n, 100);
        CHECK_EQ(faults(0), 1);
        deinit();
    }
}

TEST(a_peer_of_many_addresses_and_protocols_is_cut)
{
    net_init(&n, 2);
    static struct pxi_maddr addrs[200];
    static px_view views[200], names[900];
    for (unsigned i = 0; i < 200; i++) {
        addrs[i] = addr_of((uint8_t)i);
        views[i] = pxi_maddr_view(&addrs[i]);
    }
    for (unsigned i = 0; i < 900; i++)
        names[i] = px_view_str(i == 899 ? "/last" : "/other");
    struct pxi_msg_identify m = {.listen_addrs = {views, 200}, .protocols = {names, 900}};
    say(&m);
    CHECK(known(0, 1) <= PXI_LIMIT_PEERSTORE_ADDRS);
    CHECK_EQ(pxi_peer_supports(n.host[0], pxi_host_self(n.host[1]), "/last"), 1);
    deinit();
}

static unsigned seen;
static struct pxi_maddr seen_at;
static void on_observed(void *ctx, px_view addr, struct pxi_conn *c)
{
    seen++;
    seen_at.n = (uint16_t)addr.n;
    memcpy(seen_at.b, addr.p, addr.n);
}

TEST(observed_addresses)
{
    struct pxi_maddr plain = addr_of(7);
    for (unsigned how = 0; how < 4; how++) {
        struct pxi_maddr x = addr_of(7);
        net_init(&n, 2);
        seen = 0;
        if (how == 1)
            CHECK(pxi_maddr_add(&x, PXI_MA_P2P, pxi_peer_view(pxi_host_self(n.host[0]))));
        if (how == 2)
            CHECK(pxi_maddr_add(&x, PXI_MA_P2P_CIRCUIT, px_view_of(NULL, 0)));
        struct pxi_msg_identify m = {.observed_addr = pxi_maddr_view(&x),
                                     .has_observed_addr = true};
        if (how == 3)
            m.observed_addr = px_view_str("no address");
        pxi_identify_on_observed(n.identify[0], on_observed, NULL);
        say(&m);
        CHECK_EQ(seen, how < 2);
        if (seen)
            CHECK(px_view_equal(pxi_maddr_view(&seen_at), pxi_maddr_view(&plain)));
        deinit();
    }
}

static void nothing(void *ctx, struct pxi_stream *s)
{
    pxi_stream_reset(s);
}

TEST(changes_are_pushed_and_merged)
{
    net_init(&n, 2);
    net_connect(&n, 0, 1);
    net_run(&n, 200);
    const struct pxi_peer *one = pxi_host_self(n.host[1]);
    CHECK_EQ(pxi_peer_supports(n.host[0], one, "/new/1"), 0);
    CHECK_EQ(pxi_host_handle(n.host[1], "/new/1", 0, nothing, NULL), PX_ERR_OK);
    struct pxi_maddr x = addr_of(9);
    CHECK_EQ(pxi_host_addr_add(n.host[1], pxi_maddr_view(&x), PXI_ADDR_LISTEN), PX_ERR_OK);
    net_run(&n, 200);
    CHECK_EQ(pxi_peer_supports(n.host[0], one, "/new/1"), 1);
    CHECK_EQ(known(0, 1), 1);
    pxi_host_unhandle(n.host[1], "/new/1");
    net_run(&n, 200);
    CHECK_EQ(pxi_peer_supports(n.host[0], one, "/new/1"), 0);
    CHECK_EQ(known(0, 1), 1);

    /* A push that names only an address leaves the rest as it was. */
    px_view v[1];
    struct pxi_maddr y = addr_of(10);
    v[0] = pxi_maddr_view(&y);
    struct pxi_msg_identify m = {.listen_addrs = {v, 1}};
    static const char *const push[] = {"/ipfs/id/push/1.0.0"};
    static const struct pxi_stream_events deaf = {0};
    crafted.max = 1 << 20;
    CHECK_EQ(pxi_pb_encode(&pxi_pb_identify, &m, &crafted), PX_ERR_OK);
    struct pxi_conn *c = pxi_host_conn(n.host[1], pxi_host_self(n.host[0]), true);
    struct pxi_stream *s = pxi_host_open(c, push, 1, &deaf, NULL);
    uint8_t length = (uint8_t)crafted.n;
    pxi_stream_write(s, px_view_of(&length, 1));
    pxi_stream_write(s, px_view_of(crafted.p, crafted.n));
    pxi_stream_end(s);
    net_run(&n, 200);
    CHECK_EQ(known(0, 1), 2);
    CHECK_EQ(pxi_peer_supports(n.host[0], one, "/ipfs/id/1.0.0"), 1);
    deinit();
}

TEST(who_neither_answers_nor_reads_holds_little)
{
    net_init(&n, 2);
    struct net_conn *ab = net_connect(&n, 0, 1);
    net_run(&n, 200);
    static const char *const name[] = {"/ipfs/id/1.0.0"};
    static const struct pxi_stream_events deaf = {0};
    for (unsigned i = 0; i < 1000; i++) /* asked a thousand times, never closed */
        CHECK(pxi_host_open(&ab->c, name, 1, &deaf, NULL));
    net_run(&n, 200);
    CHECK_EQ(faults(1), 0);
    CHECK_EQ(ab->other->c.stream_count, 1000);
    net_run(&n, PXI_LIMIT_IDENTIFY_MS);
    CHECK_EQ(ab->other->c.stream_count, 0);
    net_kill(&n, 0);
    net_deinit(&n);
}

static void accept_silent(void *ctx, struct pxi_stream *s)
{
    static const struct pxi_stream_events deaf = {0};
    pxi_stream_own(s, &deaf, NULL);
}

/* A peer that takes the question and never answers, and one that pushes and never says what. */
TEST(silence_ends_the_stream_in_time)
{
    static const char *const push[] = {"/ipfs/id/push/1.0.0"};
    static const struct pxi_stream_events deaf = {0};
    net_init(&n, 2);
    CHECK_EQ(pxi_host_handle(n.host[1], "/ipfs/id/1.0.0", 0, accept_silent, NULL), PX_ERR_OK);
    struct net_conn *ab = net_connect(&n, 0, 1);
    for (unsigned i = 0; i < 100; i++)
        CHECK(pxi_host_open(&ab->other->c, push, 1, &deaf, NULL));
    net_run(&n, PXI_LIMIT_IDENTIFY_MS - 100);
    CHECK_EQ(ab->c.stream_count, 101);
    net_run(&n, 200);
    CHECK_EQ(ab->c.stream_count, 0);
    CHECK_EQ(pxi_host_conn_count(n.host[0]), 1);
    net_deinit(&n);
}

TEST_MAIN()
