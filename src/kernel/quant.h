/*
 * Quantised weights: the byte layouts of the GGUF block types, and the small decoders of their
 * scales that every instruction set shares. Internal to src/kernel.
 *
 * Seen by a product, each type is a sequence of blocks of 32 elements. A block has small integers,
 * one f32 scale (or two, one a half), and for some types as many mins:
 *     value = dw * q - mw
 * docs/formats/gguf.md draws the layouts.
 */
#ifndef PXI_KERNEL_QUANT_H
#define PXI_KERNEL_QUANT_H

#include <stdint.h>
#include <string.h>

#if defined(__F16C__)
#include <immintrin.h>
#endif

/* What the scales of a type look like: flags of pxi_qfmt. */
enum pxi_qflag {
    PXI_Q_HALVES = 1, /* 16-element scales (and mins), two a block, else one */
    PXI_Q_MINS = 2,   /* has mins */
};

/* The longest super-block is 256 elements: 8 blocks of 32. */
#define PXI_Q_SUPER 8

/* Bytes of scratch that a product needs whatever k is: unpacked weights and copied activations that
 * stay in the caches of one core. */
#define PXI_QUANT_SCRATCH (480 * 1024)

/* Row: name, GGUF id, blocks of 32 in a stored block, bytes of a stored block, flags. */
#define PXI_QTYPE_TABLE(X)                                                                         \
    X(q4_0, 2, 1, 18, 0)                                                                           \
    X(q4_1, 3, 1, 20, PXI_Q_MINS)                                                                  \
    X(q5_0, 6, 1, 22, 0)                                                                           \
    X(q5_1, 7, 1, 24, PXI_Q_MINS)                                                                  \
    X(q8_0, 8, 1, 34, 0)                                                                           \
    X(q2_k, 10, 8, 84, PXI_Q_MINS | PXI_Q_HALVES)                                                  \
    X(q3_k, 11, 8, 110, PXI_Q_HALVES)                                                              \
    X(q4_k, 12, 8, 144, PXI_Q_MINS)                                                                \
    X(q5_k, 13, 8, 176, PXI_Q_MINS)                                                                \
    X(q6_k, 14, 8, 210, PXI_Q_HALVES)                                                              \
    X(iq4_nl, 20, 1, 18, 0)                                                                        \
    X(mxfp4, 39, 1, 17, 0)

/* Values of the 16 codes of IQ4_NL. */
#define PXI_IQ4_NL_CODES -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113

/* Values of the 16 codes of MXFP4 (E2M1), doubled so that they are integers. */
#define PXI_MXFP4_CODES 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12

/* Activation blocks below this are all zero: 127 / amax must stay finite. */
#define PXI_ACT_TINY 0x1p-100f

static inline float pxi_bits_f32(uint32_t u)
{
    float f;
    memcpy(&f, &u, 4);
    return f;
}

/* f16 -> f32, exact for every input (a NaN stays one). */
static inline float pxi_half_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, body = (uint32_t)(h & 0x7fff) << 13;
    uint32_t u;
    float f;
    if (body >= 0x0f800000u)
        return pxi_bits_f32(sign | 0x70000000u | body);
    f = pxi_bits_f32(body) * 0x1p112f; /* moves the exponent; denormals come out right */
    memcpy(&u, &f, 4);
    return pxi_bits_f32(sign | u);
}

/* The two bytes at p as f16. */
static inline float pxi_load_half(const uint8_t *p)
{
    uint16_t h = (uint16_t)(p[0] | p[1] << 8);
#if defined(__F16C__)
    return _cvtsh_ss(h);
#else
    return pxi_half_f32(h);
#endif
}

/* Half of 2^(e - 127): the scale of a doubled MXFP4 code. */
static inline float pxi_e8m0_half(uint8_t e)
{
    return pxi_bits_f32(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23);
}

/* Scale and min (6 bits each) number j of the 8 in the 12 bytes at p of Q4_K and Q5_K. */
static inline void pxi_k4_scale_min(const uint8_t *p, int j, int *scale, int *min)
{
    *scale = j < 4 ? p[j] & 63 : (p[j + 4] & 15) | (p[j - 4] >> 6) << 4;
    *min = j < 4 ? p[j + 4] & 63 : p[j + 4] >> 4 | (p[j] >> 6) << 4;
}

/* Scale number j of the 16 in the 12 bytes at p of Q3_K, -32..31. */
static inline int pxi_k3_scale(const uint8_t *p, int j)
{
    int low = j < 8 ? p[j] & 15 : p[j - 8] >> 4;
    return (low | (p[8 + j % 4] >> (2 * (j / 4)) & 3) << 4) - 32;
}

#endif
