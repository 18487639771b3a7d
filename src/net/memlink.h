/*
 * Two ends of a link in memory: what one end pulls, the other is pushed after a delay, no faster
 * than the capacity. Moved by timers, so virtual time works as well as real time. For tests and
 * the transport inside one process.
 */
#ifndef PXI_NET_MEMLINK_H
#define PXI_NET_MEMLINK_H

#include "base/timer.h"
#include "net/link.h"

struct pxi_memlink_options {
    struct pxi_timers *timers;
    uint64_t delay_ns;    /* of one way */
    uint64_t bytes_per_s; /* capacity of one way; 0: no bound */
    size_t pull_bytes;    /* most bytes of one pull; 0: 256 KiB. At least 66,560 */
    size_t push_bytes;    /* most bytes of one push, to cut frames apart; 0: as pulled */
    uint64_t seed;        /* not 0: pushes of random sizes up to push_bytes */
    /* Bytes on their way in one direction before pulling pauses; 0: 4 MiB. */
    size_t flight_bytes;
};

/* Make both ends. on and user of each must be set before time moves. Each end is freed after its
 * close was called or after it heard `lost`. PX_ERR_NOMEM. */
px_err pxi_memlink_pair(const struct pxi_memlink_options *o, struct pxi_link **a,
                        struct pxi_link **b);
/* Break the pipe: both ends hear `lost` from the loop, bytes on their way are gone. */
void pxi_memlink_cut(struct pxi_link *l);

#endif
