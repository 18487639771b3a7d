/* Jobs and who joins them: ranks, keys, who is let in, and what both ends read. */
#include "reduce/muster.h"

#include "base/limits.h"
#include "px_test.h"

enum { MOST = 80 };

struct worker {
    struct pxi_muster_member *member;
    struct pxi_peer peer;
    struct pxi_maddr address;
    unsigned waits, grants, present;
    bool refused, adds;
    struct pxi_muster_order last;
    uint8_t secret[PXI_MUSTER_SECRET];
};

static struct {
    struct pxi_timers timers;
    struct pxi_random random;
    struct pxi_muster *muster;
    struct worker w[MOST];
    uint64_t rate, packet_ns; /* that those who join say */
} world;

/* What the other side of a stream would read. */
static void through_the_wire(const struct pxi_muster_order *o, struct worker *w)
{
    struct pxi_buf bytes = {.max = PXI_MUSTER_ORDER_BYTES};
    struct pxi_arena arena;
    struct pxi_muster_order back;
    pxi_arena_init(&arena, 4 * PXI_MUSTER_ORDER_BYTES);
    CHECK_EQ(pxi_pb_encode(&pxi_pb_muster_order, o, &bytes), PX_ERR_OK);
    CHECK_EQ(pxi_muster_read_order(px_view_of(bytes.p, bytes.n), &arena, &back, NULL), PX_ERR_OK);
    CHECK_EQ(back.status, o->status);
    CHECK_EQ(back.job, o->job);
    CHECK_EQ(back.rank, o->rank);
    CHECK_EQ(back.addresses.n, o->addresses.n);
    if (o->status == PXI_MUSTER_GRANT) {
        const px_view *own =
            w->adds ? &back.aggregator : (const px_view *)back.addresses.p + back.rank;
        CHECK(own->n == w->address.n && memcmp(own->p, w->address.b, own->n) == 0);
        memcpy(w->secret, back.secret.p, sizeof w->secret);
    }
    pxi_arena_deinit(&arena);
    pxi_buf_deinit(&bytes);
}

static void tell(struct pxi_muster *m, struct pxi_muster_member *member,
                 const struct pxi_muster_order *o)
{
    struct worker *w = pxi_muster_ctx(member);
    through_the_wire(o, w);
    w->last = *o;
    w->waits += o->status == PXI_MUSTER_WAIT;
    w->grants += o->status == PXI_MUSTER_GRANT;
    if (o->status == PXI_MUSTER_REFUSED) {
        w->refused = true;
        w->member = NULL;
    }
}

static struct pxi_peer peer_of(unsigned i)
{
    struct pxi_peer p = {.n = 4, .b = {0, 2, (uint8_t)(i >> 8), (uint8_t)i}};
    return p;
}

static void begin(void)
{
    memset(&world, 0, sizeof world);
    world.random = pxi_random_seeded(px_seed);
    world.muster = pxi_muster_new(&world.timers, &world.random, tell);
    CHECK(world.muster != NULL);
    for (unsigned i = 0; i < MOST; i++) {
        char text[64];
        snprintf(text, sizeof text, "/ip4/10.0.0.%u/udp/47900", i + 1);
        CHECK_EQ(pxi_maddr_parse(px_view_str(text), &world.w[i].address, NULL), PX_ERR_OK);
        world.w[i].peer = peer_of(i);
    }
}

static struct pxi_muster_job job(const char *name, unsigned n)
{
    return (struct pxi_muster_job){
        .name = px_view_str(name), .world = n, .slots = 128, .values = 688, .deadline_ms = 2000};
}

static px_err join(unsigned i, const char *name)
{
    struct worker *w = &world.w[i];
    struct pxi_muster_join j = {.name = px_view_str(name),
                                .address = pxi_maddr_view(&w->address),
                                .rate = world.rate,
                                .packet_ns = world.packet_ns};
    px_err err;
    w->member = pxi_muster_join(world.muster, &w->peer, &j, w, &err);
    CHECK(!w->member == (err != PX_ERR_OK));
    return err;
}

static void leave(unsigned i)
{
    if (world.w[i].member)
        pxi_muster_leave(world.muster, world.w[i].member);
    world.w[i].member = NULL;
}

