/* The sampler: each option against a plain computation, ties, seeds, refusals, allocation failure.
 */
#include "base/mem.h"
#include "plexus/sampler.h"
#include "px_test.h"

enum { VOCAB = 97 };

static px_sampler *sampler(px_sampler_options o, uint32_t vocab)
{
    px_sampler *s = NULL;
    o.size = sizeof o;
    CHECK_EQ(px_sampler_new(&o, vocab, &s), PX_ERR_OK);
    return s;
}

/* Logits with a known order: token (i * 31) % VOCAB has rank i. */
static void ramp(float *logits)
{
    for (int i = 0; i < VOCAB; i++)
        logits[i * 31 % VOCAB] = 3.0f - 0.1f * (float)i;
}

/* Which tokens ever come out in many draws. */
static size_t support(px_sampler_options o, const float *logits, uint32_t *counts, int draws)
{
    px_sampler *s = sampler(o, VOCAB);
    size_t n = 0;
    memset(counts, 0, VOCAB * sizeof *counts);
    for (int i = 0; i < draws; i++)
        counts[px_sampler_next(s, logits)]++;
    for (int i = 0; i < VOCAB; i++)
        n += counts[i] != 0;
    px_sampler_free(s);
    return n;
}

TEST(greedy_takes_the_best_and_the_lower_id_of_equals)
{
    float logits[4] = {1, 5, 5, 2};
    px_sampler *s = sampler((px_sampler_options){0}, 4);
    CHECK_EQ(px_sampler_next(s, logits), 1);
    logits[0] = NAN;
    CHECK_EQ(px_sampler_next(s, logits), 1);
    px_sampler_free(s);
}

TEST(top_k_keeps_the_k_best)
{
    float logits[VOCAB];
    uint32_t counts[VOCAB];
    ramp(logits);
    for (uint32_t k = 1; k < 8; k++) {
        CHECK_EQ(support((px_sampler_options){.temperature = 2, .top_k = k}, logits, counts, 4000),
                 k);
        for (uint32_t i = 0; i < k; i++)
            CHECK(counts[i * 31 % VOCAB] > 0);
    }
}

TEST(top_k_of_equals_keeps_the_lower_ids)
{
    float logits[VOCAB] = {0};
    uint32_t counts[VOCAB];
    CHECK_EQ(support((px_sampler_options){.temperature = 1, .top_k = 5}, logits, counts, 4000), 5);
    for (int i = 0; i < 5; i++)
        CHECK(counts[i] > 0);
}

TEST(top_p_keeps_the_smallest_set_that_reaches_p)
{
    float logits[VOCAB];
    uint32_t counts[VOCAB];
    double total = 0, sum = 0;
    size_t expected = 0;
    ramp(logits);
    for (int i = 0; i < VOCAB; i++)
        total += exp((double)logits[i]);
    while (sum < 0.45 * total)
        sum += exp((double)logits[expected++ * 31 % VOCAB]);
    CHECK_EQ(support((px_sampler_options){.temperature = 3, .top_p = 0.45f}, logits, counts, 20000),
             expected);
}

TEST(min_p_drops_what_is_too_unlikely)
{
    float logits[VOCAB];
    uint32_t counts[VOCAB];
    size_t expected = 0;
    ramp(logits);
    for (int i = 0; i < VOCAB; i++)
        expected += exp(-0.1 * i) >= 0.5;
    CHECK_EQ(support((px_sampler_options){.temperature = 3, .min_p = 0.5f}, logits, counts, 20000),
             expected);
}

TEST(frequencies_follow_the_softmax_at_the_temperature)
{
    float logits[3] = {0.2f, 1.5f, -0.7f};
    double p[3], total = 0;
    int counts[3] = {0}, draws = 100000;
    px_sampler *s = sampler((px_sampler_options){.temperature = 0.7f, .seed = 5}, 3);
    for (int i = 0; i < 3; i++)
        total += p[i] = exp((double)logits[i] / 0.7);
    for (int i = 0; i < draws; i++)
        counts[px_sampler_next(s, logits)]++;
    for (int i = 0; i < 3; i++)
        CHECK(fabs((double)counts[i] / draws - p[i] / total) < 0.01);
    px_sampler_free(s);
}

