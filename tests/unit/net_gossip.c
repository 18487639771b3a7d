/* Gossipsub among hosts: meshes form, messages reach everybody once, and go on doing so. */
#include "net/gossip.h"

#include "host_net.h"

static const px_view topic = {(const uint8_t *)"plexus/test", 11};

struct inbox {
    unsigned count, bytes;
    uint64_t sum; /* of the numbers in short messages */
    unsigned subscriptions;
};

static struct inbox inbox[NET_HOSTS];
static struct pxi_gossip *router[NET_HOSTS];

static void on_message(void *ctx, const struct pxi_gossip_message *m)
{
    struct inbox *b = ctx;
    uint32_t v = 0;
    b->count++;
    b->bytes += (unsigned)m->data.n;
    if (m->data.n == 4) {
        memcpy(&v, m->data.p, 4);
        b->sum += v;
    }
}

static void on_subscription(void *ctx, const struct pxi_peer *p, px_view name, bool on)
{
    struct inbox *b = ctx;
    b->subscriptions += on ? 1 : -1u;
}

static void start(struct net *n, unsigned count, struct pxi_gossip_options o)
{
    net_init(n, count);
    for (unsigned i = 0; i < count; i++) {
        o.ctx = &inbox[i];
        o.message = on_message;
        o.subscription = on_subscription;
        router[i] = pxi_gossip_new(n->host[i], &o);
        CHECK(router[i]);
    }
}

static void stop(struct net *n)
{
    for (unsigned i = 0; i < n->count; i++)
        pxi_gossip_free(router[i]);
    net_deinit(n);
}

static void join_all(struct net *n)
{
    for (unsigned i = 0; i < n->count; i++)
        CHECK_EQ(pxi_gossip_join(router[i], topic), PX_ERR_OK);
}

static void publish(unsigned i, uint32_t v)
{
    CHECK_EQ(pxi_gossip_publish(router[i], topic, px_view_of(&v, 4), NULL, 0, NULL), PX_ERR_OK);
}

static void line(struct net *n)
{
    for (unsigned i = 1; i < n->count; i++)
        net_connect(n, i, i - 1);
}

/* As in the interop matrix: six in a line, each publishes once, then a large message. */
static void line_of_six(struct pxi_gossip_options o, bool pieces)
{
    static uint8_t large[500000];
    struct net n;
    start(&n, 6, o);
    n.pieces = pieces;
    join_all(&n);
    line(&n);
    net_run(&n, 3000);
    for (unsigned i = 0; i < 6; i++)
        CHECK(pxi_gossip_mesh(router[i], topic, NULL, 0) == (i == 0 || i == 5 ? 1u : 2u));
    for (unsigned i = 0; i < 6; i++)
        publish(i, 1u << (4 * i));
    net_run(&n, 1500);
    for (unsigned i = 0; i < 6; i++) {
        CHECK_EQ(inbox[i].count, 5);
        CHECK_EQ(inbox[i].sum, 0x111111 - (1u << (4 * i)));
    }
    CHECK_EQ(pxi_gossip_publish(router[0], topic, px_view_of(large, sizeof large), NULL, 0, NULL),
             PX_ERR_OK);
    net_run(&n, 3000);
    for (unsigned i = 1; i < 6; i++)
        CHECK_EQ(inbox[i].bytes, 5 * 4 + sizeof large);
    stop(&n);
}

TEST(line_of_six_signed)
{
    line_of_six((struct pxi_gossip_options){0}, false);
}

TEST(line_of_six_in_pieces)
{
    line_of_six((struct pxi_gossip_options){0}, true);
}

TEST(line_of_six_without_signatures)
{
    line_of_six((struct pxi_gossip_options){.policy = PXI_GOSSIP_STRICT_NO_SIGN}, false);
}

static void random_graph(struct net *n, unsigned degree)
{
    for (unsigned i = 1; i < n->count; i++)
        net_connect(n, i, (unsigned)pxi_rng_below(&n->rng, i));
    for (unsigned k = 0; k < n->count * degree / 2; k++) {
        unsigned a = (unsigned)pxi_rng_below(&n->rng, n->count);
        unsigned b = (unsigned)pxi_rng_below(&n->rng, n->count);
        if (a != b && !pxi_host_conn(n->host[a], pxi_host_self(n->host[b]), true))
            net_connect(n, a, b);
    }
}

