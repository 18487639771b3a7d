/* Kademlia over simulated hosts: every layer is that of production but the carrier. */
#include "px_test.h"

#include "base/limits.h"
#include "net/identify.h"
#include "net/kad_impl.h"
#include "net/simlink.h"

enum { MOST = 256 };

struct node {
    struct pxi_key *key;
    struct pxi_host *host;
    struct pxi_identify *identify;
    struct pxi_kad *kad;
    struct pxi_simport *port;
};

static struct {
    struct pxi_timers timers;
    struct pxi_random random;
    struct pxi_simnet *net;
    struct node node[MOST];
    unsigned n;
} world;

static uint64_t wall(void)
{
    return 1800000000 + world.timers.now_ns / PXI_SECOND;
}

static struct pxi_maddr address(unsigned i)
{
    char text[64];
    struct pxi_maddr a;
    px_diag d;
    snprintf(text, sizeof text, "/ip4/%u.%u.1.1/tcp/4001", 20 + i / 200, i % 200);
    CHECK(pxi_maddr_parse(px_view_str(text), &a, &d) == PX_ERR_OK);
    return a;
}

static void begin(void)
{
    world.random = pxi_random_seeded(px_seed);
    struct pxi_simnet_options o = {.timers = &world.timers, .seed = px_seed, .refused = 0.5};
    world.net = pxi_simnet_new(&o);
    CHECK(world.net != NULL);
}

static struct node *add(const struct pxi_kad_options *ko)
{
    struct node *v = &world.node[world.n];
    struct pxi_maddr a = address(world.n++);
    struct pxi_kad_options quiet = {.quiet = true};
    v->key = pxi_key_new(PXI_KEY_ED25519, &world.random);
    struct pxi_host_options o = {.key = v->key,
                                 .timers = &world.timers,
                                 .random = &world.random,
                                 .agent = "test",
                                 .wall_s = wall,
                                 .simulated = true};
    v->host = pxi_host_new(&o);
    v->identify = pxi_identify_new(v->host);
    v->kad = pxi_kad_new(v->host, ko ? ko : &quiet);
    v->port = pxi_simnet_join(world.net, v->host, pxi_maddr_view(&a));
    CHECK(v->host && v->identify && v->kad && v->port);
    return v;
}

static void drop(struct node *v)
{
    pxi_kad_free(v->kad);
    pxi_identify_free(v->identify);
    pxi_simport_die(v->port);
    pxi_host_free(v->host);
    v->host = NULL;
    v->kad = NULL;
}

static void end(void)
{
    for (unsigned i = 0; i < world.n; i++) {
        if (world.node[i].host)
            drop(&world.node[i]);
        pxi_simport_leave(world.node[i].port);
        pxi_key_free(world.node[i].key);
    }
    pxi_simnet_free(world.net);
    CHECK(pxi_timers_next(&world.timers) == PXI_NEVER);
}

static void run_for(uint64_t ns)
{
    uint64_t until = world.timers.now_ns + ns;
    while (pxi_timers_next(&world.timers) <= until)
        pxi_timers_run(&world.timers, pxi_timers_next(&world.timers));
    pxi_timers_run(&world.timers, until);
}

static void introduce(struct node *a, struct node *b)
{
    struct pxi_maddr at = address((unsigned)(b - world.node));
    px_view v = pxi_maddr_view(&at);
    pxi_kad_add(a->kad, pxi_host_self(b->host), &v, 1);
}

/* n hosts that know each other by joining through the first. */
static void swarm(unsigned n, const struct pxi_kad_options *ko)
{
    begin();
    for (unsigned i = 0; i < n; i++) {
        struct node *v = add(ko);
        if (i) {
            introduce(v, &world.node[0]);
            run_for(3 * PXI_SECOND);
            pxi_kad_bootstrap(v->kad, NULL, NULL);
            run_for(5 * PXI_SECOND);
        }
    }
}

struct outcome {
    unsigned calls, peers, stored, agreed, hops, requests;
    px_err err;
    char value[64];
    struct pxi_peer first;
};

static void keep(void *ctx, const struct pxi_kad_result *r)
{
    struct outcome *o = ctx;
    o->calls++;
    o->err = r->err;
    o->peers = r->peer_count;
    o->stored = r->stored;
    o->agreed = r->agreed;
    o->hops = r->hops;
    o->requests = r->requests;
    if (r->peer_count)
        o->first = r->peers[0].peer;
    snprintf(o->value, sizeof o->value, "%.*s", (int)r->value.n, (const char *)r->value.p);
}

