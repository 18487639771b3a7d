/*
 * A team of threads, as an interface: compute code is given one and never calls the system.
 * src/io/team.c implements it with real threads; a team of one needs no implementation at all.
 */
#ifndef PXI_BASE_TEAM_H
#define PXI_BASE_TEAM_H

typedef void pxi_team_fn(void *arg, unsigned rank, unsigned size);

struct pxi_team {
    unsigned size; /* number of members; 1 means everything runs in the caller */
    /* Run fn(arg, rank, size) once on every member, the caller being rank 0; returns when all did.
     */
    void (*run)(struct pxi_team *team, pxi_team_fn *fn, void *arg);
    /* Inside fn: wait until every member has arrived. Memory written before is visible after. */
    void (*barrier)(struct pxi_team *team, unsigned rank);
};

static inline void pxi_team_run(struct pxi_team *team, pxi_team_fn *fn, void *arg)
{
    if (!team || team->size <= 1)
        fn(arg, 0, 1);
    else
        team->run(team, fn, arg);
}

static inline void pxi_team_barrier(struct pxi_team *team, unsigned rank)
{
    if (team && team->size > 1)
        team->barrier(team, rank);
}

#endif
