/* What the processor offers and which kernels were chosen. */
#ifndef PLEXUS_KERNELS_H
#define PLEXUS_KERNELS_H

#include "plexus/err.h"

PX_BEGIN_DECLS

typedef struct px_kernel_row {
    const char *kernel; /* e.g. "matmul.q4_0" */
    const char *isa;    /* instruction set of the chosen version, e.g. "avx512vnni" */
} px_kernel_row;

/* Instruction sets of the running processor that plexus knows, e.g. "scalar avx2 avx512".
 * Writes a NUL-terminated list to out. */
PX_API void px_cpu_describe(char *out, size_t cap);

/* i-th kernel under mask `cpu` (NULL = PLEXUS_CPU, then auto); PX_ERR_NOT_FOUND past the end,
 * PX_ERR_INVALID for an unknown mask or one the processor lacks. */
PX_API px_err px_kernel_at(const char *cpu, unsigned i, px_kernel_row *out);

PX_END_DECLS

#endif
