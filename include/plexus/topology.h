/*
 * Where the sums of a job are best made: by its workers, each a part (sharded), by one aggregator
 * for all (central), or by aggregators that add for each other (tree; plexus/hub.h). For whoever
 * forms a job by its addresses; jobs by name ask this themselves (plexus agg offer).
 */
#ifndef PLEXUS_TOPOLOGY_H
#define PLEXUS_TOPOLOGY_H

#include "plexus/err.h"

PX_BEGIN_DECLS

/* What is known of the hosts of a job. */
typedef struct px_topology_job {
    size_t size;          /* sizeof(px_topology_job) */
    unsigned workers;     /* 2 to 64 */
    uint64_t slowest;     /* bytes a second of the slowest worker's line, one way; 0: not known */
    unsigned aggregators; /* hosts that could add for all and are no workers */
    uint64_t their_rate;  /* of the slowest of their lines; 0: not known */
    unsigned bits;        /* of a value on the wire; 0: 16 */
    unsigned values;      /* of a packet; 0: 688 */
    unsigned packet_ns, their_packet_ns; /* what a packet costs the dearest worker, and the dearest
                                          * of them (px_topology_look); 0: left out */
    const char *asked; /* sharded, central, tree: that one, when it can be; NULL or auto: none */
} px_topology_job;

typedef struct px_topology_plan {
    size_t size;          /* sizeof(px_topology_plan) */
    const char *topology; /* sharded, central or tree; static storage */
    unsigned leaves; /* of a tree: one aggregator is above, so many are its leaves; leaf i adds the
                      * ranks from workers * i / leaves on */
    double sharded_s, central_s,
        tree_s;    /* that a GB of f32 takes by each, by the model of
                    * docs/internals/reduce.md; 0: not known, or it cannot be */
    char why[128]; /* one line, with the figures */
} px_topology_plan;

/* Choose what takes less time; sharded when that is not known, or the same. PX_ERR_INVALID: no such
 * job, or no such topology was asked for. */
PX_API PX_NODISCARD px_err px_topology_plan_job(const px_topology_job *job, px_topology_plan *out);

/* Of the address of a worker or an aggregator of this machine (/ip4/../udp/PORT): bytes a second of
 * its line, as the device's driver says (0: it does not), and what a packet of UDP costs the
 * processors of this machine, both ends, in nanoseconds, measured now (0: it could not be).
 * PX_ERR_INVALID: no such address. */
PX_API PX_NODISCARD px_err px_topology_look(const char *address, uint64_t *line,
                                            unsigned *packet_ns);

PX_END_DECLS

#endif
