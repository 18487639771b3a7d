/* One file on a disk as struct pxi_file (base/files.h): what io/files does with those of a folder,
 * and writers of single files with theirs. */
#ifndef PXI_IO_DISK_H
#define PXI_IO_DISK_H

#include "base/files.h"

/* openat with these flags (O_CLOEXEC is added) and mode; dir may be AT_FDCWD. PX_ERR_NOT_FOUND,
 * _PERMISSION, _LIMIT, _NOMEM, _IO. */
px_err pxi_disk_open(int dir, const char *name, int flags, unsigned mode, struct pxi_file **out);
/* What errno says of a file. */
px_err pxi_disk_error(void);

/* Those of struct pxi_files_ops that are about one file; the others are NULL. */
extern const struct pxi_files_ops pxi_disk_ops;

void pxi_disk_close(struct pxi_file *file);
/* For this process alone, until it closes the file or ends. PX_ERR_PERMISSION: another has it. */
px_err pxi_disk_lock(struct pxi_file *file);
uint64_t pxi_disk_bytes(struct pxi_file *file);
px_err pxi_disk_read(struct pxi_file *file, uint64_t at, void *to, size_t n);
px_err pxi_disk_write(struct pxi_file *file, uint64_t at, px_view v);
px_err pxi_disk_gather(struct pxi_file *file, uint64_t at, const px_view *pieces, unsigned n);
px_err pxi_disk_reserve(struct pxi_file *file, uint64_t bytes);
px_err pxi_disk_resize(struct pxi_file *file, uint64_t bytes);
px_err pxi_disk_sync(struct pxi_file *file);
void pxi_disk_ahead(struct pxi_file *file, uint64_t at, uint64_t n);

#endif
