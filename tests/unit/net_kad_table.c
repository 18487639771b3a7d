/* The routing table, the store and lookups as pure machines: no host, no clock. */
#include "px_test.h"

#include "base/limits.h"
#include "base/timer.h"
#include "net/kad_impl.h"

static struct pxi_rng rng;

static struct pxi_peer peer(uint64_t id)
{
    uint8_t key[36] = {8, 1, 18, 32};
    memcpy(key + 4, &id, sizeof id);
    return pxi_peer_of_key(px_view_of(key, sizeof key));
}

static struct pxi_maddr addr(unsigned a, unsigned b, unsigned c)
{
    struct pxi_endpoint e = {.family = 4, .port = 4001, .via = PXI_VIA_TCP};
    e.ip[0] = (uint8_t)a;
    e.ip[1] = (uint8_t)b;
    e.ip[3] = (uint8_t)c;
    return pxi_endpoint_maddr(&e);
}

static struct pxi_kad_key key_of_peer(const struct pxi_peer *p)
{
    return pxi_kad_key_of(pxi_peer_view(p));
}

static enum pxi_kad_put put(struct pxi_kad_table *t, uint64_t id, unsigned a, unsigned b)
{
    struct pxi_peer p = peer(id);
    struct pxi_maddr m = addr(a, b, (unsigned)id & 255);
    px_view v = pxi_maddr_view(&m);
    return pxi_kad_table_put(t, &p, &v, 1, id);
}

static void invariants(const struct pxi_kad_table *t)
{
    unsigned n = 0;
    for (unsigned b = 0; b < t->top; b++) {
        CHECK(t->bucket[b].n <= t->k);
        for (unsigned i = 0; i < t->bucket[b].n; i++, n++)
            CHECK_EQ(pxi_kad_prefix(&t->self, &t->bucket[b].e[i].key), b);
    }
    CHECK_EQ(n, t->count);
}

TEST(table_keeps_k_a_bucket_and_finds_the_nearest)
{
    struct pxi_kad_table t;
    struct pxi_peer self = peer(0);
    struct pxi_kad_key me = key_of_peer(&self);
    const struct pxi_kad_entry *near[20];
    pxi_kad_table_init(&t, &me, 20);
    CHECK_EQ(put(&t, 0, 30, 1), PXI_KAD_REFUSED); /* ourselves */
    for (uint64_t i = 1; i < 3000; i++)
        put(&t, i, 20 + (unsigned)(i / 200), (unsigned)(i % 200));
    invariants(&t);
    CHECK(t.count > 120 && t.count < 220);
    rng.state = px_seed;
    for (unsigned round = 0; round < 200; round++) {
        uint64_t r = pxi_rng_u64(&rng);
        struct pxi_kad_key target = pxi_kad_key_of(px_view_of(&r, sizeof r));
        unsigned n = pxi_kad_table_closest(&t, &target, near, 20);
        CHECK_EQ(n, 20);
        for (unsigned i = 1; i < n; i++)
            CHECK(pxi_kad_nearer(&target, &near[i - 1]->key, &near[i]->key) < 0);
        for (unsigned b = 0; b < t.top; b++) /* nobody nearer was left out */
            for (unsigned i = 0, in = 0; i < t.bucket[b].n; i++, in = 0) {
                for (unsigned j = 0; j < n; j++)
                    in |= near[j] == &t.bucket[b].e[i];
                CHECK(in || pxi_kad_nearer(&target, &near[n - 1]->key, &t.bucket[b].e[i].key) < 0);
            }
    }
    for (uint64_t i = 1; i < 3000; i++) {
        struct pxi_peer p = peer(i);
        struct pxi_kad_key k = key_of_peer(&p);
        pxi_kad_table_remove(&t, &k);
    }
    CHECK_EQ(t.count, 0);
    pxi_kad_table_deinit(&t);
}

TEST(one_network_gets_few_places)
{
    struct pxi_kad_table t;
    struct pxi_peer self = peer(0);
    struct pxi_kad_key me = key_of_peer(&self);
    pxi_kad_table_init(&t, &me, 20);
    for (uint64_t i = 1; i < 500; i++)
        put(&t, i, 44, 44);
    CHECK_EQ(t.count, PXI_LIMIT_KAD_GROUP_TABLE);
    for (unsigned b = 0; b < t.top; b++)
        CHECK(t.bucket[b].n <= PXI_LIMIT_KAD_GROUP_BUCKET);
    for (uint64_t i = 500; i < 600; i++)
        put(&t, i, 192, 168); /* a local network does not count */
    CHECK(t.count > 30);
    pxi_kad_table_deinit(&t);
}

