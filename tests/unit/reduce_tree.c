/*
 * A tree of aggregators in virtual time, over a network that loses, doubles and delays: workers,
 * leaves that add some of them, and one above that adds the leaves. The sums have the bits of one
 * aggregator of all; who is missing is missing in the counts, and nothing is lost or added twice.
 */
#include "base/mem.h"
#include "base/rng.h"
#include "kernel/gradient.h"
#include "px_test.h"
#include "reduce/group.h"
#include "reduce/hub.h"

enum { WORKERS = 16, LEAVES = 4, EACH = 4, SIZE = 900, VALUES = 64, SLOTS = 16, MAIL = 8192 };
enum { FLAT = WORKERS + LEAVES + 1, NODES = FLAT, ABOVE = WORKERS + LEAVES, ROOM = 1600 };
enum { LOUD = 9 };
#define MS UINT64_C(1000000)

/* Nodes: workers, leaves, the one above. */
struct mail {
    uint64_t at;
    unsigned from, to;
    size_t n;
    uint8_t bytes[ROOM];
};

struct worker {
    struct pxi_group *g;
    uint8_t *arena;
    float x[SIZE], residual[SIZE];
    unsigned ops;
    bool runs;
};

static struct {
    struct pxi_kernels kernels;
    struct pxi_rng rng;
    bool flat;
    unsigned loss, twice, late_us;
    uint64_t now, dead; /* dead: nodes */
    bool muffled;       /* nobody hears the loud worker's exponents */
    struct worker w[WORKERS];
    struct pxi_hub *hubs[LEAVES + 1];
    uint8_t *arenas[LEAVES + 1];
    struct mail *mail;
    unsigned mail_n;
} net;

static const uint8_t secret[PXI_GROUP_SECRET] = {9};

/* ------------------------------------------------------------- the network */

static void push(unsigned from, unsigned to, px_view v)
{
    CHECK(net.mail_n < MAIL && v.n <= ROOM);
    struct mail *m = &net.mail[net.mail_n++];
    m->at = net.now + 20000 + (net.late_us ? pxi_rng_below(&net.rng, net.late_us * 1000ull) : 0);
    m->from = from;
    m->to = to;
    m->n = v.n;
    memcpy(m->bytes, v.p, v.n);
}

static void post(unsigned from, unsigned to, px_view v)
{
    unsigned copies = pxi_rng_below(&net.rng, 100) < net.loss    ? 0
                      : pxi_rng_below(&net.rng, 100) < net.twice ? 2
                                                                 : 1;
    if (net.muffled && from == LOUD && v.n == PX_GRADIENT_HEAD)
        return;
    for (unsigned i = 0; i < copies; i++)
        push(from, to, v);
}

static unsigned parent_of(unsigned worker)
{
    return net.flat ? ABOVE : WORKERS + worker / EACH;
}

/* What came to a node. */
static void deliver(const struct mail *m)
{
    px_view v = px_view_of(m->bytes, m->n);
    if (net.dead >> m->to & 1)
        return;
    if (m->to < WORKERS)
        pxi_group_take(net.w[m->to].g, 0, v, net.now);
    else if (m->to == ABOVE)
        pxi_hub_take(net.hubs[LEAVES], net.flat ? m->from : m->from - WORKERS, v, net.now);
    else
        pxi_hub_take(net.hubs[m->to - WORKERS], m->from == ABOVE ? EACH : m->from % EACH, v,
                     net.now);
}

static void send_of(unsigned node)
{
    px_view v;
    if (net.dead >> node & 1)
        return;
    if (node < WORKERS) {
        pxi_group_turn(net.w[node].g, net.now);
        while ((v = pxi_group_pull(net.w[node].g, 0, net.now)).n)
            post(node, parent_of(node), v);
        return;
    }
    unsigned hub = node - WORKERS;
    unsigned peers = hub < LEAVES ? EACH + 1 : net.flat ? WORKERS : LEAVES;
    for (unsigned to = 0; to < peers && net.hubs[hub]; to++)
        while ((v = pxi_hub_pull(net.hubs[hub], to)).n)
            post(node,
                 hub == LEAVES ? (net.flat ? to : WORKERS + to)
                 : to == EACH  ? (unsigned)ABOVE
                               : hub * EACH + to,
                 v);
}

