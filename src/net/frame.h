/*
 * Messages behind their length as a varint: the framing of nearly every libp2p protocol. A message
 * that lies whole in the bytes that arrived is given as a view of them; only one in pieces is
 * copied, and memory grows with the bytes that came, never with the length that was claimed.
 */
#ifndef PXI_NET_FRAME_H
#define PXI_NET_FRAME_H

#include <stdbool.h>

#include "base/mem.h"
#include "plexus/err.h"

/* Zeroed memory with max set is an empty reader. */
struct pxi_frame {
    struct pxi_buf part; /* length and bytes of a message that is not all there yet */
    size_t max;          /* most bytes of a message */
    bool given;          /* the last message is in `part` and goes with the next call */
};

/* Take the next message out of *in, which moves on. PX_ERR_OK: *message is there (good until the
 * next call). PX_ERR_TRUNCATED: more bytes are needed, *in is empty. PX_ERR_CORRUPT: a malformed
 * length. PX_ERR_LIMIT: longer than max. PX_ERR_NOMEM. */
px_err pxi_frame_next(struct pxi_frame *f, px_view *in, px_view *message);

/* True in the middle of a message: an end of the stream now is premature. */
bool pxi_frame_partial(const struct pxi_frame *f);

void pxi_frame_deinit(struct pxi_frame *f);

#endif
