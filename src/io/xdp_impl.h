/* What the files of the aggregator's kernel half share (src/io/xdp.c, xdp_again.c). */
#ifndef PXI_IO_XDP_IMPL_H
#define PXI_IO_XDP_IMPL_H

#include "io/xdp_load.h"

struct ring_buffer;

struct pxi_xdp {
    struct pxi_xdp_options o;
    struct pxi_xdp_loaded l;
    struct pxi_bpf_job *jobs; /* of the kernel, mapped */
    struct pxi_bpf_watch *watch;
    struct pxi_bpf_sentry *sentries;
    uint8_t *slots; /* and these, slot_bytes apart */
    size_t slot_bytes, slots_mapped, jobs_mapped, sentries_mapped, page;
    uint64_t leased;   /* bit set of leases */
    uint64_t received; /* by the device before */
    struct ring_buffer *ring, *events;
    int wakes; /* epoll: the ring when a wake-up was forced */
    pxi_xdp_done_fn *fn;
    pxi_xdp_event_fn *event;
    void *ctx;
};

/* Map the maps of what is loaded, and listen to its rings: those that it has are not freed.
 * pxi_xdp_unmap gives all of that back, and the descriptors, but for x->wakes. */
px_err pxi_xdp_map(struct pxi_xdp *x, px_diag *diag);
void pxi_xdp_unmap(struct pxi_xdp *x);

#endif
