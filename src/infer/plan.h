/*
 * Who computes which blocks. A model is cut into consecutive slices, one for each of some peers, in
 * an order that the plan chooses. What counts is the time until `flights` tokens that follow one
 * another through the chain are all back at the client:
 *
 *     hops + compute of all slices + (flights - 1) x the slowest stage or link
 *
 * so one flight asks for the shortest way of one session, many ask for even stages. Pure functions
 * of numbers that others measured.
 */
#ifndef PXI_INFER_PLAN_H
#define PXI_INFER_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "plexus/err.h"

enum { PXI_PLAN_NONE = UINT32_MAX };

enum pxi_plan_why {
    PXI_PLAN_SERVES,
    PXI_PLAN_SPARE,     /* a slice is loaded there too, for when its peer is lost */
    PXI_PLAN_NO_MEMORY, /* not for one block */
    PXI_PLAN_SLOWER,    /* the chain would take longer with it */
    PXI_PLAN_ENOUGH     /* it is not worth a hop more */
};
/* "serves", "spare", "no memory", "slower", "enough". */
const char *pxi_plan_why_name(enum pxi_plan_why why);

struct pxi_plan_peer {
    uint64_t memory; /* bytes that slices may take; 0: it takes none */
    uint64_t rate;   /* bytes of weights a second; 0: unknown, counted as the slowest known */
    /* Filled in: */
    uint32_t place;       /* in the chain, or PXI_PLAN_NONE */
    uint32_t first, last; /* blocks [first, last) */
    double seconds;       /* one token in its slice */
    double with_s;        /* of a peer that serves none: one token if it did; 0: it cannot */
    uint32_t spare;       /* a bit a place: of which slices it is a spare */
    enum pxi_plan_why why;
};

struct pxi_plan_model {
    uint32_t blocks;
    uint64_t block_bytes;  /* weights of one block */
    uint64_t block_memory; /* with its KV cache */
    uint64_t embed_memory; /* more, of the first stage; few of them are read */
    uint64_t output_bytes; /* more, of the last stage, all of them read */
    uint32_t stages_min;   /* at least so many stages, when as many peers have room */
    uint32_t stages_max;   /* at most so many; 0: any number */
    uint32_t flights;      /* 0: 8 */
};

/* Seconds from one to another, i to j at [i * (count + 1) + j]; the client is number `count`. */
struct pxi_plan_ways {
    const double *way_s;  /* until a token that leaves has arrived */
    const double *wire_s; /* of this, how long the link is taken; NULL: no time */
};

struct pxi_plan_times {
    uint32_t stages;
    double token_s;   /* one token: compute, and all hops */
    double hops_s;    /* of this, on the way */
    double wires_s;   /* of that, while hidden states take the links */
    double slowest_s; /* slowest stage or link: it bounds the tokens a second of all sessions */
    double cost_s;    /* what was made small */
};

/* Plan. PX_ERR_NOMEM: all memory together is too little for the model, or there is none to plan
 * with. ways NULL: no hop takes time. times may be NULL. At most PXI_LIMIT_PLAN_PEERS are used. */
px_err pxi_plan(const struct pxi_plan_model *m, struct pxi_plan_peer *peers, unsigned count,
                const struct pxi_plan_ways *ways, struct pxi_plan_times *times);

/* The same times of a chain that exists: order[i] serves blocks up to cut[i]. PX_ERR_INVALID: its
 * cuts do not ascend to the last block. Memory is not asked about. */
px_err pxi_plan_cost(const struct pxi_plan_model *m, const struct pxi_plan_peer *peers,
                     unsigned count, const struct pxi_plan_ways *ways, const unsigned *order,
                     const uint32_t *cut, unsigned stages, struct pxi_plan_times *times);
/* Make that chain the plan: peers are filled in as by pxi_plan. */
px_err pxi_plan_adopt(const struct pxi_plan_model *m, struct pxi_plan_peer *peers, unsigned count,
                      const struct pxi_plan_ways *ways, const unsigned *order, const uint32_t *cut,
                      unsigned stages, struct pxi_plan_times *times);

#endif
