/* Float kernels for AVX2 with FMA and F16C: those of src/kernel/lanes. */
#include "kernel/x86/lanes_avx2.h"

#include "kernel/lanes/attention.h"
#include "kernel/lanes/matmul.h"
#include "kernel/lanes/vector.h"

void pxi_avx2_float_matmul(struct pxi_kernels *k)
{
    fill_matmul(k);
}
void pxi_avx2_float_vector(struct pxi_kernels *k)
{
    fill_vector(k);
}
void pxi_avx2_float_attention(struct pxi_kernels *k)
{
    fill_attention(k);
}