static void wait_ms(unsigned ms)
{
    for (unsigned i = 0; i <= ms; i++)
        pxi_timers_run(&world.timers, world.timers.now_ns + PXI_MS);
}

static void end(void)
{
    pxi_muster_free(world.muster);
    CHECK_EQ(pxi_timers_next(&world.timers), PXI_NEVER);
}

TEST(all_are_there_and_each_has_a_rank)
{
    struct pxi_muster_job j = job("digits", 3);
    uint64_t ranks = 0;
    begin();
    CHECK_EQ(pxi_muster_offer(world.muster, &j), PX_ERR_OK);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(join(2 - i, "digits"), PX_ERR_OK);
        wait_ms(10);
        CHECK_EQ(world.w[2].grants, i == 2);
    }
    CHECK_EQ(world.w[2].waits, 1);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(world.w[i].last.rank, i); /* by peer, not by who came first */
        CHECK_EQ(world.w[i].last.world, 3);
        CHECK_EQ(world.w[i].last.job, world.w[0].last.job);
        CHECK(memcmp(world.w[i].secret, world.w[0].secret, sizeof world.w[0].secret) == 0);
        ranks |= 1u << world.w[i].last.rank;
    }
    CHECK_EQ(ranks, 7);
    end();
}

TEST(a_key_and_a_number_are_given_once)
{
    enum { ROUNDS = 200 };
    static uint8_t secrets[ROUNDS][PXI_MUSTER_SECRET];
    uint64_t numbers[ROUNDS];
    struct pxi_muster_job j = job("digits", 2);
    begin();
    CHECK_EQ(pxi_muster_offer(world.muster, &j), PX_ERR_OK);
    for (unsigned r = 0; r < ROUNDS; r++) {
        CHECK_EQ(join(0, "digits"), PX_ERR_OK);
        CHECK_EQ(join(1, "digits"), PX_ERR_OK);
        wait_ms(1);
        CHECK_EQ(world.w[0].grants, r + 1);
        CHECK_EQ(world.w[0].last.epoch, r + 1);
        numbers[r] = world.w[0].last.job;
        memcpy(secrets[r], world.w[0].secret, sizeof secrets[r]);
        for (unsigned k = 0; k < r; k++) {
            CHECK(numbers[k] != numbers[r] && numbers[r]);
            CHECK(memcmp(secrets[k], secrets[r], sizeof secrets[r]) != 0);
        }
        if (r % 2) {
            leave(0);
            leave(1);
        }
    }
    end();
}

TEST(only_those_of_the_list_are_let_in)
{
    struct pxi_peer allow[] = {peer_of(0), peer_of(2)};
    struct pxi_muster_job j = job("closed", 2);
    begin();
    j.allow = allow;
    j.allow_count = 2;
    CHECK_EQ(pxi_muster_offer(world.muster, &j), PX_ERR_OK);
    CHECK_EQ(join(1, "closed"), PX_ERR_REFUSED);
    CHECK_EQ(join(1, "other"), PX_ERR_NOT_FOUND);
    CHECK_EQ(join(0, "closed"), PX_ERR_OK);
    CHECK_EQ(join(2, "closed"), PX_ERR_OK);
    wait_ms(1);
    CHECK_EQ(world.w[0].grants, 1);
    CHECK_EQ(world.w[2].last.rank, 1);
    end();
}

TEST(enough_begin_when_nobody_comes)
{
    struct pxi_muster_job j = job("few", 4);
    begin();
    j.least = 2;
    j.wait_ns = 100 * PXI_MS;
    CHECK_EQ(pxi_muster_offer(world.muster, &j), PX_ERR_OK);
    CHECK_EQ(join(0, "few"), PX_ERR_OK);
    wait_ms(500);
    CHECK_EQ(world.w[0].grants, 0);
    CHECK_EQ(join(1, "few"), PX_ERR_OK);
    wait_ms(60);
    CHECK_EQ(join(2, "few"), PX_ERR_OK);
    wait_ms(90);
    CHECK_EQ(world.w[0].grants, 0);
    wait_ms(20);
    CHECK_EQ(world.w[0].grants, 1);
    CHECK_EQ(world.w[0].last.world, 3);
    /* One of them dies; the others come back, and the same ranks have another key. */
    uint8_t before[PXI_MUSTER_SECRET];
    memcpy(before, world.w[0].secret, sizeof before);
    leave(1);
    CHECK_EQ(join(0, "few"), PX_ERR_OK);
    CHECK_EQ(join(2, "few"), PX_ERR_OK);
    wait_ms(150);
    CHECK_EQ(world.w[0].last.world, 2);
    CHECK_EQ(world.w[0].last.epoch, 2);
    CHECK(memcmp(before, world.w[0].secret, sizeof before) != 0);
    end();
}

