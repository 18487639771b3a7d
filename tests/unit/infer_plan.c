/* Plans: complete, within memory, and as good as trying every order and every cut finds; what is
 * near comes next to one another; spares hold what fits; hostile numbers end in an error, not in a
 * loop. */
#include "infer/plan.h"

#include "base/limits.h"
#include "base/rng.h"
#include "px_test.h"

enum { PEERS = 4, BLOCKS = 9 };

struct world {
    struct pxi_plan_model m;
    struct pxi_plan_peer p[PXI_LIMIT_PLAN_PEERS];
    double way[(PXI_LIMIT_PLAN_PEERS + 1) * (PXI_LIMIT_PLAN_PEERS + 1)];
    double wire[(PXI_LIMIT_PLAN_PEERS + 1) * (PXI_LIMIT_PLAN_PEERS + 1)];
    struct pxi_plan_ways ways;
    unsigned count;
};

static void make(struct world *w, struct pxi_rng *r, unsigned count)
{
    *w = (struct world){.count = count, .ways = {w->way, w->wire}};
    w->m = (struct pxi_plan_model){.blocks = 2 + (uint32_t)pxi_rng_below(r, BLOCKS - 1),
                                   .block_bytes = 1000,
                                   .block_memory = 1200,
                                   .embed_memory = pxi_rng_below(r, 800),
                                   .output_bytes = pxi_rng_below(r, 1500),
                                   .flights = 1 + (uint32_t)pxi_rng_below(r, 12)};
    for (unsigned i = 0; i < count; i++) {
        w->p[i].rate = 500 + pxi_rng_below(r, 5000);
        w->p[i].memory = 1000 + pxi_rng_below(r, 12000);
    }
    for (unsigned i = 0; i <= count; i++)
        for (unsigned k = 0; k < i; k++) {
            double x = (double)pxi_rng_below(r, 2000) / 1000;
            w->way[i * (count + 1) + k] = w->way[k * (count + 1) + i] = x;
            w->wire[i * (count + 1) + k] = w->wire[k * (count + 1) + i] = x / 4;
        }
}

/* The price of a chain, written down once more. */
static double price(const struct world *w, const unsigned *order, const uint32_t *take, unsigned n)
{
    double sum = 0, slowest = 0;
    unsigned before = w->count;
    for (unsigned i = 0; i <= n; i++) {
        unsigned to = i < n ? order[i] : w->count;
        double wire = w->wire[before * (w->count + 1) + to];
        sum += w->way[before * (w->count + 1) + to];
        slowest = wire > slowest ? wire : slowest;
        before = to;
        if (i == n)
            break;
        const struct pxi_plan_peer *p = &w->p[order[i]];
        uint64_t more = (i == 0 ? w->m.embed_memory : 0) + (i + 1 == n ? w->m.output_bytes : 0);
        double s = (double)(take[i] * w->m.block_bytes + (i + 1 == n ? w->m.output_bytes : 0)) /
                   (double)p->rate;
        if (take[i] * w->m.block_memory + more > p->memory)
            return 1e30;
        sum += s;
        slowest = s > slowest ? s : slowest;
    }
    return sum + (w->m.flights - 1) * slowest;
}

/* All cuts, of all orders of `n` peers. */
static double try_all(const struct world *w, unsigned *order, uint32_t *take, unsigned i,
                      unsigned n, unsigned used, uint32_t left)
{
    double best = 1e30;
    if (i == n)
        return left ? 1e30 : price(w, order, take, n);
    for (unsigned p = 0; p < w->count; p++)
        for (uint32_t k = 1; k <= left && !(used >> p & 1); k++) {
            order[i] = p;
            take[i] = k;
            double x = try_all(w, order, take, i + 1, n, used | 1u << p, left - k);
            best = x < best ? x : best;
        }
    return best;
}

/* Complete and in order; its price. */
static double check_plan(const struct world *w, unsigned stages)
{
    unsigned order[PXI_LIMIT_PLAN_PEERS];
    uint32_t take[PXI_LIMIT_PLAN_PEERS], at = 0;
    unsigned used = 0;
    for (unsigned place = 0; place < stages; place++)
        for (unsigned i = 0; i < w->count; i++) {
            if (w->p[i].place != place)
                continue;
            CHECK_EQ(w->p[i].first, at);
            at = w->p[i].last;
            order[used] = i;
            take[used++] = w->p[i].last - w->p[i].first;
        }
    CHECK_EQ(used, stages);
    CHECK_EQ(at, w->m.blocks);
    return price(w, order, take, stages);
}

