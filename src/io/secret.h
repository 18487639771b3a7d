/* Small files that only their owner may read: keys. */
#ifndef PXI_IO_SECRET_H
#define PXI_IO_SECRET_H

#include "base/mem.h"
#include "plexus/err.h"

/* Read a file of at most out->max bytes. PX_ERR_NOT_FOUND, PX_ERR_PERMISSION (also when others may
 * read it), PX_ERR_LIMIT, PX_ERR_IO. */
px_err pxi_secret_read(const char *path, struct pxi_buf *out);
/* Write a new file with mode 0600, whole or not at all; an existing one stays as it is and is
 * PX_ERR_PERMISSION. */
px_err pxi_secret_write(const char *path, px_view bytes);

#endif
