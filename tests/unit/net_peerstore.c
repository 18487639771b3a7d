/* The table of peers: what is remembered, what expires, what is given up when it is full. */
#include "base/limits.h"
#include "net/host_impl.h"
#include "px_test.h"

static struct pxi_timers timers;
static struct pxi_random rnd;
static struct pxi_host *host;

static void setup(unsigned peers_max)
{
    uint8_t seed[32] = {9};
    rnd = pxi_random_seeded(px_seed);
    timers = (struct pxi_timers){.now_ns = PXI_SECOND};
    struct pxi_host_options o = {
        .key = pxi_key_from_seed(seed), .timers = &timers, .random = &rnd, .peers_max = peers_max};
    CHECK(o.key);
    host = pxi_host_new(&o);
    CHECK(host);
}

static void teardown(void)
{
    struct pxi_key *key = (struct pxi_key *)host->o.key;
    pxi_host_free(host);
    pxi_key_free(key);
}

static struct pxi_peer peer_of(unsigned i)
{
    struct pxi_peer p = *pxi_host_self(host);
    p.b[p.n - 1] = (uint8_t)i;
    p.b[p.n - 2] = (uint8_t)(i >> 8);
    p.b[p.n - 3] = (uint8_t)(i >> 16);
    return p;
}

static struct pxi_maddr addr_of(unsigned i)
{
    struct pxi_endpoint e = {.family = 4,
                             .ip = {198, 51, (uint8_t)(i >> 8), (uint8_t)i},
                             .port = 4001,
                             .via = PXI_VIA_TCP};
    return pxi_endpoint_maddr(&e);
}

static void add(struct pxi_peer p, unsigned i, uint64_t ttl_ns)
{
    struct pxi_maddr a = addr_of(i);
    pxi_peer_addr_add(host, &p, pxi_maddr_view(&a), ttl_ns);
}

static bool has(struct pxi_peer p, unsigned i)
{
    px_view out[PXI_LIMIT_PEERSTORE_ADDRS];
    struct pxi_maddr a = addr_of(i);
    unsigned n = pxi_peer_addrs(host, &p, out, PXI_LIMIT_PEERSTORE_ADDRS);
    for (unsigned k = 0; k < n; k++)
        if (px_view_equal(out[k], pxi_maddr_view(&a)))
            return true;
    return false;
}

TEST(addresses_expire_and_are_kept_once)
{
    setup(0);
    struct pxi_peer p = peer_of(1);
    px_view out[4];
    CHECK_EQ(pxi_peer_addrs(host, &p, out, 4), 0);
    add(p, 1, PXI_SECOND);
    add(p, 1, 3 * PXI_SECOND); /* the same again lives longer */
    add(p, 2, PXI_SECOND);
    CHECK_EQ(pxi_peer_addrs(host, &p, out, 4), 2);
    CHECK_EQ(pxi_peer_addrs(host, &p, out, 1), 1);
    pxi_timers_run(&timers, timers.now_ns + 2 * PXI_SECOND);
    CHECK(has(p, 1) && !has(p, 2));
    pxi_timers_run(&timers, timers.now_ns + 2 * PXI_SECOND);
    CHECK(!has(p, 1));
    add(p, 3, PXI_NEVER); /* no wrap of the sum */
    CHECK(has(p, 3));
    add(*pxi_host_self(host), 4, PXI_SECOND); /* we are no peer of ours */
    CHECK(!has(*pxi_host_self(host), 4));
    teardown();
}

TEST(the_peer_id_at_the_end_is_not_kept)
{
    setup(0);
    struct pxi_peer p = peer_of(1), other = peer_of(2);
    struct pxi_maddr a = addr_of(1), b = addr_of(1);
    CHECK(pxi_maddr_add(&a, PXI_MA_P2P, pxi_peer_view(&p)));
    pxi_peer_addr_add(host, &p, pxi_maddr_view(&a), PXI_SECOND);
    CHECK(has(p, 1));
    CHECK(pxi_maddr_add(&b, PXI_MA_P2P, pxi_peer_view(&other)));
    pxi_peer_addr_add(host, &p, pxi_maddr_view(&b), PXI_SECOND);
    px_view out[4];
    CHECK_EQ(pxi_peer_addrs(host, &p, out, 4), 2); /* another id is part of the address */
    teardown();
}

TEST(a_full_list_gives_up_what_failed_or_ends_first)
{
    setup(0);
    struct pxi_peer p = peer_of(1);
    for (unsigned i = 0; i < PXI_LIMIT_PEERSTORE_ADDRS; i++)
        add(p, i, 100 * PXI_SECOND);
    add(p, 1000, 100 * PXI_SECOND); /* no better than the others: refused */
    CHECK(!has(p, 1000));
    struct pxi_maddr bad = addr_of(7);
    pxi_peer_addr_result(host, &p, pxi_maddr_view(&bad), false);
    add(p, 1001, 10 * PXI_SECOND);
    CHECK(has(p, 1001) && !has(p, 7));
    add(p, 1002, 200 * PXI_SECOND);
    CHECK(has(p, 1002) && !has(p, 1001));
    px_view out[PXI_LIMIT_PEERSTORE_ADDRS + 1];
    CHECK_EQ(pxi_peer_addrs(host, &p, out, PXI_LIMIT_PEERSTORE_ADDRS + 1),
             PXI_LIMIT_PEERSTORE_ADDRS);
    teardown();
}

