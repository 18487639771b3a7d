/* Gradient kernels for AVX2: those of src/kernel/lanes, and the sums of tags. */
#include "bpf/tag.h"
#include "kernel/x86/ints_avx2.h"

#include "kernel/lanes/gradient.h"
#include "kernel/lanes/gradient_add.h"
#include "kernel/x86/tag256.h"

void pxi_avx2_gradient(struct pxi_kernels *k)
{
    fill_gradient(k);
    fill_gradient_add(k);
    k->tag_nh = tag_nh;
}
