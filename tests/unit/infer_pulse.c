/* Who lives: a calm peer is missed soon, one that answers unevenly is given time, and nobody is
 * taken for dead because we ourselves were away. */
#include "infer/pulse.h"

#include "base/limits.h"
#include "base/rng.h"
#include "base/timer.h"
#include "px_test.h"

enum { PROBE = PXI_LIMIT_STAGE_PROBE_MS };

/* A peer that is probed every 250 ms; each probe is answered after delay_ms(). */
struct peer {
    struct pxi_pulse p;
    uint64_t now_ms, look_ms;
    uint64_t answers_ms[8]; /* those under way, in order */
    unsigned n;
};

static void begin(struct peer *x)
{
    *x = (struct peer){.look_ms = PROBE};
    pxi_pulse_begin(&x->p, 0);
}

/* One millisecond; false: it is taken for dead. frozen: probes are not answered any more. */
static bool tick(struct peer *x, uint64_t delay_ms, bool frozen)
{
    x->now_ms++;
    while (x->n && x->answers_ms[0] <= x->now_ms) {
        pxi_pulse_heard(&x->p, x->now_ms * PXI_MS);
        for (unsigned i = 1; i < x->n; i++)
            x->answers_ms[i - 1] = x->answers_ms[i];
        x->n--;
    }
    if (x->now_ms % PROBE == 0 && !frozen && x->n < 8)
        x->answers_ms[x->n++] = x->now_ms + delay_ms;
    if (frozen)
        x->n = 0;
    if (x->now_ms < x->look_ms)
        return true;
    uint64_t wait = pxi_pulse_look(&x->p, x->now_ms * PXI_MS);
    x->look_ms = x->now_ms + (wait + PXI_MS - 1) / PXI_MS;
    return wait != 0;
}

/* So many ms after the last answer it is missed. */
static uint64_t missed_after(struct peer *x)
{
    uint64_t heard = x->p.heard_ns / PXI_MS;
    x->n = 0;
    while (tick(x, 0, true))
        CHECK(x->now_ms < heard + 2000);
    return x->now_ms - heard;
}

TEST(a_calm_peer_is_missed_after_half_a_second)
{
    for (uint64_t at = 4000; at < 4250; at += 10) {
        struct peer x;
        begin(&x);
        for (unsigned i = 0; i < at; i++)
            CHECK(tick(&x, 2, false));
        uint64_t froze = x.now_ms;
        uint64_t ms = missed_after(&x);
        CHECK(ms >= 500 && ms <= 520);
        CHECK(x.now_ms - froze <= 520); /* not later than from its last word */
    }
}

/* From the beginning on: the first answer may take long. */
TEST(who_never_spoke_gets_the_most)
{
    struct peer x;
    begin(&x);
    CHECK(missed_after(&x) >= 900);
    begin(&x);
    for (unsigned i = 0; i < 4000; i++) /* another continent: the way is no jitter */
        CHECK(tick(&x, 600, false));
    CHECK(pxi_pulse_patience_ns(&x.p) < 560 * PXI_MS);
}

/* Answers that are late by anything up to `most`, growing: none is a false alarm. */
TEST(peers_under_load_are_given_time)
{
    static const uint64_t delays[] = {20, 60, 120, 240, 400, 600};
    struct pxi_rng r = {px_seed};
    uint64_t most = 0;
    struct peer x;
    begin(&x);
    for (unsigned k = 0; k < sizeof delays / sizeof *delays; k++) {
        uint64_t delay = 0, last = 0;
        for (unsigned i = 0; i < 20000; i++) {
            if (x.now_ms % PROBE == PROBE - 1) { /* in order, as on one stream */
                uint64_t at = pxi_rng_below(&r, delays[k]);
                delay = last > x.now_ms + at ? last - x.now_ms : at;
                last = x.now_ms + delay;
            }
            if (!tick(&x, delay, false))
                PX_FAIL("late by up to %u ms: dead at %u, patience %u", (unsigned)delays[k],
                        (unsigned)x.now_ms, (unsigned)(pxi_pulse_patience_ns(&x.p) / PXI_MS));
        }
        uint64_t patience = pxi_pulse_patience_ns(&x.p) / PXI_MS;
        CHECK(patience >= 500 && patience <= 900);
        most = patience > most ? patience : most;
    }
    CHECK(most > 700);
    for (unsigned i = 0; i < 20000; i++) /* calm again: missed soon again */
        CHECK(tick(&x, 1, false));
    CHECK(missed_after(&x) <= 520);
}

/* We do not look for two seconds: what lies unread is read after we look. */
TEST(our_own_absence_counts_for_nobody)
{
    struct peer x;
    begin(&x);
    for (unsigned i = 0; i < 3000; i++)
        CHECK(tick(&x, 2, false));
    for (unsigned k = 0; k < 20; k++) {
        x.now_ms += 700 + 130 * k;
        CHECK(tick(&x, 2, false));
        for (unsigned i = 0; i < 600; i++)
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
    pxi_pulse_begin(&p, 5 * PXI_SECOND);
    pxi_pulse_heard(&p, 4 * PXI_SECOND); /* a clock that goes back */
    pxi_pulse_heard(&p, 5 * PXI_SECOND);
    CHECK(pxi_pulse_look(&p, 5 * PXI_SECOND) > 0);
    for (unsigned i = 0; i < 100; i++) {
        pxi_pulse_heard(&p, UINT64_MAX - i);
        CHECK(pxi_pulse_patience_ns(&p) <= 900 * PXI_MS);
    }
}

TEST_MAIN()
