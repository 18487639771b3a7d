/*
 * Who computes which blocks. A model is cut into consecutive slices, one for each of some peers in
 * their order, so that the slowest stage is as fast as can be (that bounds tokens a second of
 * several sessions) and, of equally fast plans, the one with the fewest bytes moved by one session.
 */
#ifndef PXI_INFER_PLAN_H
#define PXI_INFER_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "plexus/err.h"

struct pxi_plan_peer {
    uint64_t memory;      /* bytes that a slice may take; 0: it takes none */
    uint64_t rate;        /* bytes of weights a second; 0: unknown, counted as the slowest known */
    uint32_t first, last; /* filled in; first == last: not needed */
    double seconds;       /* filled in: of one token in its slice */
};

struct pxi_plan_model {
    uint32_t blocks;
    uint64_t block_bytes;  /* weights of one block */
    uint64_t block_memory; /* with its KV cache */
    uint64_t embed_memory; /* more, of the first stage; few of them are read */
    uint64_t output_bytes; /* more, of the last stage, all of them read */
    uint32_t stages_min;   /* at least so many peers, when there are as many */
};

/* Cut. Peers keep their order. PX_ERR_NOMEM: all memory together is too little for the model. */
px_err pxi_plan(const struct pxi_plan_model *m, struct pxi_plan_peer *peers, unsigned count);

#endif
