/*
 * Workers that are slower than the rest, in virtual time: who is told apart and who is not, what
 * becomes of its values, and how the swarm ranks it. Worker i contributes 2^i steps to every value,
 * so a sum says who is in it.
 */
#include "host_net.h"
#include "net/ping.h"
#include "reduce/muster.h"
#include "reduce/rank.h"
#include "reduce/slots.h"
#include "swarm/heartbeat.h"

enum { N = 4, LAST = N - 1, VALUES = 64, CHUNKS = 16, SLOTS = 8, SIZE = VALUES * CHUNKS };
enum { QUEUE = 4096, STRIDE = 512, WAY_NS = 20000, ROUNDS = 400 };
#define UNIT 0x1p-6f

struct mail {
    uint64_t at;
    int to; /* a worker, or -1: the aggregator */
    size_t n;
    uint8_t bytes[STRIDE];
};

struct worker {
    struct pxi_rank *rank;
    uint8_t *frames;
    float x[SIZE], residual[SIZE];
    bool runs;
    unsigned round; /* from 0; that it is in, or begins */
    uint64_t ready_ns, begun_ns;
    uint64_t longest_ns; /* of its sums */
};

struct world {
    struct pxi_kernels kernels;
    struct pxi_slots *slots;
    uint8_t *sums;
    struct worker w[N];
    struct mail mail[QUEUE]; /* in the order of their time: all ways are as long */
    uint32_t first, end;
    uint64_t now;
    unsigned rounds;
    double (*takes_ms)(unsigned worker, unsigned round); /* to compute a gradient */
    void (*passes)(struct world *w);                     /* time does */
    void (*did)(struct world *w, unsigned worker);       /* a sum */
    float sum[ROUNDS][SIZE];                             /* as worker 0 has them */
    uint64_t missing[ROUNDS];                            /* as it says */
};

static void post(struct world *w, int to, px_view v)
{
    struct mail *m = &w->mail[w->end++ % QUEUE];
    CHECK(w->end - w->first < QUEUE && v.n <= STRIDE);
    m->at = w->now + WAY_NS;
    m->to = to;
    m->n = v.n;
    memcpy(m->bytes, v.p, v.n);
}

static void deliver(struct world *w)
{
    struct mail m = w->mail[w->first++ % QUEUE];
    struct px_gradient_head h;
    enum px_gradient_drop why;
    struct pxi_slots_answer a;
    px_view values;
    CHECK(pxi_gradient_read(px_view_of(m.bytes, m.n), &h, &values, &why));
    if (m.to >= 0) {
        pxi_rank_take(w->w[m.to].rank, &h, values, w->now);
        return;
    }
    enum pxi_slots_to to = pxi_slots_take(w->slots, &h, values, w->now, &a);
    for (int i = 0; i < N; i++)
        if (to == PXI_SLOTS_ALL || (to == PXI_SLOTS_SENDER && i == h.worker))
            post(w, i, px_view_of(a.bytes, a.n));
}

static void begin(struct world *w, unsigned i)
{
    struct worker *k = &w->w[i];
    for (size_t j = 0; j < SIZE; j++)
        k->x[j] = (float)(1u << i) * UNIT;
    struct pxi_rank_op op = {.x = k->x, .residual = k->residual, .n = SIZE};
    CHECK_EQ(pxi_rank_begin(k->rank, &op), PX_ERR_OK);
    k->runs = true;
    k->begun_ns = w->now;
}

static void finish(struct world *w, unsigned i)
{
    struct worker *k = &w->w[i];
    uint64_t took = w->now - k->begun_ns;
    k->runs = false;
    k->longest_ns = took > k->longest_ns ? took : k->longest_ns;
    if (i == 0) {
        memcpy(w->sum[k->round], k->x, sizeof k->x);
        w->missing[k->round] = ~pxi_rank_everywhere(k->rank) & ((1u << N) - 1);
    } else if (i != LAST) { /* who is not slow gets every sum, and the same */
        CHECK_EQ(pxi_rank_lost(k->rank), 0);
        CHECK(k->round >= w->w[0].round || memcmp(w->sum[k->round], k->x, sizeof k->x) == 0);
    }
    if (w->did)
        w->did(w, i);
    k->round++;
    k->ready_ns = w->now + (uint64_t)(w->takes_ms(i, k->round) * 1e6);
}