static uint64_t next_event(void)
{
    uint64_t at = UINT64_MAX;
    for (unsigned i = 0; i < net.mail_n; i++)
        at = net.mail[i].at < at ? net.mail[i].at : at;
    for (unsigned i = 0; i < WORKERS; i++) {
        uint64_t its = net.dead >> i & 1 ? UINT64_MAX : pxi_group_deadline(net.w[i].g);
        at = its < at ? its : at;
    }
    return at > net.now ? at : net.now + 1000;
}

static void step(void)
{
    for (unsigned i = 0; i < NODES; i++)
        send_of(i);
    net.now = next_event();
    for (unsigned i = 0; i < net.mail_n;) {
        if (net.mail[i].at > net.now) {
            i++;
            continue;
        }
        struct mail m = net.mail[i];
        net.mail[i] = net.mail[--net.mail_n];
        deliver(&m);
    }
}

/* ------------------------------------------------------------ who is there */

static struct pxi_hub *add_hub(unsigned i, struct pxi_hub_options o)
{
    o.job = 5;
    o.epoch = 1;
    o.slots = SLOTS;
    o.values = VALUES;
    o.chunks = 64;
    o.deadline_ns = 2000 * MS;
    o.secret = secret;
    o.kernels = &net.kernels;
    net.arenas[i] = pxi_calloc_aligned(pxi_hub_arena(&o), 64);
    o.arena = net.arenas[i];
    net.hubs[i] = pxi_hub_new(&o);
    CHECK(net.hubs[i] != NULL);
    return net.hubs[i];
}

static void add_leaf(unsigned i, uint8_t format)
{
    add_hub(i, (struct pxi_hub_options){.format = format,
                                        .world = EACH,
                                        .leaf = true,
                                        .number = (uint8_t)i,
                                        .first = (uint8_t)(i * EACH),
                                        .total = WORKERS});
}

static void open_net(bool flat, uint8_t format, uint64_t seed)
{
    static const uint8_t each[LEAVES] = {EACH, EACH, EACH, EACH};
    memset(&net, 0, sizeof net);
    pxi_kernels_init(&net.kernels, pxi_cpu_detect());
    net.rng.state = seed;
    net.flat = flat;
    net.now = 1000 * MS;
    net.mail = pxi_calloc(MAIL, sizeof *net.mail);
    for (unsigned i = 0; i < LEAVES && !flat; i++)
        add_leaf(i, format);
    add_hub(LEAVES, (struct pxi_hub_options){.format = format,
                                             .world = flat ? WORKERS : LEAVES,
                                             .leaves = flat ? NULL : each});
    for (unsigned i = 0; i < WORKERS; i++) {
        struct worker *w = &net.w[i];
        struct pxi_group_options o = {.job = 5,
                                      .slots = SLOTS,
                                      .values = VALUES,
                                      .format = format,
                                      .rank = (uint8_t)i,
                                      .world = WORKERS,
                                      .central = true,
                                      .rto_min_ns = 2 * MS,
                                      .rto_max_ns = 200 * MS,
                                      .silence_ns = 10000 * MS,
                                      .life = i + 1,
                                      .secret = secret,
                                      .kernels = &net.kernels};
        w->arena = pxi_calloc_aligned(pxi_group_arena(&o), 64);
        o.arena = w->arena;
        w->g = pxi_group_new(&o);
        CHECK(w->g != NULL);
    }
}

static void close_net(void)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        pxi_group_free(net.w[i].g);
        pxi_free_aligned(net.w[i].arena);
    }
    for (unsigned i = 0; i <= LEAVES; i++) {
        pxi_hub_free(net.hubs[i]);
        pxi_free_aligned(net.arenas[i]);
    }
    pxi_free(net.mail);
}

/* ------------------------------------------------------------- operations */

/* One worker has large values in some chunks: when its exponent is not heard in time they saturate.
 */
static float value(unsigned rank, unsigned op, size_t i)
{
    uint32_t h = pxi_grad_hash((uint32_t)(i * 64 + rank) ^ op << 24);
    float v = (float)(h >> 16) / 65536 - 0.5f;
    return rank == LOUD && i / VALUES % 5 == op % 5 ? v * 40 : v;
}

static void begin(unsigned rank)
{
    struct worker *w = &net.w[rank];
    struct pxi_rank_op op = {.x = w->x, .residual = w->residual, .n = SIZE};
    for (size_t i = 0; i < SIZE; i++)
        w->x[i] = value(rank, w->ops, i);
    CHECK_EQ(pxi_group_begin(w->g, &op), PX_ERR_OK);
    w->runs = true;
}

