/*
 * Mode server: sums go to the workers of a job from where the kernel made them, the map of slots
 * (bpf/reduce.h), which is mapped here. A wake-up sends all that is finished: for each worker one
 * message whose parts are the heads, written here, and the values, which nobody copies before the
 * socket does.
 */
#ifndef PXI_IO_SUMS_H
#define PXI_IO_SUMS_H

#include "io/xdp.h"

/* Where the sums of a job go. */
struct pxi_sums_job {
    uint32_t job;
    uint8_t shard;
    const uint32_t *addresses; /* n of them, network order, each unlike 0 */
    unsigned n;                /* at most PX_GRADIENT_WORKERS */
    uint16_t port;             /* of each, host order; */
    const uint16_t *ports;     /* or one each; NULL: port */
    const uint8_t *secret;     /* of its results, PXI_TAG_SECRET bytes; not needed after the call */
};

/* slots: sums sent. stale: slots that had gone on when they were looked at, whose workers have the
 * sum. lost: datagrams that the socket did not take; workers ask for them again. */
struct pxi_sums_counts {
    uint64_t wakeups, slots, datagrams, calls, stale, lost;
};

struct pxi_sums;

/* A socket at the address (network order, 0: any) and port from which sums come. PX_ERR_IO with
 * errno set, PX_ERR_PERMISSION, PX_ERR_NOMEM. */
px_err pxi_sums_open(struct pxi_xdp *x, uint32_t address, uint16_t port, pxi_tag_nh *nh,
                     struct pxi_sums **out);
/* NULL is allowed. */
void pxi_sums_close(struct pxi_sums *s);

/* Leave the port to others; nothing is sent any more. And take it again: errors as pxi_sums_open.
 */
void pxi_sums_unbind(struct pxi_sums *s);
px_err pxi_sums_bind(struct pxi_sums *s);

/* Before slots are leased to the job; PX_ERR_LIMIT: no place is left, PX_ERR_INVALID. */
px_err pxi_sums_add(struct pxi_sums *s, const struct pxi_sums_job *job);
void pxi_sums_remove(struct pxi_sums *s, uint32_t job, uint8_t shard);

/* pxi_xdp_wakes is readable: send what is finished. */
void pxi_sums_work(struct pxi_sums *s);
struct pxi_sums_counts pxi_sums_counts(const struct pxi_sums *s);

#endif
