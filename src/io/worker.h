/*
 * A thread of its own beside the loop, and a mailbox in each direction: the only way in or out.
 * What the thread computes touches nothing of the loop.
 */
#ifndef PXI_IO_WORKER_H
#define PXI_IO_WORKER_H

#include "base/list.h"
#include "plexus/err.h"

struct pxi_loop;
struct pxi_worker;

/* A message: the first member of what is sent; whoever takes it owns it. */
struct pxi_mail {
    struct pxi_list link;
};

struct pxi_worker_events {
    void (*main)(void *ctx, struct pxi_worker *w); /* the thread; returns when told to stop */
    void (*heard)(void *ctx, struct pxi_mail *m);  /* on the loop: a message of the thread */
};

/* Start the thread. The events are borrowed. PX_ERR_NOMEM, PX_ERR_IO. */
px_err pxi_worker_open(struct pxi_loop *l, const struct pxi_worker_events *on, void *ctx,
                       struct pxi_worker **out);

/* From the loop: give the thread a message. */
void pxi_worker_send(struct pxi_worker *w, struct pxi_mail *m);

/* From the thread: the next message, or NULL when there is none and `wait` is false, or when it is
 * to stop. */
struct pxi_mail *pxi_worker_take(struct pxi_worker *w, bool wait);

/* From the thread: is it to stop? */
bool pxi_worker_stopping(struct pxi_worker *w);

/* From the thread: give the loop a message. */
void pxi_worker_tell(struct pxi_worker *w, struct pxi_mail *m);

/* Stop the thread, wait for its end, deliver what it said by `heard`, and free. Messages that it
 * did not take go to `drop`. NULL is allowed. */
void pxi_worker_close(struct pxi_worker *w, void (*drop)(void *ctx, struct pxi_mail *m));

#endif
