/*
 * A thread that computes, as an interface: protocol machines give it work and hear, on their own
 * thread, that it is done. src/io/compute.c implements it with a real thread.
 */
#ifndef PXI_BASE_COMPUTE_H
#define PXI_BASE_COMPUTE_H

#include <stdint.h>

#include "base/list.h"

/* One piece of work; embedded in its owner, who leaves it and what it uses alone until `done`. */
struct pxi_computation {
    void (*run)(struct pxi_computation *w);  /* on the worker's thread */
    void (*done)(struct pxi_computation *w); /* on the owner's thread, never from inside submit */
    struct pxi_list link;
    uint64_t took_ns; /* by `run`, as the worker's clock says; there in `done` */
};

struct pxi_compute {
    void (*submit)(struct pxi_compute *c, struct pxi_computation *w); /* in order, one at a time */
};

#endif
