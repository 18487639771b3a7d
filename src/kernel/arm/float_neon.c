/* Float kernels for AArch64: those of src/kernel/lanes. */
#include "kernel/arm/lanes_neon.h"

#include "kernel/lanes/attention.h"
#include "kernel/lanes/matmul.h"
#include "kernel/lanes/vector.h"

void pxi_neon_float_matmul(struct pxi_kernels *k)
{
    fill_matmul(k);
}
void pxi_neon_float_vector(struct pxi_kernels *k)
{
    fill_vector(k);
}
void pxi_neon_float_attention(struct pxi_kernels *k)
{
    fill_attention(k);
}
