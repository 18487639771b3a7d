/* Real threads behind the pxi_team interface of base. */
#ifndef PXI_IO_TEAM_H
#define PXI_IO_TEAM_H

#include "base/team.h"

/* Processors that the affinity mask of the process allows, at least 1. */
unsigned pxi_team_processors(void);

/*
 * A team of `threads` members (0 = pxi_team_processors): the caller of pxi_team_run and threads - 1
 * workers, which sleep between jobs. NULL when memory or threads cannot be had. One thread at a
 * time may run jobs on a team; a job must not start another on the same team.
 */
struct pxi_team *pxi_team_new(unsigned threads);

/* Stop and join the workers. NULL is allowed. */
void pxi_team_free(struct pxi_team *team);

#endif