TEST(addresses_fit_whoever_told_them)
{
    struct pxi_maddr open = addr(8, 8, 8), local = addr(192, 168, 1), loop = addr(127, 0, 1),
                     link = addr(169, 254, 254);
    CHECK(pxi_kad_addr_fit(pxi_maddr_view(&open), PXI_IP_PUBLIC));
    CHECK(!pxi_kad_addr_fit(pxi_maddr_view(&local), PXI_IP_PUBLIC));
    CHECK(!pxi_kad_addr_fit(pxi_maddr_view(&loop), PXI_IP_PUBLIC));
    CHECK(!pxi_kad_addr_fit(pxi_maddr_view(&link), PXI_IP_PUBLIC));
    CHECK(pxi_kad_addr_fit(pxi_maddr_view(&local), PXI_IP_PRIVATE));
    CHECK(!pxi_kad_addr_fit(pxi_maddr_view(&loop), PXI_IP_PRIVATE));
    CHECK(pxi_kad_addr_fit(pxi_maddr_view(&loop), PXI_IP_LOOPBACK));
    CHECK(!pxi_kad_addr_fit(pxi_maddr_view(&link), PXI_IP_LOOPBACK));
}

/* ----------------------------------------------------------------- the store */

TEST(store_is_bounded_and_keeps_what_is_near)
{
    struct pxi_kad_store s;
    struct pxi_kad_key self = pxi_kad_key_of(px_view_str("self"));
    char key[32];
    unsigned near = 0;
    pxi_kad_store_init(&s, &self);
    s.record_max = 100;
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "/v/%u", i);
        px_err e = pxi_kad_store_put(&s, px_view_str(key), px_view_str("x"), 0, PXI_SECOND);
        CHECK(e == PX_ERR_OK || e == PX_ERR_LIMIT);
        CHECK(s.records.n <= 100);
    }
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "/v/%u", i);
        const struct pxi_kad_record *r = pxi_kad_store_get(&s, px_view_str(key), 0);
        near += r && pxi_kad_prefix(&r->hash, &self) >= 3;
        CHECK(!pxi_kad_store_get(&s, px_view_str(key), PXI_SECOND)); /* expired */
    }
    CHECK(near > 80); /* of 5000 keys at random, an eighth is so near */
    CHECK_EQ(pxi_kad_store_put(&s, px_view_str("k"), px_view_of(key, 8193), 0, 1), PX_ERR_LIMIT);
    CHECK_EQ(pxi_kad_store_sweep(&s, PXI_SECOND), 100);
    CHECK_EQ(s.bytes, 0);
    pxi_kad_store_deinit(&s);
}

TEST(providers_are_bounded_a_key_and_a_peer)
{
    struct pxi_kad_store s;
    struct pxi_kad_key self = pxi_kad_key_of(px_view_str("self"));
    const struct pxi_kad_provider *out[256];
    uint8_t hash[34] = {0x12, 0x20};
    struct pxi_maddr m = addr(8, 8, 8);
    px_view key = px_view_of(hash, sizeof hash), v = pxi_maddr_view(&m);
    uint64_t day = 86400 * PXI_SECOND;
    pxi_kad_store_init(&s, &self);
    s.provider_peer_max = 10;
    for (uint64_t i = 0; i < 300; i++) {
        struct pxi_peer p = peer(i);
        CHECK_EQ(pxi_kad_store_provide(&s, key, &p, &v, 1, i), PX_ERR_OK);
        CHECK_EQ(pxi_kad_store_provide(&s, key, &p, &v, 1, i), PX_ERR_OK); /* renewed, not twice */
    }
    CHECK_EQ(pxi_kad_store_providers(&s, key, 0, out, 256), PXI_LIMIT_KAD_PROVIDERS_KEY);
    CHECK_EQ(out[0]->addrs.n, v.n + 2);
    CHECK(pxi_kad_store_providers(&s, key, day + PXI_SECOND, out, 256) > 0);
    CHECK_EQ(out[0]->addrs.n, 0); /* addresses go first */
    CHECK_EQ(pxi_kad_store_providers(&s, key, 2 * day + PXI_SECOND, out, 256), 0);
    struct pxi_peer greedy = peer(1000);
    unsigned taken = 0;
    for (unsigned i = 0; i < 50; i++) {
        hash[10] = (uint8_t)(i + 1);
        taken += pxi_kad_store_provide(&s, key, &greedy, &v, 1, 0) == PX_ERR_OK;
    }
    CHECK_EQ(taken, 10);
    pxi_kad_store_deinit(&s);
}

/* ------------------------------------------------------------------ lookups */

enum { NET = 2000 };
static struct pxi_peer net[NET];

/* A network without wires: asked peers name the k nearest of all peers, or what a liar likes. */
enum manner { HONEST, SILENT, ENDLESS, DEAD_NAMES };

static struct pxi_peer near_target(const struct pxi_kad_key *target, uint64_t *next, unsigned bits)
{
    struct pxi_peer p;
    struct pxi_kad_key k;
    do {
        p = peer(1000000 + (*next)++);
        k = key_of_peer(&p);
    } while (pxi_kad_prefix(&k, target) < bits);
    return p;
}

static unsigned index_of(const struct pxi_peer *p)
{
    for (unsigned i = 0; i < NET; i++)
        if (pxi_peer_equal(&net[i], p))
            return i;
    return NET;
}

