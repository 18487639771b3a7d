/* Gradient kernels for AVX-512: those of src/kernel/lanes but the sums, which AVX2 adds as fast. */
#include "kernel/x86/ints_avx512.h"

#include "kernel/lanes/gradient.h"

void pxi_avx512_gradient(struct pxi_kernels *k)
{
    fill_gradient(k);
}
