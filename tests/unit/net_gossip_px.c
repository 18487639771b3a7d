/* Peer exchange of gossipsub: who is told of whom, who is believed, and how far. */
#include "base/limits.h"
#include "codec/varint.h"
#include "host_net.h"
#include "net/envelope.h"
#include "net/gossip.h"
#include "net/host_impl.h"

enum { HOSTS = 7 };
static const px_view topic = {(const uint8_t *)"t", 1};

static struct net net;
static struct pxi_gossip *g[HOSTS];
static struct pxi_transport transports[HOSTS];
static struct pxi_dial *dials[64]; /* none is ever answered */
static unsigned dialled, cancelled;

static bool can_dial(struct pxi_transport *t, const struct pxi_endpoint *e)
{
    return e->family == 4;
}
static void dial(struct pxi_transport *t, struct pxi_dial *d)
{
    CHECK(dialled < 64);
    dials[dialled++] = d;
}
static void cancel(struct pxi_transport *t, struct pxi_dial *d)
{
    cancelled++;
}

static struct pxi_maddr addr_of(unsigned i, unsigned last)
{
    struct pxi_endpoint e = {
        .family = 4, .ip = {10, 9, (uint8_t)last, (uint8_t)i}, .port = 4001, .via = PXI_VIA_TCP};
    return pxi_endpoint_maddr(&e);
}

static void start(unsigned hosts, struct pxi_gossip_options o, double px_threshold)
{
    struct pxi_gossip_score score = pxi_gossip_score_default();
    score.px_threshold = px_threshold;
    o.score = &score;
    dialled = cancelled = 0;
    memset(g, 0, sizeof g);
    net_init(&net, hosts);
    for (unsigned i = 0; i < hosts; i++) {
        struct pxi_maddr a = addr_of(i, 0);
        CHECK_EQ(pxi_host_addr_add(net.host[i], pxi_maddr_view(&a), PXI_ADDR_LISTEN), PX_ERR_OK);
        transports[i] = (struct pxi_transport){
            .name = "fake", .can_dial = can_dial, .dial = dial, .cancel = cancel};
        pxi_host_transport(net.host[i], &transports[i]);
        if (i == 1 && hosts == 2)
            continue; /* the attacker */
        g[i] = pxi_gossip_new(net.host[i], &o);
        CHECK(g[i]);
        CHECK_EQ(pxi_gossip_join(g[i], topic), PX_ERR_OK);
    }
}

static void stop(void)
{
    for (unsigned i = 0; i < HOSTS; i++)
        pxi_gossip_free(g[i]);
    net_deinit(&net);
    CHECK_EQ(cancelled, dialled);
}

static uint64_t sum_in(void)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < HOSTS; i++)
        n += g[i] ? pxi_gossip_stats(g[i]).exchange_in : 0;
    return n;
}

/* All know the first only, which takes two into its mesh and tells the others of each other. */
static void crowd(bool tells, double px_threshold)
{
    struct pxi_gossip_options o = {
        .d = 2, .d_low = 1, .d_high = 2, .d_score = 1, .d_out = 1, .peer_exchange = tells};
    start(HOSTS, o, px_threshold);
    for (unsigned i = 1; i < HOSTS; i++)
        net_connect(&net, i, 0);
    net_run(&net, 5000);
}

TEST(who_is_pruned_hears_of_others)
{
    crowd(true, 0);
    CHECK(pxi_gossip_stats(g[0]).exchange_out > 0);
    CHECK(sum_in() > 0);
    CHECK(dialled > 0);
    for (unsigned i = 0; i < dialled; i++) { /* each where that peer itself says that it is */
        struct pxi_endpoint e;
        CHECK_EQ(pxi_endpoint_of(pxi_maddr_view(&dials[i]->addr), &e), PX_ERR_OK);
        CHECK(e.ip[0] == 10 && e.ip[1] == 9 && e.ip[3] < HOSTS && e.ip[3] > 0);
        CHECK(pxi_peer_equal(&dials[i]->peer, pxi_host_self(net.host[e.ip[3]])));
    }
    stop();
}

TEST(nobody_is_told_who_does_not_want_to_or_believes_nobody)
{
    crowd(false, 0);
    CHECK_EQ(pxi_gossip_stats(g[0]).exchange_out, 0);
    CHECK_EQ(dialled, 0);
    stop();
    crowd(true, 10); /* the default: a score that only the application can give */
    CHECK(pxi_gossip_stats(g[0]).exchange_out > 0);
    CHECK_EQ(sum_in(), 0);
    CHECK_EQ(dialled, 0);
    stop();
}

/* -------------------------------------------------------------- an attacker */

static struct pxi_stream *out;
static struct pxi_buf peers;

static void on_accept(void *ctx, struct pxi_stream *s)
{
    static const struct pxi_stream_events deaf = {0};
    pxi_stream_own(s, &deaf, NULL);
}

