/*
 * Unpacks 16 rows of a block type into panels (quant_tile512.h): 16-byte pieces of the rows are
 * gathered into lanes, transposed as four-byte elements, and only then split into small integers.
 */
#ifndef PXI_KERNEL_QUANT_UNPACK512_H
#define PXI_KERNEL_QUANT_UNPACK512_H

#include "kernel/x86/quant_tile512.h"

/* What unpack functions write to: group 0 or 1 of the first block. */
struct pxi_rows {
    const uint8_t *p; /* row 0 of 16 */
    size_t stride;
    __m512i offsets; /* lane * stride */
};

PXI_INLINE __m512i pxi_lanes4(const uint8_t *p, size_t stride)
{
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const void *)p));
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const void *)(p + 4 * stride)), 1);
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const void *)(p + 8 * stride)), 2);
    return _mm512_inserti32x4(v, _mm_loadu_si128((const void *)(p + 12 * stride)), 3);
}

/* v[j] = bytes 4j..4j+3 of the 16 bytes at `at` of each row. */
PXI_INLINE void pxi_transpose16(__m512i v[4], const struct pxi_rows *r, size_t at)
{
    const uint8_t *p = r->p + at;
    __m512i a = pxi_lanes4(p, r->stride), b = pxi_lanes4(p + r->stride, r->stride);
    __m512i c = pxi_lanes4(p + 2 * r->stride, r->stride);
    __m512i d = pxi_lanes4(p + 3 * r->stride, r->stride);
    __m512i ab = _mm512_unpacklo_epi32(a, b), cd = _mm512_unpacklo_epi32(c, d);
    v[0] = _mm512_unpacklo_epi64(ab, cd);
    v[1] = _mm512_unpackhi_epi64(ab, cd);
    ab = _mm512_unpackhi_epi32(a, b);
    cd = _mm512_unpackhi_epi32(c, d);
    v[2] = _mm512_unpacklo_epi64(ab, cd);
    v[3] = _mm512_unpackhi_epi64(ab, cd);
}

/* The four bytes at `at` of each row. */
PXI_INLINE __m512i pxi_gather(const struct pxi_rows *r, size_t at)
{
    return _mm512_i32gather_epi32(r->offsets, (const void *)(r->p + at), 1);
}

/* Low and high f16 of each lane as f32. */
PXI_INLINE __m512 pxi_low_half(__m512i v)
{
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v));
}
PXI_INLINE __m512 pxi_high_half(__m512i v)
{
    return pxi_low_half(_mm512_srli_epi32(v, 16));
}

PXI_INLINE __m512i pxi_low4(__m512i v)
{
    return _mm512_and_si512(v, _mm512_set1_epi8(15));
}
PXI_INLINE __m512i pxi_high4(__m512i v)
{
    return pxi_low4(_mm512_srli_epi16(v, 4));
}

/* The 32 nibbles of a block at `at`: low ones first. */
PXI_INLINE void pxi_nibbles(uint8_t *w, const struct pxi_rows *r, size_t at)
{
    __m512i v[4];
    pxi_transpose16(v, r, at);
    PXI_UNROLL
    for (int j = 0; j < 4; j++) {
        _mm512_store_si512(w + 64 * j, pxi_low4(v[j]));
        _mm512_store_si512(w + 64 * (j + 4), pxi_high4(v[j]));
    }
}

/* Each unpack_ function writes one stored block (1 or 8 blocks of 32) at w. */
PXI_INLINE void unpack_q4_0(uint8_t *w, const struct pxi_rows *r)
{
    pxi_nibbles(w, r, 2);
    _mm512_store_ps(w + 512, pxi_low_half(pxi_gather(r, 0)));
}

PXI_INLINE void unpack_q8_0(uint8_t *w, const struct pxi_rows *r)
{
    __m512i v[8], sign = _mm512_set1_epi8(-128);
    pxi_transpose16(v, r, 2);
    pxi_transpose16(v + 4, r, 18);
    PXI_UNROLL
    for (int j = 0; j < 8; j++)
        _mm512_store_si512(w + 64 * j, _mm512_xor_si512(v[j], sign));
    _mm512_store_ps(w + 512, pxi_low_half(pxi_gather(r, 0)));
}

/* Byte i of the result: 6-bit scale of block i or i + 4, from the three words of Q4_K's 12 bytes.
 */
struct pxi_k4 {
    __m512i scale[2], min[2];
};

