/* Float kernels for avx512. */
#include "kernel/sets.h"

void pxi_avx512_float(struct pxi_kernels *k) { (void)k; }