static px_view str(const char *s)
{
    return px_view_str(s);
}

static const uint8_t multihash[34] = {0x12, 0x20, 1, 2, 3};

TEST(table_fills_by_joining)
{
    swarm(12, NULL);
    for (unsigned i = 0; i < 12; i++)
        CHECK(pxi_kad_stats_of(world.node[i].kad).table >= 9);
    end();
}

TEST(closest_peers_are_the_nearest)
{
    struct outcome o = {0};
    swarm(50, NULL);
    CHECK(pxi_kad_closest(world.node[7].kad, str("somewhere"), keep, &o) != NULL);
    run_for(60 * PXI_SECOND);
    CHECK_EQ(o.calls, 1);
    CHECK_EQ(o.err, PX_ERR_OK);
    CHECK_EQ(o.peers, 20);
    struct pxi_kad_key t = pxi_kad_key_of(str("somewhere"));
    struct pxi_kad_key first = pxi_kad_key_of(pxi_peer_view(&o.first));
    for (unsigned i = 0; i < 50; i++) {
        struct pxi_kad_key k = pxi_kad_key_of(pxi_peer_view(pxi_host_self(world.node[i].host)));
        CHECK(i == 7 || pxi_kad_nearer(&t, &first, &k) <= 0);
    }
    end();
}

TEST(values_are_put_and_got)
{
    struct pxi_kad_options ko = {.quiet = true, .accept_all = true};
    struct outcome put = {0}, get = {0}, none = {0}, refused = {0};
    swarm(50, &ko);
    CHECK(pxi_kad_put(world.node[3].kad, str("/v/a"), str("hello"), keep, &put) != NULL);
    CHECK(pxi_kad_put(world.node[3].kad, str("/x/a"), str("hello"), keep, &refused) != NULL);
    CHECK_EQ(put.calls, 0); /* never from inside */
    run_for(60 * PXI_SECOND);
    CHECK_EQ(put.err, PX_ERR_OK);
    CHECK(put.stored >= 18);
    CHECK_EQ(refused.err, PX_ERR_INVALID);
    CHECK(pxi_kad_get(world.node[44].kad, str("/v/a"), 0, keep, &get) != NULL);
    CHECK(pxi_kad_get(world.node[44].kad, str("/v/b"), 0, keep, &none) != NULL);
    run_for(60 * PXI_SECOND);
    CHECK_EQ(get.calls, 1);
    CHECK_EQ(get.err, PX_ERR_OK);
    CHECK_STR(get.value, "hello");
    CHECK(get.agreed >= 15);
    CHECK_EQ(none.err, PX_ERR_NOT_FOUND);
    end();
}

TEST(providers_are_found)
{
    struct outcome provide = {0}, found = {0};
    swarm(50, NULL);
    px_view key = px_view_of(multihash, sizeof multihash);
    CHECK(pxi_kad_provide(world.node[5].kad, key, keep, &provide) != NULL);
    run_for(60 * PXI_SECOND);
    CHECK_EQ(provide.err, PX_ERR_OK);
    CHECK(provide.stored >= 18);
    CHECK(pxi_kad_providers(world.node[40].kad, key, 1, keep, &found) != NULL);
    run_for(60 * PXI_SECOND);
    CHECK_EQ(found.err, PX_ERR_OK);
    CHECK_EQ(found.peers, 1);
    CHECK(pxi_peer_equal(&found.first, pxi_host_self(world.node[5].host)));
    end();
}

/* What is found of a value and of its provider from another peer. */
static void look(struct outcome *value, struct outcome *provider, const char *name)
{
    memset(value, 0, sizeof *value);
    memset(provider, 0, sizeof *provider);
    CHECK(pxi_kad_get(world.node[11].kad, str(name), 0, keep, value) != NULL);
    px_view key = px_view_of(multihash, sizeof multihash);
    CHECK(pxi_kad_providers(world.node[12].kad, key, 1, keep, provider) != NULL);
    run_for(90 * PXI_SECOND);
}

#define HOUR (3600 * PXI_SECOND)