TEST(plans_are_as_good_as_a_search)
{
    struct pxi_rng r = {px_seed};
    for (unsigned round = 0; round < 250; round++) {
        struct world w;
        struct pxi_plan_times t;
        unsigned order[PEERS];
        uint32_t take[PEERS];
        double best = 1e30;
        make(&w, &r, 1 + (unsigned)pxi_rng_below(&r, PEERS));
        for (unsigned n = 1; n <= w.count; n++) {
            double x = try_all(&w, order, take, 0, n, 0, w.m.blocks);
            best = x < best ? x : best;
        }
        px_err err = pxi_plan(&w.m, w.p, w.count, &w.ways, &t);
        CHECK_EQ(err, best >= 1e30 ? PX_ERR_NOMEM : PX_ERR_OK);
        if (err != PX_ERR_OK)
            continue;
        double found = check_plan(&w, t.stages);
        CHECK(found <= t.cost_s * 1.000001 && found >= t.cost_s * 0.999999);
        if (found > best * 1.0205)
            PX_FAIL("round %u: %g s, a search finds %g", round, found, best);
    }
}

TEST(many_peers_are_planned_well_enough)
{
    struct pxi_rng r = {px_seed + 1};
    for (unsigned round = 0; round < 20; round++) {
        struct world w;
        struct pxi_plan_times t, five;
        make(&w, &r, PXI_LIMIT_PLAN_PEERS);
        w.m.blocks = 20 + (uint32_t)pxi_rng_below(&r, 100);
        for (unsigned i = 0; i < w.count; i++)
            w.p[i].memory = w.m.blocks * w.m.block_memory / 2 + 3000;
        CHECK_EQ(pxi_plan(&w.m, w.p, w.count, &w.ways, &t), PX_ERR_OK);
        check_plan(&w, t.stages);
        /* No worse than the first three of them, in their order. */
        unsigned order[3] = {0, 1, 2};
        uint32_t cuts[3] = {w.m.blocks / 3, 2 * w.m.blocks / 3, w.m.blocks};
        CHECK_EQ(pxi_plan_cost(&w.m, w.p, w.count, &w.ways, order, cuts, 3, &five), PX_ERR_OK);
        CHECK(t.cost_s <= five.cost_s * 1.0205);
    }
}

TEST(a_plan_has_as_many_stages_as_asked)
{
    struct pxi_plan_model m = {
        .blocks = 6, .block_bytes = 100, .block_memory = 100, .stages_min = 3};
    struct pxi_plan_peer p[3] = {{.memory = 1 << 20, .rate = 1000000},
                                 {.memory = 1 << 20, .rate = 10},
                                 {.memory = 1 << 20, .rate = 10}};
    CHECK_EQ(pxi_plan(&m, p, 3, NULL, NULL), PX_ERR_OK);
    CHECK_EQ(p[0].last - p[0].first, 4);
    CHECK_EQ(p[1].last - p[1].first, 1);
    CHECK_EQ(p[2].last - p[2].first, 1);
    m.stages_min = 0; /* of itself it leaves the slow ones out */
    CHECK_EQ(pxi_plan(&m, p, 3, NULL, NULL), PX_ERR_OK);
    CHECK_EQ(p[0].last - p[0].first, 6);
    CHECK_EQ(p[1].place, PXI_PLAN_NONE);
}

TEST(equal_peers_take_equal_parts)
{
    struct pxi_plan_model m = {
        .blocks = 22, .block_bytes = 100, .block_memory = 1, .stages_min = 2};
    struct pxi_plan_peer p[2] = {{.memory = 1 << 20, .rate = 1000},
                                 {.memory = 1 << 20, .rate = 1020}};
    CHECK_EQ(pxi_plan(&m, p, 2, NULL, NULL), PX_ERR_OK);
    CHECK_EQ(p[0].last - p[0].first, 11);
    CHECK_EQ(p[1].last - p[1].first, 11);
}

