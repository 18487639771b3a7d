/* Float kernels for avx2. */
#include "kernel/sets.h"

void pxi_avx2_float(struct pxi_kernels *k) { (void)k; }
