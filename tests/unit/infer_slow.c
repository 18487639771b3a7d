/* A prompt that is longer than a stage lets wait, before a stage that computes slowly. */
#define WORLD_POSITIONS 1400
#define WORLD_PROMPT    1300
#include "infer_world.h"

/* Rows that no message may be read behind wait for a second: nobody takes that for a death. */
static void slow(unsigned which)
{
    static struct talk t;
    struct world w;
    world_init(&w, LLAMA_THREE_BLOCKS, false);
    for (unsigned i = 0; i < STAGES; i++)
        load(&w, i + 1, i, 1);
    w.node[1 + which].worker.ms = 250;
    talk_begin(&w, &t, 0, true, (unsigned[]){1, 2, 3});
    net_run(&w.net, 90000);
    CHECK_EQ(t.broken, 0);
    compare(&w, &t, 0, true);
    pxi_chain_free(t.chain);
    net_run(&w.net, 100);
    world_deinit(&w);
}

TEST(the_first_stage_is_slow)
{
    slow(0);
}

TEST(the_last_stage_is_slow)
{
    slow(2);
}

TEST_MAIN()