TEST(who_joins_once_more_takes_its_own_place)
{
    struct pxi_muster_job j = job("again", 2);
    struct worker first;
    begin();
    CHECK_EQ(pxi_muster_offer(world.muster, &j), PX_ERR_OK);
    CHECK_EQ(join(0, "again"), PX_ERR_OK);
    wait_ms(1);
    first = world.w[0];
    CHECK_EQ(join(0, "again"), PX_ERR_OK);
    CHECK(world.w[0].refused && !first.refused);
    wait_ms(1);
    CHECK_EQ(world.w[0].grants, 0); /* one is not two */
    CHECK_EQ(join(1, "again"), PX_ERR_OK);
    wait_ms(1);
    CHECK_EQ(world.w[0].grants, 1);
    /* Two workers of one peer are two. */
    leave(0);
    leave(1);
    world.w[1].peer = world.w[0].peer;
    CHECK_EQ(join(0, "again"), PX_ERR_OK);
    CHECK_EQ(join(1, "again"), PX_ERR_OK);
    wait_ms(1);
    CHECK_EQ(world.w[0].grants, 2);
    end();
}

TEST(offers_are_checked_and_bounded)
{
    char name[32];
    begin();
    struct pxi_muster_job good = job("good", 64), bad;
    CHECK_EQ(pxi_muster_offer(world.muster, &good), PX_ERR_OK);
    CHECK_EQ(pxi_muster_offer(world.muster, &good), PX_ERR_INVALID);
#define BAD(field, value)                                                                          \
    do {                                                                                           \
        bad = job("bad", 2);                                                                       \
        bad.field = (value);                                                                       \
        CHECK_EQ(pxi_muster_offer(world.muster, &bad), PX_ERR_INVALID);                            \
    } while (0)
    BAD(world, 0);
    BAD(world, 65);
    BAD(least, 3);
    BAD(slots, 3);
    BAD(values, 17);
    BAD(format, 3);
    BAD(deadline_ms, 0);
    BAD(name, px_view_str(""));
    BAD(name, px_view_str("a b"));
    BAD(aggregator, px_view_str("x"));
#undef BAD
    for (unsigned i = 1; i < PXI_LIMIT_MUSTER_JOBS; i++) {
        snprintf(name, sizeof name, "job-%u", i);
        struct pxi_muster_job j = job(name, 2);
        CHECK_EQ(pxi_muster_offer(world.muster, &j), PX_ERR_OK);
    }
    struct pxi_muster_job last = job("last", 2);
    CHECK_EQ(pxi_muster_offer(world.muster, &last), PX_ERR_LIMIT);
    CHECK_EQ(pxi_muster_withdraw(world.muster, px_view_str("good")), PX_ERR_OK);
    CHECK_EQ(pxi_muster_offer(world.muster, &last), PX_ERR_OK);
    CHECK_EQ(pxi_muster_withdraw(world.muster, px_view_str("good")), PX_ERR_NOT_FOUND);
    end();
}

TEST(a_job_that_is_withdrawn_refuses_all)
{
    struct pxi_muster_job j = job("gone", 2);
    begin();
    CHECK_EQ(pxi_muster_offer(world.muster, &j), PX_ERR_OK);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(join(i, "gone"), PX_ERR_OK);
    CHECK_EQ(pxi_muster_withdraw(world.muster, px_view_str("gone")), PX_ERR_OK);
    for (unsigned i = 0; i < 3; i++)
        CHECK(world.w[i].refused);
    wait_ms(10);
    end();
}

