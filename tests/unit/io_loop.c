/* The loop: timers in order and on time, tasks after the event in hand, an end that frees all; what
 * it asks the kernel for, and when it looks for events instead of sleeping. */
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/loop.h"
#include "io/team.h"
#include "px_test.h"

static struct pxi_loop *loop;

struct job {
    struct pxi_task task;
    struct pxi_timer timer;
    struct job *other;
    unsigned ran;
    int again;
};

static unsigned order[16], count;

static void run_job(struct pxi_task *t)
{
    struct job *j = PXI_OF(t, struct job, task);
    j->ran++;
    if (j->other)
        pxi_loop_forget(&j->other->task);
    if (j->again-- > 0)
        pxi_loop_soon(loop, t);
}

static void stop(struct pxi_timer *t, uint64_t now)
{
    pxi_loop_stop(loop);
}

static void mark(struct pxi_timer *t, uint64_t now)
{
    order[count++] = PXI_OF(t, struct job, timer)->ran;
}

static void run_for(uint64_t ns)
{
    struct pxi_timer end = {.fire = stop};
    pxi_loop_now(loop);
    pxi_timer_after(pxi_loop_timers(loop), &end, ns);
    pxi_loop_run(loop);
}

TEST(tasks_run_once_however_often_they_are_queued)
{
    CHECK_EQ(pxi_loop_open(&loop), PX_ERR_OK);
    struct job a = {.task = {.run = run_job}}, b = {.task = {.run = run_job}};
    for (int i = 0; i < 5; i++)
        pxi_loop_soon(loop, &a.task);
    pxi_loop_soon(loop, &b.task);
    CHECK_EQ(a.ran, 0); /* not from inside */
    a.other = &b;       /* a takes b off, which waits behind it */
    run_for(5 * PXI_MS);
    CHECK_EQ(a.ran, 1);
    CHECK_EQ(b.ran, 0);
    pxi_loop_forget(&a.task); /* harmless */
    pxi_loop_close(loop);
}

TEST(a_task_that_queues_itself_for_ever_starves_nobody)
{
    CHECK_EQ(pxi_loop_open(&loop), PX_ERR_OK);
    struct job a = {.task = {.run = run_job}, .again = 1 << 30};
    pxi_loop_soon(loop, &a.task);
    uint64_t start = pxi_clock_ns();
    run_for(20 * PXI_MS);
    CHECK(pxi_clock_ns() - start < 5 * PXI_SECOND);
    CHECK(a.ran > 4);
    pxi_loop_forget(&a.task);
    pxi_loop_close(loop);
}

TEST(timers_in_order_and_not_early)
{
    CHECK_EQ(pxi_loop_open(&loop), PX_ERR_OK);
    struct job j[4];
    static const unsigned at_ms[] = {9, 3, 6, 0};
    uint64_t start = pxi_loop_now(loop);
    for (unsigned i = 0; i < 4; i++) {
        j[i] = (struct job){.timer = {.fire = mark}, .ran = at_ms[i]};
        pxi_timer_after(pxi_loop_timers(loop), &j[i].timer, at_ms[i] * PXI_MS);
    }
    run_for(10 * PXI_MS);
    CHECK(pxi_clock_ns() - start >= 10 * PXI_MS);
    CHECK_EQ(count, 4);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(order[i], i * 3);
    pxi_loop_close(loop);
}

TEST(stop_from_a_task_and_run_again)
{
    CHECK_EQ(pxi_loop_open(&loop), PX_ERR_OK);
    for (int i = 0; i < 3; i++)
        run_for(0);
    struct pxi_timer soon = {.fire = stop};
    pxi_timer_after(pxi_loop_timers(loop), &soon, PXI_MS);
    pxi_loop_once(loop);
    pxi_timer_disarm(pxi_loop_timers(loop), &soon);
    pxi_loop_close(loop);
    pxi_loop_close(NULL);
}

/* ------------------------------------------------------------------ the kernel's share */

