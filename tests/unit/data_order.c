/* Orders are bijections, mixtures keep to their weights at every draw. */
#include "base/mem.h"
#include "base/rng.h"
#include "data/mix.h"
#include "data/order.h"
#include "px_test.h"

TEST(orders_are_bijections)
{
    for (uint64_t n = 1; n < 700; n += n < 70 ? 1 : 97) {
        struct pxi_order o;
        uint8_t seen[700] = {0};
        pxi_order_init(&o, n, px_seed, n % 3);
        for (uint64_t i = 0; i < n; i++) {
            uint64_t x = pxi_order_at(&o, i);
            CHECK(x < n && !seen[x]);
            CHECK_EQ(pxi_order_place(&o, x), i);
            seen[x] = 1;
        }
    }
}

TEST(large_orders_cost_nothing)
{
    struct pxi_order o;
    struct pxi_rng rng = {px_seed};
    for (unsigned bits = 20; bits < 64; bits++) {
        uint64_t n = (1ull << bits) + pxi_rng_below(&rng, 1ull << bits);
        pxi_order_init(&o, n, px_seed, bits);
        for (unsigned k = 0; k < 2000; k++) {
            uint64_t i = pxi_rng_below(&rng, n), x = pxi_order_at(&o, i);
            CHECK(x < n);
            CHECK_EQ(pxi_order_place(&o, x), i);
        }
    }
}

TEST(orders_are_those_of_ever)
{
    static const uint64_t want[] = {217752842, 123511014, 952135987, 659897046};
    struct pxi_order o;
    pxi_order_init(&o, 1000000007, 42, 3);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(pxi_order_at(&o, i), want[i]);
}

/* Where each thing lands is even over many keys: chi squared of a 7 x 7 table with 36 degrees of
 * freedom is below 80 but once in 10^4. */
TEST(orders_are_even)
{
    enum { N = 7, KEYS = 70000 };
    unsigned at[N][N] = {{0}};
    double chi = 0;
    for (unsigned k = 0; k < KEYS; k++) {
        struct pxi_order o;
        pxi_order_init(&o, N, px_seed, k);
        for (unsigned i = 0; i < N; i++)
            at[i][pxi_order_at(&o, i)]++;
    }
    for (unsigned i = 0; i < N * N; i++) {
        double d = at[i / N][i % N] - (double)KEYS / N;
        chi += d * d / ((double)KEYS / N);
    }
    printf("# chi squared %.1f\n", chi);
    CHECK(chi < 80);
}

static void keeps(const uint64_t *w, unsigned k, uint64_t draws)
{
    struct pxi_mix_source s[PXI_MIX_SOURCES];
    uint64_t count[PXI_MIX_SOURCES] = {0}, sum;
    struct pxi_mix *m;
    bool rounded;
    for (unsigned i = 0; i < k; i++)
        s[i] = (struct pxi_mix_source){w[i], 1000, false};
    CHECK_EQ(pxi_mix_new(s, k, &m), PX_ERR_OK);
    CHECK(pxi_mix_draws(m) == UINT64_MAX);
    for (uint64_t p = 0; p < draws; p++) {
        uint64_t nth;
        unsigned from = pxi_mix_at(m, p, &nth);
        CHECK(from < k);
        CHECK_EQ(nth, count[from]);
        count[from]++;
        for (unsigned i = 0; i < k; i++) {
            double share =
                (double)pxi_mix_weight(m, i, &sum, &rounded) * (double)(p + 1) / (double)sum;
            if (fabs((double)count[i] - share) >= 1)
                PX_FAIL("source %u after %llu draws: %llu of %.3f", i, (unsigned long long)p,
                        (unsigned long long)count[i], share);
        }
    }
    for (unsigned t = 0; t < 100; t++) {
        uint64_t p = draws * t / 100, all = 0;
        for (unsigned i = 0; i < k; i++)
            all += pxi_mix_count(m, i, p);
        CHECK_EQ(all, p);
    }
    pxi_mix_free(m);
}

TEST(mixtures_are_within_one_of_their_shares)
{
    struct pxi_rng rng = {px_seed};
    keeps((uint64_t[]){1}, 1, 1000);
    keeps((uint64_t[]){1, 999}, 2, 5000);
    keeps((uint64_t[]){1, 1}, 2, 100);
    keeps((uint64_t[]){1, 1, 1, 1, 1, 1, 1}, 7, 100);
    keeps((uint64_t[]){500, 1, 1, 1, 1, 1, 1, 300}, 8, 5000);
    keeps((uint64_t[]){123456789, 987654, 31}, 3, 20000);
    for (unsigned round = 0; round < 20; round++) {
        uint64_t w[20];
        unsigned k = 1 + (unsigned)pxi_rng_below(&rng, 20);
        for (unsigned i = 0; i < k; i++)
            w[i] = 1 + pxi_rng_below(&rng, round % 2 ? 1000 : 1ull << (1 + 3 * (i % 20)));
        keeps(w, k, 5000);
    }
}

TEST(weights_may_be_anything)
{
    struct pxi_mix_source s[] = {{UINT64_MAX, 5, false}, {1, 5, false}, {UINT64_MAX / 3, 1, false}};
    struct pxi_mix *m;
    uint64_t sum;
    bool rounded;
    CHECK_EQ(pxi_mix_new(s, 3, &m), PX_ERR_OK);
    CHECK(pxi_mix_weight(m, 1, &sum, &rounded) >= 1);
    CHECK(rounded);
    CHECK(pxi_mix_count(m, 1, 2 * sum) >= 2);
    pxi_mix_free(m);
    s[1].weight = 0;
    CHECK_EQ(pxi_mix_new(s, 3, &m), PX_ERR_INVALID);
    CHECK_EQ(pxi_mix_new(s, 0, &m), PX_ERR_INVALID);
}

TEST(sources_that_are_through_leave_the_rest)
{
    struct pxi_rng rng = {px_seed};
    for (unsigned round = 0; round < 50; round++) {
        struct pxi_mix_source s[6];
        uint64_t count[6] = {0}, all = 0;
        struct pxi_mix *m;
        for (unsigned i = 0; i < 6; i++) {
            s[i] = (struct pxi_mix_source){1 + pxi_rng_below(&rng, 50),
                                           1 + pxi_rng_below(&rng, 900), round < 25 || i};
            all += s[i].samples;
        }
        CHECK_EQ(pxi_mix_new(s, 6, &m), PX_ERR_OK);
        uint64_t draws = pxi_mix_draws(m);
        CHECK(round < 25 ? draws == all : draws == UINT64_MAX);
        for (uint64_t p = 0; p < (round < 25 ? draws : 60000); p++) {
            uint64_t nth;
            unsigned i = pxi_mix_at(m, p, &nth);
            CHECK_EQ(nth, count[i]);
            count[i]++;
            CHECK(!s[i].once || count[i] <= s[i].samples);
        }
        for (unsigned i = 0; i < 6; i++)
            CHECK(!s[i].once || count[i] == s[i].samples);
        pxi_mix_free(m);
    }
}

TEST(memory_may_fail)
{
    struct pxi_mix_source s[] = {{3, 5, true}, {1, 5, true}};
    struct pxi_mix *m;
    for (unsigned n = 1; n < 12; n++) {
        pxi_mem_fail_after(n);
        CHECK_EQ(pxi_mix_new(s, 2, &m), PX_ERR_NOMEM);
        pxi_mem_fail_after(0);
    }
}

TEST_MAIN()