TEST(members_of_a_job_are_bounded)
{
    struct pxi_muster_job j = job("many", 64);
    unsigned in = 0;
    px_err err = PX_ERR_OK;
    begin();
    CHECK_EQ(pxi_muster_offer(world.muster, &j), PX_ERR_OK);
    for (unsigned port = 1; port < 1000 && !err; port++) {
        struct worker *w = &world.w[0];
        w->address.b[w->address.n - 1] = (uint8_t)port;
        w->address.b[w->address.n - 2] = (uint8_t)(port >> 8);
        err = join(0, "many");
        in += !err;
    }
    CHECK_EQ(err, PX_ERR_LIMIT);
    CHECK_EQ(in, PXI_LIMIT_MUSTER_MEMBERS);
    end();
}

static px_err read_order(struct pxi_muster_order *o)
{
    struct pxi_buf bytes = {.max = PXI_MUSTER_ORDER_BYTES};
    struct pxi_arena arena;
    struct pxi_muster_order back;
    pxi_arena_init(&arena, 4 * PXI_MUSTER_ORDER_BYTES);
    CHECK_EQ(pxi_pb_encode(&pxi_pb_muster_order, o, &bytes), PX_ERR_OK);
    px_err err = pxi_muster_read_order(px_view_of(bytes.p, bytes.n), &arena, &back, NULL);
    pxi_arena_deinit(&arena);
    pxi_buf_deinit(&bytes);
    return err;
}

TEST(a_grant_that_cannot_be_is_refused)
{
    static const uint8_t secret[32] = {1};
    px_view addresses[65];
    struct pxi_maddr a;
    CHECK_EQ(pxi_maddr_parse(px_view_str("/ip4/10.0.0.1/udp/1"), &a, NULL), PX_ERR_OK);
    for (unsigned i = 0; i < 65; i++)
        addresses[i] = pxi_maddr_view(&a);
    const struct pxi_muster_order good = {.status = PXI_MUSTER_GRANT,
                                          .job = 1,
                                          .epoch = 1,
                                          .world = 2,
                                          .slots = 128,
                                          .values = 688,
                                          .deadline_ms = 1,
                                          .addresses = {addresses, 2},
                                          .secret = px_view_of(secret, 32)};
    struct pxi_muster_order o = good;
    CHECK_EQ(read_order(&o), PX_ERR_OK);
#define BAD(field, value)                                                                          \
    do {                                                                                           \
        o = good;                                                                                  \
        o.field = (value);                                                                         \
        CHECK_EQ(read_order(&o), PX_ERR_CORRUPT);                                                  \
    } while (0)
    BAD(job, 0);
    BAD(job, 1ull << 32);
    BAD(epoch, 65536);
    BAD(world, 0);
    BAD(world, 3);
    BAD(rank, 2);
    BAD(slots, 0);
    BAD(slots, 8192);
    BAD(values, 1552);
    BAD(format, 3);
    BAD(deadline_ms, 0);
    BAD(secret.n, 31);
    BAD(status, 4);
    BAD(rule, px_view_str("a rule"));
    BAD(addresses.n, 1);
    BAD(group, addresses[0]);
#undef BAD
    o = good;
    o.world = o.addresses.n = 64;
    CHECK_EQ(read_order(&o), PX_ERR_OK);
    o.aggregator = px_view_str("no");
    CHECK_EQ(read_order(&o), PX_ERR_CORRUPT);
}

/* One that adds has a seat through many grants; others hear when it goes. */
static px_err join_to_add(unsigned i, const char *name)
{
    struct worker *w = &world.w[i];
    struct pxi_muster_join j = {.name = px_view_str(name),
                                .address = pxi_maddr_view(&w->address),
                                .adds = PXI_MUSTER_ADDS,
                                .rate = world.rate,
                                .packet_ns = world.packet_ns,
                                .rule = px_view_str("clip1")};
    px_err err;
    w->adds = true;
    w->member = pxi_muster_join(world.muster, &w->peer, &j, w, &err);
    return err;
}

static bool is_at(const struct worker *adder, px_view address)
{
    px_view own = pxi_maddr_view(&adder->address);
    return own.n == address.n && memcmp(own.p, address.p, own.n) == 0;
}