TEST(protocols_and_identify)
{
    setup(0);
    struct pxi_peer p = peer_of(1);
    px_view names[] = {px_view_str("/a/1"), px_view_str("/b/1")};
    CHECK_EQ(pxi_peer_supports(host, &p, "/a/1"), -1);
    pxi_peer_set_protocols(host, &p, names, 2);
    CHECK_EQ(pxi_peer_supports(host, &p, "/a/1"), 1);
    CHECK_EQ(pxi_peer_supports(host, &p, "/c/1"), 0);
    pxi_peer_set_protocols(host, &p, NULL, 0);
    CHECK_EQ(pxi_peer_supports(host, &p, "/a/1"), 0);
    CHECK_EQ(pxi_peer_identify(host, &p).n, 0);
    pxi_peer_set_identify(host, &p, px_view_str("first"));
    pxi_peer_set_identify(host, &p, px_view_str("second"));
    CHECK(px_view_is(pxi_peer_identify(host, &p), "second"));
    teardown();
}

/* Y: a crowd of ids must not push out those in use, nor may those in use keep the table growing. */
TEST(the_table_is_bounded_and_keeps_who_is_in_use)
{
    setup(300);
    for (unsigned i = 0; i < 100; i++) { /* the oldest hundred are in use */
        struct pxi_peer p = peer_of(i);
        pxi_host_protect(host, &p, 1);
        add(p, i, 1000 * PXI_SECOND);
    }
    for (unsigned i = 1000; i < 6000; i++)
        add(peer_of(i), i, 1000 * PXI_SECOND);
    CHECK(host->peer_count <= 300);
    for (unsigned i = 0; i < 100; i++)
        CHECK(has(peer_of(i), i));
    CHECK(has(peer_of(5999), 5999) && !has(peer_of(1000), 1000));
    for (unsigned i = 0; i < 100; i++) {
        struct pxi_peer p = peer_of(i);
        pxi_host_protect(host, &p, -1);
        pxi_host_protect(host, &p, -1); /* never below nought */
    }
    for (unsigned i = 6000; i < 7000; i++)
        add(peer_of(i), i, 1000 * PXI_SECOND);
    CHECK(!has(peer_of(1), 1));
    CHECK(host->peer_count <= 300);
    teardown();
}

/* When everybody is in use there is no place for another, and nothing breaks. */
TEST(a_table_full_of_peers_in_use_refuses)
{
    setup(16);
    for (unsigned i = 0; i < 40; i++) {
        struct pxi_peer p = peer_of(i);
        pxi_host_protect(host, &p, 1);
    }
    CHECK_EQ(host->peer_count, 16);
    CHECK(!pxi_peer_find(host, &(struct pxi_peer){0}));
    teardown();
}

TEST(long_messages_are_bounded_in_sum)
{
    setup(0);
    static uint8_t big[60000];
    for (unsigned i = 0; i < 3000; i++) { /* 180 MB if all were kept */
        struct pxi_peer p = peer_of(i);
        pxi_peer_set_identify(host, &p, px_view_of(big, sizeof big));
    }
    CHECK(host->peer_bytes <= PXI_LIMIT_PEERSTORE_BYTES);
    size_t sum = 0;
    for (unsigned i = 0; i < 3000; i++) {
        struct pxi_peer p = peer_of(i);
        sum += pxi_peer_identify(host, &p).n;
    }
    CHECK_EQ(sum, host->peer_bytes);
    struct pxi_peer last = peer_of(2999);
    CHECK_EQ(pxi_peer_identify(host, &last).n, sizeof big);
    for (unsigned i = 0; i < 3000; i++) {
        struct pxi_peer p = peer_of(i);
        if (pxi_peer_find(host, &p))
            pxi_peer_set_identify(host, &p, px_view_str(""));
    }
    CHECK_EQ(host->peer_bytes, 0);
    teardown();
}

TEST(back_off_doubles_to_a_bound)
{
    setup(0);
    struct pxi_peer p = peer_of(1);
    struct pxi_maddr a = addr_of(1);
    add(p, 1, PXI_NEVER);
    struct pxi_peer_addr *at = pxi_peer_find(host, &p)->addrs;
    static const unsigned expect[] = {5, 10, 20, 40, 80, 160, 160, 160};
    for (unsigned i = 0; i < sizeof expect / sizeof *expect; i++) {
        pxi_peer_addr_result(host, &p, pxi_maddr_view(&a), false);
        CHECK_EQ((at->retry_ns - timers.now_ns) / PXI_SECOND, expect[i]);
    }
    pxi_peer_addr_result(host, &p, pxi_maddr_view(&a), true);
    CHECK_EQ(at->retry_ns, 0);
    CHECK_EQ(at->failures, 0);
    teardown();
}

TEST(memory_may_fail_anywhere)
{
    setup(20);
    px_view names[] = {px_view_str("/a/1"), px_view_str("/b/1")};
    for (unsigned n = 1; n < 200; n++) {
        struct pxi_peer p = peer_of(n % 30);
        pxi_mem_fail_after(1 + n % 5);
        add(p, n, PXI_SECOND);
        pxi_peer_set_protocols(host, &p, names, 2);
        pxi_peer_set_identify(host, &p, px_view_str("some message"));
        add(p, n + 1, PXI_SECOND);
        pxi_mem_fail_after(0);
    }
    size_t sum = 0;
    for (struct pxi_list *l = host->peers.next; l != &host->peers; l = l->next)
        sum += PXI_OF(l, struct pxi_peer_entry, age)->bytes;
    CHECK_EQ(sum, host->peer_bytes);
    teardown();
}

TEST_MAIN()
