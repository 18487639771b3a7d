/* Inside of reaching a peer: one attempt and the addresses that it tries. */
#ifndef PXI_NET_REACH_IMPL_H
#define PXI_NET_REACH_IMPL_H

#include "net/host_impl.h"

struct pxi_candidate {
    struct pxi_maddr addr;
    struct pxi_transport *transport;
    uint32_t rank; /* lower is earlier */
    uint8_t depth; /* how many names led to it */
    bool far;
};

struct pxi_dialing {
    struct pxi_host *host;
    struct pxi_peer peer;
    struct pxi_list link, wishes, dials;
    struct pxi_candidate *candidates;
    unsigned count, next, active;
    struct pxi_timer timer; /* the next candidate's turn */
    px_err err;             /* the most telling failure so far */
    bool alone;             /* serves one wish only: a forced or an anonymous dial */
    bool at_once, simultaneous_server, fresh_port; /* as the one wish says */
};

/* The transport that dials such an address, or NULL. */
struct pxi_transport *pxi_transport_for(struct pxi_host *h, const struct pxi_endpoint *e);
/* One more address, unless it is known, held back, of another peer, or one too many. `asked`: the
 * owner named it, so that earlier failures do not count. */
void pxi_candidate_add(struct pxi_dialing *g, px_view addr, bool asked, uint8_t depth);

#endif