/* Peers 0 and 2 are one room, 1 and 3 another; the client is in the first. */
TEST(the_way_goes_through_a_room_once)
{
    struct pxi_rng r = {px_seed};
    struct world w;
    struct pxi_plan_times t;
    make(&w, &r, 4);
    w.m = (struct pxi_plan_model){
        .blocks = 8, .block_bytes = 1000, .block_memory = 1000, .stages_min = 4, .flights = 1};
    for (unsigned i = 0; i < 4; i++)
        w.p[i] = (struct pxi_plan_peer){.memory = 2000, .rate = 1000000};
    static const unsigned room[] = {0, 1, 0, 1, 0};
    for (unsigned i = 0; i < 5; i++)
        for (unsigned k = 0; k < 5; k++)
            w.way[i * 5 + k] = i == k ? 0 : room[i] == room[k] ? 0.001 : 0.05;
    CHECK_EQ(pxi_plan(&w.m, w.p, 4, &w.ways, &t), PX_ERR_OK);
    check_plan(&w, 4);
    CHECK(t.hops_s < 0.104);
    unsigned other =
        w.p[1].place < w.p[3].place ? w.p[3].place - w.p[1].place : w.p[1].place - w.p[3].place;
    CHECK_EQ(other, 1);
}

/* A far peer serves only when it is worth the way. */
TEST(far_peers_serve_when_they_are_worth_it)
{
    struct pxi_plan_model m = {.blocks = 8, .block_bytes = 1000000, .block_memory = 1000000};
    struct pxi_plan_peer p[2] = {{.memory = 100000000, .rate = 1000000000},
                                 {.memory = 100000000, .rate = 1000000000}};
    double way[9] = {0, 0.1, 0, 0.1, 0, 0.1, 0, 0.1, 0};
    struct pxi_plan_ways ways = {way, NULL};
    struct pxi_plan_times t;
    CHECK_EQ(pxi_plan(&m, p, 2, &ways, &t), PX_ERR_OK);
    CHECK_EQ(t.stages, 1);
    CHECK_EQ(p[0].place, 0);
    CHECK_EQ(p[1].why, PXI_PLAN_SPARE);
    CHECK_EQ(p[1].spare, 1);
    CHECK(p[1].with_s > 0.2);
    p[0].memory = 4000000; /* it alone cannot */
    CHECK_EQ(pxi_plan(&m, p, 2, &ways, &t), PX_ERR_OK);
    CHECK(p[1].place != PXI_PLAN_NONE);
    p[0].memory = 1000; /* not a block */
    CHECK_EQ(pxi_plan(&m, p, 2, &ways, &t), PX_ERR_OK);
    CHECK_EQ(p[0].why, PXI_PLAN_NO_MEMORY);
    CHECK_EQ(p[0].with_s, 0);
}

TEST(spares_take_what_has_none)
{
    struct pxi_plan_model m = {
        .blocks = 4, .block_bytes = 100, .block_memory = 100, .stages_min = 2};
    struct pxi_plan_peer p[4] = {{.memory = 1000, .rate = 1000},
                                 {.memory = 1000, .rate = 1000},
                                 {.memory = 210, .rate = 1},
                                 {.memory = 210, .rate = 1}};
    CHECK_EQ(pxi_plan(&m, p, 4, NULL, NULL), PX_ERR_OK);
    CHECK_EQ(p[2].place, PXI_PLAN_NONE);
    CHECK_EQ(p[3].place, PXI_PLAN_NONE);
    CHECK_EQ(p[2].spare | p[3].spare, 3);
    CHECK_EQ(p[2].spare & p[3].spare, 0);
}

TEST(odd_numbers)
{
    struct pxi_plan_peer many[PXI_LIMIT_PLAN_PEERS + 1] = {{.memory = 1}};
    struct pxi_plan_model m = {.blocks = 4, .block_bytes = 1, .block_memory = 1};
    struct pxi_plan_times t;
    unsigned order[2] = {0, 7};
    uint32_t cuts[2] = {2, 4};
    CHECK_EQ(pxi_plan(&m, many, 0, NULL, NULL), PX_ERR_NOMEM);
    CHECK_EQ(pxi_plan(&m, many, PXI_LIMIT_PLAN_PEERS + 1, NULL, NULL), PX_ERR_LIMIT);
    CHECK_EQ(pxi_plan_cost(&m, many, 2, NULL, order, cuts, 2, &t), PX_ERR_INVALID);
    m.block_memory = UINT64_MAX;
    CHECK_EQ(pxi_plan(&m, many, 2, NULL, NULL), PX_ERR_NOMEM);
    m = (struct pxi_plan_model){.blocks = 4, .block_memory = 0};
    many[0] = (struct pxi_plan_peer){.memory = UINT64_MAX};
    CHECK_EQ(pxi_plan(&m, many, 1, NULL, &t), PX_ERR_OK); /* no rate, no bytes */
    CHECK_EQ(t.stages, 1);
}

TEST_MAIN()