TEST(deadlines_that_move_away_cost_no_alarm)
{
    CHECK_EQ(pxi_loop_open(&loop), PX_ERR_OK);
    struct job j = {.timer = {.fire = mark}, .task = {.run = run_job}};
    for (unsigned i = 0; i < 100; i++) { /* as an idle timeout does, message by message */
        pxi_timer_arm(pxi_loop_timers(loop), &j.timer,
                      pxi_loop_now(loop) + PXI_SECOND + i * PXI_MS);
        pxi_loop_soon(loop, &j.task);
        uv_run(pxi_loop_uv(loop), UV_RUN_NOWAIT);
    }
    CHECK_EQ(pxi_loop_counts(loop)->alarms, 1);
    uint64_t rounds = pxi_loop_counts(loop)->rounds;
    pxi_timer_disarm(pxi_loop_timers(loop), &j.timer);
    run_for(2 * PXI_MS); /* an earlier one */
    CHECK_EQ(pxi_loop_counts(loop)->alarms, 2);
    CHECK(pxi_loop_counts(loop)->rounds - rounds < 5);
    pxi_loop_close(loop);
}

/* As a stream does that ends while the socket is written to. */
static void arm_job(struct pxi_task *t)
{
    pxi_timer_after(pxi_loop_timers(loop), &PXI_OF(t, struct job, task)->timer, 0);
}

TEST(work_that_is_due_costs_no_alarm)
{
    CHECK_EQ(pxi_loop_open(&loop), PX_ERR_OK);
    struct job a = {.task = {.run = run_job}, .again = 50};
    pxi_loop_soon(loop, &a.task);
    while (a.ran <= 50)
        uv_run(pxi_loop_uv(loop), UV_RUN_NOWAIT);
    struct job b = {.timer = {.fire = mark}, .task = {.run = arm_job}};
    pxi_loop_soon(loop, &b.task);
    while (!count)
        uv_run(pxi_loop_uv(loop), UV_RUN_NOWAIT);
    CHECK_EQ(pxi_loop_counts(loop)->alarms, 0);
    pxi_loop_close(loop);
}

/* ------------------------------------------------------------------ looking for events */

enum { US = 1000 };

/* Waits of gap_ns each, after work_ns; how many of them began by looking. */
static unsigned waits(struct pxi_spin *s, uint64_t *now, unsigned n, uint64_t gap_ns,
                      uint64_t work_ns)
{
    unsigned looked = 0;
    for (unsigned i = 0; i < n; i++) {
        uint64_t event = *now + gap_ns;
        while (s->spinning && *now + US < event)
            pxi_spin_look(s, *now += US);
        *now = event + work_ns;
        looked += pxi_spin_wait(s, event, *now);
    }
    return looked;
}

TEST(short_waits_make_it_look_and_long_ones_end_that)
{
    struct pxi_spin s = {.most_ns = 50 * US};
    uint64_t now = PXI_SECOND;
    CHECK_EQ(waits(&s, &now, 4, 20 * US, 5 * US), 0); /* the first is since the beginning of time */
    CHECK_EQ(waits(&s, &now, 40, 20 * US, 5 * US), 40);
    CHECK_EQ(s.n.hits, 39);
    CHECK_EQ(waits(&s, &now, 1, PXI_MS, 5 * US), 0);
    CHECK_EQ(s.n.misses, 1);
    CHECK(waits(&s, &now, 10, 20 * US, 5 * US) >= 6); /* hits have paid for the miss */
    CHECK_EQ(s.n.waits, 55);
    CHECK(s.n.spins <= s.n.hits + s.n.misses + 1);
}