/* What can be done now; when there is more. */
static uint64_t turn(struct world *w, unsigned i)
{
    struct worker *k = &w->w[i];
    px_view v;
    if (!k->runs && k->round < w->rounds && w->now >= k->ready_ns)
        begin(w, i);
    while ((v = pxi_rank_poll(k->rank, w->now)).n)
        post(w, -1, v);
    if (k->runs && pxi_rank_done(k->rank))
        finish(w, i);
    return k->runs ? pxi_rank_deadline(k->rank) : k->round < w->rounds ? k->ready_ns : UINT64_MAX;
}

/* Until all have done their rounds. */
static void run(struct world *w)
{
    for (;;) {
        uint64_t next = w->first != w->end ? w->mail[w->first % QUEUE].at : UINT64_MAX;
        for (unsigned i = 0; i < N; i++) {
            uint64_t at = turn(w, i);
            next = at < next ? at : next;
        }
        if (w->first != w->end && w->mail[w->first % QUEUE].at < next)
            next = w->mail[w->first % QUEUE].at;
        if (next == UINT64_MAX)
            return;
        w->now = next > w->now ? next : w->now;
        if (w->passes)
            w->passes(w);
        if (w->first != w->end && w->mail[w->first % QUEUE].at <= w->now)
            deliver(w);
    }
}

static void open_world(struct world *w, double (*takes_ms)(unsigned, unsigned), unsigned rounds)
{
    memset(w, 0, sizeof *w);
    pxi_kernels_init(&w->kernels, PXI_CPU_SCALAR);
    w->takes_ms = takes_ms;
    w->rounds = rounds;
    CHECK(rounds <= ROUNDS);
    w->now = 1000000;
    w->sums = pxi_calloc_aligned(2 * SLOTS * pxi_slots_stride(VALUES), 64);
    struct pxi_slots_options so = {.job = 7,
                                   .epoch = 1,
                                   .slots = SLOTS,
                                   .values = VALUES,
                                   .fan_in = N,
                                   .members = (1u << N) - 1,
                                   .quorum = N / 2 + 1,
                                   .deadline_ns = 100000 * PXI_MS,
                                   .chunks = CHUNKS,
                                   .frames = w->sums,
                                   .kernels = &w->kernels};
    w->slots = pxi_slots_new(&so);
    CHECK(w->slots != NULL);
    for (unsigned i = 0; i < N; i++) {
        w->w[i].frames = pxi_calloc_aligned((size_t)SLOTS * STRIDE, 64);
        struct pxi_rank_options ro = {.job = 7,
                                      .epoch = 1,
                                      .slots = SLOTS,
                                      .values = VALUES,
                                      .fan_in = N,
                                      .worker = (uint8_t)i,
                                      .frames = w->w[i].frames,
                                      .stride = STRIDE,
                                      .rto_min_ns = PXI_MS,
                                      .rto_max_ns = 50 * PXI_MS,
                                      .kernels = &w->kernels};
        w->w[i].rank = pxi_rank_new(&ro);
        CHECK(w->w[i].rank != NULL);
        w->w[i].ready_ns = w->now + (uint64_t)(takes_ms(i, 0) * 1e6);
    }
}

static void close_world(struct world *w)
{
    pxi_slots_free(w->slots);
    pxi_free_aligned(w->sums);
    for (unsigned i = 0; i < N; i++) {
        pxi_rank_free(w->w[i].rank);
        pxi_free_aligned(w->w[i].frames);
    }
}

/* What everybody gave is in a sum or owed, once. */
static void conserves(const struct world *w)
{
    for (size_t j = 0; j < SIZE; j++) {
        double total = 0;
        for (unsigned i = 0; i < N; i++)
            total += w->w[i].residual[j];
        for (unsigned r = 0; r < w->rounds; r++)
            total += w->sum[r][j];
        CHECK(total == (double)UNIT * ((1u << N) - 1) * w->rounds);
    }
}

/* Rounds whose sums have somebody missing, and all of those that the last worker alone is in. */
static unsigned rounds_without(const struct world *w, unsigned from, unsigned to)
{
    unsigned n = 0;
    for (unsigned r = from; r < to; r++) {
        CHECK((w->missing[r] & ~(1u << LAST)) == 0);
        n += w->missing[r] != 0;
    }
    return n;
}

static struct world world;

/* 600 ms behind for nine rounds of its own. */
static double behind(unsigned worker, unsigned round)
{
    return worker != LAST ? 50 : round < 2 ? 50 : round < 11 ? 650 : 5;
}