TEST(one_adds_for_all_until_it_goes)
{
    struct pxi_muster_job j = job("central", 4);
    struct worker *adder = &world.w[9];
    begin();
    j.central = true; /* and waits as long as by default */
    CHECK_EQ(pxi_muster_offer(world.muster, &j), PX_ERR_OK);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(join(i, "central"), PX_ERR_OK);
    wait_ms(4900);
    CHECK_EQ(world.w[0].grants, 0); /* nobody adds yet */
    CHECK_EQ(join_to_add(9, "central"), PX_ERR_OK);
    wait_ms(1);
    CHECK_EQ(adder->grants, 1);
    CHECK_EQ(adder->last.world, 4);
    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(world.w[i].grants, 1);
        CHECK(is_at(adder, world.w[i].last.aggregator));
        CHECK_EQ(world.w[i].last.rule.n, 5); /* four: the rule holds */
    }
    leave(9);
    wait_ms(1);
    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(world.w[i].last.status, PXI_MUSTER_OVER);
        leave(i);
        CHECK_EQ(join(i, "central"), PX_ERR_OK);
    }
    wait_ms(2400);
    CHECK_EQ(world.w[0].grants, 1); /* another may come */
    wait_ms(200);                   /* within 5 s of the loss they are to go on */
    CHECK_EQ(world.w[0].grants, 2);
    CHECK_EQ(world.w[0].last.aggregator.n, 0); /* none has: all add */
    end();
}

TEST(who_comes_back_begins_with_all)
{
    struct pxi_muster_job j = job("central", 3);
    begin();
    j.central = true;
    j.least = 2;
    j.wait_ns = 1000 * PXI_MS;
    CHECK_EQ(pxi_muster_offer(world.muster, &j), PX_ERR_OK);
    CHECK_EQ(join_to_add(9, "central"), PX_ERR_OK);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(join(i, "central"), PX_ERR_OK);
    wait_ms(1);
    CHECK_EQ(world.w[2].last.rule.n, 0); /* three are too few for a rule */
    leave(2);
    wait_ms(1);
    CHECK_EQ(world.w[0].last.status, PXI_MUSTER_GRANT); /* the others go on */
    CHECK_EQ(join(2, "central"), PX_ERR_OK);
    wait_ms(1);
    CHECK_EQ(world.w[0].last.status, PXI_MUSTER_OVER);
    for (unsigned i = 0; i < 2; i++) {
        leave(i);
        CHECK_EQ(join(i, "central"), PX_ERR_OK);
    }
    wait_ms(1);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(world.w[i].last.status, PXI_MUSTER_GRANT);
    CHECK_EQ(world.w[9].grants, 2);
    end();
}

TEST(where_one_is_named_nobody_else_adds)
{
    struct pxi_muster_job j = job("digits", 2), both = job("both", 2);
    begin();
    j.aggregator = pxi_maddr_view(&world.w[8].address);
    CHECK_EQ(pxi_muster_offer(world.muster, &j), PX_ERR_OK);
    CHECK_EQ(join_to_add(9, "digits"), PX_ERR_REFUSED);
    both.central = true;
    both.aggregator = pxi_maddr_view(&world.w[9].address);
    CHECK_EQ(pxi_muster_offer(world.muster, &both), PX_ERR_INVALID);
    end();
}

/* Rates in Gbit/s. */
static bool is_central(unsigned workers, double slowest, double its, bool copies)
{
    struct pxi_plan p;
    struct pxi_plan_job j = {.workers = workers,
                             .slowest = (uint64_t)(slowest * 125e6),
                             .aggregator = true,
                             .its_rate = (uint64_t)(its * 125e6),
                             .copies = copies,
                             .bits = 16};
    pxi_plan_topology(&j, &p);
    CHECK(strncmp(p.why, pxi_topology_name(p.topology), 7) == 0);
    return p.central;
}

