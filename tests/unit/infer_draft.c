/*
 * Drafts: what is guessed, how long, and that a chain with drafts says what it says without them,
 * whatever is guessed, whoever is lost.
 */
#include "base/limits.h"
#include "infer/draft.h"
#include "infer_world.h"

/* ------------------------------------------------------------------- pure functions */

static uint32_t lookup(const char *text, const char *older, char *out, uint32_t max)
{
    uint32_t words[64], old[64], got[64], n = 0, m = 0;
    for (; text[n]; n++)
        words[n] = (uint8_t)text[n] | (n % 3 ? 0 : PXI_STAGE_WANT);
    for (; older[m]; m++)
        old[m] = (uint8_t)older[m] | (m % 2 ? 0 : PXI_STAGE_DRAFT);
    uint32_t k = pxi_draft_lookup(words, n, old, m, got, max);
    for (uint32_t i = 0; i < k; i++)
        out[i] = (char)got[i];
    out[k] = 0;
    return k;
}

TEST(look_up_repeats_what_followed)
{
    char out[65];
    CHECK_EQ(lookup("", "", out, 8), 0);
    CHECK_EQ(lookup("a", "", out, 8), 0);
    CHECK_EQ(lookup("abc", "", out, 8), 0);
    CHECK_EQ(lookup("abcdeab", "", out, 3), 3);
    CHECK_STR(out, "cde");
    CHECK_EQ(lookup("abcdeab", "", out, 8), 5); /* not beyond the end */
    CHECK_STR(out, "cdeab");
    CHECK_EQ(lookup("abcdeab", "", out, 0), 0);
    lookup("xay xbz xa", "", out, 1); /* the newest place of the longest run */
    CHECK_STR(out, "y");
    lookup("a1 a2 a", "", out, 1);
    CHECK_STR(out, "2");
    lookup("hello wor", "say: hello world", out, 8); /* an older text knows more */
    CHECK_STR(out, "ld");
    lookup("hello world hello wor", "hello wort", out, 2); /* equally long: this text */
    CHECK_STR(out, "ld");
}

TEST(a_draft_is_as_long_as_it_is_worth)
{
    struct pxi_draft_pace p = {0};
    CHECK_EQ(pxi_draft_length(&p, 0), 0);
    CHECK_EQ(pxi_draft_length(&p, 3), 3);
    for (int i = 0; i < 100; i++)
        pxi_draft_learn(&p, 8, 8);
    CHECK_EQ(pxi_draft_length(&p, 16), 16);
    for (int i = 0; i < 100; i++)
        pxi_draft_learn(&p, 8, 0);
    CHECK_EQ(pxi_draft_length(&p, 16), 1);
    for (int i = 0; i < 100; i++)
        pxi_draft_learn(&p, 4, 1); /* half come true: two together in a quarter of cases */
    uint32_t half = pxi_draft_length(&p, 16);
    CHECK(half >= 2 && half <= 3);
    pxi_draft_learn(&p, 0, 0);
    CHECK_EQ(pxi_draft_length(&p, 16), half);
}

/* ------------------------------------------------------------------------- in a chain */

static double drafted(bool greedy, bool pieces, uint32_t max, uint32_t wrong)
{
    struct world w;
    struct talk t;
    unsigned hosts[] = {1, 2, 3};
    int32_t oracle[POSITIONS];
    world_init(&w, LLAMA_THREE_BLOCKS, pieces);
    expected(&w, 0, greedy, oracle);
    for (unsigned i = 0; i < STAGES; i++)
        load(&w, hosts[i], i, 1);
    talk_draft(&w, &t, 0, greedy, hosts, oracle, max, wrong);
    net_run(&w.net, 5000);
    CHECK_EQ(t.broken, 0);
    compare(&w, &t, 0, greedy);
    struct pxi_chain_counts c = pxi_chain_counts(t.chain);
    CHECK(c.accepted <= c.drafted && c.tokens == ANSWER);
    CHECK(c.trips + c.accepted >= ANSWER);
    pxi_chain_free(t.chain);
    net_run(&w.net, 100);
    for (unsigned i = 0; i < STAGES; i++)
        CHECK_EQ(sessions(&w, hosts[i]), 0);
    world_deinit(&w);
    return (double)c.tokens / (double)c.trips;
}

TEST(right_drafts_bring_many_tokens_a_trip)
{
    CHECK(drafted(true, false, 8, 0) > 4);
    CHECK(drafted(false, true, 8, 0) > 4);
    CHECK(drafted(true, true, 1, 0) > 1.9);
}

TEST(wrong_drafts_change_nothing)
{
    for (uint32_t wrong = 1; wrong < 12; wrong += 2) {
        drafted(wrong % 4 == 1, wrong % 3 == 0, 8, wrong);
        drafted(wrong % 4 != 1, false, PXI_LIMIT_STAGE_DRAFT, wrong + 1);
    }
}

