/* Plans: complete, in order, within memory, and no slower than an exhaustive search finds. */
#include "infer/plan.h"

#include "base/rng.h"
#include "px_test.h"

enum { PEERS = 4, BLOCKS = 12 };

static double stage_s(const struct pxi_plan_model *m, const struct pxi_plan_peer *p, uint32_t n,
                      bool first, bool last)
{
    uint64_t need =
        n * m->block_memory + (first ? m->embed_memory : 0) + (last ? m->output_bytes : 0);
    if (!n || need > p->memory)
        return 1e30;
    return (double)(n * m->block_bytes + (last ? m->output_bytes : 0)) / (double)p->rate;
}

/* The best time of the slowest stage with exactly `count` peers, by trying everything. */
static double search(const struct pxi_plan_model *m, const struct pxi_plan_peer *p, unsigned count,
                     unsigned i, uint32_t left)
{
    if (i + 1 == count)
        return stage_s(m, &p[i], left, i == 0, true);
    double best = 1e30;
    for (uint32_t n = 1; n < left; n++) {
        double s = stage_s(m, &p[i], n, i == 0, false);
        double rest = search(m, p, count, i + 1, left - n);
        s = s > rest ? s : rest;
        best = s < best ? s : best;
    }
    return best;
}

static double check_plan(const struct pxi_plan_model *m, const struct pxi_plan_peer *p,
                         unsigned count)
{
    uint32_t at = 0;
    double slowest = 0;
    unsigned used = 0;
    for (unsigned i = 0; i < count; i++)
        used += p[i].last > p[i].first;
    for (unsigned i = 0; i < used; i++) {
        CHECK_EQ(p[i].first, at);
        at = p[i].last;
        double s = stage_s(m, &p[i], p[i].last - p[i].first, i == 0, i + 1 == used);
        CHECK(s < 1e30);
        slowest = s > slowest ? s : slowest;
    }
    CHECK_EQ(at, m->blocks);
    return slowest;
}

TEST(plans_are_as_good_as_a_search)
{
    struct pxi_rng r = {px_seed};
    for (unsigned round = 0; round < 300; round++) {
        struct pxi_plan_model m = {.blocks = 2 + (uint32_t)pxi_rng_below(&r, BLOCKS - 2),
                                   .block_bytes = 1000,
                                   .block_memory = 1200,
                                   .embed_memory = 500,
                                   .output_bytes = pxi_rng_below(&r, 1500)};
        struct pxi_plan_peer p[PEERS] = {{0}};
        unsigned count = 1 + (unsigned)pxi_rng_below(&r, PEERS);
        double best = 1e30;
        for (unsigned i = 0; i < count; i++) {
            p[i].rate = 500 + pxi_rng_below(&r, 5000);
            p[i].memory = 2000 + pxi_rng_below(&r, 20000);
        }
        for (unsigned n = 1; n <= count && n <= m.blocks; n++) {
            double s = search(&m, p, n, 0, m.blocks);
            best = s < best ? s : best;
        }
        px_err err = pxi_plan(&m, p, count);
        if (best >= 1e30) {
            CHECK_EQ(err, PX_ERR_NOMEM);
            continue;
        }
        CHECK_EQ(err, PX_ERR_OK);
        double found = check_plan(&m, p, count);
        if (found > best * 1.03 + 1e-9)
            PX_FAIL("round %u: %g s, a search finds %g", round, found, best);
    }
}

TEST(a_plan_has_as_many_stages_as_asked)
{
    struct pxi_plan_model m = {
        .blocks = 6, .block_bytes = 100, .block_memory = 100, .stages_min = 3};
    struct pxi_plan_peer p[3] = {{.memory = 1 << 20, .rate = 1000000},
                                 {.memory = 1 << 20, .rate = 10},
                                 {.memory = 1 << 20, .rate = 10}};
    CHECK_EQ(pxi_plan(&m, p, 3), PX_ERR_OK);
    CHECK_EQ(p[0].last, 4);
    CHECK_EQ(p[2].last, 6);
    CHECK_EQ(p[2].first, 5);
}

TEST_MAIN()
