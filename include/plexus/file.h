/* Mapped files, which are never written, safe against being truncated while they are used. */
#ifndef PLEXUS_FILE_H
#define PLEXUS_FILE_H

#include "plexus/err.h"
#include "plexus/view.h"

PX_BEGIN_DECLS

typedef struct px_file px_file;

/*
 * Map a regular file for reading. Errors: PX_ERR_NOT_FOUND, _PERMISSION, _NOT_A_FILE (directory,
 * device, pipe), _TRUNCATED (empty file), _IO, _NOMEM.
 */
PX_API PX_NODISCARD px_err px_file_open(const char *path, px_file **out, px_diag *diag);
/* The same; the memory may be written, which is this process's own then: the file stays as it is,
 * and what others write to it may or may not be seen. */
PX_API PX_NODISCARD px_err px_file_open_private(const char *path, px_file **out, px_diag *diag);
PX_API void px_file_close(px_file *f);

/* The bytes; valid until close. Reading past an end that moved yields zeros, not a signal, while a
 * guard is installed (see px_file_guard). */
PX_API px_view px_file_bytes(const px_file *f);

/*
 * Programs may install the guard once (the library never installs signal handlers by itself): a
 * SIGBUS inside a mapped file then maps zero pages there and marks the file as changed. Other
 * SIGBUS go to the handler that was there before. Installing it again does nothing.
 */
PX_API px_err px_file_guard(void);

/* 1 when the file was seen to shrink under the map, or its size or time changed since open. */
PX_API int px_file_changed(const px_file *f);

PX_END_DECLS

#endif
