/* Gradient kernels for AArch64: those of src/kernel/lanes. */
#include "kernel/arm/ints_neon.h"

#include "kernel/lanes/gradient.h"

void pxi_neon_gradient(struct pxi_kernels *k)
{
    fill_gradient(k);
}
