/* Unsigned LEB128 of the multiformats: at most 9 bytes (63 bits), in the shortest form only. */
#ifndef PXI_CODEC_VARINT_H
#define PXI_CODEC_VARINT_H

#include "plexus/view.h"

enum { PXI_VARINT_MAX = 10 };

/* Write v; returns the number of bytes (1 to 10). */
size_t pxi_varint_put(uint8_t out[PXI_VARINT_MAX], uint64_t v);

/* Bytes that pxi_varint_put would write. */
size_t pxi_varint_size(uint64_t v);

/* Read a varint at the front of `in`: bytes used, 0 when it is not all there yet, -1 when it is
 * malformed (longer than 9 bytes, or not the shortest form). */
int pxi_varint_get(px_view in, uint64_t *v);

#endif
