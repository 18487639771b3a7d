/* Timers fire in the order of their deadlines, whatever the order of arming and disarming. */
#include "base/timer.h"

#include "base/rng.h"
#include "px_test.h"

struct probe {
    struct pxi_timer timer;
    struct pxi_timers *set;
    uint64_t fired_at, again;
};

static uint64_t last_fired;
static unsigned fired;

static void note(struct pxi_timer *t, uint64_t now)
{
    struct probe *p = (struct probe *)t;
    CHECK(t->at_ns >= last_fired && t->at_ns <= now);
    last_fired = t->at_ns;
    p->fired_at = now;
    fired++;
    if (p->again)
        pxi_timer_after(p->set, t, p->again);
}

TEST(order_under_random_arming)
{
    enum { N = 500 };
    static struct probe p[N];
    struct pxi_timers set = {0};
    struct pxi_rng r = {px_seed};
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < N; i++) {
            p[i].timer.fire = note;
            if (pxi_rng_below(&r, 3))
                pxi_timer_arm(&set, &p[i].timer, set.now_ns + pxi_rng_below(&r, 1000));
            else
                pxi_timer_disarm(&set, &p[i].timer);
        }
        unsigned armed = 0;
        for (int i = 0; i < N; i++)
            armed += p[i].timer.armed;
        fired = 0;
        last_fired = 0;
        while (pxi_timers_next(&set) != PXI_NEVER)
            pxi_timers_run(&set, pxi_timers_next(&set));
        CHECK_EQ(fired, armed);
    }
}

/* Deadlines of every distance, and steps of every length that nobody asked about before. */
TEST(near_and_far_deadlines_fire_once_and_in_order)
{
    enum { N = 200 };
    static struct probe p[N];
    struct pxi_timers set = {0};
    struct pxi_rng r = {px_seed};
    for (int round = 0; round < 4000; round++) {
        for (int i = 0; i < 10; i++) {
            struct pxi_timer *t = &p[pxi_rng_below(&r, N)].timer;
            uint64_t span = 1ull << pxi_rng_below(&r, 39);
            t->fire = note;
            if (pxi_rng_below(&r, 4))
                pxi_timer_arm(&set, t, set.now_ns + pxi_rng_below(&r, span));
            else
                pxi_timer_disarm(&set, t);
        }
        uint64_t to = set.now_ns + (1ull << pxi_rng_below(&r, 34)), next = PXI_NEVER;
        unsigned due = 0;
        for (int i = 0; i < N; i++) {
            due += p[i].timer.armed && p[i].timer.at_ns <= to;
            if (p[i].timer.armed && p[i].timer.at_ns < next)
                next = p[i].timer.at_ns;
        }
        if (pxi_rng_below(&r, 2))
            CHECK_EQ(pxi_timers_next(&set), next);
        fired = 0;
        last_fired = 0;
        pxi_timers_run(&set, to);
        CHECK_EQ(fired, due);
    }
}

TEST(a_timer_that_arms_itself_does_not_hold_the_run)
{
    struct pxi_timers set = {0};
    struct probe p = {.timer.fire = note, .set = &set, .again = 1};
    pxi_timer_arm(&set, &p.timer, 5);
    pxi_timers_run(&set, 100);
    CHECK_EQ(p.fired_at, 100);
    CHECK_EQ(pxi_timers_next(&set), 101);
    pxi_timer_disarm(&set, &p.timer);
    CHECK(pxi_timers_next(&set) == PXI_NEVER);
    pxi_timer_after(&set, &p.timer, UINT64_MAX - 3);
    CHECK(p.timer.at_ns == PXI_NEVER);
    pxi_timers_run(&set, UINT64_MAX - 1);
    CHECK_EQ(p.fired_at, 100);
}

TEST_MAIN()
