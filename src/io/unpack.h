/* Compressed data of others, by libraries that are looked for when they are needed: libzstd and
 * liblz4. Nothing of plexus is compressed. */
#ifndef PXI_IO_UNPACK_H
#define PXI_IO_UNPACK_H

#include "plexus/err.h"
#include "plexus/view.h"

/*
 * Unpack a frame of `codec`, "zstd" or "lz4", to the n bytes of out. PX_ERR_UNSUPPORTED: another
 * codec, or its library is not there (the diagnosis names the package); PX_ERR_CORRUPT: no frame of
 * it, or not of n bytes; PX_ERR_NOMEM.
 */
px_err pxi_unpack(const char *codec, px_view in, uint8_t *out, size_t n, px_diag *d);

#endif
