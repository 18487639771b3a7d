/* A directory as struct pxi_files (base/files.h), with a worker thread where a loop runs. */
#ifndef PXI_IO_FILES_H
#define PXI_IO_FILES_H

#include "base/files.h"
#include "base/timer.h"
#include "io/loop.h"

/*
 * Open a directory, made with mode 0700 when missing, and lock it: PX_ERR_REFUSED when another
 * process holds the lock. With a loop, work runs on a thread of libuv; without one, at once, and
 * `done` comes from `timers` (NULL: from inside). Read-only use takes no lock.
 */
px_err pxi_files_open(const char *root, bool readonly, struct pxi_loop *loop,
                      struct pxi_timers *timers, struct pxi_files **out);
/* No work may be under way: see pxi_files_wait. */
void pxi_files_close(struct pxi_files *f);
/* Run the loop until no work is under way. */
void pxi_files_wait(struct pxi_files *f);

#endif