/* All who are in `who` have done an operation, or one of them says that nothing goes on: its
 * number, else -1. */
static int operate(uint64_t who)
{
    uint64_t end = net.now + 60000 * MS;
    for (unsigned i = 0; i < WORKERS; i++)
        if (who >> i & 1)
            begin(i);
    for (bool all = false; !all;) {
        all = true;
        step();
        CHECK(net.now < end);
        for (unsigned i = 0; i < WORKERS; i++) {
            struct worker *w = &net.w[i];
            if (!(who >> i & 1) || !w->runs)
                continue;
            if (pxi_group_gone(w->g) >= 0)
                return (int)i;
            w->runs = !pxi_group_done(w->g);
            w->ops += !w->runs;
            all &= !w->runs;
        }
    }
    return -1;
}

/* What all of `who` have, by its bits. */
static uint64_t digest(uint64_t who)
{
    const struct worker *first = &net.w[__builtin_ctzll(who)];
    uint64_t d = 0;
    for (unsigned i = 0; i < WORKERS; i++)
        if (who >> i & 1)
            CHECK(memcmp(net.w[i].x, first->x, sizeof first->x) == 0);
    for (size_t i = 0; i < SIZE; i++) {
        uint32_t bits;
        memcpy(&bits, &first->x[i], sizeof bits);
        d = (d ^ bits) * UINT64_C(1099511628211);
    }
    return d;
}

/* All operations of all, without faults or with them. */
static void train(bool flat, uint8_t format, unsigned faults, uint64_t out[6])
{
    open_net(flat, format, px_seed + faults);
    net.loss = faults;
    net.twice = faults / 2;
    net.late_us = 30 * faults;
    for (unsigned op = 0; op < 6; op++) {
        CHECK_EQ(operate(0xffff), -1);
        for (unsigned i = 0; i < WORKERS; i++)
            CHECK_EQ(pxi_group_least(net.w[i].g), WORKERS);
        out[op] = digest(0xffff);
    }
    close_net();
}

TEST(the_bits_of_one_aggregator)
{
    for (uint8_t format = PX_GRADIENT_I16; format <= PX_GRADIENT_I4; format++) {
        uint64_t flat[6], tree[6];
        train(true, format, 0, flat);
        for (unsigned faults = 0; faults <= 20; faults += 10) {
            train(false, format, faults, tree);
            CHECK(memcmp(flat, tree, sizeof flat) == 0);
        }
    }
}

static float sum_of(uint64_t who, unsigned op, size_t i)
{
    float sum = 0;
    for (unsigned k = 0; k < WORKERS; k++)
        sum += who >> k & 1 ? value(k, op, i) : 0;
    return sum;
}

/* Near what it should be, within what rounding takes. */
static void check_sum(uint64_t who, unsigned op, unsigned at)
{
    for (size_t i = 0; i < SIZE; i++) {
        float want = sum_of(who, op, i);
        if (fabsf(net.w[at].x[i] - want) > 0.8f)
            PX_FAIL("operation %u, value %zu: %g, not %g", op, i, net.w[at].x[i], want);
    }
}

TEST(a_worker_that_is_gone_is_missing_in_the_count)
{
    uint64_t rest = 0xffff & ~(1ull << 6);
    open_net(false, PX_GRADIENT_I16, px_seed);
    CHECK_EQ(operate(0xffff), -1);
    net.dead = 1ull << 6;
    uint64_t before = net.now;
    CHECK_EQ(operate(rest), -1);
    CHECK(net.now - before < 2000 * MS); /* its leaf waits for half of the deadline at most */
    CHECK_EQ(pxi_group_least(net.w[0].g), WORKERS - 1);
    check_sum(rest, 1, 0);
    digest(rest);
    before = net.now;
    CHECK_EQ(operate(rest), -1);
    CHECK(net.now - before < 100 * MS); /* it is not waited for any more */
    CHECK_EQ(pxi_hub_slots(net.hubs[LEAVES])->drops[PX_GRADIENT_DROP_LATE], 0);
    close_net();
}

/* A leaf goes on with the one that is left: whether they are enough is for the one above to say. */
TEST(the_last_worker_of_a_leaf)
{
    uint64_t rest = 0xffff & ~(7ull << 4);
    open_net(false, PX_GRADIENT_I16, px_seed);
    CHECK_EQ(operate(0xffff), -1);
    net.dead = 7ull << 4;
    for (unsigned op = 1; op < 3; op++) {
        CHECK_EQ(operate(rest), -1);
        CHECK_EQ(pxi_group_least(net.w[0].g), WORKERS - 3);
        check_sum(rest, op, 7);
        digest(rest);
    }
    close_net();
}

