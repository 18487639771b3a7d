/* Addresses of workers and aggregators, as the options of px_reduce and px_hub have them. */
#ifndef PXI_NODE_REDUCE_ADDRESS_H
#define PXI_NODE_REDUCE_ADDRESS_H

#include "io/udp.h"
#include "plexus/err.h"

/* Of a multiaddr, /ip4/../udp/PORT or /ip6; PX_ERR_INVALID and the diagnosis say what is wrong. */
px_err pxi_reduce_address(const char *text, struct pxi_udp_addr *out, px_diag *d);

#endif
