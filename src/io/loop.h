/*
 * The event loop: libuv underneath, one set of timers for all protocol machines of the thread, and
 * tasks that wait for the end of the current event. Deadlines are kept by a timerfd, because
 * pacing needs more than the milliseconds of libuv.
 */
#ifndef PXI_IO_LOOP_H
#define PXI_IO_LOOP_H

#include <uv.h>

#include "base/list.h"
#include "base/timer.h"
#include "io/spin.h"
#include "plexus/err.h"

struct pxi_loop;

/* Something to do soon, on the loop, not from inside the current call. Zeroed, with run set. */
struct pxi_task {
    void (*run)(struct pxi_task *t);
    struct pxi_list link;
    bool queued;
};

/* Open a loop of its own. */
px_err pxi_loop_open(struct pxi_loop **out);
/* Close: every handle of others must have been closed before; runs until libuv has let go. */
void pxi_loop_close(struct pxi_loop *l);

uv_loop_t *pxi_loop_uv(struct pxi_loop *l);
struct pxi_timers *pxi_loop_timers(struct pxi_loop *l);
/* Bring the clock of the timers up to date: every callback from libuv does this first. */
uint64_t pxi_loop_now(struct pxi_loop *l);
/* Queue a task; once, however often it is called. */
void pxi_loop_soon(struct pxi_loop *l, struct pxi_task *t);
void pxi_loop_forget(struct pxi_task *t);
/* Run until pxi_loop_stop, or (once) one round of events. */
void pxi_loop_run(struct pxi_loop *l);
void pxi_loop_once(struct pxi_loop *l);
void pxi_loop_stop(struct pxi_loop *l);

/* Look for events for so long before sleeping, when they come that fast (io/spin.h); 0, as at
 * first: sleep at once. On one processor it stays at 0. */
void pxi_loop_spin(struct pxi_loop *l, uint64_t most_ns);

/* What the loop and the sockets on it asked the kernel for. */
struct pxi_loop_counts {
    uint64_t rounds;          /* calls of epoll_wait */
    uint64_t alarms;          /* of timerfd_settime */
    uint64_t sends, receives; /* of TCP and UDP sockets, which count their own */
    struct pxi_spin_counts spin;
};
struct pxi_loop_counts *pxi_loop_counts(struct pxi_loop *l);

/* Buffers of the thread that live for one call only: what sockets read into and send from. */
enum { PXI_LOOP_BUFFER = 256 * 1024 };
uint8_t *pxi_loop_in(struct pxi_loop *l);
uint8_t *pxi_loop_out(struct pxi_loop *l);

/* The clocks: nanoseconds that never go back, seconds since 1970. */
uint64_t pxi_clock_ns(void);
uint64_t pxi_clock_wall_s(void);

#endif