static void check_meshes(struct net *n, const bool *dead)
{
    for (unsigned i = 0; i < n->count; i++) {
        struct pxi_peer mesh[64], back[64];
        unsigned count = dead && dead[i] ? 0 : pxi_gossip_mesh(router[i], topic, mesh, 64);
        CHECK(count <= 12 && (count || (dead && dead[i])));
        for (unsigned j = 0; j < count; j++) { /* links go both ways */
            unsigned k = 0, at = 0;
            while (!pxi_peer_equal(pxi_host_self(n->host[k]), &mesh[j]))
                k++;
            unsigned m = pxi_gossip_mesh(router[k], topic, back, 64);
            while (at < m && !pxi_peer_equal(&back[at], pxi_host_self(n->host[i])))
                at++;
            CHECK(at < m);
        }
    }
}

TEST(random_graph_of_twenty_with_losses)
{
    struct net n;
    bool dead[20] = {0};
    start(&n, 20, (struct pxi_gossip_options){.no_flood_publish = true});
    join_all(&n);
    random_graph(&n, 14);
    net_run(&n, 5000);
    check_meshes(&n, NULL);
    unsigned want = 0;
    for (uint32_t v = 1; v <= 40; v++) {
        publish(v % 20, v);
        want += v;
        net_run(&n, 50);
    }
    net_run(&n, 3000);
    for (unsigned i = 0; i < 20; i++)
        CHECK_EQ(inbox[i].count, 38);
    for (unsigned k = 0; k < 5; k++) { /* a quarter goes away while messages are under way */
        unsigned i = 1 + (unsigned)pxi_rng_below(&n.rng, 19);
        dead[i] = true;
        publish(0, 1);
        net_kill(&n, i);
    }
    net_run(&n, 5000);
    memset(inbox, 0, sizeof inbox);
    for (uint32_t v = 1; v <= 10; v++) {
        publish(0, v);
        net_run(&n, 300);
    }
    net_run(&n, 5000);
    check_meshes(&n, dead);
    for (unsigned i = 1; i < 20; i++)
        CHECK_EQ(inbox[i].count, dead[i] ? 0 : 10);
    stop(&n);
}

TEST(publisher_that_did_not_join_uses_a_fanout)
{
    struct net n;
    start(&n, 8, (struct pxi_gossip_options){.no_flood_publish = true, .d = 3, .d_low = 2});
    for (unsigned i = 1; i < 8; i++) {
        CHECK_EQ(pxi_gossip_join(router[i], topic), PX_ERR_OK);
        net_connect(&n, 0, i);
        net_connect(&n, i, i == 7 ? 1 : i + 1);
    }
    net_run(&n, 3000);
    struct pxi_peer to[8];
    unsigned count = 0;
    CHECK_EQ(pxi_gossip_publish(router[0], topic, px_view_str("x"), to, 8, &count), PX_ERR_OK);
    CHECK_EQ(count, 3);
    net_run(&n, 4000);
    for (unsigned i = 1; i < 8; i++)
        CHECK_EQ(inbox[i].count, 1);
    CHECK_EQ(inbox[0].count, 0);
    CHECK_EQ(pxi_gossip_mesh(router[0], topic, NULL, 0), 0);
    net_run(&n, 90000); /* and it is forgotten */
    CHECK_EQ(pxi_gossip_join(router[0], topic), PX_ERR_OK);
    CHECK_EQ(pxi_gossip_mesh(router[0], topic, NULL, 0), 3);
    stop(&n);
}

