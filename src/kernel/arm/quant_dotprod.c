/* The same for AArch64 with sdot. */
#include "kernel/arm/quant_neon.h"

void pxi_dotprod_quant(struct pxi_kernels *k)
{
    fill_quant(k);
}
