/* Fills the table of kernels for a CPU mask: the scalar versions first, then each better set. */
#include "kernel/sets.h"

void pxi_kernels_init(struct pxi_kernels *k, uint32_t mask)
{
    *k = (struct pxi_kernels){0};
    pxi_scalar_quant(k);
    pxi_scalar_float(k);
#if defined(__x86_64__)
    if (mask & PXI_CPU_AVX2) {
        pxi_avx2_quant(k);
        pxi_avx2_float(k);
    }
    if (mask & PXI_CPU_AVX512) {
        pxi_avx512_quant(k);
        pxi_avx512_float(k);
    }
    if (mask & PXI_CPU_AVX512_VNNI)
        pxi_avx512vnni_quant(k);
#elif defined(__aarch64__)
    if (mask & PXI_CPU_NEON) {
        pxi_neon_quant(k);
        pxi_neon_float(k);
    }
#endif
}

size_t pxi_matmul_scratch(size_t k)
{
    return (k + 256) * 64;
}
