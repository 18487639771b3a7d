/* The thread that computes (base/compute.h), beside an event loop. */
#ifndef PXI_IO_COMPUTE_H
#define PXI_IO_COMPUTE_H

#include "base/compute.h"
#include "io/loop.h"

/* Start the thread. NULL when there is none to be had. */
struct pxi_compute *pxi_compute_new(struct pxi_loop *l);
/* End it: the work in flight is waited for and its `done` called; work that waits is forgotten.
 * NULL is allowed. */
void pxi_compute_free(struct pxi_compute *c);

#endif
