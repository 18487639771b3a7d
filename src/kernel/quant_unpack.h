/*
 * The block types of 32 and 256 elements as small integers and f32 scales: one unpack function a
 * type. The scalar products and dequantisers are built on them, and the vector sets that have no
 * unpacking of their own; each compiles them with its own instructions.
 */
#ifndef PXI_KERNEL_QUANT_UNPACK_H
#define PXI_KERNEL_QUANT_UNPACK_H

#include "kernel/quant.h"

#if defined(__SSSE3__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* One block of 32 elements: value = dw[h] * q - mw[h], h the half, or 0 when the type has no
 * halves. */
struct pxi_block {
    int8_t q[32];
    float dw[2], mw[2];
};

typedef void pxi_unpack_fn(struct pxi_block *restrict b, const uint8_t *restrict p);

/* Compilers take loops of 16 apart before they see vectors in them; those of 32 they turn well. */
typedef uint8_t pxi_bytes16 __attribute__((vector_size(16)));
typedef uint64_t pxi_words2 __attribute__((vector_size(16)));

/* 16 bytes of nibbles, less `by`: the low ones, then the high ones. */
static inline void pxi_nibbles(int8_t q[restrict 32], const uint8_t *restrict p, uint8_t by)
{
    pxi_bytes16 v, low, high;
    memcpy(&v, p, 16);
    low = (v & 15) - by;
    high = (v >> 4) - by;
    memcpy(q, &low, 16);
    memcpy(q + 16, &high, 16);
}

/* Nibbles at qs with a fifth bit each at qh, less `by`. */
static inline void pxi_nibbles5(int8_t q[restrict 32], const uint8_t *restrict qh,
                                const uint8_t *restrict qs, uint8_t by)
{
    const pxi_bytes16 bit = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    pxi_bytes16 v, high;
    memcpy(&v, qs, 16);
    for (int h = 0; h < 2; h++) {
        pxi_words2 each = {qh[2 * h] * 0x0101010101010101u, qh[2 * h + 1] * 0x0101010101010101u};
        high = (pxi_bytes16)(each);
        high = (pxi_bytes16)((high & bit) == bit) & 16;
        high = ((h ? v >> 4 : v & 15) | high) - by;
        memcpy(q + 16 * h, &high, 16);
    }
}

static inline void pxi_unpack_q4_0(struct pxi_block *restrict b, const uint8_t *restrict p)
{
    b->dw[0] = pxi_load_half(p);
    pxi_nibbles(b->q, p + 2, 8);
}

static inline void pxi_unpack_q4_1(struct pxi_block *restrict b, const uint8_t *restrict p)
{
    b->dw[0] = pxi_load_half(p);
    b->mw[0] = -pxi_load_half(p + 2);
    pxi_nibbles(b->q, p + 4, 0);
}

static inline void pxi_unpack_q5_0(struct pxi_block *restrict b, const uint8_t *restrict p)
{
    b->dw[0] = pxi_load_half(p);
    pxi_nibbles5(b->q, p + 2, p + 6, 16);
}

static inline void pxi_unpack_q5_1(struct pxi_block *restrict b, const uint8_t *restrict p)
{
    b->dw[0] = pxi_load_half(p);
    b->mw[0] = -pxi_load_half(p + 2);
    pxi_nibbles5(b->q, p + 4, p + 8, 0);
}

static inline void pxi_unpack_q8_0(struct pxi_block *restrict b, const uint8_t *restrict p)
{
    b->dw[0] = pxi_load_half(p);
    memcpy(b->q, p + 2, 32);
}

static inline void pxi_unpack_q2_k(struct pxi_block *restrict b, const uint8_t *restrict p)
{
    float d = pxi_load_half(p + 80), dmin = pxi_load_half(p + 82);
    for (int j = 0; j < 8; j++) {
        const uint8_t *qs = p + 16 + j / 4 * 32;
        for (int i = 0; i < 32; i++)
            b[j].q[i] = (int8_t)(qs[i] >> (j % 4 * 2) & 3);
        for (int h = 0; h < 2; h++) {
            b[j].dw[h] = d * (float)(p[2 * j + h] & 15);
            b[j].mw[h] = dmin * (float)(p[2 * j + h] >> 4);
        }
    }
}

