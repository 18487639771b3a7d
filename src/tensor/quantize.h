/*
 * Rows of f32 to the packed types of GGUF. Pure and deterministic: the same row gives the same
 * bytes on every machine.
 */
#ifndef PXI_TENSOR_QUANTIZE_H
#define PXI_TENSOR_QUANTIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Pack n floats as GGUF type `type` (F32, F16, BF16, Q4_0 to Q8_0, Q2_K to Q6_K) into
 * px_dtype_row_bytes(type, n) bytes at dst. false for another type, or when n is no multiple of
 * the block. Values too large for the f16 scales saturate.
 */
bool pxi_quantize_row(uint32_t type, void *dst, const float *src, size_t n);

/* One super-block of 256 floats as Q2_K, Q3_K, Q4_K, Q5_K or Q6_K. */
void pxi_quantize_q2_k(uint8_t *dst, const float *x);
void pxi_quantize_q3_k(uint8_t *dst, const float *x);
void pxi_quantize_q4_k(uint8_t *dst, const float *x);
void pxi_quantize_q5_k(uint8_t *dst, const float *x);
void pxi_quantize_q6_k(uint8_t *dst, const float *x);

#endif