TEST(what_is_kept_outlives_its_time)
{
    static const struct pxi_kad_options o = {.quiet = true, .accept_all = true};
    struct outcome value, provider;
    px_view key = px_view_of(multihash, sizeof multihash);
    swarm(16, &o);
    struct pxi_kad *k = world.node[3].kad;
    CHECK(pxi_kad_put(k, str("/v/kept"), str("good"), NULL, NULL) != NULL);
    CHECK(pxi_kad_put(k, str("/v/once"), str("once"), NULL, NULL) != NULL);
    CHECK(pxi_kad_provide(k, key, NULL, NULL) != NULL);
    CHECK_EQ(pxi_kad_put_keep(k, str("/v/kept"), str("good")), PX_ERR_OK);
    CHECK_EQ(pxi_kad_put_keep(k, str("/v/kept"), str("good")), PX_ERR_OK); /* in its place */
    CHECK_EQ(pxi_kad_provide_keep(k, key), PX_ERR_OK);
    CHECK_EQ(pxi_kad_stats_of(k).kept, 2);
    run_for(47 * HOUR);
    look(&value, &provider, "/v/once");
    CHECK_EQ(value.err, PX_ERR_OK);
    run_for(3 * HOUR);
    look(&value, &provider, "/v/once");
    CHECK_EQ(value.err, PX_ERR_NOT_FOUND); /* nobody renewed it */
    look(&value, &provider, "/v/kept");
    CHECK_EQ(value.err, PX_ERR_OK);
    CHECK_EQ(provider.err, PX_ERR_OK);
    pxi_kad_put_stop(k, str("/v/kept"));
    pxi_kad_provide_stop(k, key);
    CHECK_EQ(pxi_kad_stats_of(k).kept, 0);
    run_for(50 * HOUR);
    look(&value, &provider, "/v/kept");
    CHECK_EQ(value.err, PX_ERR_NOT_FOUND);
    CHECK_EQ(provider.err, PX_ERR_NOT_FOUND);
    end();
}

TEST(own_records_are_signed_anew)
{
    struct pxi_buf key = {.max = 256}, sealed = {.max = PXI_LIMIT_KAD_VALUE_BYTES};
    struct pxi_kad_own own;
    swarm(10, NULL);
    struct node *v = &world.node[3];
    CHECK_EQ(pxi_kad_own_key(pxi_host_self(v->host), "x", &key), PX_ERR_OK);
    px_view name = px_view_of(key.p, key.n);
    CHECK_EQ(pxi_kad_own_seal(v->key, name, wall(), wall() + 172800, str("mine"), &sealed),
             PX_ERR_OK);
    px_view first = px_view_of(sealed.p, sealed.n);
    CHECK(pxi_kad_put(v->kad, name, first, NULL, NULL) != NULL);
    CHECK_EQ(pxi_kad_put_keep(v->kad, name, first), PX_ERR_OK);
    CHECK_EQ(pxi_kad_put_keep(world.node[4].kad, name, first), PX_ERR_OK); /* a friend helps */
    run_for(100 * HOUR);
    const struct pxi_kad_record *r =
        pxi_kad_store_get(&world.node[8].kad->store, name, world.timers.now_ns);
    CHECK(r && pxi_kad_own_open(name, pxi_kad_record_value(r), &own) == PX_ERR_OK);
    CHECK(px_view_is(own.value, "mine"));
    CHECK(own.expires_s > wall());
    CHECK_EQ(pxi_kad_stats_of(v->kad).kept, 1);
    CHECK_EQ(pxi_kad_stats_of(world.node[4].kad).kept, 0); /* a better one was there by then */
    pxi_buf_deinit(&key);
    pxi_buf_deinit(&sealed);
    end();
}

TEST(keeping_waits_for_the_network)
{
    static const struct pxi_kad_options o = {.quiet = true, .accept_all = true};
    swarm(2, &o);
    struct node *v = &world.node[1];
    CHECK_EQ(pxi_kad_put_keep(v->kad, str("/v/a"), str("a")), PX_ERR_OK);
    run_for(21 * HOUR);
    drop(&world.node[0]);
    run_for(3 * HOUR);
    uint64_t before = pxi_kad_stats_of(v->kad).requests_out;
    struct node *fresh = add(&o);
    introduce(v, fresh);
    run_for(HOUR / 2);
    CHECK(pxi_kad_stats_of(v->kad).requests_out > before);
    CHECK_EQ(pxi_kad_stats_of(fresh->kad).records, 1); /* tried again after ten minutes */
    end();
}

TEST(peers_are_found_by_name)
{
    struct outcome o = {0}, gone = {0};
    struct pxi_peer nobody;
    swarm(50, NULL);
    CHECK(pxi_kad_find_peer(world.node[1].kad, pxi_host_self(world.node[49].host), keep, &o));
    nobody = pxi_peer_of_key(str("\x08\x01\x12\x20"
                                 "01234567890123456789012345678901"));
    CHECK(pxi_kad_find_peer(world.node[1].kad, &nobody, keep, &gone));
    run_for(60 * PXI_SECOND);
    CHECK_EQ(o.err, PX_ERR_OK);
    CHECK(pxi_peer_equal(&o.first, pxi_host_self(world.node[49].host)));
    CHECK_EQ(gone.err, PX_ERR_NOT_FOUND);
    end();
}

