/* Float kernels for AArch64. */
#include "kernel/sets.h"

void pxi_neon_float(struct pxi_kernels *k) { (void)k; }
