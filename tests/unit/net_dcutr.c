/* Hole punching in virtual time: reversal, the first round, the third, never; hostile peers. */
#include "net/dcutr.h"

#include "codec/messages.h"
#include "net/message.h"
#include "relay_world.h"

static struct {
    struct relay_node relay, a, b; /* b is dialled over the relay, so it leads */
    unsigned calls_a, calls_b, rounds;
    px_err err;
} pair;

static void heard_a(void *ctx, const struct pxi_peer *peer, px_err err, unsigned rounds)
{
    pair.calls_a++;
}

static void heard_b(void *ctx, const struct pxi_peer *peer, px_err err, unsigned rounds)
{
    pair.calls_b++;
    pair.err = err;
    pair.rounds = rounds;
}

static void pair_begin(enum nat a, enum nat b, bool a_serves)
{
    struct pxi_dcutr_options oa = {.result = heard_a}, ob = {.result = heard_b};
    struct pxi_relay_options ro = {.data = 16 << 20, .duration_s = 3600};
    memset(&pair, 0, sizeof pair);
    world_begin();
    relay_node_begin(&pair.relay, NAT_NONE);
    relay_node_begin(&pair.a, a);
    relay_node_begin(&pair.b, b);
    pair.relay.hop = pxi_relay_hop_new(pair.relay.v->host, &ro);
    if (a_serves)
        pair.a.dcutr = pxi_dcutr_new(pair.a.v->host, &oa);
    pair.b.dcutr = pxi_dcutr_new(pair.b.v->host, &ob);
    CHECK(relay_reserve(&pair.b, &pair.relay));
    CHECK(relay_dial(&pair.a, &pair.relay, &pair.b) != NULL);
}

static void pair_end(void)
{
    relay_node_end(&pair.a);
    relay_node_end(&pair.b);
    relay_node_end(&pair.relay);
    world_end();
}

static struct pxi_conn *direct(struct relay_node *from, struct relay_node *to)
{
    return pxi_host_conn(from->v->host, world_id(to->v), false);
}

/* Only the direct connection is left, and no upgrade is under way. */
static void check_only_direct(void)
{
    struct pxi_conn *c = direct(&pair.a, &pair.b);
    CHECK(c != NULL && !pxi_conn_relayed(c));
    CHECK(pxi_host_conn(pair.a.v->host, world_id(pair.b.v), true) == c);
    CHECK_EQ(pxi_relay_hop_use(pair.relay.hop).circuits, 0);
    CHECK_EQ(pxi_dcutr_use(pair.b.dcutr).active, 0);
    CHECK_EQ(pxi_dcutr_use(pair.b.dcutr).won, 1);
}

TEST(a_public_peer_is_dialled_back)
{
    pair_begin(NAT_NONE, NAT_CONE, true);
    world_run(20 * PXI_SECOND);
    CHECK_EQ(pair.calls_b, 1);
    CHECK_EQ(pair.err, PX_ERR_OK);
    CHECK_EQ(pair.rounds, 0);
    CHECK_EQ(world.dials, 0);
    check_only_direct();
    pair_end();
}

TEST(first_round)
{
    pair_begin(NAT_CONE, NAT_CONE, true);
    world_run(30 * PXI_SECOND);
    CHECK_EQ(pair.err, PX_ERR_OK);
    CHECK_EQ(pair.rounds, 1);
    CHECK(pair.calls_a == 1 && pair.calls_b == 1);
    check_only_direct();
    CHECK(direct(&pair.a, &pair.b)->outbound); /* A is the client */
    pair_end();
}

TEST(third_round)
{
    world.deaf = 0;
    pair_begin(NAT_CONE, NAT_CONE, true);
    world.deaf = 2;
    world_run(60 * PXI_SECOND);
    CHECK_EQ(pair.err, PX_ERR_OK);
    CHECK_EQ(pair.rounds, 3);
    CHECK_EQ(pair.calls_b, 1);
    check_only_direct();
    pair_end();
}

TEST(never_and_the_relay_serves_on)
{
    pair_begin(NAT_CONE, NAT_SYMMETRIC, true);
    world_run(100 * PXI_SECOND);
    CHECK_EQ(pair.calls_b, 1);
    CHECK(pair.err != PX_ERR_OK);
    CHECK_EQ(pair.rounds, 3);
    CHECK(direct(&pair.a, &pair.b) == NULL);
    CHECK(pxi_host_conn(pair.a.v->host, world_id(pair.b.v), true) != NULL);
    CHECK_EQ(pxi_relay_hop_use(pair.relay.hop).circuits, 1);
    CHECK_EQ(pxi_dcutr_use(pair.a.dcutr).active + pxi_dcutr_use(pair.b.dcutr).active, 0);
    pair_end();
}

