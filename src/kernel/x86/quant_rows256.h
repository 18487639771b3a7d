/*
 * Products of few tokens for AVX2, a row after the other: memory is read in the order of its
 * addresses, weights go from there straight into the products. A piece is 8 blocks of a row, in the
 * lanes of a vector; each piece_ function gives their scaled sums, which quant_few256.c transposes,
 * so that there lanes are rows.
 *
 * Weights are unsigned by an offset, which the start of the integer sums takes off. Pairs of
 * products are added in 16 bits as long as the largest weight of the type lets them; Q8_0, whose
 * weights take all 8 bits, gives their signs to the activations.
 */
#ifndef PXI_KERNEL_QUANT_ROWS256_H
#define PXI_KERNEL_QUANT_ROWS256_H

#include "kernel/x86/quant_scales256.h"

/* Activations of a piece of one token, in bytes: values in the order of the piece_ function; the
 * starts of the integer sums, and after them those of the second halves; in the order of blocks dx,
 * then dx times the sums of the halves. */
enum { REC_START = 256, REC_DX = 320, REC_XS = 352, REC_BYTES = 416 };

/* Lines of a piece: of each part 16 rows of 8 floats. Parts are the tokens, then the mins. */
enum { ROWS = 16, PART_FLOATS = ROWS * 8 };

/* Records of a piece are one after the other, by token; a line is that of the first part. */
struct piece {
    const uint8_t *w, *x;
    float *line;
};

INLINE __m256i record(const struct piece *p, int token, int at)
{
    return _mm256_load_si256((const void *)(p->x + token * REC_BYTES + at));
}

INLINE __m256i dot(__m256i w, const struct piece *p, int token, int vector)
{
    return _mm256_maddubs_epi16(w, record(p, token, 32 * vector));
}

/* In each half of the vector, the two halves of a added, then those of b. */
INLINE __m256i join16(__m256i a, __m256i b)
{
    return _mm256_add_epi16(_mm256_blend_epi32(a, b, 0xcc), _mm256_alignr_epi8(b, a, 8));
}

INLINE __m256i join32(__m256i a, __m256i b)
{
    return _mm256_add_epi32(_mm256_blend_epi32(a, b, 0xcc), _mm256_alignr_epi8(b, a, 8));
}

/* The halves of a added, then those of b. */
INLINE __m256i fold32(__m256i a, __m256i b)
{
    return _mm256_add_epi32(_mm256_blend_epi32(a, b, 0xf0), _mm256_permute2x128_si256(a, b, 0x21));
}

/* In each half, pairs of a added, then pairs of b. */
INLINE __m256i pairs32(__m256i a, __m256i b)
{
    __m256 x = _mm256_castsi256_ps(a), y = _mm256_castsi256_ps(b);
    return _mm256_add_epi32(_mm256_castps_si256(_mm256_shuffle_ps(x, y, 0x88)),
                            _mm256_castps_si256(_mm256_shuffle_ps(x, y, 0xdd)));
}

INLINE __m256i widen(__m256i v)
{
    return _mm256_madd_epi16(v, _mm256_set1_epi16(1));
}

/* Sums of half h with their start. */
INLINE __m256 started(__m256i sums, const struct piece *p, int token, int h)
{
    return _mm256_cvtepi32_ps(_mm256_add_epi32(sums, record(p, token, REC_START + 32 * h)));
}

/* Values: of blocks b and b + 4 the first halves, then the second ones; b from 0 to 3. */
INLINE void piece_q4_0(const struct piece *p, const int tokens)
{
    __m256 scale = scales8(p->w, 18);
    __m256i lo[4], hi[4];
    UNROLL
    for (int b = 0; b < 4; b++) {
        __m256i v = two16(p->w + 18 * b + 2, p->w + 18 * (b + 4) + 2);
        lo[b] = low4(v);
        hi[b] = high4(v);
    }
    UNROLL
    for (int t = 0; t < tokens; t++) {
        __m256i s[4];
        UNROLL
        for (int b = 0; b < 4; b++)
            s[b] = _mm256_add_epi16(dot(lo[b], p, t, 2 * b), dot(hi[b], p, t, 2 * b + 1));
        s[0] = pairs32(widen(join16(s[0], s[1])), widen(join16(s[2], s[3])));
        _mm256_store_ps(p->line + t * PART_FLOATS, _mm256_mul_ps(started(s[0], p, t, 0), scale));
    }
}