/* Without the one above there are no sums: all workers are told so, and none has another. */
TEST(the_one_above_is_gone)
{
    open_net(false, PX_GRADIENT_I16, px_seed);
    CHECK_EQ(operate(0xffff), -1);
    uint64_t before = net.now;
    net.dead = 1ull << ABOVE;
    CHECK(operate(0xffff) >= 0);
    for (bool all = false; !all;) {
        step();
        all = true;
        for (unsigned i = 0; i < WORKERS; i++) {
            CHECK(!pxi_group_done(net.w[i].g));
            all &= pxi_group_gone(net.w[i].g) >= 0;
        }
        CHECK(net.now - before < 11000 * MS);
    }
    for (unsigned i = 0; i < LEAVES; i++)
        CHECK(pxi_hub_slots(net.hubs[i])->closed == 0);
    close_net();
}

TEST(a_leaf_that_is_gone_takes_its_workers_along)
{
    uint64_t rest = 0xffff & ~0xf0ull;
    open_net(false, PX_GRADIENT_I16, px_seed);
    CHECK_EQ(operate(0xffff), -1);
    net.dead = 1ull << (WORKERS + 1);
    uint64_t before = net.now;
    CHECK_EQ(operate(rest), -1);
    CHECK(net.now - before < 2500 * MS);
    CHECK_EQ(pxi_group_least(net.w[0].g), WORKERS - EACH);
    check_sum(rest, 1, 15);
    digest(rest);
    before = net.now;
    CHECK_EQ(operate(rest), -1);
    CHECK(net.now - before < 100 * MS);
    /* Its workers hear nothing and are told so. */
    int gone = operate(0xf0);
    CHECK(gone >= 4 && gone < 8);
    CHECK(net.now - before < 11000 * MS);
    close_net();
}

/* Killed and started again, it knows nothing of where the job is: as if it were dead. */
TEST(a_leaf_that_began_anew)
{
    uint64_t rest = 0xffff & ~0xf0ull;
    open_net(false, PX_GRADIENT_I16, px_seed);
    CHECK_EQ(operate(0xffff), -1);
    pxi_hub_free(net.hubs[1]);
    pxi_free_aligned(net.arenas[1]);
    add_leaf(1, PX_GRADIENT_I16);
    for (unsigned i = 4; i < 8; i++)
        begin(i);
    for (unsigned op = 1; op < 3; op++) {
        CHECK_EQ(operate(rest), -1);
        CHECK_EQ(pxi_group_least(net.w[0].g), WORKERS - EACH);
        check_sum(rest, op, 15);
        digest(rest);
    }
    for (bool all = false; !all;) {
        step();
        all = true;
        for (unsigned i = 4; i < 8; i++)
            all &= pxi_group_gone(net.w[i].g) >= 0;
        CHECK(net.now < 20000 * MS);
    }
    close_net();
}

/* Cut off for longer than a deadline, a leaf comes back: what its workers said is owed again, and
 * in the sum of sums nothing is missing. */
TEST(a_leaf_that_comes_back_owes_what_was_not_added)
{
    static float total[SIZE];
    enum { CUT = 3, OPS = 12 };
    open_net(false, PX_GRADIENT_I16, px_seed);
    memset(total, 0, sizeof total);
    unsigned fewest = WORKERS;
    for (unsigned op = 0; op < OPS; op++) {
        for (unsigned i = 0; i < WORKERS; i++)
            begin(i);
        uint64_t cut = op == CUT ? net.now + 2600 * MS : 0, end = net.now + 60000 * MS;
        for (bool all = false; !all;) {
            net.dead = net.now < cut ? 1ull << (WORKERS + 2) : 0;
            all = true;
            step();
            CHECK(net.now < end);
            for (unsigned i = 0; i < WORKERS; i++)
                all &= pxi_group_done(net.w[i].g);
        }
        for (unsigned i = 0; i < WORKERS; i++) {
            net.w[i].ops++;
            CHECK_EQ(pxi_group_lost(net.w[i].g), 0);
        }
        digest(0xffff);
        fewest =
            (unsigned)(pxi_group_least(net.w[0].g) < fewest ? pxi_group_least(net.w[0].g) : fewest);
        for (size_t i = 0; i < SIZE; i++)
            total[i] += net.w[0].x[i];
    }
    CHECK_EQ(fewest, WORKERS - EACH);
    CHECK_EQ(pxi_group_least(net.w[0].g), WORKERS);
    CHECK(pxi_group_rank(net.w[LOUD].g, 0)->late > 0);
    for (size_t i = 0; i < SIZE; i++) {
        float want = 0;
        for (unsigned op = 0; op < OPS; op++)
            want += sum_of(0xffff, op, i);
        CHECK(fabsf(total[i] - want) < 1.5f);
    }
    close_net();
}