TEST(who_is_600_ms_behind_is_left_out_and_comes_back)
{
    struct world *w = &world;
    open_world(w, behind, 300);
    run(w);
    CHECK_EQ(rounds_without(w, 0, 2), 0);
    CHECK(rounds_without(w, 2, 30) == 28);
    CHECK_EQ(rounds_without(w, 250, 300), 0);
    CHECK(w->w[0].longest_ns < 600 * PXI_MS); /* they wait for a deadline, not for the slow one */
    CHECK(pxi_rank_counts(w->w[LAST].rank)->late > 0);
    CHECK(pxi_slots_counts(w->slots)->drops[PX_GRADIENT_DROP_LATE] > 0);
    conserves(w);
    for (size_t j = 0; j < SIZE; j++) /* what was owed is paid */
        CHECK(w->w[LAST].residual[j] == 0);
    close_world(w);
}

/* A tenth more each round. */
static double slows(unsigned worker, unsigned round)
{
    return 50 + (worker == LAST ? 20 * pow(1.1, round < 60 ? round : 60) : 0);
}

TEST(who_slows_gradually_is_told_apart_too)
{
    struct world *w = &world;
    open_world(w, slows, 60);
    run(w);
    CHECK_EQ(rounds_without(w, 0, 33), 0); /* 20 x 1.1^33 = 464 ms */
    CHECK(rounds_without(w, 35, 60) == 25);
    CHECK(w->w[0].longest_ns < 600 * PXI_MS);
    conserves(w);
    close_world(w);
}

static double all_slow(unsigned worker, unsigned round)
{
    return (40 + 20 * worker) * pow(1.1, round);
}

TEST(a_company_that_slows_together_loses_nobody)
{
    struct world *w = &world;
    open_world(w, all_slow, 60); /* at last from 12 to 30 s */
    run(w);
    CHECK_EQ(rounds_without(w, 0, 60), 0);
    CHECK_EQ(pxi_slots_counts(w->slots)->closed, 0);
    conserves(w);
    close_world(w);
}

static double all_stop(unsigned worker, unsigned round)
{
    return (40 + 20 * worker) * (round % 10 == 5 ? 100 : 1);
}

TEST(nor_does_one_that_is_slow_all_at_once)
{
    struct world *w = &world;
    open_world(w, all_stop, 60);
    run(w);
    CHECK_EQ(pxi_slots_counts(w->slots)->closed, 0);
    close_world(w);
}

/* Two of four are no quorum: the company is slow. */
static double half_slow(unsigned worker, unsigned round)
{
    return worker < 2 ? 50 : 700;
}

TEST(half_of_a_company_is_waited_for)
{
    struct world *w = &world;
    open_world(w, half_slow, 20);
    run(w);
    CHECK_EQ(pxi_slots_counts(w->slots)->closed, 0);
    close_world(w);
}

/* ------------------------------------------------------------ what the swarm says */

/* A node that offers the job, and the peers that its workers are. */
static struct company {
    struct net net;
    struct pxi_muster *muster;
    struct pxi_heartbeat *heartbeat;
    struct pxi_muster_member *member[N]; /* by peer */
    unsigned rank[N], grants[N], world;
    unsigned slow; /* the peer that is */
    uint64_t told[N], told_ns[N];
    enum pxi_peer_state was;
    unsigned low, up; /* times that it was ranked low, and up again */
} c;

static void tell(struct pxi_muster *of, struct pxi_muster_member *m,
                 const struct pxi_muster_order *o)
{
    for (unsigned i = 0; i < N; i++)
        if (c.member[i] == m && o->status == PXI_MUSTER_GRANT) {
            c.rank[i] = (unsigned)o->rank;
            c.world = (unsigned)o->world;
            c.grants[i]++;
        }
}

static const struct pxi_peer *peer(unsigned i)
{
    return pxi_host_self(c.net.host[1 + i]);
}

/* As src/node/mustering.c asks and tells. */
static bool is_slow(void *ctx, const struct pxi_peer *p)
{
    return pxi_heartbeat_state(c.heartbeat, p, NULL) == PXI_PEER_SLOW;
}

static void was_late(void *ctx, const struct pxi_peer *p)
{
    pxi_heartbeat_late(c.heartbeat, p);
}

static void join(unsigned i)
{
    struct pxi_maddr a;
    char text[64];
    px_err err;
    snprintf(text, sizeof text, "/ip4/10.0.0.%u/udp/47900", i + 1);
    CHECK_EQ(pxi_maddr_parse(px_view_str(text), &a, NULL), PX_ERR_OK);
    struct pxi_muster_join j = {.name = px_view_str("digits"), .address = pxi_maddr_view(&a)};
    c.member[i] = pxi_muster_join(c.muster, peer(i), &j, NULL, &err);
    CHECK(c.member[i] != NULL);
}

