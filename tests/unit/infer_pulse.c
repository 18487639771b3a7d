/* Who lives: a calm peer is missed soon, one that answers unevenly is given time, and nobody is
 * taken for dead because we ourselves were away. */
#include "infer/pulse.h"

#include <string.h>

#include "base/limits.h"
#include "base/math.h"
#include "base/rng.h"
#include "base/timer.h"
#include "px_test.h"

/* A peer that says nothing of itself, and answers probes in order. */
struct peer {
    struct pxi_pulse p;
    uint64_t now_ms, look_ms, heard_ms;
    uint64_t answers_ms[16]; /* those under way */
    unsigned n;
};

static void begin(struct peer *x)
{
    *x = (struct peer){.now_ms = 1000, .heard_ms = 1000};
    pxi_pulse_begin(&x->p, x->now_ms * PXI_MS);
    x->look_ms = x->now_ms + PXI_LIMIT_STAGE_PROBE_MS;
}

static void hear(struct peer *x)
{
    while (x->n && x->answers_ms[0] <= x->now_ms) {
        pxi_pulse_answered(&x->p, x->now_ms * PXI_MS);
        x->heard_ms = x->now_ms;
        memmove(x->answers_ms, x->answers_ms + 1, --x->n * sizeof *x->answers_ms);
    }
}

/* One millisecond; a probe that leaves now is answered after delay_ms. False: it is taken for dead.
 */
static bool tick(struct peer *x, uint64_t delay_ms, bool frozen)
{
    bool probe;
    x->now_ms++;
    hear(x);
    if (x->now_ms < x->look_ms)
        return true;
    uint64_t wait = pxi_pulse_look(&x->p, x->heard_ms * PXI_MS, x->now_ms * PXI_MS, &probe);
    x->look_ms = x->now_ms + (wait + PXI_MS - 1) / PXI_MS;
    if (wait && probe && !frozen) {
        CHECK(x->n < 16);
        uint64_t at = x->now_ms + delay_ms;
        x->answers_ms[x->n] = x->n && x->answers_ms[x->n - 1] > at ? x->answers_ms[x->n - 1] : at;
        x->n++;
    }
    return wait != 0;
}

/* So many ms after its last word it is missed. */
static uint64_t missed_after(struct peer *x)
{
    x->n = 0;
    while (tick(x, 0, true))
        CHECK(x->now_ms < x->heard_ms + 4000);
    return x->now_ms - x->heard_ms;
}

TEST(a_calm_peer_is_missed_after_half_a_second)
{
    for (unsigned at = 4000; at < 4250; at += 10) {
        struct peer x;
        begin(&x);
        for (unsigned i = 0; i < at; i++)
            CHECK(tick(&x, 2, false));
        uint64_t ms = missed_after(&x);
        CHECK(ms >= 500 && ms <= 525);
    }
}

/* From the beginning on: the first answer may take long. */
TEST(who_never_spoke_gets_the_most)
{
    struct peer x;
    begin(&x);
    uint64_t ms = missed_after(&x);
    CHECK(ms >= 900 && ms <= 910);
}

/* Another continent: the way is no jitter, but nobody can be missed before it is over. */
TEST(a_long_way_comes_on_top)
{
    struct peer x;
    begin(&x);
    for (unsigned i = 0; i < 8000; i++)
        CHECK(tick(&x, 600, false));
    uint64_t ms = missed_after(&x);
    CHECK(ms >= 1100 && ms <= 1200);
}

/* Answers that are late by anything up to `most`, growing: none is a false alarm. */
TEST(peers_under_load_are_given_time)
{
    static const uint64_t delays[] = {20, 60, 120, 240, 360, 480};
    struct pxi_rng r = {px_seed};
    uint64_t most = 0;
    struct peer x;
    begin(&x);
    for (unsigned k = 0; k < sizeof delays / sizeof *delays; k++) {
        for (unsigned i = 0; i < 20000; i++)
            if (!tick(&x, 1 + pxi_rng_below(&r, delays[k]), false))
                PX_FAIL("late by up to %u ms: dead at %u, patience %u", (unsigned)delays[k],
                        (unsigned)x.now_ms, (unsigned)(pxi_pulse_patience_ns(&x.p) / PXI_MS));
        uint64_t patience = pxi_pulse_patience_ns(&x.p) / PXI_MS;
        CHECK(patience >= 500 && patience <= 920);
        most = patience > most ? patience : most;
    }
    CHECK(most > 700);
    for (unsigned i = 0; i < 20000; i++) /* calm again: missed soon again */
        CHECK(tick(&x, 1, false));
    CHECK(missed_after(&x) <= 525);
}

/* We do not look for seconds: what lies unread is read after we look. */
TEST(our_own_absence_counts_for_nobody)
{
    struct peer x;
    begin(&x);
    for (unsigned i = 0; i < 3000; i++)
        CHECK(tick(&x, 2, false));
    for (unsigned k = 0; k < 20; k++) {
        uint64_t away = 700 + 130 * k;
        x.now_ms += away;
        for (unsigned i = 0; i < x.n; i++) /* nothing was read meanwhile */
            x.answers_ms[i] = pxi_max(x.answers_ms[i], x.now_ms + 2);
        CHECK(tick(&x, 2, false));
        for (unsigned i = 0; i < 1500; i++)
            CHECK(tick(&x, 2, false));
    }
    x.now_ms += 3000; /* and one that died meanwhile is missed all the same */
    CHECK(tick(&x, 2, true));
    uint64_t back = x.now_ms;
    missed_after(&x);
    CHECK(x.now_ms - back <= 900);
}

TEST(odd_times)
{
    struct pxi_pulse p;
    bool probe;
    pxi_pulse_begin(&p, 5 * PXI_SECOND);
    pxi_pulse_answered(&p, 5 * PXI_SECOND); /* nobody asked */
    CHECK(!p.answered);
    CHECK(pxi_pulse_look(&p, 9 * PXI_SECOND, 5 * PXI_SECOND + 300 * PXI_MS, &probe) > 0);
    CHECK(!probe); /* heard in the future */
    CHECK(pxi_pulse_look(&p, 0, 6 * PXI_SECOND, &probe) > 0);
    for (unsigned i = 0; i < 100; i++) {
        p.asked_ns = p.open = 1 + i;
        pxi_pulse_answered(&p, i % 2 ? UINT64_MAX : i);
        CHECK(pxi_pulse_patience_ns(&p) <= 1800 * PXI_MS);
    }
}

TEST_MAIN()
