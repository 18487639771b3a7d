/* The loop: timers in order and on time, tasks after the event in hand, an end that frees all. */
#include "base/mem.h"
#include "io/loop.h"
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
