/* Stages that are slow: a prompt that is longer than a stage lets wait is no death; one that
 * answers heartbeats late hands over to a peer that does not, and the words stay the same. */
#define WORLD_POSITIONS 1400
#define WORLD_PROMPT    1300
#include "infer/laggard.h"
#include "infer_world.h"
#include "net/ping.h"

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

/* A stage stops and goes on, again and again: heartbeats reach it late, probes in time. */
struct pulses {
    struct world w;
    struct talk t;
    struct pxi_heartbeat *b;
    unsigned hosts[STAGES], which, slow, looks;
    uint64_t looked_ns;
    bool moved;
};

/* As a client does each second. */
static void look(struct pulses *p)
{
    struct pxi_host **host = p->w.net.host;
    if (p->moved || p->w.net.timers.now_ns - p->looked_ns < PXI_SECOND)
        return;
    p->looked_ns = p->w.net.timers.now_ns;
    p->looks++;
    if (!pxi_laggard_look(p->b, pxi_host_self(host[1 + p->which]), &p->slow))
        return;
    CHECK(pxi_laggard_heir(p->b, pxi_host_self(host[4])));
    CHECK(!pxi_laggard_heir(p->b, pxi_host_self(host[1 + p->which])));
    p->hosts[p->which] = 4;
    CHECK_EQ(route(&p->w, &p->t, p->hosts), PX_ERR_OK);
    p->moved = true;
}

static void pulses(unsigned which, bool greedy)
{
    static struct pulses p;
    struct pxi_heartbeat_options o = {.slow_ns = 100 * PXI_MS};
    p = (struct pulses){.hosts = {1, 2, 3}, .which = which};
    world_init(&p.w, LLAMA_THREE_BLOCKS, true);
    for (unsigned i = 0; i < HOSTS; i++)
        CHECK_EQ(pxi_ping_serve(p.w.net.host[i]), PX_ERR_OK);
    p.b = pxi_heartbeat_new(p.w.net.host[CLIENT], &o);
    for (unsigned i = 1; i < HOSTS; i++)
        net_connect(&p.w.net, CLIENT, i); /* it watches who comes */
    for (unsigned i = 0; i < STAGES; i++) {
        load(&p.w, i + 1, i, 1);
        p.w.node[i + 1].worker.ms = 25;
    }
    load(&p.w, 4, which, 1);
    talk_begin(&p.w, &p.t, 0, greedy, p.hosts);
    while (p.t.n < PROMPT + 2)
        net_run(&p.w.net, 10);
    for (unsigned i = 0; i < 400 && p.t.n < p.t.stop; i++) {
        net_pause(&p.w.net, 1 + which, true);
        net_run(&p.w.net, 330);
        net_pause(&p.w.net, 1 + which, false);
        net_run(&p.w.net, 40);
        look(&p);
    }
    CHECK(p.moved);
    CHECK_EQ(p.t.broken, 0);
    compare(&p.w, &p.t, 0, greedy);
    CHECK_EQ(sessions(&p.w, 4), 1);
    pxi_chain_free(p.t.chain);
    net_run(&p.w.net, 500);
    CHECK_EQ(sessions(&p.w, 4), 0);
    pxi_heartbeat_free(p.b);
    world_deinit(&p.w);
}

TEST(a_stage_that_falls_behind_hands_over)
{
    for (unsigned which = 0; which < STAGES; which++) {
        pulses(which, true);
        pulses(which, false);
    }
}

TEST_MAIN()
