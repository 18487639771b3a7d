/* The parts from which kernel.c fills the table; each overwrites the pointers it provides. */
#ifndef PXI_KERNEL_SETS_H
#define PXI_KERNEL_SETS_H

#include "kernel/kernel.h"

void pxi_scalar_quant(struct pxi_kernels *k);
void pxi_scalar_float(struct pxi_kernels *k);
void pxi_avx2_quant(struct pxi_kernels *k);
void pxi_avx2_float(struct pxi_kernels *k);
void pxi_avx512_quant(struct pxi_kernels *k);
void pxi_avx512_float(struct pxi_kernels *k);
void pxi_avx512vnni_quant(struct pxi_kernels *k);
void pxi_neon_quant(struct pxi_kernels *k);
void pxi_neon_float(struct pxi_kernels *k);

#endif
