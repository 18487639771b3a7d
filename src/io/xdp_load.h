/*
 * The privileged part of io/xdp: load the program, attach it, and be done. What comes out are
 * descriptors, with which io/xdp works in this process, or in one without rights that they were
 * passed to (io/xdpd.h).
 */
#ifndef PXI_IO_XDP_LOAD_H
#define PXI_IO_XDP_LOAD_H

#include <stdbool.h>

#include "bpf/reduce.h"
#include "io/xdp.h"
#include "io/xdpd.h"

/* The maps of the program. */
enum pxi_xdp_map {
    PXI_XDP_JOBS,
    PXI_XDP_WORKERS,
    PXI_XDP_SLOTS,
    PXI_XDP_KEPT,
    PXI_XDP_COUNTS,
    PXI_XDP_DONE,
    PXI_XDP_WATCH,
    PXI_XDP_EVENTS,
    PXI_XDP_NOTED, /* and of the Sentry */
    PXI_XDP_CENTRES,
    PXI_XDP_SENTRIES,
    PXI_XDP_PASTS,
    PXI_XDP_MAPS
};

struct bpf_object;

struct pxi_xdp_loaded {
    int program, link;      /* -1: none; the link is only where it was made, or its keeper has it */
    int maps[PXI_XDP_MAPS]; /* as the program */
    int keeper;             /* of a link that is not ours: the helper; it goes when that goes */
    enum pxi_xdp_rung rung;
    bool shared; /* slots are locked */
    char said[160];
    struct bpf_object *object; /* that has them; NULL: they are ours */
};

/* Load, and attach to the driver, or where that refuses to the stack. Errors as pxi_xdp_open. */
px_err pxi_xdp_load(const struct pxi_xdp_options *o, struct pxi_xdp_loaded *out, px_diag *diag);
/* Of what pxi_xdp_load or pxi_xdpd_ask filled in. */
void pxi_xdp_unload(struct pxi_xdp_loaded *l);

/* Whether a link still has its device. */
bool pxi_xdp_linked(int link);

/* All its packets come to one CPU at a time: it has one queue. */
bool pxi_xdp_serial(const char *device);

/* What the kernel said, in one line. */
px_err pxi_xdp_refused(px_diag *diag, int error);

#endif
