/*
 * A stream from a peer to itself: two ends in memory, for protocols whose next peer may be the one
 * that they run on. Bytes arrive by timer, never from inside a write.
 */
#ifndef PXI_NET_LOCALSTREAM_H
#define PXI_NET_LOCALSTREAM_H

#include "net/host.h"

/* Make both ends, owned by nobody yet (pxi_stream_own); their connection names the host itself as
 * peer. Each end is freed after it was reset, or after it heard `closed`. PX_ERR_NOMEM. */
px_err pxi_localstream_pair(struct pxi_host *h, struct pxi_stream **a, struct pxi_stream **b);

#endif
