/* Fills the table of kernels for a CPU mask: the scalar versions first, then each better set. */
#include "base/math.h"
#include "kernel/float.h"
#include "kernel/quant.h"
#include "kernel/sets.h"

struct set {
    uint32_t cpu;
    pxi_set_fn *fill;
};

static const struct set sets[] = {
    {PXI_CPU_SCALAR, pxi_scalar_quant},
    {PXI_CPU_SCALAR, pxi_scalar_float_matmul},
    {PXI_CPU_SCALAR, pxi_scalar_float_vector},
    {PXI_CPU_SCALAR, pxi_scalar_float_attention},
    {PXI_CPU_SCALAR, pxi_scalar_gradient},
    {PXI_CPU_SCALAR, pxi_scalar_crc},
#if defined(__x86_64__)
    {PXI_CPU_AVX2, pxi_avx2_quant},
    {PXI_CPU_AVX2, pxi_avx2_float_matmul},
    {PXI_CPU_AVX2, pxi_avx2_float_vector},
    {PXI_CPU_AVX2, pxi_avx2_float_attention},
    {PXI_CPU_AVX2, pxi_avx2_gradient},
    {PXI_CPU_AVX2, pxi_avx2_crc},
    {PXI_CPU_CLMUL, pxi_clmul_crc},
    {PXI_CPU_VCLMUL, pxi_vclmul_crc},
    {PXI_CPU_AVX512, pxi_avx512_quant},
    {PXI_CPU_AVX512, pxi_avx512_float_matmul},
    {PXI_CPU_AVX512, pxi_avx512_float_vector},
    {PXI_CPU_AVX512, pxi_avx512_float_attention},
    {PXI_CPU_AVX512, pxi_avx512_gradient},
    {PXI_CPU_AVX512, pxi_avx512_tokens},
    {PXI_CPU_AVX512 | PXI_CPU_VCLMUL, pxi_avx512_crc},
    {PXI_CPU_AVX512_VNNI, pxi_avx512vnni_quant},
    {PXI_CPU_AVX512_BF16, pxi_bf16_float_matmul}, /* other bits: a mask has it by name only */
#elif defined(__aarch64__)
    {PXI_CPU_NEON, pxi_neon_quant},
    {PXI_CPU_DOTPROD, pxi_dotprod_quant},
    {PXI_CPU_NEON, pxi_neon_float_matmul},
    {PXI_CPU_NEON, pxi_neon_float_vector},
    {PXI_CPU_NEON, pxi_neon_float_attention},
    {PXI_CPU_NEON, pxi_neon_gradient},
    {PXI_CPU_NEON, pxi_neon_crc},
    {PXI_CPU_PMULL, pxi_pmull_crc},
#endif
};

void pxi_kernels_init(struct pxi_kernels *k, uint32_t mask)
{
    *k = (struct pxi_kernels){0};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (sets[i].cpu == PXI_CPU_SCALAR || (mask & sets[i].cpu) == sets[i].cpu)
            sets[i].fill(k);
}

size_t pxi_matmul_scratch(size_t k)
{
    size_t floats = pxi_max(pxi_float_scratch(k), pxi_bf16_scratch(k));
    return pxi_max(floats * sizeof(float), PXI_QUANT_SCRATCH);
}
