/*
 * Where the sums of a job are made: by its workers, each a part (sharded), or by one aggregator for
 * all (central). A pure function of the rates of their lines; docs/internals/reduce.md has the
 * model.
 */
#ifndef PXI_REDUCE_PLAN_H
#define PXI_REDUCE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PXI_PLAN_WHY = 120 };

struct pxi_plan_job {
    unsigned workers;
    uint64_t slowest;  /* bytes a second of the slowest worker's line, one way; 0: not known */
    bool aggregator;   /* there is one that is none of the workers, */
    uint64_t its_rate; /* and this is its line; 0: not known */
    bool copies;       /* it sends a sum to each worker; else once, to a group */
    unsigned bits;     /* of a value on the wire */
    bool asked;        /* for central, whatever the lines are */
};

struct pxi_plan {
    bool central;
    double sharded_s, central_s; /* that the lines take for a GB of f32; 0: not known, or none */
    char why[PXI_PLAN_WHY];      /* one line */
};

/* Choose: what takes less time, sharded when that is not known or the same. Without an
 * aggregator it is sharded, also when central was asked for, and says so. */
void pxi_plan_topology(const struct pxi_plan_job *job, struct pxi_plan *out);

const char *pxi_topology_name(bool central);

#endif