TEST(leaving_and_coming_back)
{
    struct net n;
    start(&n, 3, (struct pxi_gossip_options){0});
    join_all(&n);
    line(&n);
    net_run(&n, 2500);
    CHECK_EQ(pxi_gossip_leave(router[1], topic), PX_ERR_OK);
    CHECK_EQ(pxi_gossip_leave(router[1], topic), PX_ERR_NOT_FOUND);
    net_run(&n, 100);
    CHECK_EQ(inbox[0].subscriptions, 0);
    CHECK_EQ(pxi_gossip_mesh(router[0], topic, NULL, 0), 0);
    publish(0, 7);
    net_run(&n, 6000); /* until nobody advertises it any more */
    CHECK_EQ(inbox[1].count + inbox[2].count, 0);
    CHECK_EQ(pxi_gossip_join(router[1], topic), PX_ERR_OK);
    net_run(&n, 2000);
    CHECK_EQ(pxi_gossip_mesh(router[0], topic, NULL, 0), 0); /* 10 s of back-off */
    net_run(&n, 11000);
    CHECK_EQ(pxi_gossip_mesh(router[0], topic, NULL, 0), 1);
    publish(0, 9);
    net_run(&n, 1000);
    CHECK_EQ(inbox[2].sum, 9);
    CHECK_EQ(pxi_gossip_stats(router[0]).grafts_refused, 0);
    stop(&n);
}

TEST(sizes_at_the_limit)
{
    static uint8_t data[(1 << 20) + 1];
    struct net n;
    unsigned count;
    start(&n, 2, (struct pxi_gossip_options){0});
    join_all(&n);
    net_connect(&n, 0, 1);
    net_run(&n, 2500);
    CHECK_EQ(pxi_gossip_publish(router[0], topic, px_view_of(data, sizeof data), NULL, 0, &count),
             PX_ERR_LIMIT);
    CHECK_EQ(pxi_gossip_publish(router[0], topic, px_view_of(data, 1 << 20), NULL, 0, &count),
             PX_ERR_LIMIT);
    CHECK_EQ(count, 0);
    CHECK_EQ(
        pxi_gossip_publish(router[0], topic, px_view_of(data, (1 << 20) - 200), NULL, 0, &count),
        PX_ERR_OK);
    CHECK_EQ(count, 1);
    CHECK_EQ(pxi_gossip_publish(router[0], px_view_of(data, 0), px_view_str("x"), NULL, 0, NULL),
             PX_ERR_INVALID);
    CHECK_EQ(pxi_gossip_join(router[0], px_view_of(data, 5000)), PX_ERR_INVALID);
    net_run(&n, 3000);
    CHECK_EQ(inbox[1].count, 1);
    CHECK_EQ(inbox[1].bytes, (1 << 20) - 200);
    stop(&n);
}

/* Everybody talks to everybody: without IDONTWANT each large message would cross most links. */
TEST(large_messages_are_spared)
{
    static uint8_t data[20000];
    struct net n;
    start(&n, 8, (struct pxi_gossip_options){.no_flood_publish = true});
    join_all(&n);
    for (unsigned i = 0; i < 8; i++)
        for (unsigned j = 0; j < i; j++)
            net_connect(&n, i, j);
    net_run(&n, 4000);
    for (unsigned k = 0; k < 10; k++) {
        CHECK_EQ(
            pxi_gossip_publish(router[k % 8], topic, px_view_of(data, sizeof data), NULL, 0, NULL),
            PX_ERR_OK);
        net_run(&n, 200);
    }
    net_run(&n, 3000);
    uint64_t told = 0;
    for (unsigned i = 0; i < 8; i++) {
        CHECK_EQ(inbox[i].count, i < 2 ? 8 : 9);
        told += pxi_gossip_stats(router[i]).idontwant_in;
    }
    CHECK(told > 100);
    stop(&n);
}

static enum pxi_gossip_verdict judge(void *ctx, const struct pxi_gossip_message *m)
{
    const char *say = (const char *)m->data.p;
    return say[0] == 'r'   ? PXI_GOSSIP_REJECT
           : say[0] == 'i' ? PXI_GOSSIP_IGNORE
                           : PXI_GOSSIP_ACCEPT;
}

