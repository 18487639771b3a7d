/*
 * Stages that fall behind: who is slow by heartbeat for some seconds hands over to a peer that is
 * not. Which replacement there is, and how it gets the blocks, is the business of whoever asks.
 */
#ifndef PXI_INFER_LAGGARD_H
#define PXI_INFER_LAGGARD_H

#include "swarm/heartbeat.h"

/* Look once a second at a peer that computes for us: true when it was slow at each of the last
 * three looks. *looks is its own count, 0 at first. */
bool pxi_laggard_look(const struct pxi_heartbeat *b, const struct pxi_peer *p, unsigned *looks);
/* May a laggard's blocks go to this peer? */
bool pxi_laggard_heir(const struct pxi_heartbeat *b, const struct pxi_peer *p);

#endif
