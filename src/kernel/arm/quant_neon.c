/* Quantised products and the activation quantiser for AArch64. */
#include "kernel/arm/quant_neon.h"

void pxi_neon_quant(struct pxi_kernels *k)
{
    fill_quant(k);
}
