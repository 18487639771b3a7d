/* Quantised products for AVX-512 with VNNI. */
#include "kernel/sets.h"

void pxi_avx512vnni_quant(struct pxi_kernels *k) { (void)k; }
