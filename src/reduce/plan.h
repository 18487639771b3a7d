/*
 * Where the sums of a job are made: by its workers, each a part (sharded), by one aggregator for
 * all (central), or by aggregators of which some add for the others (tree). A pure function of what
 * their lines carry and what a packet costs their processors; docs/internals/reduce.md has the
 * model.
 */
#ifndef PXI_REDUCE_PLAN_H
#define PXI_REDUCE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pxi_topology {
    PXI_TOPOLOGY_AUTO,
    PXI_TOPOLOGY_SHARDED,
    PXI_TOPOLOGY_CENTRAL,
    PXI_TOPOLOGY_TREE,
};

enum { PXI_PLAN_WHY = 128 };

struct pxi_plan_job {
    unsigned workers;
    uint64_t slowest;  /* bytes a second of the slowest worker's line, one way; 0: not known */
    bool aggregator;   /* there is one that is none of the workers, */
    uint64_t its_rate; /* and this is its line, or the slowest of theirs; 0: not known */
    bool copies;       /* it sends a sum to each worker; else once, to a group */
    unsigned hubs;     /* aggregators that may be leaves of each other; a tree needs 3 */
    unsigned bits;     /* of a value on the wire */
    unsigned values;   /* of a packet; 0: 688 */
    /* Of processors, for a packet's both ends together, on the dearest worker and on an aggregator;
     * 0: not known, and then both are left out. */
    unsigned packet_ns, its_packet_ns;
    enum pxi_topology asked; /* for this one, whatever the lines are; auto: for none */
};

struct pxi_plan {
    enum pxi_topology topology; /* never auto */
    bool central;               /* by one aggregator */
    unsigned leaves; /* of a tree: so many hubs, and one above; leaf i adds the ranks from
                      * workers x i / leaves on */
    /* What a GB of f32 takes by each; 0: not known, or it cannot be. */
    double sharded_s, central_s, tree_s;
    char why[PXI_PLAN_WHY]; /* one line */
};

/* Choose: what takes less time; sharded when that is not known, or the others take 0.85 of it or
 * more. Without the aggregators for what was asked for it is sharded, and says so. */
void pxi_plan_topology(const struct pxi_plan_job *job, struct pxi_plan *out);

const char *pxi_topology_name(enum pxi_topology topology);

#endif
