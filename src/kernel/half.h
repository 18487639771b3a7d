/* One f16 or bf16 value to f32 and back, by bits: what the scalar kernels and vector tails use. */
#ifndef PXI_KERNEL_HALF_H
#define PXI_KERNEL_HALF_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline float pxi_f32_of_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

static inline uint32_t pxi_bits_of_f32(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, 4);
    return bits;
}

static inline uint16_t pxi_load_u16(const void *p)
{
    uint16_t h;
    memcpy(&h, p, 2);
    return h;
}

static inline float pxi_bf16_to_f32(uint16_t h)
{
    return pxi_f32_of_bits((uint32_t)h << 16);
}

/* Round to nearest even; a NaN stays one and becomes quiet. */
static inline uint16_t pxi_bf16_of_f32(float f)
{
    uint32_t bits = pxi_bits_of_f32(f), up = (bits >> 16 & 1) + 0x7fff;
    bool nan = (bits & 0x7fffffff) > 0x7f800000;
    return (uint16_t)((nan ? bits | 0x400000 : bits + up) >> 16);
}

/* A NaN keeps its sign and payload and becomes quiet, as the hardware conversions do. */
static inline float pxi_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = (h >> 10) & 31, m = h & 0x3ff;
    if (e == 0)
        return pxi_f32_of_bits(sign | pxi_bits_of_f32((float)m * 0x1p-24f));
    if (e == 31)
        return pxi_f32_of_bits(sign | 0x7f800000 | m << 13 | (m ? 0x400000 : 0));
    return pxi_f32_of_bits(sign | (e + 112) << 23 | m << 13);
}

/* Round to nearest even; overflow gives infinity, a NaN stays one and becomes quiet. */
static inline uint16_t pxi_f16_of_f32(float f)
{
    uint32_t bits = pxi_bits_of_f32(f), a = bits & 0x7fffffff, h;
    if (a > 0x7f800000)
        h = 0x7e00 | ((a >> 13) & 0x1ff);
    else if (a >= 0x477ff000)
        h = 0x7c00;
    else if (a >= 0x38800000)
        h = (a + 0xfff + ((a >> 13) & 1) - 0x38000000) >> 13;
    else /* the sum's last place is 2^-24, that of the f16 denormals */
        h = pxi_bits_of_f32(pxi_f32_of_bits(a) + 0.5f) - 0x3f000000;
    return (uint16_t)(bits >> 16 & 0x8000) | (uint16_t)h;
}

#endif
