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

/* What keeps a program on its device until it is closed. */
struct pxi_xdp_hold {
    int fd;                          /* a BPF link, or the map of a gate; -1: none */
    unsigned device;                 /* its index */
    const struct pxi_xdp_joiner *in; /* NULL: a link; else a dispatcher, and there */
    uint32_t gate, found;            /* the gate, and the dispatcher that it was last seen in */
};

struct pxi_xdp_loaded {
    int program;              /* -1: none */
    struct pxi_xdp_hold hold; /* only where it was made: else its keeper has it */
    int maps[PXI_XDP_MAPS];   /* as the program */
    int keeper;               /* who holds it when we do not: the helper; it goes when that goes */
    enum pxi_xdp_rung rung;
    bool shared; /* slots are locked */
    char said[160];
    struct bpf_object *object; /* that has them; NULL: they are ours */
};

/* Load, and attach to the driver, or where that refuses to the stack. Errors as pxi_xdp_open. */
px_err pxi_xdp_load(const struct pxi_xdp_options *o, struct pxi_xdp_loaded *out, px_diag *diag);
/* Of what pxi_xdp_load or pxi_xdpd_ask filled in. */
void pxi_xdp_unload(struct pxi_xdp_loaded *l);

/* Put a program on a device; when that has one already, by the joiner, if there is one. Errors as
 * pxi_xdp_open; *refused: why the driver did. Whether it is still there. Take it away. */
px_err pxi_xdp_attach(const struct pxi_xdp_options *o, int program, struct pxi_xdp_hold *out,
                      int *refused, px_diag *diag);
bool pxi_xdp_held(struct pxi_xdp_hold *h);
void pxi_xdp_release(struct pxi_xdp_hold *h);

/* All its packets come to one CPU at a time: it has one queue. */
bool pxi_xdp_serial(const char *device);

/* What the kernel said, in one line. */
px_err pxi_xdp_refused(px_diag *diag, int error);

#endif