TEST(validators_decide)
{
    struct net n;
    start(&n, 3, (struct pxi_gossip_options){0});
    CHECK_EQ(pxi_gossip_validate(router[1], topic, judge, NULL), PX_ERR_NOT_FOUND);
    join_all(&n);
    CHECK_EQ(pxi_gossip_validate(router[1], topic, judge, NULL), PX_ERR_OK);
    line(&n);
    net_run(&n, 2500);
    const char *say[] = {"accept", "ignore", "reject"};
    for (unsigned k = 0; k < 3; k++)
        CHECK_EQ(pxi_gossip_publish(router[0], topic, px_view_str(say[k]), NULL, 0, NULL),
                 PX_ERR_OK);
    net_run(&n, 2);
    CHECK_EQ(inbox[1].count, 1);
    CHECK_EQ(pxi_gossip_stats(router[1]).rejected, 1);
    CHECK_EQ(pxi_gossip_stats(router[1]).ignored, 1);
    CHECK(pxi_gossip_peer_score(router[1], pxi_host_self(n.host[0])) < 0);
    CHECK(pxi_gossip_peer_score(router[1], pxi_host_self(n.host[2])) >= 0);
    net_run(&n, 3000);
    CHECK_EQ(inbox[2].count, 1);
    CHECK_EQ(pxi_gossip_mesh(router[1], topic, NULL, 0), 1); /* the liar was pruned */
    stop(&n);
}

/* A peer that joins late hears by gossip what the mesh no longer sends. */
TEST(gossip_reaches_those_outside_the_mesh)
{
    struct net n;
    start(&n, 2, (struct pxi_gossip_options){.no_flood_publish = true});
    join_all(&n);
    net_connect(&n, 0, 1);
    net_run(&n, 900); /* before the first heartbeat there is no mesh */
    CHECK_EQ(pxi_gossip_mesh(router[0], topic, NULL, 0), 0);
    CHECK_EQ(pxi_gossip_direct(router[0], pxi_host_self(n.host[1]), false), PX_ERR_OK);
    publish(0, 5);
    CHECK_EQ(pxi_gossip_app_score(router[0], pxi_host_self(n.host[1]), -5), PX_ERR_OK);
    net_run(&n, 3000); /* below 0: never in the mesh, but above the gossip threshold */
    CHECK_EQ(pxi_gossip_mesh(router[0], topic, NULL, 0), 0);
    CHECK_EQ(inbox[1].sum, 5);
    CHECK(pxi_gossip_stats(router[0]).iwant_served >= 1);
    stop(&n);
}

TEST(peers_by_agreement)
{
    struct net n;
    start(&n, 2, (struct pxi_gossip_options){.no_flood_publish = true});
    join_all(&n);
    CHECK_EQ(pxi_gossip_direct(router[0], pxi_host_self(n.host[1]), true), PX_ERR_OK);
    CHECK_EQ(pxi_gossip_direct(router[1], pxi_host_self(n.host[0]), true), PX_ERR_OK);
    CHECK_EQ(pxi_gossip_app_score(router[1], pxi_host_self(n.host[0]), -1000), PX_ERR_OK);
    net_connect(&n, 0, 1);
    net_run(&n, 2500);
    CHECK_EQ(pxi_gossip_mesh(router[0], topic, NULL, 0), 0);
    publish(0, 3);
    net_run(&n, 10);
    CHECK_EQ(inbox[1].sum, 3);
    stop(&n);
}

TEST(memory_that_runs_out)
{
    for (unsigned k = 1; k < 400; k += 7) {
        struct net n;
        net_init(&n, 3);
        struct pxi_gossip_options o = {0};
        memset(router, 0, sizeof router);
        for (unsigned i = 0; i < 3; i++) {
            pxi_mem_fail_after(i == 1 ? k : 0);
            router[i] = pxi_gossip_new(n.host[i], &o);
            if (router[i])
                pxi_gossip_join(router[i], topic);
            pxi_mem_fail_after(0);
        }
        line(&n);
        pxi_mem_fail_after(k);
        net_run(&n, 1500);
        for (unsigned i = 0; i < 3; i++)
            if (router[i])
                pxi_gossip_publish(router[i], topic, px_view_str("x"), NULL, 0, NULL);
        net_run(&n, 1500);
        pxi_mem_fail_after(0);
        stop(&n);
    }
}

TEST_MAIN()