/* Lose the stage `lost` after `ms` milliseconds; host 4 is the spare. */
static void failover(unsigned lost, uint64_t ms, bool greedy, uint32_t wrong)
{
    struct world w;
    struct talk t;
    unsigned hosts[] = {1, 2, 3};
    int32_t oracle[POSITIONS];
    world_init(&w, LLAMA_THREE_BLOCKS, true);
    expected(&w, 0, greedy, oracle);
    for (unsigned i = 0; i < STAGES; i++)
        load(&w, hosts[i], i, 1);
    load(&w, 4, lost, 1);
    talk_draft(&w, &t, 0, greedy, hosts, oracle, 5, wrong);
    net_run(&w.net, ms);
    net_freeze(&w.net, hosts[lost]);
    net_kill(&w.net, hosts[lost]);
    net_run(&w.net, 1100);
    if (t.n < t.stop) {
        CHECK_EQ(t.broken, 1);
        hosts[lost] = 4;
        CHECK_EQ(route(&w, &t, hosts), PX_ERR_OK);
        net_run(&w.net, 5000);
    }
    compare(&w, &t, 0, greedy);
    pxi_chain_free(t.chain);
    world_deinit(&w);
}

TEST(a_lost_stage_in_the_midst_of_drafts)
{
    for (unsigned lost = 0; lost < STAGES; lost++)
        for (uint64_t ms = 1; ms < 300; ms += 7)
            failover(lost, ms, ms % 2, (uint32_t)(ms % 5));
}

/* Opened anew, again and again, by the same hops: nobody is lost. */
TEST(a_chain_that_is_opened_anew_in_the_midst_of_drafts)
{
    for (uint32_t step = 1; step < 40; step += 3) {
        struct world w;
        struct talk t;
        unsigned hosts[] = {1, 2, 3};
        int32_t oracle[POSITIONS];
        world_init(&w, LLAMA_THREE_BLOCKS, step % 2);
        expected(&w, 0, false, oracle);
        for (unsigned i = 0; i < STAGES; i++)
            load(&w, hosts[i], i, 1);
        talk_draft(&w, &t, 0, false, hosts, oracle, 4, 4);
        for (unsigned i = 0; i < 20; i++) {
            net_run(&w.net, step);
            CHECK_EQ(route(&w, &t, hosts), PX_ERR_OK);
        }
        net_run(&w.net, 5000);
        CHECK_EQ(t.broken, 0);
        compare(&w, &t, 0, false);
        pxi_chain_free(t.chain);
        world_deinit(&w);
    }
}

TEST(drafts_beside_other_sessions)
{
    enum { TALKS = 4 };
    struct world w;
    struct talk t[TALKS];
    unsigned hosts[] = {1, 2, 3};
    int32_t oracle[TALKS][POSITIONS];
    world_init(&w, LLAMA_THREE_BLOCKS, false);
    for (unsigned i = 0; i < STAGES; i++)
        load(&w, hosts[i], i, TALKS);
    for (unsigned i = 0; i < TALKS; i++) {
        expected(&w, i, i % 2, oracle[i]);
        talk_draft(&w, &t[i], i, i % 2, hosts, oracle[i], 3 * i, i + 2);
    }
    net_run(&w.net, 5000);
    for (unsigned i = 0; i < TALKS; i++) {
        compare(&w, &t[i], i, i % 2);
        pxi_chain_free(t[i].chain);
    }
    world_deinit(&w);
}

/* A conversation: the client hears a token, leaves the rest of the answer away and says something
 * else. With drafts out and without it the second answer is the same. */
static void converse(uint32_t draft_max, bool greedy, bool swap, int32_t *out)
{
    struct world w;
    struct talk t;
    unsigned hosts[] = {1, 2, 3};
    int32_t oracle[POSITIONS], turn[] = {5, 9, 2};
    world_init(&w, LLAMA_THREE_BLOCKS, true);
    expected(&w, 0, greedy, oracle);
    for (unsigned i = 0; i < STAGES; i++)
        load(&w, hosts[i], i, 1);
    load(&w, 4, 2, 1);
    talk_draft(&w, &t, 0, greedy, hosts, oracle, draft_max, 0);
    t.stop = PROMPT + 13; /* in the midst of a draft */
    net_run(&w.net, 3000);
    CHECK_EQ(t.n, t.stop);
    t.n--; /* what came last is not said */
    memcpy(t.tokens + t.n, turn, sizeof turn);
    t.n += 3;
    t.stop = t.n + 12;
    t.oracle = NULL;
    CHECK_EQ(pxi_chain_push(t.chain, turn, 3), PX_ERR_OK);
    if (swap) { /* the last stage is another one all of a sudden */
        hosts[2] = 4;
        net_run(&w.net, 40);
        CHECK_EQ(route(&w, &t, hosts), PX_ERR_OK);
    }
    net_run(&w.net, 3000);
    CHECK_EQ(t.broken, 0);
    CHECK_EQ(t.n, t.stop);
    memcpy(out, t.tokens, sizeof t.tokens);
    pxi_chain_free(t.chain);
    world_deinit(&w);
}

TEST(a_conversation_goes_on_in_another_way)
{
    for (unsigned greedy = 0; greedy < 2; greedy++) {
        int32_t plain[POSITIONS], other[POSITIONS];
        converse(0, greedy, false, plain);
        for (uint32_t max = 0; max < 8; max++) {
            converse(max, greedy, max % 2, other);
            for (uint32_t i = 0; i < PROMPT + 27; i++)
                CHECK_EQ(other[i], plain[i]);
        }
    }
}

TEST_MAIN()
