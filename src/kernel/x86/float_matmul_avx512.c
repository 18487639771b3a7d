/* Matrix products with F32, F16 and BF16 weights for AVX-512: those of src/kernel/lanes. */
#include "kernel/x86/lanes_avx512.h"

#include "kernel/lanes/matmul.h"

void pxi_avx512_float_matmul(struct pxi_kernels *k)
{
    fill_matmul(k);
}
