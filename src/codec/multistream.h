/*
 * Lines of multistream-select 1.0 (libp2p connections specification): a varint of the length, text,
 * and a newline that the length counts. The conversation is net/negotiate; this is its grammar.
 */
#ifndef PXI_CODEC_MULTISTREAM_H
#define PXI_CODEC_MULTISTREAM_H

#include <stdbool.h>

#include "base/mem.h"
#include "plexus/err.h"

#define PXI_MULTISTREAM_HEADER "/multistream/1.0.0"
#define PXI_MULTISTREAM_NA     "na"
#define PXI_MULTISTREAM_LS     "ls"

/* Read the line at the front of `in`: bytes used, 0 when it is not all there yet, -1 when it is
 * malformed: empty, longer than net.protocol_bytes, no newline at its end or one before it, not
 * UTF-8, control characters. text is borrowed and without the newline. An overlong line is refused
 * as soon as its length is seen. */
int pxi_multistream_next(px_view in, px_view *text, px_diag *d);

/* Append a line; false when it does not fit. text is without a newline. */
bool pxi_multistream_add(struct pxi_buf *out, px_view text);

#endif
