/* The pieces of plexus bench allreduce: workers that are asked for one operation after another. */
#ifndef CLI_BENCH_ALLREDUCE_H
#define CLI_BENCH_ALLREDUCE_H

#include <sys/types.h>

#include "bench_star.h"
#include "cli.h"

enum { CREW_MOST = STAR_HOSTS };

/* What an operation cost, over all workers. */
struct crew_cost {
    double seconds, cpu_s; /* of the slowest; of all together */
    double again, dropped; /* packets */
    int wrong;             /* workers whose result is not what it should be */
    unsigned digest;       /* of the result */
    /* Ours only: of all workers together, and what the first says of its paths. */
    double packets, syscalls, wakeups, wakes, copied;
    char path[512];
};

/* Workers of one kind, one on each host. They read "SIZE ROUND" lines and answer with one line. */
struct crew {
    unsigned n;                            /* pipes: of MPI, one speaks for all */
    char agent[64];                        /* a file to remove */
    pid_t pid[CREW_MOST], hubs[STAR_HUBS]; /* hubs: of hosts of their own, 0: none */
    FILE *to[CREW_MOST], *from[CREW_MOST];
};

struct crew_options {
    const struct star *star;
    unsigned format, values;
    const char *path;
    const char *rule; /* of px_hub, of an aggregator that adds for all; NULL: mean */
    unsigned leaves;  /* an aggregator adds for so many, which add for the workers; 0: and */
    int central;      /* one adds for all; else they do */
    size_t longest;
    int verify;
};

/* Our own, whose aggregators are on the hosts of hubs, or, where there are none, on those of
 * workers, the first host's above; torch's gloo; OpenMPI by mpi4py: those of a python that has
 * them. 0, or -1. */
int crew_ours(struct crew *c, const struct crew_options *o);
int crew_gloo(struct crew *c, const struct crew_options *o, const char *python);
int crew_mpi(struct crew *c, const struct crew_options *o, const char *python);
/* Can this python import a module? */
int crew_can(const char *python, const char *module);
/* One operation of `n` floats. 0, or -1 when a worker is gone. */
int crew_run(struct crew *c, size_t n, unsigned round, struct crew_cost *cost);
void crew_end(struct crew *c);

#endif
