/* The parts from which kernel.c fills the table; each overwrites the pointers it provides. */
#ifndef PXI_KERNEL_SETS_H
#define PXI_KERNEL_SETS_H

#include "kernel/kernel.h"

typedef void pxi_set_fn(struct pxi_kernels *k);

/* Products with quantised weights, activation quantiser, dequantisers. */
pxi_set_fn pxi_scalar_quant, pxi_avx2_quant, pxi_avx512_quant, pxi_avx512vnni_quant, pxi_neon_quant,
    pxi_dotprod_quant;

/* Products with F32, F16 and BF16 weights. */
pxi_set_fn pxi_scalar_float_matmul, pxi_avx2_float_matmul, pxi_avx512_float_matmul,
    pxi_neon_float_matmul;

/* The same for F16 and BF16 with other bits: opt-in. */
pxi_set_fn pxi_bf16_float_matmul;

/* Norm, activation, rotation, softmax, f16 conversions. */
pxi_set_fn pxi_scalar_float_vector, pxi_avx2_float_vector, pxi_avx512_float_vector,
    pxi_neon_float_vector;

/* Scores and weighted sums over a KV cache. */
pxi_set_fn pxi_scalar_float_attention, pxi_avx2_float_attention, pxi_avx512_float_attention,
    pxi_neon_float_attention;

/* Gradients as fixed point. */
pxi_set_fn pxi_scalar_gradient, pxi_avx2_gradient, pxi_avx512_gradient, pxi_neon_gradient;

/* CRCs, and token numbers to arrays. */
pxi_set_fn pxi_scalar_crc, pxi_avx2_crc, pxi_clmul_crc, pxi_vclmul_crc, pxi_avx512_crc,
    pxi_neon_crc, pxi_pmull_crc;
pxi_set_fn pxi_avx512_tokens;

#endif
