/*
 * A model over several hosts in one process, in virtual time: the tokens of one machine, whoever is
 * lost on the way; sessions beside each other; hostile messages.
 */
#include "infer_world.h"

static void plain(bool pieces, bool greedy, const unsigned *hosts)
{
    struct world w;
    struct talk t;
    world_init(&w, LLAMA_THREE_BLOCKS, pieces);
    for (unsigned i = 0; i < STAGES; i++)
        load(&w, hosts[i], i, 1);
    talk_begin(&w, &t, 0, greedy, hosts);
    net_run(&w.net, 5000);
    CHECK_EQ(t.broken, 0);
    compare(&w, &t, 0, greedy);
    pxi_chain_free(t.chain);
    net_run(&w.net, 100);
    for (unsigned i = 0; i < STAGES; i++)
        CHECK_EQ(sessions(&w, hosts[i]), 0);
    world_deinit(&w);
}

TEST(three_stages_say_what_one_machine_says)
{
    plain(false, true, (unsigned[]){1, 2, 3});
    plain(true, true, (unsigned[]){1, 2, 3});
    plain(false, false, (unsigned[]){1, 2, 3});
}

TEST(the_client_may_be_a_stage)
{
    plain(true, true, (unsigned[]){CLIENT, 2, 3});
    plain(true, true, (unsigned[]){1, CLIENT, 3});
    plain(true, false, (unsigned[]){1, 2, CLIENT});
}

/* Lose the stage `lost` after `ms` milliseconds; host 4 is the spare. */
static void failover(unsigned lost, uint64_t ms, bool greedy, bool freeze)
{
    struct world w;
    struct talk t;
    unsigned hosts[] = {1, 2, 3};
    world_init(&w, LLAMA_THREE_BLOCKS, true);
    for (unsigned i = 0; i < STAGES; i++)
        load(&w, hosts[i], i, 1);
    load(&w, 4, lost, 1);
    talk_begin(&w, &t, 0, greedy, hosts);
    net_run(&w.net, ms);
    net_freeze(&w.net, hosts[lost]); /* the dead do not speak either */
    if (!freeze)
        net_kill(&w.net, hosts[lost]);
    net_run(&w.net, 1100);
    if (t.n < t.stop) {
        CHECK_EQ(t.broken, 1);
        CHECK_EQ(t.hop, lost);
        hosts[lost] = 4;
        CHECK_EQ(route(&w, &t, hosts), PX_ERR_OK);
        net_run(&w.net, 5000);
    }
    compare(&w, &t, 0, greedy);
    pxi_chain_free(t.chain);
    world_deinit(&w);
}

TEST(a_lost_stage_is_replaced_and_the_tokens_are_the_same)
{
    for (unsigned lost = 0; lost < STAGES; lost++)
        for (uint64_t ms = 1; ms < 700; ms += 61) {
            failover(lost, ms, true, false);
            failover(lost, ms + 17, false, false);
        }
}

TEST(a_frozen_stage_is_replaced_too)
{
    for (unsigned lost = 0; lost < STAGES; lost++)
        failover(lost, 200 + 31 * lost, true, true);
}

/* Stage `out` drains after `ms`; host 4 takes over. */
static void drain(unsigned out, uint64_t ms, bool greedy)
{
    struct world w;
    struct talk t, late;
    unsigned hosts[] = {1, 2, 3};
    world_init(&w, LLAMA_THREE_BLOCKS, true);
    for (unsigned i = 0; i < STAGES; i++)
        load(&w, hosts[i], i, 2);
    load(&w, 4, out, 2);
    talk_begin(&w, &t, 0, greedy, hosts);
    net_run(&w.net, ms);
    pxi_stages_drain(w.node[hosts[out]].stages, true);
    net_run(&w.net, 50);
    if (t.n < t.stop) {
        CHECK_EQ(t.leaving, 1);
        CHECK_EQ(t.hop, out);
        talk_begin(&w, &late, 1, true, hosts); /* nothing new for it */
        net_run(&w.net, 50);
        CHECK_EQ(late.broken, 1);
        CHECK_EQ(late.hop, out);
        CHECK_EQ(late.why, PX_ERR_REFUSED);
        pxi_chain_free(late.chain);
    }
    bool moved = t.n < t.stop; /* or the answer is complete already */
    hosts[out] = 4;
    if (moved)
        CHECK_EQ(route(&w, &t, hosts), PX_ERR_OK);
    net_run(&w.net, 5000);
    CHECK_EQ(t.broken, 0);
    CHECK(t.gap_ns < 200 * PXI_MS); /* a lost peer is noticed after 750 ms */
    compare(&w, &t, 0, greedy);
    CHECK_EQ(sessions(&w, out + 1), !moved);
    pxi_chain_free(t.chain);
    world_deinit(&w);
}

TEST(a_stage_that_drains_hands_over_without_a_pause)
{
    for (unsigned out = 0; out < STAGES; out++)
        for (uint64_t ms = 5; ms < 600; ms += 97) {
            drain(out, ms, true);
            drain(out, ms + 31, false);
        }
}

