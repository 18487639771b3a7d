/* How much memory this machine can give: what is free, and what only caches files. */
#ifndef PXI_IO_MEMORY_H
#define PXI_IO_MEMORY_H

#include <stdint.h>

/* Bytes; 0 when it cannot be told. */
uint64_t pxi_memory_available(void);

#endif