PXI_INLINE struct pxi_k4 pxi_k4_scales(__m512i s0, __m512i s1, __m512i s2)
{
    const __m512i six = _mm512_set1_epi8(63), two = _mm512_set1_epi8(48);
    struct pxi_k4 k;
    k.scale[0] = _mm512_and_si512(s0, six);
    k.min[0] = _mm512_and_si512(s1, six);
    k.scale[1] = _mm512_or_si512(pxi_low4(s2), _mm512_and_si512(_mm512_srli_epi16(s0, 2), two));
    k.min[1] = _mm512_or_si512(pxi_high4(s2), _mm512_and_si512(_mm512_srli_epi16(s1, 2), two));
    return k;
}

/* Byte i of each lane, unsigned, as f32. */
PXI_INLINE __m512 pxi_byte_f32(__m512i v, int i)
{
    v = _mm512_and_si512(_mm512_srli_epi32(v, (unsigned)(8 * i)), _mm512_set1_epi32(255));
    return _mm512_cvtepi32_ps(v);
}

PXI_INLINE void pxi_k4_header(uint8_t *w, const struct pxi_rows *r)
{
    const size_t block = PXI_BLOCK_BYTES(PXI_Q_MINS);
    __m512i v[4];
    pxi_transpose16(v, r, 0);
    __m512 d = pxi_low_half(v[0]), dmin = pxi_high_half(v[0]);
    struct pxi_k4 k = pxi_k4_scales(v[1], v[2], v[3]);
    PXI_UNROLL
    for (int j = 0; j < 8; j++) {
        float *to = (float *)(void *)(w + (size_t)j * block + 512);
        _mm512_store_ps(to, _mm512_mul_ps(d, pxi_byte_f32(k.scale[j / 4], j % 4)));
        _mm512_store_ps(to + 16, _mm512_mul_ps(dmin, pxi_byte_f32(k.min[j / 4], j % 4)));
    }
}

PXI_INLINE void unpack_q4_k(uint8_t *w, const struct pxi_rows *r)
{
    const size_t block = PXI_BLOCK_BYTES(PXI_Q_MINS);
    pxi_k4_header(w, r);
    for (size_t j = 0; j < 8; j++) { /* 16 bytes: half of block j & ~1 and of the one after it */
        uint8_t *to = w + (j & ~(size_t)1) * block + j % 2 * 256;
        __m512i v[4];
        pxi_transpose16(v, r, 16 + 16 * j);
        PXI_UNROLL
        for (int i = 0; i < 4; i++) {
            _mm512_store_si512(to + 64 * i, pxi_low4(v[i]));
            _mm512_store_si512(to + block + 64 * i, pxi_high4(v[i]));
        }
    }
}

/* Sixteen elements of Q6_K: four vectors of nibbles, and bits `shift` of the high bits. */
PXI_INLINE void pxi_six(uint8_t *w, const __m512i low[4], const __m512i high[4], int shift)
{
    const __m512i two = _mm512_set1_epi8(48);
    PXI_UNROLL
    for (int i = 0; i < 4; i++) {
        __m512i h = shift < 4 ? _mm512_slli_epi16(high[i], (unsigned)(4 - shift))
                              : _mm512_srli_epi16(high[i], (unsigned)(shift - 4));
        _mm512_store_si512(w + 64 * i, _mm512_or_si512(low[i], _mm512_and_si512(h, two)));
    }
}

PXI_INLINE void unpack_q6_k(uint8_t *w, const struct pxi_rows *r)
{
    const size_t block = PXI_BLOCK_BYTES(PXI_Q_HALVES);
    __m512i v[4], high[4], low[4];
    for (size_t j = 0; j < 4; j++) { /* j: which half of 128, and which half of a block */
        uint8_t *to = w + j / 2 * 4 * block + j % 2 * 256;
        pxi_transpose16(high, r, 128 + 16 * j);
        for (size_t i = 0; i < 2; i++) {
            pxi_transpose16(v, r, j / 2 * 64 + i * 32 + j % 2 * 16);
            for (int e = 0; e < 4; e++)
                low[e] = pxi_low4(v[e]);
            pxi_six(to + i * block, low, high, i ? 2 : 0);
            for (int e = 0; e < 4; e++)
                low[e] = pxi_high4(v[e]);
            pxi_six(to + (i + 2) * block, low, high, i ? 6 : 4);
        }
    }
    __m512 d = pxi_high_half(pxi_gather(r, 206));
    pxi_transpose16(v, r, 192);
    PXI_UNROLL
    for (int j = 0; j < 16; j++) {
        __m512i s = _mm512_slli_epi32(v[j / 4], (unsigned)(24 - 8 * (j % 4)));
        __m512 f = _mm512_cvtepi32_ps(_mm512_srai_epi32(s, 24));
        _mm512_store_ps(w + (size_t)(j / 2) * block + 512 + j % 2 * 64, _mm512_mul_ps(d, f));
    }
}

#endif
