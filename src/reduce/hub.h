/*
 * An aggregator of a whole job that is none of its workers, without I/O: what plexus agg attach
 * does in the kernel, in user space, where rules for whole vectors run too. Whoever trusts no
 * worker trusts this one. Worker i is peer i; all take part from the beginning.
 *
 * Hubs make a tree of two levels: a leaf adds some of the workers and is itself one of the hub
 * above, which is its last peer (number world); the sums, and their bits, are those of one hub.
 */
#ifndef PXI_REDUCE_HUB_H
#define PXI_REDUCE_HUB_H

#include "reduce/slots.h"

/* Who adds in the place of the slots and judges in that of the Sentry; its answers have their tags
 * and stay until the next. */
struct pxi_hub_adder {
    enum pxi_slots_to (*take)(void *ctx, unsigned worker, px_view packet, uint64_t now_ns,
                              struct pxi_slots_answer *a);
    void *ctx;
};

struct pxi_hub_options {
    uint32_t job, base, slots, chunks; /* as pxi_slots_options, and so are the next */
    uint16_t epoch, values;
    uint8_t format, world; /* world: workers, or leaves, at most 64 */
    uint64_t deadline_ns, slack_ns;
    enum px_sentry_rule rule;             /* as pxi_sentry_options, and so are the next; with */
    const struct pxi_robust_rule *robust; /* PX_SENTRY_NONE and NULL everything is added. The */
    unsigned k, liars;                    /* rule `mean` is that, too */
    bool clip;
    const uint8_t *secret; /* of the job, PXI_GROUP_SECRET bytes; not needed after the call */
    uint8_t *arena;        /* pxi_hub_arena bytes, aligned to 64; outlives it */
    const struct pxi_kernels *kernels; /* outlives it */
    struct pxi_hub_adder adder;        /* take NULL: the hub itself */
    /* As in pxi_slots_options: a leaf, of `total` workers in all; or the one above, `world` leaves
     * with so many workers each. In a tree there is no rule and no adder. */
    bool leaf;
    uint8_t number, first, total;
    const uint8_t *leaves; /* not needed after the call */
};

struct pxi_hub;

/* Bytes in which sums are made. */
size_t pxi_hub_arena(const struct pxi_hub_options *o);

/* NULL: no memory, or options that cannot be: a rule needs four workers, and chunks. A leaf
 * waits for a worker for half of the deadline, and the one above for a leaf for all of it. */
struct pxi_hub *pxi_hub_new(const struct pxi_hub_options *o);
void pxi_hub_free(struct pxi_hub *h);

/* As pxi_group_take and pxi_group_pull. */
void pxi_hub_take(struct pxi_hub *h, unsigned from, px_view datagram, uint64_t now_ns);
px_view pxi_hub_pull(struct pxi_hub *h, unsigned to);

struct pxi_hub_counts {
    uint64_t packets; /* that came; of them */
    uint64_t bad[PX_GRADIENT_DROPS];
};

/* NULL: another adds. */
const struct pxi_slots_counts *pxi_hub_slots(const struct pxi_hub *h);
const struct pxi_hub_counts *pxi_hub_counts(const struct pxi_hub *h);
/* What the Sentry knows of a worker below 64; NULL: there is none. */
const struct px_sentry_worker *pxi_hub_worker(const struct pxi_hub *h, unsigned worker);

#endif