static inline void pxi_unpack_q3_k(struct pxi_block *restrict b, const uint8_t *restrict p)
{
    float d = pxi_load_half(p + 108);
    for (int j = 0; j < 8; j++) {
        const uint8_t *qs = p + 32 + j / 4 * 32;
        for (int i = 0; i < 32; i++)
            b[j].q[i] = (int8_t)((qs[i] >> (j % 4 * 2) & 3) + (p[i] >> j & 1) * 4 - 4);
        for (int h = 0; h < 2; h++)
            b[j].dw[h] = d * (float)pxi_k3_scale(p + 96, 2 * j + h);
    }
}

/* Scales and mins of Q4_K and Q5_K, whose first 16 bytes are alike. */
static inline void pxi_unpack_k4_scales(struct pxi_block *restrict b, const uint8_t *restrict p)
{
    float d = pxi_load_half(p), dmin = pxi_load_half(p + 2);
    for (int j = 0; j < 8; j++) {
        int scale, min;
        pxi_k4_scale_min(p + 4, j, &scale, &min);
        b[j].dw[0] = d * (float)scale;
        b[j].mw[0] = dmin * (float)min;
    }
}

static inline void pxi_unpack_q4_k(struct pxi_block *restrict b, const uint8_t *restrict p)
{
    pxi_unpack_k4_scales(b, p);
    for (int j = 0; j < 8; j++)
        for (int i = 0; i < 32; i++)
            b[j].q[i] = (int8_t)(p[16 + j / 2 * 32 + i] >> (j % 2 * 4) & 15);
}

static inline void pxi_unpack_q5_k(struct pxi_block *restrict b, const uint8_t *restrict p)
{
    const uint8_t *qh = p + 16, *qs = p + 48;
    pxi_unpack_k4_scales(b, p);
    for (int j = 0; j < 8; j += 2, qs += 32) {
        uint8_t low = (uint8_t)(1 << j), high = (uint8_t)(2 << j);
        for (int i = 0; i < 32; i++) {
            b[j].q[i] = (int8_t)((qs[i] & 15) | (qh[i] & low ? 16 : 0));
            b[j + 1].q[i] = (int8_t)(qs[i] >> 4 | (qh[i] & high ? 16 : 0));
        }
    }
}

static inline void pxi_unpack_q6_k(struct pxi_block *restrict b, const uint8_t *restrict p)
{
    float d = pxi_load_half(p + 208);
    for (int n = 0; n < 2; n++) {
        const uint8_t *ql = p + n * 64, *qh = p + 128 + n * 32;
        struct pxi_block *to = b + 4 * n;
        for (int i = 0; i < 32; i++) {
            to[0].q[i] = (int8_t)(((ql[i] & 15) | (qh[i] & 3) << 4) - 32);
            to[1].q[i] = (int8_t)(((ql[i + 32] & 15) | (qh[i] >> 2 & 3) << 4) - 32);
            to[2].q[i] = (int8_t)((ql[i] >> 4 | (qh[i] >> 4 & 3) << 4) - 32);
            to[3].q[i] = (int8_t)((ql[i + 32] >> 4 | qh[i] >> 6 << 4) - 32);
        }
    }
    for (int h = 0; h < 16; h++)
        b[h / 2].dw[h % 2] = d * (float)(int8_t)p[192 + h];
}

static inline void pxi_unpack_codes(int8_t q[restrict 32], const uint8_t *restrict qs,
                                    const int8_t codes[16])
{
    pxi_nibbles(q, qs, 0);
    for (int i = 0; i < 32; i += 16) {
#if defined(__SSSE3__)
        __m128i at = _mm_loadu_si128((const void *)(q + i));
        at = _mm_shuffle_epi8(_mm_loadu_si128((const void *)codes), at);
        _mm_storeu_si128((void *)(q + i), at);
#elif defined(__aarch64__)
        vst1q_s8(q + i, vqtbl1q_s8(vld1q_s8(codes), vreinterpretq_u8_s8(vld1q_s8(q + i))));
#else
        for (int j = i; j < i + 16; j++)
            q[j] = codes[q[j]];
#endif
    }
}

static inline void pxi_unpack_iq4_nl(struct pxi_block *restrict b, const uint8_t *restrict p)
{
    static const int8_t codes[16] = {PXI_IQ4_NL_CODES};
    b->dw[0] = pxi_load_half(p);
    pxi_unpack_codes(b->q, p + 2, codes);
}

static inline void pxi_unpack_mxfp4(struct pxi_block *restrict b, const uint8_t *restrict p)
{
    static const int8_t codes[16] = {PXI_MXFP4_CODES};
    b->dw[0] = pxi_e8m0_half(p[0]);
    pxi_unpack_codes(b->q, p + 1, codes);
}

#endif