static void tell_nearest(struct pxi_kad_lookup *l, unsigned from, const struct pxi_kad_key *target)
{
    struct pxi_peer best[20];
    unsigned n = 0;
    for (unsigned i = 0; i < NET; i++) {
        struct pxi_kad_key k = key_of_peer(&net[i]);
        unsigned at = n < 20 ? n : 20;
        for (; at; at--) {
            struct pxi_kad_key b = key_of_peer(&best[at - 1]);
            if (pxi_kad_nearer(target, &k, &b) > 0)
                break;
        }
        if (at == 20)
            continue;
        n += n < 20;
        memmove(&best[at + 1], &best[at], (n - at - 1) * sizeof *best);
        best[at] = net[i];
    }
    for (unsigned i = 0; i < n; i++)
        pxi_kad_lookup_hear(l, from, &best[i], NULL, 0);
}

/* Run a lookup; every fourth peer has the manner of a liar. Returns the answers in the result. */
static unsigned play(struct pxi_kad_lookup *l, enum manner manner, unsigned *honest)
{
    uint64_t now = 1, invented = 0;
    struct pxi_kad_key target = l->target;
    uint16_t out[20];
    while (!pxi_kad_lookup_done(l, now)) {
        int i = pxi_kad_lookup_next(l, now);
        if (i < 0) {
            now = pxi_kad_lookup_wake(l, now) + 1;
            CHECK(now < 1000 * PXI_SECOND);
            continue;
        }
        unsigned id = index_of(&l->node[i].peer);
        bool lies = manner != HONEST && id < NET && id % 4 == 0;
        if (id == NET && manner == DEAD_NAMES) {
            pxi_kad_lookup_failed(l, (unsigned)i);
            continue;
        }
        if (lies && manner == SILENT)
            continue;
        pxi_kad_lookup_answered(l, (unsigned)i, 0);
        if (id < NET && !lies) {
            tell_nearest(l, (unsigned)i, &target);
            continue;
        }
        for (unsigned n = 0; n < 20; n++) { /* always nearer, never seen before */
            struct pxi_peer p = near_target(&target, &invented, 8);
            pxi_kad_lookup_hear(l, (unsigned)i, &p, NULL, 0);
        }
    }
    CHECK(l->requests <= PXI_LIMIT_KAD_LOOKUP_REQUESTS);
    unsigned n = pxi_kad_lookup_result(l, out, 20);
    *honest = 0;
    for (unsigned i = 0; i < n; i++)
        *honest += index_of(&l->node[out[i]].peer) < NET;
    return n;
}

static void prepare(struct pxi_kad_lookup *l, unsigned paths)
{
    struct pxi_kad_lookup_options o = {.paths = paths};
    struct pxi_peer self = peer(999999);
    struct pxi_kad_key me = key_of_peer(&self), target = pxi_kad_key_of(px_view_str("target"));
    for (unsigned i = 0; i < NET; i++)
        net[i] = peer(i + 1);
    pxi_kad_lookup_init(l, &o, &target, &me);
    pxi_kad_lookup_seed(l, &self, NULL, 0); /* never asks itself */
    CHECK_EQ(l->n, 0);
    for (unsigned i = 0; i < 40; i++)
        pxi_kad_lookup_seed(l, &net[i * 7 + 1], NULL, 0);
}

TEST(lookups_end_with_the_nearest)
{
    for (unsigned paths = 1; paths <= 3; paths += 2) {
        struct pxi_kad_lookup l;
        unsigned honest;
        prepare(&l, paths);
        CHECK_EQ(play(&l, HONEST, &honest), 20);
        CHECK(l.requests < (paths > 1 ? 120 : 60));
        pxi_kad_lookup_deinit(&l);
    }
}

TEST(silent_peers_do_not_hold_a_lookup)
{
    struct pxi_kad_lookup l;
    unsigned honest;
    prepare(&l, 1);
    CHECK_EQ(play(&l, SILENT, &honest), 20);
    CHECK_EQ(honest, 20);
    pxi_kad_lookup_deinit(&l);
}

TEST(peers_that_name_the_dead_are_not_believed)
{
    struct pxi_kad_lookup l;
    unsigned honest;
    prepare(&l, 1);
    play(&l, DEAD_NAMES, &honest);
    CHECK(honest >= 15);
    pxi_kad_lookup_deinit(&l);
}

TEST(endless_nearer_peers_end_at_the_budget)
{
    struct pxi_kad_lookup l;
    unsigned honest;
    prepare(&l, 3);
    play(&l, ENDLESS, &honest);
    CHECK(l.n <= PXI_LIMIT_KAD_LOOKUP_PEERS);
    pxi_kad_lookup_deinit(&l);
}

TEST(paths_share_no_peer)
{
    struct pxi_kad_lookup l;
    unsigned honest, asked[PXI_KAD_PATHS] = {0};
    prepare(&l, 3);
    play(&l, HONEST, &honest);
    for (unsigned i = 0; i < l.n; i++)
        if (l.node[i].state == PXI_KAD_ANSWERED)
            asked[l.node[i].path]++;
    CHECK(asked[0] && asked[1] && asked[2]);
    CHECK_EQ(asked[0] + asked[1] + asked[2], l.requests);
    pxi_kad_lookup_deinit(&l);
}

TEST_MAIN()