/* Whose exponents were not heard has values that do not fit: the chunk goes once more, in 32 bits,
 * through all levels. */
TEST(what_saturates_goes_wide)
{
    open_net(false, PX_GRADIENT_I16, px_seed);
    CHECK_EQ(operate(0xffff), -1);
    for (unsigned i = 0; i < WORKERS; i++)
        begin(i);
    for (bool all = false; !all;) {
        net.muffled = pxi_hub_slots(net.hubs[LOUD / EACH])->closed < SLOTS;
        all = true;
        step();
        for (unsigned i = 0; i < WORKERS; i++)
            all &= pxi_group_done(net.w[i].g);
    }
    CHECK(pxi_group_rank(net.w[LOUD].g, 0)->wide > 0);
    digest(0xffff);
    check_sum(0xffff, 1, 0);
    close_net();
}

/* It misses so much that the one above keeps the sums no more: those are lost, and known to be. */
TEST(a_leaf_far_behind_is_told_so)
{
    uint64_t rest = 0xffff & ~0xf00ull;
    uint32_t lost = 0;
    open_net(false, PX_GRADIENT_I16, px_seed);
    CHECK_EQ(operate(0xffff), -1);
    net.dead = 1ull << (WORKERS + 2);
    for (unsigned i = 8; i < 12; i++)
        begin(i);
    for (unsigned op = 0; op < 3; op++)
        CHECK_EQ(operate(rest), -1);
    net.dead = 0;
    for (unsigned op = 0; op < 3; op++) { /* they catch up, an operation after the other */
        for (bool all = false; !all;) {
            all = true;
            step();
            for (unsigned i = 8; i < 12; i++)
                all &= pxi_group_done(net.w[i].g);
        }
        for (unsigned i = 8; i < 12; i++) {
            lost += pxi_group_lost(net.w[i].g);
            net.w[i].runs = false;
            net.w[i].ops++;
            if (op < 2)
                begin(i);
        }
    }
    CHECK(lost > 0);
    for (unsigned i = 0; i < WORKERS; i++)
        net.w[i].ops = 10;
    CHECK_EQ(operate(0xffff), -1);
    CHECK_EQ(operate(0xffff), -1);
    CHECK_EQ(pxi_group_least(net.w[0].g), WORKERS);
    digest(0xffff);
    close_net();
}

TEST(what_a_tree_cannot_be)
{
    static const uint8_t many[2] = {40, 8}, wide[3] = {30, 30, 30}, none[2] = {0, 1};
    struct pxi_hub_options o = {.job = 1,
                                .epoch = 1,
                                .slots = SLOTS,
                                .values = VALUES,
                                .chunks = 4,
                                .deadline_ns = MS,
                                .world = 2,
                                .secret = secret};
    struct pxi_kernels k;
    pxi_kernels_init(&k, PXI_CPU_SCALAR);
    o.kernels = &k;
    o.arena = pxi_calloc_aligned(pxi_hub_arena(&o), 64);
    o.leaves = many;
    CHECK(!pxi_hub_new(&o)); /* a leaf has 32 at most */
    o.leaves = none;
    CHECK(!pxi_hub_new(&o));
    o.leaves = wide;
    o.world = 3;
    CHECK(!pxi_hub_new(&o)); /* 64 in all */
    o.leaves = NULL;
    o.world = 4;
    o.leaf = true;
    o.first = 2;
    o.total = 5;
    CHECK(!pxi_hub_new(&o)); /* ranks beyond the last */
    o.total = 6;
    o.rule = PX_SENTRY_CLIP1;
    CHECK(!pxi_hub_new(&o)); /* nobody sees all contributions */
    o.rule = PX_SENTRY_NONE;
    struct pxi_hub *h = pxi_hub_new(&o);
    CHECK(h != NULL);
    pxi_hub_free(h);
    pxi_free_aligned(o.arena);
}

TEST_MAIN()
