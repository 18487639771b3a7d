/* A worker joins a job by the node of its machine, whose control socket it asks. */
#ifndef PXI_NODE_REDUCE_JOIN_H
#define PXI_NODE_REDUCE_JOIN_H

#include <jansson.h>
#include <stdbool.h>

#include "plexus/node.h"
#include "plexus/reduce.h"

enum { PXI_REDUCE_RULE = 17 };

struct pxi_reduce_grant {
    px_reduce_options o; /* of the caller, with what the job says; its strings live here */
    px_control *seat;    /* in the job, while it is open */
    json_t *order;
    const char *addresses[64];
    uint8_t secret[32];
    const char *why;            /* its sums are made where they are */
    char rule[PXI_REDUCE_RULE]; /* by which its aggregator judges; empty: it has none */
    bool singly;                /* it takes no trains of datagrams */
};

/* Join the job o->name and wait until it begins, o->join_ms at most. PX_ERR_TIMEOUT,
 * PX_ERR_REFUSED, PX_ERR_NOT_FOUND: no job of that name; PX_ERR_UNREACHABLE: no node runs there. */
px_err pxi_reduce_join(const px_reduce_options *o, struct pxi_reduce_grant *out, px_diag *diag);
/* Options, and the secret, from the order that is a grant; false: it is none. */
bool pxi_reduce_take(struct pxi_reduce_grant *g);
/* Of what was filled in, also after an error; the seat is closed too, unless it was taken (NULL).
 */
void pxi_reduce_grant_free(struct pxi_reduce_grant *g);

/* Whether the job of the grant is over: whoever added in it is gone. Looks at what the node has
 * said since, and does not wait. */
bool pxi_reduce_over(px_control *seat, uint32_t job);

#endif