TEST(lines_decide_who_adds)
{
    /* As fast as a worker's: never, for two it would be twice as slow. */
    for (unsigned n = 2; n <= 64; n++)
        CHECK(!is_central(n, 1, 1, true));
    /* Of n it takes n times what one sends; sharded lines carry 2 (n - 1) / n. */
    CHECK(is_central(8, 1, 10, true) && !is_central(8, 1, 4, true));
    CHECK(!is_central(64, 1, 10, true) && is_central(64, 1, 100, true));
    CHECK(!is_central(8, 0, 10, true) && !is_central(8, 1, 0, true));
    struct pxi_plan p;
    struct pxi_plan_job j = {
        .workers = 8, .slowest = 125000000, .bits = 16, .asked = PXI_TOPOLOGY_CENTRAL};
    pxi_plan_topology(&j, &p);
    CHECK(!p.central);
    double wire = (688 * 2 + 106) / (688 * 2.0); /* heads, of packets of 688 values */
    CHECK(fabs(p.sharded_s - 2 * 7.0 / 8 * 0.5 * wire / 0.125) < 1e-9);
}

TEST(a_tree_where_one_line_is_too_thin)
{
    struct pxi_plan p;
    struct pxi_plan_job j = {.workers = 16,
                             .slowest = 125000000,
                             .aggregator = true,
                             .its_rate = 500000000,
                             .copies = true,
                             .hubs = 5,
                             .bits = 16};
    /* Sharded 1.875 of a line, central 16 / 4, with four leaves 5 / 4. */
    pxi_plan_topology(&j, &p);
    CHECK_EQ(p.topology, PXI_TOPOLOGY_TREE);
    CHECK_EQ(p.leaves, 4);
    CHECK(fabs(p.sharded_s / p.tree_s - 1.5) < 1e-9 && fabs(p.central_s / p.tree_s - 3.2) < 1e-9);
    CHECK(strstr(p.why, "by a tree"));
    j.its_rate = 125000000; /* as fast as the workers': never */
    pxi_plan_topology(&j, &p);
    CHECK_EQ(p.topology, PXI_TOPOLOGY_SHARDED);
    j.its_rate = 4000000000; /* one is enough */
    pxi_plan_topology(&j, &p);
    CHECK_EQ(p.topology, PXI_TOPOLOGY_CENTRAL);
    CHECK_EQ(p.leaves, 0);
    j.packet_ns = j.its_packet_ns = 1000; /* but not its processor, */
    pxi_plan_topology(&j, &p);
    CHECK_EQ(p.topology, PXI_TOPOLOGY_TREE);
    j.packet_ns = j.its_packet_ns = 6000; /* nor any */
    pxi_plan_topology(&j, &p);
    CHECK_EQ(p.topology, PXI_TOPOLOGY_SHARDED);
    j.its_packet_ns = 0; /* not known of who adds: as if of nobody */
    pxi_plan_topology(&j, &p);
    CHECK_EQ(p.topology, PXI_TOPOLOGY_CENTRAL);
    j.asked = PXI_TOPOLOGY_TREE;
    pxi_plan_topology(&j, &p);
    CHECK_EQ(p.topology, PXI_TOPOLOGY_TREE);
    j.hubs = 2;
    pxi_plan_topology(&j, &p);
    CHECK_EQ(p.topology, PXI_TOPOLOGY_SHARDED);
    CHECK(strstr(p.why, "too few"));
    j.hubs = 3; /* of 64 and two leaves, each has 32 */
    j.workers = 64;
    j.its_rate = 0;
    pxi_plan_topology(&j, &p);
    CHECK_EQ(p.topology, PXI_TOPOLOGY_TREE);
    CHECK_EQ(p.leaves, 2);
}

/* Nobody is waited for, and who adds does where its line is that much faster, and its processor,
 * when all say what a packet costs there. */
