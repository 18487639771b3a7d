/* Helpers with which parsers fill a px_diag. All accept a NULL diagnosis. */
#ifndef PXI_BASE_DIAG_H
#define PXI_BASE_DIAG_H

#include <stddef.h>

#include "plexus/err.h"

/* Copy n bytes to out (cap bytes, always terminated), escaping what a terminal could act on. */
void pxi_escape(char *out, size_t cap, const void *bytes, size_t n);

/* Name the field being read; the name stays until the next call. */
__attribute__((format(printf, 2, 3))) void pxi_diag_field(px_diag *d, const char *fmt, ...);

/* Record offset, expectation and finding; returns err, so that parsers can `return` it. */
__attribute__((format(printf, 5, 6))) px_err pxi_diag_set(px_diag *d, px_err err, uint64_t offset,
                                                          const char *expected,
                                                          const char *found_fmt, ...);

#endif
