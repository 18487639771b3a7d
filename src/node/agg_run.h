/*
 * The aggregator in the kernel without a device: packets go as frames through the loaded program,
 * one at a time (BPF_PROG_TEST_RUN), and what it would send comes back. One job.
 */
#ifndef PXI_NODE_AGG_RUN_H
#define PXI_NODE_AGG_RUN_H

#include "crypto/tag.h"
#include "plexus/err.h"
#include "reduce/slots.h"

enum { PXI_AGG_RUN_SECRETS = PX_GRADIENT_WORKERS + 1 };

struct pxi_agg_run_options {
    uint32_t job, slots, chunks; /* as pxi_slots_options, and so are the next */
    uint16_t epoch, values;
    uint8_t format, world; /* world: workers */
    uint64_t deadline_ns;
    enum px_sentry_rule rule; /* as pxi_xdp_options, and so are the next */
    unsigned k;
    bool clip;
    const uint8_t (*secrets)[PXI_TAG_SECRET]; /* as pxi_xdp_job; NULL: all 0, and tags are put here,
                                               * by */
    pxi_tag_nh *nh;
};

struct pxi_agg_run;

/* As pxi_xdp_open. */
px_err pxi_agg_run_new(const struct pxi_agg_run_options *o, struct pxi_agg_run **out,
                       px_diag *diag);
void pxi_agg_run_free(struct pxi_agg_run *k);

/* As pxi_slots_take of a packet of a worker; the answer has its tag, and stays until the next.
 * now_ns 0: the kernel's own clock. */
enum pxi_slots_to pxi_agg_run_take(struct pxi_agg_run *k, unsigned worker, px_view packet,
                                   uint64_t now_ns, struct pxi_slots_answer *a);

/* What the kernel has counted; of the Sentry, of a worker below 64, or NULL. */
struct pxi_slots_counts pxi_agg_run_counts(const struct pxi_agg_run *k);
const struct px_sentry_worker *pxi_agg_run_worker(const struct pxi_agg_run *k, unsigned worker);

#endif
