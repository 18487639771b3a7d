/*
 * Addresses at which others see us (identify), kept among the host's own while somebody claims
 * them. A witness is an ip that we dialled from a port that we listen on; it claims one address for
 * each transport and family, so that liars are bounded by the connections that we made to them.
 */
#ifndef PXI_NET_OBSERVED_H
#define PXI_NET_OBSERVED_H

#include "base/limits.h"
#include "net/identify.h"
#include "net/nat.h"

struct pxi_claim {
    struct pxi_maddr addr; /* n == 0: a free place */
    struct pxi_endpoint seen;
    uint8_t witness[16];
    uint8_t witness_n;
};

/* Embedded in its owner; zeroed before use. */
struct pxi_observed {
    struct pxi_host *host;
    struct pxi_nat nat; /* what the same reports tell of our NAT */
    struct pxi_claim claims[PXI_LIMIT_OBSERVED_CLAIMS];
    unsigned next;
};

/* Listen to identify until it is freed. */
void pxi_observed_start(struct pxi_observed *o, struct pxi_host *h, struct pxi_identify *i);
/* One report; for tests, and what identify calls. */
void pxi_observed_claim(struct pxi_observed *o, px_view addr, struct pxi_conn *c);
/* AutoNAT says that nobody gets through to it: forget it. */
void pxi_observed_refute(struct pxi_observed *o, px_view addr);

#endif