/* Four short waits, then a long one, over and over: looking would always be in vain. */
TEST(looking_in_vain_becomes_rare)
{
    struct pxi_spin s = {.most_ns = 50 * US};
    uint64_t now = PXI_SECOND;
    for (unsigned i = 0; i < 1000; i++) {
        waits(&s, &now, 4, 90 * US, 5 * US);
        waits(&s, &now, 1, PXI_MS, 5 * US);
    }
    CHECK(s.n.misses < 10);
    s = (struct pxi_spin){.most_ns = 50 * US};
    waits(&s, &now, 5000, 90 * US, 5 * US); /* only sleeping makes these waits short */
    CHECK(s.n.misses < 5000 / 50);
}

TEST(after_much_work_it_sleeps)
{
    struct pxi_spin s = {.most_ns = 50 * US};
    uint64_t now = PXI_SECOND;
    CHECK_EQ(waits(&s, &now, 200, 10 * US, 60 * US), 0);
    s = (struct pxi_spin){0};
    CHECK_EQ(waits(&s, &now, 200, 10 * US, US), 0); /* and always when it may not look */
    CHECK_EQ(s.n.waits, 200);
}

TEST(who_loses_the_processor_sleeps_for_longer_and_longer)
{
    struct pxi_spin s = {.most_ns = 50 * US};
    uint64_t now = PXI_SECOND, rested = 0;
    for (unsigned i = 1; i <= 8; i++) {
        CHECK(waits(&s, &now, 10, 20 * US, 5 * US) > 0);
        now += 3 * PXI_MS; /* nothing came, and somebody else ran */
        CHECK(!pxi_spin_look(&s, now));
        CHECK_EQ(s.n.taken, i);
        CHECK_EQ(waits(&s, &now, 1000, 20 * US, 5 * US), 0);
        CHECK(s.rest_ns >= rested && s.rest_ns <= 2 * PXI_SECOND);
        rested = s.rest_ns;
        now = s.rest_until_ns;
    }
    CHECK(rested > PXI_SECOND);
    waits(&s, &now, 10, 20 * US, 5 * US);
    uint64_t event = now + 3 * PXI_MS; /* the same, with an event at the end */
    CHECK(!pxi_spin_wait(&s, event, event + US));
    CHECK_EQ(s.n.taken, 9);
}

static int pair[2];
static unsigned turns;

static void on_ball(uv_poll_t *p, int status, int events)
{
    char c;
    pxi_loop_now(loop);
    CHECK_EQ(read(pair[0], &c, 1), 1);
    if (turns && turns--)
        CHECK_EQ(write(pair[1], &c, 1), 1);
}

TEST(the_loop_looks_while_messages_come_and_then_sleeps)
{
    uv_poll_t poll;
    if (pxi_team_processors() < 2)
        return;
    CHECK_EQ(pxi_loop_open(&loop), PX_ERR_OK);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    pxi_loop_spin(loop, PXI_MS);
    uv_poll_init(pxi_loop_uv(loop), &poll, pair[0]);
    uv_poll_start(&poll, UV_READABLE, on_ball);
    struct pxi_spin_counts n = {0};
    for (unsigned i = 0; i < 100 && !n.hits; i++) { /* who loses its processor rests */
        turns = 1000;
        CHECK_EQ(write(pair[1], "x", 1), 1);
        while (turns)
            pxi_loop_once(loop);
        n = pxi_loop_counts(loop)->spin;
        CHECK(n.waits >= 1000);
    }
    CHECK(n.hits);
    CHECK_EQ(pxi_loop_counts(loop)->alarms, 0);
    run_for(10 * PXI_MS);
    uint64_t rounds = pxi_loop_counts(loop)->rounds;
    run_for(50 * PXI_MS);
    CHECK(pxi_loop_counts(loop)->rounds - rounds < 5);
    uv_close((uv_handle_t *)&poll, NULL);
    pxi_loop_close(loop);
    close(pair[0]);
    close(pair[1]);
}

TEST(memory_may_fail)
{
    for (unsigned n = 1; n < 4; n++) {
        pxi_mem_fail_after(n);
        CHECK(pxi_loop_open(&loop) != PX_ERR_OK);
        CHECK(!loop);
        pxi_mem_fail_after(0);
    }
}

TEST_MAIN()
