/* Gradient kernels for AVX-512: those of src/kernel/lanes. Adding packed values waits for loads and
 * stores, not for lanes: it stays that of AVX2; and the sums of tags take groups of 256 bits. */
#include "kernel/x86/ints_avx512.h"

#include "kernel/lanes/gradient.h"
#include "kernel/x86/tag256.h"

void pxi_avx512_gradient(struct pxi_kernels *k)
{
    fill_gradient(k);
    k->tag_nh = tag_nh;
}
