/* The public face of reduce/plan. */
#include "plexus/topology.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "codec/gradient.h"
#include "io/rate.h"
#include "node/reduce_address.h"
#include "reduce/plan.h"

enum { PACKET = 1400 };

/* -1: none has that name. */
static int find(const char *name)
{
    for (int i = PXI_TOPOLOGY_AUTO; i <= PXI_TOPOLOGY_TREE; i++)
        if (strcmp(name, pxi_topology_name((enum pxi_topology)i)) == 0)
            return i;
    return -1;
}

static bool sane(const px_topology_job *j)
{
    return j->size >= sizeof *j && j->workers >= 2 && j->workers <= PX_GRADIENT_WORKERS &&
           j->bits <= 32 && j->values <= PXI_GRADIENT_VALUES;
}

px_err px_topology_plan_job(const px_topology_job *job, px_topology_plan *out)
{
    struct pxi_plan p;
    int asked = sane(job) ? find(job->asked ? job->asked : "auto") : -1;
    if (asked < 0 || out->size < sizeof *out)
        return PX_ERR_INVALID;
    struct pxi_plan_job j = {.workers = job->workers,
                             .slowest = job->slowest,
                             .aggregator = job->aggregators > 0,
                             .its_rate = job->their_rate,
                             .copies = true,
                             .hubs = job->aggregators,
                             .bits = job->bits ? job->bits : 16,
                             .values = job->values,
                             .packet_ns = job->packet_ns,
                             .its_packet_ns = job->their_packet_ns,
                             .asked = (enum pxi_topology)asked};
    pxi_plan_topology(&j, &p);
    out->topology = pxi_topology_name(p.topology);
    out->leaves = p.leaves;
    out->sharded_s = p.sharded_s;
    out->central_s = p.central_s;
    out->tree_s = p.tree_s;
    snprintf(out->why, sizeof out->why, "%s", p.why);
    return PX_ERR_OK;
}

px_err px_topology_look(const char *address, uint64_t *line, unsigned *packet_ns)
{
    struct pxi_udp_addr a;
    if (pxi_reduce_address(address, &a, NULL) != PX_ERR_OK)
        return PX_ERR_INVALID;
    px_view ip = px_view_of(a.ip, a.family == 4 ? 4 : 16);
    *line = pxi_line_rate(ip);
    *packet_ns = pxi_packet_ns(ip, PACKET);
    return PX_ERR_OK;
}