static void gather(void)
{
    static const struct pxi_muster_ranking ranking = {is_slow, was_late, NULL};
    struct pxi_heartbeat_options o = {0};
    struct pxi_muster_job j = {.name = px_view_str("digits"),
                               .world = N,
                               .least = N - 1,
                               .wait_ns = PXI_SECOND,
                               .slots = 128,
                               .values = 688,
                               .deadline_ms = 2000};
    net_init(&c.net, 1 + N);
    c.heartbeat = pxi_heartbeat_new(c.net.host[0], &o);
    c.muster = pxi_muster_new(&c.net.timers, &c.net.random, tell);
    CHECK(c.heartbeat && c.muster);
    pxi_muster_rank(c.muster, &ranking);
    CHECK_EQ(pxi_muster_offer(c.muster, &j), PX_ERR_OK);
    for (unsigned i = 0; i < N; i++) {
        CHECK_EQ(pxi_ping_serve(c.net.host[1 + i]), PX_ERR_OK);
        net_connect(&c.net, 0, 1 + i);
    }
    net_run(&c.net, 4000);
    for (unsigned i = 0; i < N; i++)
        join(i);
    net_run(&c.net, 2000);
    CHECK_EQ(c.world, N);
}

/* The clock of the workers moves that of the swarm. */
static void pass(struct world *w)
{
    uint64_t ms = w->now / PXI_MS, swarm = (c.net.timers.now_ns - 10 * PXI_SECOND) / PXI_MS;
    if (ms > swarm)
        net_run(&c.net, ms - swarm);
    enum pxi_peer_state s = pxi_heartbeat_state(c.heartbeat, peer(c.slow), NULL);
    c.low += c.was != PXI_PEER_SLOW && s == PXI_PEER_SLOW;
    c.up += c.was == PXI_PEER_SLOW && s == PXI_PEER_GOOD;
    c.was = s;
}

/* A worker tells as src/node/reduce.c does. */
static void say(struct world *w, unsigned rank)
{
    uint64_t missing = ~pxi_rank_everywhere(w->w[rank].rank) & ((1u << N) - 1);
    bool still = c.told[rank] && w->now - c.told_ns[rank] >= PXI_SECOND;
    if (missing == c.told[rank] && !still)
        return;
    c.told[rank] = missing;
    c.told_ns[rank] = w->now;
    for (unsigned i = 0; i < N; i++)
        if (c.rank[i] == rank)
            pxi_muster_late(c.muster, c.member[i], missing);
}

/* For 20 rounds of its own, so that it would have been forgiven meanwhile. */
static double long_behind(unsigned worker, unsigned round)
{
    return worker != LAST ? 500 : round < 2 ? 500 : round < 22 ? 1500 : 5;
}

TEST(the_swarm_ranks_it_low_until_it_is_in_time)
{
    struct world *w = &world;
    struct pxi_peer ranked[N];
    gather();
    for (unsigned i = 0; i < N; i++)
        c.slow = c.rank[i] == LAST ? i : c.slow;
    net_run(&c.net, (10 * PXI_SECOND - c.net.timers.now_ns) / PXI_MS + 1);
    open_world(w, long_behind, 60);
    w->passes = pass;
    w->did = say;
    c.was = PXI_PEER_GOOD;
    run(w);
    CHECK_EQ(c.low, 1); /* and not forgiven while sums still go on without it */
    pass(w);
    net_run(&c.net, 20000);
    pass(w);
    CHECK_EQ(c.up, 1);
    for (unsigned i = 0; i < N; i++)
        ranked[i] = *peer(i);

    was_late(NULL, peer(c.slow)); /* the next company begins without it, and has it again later */
    pxi_heartbeat_rank(c.heartbeat, ranked, N);
    CHECK(pxi_peer_equal(&ranked[N - 1], peer(c.slow)));
    for (unsigned k = 0; k < 2; k++) {
        for (unsigned i = 0; i < N; i++)
            if (i != c.slow || k == 0)
                join(i);
        net_run(&c.net, 2000);
        CHECK_EQ(c.world, k ? N : N - 1);
        CHECK_EQ(c.grants[c.slow], k ? 2 : 1);
        net_run(&c.net, 20000);
    }
    close_world(w);
    pxi_heartbeat_free(c.heartbeat);
    pxi_muster_free(c.muster);
    net_deinit(&c.net);
}

TEST_MAIN()
