/*
 * Threads that fill slots ahead of who takes them, in order: each takes a ticket under a lock
 * (`plan`, in the order of the tickets) and does its work without one (`fill`). After a fork the
 * child has no threads: pxi_ring_take notices and starts them anew.
 */
#ifndef PXI_IO_RING_H
#define PXI_IO_RING_H

#include <stdbool.h>

#include "plexus/err.h"

struct pxi_ring;

struct pxi_ring_ops {
    /* A slot's next work; false: there is none any more. */
    bool (*plan)(void *ctx, void *slot);
    /* It is planned, and others may be before it: called whenever a slot is about to be filled.
     * NULL: a slot is planned when it is filled, not before. */
    void (*ahead)(void *ctx, void *slot);
    /* Do it. On any thread. */
    void (*fill)(void *ctx, void *slot);
    /* This is a child now: `plan` may have been under way in the parent. */
    void (*forked)(void *ctx);
    /* One more slot, when who takes them keeps all; NULL: no memory. */
    void *(*more)(void *ctx);
};

/* threads: 0: pxi_ring_take does the work. PX_ERR_NOMEM. Threads start with the first take. */
px_err pxi_ring_open(unsigned threads, void *const *slots, unsigned count,
                     const struct pxi_ring_ops *ops, void *ctx, struct pxi_ring **out);
/* Waits for the threads; slots stay the caller's. */
void pxi_ring_close(struct pxi_ring *r);

/* Forget what was filled and not taken: `plan` is asked anew. Taken slots stay taken. */
void pxi_ring_restart(struct pxi_ring *r);

/* The next slot in order; NULL at the end. *waited: it was not ready. PX_ERR_NOMEM, _IO (no
 * threads can be had). */
px_err pxi_ring_take(struct pxi_ring *r, void **slot, bool *waited);
/* A taken slot is free again. */
void pxi_ring_give(struct pxi_ring *r, void *slot);

#endif