TEST(a_stage_that_drains_serves_on_until_somebody_takes_over)
{
    struct world w;
    struct talk t;
    unsigned hosts[] = {1, 2, 3};
    world_init(&w, LLAMA_THREE_BLOCKS, false);
    for (unsigned i = 0; i < STAGES; i++)
        load(&w, hosts[i], i, 1);
    talk_begin(&w, &t, 0, true, hosts);
    net_run(&w.net, 60);
    pxi_stages_drain(w.node[2].stages, true);
    net_run(&w.net, 100);
    CHECK_EQ(t.leaving, 1);
    CHECK_EQ(route(&w, &t, hosts), PX_ERR_OK); /* opened anew for another reason: asked again */
    net_run(&w.net, 5000);
    CHECK_EQ(t.leaving, 2);
    CHECK_EQ(t.broken, 0);
    compare(&w, &t, 0, true);
    pxi_stages_drain(w.node[2].stages, false);
    pxi_chain_free(t.chain);
    net_run(&w.net, 100);
    talk_begin(&w, &t, 1, true, hosts);
    net_run(&w.net, 5000);
    compare(&w, &t, 1, true);
    pxi_chain_free(t.chain);
    world_deinit(&w);
}

TEST(sessions_beside_each_other_do_not_mix)
{
    enum { TALKS = 4 };
    struct world w;
    struct talk t[TALKS];
    unsigned hosts[] = {1, 2, 3};
    world_init(&w, LLAMA_THREE_BLOCKS, false);
    for (unsigned i = 0; i < STAGES; i++)
        load(&w, hosts[i], i, TALKS);
    for (unsigned i = 0; i < TALKS; i++)
        talk_begin(&w, &t[i], i, i % 2, hosts);
    net_run(&w.net, 5000);
    for (unsigned i = 0; i < TALKS; i++) {
        compare(&w, &t[i], i, i % 2);
        pxi_chain_free(t[i].chain);
    }
    world_deinit(&w);
}

TEST(a_full_stage_refuses)
{
    struct world w;
    struct talk a, b;
    unsigned hosts[] = {1, 2, 3};
    world_init(&w, LLAMA_THREE_BLOCKS, false);
    for (unsigned i = 0; i < STAGES; i++)
        load(&w, hosts[i], i, 1);
    talk_begin(&w, &a, 0, true, hosts);
    net_run(&w.net, 20);
    talk_begin(&w, &b, 1, true, hosts);
    net_run(&w.net, 200);
    CHECK_EQ(b.broken, 1);
    CHECK_EQ(b.hop, 0);
    CHECK_EQ(b.why, PX_ERR_LIMIT);
    net_run(&w.net, 5000);
    compare(&w, &a, 0, true);
    pxi_chain_free(a.chain);
    pxi_chain_free(b.chain);
    world_deinit(&w);
}

TEST(a_session_without_its_client_yields_its_slot)
{
    struct world w;
    struct talk a, b;
    unsigned hosts[] = {1, 2, 3};
    world_init(&w, LLAMA_THREE_BLOCKS, false);
    for (unsigned i = 0; i < STAGES; i++)
        load(&w, hosts[i], i, 1);
    talk_begin(&w, &a, 0, true, hosts);
    net_run(&w.net, 50);
    net_kill(&w.net, CLIENT); /* gone without a word */
    net_run(&w.net, 100);
    CHECK_EQ(sessions(&w, 1), 1);
    w.client = 5;
    talk_begin(&w, &b, 1, true, hosts);
    net_run(&w.net, 5000);
    compare(&w, &b, 1, true);
    pxi_chain_free(a.chain);
    pxi_chain_free(b.chain);
    world_deinit(&w);
}

/* Until the client has so many tokens. */
static void run_to(struct world *w, const struct talk *t, unsigned tokens)
{
    for (unsigned i = 0; i < 100000 && t->n < tokens; i++)
        pxi_timers_run(&w->net.timers, pxi_timers_next(&w->net.timers));
    CHECK(t->n >= tokens);
}

TEST(a_token_allocates_little)
{
    enum { FROM = PROMPT + 4, TO = PROMPT + 24 };
    struct world w;
    struct talk t;
    unsigned hosts[] = {1, 2, 3};
    world_init(&w, LLAMA_THREE_BLOCKS, false);
    for (unsigned i = 0; i < STAGES; i++)
        load(&w, hosts[i], i, 1);
    talk_begin(&w, &t, 0, true, hosts);
    run_to(&w, &t, FROM);
    uint64_t before = pxi_mem_count(), from = t.n;
    run_to(&w, &t, TO);
    double each = (double)(pxi_mem_count() - before) / (double)(t.n - from);
    printf("# %.2f allocations a token, of %d stages and the streams of the test\n", each, STAGES);
    CHECK(each <= 9);
    pxi_chain_free(t.chain);
    world_deinit(&w);
}

TEST(a_slice_that_nobody_serves)
{
    struct world w;
    struct talk t;
    world_init(&w, LLAMA_THREE_BLOCKS, false);
    load(&w, 1, 0, 1);
    load(&w, 2, 1, 1);
    talk_begin(&w, &t, 0, true, (unsigned[]){1, 2, 3});
    net_run(&w.net, 300);
    CHECK_EQ(t.broken, 1);
    CHECK_EQ(t.hop, 2);
    CHECK_EQ(t.why, PX_ERR_NOT_FOUND);
    pxi_chain_free(t.chain);
    world_deinit(&w);
}

TEST_MAIN()
