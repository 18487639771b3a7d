/* The thread that computes (base/worker.h), beside an event loop. */
#ifndef PXI_IO_WORKER_H
#define PXI_IO_WORKER_H

#include "base/worker.h"
#include "io/loop.h"

/* Start the thread. NULL when there is none to be had. */
struct pxi_worker *pxi_worker_new(struct pxi_loop *l);
/* End it: work in flight is waited for, `done` of it is called, work that waits is run too. */
void pxi_worker_free(struct pxi_worker *w);

#endif
