/* MessagePack (github.com/msgpack/msgpack, spec.md): a check of untrusted bytes, without recursion.
 */
#ifndef PXI_CODEC_MSGPACK_H
#define PXI_CODEC_MSGPACK_H

#include "plexus/err.h"
#include "plexus/view.h"

/* Exactly one value: no reserved byte, every length and count backed by bytes that are there,
 * strings in UTF-8, at most msgpack.depth arrays and maps in one another. Keys of maps may be of
 * any type and may repeat (readers take the last). PX_ERR_TRUNCATED, PX_ERR_CORRUPT, PX_ERR_LIMIT.
 */
px_err pxi_msgpack_check(px_view in, px_diag *d);

#endif
