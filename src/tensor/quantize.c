/* The types with blocks of 32, the float types, and the choice among all types. */
#include "tensor/quantize.h"

#include <string.h>

#include "kernel/half.h"
#include "plexus/tensor.h"
#include "tensor/quantize_fit.h"

static float inverse(float d)
{
    return d != 0 ? 1 / d : 0;
}

static void block_q8_0(uint8_t *dst, const float *x)
{
    float peak = pxi_fit_peak(x, 32);
    float d = pxi_fit_store_half(dst, (peak < 0 ? -peak : peak) / 127);
    pxi_fit_round((int8_t *)dst + 2, x, 32, inverse(d), 0, -127, 127);
}

/* Low nibbles of q to dst: element i low, i + 16 high. */
static void pack_nibbles(uint8_t *dst, const int8_t q[32])
{
    for (int i = 0; i < 16; i++)
        dst[i] = (uint8_t)((q[i] & 15) | (q[i + 16] & 15) << 4);
}

/* Bit 4 of every q to the four bytes at dst. */
static void pack_fifth_bits(uint8_t *dst, const int8_t q[32])
{
    memset(dst, 0, 4);
    for (int i = 0; i < 32; i++)
        dst[i / 8] |= (uint8_t)((q[i] >> 4 & 1) << i % 8);
}

/* Symmetric: the value of largest magnitude goes to the end of the range that has one more code.
 * Returns codes moved to 0..2 * half - 1. */
static void symmetric(uint8_t *scale, int8_t q[32], const float *x, int half)
{
    float d = pxi_fit_store_half(scale, pxi_fit_peak(x, 32) / (float)-half);
    pxi_fit_round(q, x, 32, inverse(d), (float)half, 0, 2 * half - 1);
}

/* From the smallest value to the largest in `steps` steps; d and the smallest value at dst. */
static void spread(uint8_t *dst, int8_t q[32], const float *x, int steps)
{
    float low = x[0], high = x[0];
    for (int i = 1; i < 32; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    float m = pxi_fit_store_half(dst + 2, low);
    float d = pxi_fit_store_half(dst, (high - m) / (float)steps);
    pxi_fit_round(q, x, 32, inverse(d), -m * inverse(d), 0, steps);
}

static void block_q4_0(uint8_t *dst, const float *x)
{
    int8_t q[32];
    symmetric(dst, q, x, 8);
    pack_nibbles(dst + 2, q);
}

static void block_q5_0(uint8_t *dst, const float *x)
{
    int8_t q[32];
    symmetric(dst, q, x, 16);
    pack_fifth_bits(dst + 2, q);
    pack_nibbles(dst + 6, q);
}

static void block_q4_1(uint8_t *dst, const float *x)
{
    int8_t q[32];
    spread(dst, q, x, 15);
    pack_nibbles(dst + 4, q);
}

static void block_q5_1(uint8_t *dst, const float *x)
{
    int8_t q[32];
    spread(dst, q, x, 31);
    pack_fifth_bits(dst + 4, q);
    pack_nibbles(dst + 8, q);
}

static void block_f32(uint8_t *dst, const float *x)
{
    memcpy(dst, x, 4);
}

static void block_f16(uint8_t *dst, const float *x)
{
    uint16_t h = pxi_f16_of_f32(*x);
    memcpy(dst, &h, 2);
}

/* Round to nearest even; a NaN stays one. */
static void block_bf16(uint8_t *dst, const float *x)
{
    uint32_t u = pxi_bits_of_f32(*x);
    u = (u & 0x7fffffff) > 0x7f800000 ? u | 0x400000 : u + 0x7fff + (u >> 16 & 1);
    uint16_t h = (uint16_t)(u >> 16);
    memcpy(dst, &h, 2);
}

typedef void block_fn(uint8_t *dst, const float *x);

static block_fn *const table[PX_DTYPE_LIMIT] = {
    [PX_DTYPE_F32] = block_f32,          [PX_DTYPE_F16] = block_f16,
    [PX_DTYPE_BF16] = block_bf16,        [PX_DTYPE_Q4_0] = block_q4_0,
    [PX_DTYPE_Q4_1] = block_q4_1,        [PX_DTYPE_Q5_0] = block_q5_0,
    [PX_DTYPE_Q5_1] = block_q5_1,        [PX_DTYPE_Q8_0] = block_q8_0,
    [PX_DTYPE_Q2_K] = pxi_quantize_q2_k, [PX_DTYPE_Q3_K] = pxi_quantize_q3_k,
    [PX_DTYPE_Q4_K] = pxi_quantize_q4_k, [PX_DTYPE_Q5_K] = pxi_quantize_q5_k,
    [PX_DTYPE_Q6_K] = pxi_quantize_q6_k,
};

bool pxi_quantize_row(uint32_t type, void *dst, const float *src, size_t n)
{
    uint32_t block = px_dtype_block(type), bytes = px_dtype_block_bytes(type);
    uint8_t *out = dst;
    if (!block || !table[type] || n % block)
        return false;
    for (size_t i = 0; i < n; i += block, out += bytes)
        table[type](out, src + i);
    return true;
}
