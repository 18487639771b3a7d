#include "reduce/plan.h"

#include <stdio.h>

#include "reduce/slots.h"

enum { VALUES = 688, OVERHEAD = 106 /* bytes a packet: our head, UDP, IPv4, Ethernet */ };

/* Of the time of a sharded job: the model is coarse, and sharded needs nobody. */
#define MARGIN 0.85

/* Packets, and bytes on the wire, of 1 GB of f32, once. */
struct load {
    double packets, bytes;
};

static struct load load_of(const struct pxi_plan_job *j)
{
    unsigned values = j->values ? j->values : VALUES;
    double packets = 1e9 / 4 / values;
    return (struct load){packets, packets * (values * j->bits / 8.0 + OVERHEAD)};
}

/* What a host takes that takes `in` and sends `out` of them: its line carries both ways at once,
 * its processor has half of the cost of each packet. rate 0: nobody knows. */
static double host(const struct pxi_plan_job *j, double in, double out, uint64_t rate, unsigned ns)
{
    struct load l = load_of(j);
    double line = rate ? (in > out ? in : out) * l.bytes / (double)rate : 0;
    double work = (in + out) / 2 * l.packets * ns * 1e-9;
    return !rate ? 0 : line > work ? line : work;
}

/* One cost alone would say that the others' processors are free. */
static bool knows_packets(const struct pxi_plan_job *j)
{
    return j->packet_ns && (j->its_packet_ns || !j->aggregator);
}

static double worker(const struct pxi_plan_job *j, double n)
{
    return host(j, n, n, j->slowest, knows_packets(j) ? j->packet_ns : 0);
}

static double aggregator(const struct pxi_plan_job *j, double in, double out)
{
    return host(j, in, out, j->its_rate, knows_packets(j) ? j->its_packet_ns : 0);
}

/* A worker sends what the others add, and the sums of its own part to all others. */
static double sharded(const struct pxi_plan_job *j)
{
    double others = (double)(j->workers - 1) / j->workers;
    return worker(j, 2 * others);
}

static double slower(double a, double b)
{
    return a <= 0 || b <= 0 ? 0 : a > b ? a : b;
}

/* The aggregator takes what all send; a worker's line carries it once each way. */
static double central(const struct pxi_plan_job *j)
{
    if (!j->aggregator)
        return 0;
    return slower(worker(j, 1), aggregator(j, j->workers, j->copies ? j->workers : 1));
}

/* A leaf takes what its workers send and a sum, and sends its own and theirs. */
static double tree(const struct pxi_plan_job *j, unsigned leaves)
{
    unsigned most = (j->workers + leaves - 1) / leaves;
    if (most > PXI_SLOTS_LEAF)
        return 0;
    double leaf = aggregator(j, most + 1, most + 1), above = aggregator(j, leaves, leaves);
    return slower(worker(j, 1), slower(leaf, above));
}

static unsigned best_tree(const struct pxi_plan_job *j, double *s)
{
    unsigned best = 0;
    for (unsigned n = 2; n < j->hubs && n <= j->workers; n++) {
        double its = tree(j, n);
        if (its > 0 && (!best || its < *s)) {
            best = n;
            *s = its;
        }
    }
    return best;
}

/* Where rates are not known: as many leaves as there can be. */
static unsigned widest_tree(const struct pxi_plan_job *j)
{
    unsigned leaves = j->hubs < 3 ? 0 : j->hubs - 1 < j->workers ? j->hubs - 1 : j->workers;
    return leaves >= 2 && (j->workers + leaves - 1) / leaves <= PXI_SLOTS_LEAF ? leaves : 0;
}

/* What was asked for, where it can be; else what is faster. */
static enum pxi_topology choose(const struct pxi_plan_job *j, const struct pxi_plan *p)
{
    if (j->asked == PXI_TOPOLOGY_TREE)
        return p->leaves ? PXI_TOPOLOGY_TREE : PXI_TOPOLOGY_SHARDED;
    if (j->asked == PXI_TOPOLOGY_CENTRAL)
        return j->aggregator ? PXI_TOPOLOGY_CENTRAL : PXI_TOPOLOGY_SHARDED;
    enum pxi_topology best = PXI_TOPOLOGY_SHARDED;
    double s = p->sharded_s;
    if (j->asked || s <= 0)
        return best;
    s *= MARGIN;
    if (p->central_s > 0 && p->central_s < s) {
        best = PXI_TOPOLOGY_CENTRAL;
        s = p->central_s;
    }
    return p->tree_s > 0 && p->tree_s < s ? PXI_TOPOLOGY_TREE : best;
}

static void say_figures(const struct pxi_plan_job *j, struct pxi_plan *p, const char *name)
{
    char tree[32] = "", work[48] = "";
    if (p->tree_s > 0)
        snprintf(tree, sizeof tree, ", %.3g by a tree", p->tree_s);
    if (knows_packets(j))
        snprintf(work, sizeof work, ", %u and %u ns a packet", j->packet_ns, j->its_packet_ns);
    snprintf(p->why, sizeof p->why,
             "%s: %.3g and %.3g Gbit/s%s take %.3g s/GB sharded, %.3g central%s", name,
             (double)j->slowest * 8e-9, (double)j->its_rate * 8e-9, work, p->sharded_s,
             p->central_s, tree);
}

static void say(const struct pxi_plan_job *j, struct pxi_plan *p)
{
    const char *name = pxi_topology_name(p->topology);
    if (j->asked && j->asked == p->topology)
        snprintf(p->why, sizeof p->why, "%s: asked for", name);
    else if (!j->aggregator)
        snprintf(p->why, sizeof p->why, "%s: no aggregator is there", name);
    else if (j->asked == PXI_TOPOLOGY_TREE)
        snprintf(p->why, sizeof p->why, "%s: too few aggregators are there for a tree", name);
    else if (p->sharded_s <= 0 || p->central_s <= 0)
        snprintf(p->why, sizeof p->why, "%s: not all lines' rates are known", name);
    else
        say_figures(j, p, name);
}

void pxi_plan_topology(const struct pxi_plan_job *j, struct pxi_plan *out)
{
    *out = (struct pxi_plan){.sharded_s = sharded(j), .central_s = central(j)};
    out->leaves = j->aggregator ? best_tree(j, &out->tree_s) : 0;
    if (!out->leaves && j->asked == PXI_TOPOLOGY_TREE)
        out->leaves = widest_tree(j);
    out->topology = choose(j, out);
    out->central = out->topology == PXI_TOPOLOGY_CENTRAL;
    out->leaves = out->topology == PXI_TOPOLOGY_TREE ? out->leaves : 0;
    say(j, out);
}

const char *pxi_topology_name(enum pxi_topology topology)
{
    static const char *const names[] = {"auto", "sharded", "central", "tree"};
    return names[topology];
}