static void attacked(double px_threshold)
{
    static const char *const v12[] = {"/meshsub/1.2.0"};
    static const struct pxi_stream_events deaf = {0};
    start(2, (struct pxi_gossip_options){0}, px_threshold);
    CHECK_EQ(pxi_host_handle(net.host[1], v12[0], 0, on_accept, NULL), PX_ERR_OK);
    struct net_conn *c = net_connect(&net, 1, 0);
    out = pxi_host_open(&c->c, v12, 1, &deaf, NULL);
    CHECK(out);
    net_run(&net, 300);
    peers = (struct pxi_buf){.max = 1 << 20};
}

/* One more peer for the next PRUNE: `who` by its name, with a record that `signer` signed. */
static void add(unsigned who, unsigned signer, bool broken)
{
    uint8_t a[32] = {0xaa, (uint8_t)who}, b[32] = {0xaa, (uint8_t)signer};
    struct pxi_key *ka = pxi_key_from_seed(a), *kb = pxi_key_from_seed(b);
    struct pxi_peer pa = pxi_peer_of_key(pxi_key_public(ka)),
                    pb = pxi_peer_of_key(pxi_key_public(kb));
    struct pxi_maddr at = addr_of(who, 1);
    px_view v = pxi_maddr_view(&at);
    struct pxi_buf record = {.max = PXI_ENVELOPE_MAX}, entry = {.max = PXI_ENVELOPE_MAX};
    CHECK_EQ(pxi_peer_record_seal(kb, &pb, 1, &v, 1, &record), PX_ERR_OK);
    record.p[record.n - 1] ^= broken;
    CHECK(pxi_rpc_put_bytes(&entry, PXI_RPC_PX_ID, pxi_peer_view(&pa)));
    CHECK(pxi_rpc_put_bytes(&entry, PXI_RPC_PX_RECORD, px_view_of(record.p, record.n)));
    CHECK(pxi_rpc_put_bytes(&peers, PXI_RPC_PRUNE_PEER, px_view_of(entry.p, entry.n)));
    pxi_buf_deinit(&record);
    pxi_buf_deinit(&entry);
    pxi_key_free(ka);
    pxi_key_free(kb);
}

static void prune(void)
{
    struct pxi_buf control = {.max = 1 << 20}, rpc = {.max = 1 << 20};
    uint8_t head[PXI_VARINT_MAX];
    CHECK(pxi_rpc_put_prune(&control, topic, 60, px_view_of(peers.p, peers.n)));
    CHECK(pxi_rpc_put_bytes(&rpc, PXI_RPC_CONTROL, px_view_of(control.p, control.n)));
    pxi_stream_write(out, px_view_of(head, pxi_varint_put(head, rpc.n)));
    CHECK_EQ(pxi_stream_write(out, px_view_of(rpc.p, rpc.n)), rpc.n);
    net_run(&net, 50);
    pxi_buf_deinit(&control);
    pxi_buf_deinit(&rpc);
    pxi_buf_deinit(&peers);
}

static uint64_t faults(void)
{
    return pxi_host_faults(net.host[0])->n[PXI_FAULT_GOSSIP];
}

TEST(only_what_a_peer_signed_of_itself_is_believed)
{
    attacked(0);
    uint64_t before = faults();
    add(1, 2, false); /* the record of another */
    add(3, 3, true);  /* a wrong signature */
    CHECK(pxi_rpc_put_bytes(&peers, PXI_RPC_PRUNE_PEER, px_view_str(""))); /* nothing */
    add(4, 4, false);
    prune();
    CHECK_EQ(faults() - before, 2);
    CHECK_EQ(dialled, 1);
    CHECK_EQ(dials[0]->addr.n, addr_of(4, 1).n);
    stop();
}

TEST(crowds_of_peers_are_cut)
{
    attacked(0);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 100; i++)
            add(100 * round + i, 100 * round + i, false);
        prune();
        CHECK_EQ(dialled, PXI_LIMIT_GOSSIP_PX_DIALS); /* those under way come first */
    }
    stop();
    attacked(0);
    uint64_t before = faults();
    for (unsigned i = 0; i < 100; i++)
        add(i, i, true); /* each costs a signature */
    prune();
    CHECK_EQ(faults() - before, PXI_LIMIT_GOSSIP_PX_PEERS);
    CHECK_EQ(dialled, 0);
    stop();
}

TEST(who_has_no_good_score_is_not_believed)
{
    attacked(1);
    add(1, 1, false);
    prune();
    CHECK_EQ(dialled, 0);
    CHECK_EQ(pxi_gossip_app_score(g[0], pxi_host_self(net.host[1]), 100), PX_ERR_OK);
    add(1, 1, false);
    prune();
    CHECK_EQ(dialled, 1);
    stop();
}

TEST_MAIN()
