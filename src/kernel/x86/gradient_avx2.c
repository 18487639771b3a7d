/* Gradient kernels for AVX2: those of src/kernel/lanes. */
#include "kernel/x86/ints_avx2.h"

#include "kernel/lanes/gradient.h"

void pxi_avx2_gradient(struct pxi_kernels *k)
{
    fill_gradient(k);
}