/* Values in the order of blocks. */
INLINE void piece_q8_0(const struct piece *p, const int tokens)
{
    __m256 scale = scales8(p->w, 34);
    UNROLL
    for (int t = 0; t < tokens; t++) {
        __m256i s[8];
        UNROLL
        for (int b = 0; b < 8; b++) {
            __m256i v = _mm256_loadu_si256((const void *)(p->w + 34 * b + 2));
            s[b] = widen(_mm256_maddubs_epi16(_mm256_abs_epi8(v),
                                              _mm256_sign_epi8(record(p, t, 32 * b), v)));
        }
        s[0] = fold32(join32(s[0], s[1]), join32(s[4], s[5]));
        s[1] = fold32(join32(s[2], s[3]), join32(s[6], s[7]));
        __m256 f = _mm256_cvtepi32_ps(pairs32(s[0], s[1]));
        _mm256_store_ps(p->line + t * PART_FLOATS, _mm256_mul_ps(f, scale));
    }
}

/* Values: for blocks b = 0, 1, 2, 3 the first halves of b and b + 4, then the second ones. */
INLINE void piece_q4_k(const struct piece *p, const int tokens)
{
    const uint8_t *q = p->w + 16;
    __m256 scale, min;
    scales_k4(p->w, &scale, &min);
    _mm256_store_ps(p->line + tokens * PART_FLOATS, min);
    __m256i v[4];
    UNROLL
    for (int i = 0; i < 4; i++)
        v[i] = two16(q + i / 2 * 32 + i % 2 * 16, q + 64 + i / 2 * 32 + i % 2 * 16);
    UNROLL
    for (int t = 0; t < tokens; t++) {
        __m256i s[4];
        UNROLL
        for (int i = 0; i < 4; i += 2) {
            s[i] = _mm256_add_epi16(dot(low4(v[i]), p, t, 2 * i),
                                    dot(low4(v[i + 1]), p, t, 2 * i + 1));
            s[i + 1] = _mm256_add_epi16(dot(high4(v[i]), p, t, 2 * i + 2),
                                        dot(high4(v[i + 1]), p, t, 2 * i + 3));
        }
        s[0] = pairs32(widen(join16(s[0], s[1])), widen(join16(s[2], s[3])));
        __m256 f = _mm256_cvtepi32_ps(s[0]);
        _mm256_store_ps(p->line + t * PART_FLOATS, _mm256_mul_ps(f, scale));
    }
}

/* The integers of blocks 4 * n to 4 * n + 3 of Q6_K. */
INLINE void unpack_k6(__m256i v[4], const uint8_t *p, const int n)
{
    const __m256i up = _mm256_set1_epi8(48);
    __m256i a = _mm256_loadu_si256((const void *)(p + 64 * n));
    __m256i b = _mm256_loadu_si256((const void *)(p + 64 * n + 32));
    __m256i h = _mm256_loadu_si256((const void *)(p + 128 + 32 * n));
    v[0] = _mm256_or_si256(low4(a), _mm256_and_si256(_mm256_slli_epi16(h, 4), up));
    v[1] = _mm256_or_si256(low4(b), _mm256_and_si256(_mm256_slli_epi16(h, 2), up));
    v[2] = _mm256_or_si256(high4(a), _mm256_and_si256(h, up));
    v[3] = _mm256_or_si256(high4(b), _mm256_and_si256(_mm256_srli_epi16(h, 2), up));
}

/* Values in the order of blocks. */
INLINE void piece_q6_k(const struct piece *p, const int tokens)
{
    __m256 scale[2];
    __m256i v[8];
    scales_k6(p->w, scale);
    unpack_k6(v, p->w, 0);
    unpack_k6(v + 4, p->w, 1);
    UNROLL
    for (int t = 0; t < tokens; t++) {
        __m256i s[4];
        UNROLL
        for (int i = 0; i < 4; i++)
            s[i] = widen(join16(dot(v[2 * i], p, t, 2 * i), dot(v[2 * i + 1], p, t, 2 * i + 1)));
        s[0] = pairs32(s[0], s[1]);
        s[2] = pairs32(s[2], s[3]);
        __m256 f = started(_mm256_permute2x128_si256(s[0], s[2], 0x20), p, t, 0);
        __m256 g = started(_mm256_permute2x128_si256(s[0], s[2], 0x31), p, t, 1);
        f = _mm256_fmadd_ps(g, scale[1], _mm256_mul_ps(f, scale[0]));
        _mm256_store_ps(p->line + t * PART_FLOATS, f);
    }
}

#endif
