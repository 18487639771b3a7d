/* Validation of files, one call for every format that the library parses. */
#ifndef PLEXUS_CHECK_H
#define PLEXUS_CHECK_H

#include "plexus/err.h"
#include "plexus/view.h"

PX_BEGIN_DECLS

/* Name of the i-th format ("gguf", "gguf-model", "json", "jsonl", ...), NULL past the end. */
PX_API const char *px_check_format(unsigned i);

/* Parse `bytes` as `format` and throw the result away. PX_ERR_INVALID: unknown format. */
PX_API PX_NODISCARD px_err px_check(const char *format, px_view bytes, px_diag *diag);

PX_END_DECLS

#endif