TEST(the_seed_decides)
{
    float logits[VOCAB];
    ramp(logits);
    px_sampler_options o = {.temperature = 1, .seed = 42};
    px_sampler *a = sampler(o, VOCAB), *b = sampler(o, VOCAB);
    o.seed = 43;
    px_sampler *c = sampler(o, VOCAB);
    int differ = 0;
    for (int i = 0; i < 200; i++) {
        int32_t t = px_sampler_next(a, logits);
        CHECK_EQ(t, px_sampler_next(b, logits));
        differ += t != px_sampler_next(c, logits);
    }
    CHECK(differ > 0);
    px_sampler_free(a);
    px_sampler_free(b);
    px_sampler_free(c);
}

TEST(bias_forbids_and_promotes)
{
    float logits[VOCAB];
    uint32_t counts[VOCAB];
    ramp(logits);
    px_logit_bias bias[] = {{0, -INFINITY}, {50, 100}};
    px_sampler_options o = {.bias = bias, .bias_count = 2};
    CHECK_EQ(support(o, logits, counts, 10), 1);
    CHECK_EQ(counts[50], 10);
    bias[1].bias = 0;
    o.temperature = 2;
    CHECK(support(o, logits, counts, 20000) > 20);
    CHECK_EQ(counts[0], 0);
}

TEST(penalties_push_repeated_tokens_down)
{
    float logits[4] = {2.0f, 1.9f, -1.0f, -1.1f};
    px_sampler *s = sampler((px_sampler_options){.repeat_penalty = 1.5f, .penalty_window = 1}, 4);
    CHECK_EQ(px_sampler_next(s, logits), 0);
    CHECK_EQ(px_sampler_next(s, logits), 1); /* 2.0 / 1.5 < 1.9 */
    CHECK_EQ(px_sampler_next(s, logits), 0); /* the window has forgotten 0 */
    px_sampler_free(s);
    s = sampler((px_sampler_options){.frequency_penalty = 0.07f}, 4);
    CHECK_EQ(px_sampler_next(s, logits), 0);
    CHECK_EQ(px_sampler_next(s, logits), 0); /* 1.93 */
    CHECK_EQ(px_sampler_next(s, logits), 1); /* 1.86 < 1.9 */
    px_sampler_free(s);
    s = sampler((px_sampler_options){.presence_penalty = 0.2f}, 4);
    px_sampler_accept(s, 0);
    px_sampler_accept(s, 0);
    CHECK_EQ(px_sampler_next(s, logits), 1);
    CHECK_EQ(px_sampler_next(s, logits), 0); /* once, however often: 1.8 against 1.7 */
    px_sampler_free(s);
    s = sampler((px_sampler_options){.repeat_penalty = 1.2f}, 2); /* negative logits multiply */
    px_sampler_accept(s, 0);
    CHECK_EQ(px_sampler_next(s, (float[]){-1.0f, -1.1f}), 1);
    px_sampler_free(s);
}

TEST(refuses_options_out_of_range)
{
    px_sampler *s;
    px_logit_bias outside = {VOCAB, 1}, nan = {0, NAN};
    px_sampler_options bad[] = {
        {.temperature = -1},
        {.temperature = NAN},
        {.top_p = 1.5f},
        {.min_p = -0.1f},
        {.repeat_penalty = -1},
        {.presence_penalty = INFINITY},
        {.bias = &outside, .bias_count = 1},
        {.bias = &nan, .bias_count = 1},
        {.penalty_window = UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bad[i].size = sizeof bad[i];
        CHECK_EQ(px_sampler_new(&bad[i], VOCAB, &s), PX_ERR_INVALID);
        CHECK(s == NULL);
    }
    CHECK_EQ(px_sampler_new(NULL, 0, &s), PX_ERR_INVALID);
}

TEST(survives_every_failed_allocation)
{
    px_sampler *s = NULL;
    px_err e = PX_ERR_NOMEM;
    for (uint64_t n = 1; e == PX_ERR_NOMEM; n++) {
        CHECK(n < 50);
        pxi_mem_fail_after(n);
        e = px_sampler_new(NULL, VOCAB, &s);
    }
    pxi_mem_fail_after(0);
    CHECK_EQ(e, PX_ERR_OK);
    px_sampler_free(s);
}

TEST_MAIN()
