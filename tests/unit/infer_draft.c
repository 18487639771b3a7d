/*
 * Drafts: what is guessed, how long, and that a chain with drafts says what it says without them,
 * whatever is guessed, whoever is lost.
 */
#include "base/limits.h"
#include "infer/draft.h"
#include "infer_world.h"
#include "node/engine.h"

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
        pxi_draft_learn(&p, 4, 1); /* half come true: three together in an eighth of cases */
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

/* ---------------------------------------------------------------- the model that is carried */

enum { STORIES = 8, STORY = 120, BLOCKS = 6, DRAFT = 5, START = 5 };

/* The model inside, or its first blocks. */
struct speaker {
    struct pxi_model m;
    struct pxi_session s;
};

static void speaker_init(struct speaker *k, const px_gguf *g, const struct pxi_kernels *kn,
                         uint32_t blocks)
{
    struct pxi_slice slice = {0, blocks, true, true};
    struct pxi_session_options o = {.positions = STORY, .sequences = 1, .batch = 1};
    CHECK_EQ(pxi_model_init_slice(&k->m, g, &slice, NULL), PX_ERR_OK);
    CHECK_EQ(pxi_session_init(&k->s, &k->m, kn, NULL, &o), PX_ERR_OK);
}

static void speaker_deinit(struct speaker *k)
{
    pxi_session_deinit(&k->s);
    pxi_model_deinit(&k->m);
}

static const float *hear(struct speaker *k, uint32_t word)
{
    px_batch_token b = {(int32_t)word, 0, 1};
    CHECK_EQ(pxi_session_eval(&k->s, &b, 1), PX_ERR_OK);
    return pxi_session_logits(&k->s, 0);
}

/* A story, sampled; and what the first blocks take to be likeliest after each word. */
static void tell_story(struct speaker *whole, struct speaker *part, uint64_t seed, uint32_t *words,
                       uint32_t *likeliest)
{
    static const uint32_t start[START] = {1532, 462, 533, 258, 424}; /* Once upon a time */
    px_sampler_options o = {.size = sizeof o, .temperature = 0.8f, .top_k = 40, .seed = seed};
    px_sampler *sampler;
    CHECK_EQ(px_sampler_new(&o, whole->m.config.vocab, &sampler), PX_ERR_OK);
    pxi_kv_truncate(&whole->s.kv, 0, 0);
    pxi_kv_truncate(&part->s.kv, 0, 0);
    memcpy(words, start, sizeof start);
    for (uint32_t i = 0; i + 1 < STORY; i++) {
        const float *l = hear(whole, words[i]), *d = hear(part, words[i]);
        uint32_t best = 0;
        for (uint32_t k = 1; k < part->m.config.vocab; k++)
            best = d[k] > d[best] ? k : best;
        likeliest[i + 1] = best;
        if (i + 1 >= START)
            words[i + 1] = (uint32_t)px_sampler_next(sampler, l);
    }
    px_sampler_free(sampler);
}

/* Trips that a story takes when `likeliest` (or a look-up, also in `older`) guesses. What the first
 * blocks guess after a wrong guess does not matter: it is not counted. */
static uint32_t trips(const uint32_t *words, const uint32_t *likeliest, const uint32_t *older,
                      uint32_t older_n)
{
    struct pxi_draft_pace pace = {0};
    uint32_t n = 0, at = START;
    while (at < STORY) {
        uint32_t guess[16], max = pxi_draft_length(&pace, 16), k = 0, right = 0;
        if (likeliest)
            for (; k < max && at + k < STORY; k++)
                guess[k] = likeliest[at + k];
        else
            k = pxi_draft_lookup(words, at, older, older_n, guess, max);
        while (right < k && at + right < STORY && guess[right] == words[at + right])
            right++;
        pxi_draft_learn(&pace, k, right);
        at += right + 1;
        n++;
    }
    return n;
}

TEST(stories_of_the_model_that_is_carried)
{
    static uint32_t past[STORIES * STORY];
    struct speaker whole, part;
    struct pxi_kernels kn;
    px_gguf *g;
    uint32_t alone = 0, older = 0, blocks = 0, likeliest[STORY];
    pxi_kernels_init(&kn, pxi_cpu_mask(NULL));
    CHECK_EQ(px_gguf_parse(pxi_tiny_model(), &g, NULL), PX_ERR_OK);
    speaker_init(&whole, g, &kn, BLOCKS);
    speaker_init(&part, g, &kn, DRAFT);
    for (uint32_t i = 0; i < STORIES; i++) {
        uint32_t *words = past + (size_t)i * STORY;
        tell_story(&whole, &part, i + 1, words, likeliest);
        alone += trips(words, NULL, NULL, 0);
        older += trips(words, NULL, past, i * STORY);
        blocks += trips(words, likeliest, NULL, 0);
    }
    const double made = STORIES * (STORY - START);
    printf("# tokens a trip: look-up %.2f, with earlier stories %.2f, %d of %d blocks %.2f\n",
           made / alone, made / older, (int)DRAFT, (int)BLOCKS, made / blocks);
    CHECK(made / alone >= 1);
    CHECK(made / older > made / alone);
    CHECK(made / blocks > 2.2);
    speaker_deinit(&whole);
    speaker_deinit(&part);
    px_gguf_free(g);
}

TEST_MAIN()
