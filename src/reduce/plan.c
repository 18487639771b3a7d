#include "reduce/plan.h"

#include <stdio.h>

/* Bytes on the wire for 1 GB of f32. */
static double bytes_of(const struct pxi_plan_job *j)
{
    return 1e9 / 32 * j->bits;
}

/* A worker sends what the others add, and the sums of its own part to all others; lines carry both
 * ways at once. */
static double sharded(const struct pxi_plan_job *j)
{
    double others = (double)(j->workers - 1) / j->workers;
    return j->slowest ? 2 * others * bytes_of(j) / (double)j->slowest : 0;
}

/* The aggregator takes what all send; a worker's line carries it once each way. */
static double central(const struct pxi_plan_job *j)
{
    if (!j->aggregator || !j->slowest || !j->its_rate)
        return 0;
    double worker = bytes_of(j) / (double)j->slowest;
    double in = j->workers * bytes_of(j) / (double)j->its_rate;
    double out = (j->copies ? j->workers : 1) * bytes_of(j) / (double)j->its_rate;
    double its = in > out ? in : out;
    return its > worker ? its : worker;
}

static void say(const struct pxi_plan_job *j, struct pxi_plan *p)
{
    const char *name = pxi_topology_name(p->central);
    if (!j->aggregator)
        snprintf(p->why, sizeof p->why, "%s: no aggregator is there", name);
    else if (j->asked)
        snprintf(p->why, sizeof p->why, "%s: asked for", name);
    else if (p->sharded_s <= 0 || p->central_s <= 0)
        snprintf(p->why, sizeof p->why, "%s: not all lines' rates are known", name);
    else
        snprintf(p->why, sizeof p->why,
                 "%s: lines of %.3g and %.3g Gbit/s take %.3g s/GB sharded, %.3g central", name,
                 (double)j->slowest * 8e-9, (double)j->its_rate * 8e-9, p->sharded_s, p->central_s);
}

void pxi_plan_topology(const struct pxi_plan_job *j, struct pxi_plan *out)
{
    *out = (struct pxi_plan){.sharded_s = sharded(j), .central_s = central(j)};
    bool better = out->central_s > 0 && out->central_s < out->sharded_s;
    out->central = j->aggregator && (j->asked || better);
    say(j, out);
}

const char *pxi_topology_name(bool central)
{
    return central ? "central" : "sharded";
}
