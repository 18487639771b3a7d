/*
 * A device that has an XDP program already. When that is libxdp's dispatcher, ours joins it as one
 * of its components, by libxdp itself (libxdp.so.1, loaded when it is needed). Its components are
 * pinned and outlive who put them there; so a gate joins (bpf/gate.bpf.c), which passes all packets
 * once the descriptor of the hold is closed, also by kill -9. Whoever joins next takes dead gates
 * out.
 *
 * This needs CAP_SYS_ADMIN (programs are found by their numbers), which the helper does not have.
 */
#ifndef PXI_IO_XDP_JOIN_H
#define PXI_IO_XDP_JOIN_H

#include "io/xdp_load.h"

struct pxi_xdp_joiner {
    /* Errors as pxi_xdp_open; device of the hold is set, the rest is filled in. */
    px_err (*join)(const struct pxi_xdp_options *o, int program, struct pxi_xdp_hold *h,
                   px_diag *diag);
    bool (*joined)(struct pxi_xdp_hold *h);
    void (*leave)(const struct pxi_xdp_hold *h);
};

extern const struct pxi_xdp_joiner pxi_xdp_dispatcher;

#endif