TEST(dead_peers_are_stepped_over)
{
    struct pxi_kad_options ko = {.quiet = true, .accept_all = true};
    struct outcome put = {0}, get = {0};
    swarm(60, &ko);
    CHECK(pxi_kad_put(world.node[3].kad, str("/v/a"), str("hello"), keep, &put) != NULL);
    run_for(60 * PXI_SECOND);
    for (unsigned i = 10; i < 30; i++)
        drop(&world.node[i]);
    CHECK(pxi_kad_get(world.node[50].kad, str("/v/a"), 0, keep, &get) != NULL);
    run_for(90 * PXI_SECOND);
    CHECK_EQ(get.calls, 1);
    CHECK_EQ(get.err, PX_ERR_OK);
    CHECK_STR(get.value, "hello");
    end();
}

TEST(cancelled_operations_stay_silent)
{
    struct outcome o = {0};
    swarm(10, NULL);
    struct pxi_kad_op *op = pxi_kad_closest(world.node[1].kad, str("x"), keep, &o);
    run_for(50 * PXI_MS);
    pxi_kad_cancel(op);
    pxi_kad_closest(world.node[2].kad, str("x"), keep, &o); /* freed with its DHT */
    run_for(20 * PXI_MS);
    drop(&world.node[2]);
    run_for(60 * PXI_SECOND);
    CHECK_EQ(o.calls, 0);
    end();
}

TEST(a_lonely_host_says_so)
{
    struct outcome o = {0};
    begin();
    struct node *v = add(NULL);
    CHECK(pxi_kad_closest(v->kad, str("x"), keep, &o) != NULL);
    CHECK(pxi_kad_closest(v->kad, str(""), keep, &o) == NULL);
    run_for(PXI_SECOND);
    CHECK_EQ(o.err, PX_ERR_UNREACHABLE);
    end();
}

static px_err say_nothing(void *ctx, struct pxi_kad *k, const struct pxi_peer *from,
                          const struct pxi_msg_kad *m, struct pxi_buf *out)
{
    return PX_ERR_REFUSED;
}

/* Whoever says that it serves the DHT is asked before it enters a table. */
TEST(who_does_not_answer_stays_out_of_tables)
{
    struct pxi_kad_options mute = {.quiet = true, .answer = say_nothing};
    swarm(10, NULL);
    struct node *v = add(&mute);
    struct pxi_kad_key at = pxi_kad_key_of(pxi_peer_view(pxi_host_self(v->host)));
    for (unsigned i = 0; i < 10; i++)
        introduce(v, &world.node[i]);
    run_for(30 * PXI_SECOND);
    for (unsigned i = 0; i < 10; i++) {
        struct pxi_kad *k = world.node[i].kad;
        CHECK_EQ(pxi_peer_supports(world.node[i].host, pxi_host_self(v->host), PXI_KAD_PROTOCOL),
                 1);
        CHECK(pxi_kad_table_find(&k->table, &at) == NULL);
        CHECK(pxi_kad_table_of(k)->count > 0);
    }
    end();
}

TEST(clients_and_other_swarms_stay_out_of_tables)
{
    struct pxi_kad_options client = {.quiet = true, .client = true};
    struct pxi_kad_options other = {.quiet = true, .protocol = "/other/kad/1.0.0"};
    struct outcome o = {0};
    swarm(8, NULL);
    struct node *c = add(&client), *x = add(&other);
    introduce(c, &world.node[0]);
    introduce(x, &world.node[0]);
    introduce(&world.node[0], c);
    introduce(&world.node[0], x);
    run_for(10 * PXI_SECOND);
    CHECK(pxi_kad_closest(c->kad, str("x"), keep, &o) != NULL);
    run_for(30 * PXI_SECOND);
    CHECK_EQ(o.err, PX_ERR_OK);
    CHECK_EQ(o.peers, 8);
    for (unsigned i = 0; i < 8; i++)
        for (unsigned j = 8; j < 10; j++) {
            struct pxi_kad_key k = pxi_kad_key_of(pxi_peer_view(pxi_host_self(world.node[j].host)));
            CHECK(!pxi_kad_table_find(&world.node[i].kad->table, &k));
        }
    CHECK_EQ(pxi_kad_stats_of(x->kad).table, 0);
    end();
}

TEST_MAIN()