TEST(the_other_does_not_know_the_protocol)
{
    pair_begin(NAT_CONE, NAT_CONE, false);
    world_run(60 * PXI_SECOND);
    CHECK_EQ(pair.calls_b, 1);
    CHECK(pair.err != PX_ERR_OK);
    CHECK(pxi_host_conn(pair.a.v->host, world_id(pair.b.v), true) != NULL);
    pair_end();
}

TEST(the_relay_goes_away_in_the_middle)
{
    for (int ms = 0; ms < 12000; ms += 97) {
        pair_begin(NAT_CONE, NAT_CONE, true);
        world.deaf = 1000;
        world_run((uint64_t)ms * PXI_MS);
        pxi_host_hangup(pair.relay.v->host, world_id(pair.b.v));
        world_run(60 * PXI_SECOND);
        CHECK_EQ(pxi_dcutr_use(pair.b.dcutr).active + pxi_dcutr_use(pair.a.dcutr).active, 0);
        pair_end();
    }
}

/* A leader of raw bytes: what A does with it. */
static size_t swallow(struct pxi_stream *s, px_view bytes)
{
    return bytes.n;
}

static void over(struct pxi_stream *s, px_err why)
{
    *(bool *)s->user = true;
}

static const struct pxi_stream_events deaf = {.data = swallow, .closed = over};

static void lead_raw(px_view bytes, bool end)
{
    static const char *const protocol = PXI_DCUTR_PROTOCOL;
    bool gone = false;
    struct pxi_conn *c = pxi_host_conn(pair.b.v->host, world_id(pair.a.v), true);
    CHECK(c != NULL);
    struct pxi_stream *s = pxi_host_open(c, &protocol, 1, &deaf, &gone);
    CHECK(s != NULL);
    pxi_stream_write(s, bytes);
    if (end)
        pxi_stream_end(s);
    world_run(6 * PXI_SECOND);
    if (!gone)
        pxi_stream_reset(s);
    world_run(PXI_SECOND);
}

TEST(malformed_messages_at_every_byte)
{
    struct pxi_maddr at[3];
    px_view v[3];
    px_diag d;
    static const char *const text[] = {"/ip4/99.1.2.3/tcp/5", "/ip4/99.1.2.3/udp/5/quic-v1",
                                       "/ip4/10.1.2.3/tcp/5"};
    struct pxi_buf good = {.max = 4096};
    pair_begin(NAT_CONE, NAT_CONE, true);
    pxi_dcutr_free(pair.b.dcutr);
    pair.b.dcutr = NULL;
    world_run(PXI_SECOND);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(pxi_maddr_parse(px_view_str(text[i]), &at[i], &d), PX_ERR_OK);
        v[i] = pxi_maddr_view(&at[i]);
    }
    struct pxi_msg_dcutr m = {PXI_DCUTR_CONNECT, {v, 3}}, sync = {PXI_DCUTR_SYNC, {0}};
    CHECK_EQ(pxi_pb_encode_framed(&pxi_pb_dcutr, &m, &good), PX_ERR_OK);
    CHECK_EQ(pxi_pb_encode_framed(&pxi_pb_dcutr, &sync, &good), PX_ERR_OK);
    for (size_t i = 0; i < good.n; i++) {
        uint8_t bad[256];
        memcpy(bad, good.p, good.n);
        bad[i] ^= (uint8_t)(0x80 | i);
        lead_raw(px_view_of(bad, good.n), true);
        lead_raw(px_view_of(good.p, i), true);
    }
    CHECK(world_faults(pair.a.v, PXI_FAULT_DCUTR) > 5);
    CHECK_EQ(pxi_dcutr_use(pair.a.dcutr).active, 0);
    CHECK(pxi_host_conn(pair.a.v->host, world_id(pair.b.v), true) != NULL);
    pxi_buf_deinit(&good);
    pair_end();
}

TEST(only_the_dialled_side_leads_and_only_over_a_relay)
{
    static const char *const protocol = PXI_DCUTR_PROTOCOL;
    static const uint8_t connect[] = {2, 8, 100};
    bool gone = false;
    pair_begin(NAT_CONE, NAT_CONE, true);
    world.deaf = 1000;
    struct pxi_conn *c = pxi_host_conn(pair.a.v->host, world_id(pair.b.v), true);
    struct pxi_stream *s = pxi_host_open(c, &protocol, 1, &deaf, &gone); /* A must not lead */
    pxi_stream_write(s, px_view_of(connect, sizeof connect));
    world_run(2 * PXI_SECOND);
    CHECK(gone);
    pair_end();
}

TEST_MAIN()
