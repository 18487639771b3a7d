/*
 * Deadlines. Protocol machines arm timers inside a set; whoever drives them (the event loop, the
 * simulator, a test) asks for the next deadline and lets the due ones fire. Time is nanoseconds of
 * a clock that never goes back; `now_ns` of the set is the only clock that machines see. Timers
 * live inside their owners, so arming never fails: those due within about a second in a pairing
 * heap, later ones in the slots of a wheel, where most of them (deadlines that are not missed) are
 * disarmed again without having been compared with any other.
 */
#ifndef PXI_BASE_TIMER_H
#define PXI_BASE_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#define PXI_NEVER  UINT64_MAX
#define PXI_MS     1000000ull
#define PXI_SECOND 1000000000ull

struct pxi_timer {
    uint64_t at_ns, order; /* order breaks ties: first armed, first fired */
    void (*fire)(struct pxi_timer *t, uint64_t now_ns);
    struct pxi_timer *child, *next, *prev; /* prev: the elder sibling, or the parent */
    bool armed;
    uint8_t wheel; /* 1 + the wheel that holds it; 0: in the heap */
};

/* Deadlines that are not near wait in slots, those of a wheel's slot equally long apart. */
enum { PXI_TIMER_WHEELS = 2, PXI_TIMER_SLOTS = 64 };
struct pxi_timer_wheel {
    struct pxi_timer *slot[PXI_TIMER_SLOTS]; /* by deadline */
    uint64_t used, moved;                    /* slots that hold any; slots before this one do not */
};

struct pxi_timers {
    struct pxi_timer *root; /* of the heap */
    uint64_t now_ns, armed_count;
    struct pxi_timer_wheel wheel[PXI_TIMER_WHEELS];
};

/* Arm (or arm anew) t for at_ns; t->fire must be set. A time in the past fires at the next run. */
void pxi_timer_arm(struct pxi_timers *set, struct pxi_timer *t, uint64_t at_ns);

/* Arm t in delay_ns from now; a delay that does not fit is clamped to never. */
void pxi_timer_after(struct pxi_timers *set, struct pxi_timer *t, uint64_t delay_ns);

/* Disarm; harmless when t is not armed. Owners do this before they go away. */
void pxi_timer_disarm(struct pxi_timers *set, struct pxi_timer *t);

/* Earliest deadline, or PXI_NEVER. */
uint64_t pxi_timers_next(struct pxi_timers *set);

/* Move the clock to now_ns (never back) and fire what is due, in the order of deadlines. Timers
 * armed by those that fire wait for the next call, so that a run always ends. */
void pxi_timers_run(struct pxi_timers *set, uint64_t now_ns);

#endif