TEST(lines_decide_in_a_job_for_both)
{
    struct pxi_muster_job j = job("digits", 4);
    struct pxi_muster_state s;
    begin();
    CHECK_EQ(pxi_muster_offer(world.muster, &j), PX_ERR_OK);
    for (unsigned round = 0; round < 5; round++) {
        bool central = round == 1 || round == 4;
        world.rate = round == 2 ? 125000000 : 1000000000;
        world.packet_ns = round >= 3 ? UINT64_MAX : 0; /* a millisecond is believed */
        if (round)
            CHECK_EQ(join_to_add(9, "digits"), PX_ERR_OK);
        world.rate = 125000000;
        for (unsigned i = 0; i < 4; i++) {
            world.packet_ns = round == 3 || i < 3 ? 1000 : 0;
            CHECK_EQ(join(i, "digits"), PX_ERR_OK);
        }
        wait_ms(10);
        CHECK_EQ(world.w[0].grants, round + 1);
        CHECK_EQ(world.w[0].last.aggregator.n > 0, central);
        CHECK(pxi_muster_at(world.muster, 0, &s) && s.central == central && s.why[0]);
        CHECK_EQ(strstr(s.why, "1000000 ns") != NULL, round == 3);
        leave(9);
        wait_ms(10);
    }
    end();
}

static unsigned slow_one;
static unsigned told_late[MOST];

static bool slow(void *ctx, const struct pxi_peer *peer)
{
    return peer->b[3] == slow_one;
}

static void late(void *ctx, const struct pxi_peer *peer)
{
    told_late[peer->b[3]]++;
}

/* Who is ranked low is not waited for where others suffice, and comes back when it is not. */
TEST(the_slow_are_let_in_last)
{
    static const struct pxi_muster_ranking ranking = {slow, late, NULL};
    struct pxi_muster_job j = job("digits", 3);
    begin();
    j.least = 2;
    j.wait_ns = PXI_SECOND;
    pxi_muster_rank(world.muster, &ranking);
    slow_one = 1;
    CHECK_EQ(pxi_muster_offer(world.muster, &j), PX_ERR_OK);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(join(i, "digits"), PX_ERR_OK);
    wait_ms(500);
    CHECK_EQ(world.w[0].grants, 0);
    wait_ms(600);
    CHECK_EQ(world.w[0].grants, 1);
    CHECK_EQ(world.w[1].grants, 0);
    CHECK_EQ(world.w[2].last.world, 2);
    slow_one = MOST; /* it recovers, and the others begin anew */
    CHECK_EQ(join(0, "digits"), PX_ERR_OK);
    CHECK_EQ(join(2, "digits"), PX_ERR_OK);
    wait_ms(10);
    CHECK_EQ(world.w[1].grants, 1);
    CHECK_EQ(world.w[1].last.world, 3);
    /* What most of them say of one is told to the ranking, as long as they say it. */
    pxi_muster_late(world.muster, world.w[0].member, 2);
    CHECK_EQ(told_late[1], 0);
    pxi_muster_late(world.muster, world.w[2].member, 2);
    CHECK_EQ(told_late[1], 1);
    pxi_muster_late(world.muster, world.w[2].member, 0);
    CHECK_EQ(told_late[1], 1);
    pxi_muster_late(world.muster, world.w[2].member, 2);
    pxi_muster_late(world.muster, world.w[2].member, UINT64_MAX);
    CHECK_EQ(told_late[1], 3);
    CHECK_EQ(told_late[0] + told_late[2], 0);
    end();
}

/* Beside a company that goes on, those who are slow do not begin another one. */
static bool odd_are_slow(void *ctx, const struct pxi_peer *peer)
{
    return peer->b[3] % 2;
}

TEST(the_slow_make_no_company_of_their_own)
{
    static const struct pxi_muster_ranking ranking = {odd_are_slow, late, NULL};
    struct pxi_muster_job j = job("digits", 4);
    begin();
    j.least = 2;
    j.wait_ns = PXI_SECOND;
    pxi_muster_rank(world.muster, &ranking);
    CHECK_EQ(pxi_muster_offer(world.muster, &j), PX_ERR_OK);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(join(i, "digits"), PX_ERR_OK);
    wait_ms(5000);
    CHECK_EQ(world.w[0].grants + world.w[2].grants, 2);
    CHECK_EQ(world.w[1].grants + world.w[3].grants, 0);
    leave(0);
    leave(2);
    CHECK_EQ(join(0, "digits"), PX_ERR_OK); /* nobody else is fit now */
    wait_ms(2000);
    CHECK_EQ(world.w[1].grants + world.w[3].grants, 2);
    end();
}

TEST_MAIN()
