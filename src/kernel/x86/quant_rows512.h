/*
 * Products of one token, a row after the other: memory then is read in the order of its addresses,
 * which is what the prefetchers of processors serve best. Lanes are the 16 blocks of 512 columns.
 * Each pxi_row_ function gives their scaled sums for one row; those of 16 rows are transposed, and
 * from there lanes are rows, as everywhere else (pxi_rows_add). It takes more arithmetic than the
 * products of quant_unpack512.h, so only types gain that have many bytes or little to unpack.
 *
 * Four vectors of sums are joined such that lane 4 * l + c is block 4 * c + l; the transposition
 * undoes it.
 */
#ifndef PXI_KERNEL_QUANT_ROWS512_H
#define PXI_KERNEL_QUANT_ROWS512_H

#include "kernel/x86/quant_unpack512.h"

/* Activations of 16 blocks: values as pxi_row_ takes them, then, in lanes, the start of the integer
 * sums (two when there are two scales a block); then dx in the order of blocks. In bytes. */
#define PXI_ROW_START 512
#define PXI_ROW_DX    640
#define PXI_ROW_BYTES 704

/* In which order the values lie: which halves of blocks share a vector. */
enum pxi_row_order {
    PXI_ROW_BLOCKS,  /* two blocks, one after the other */
    PXI_ROW_NIBBLES, /* first halves of four blocks, then their second halves */
};

/* w times vector `at` of the activations, on top of `sum`. */
PXI_INLINE __m512i pxi_row_dot(__m512i sum, __m512i w, const uint8_t *x, int at)
{
    return _mm512_dpbusd_epi32(sum, w, _mm512_load_si512(x + 64 * at));
}

/* Element 4 * l + c is the sum of the four of part l of vector c. */
PXI_INLINE __m512i pxi_join4(__m512i a, __m512i b, __m512i c, __m512i d)
{
    __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    return _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}

/* Even parts of a and b, plus their odd parts. */
PXI_INLINE __m512i pxi_join_parts(__m512i a, __m512i b)
{
    return _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
}

/* The joined sums of half h with their start, as floats. */
PXI_INLINE __m512 pxi_row_sums(__m512i joined, const uint8_t *x, int h)
{
    __m512i start = _mm512_load_si512(x + PXI_ROW_START + 64 * h);
    return _mm512_cvtepi32_ps(_mm512_add_epi32(joined, start));
}

/* Four 16-byte pieces, `stride` apart. */
PXI_INLINE __m512i pxi_pieces(const uint8_t *p, int stride)
{
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const void *)p));
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const void *)(p + stride)), 1);
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const void *)(p + 2 * stride)), 2);
    return _mm512_inserti32x4(v, _mm_loadu_si128((const void *)(p + 3 * stride)), 3);
}

/* The lanes whose block begins in words [first, first + 64) of a row. */
PXI_INLINE __mmask32 pxi_row_begins(const int words, const int first)
{
    uint32_t mask = 0;
    PXI_UNROLL
    for (int b = 0; b < 16; b++)
        if (b * words >= first && b * words < first + 64)
            mask |= 1u << (b % 4 * 4 + b / 4);
    return mask;
}

/*
 * The f16 scales of 16 blocks of `words` words, each at the begin of its block: lane 4 * l + c
 * wants word (4 * c + l) * words. A permutation takes words from two vectors, by the index
 * modulo 64.
 */
PXI_INLINE __m512 pxi_row_scales(const uint8_t *p, const int words)
{
    const __m512i at = _mm512_castsi256_si512(_mm256_set_epi16(
        (short)(15 * words), (short)(11 * words), (short)(7 * words), (short)(3 * words),
        (short)(14 * words), (short)(10 * words), (short)(6 * words), (short)(2 * words),
        (short)(13 * words), (short)(9 * words), (short)(5 * words), (short)(1 * words),
        (short)(12 * words), (short)(8 * words), (short)(4 * words), 0));
    __m512i r = _mm512_setzero_si512();
    PXI_UNROLL
    for (int i = 0; i < 16 * words; i += 64) {
        const uint8_t *q = p + 2 * i;
        __m512i a, b;
        if (16 * words - i >= 64) {
            a = _mm512_loadu_si512(q);
            b = _mm512_loadu_si512(q + 64);
        } else { /* 16 words are left */
            a = b = _mm512_castsi256_si512(_mm256_loadu_si256((const void *)q));
        }
        r = _mm512_mask_blend_epi16(pxi_row_begins(words, i), r,
                                    _mm512_permutex2var_epi16(a, at, b));
    }
    return _mm512_cvtph_ps(_mm512_castsi512_si256(r));
}

PXI_INLINE __m512 pxi_row_q4_0(const uint8_t *p, const uint8_t *x)
{
    __m512 scale = pxi_row_scales(p, 9);
    __m512i sum[4];
    PXI_UNROLL
    for (int i = 0; i < 4; i++) {
        __m512i v = pxi_pieces(p + 72 * i + 2, 18);
        sum[i] = pxi_row_dot(_mm512_setzero_si512(), pxi_low4(v), x, 2 * i);
        sum[i] = pxi_row_dot(sum[i], pxi_high4(v), x, 2 * i + 1);
    }
    return _mm512_mul_ps(pxi_row_sums(pxi_join4(sum[0], sum[1], sum[2], sum[3]), x, 0), scale);
}

PXI_INLINE __m512 pxi_row_q8_0(const uint8_t *p, const uint8_t *x)
{
    __m512 scale = pxi_row_scales(p, 17);
    __m512i sum[8];
    PXI_UNROLL
    for (int i = 0; i < 8; i++) {
        const uint8_t *two = p + 68 * i;
        __m512i v = _mm512_castsi256_si512(_mm256_loadu_si256((const void *)(two + 2)));
        v = _mm512_inserti64x4(v, _mm256_loadu_si256((const void *)(two + 36)), 1);
        sum[i] = pxi_row_dot(_mm512_setzero_si512(), _mm512_xor_si512(v, pxi_bytes(128)), x, i);
    }
    __m512i joined = pxi_join_parts(pxi_join4(sum[0], sum[2], sum[4], sum[6]),
                                    pxi_join4(sum[1], sum[3], sum[5], sum[7]));
    return _mm512_mul_ps(pxi_row_sums(joined, x, 0), scale);
}

/* Of two blocks of 256: a in the lanes of the first, b in those of the second. */
PXI_INLINE __m512 pxi_row_pair(__m512 ab, int a, int b)
{
    return _mm512_permutexvar_ps(_mm512_set_epi32(b, b, a, a, b, b, a, a, b, b, a, a, b, b, a, a),
                                 ab);
}

/* The 16 words of 32, 16 for each block of 256, that are in lanes; `first` and `later` are where
 * blocks 0..3 and 4..7 begin, `step` words from one to the next. */
PXI_INLINE __m512i pxi_row_lanes(__m512i words, const int first, const int later, const int step)
{
#define PART(l) later + 16 + (l)*step, first + 16 + (l)*step, later + (l)*step, first + (l)*step
    const __m512i at = _mm512_set_epi32(PART(3), PART(2), PART(1), PART(0));
#undef PART
    return _mm512_and_si512(_mm512_permutexvar_epi16(at, words), _mm512_set1_epi32(0xffff));
}

/* Scales of two blocks of Q6_K: of first halves, then of second halves. */
PXI_INLINE void pxi_row_k6(const uint8_t *p, __m512 scale[2])
{
    __m256i v = _mm256_castsi128_si256(_mm_loadu_si128((const void *)(p + 192)));
    v = _mm256_inserti128_si256(v, _mm_loadu_si128((const void *)(p + 210 + 192)), 1);
    __m512i words = _mm512_cvtepi8_epi16(v);
    uint16_t d0, d1;
    memcpy(&d0, p + 208, 2);
    memcpy(&d1, p + 210 + 208, 2);
    __m512 d = pxi_row_pair(
        _mm512_castps128_ps512(_mm_cvtph_ps(_mm_cvtsi32_si128((int)(d0 | (uint32_t)d1 << 16)))), 0,
        1);
    for (int h = 0; h < 2; h++) {
        __m512i s = pxi_row_lanes(words, h, 8 + h, 2);
        s = _mm512_srai_epi32(_mm512_slli_epi32(s, 16), 16);
        scale[h] = _mm512_mul_ps(d, _mm512_cvtepi32_ps(s));
    }
}

PXI_INLINE __m512 pxi_row_q6_k(const uint8_t *p, const uint8_t *x)
{
    const __m512i two = pxi_bytes(48), zero = _mm512_setzero_si512();
    __m512 scale[2];
    __m512i sum[8];
    pxi_row_k6(p, scale);
    PXI_UNROLL
    for (int i = 0; i < 4; i++) { /* 128 columns: blocks 0 and 1, then 2 and 3 */
        const uint8_t *block = p + 210 * (i / 2);
        __m512i v = _mm512_loadu_si512(block + 64 * (i % 2));
        __m512i high =
            _mm512_broadcast_i64x4(_mm256_loadu_si256((const void *)(block + 128 + 32 * (i % 2))));
        __m512i low = _mm512_mask_slli_epi16(_mm512_slli_epi16(high, 4), 0xffff0000, high, 2);
        __m512i up = _mm512_mask_srli_epi16(high, 0xffff0000, high, 2);
        sum[2 * i] = pxi_row_dot(zero, pxi_or_and(pxi_low4(v), low, two), x, 2 * i);
        sum[2 * i + 1] = pxi_row_dot(zero, pxi_or_and(pxi_high4(v), up, two), x, 2 * i + 1);
    }
    __m512i a = pxi_join4(sum[0], sum[2], sum[4], sum[6]);
    __m512i b = pxi_join4(sum[1], sum[3], sum[5], sum[7]);
    __m512 first = pxi_row_sums(_mm512_shuffle_i32x4(a, b, 0x88), x, 0);
    __m512 second = pxi_row_sums(_mm512_shuffle_i32x4(a, b, 0xdd), x, 1);
    return _mm512_fmadd_ps(second, scale[1], _mm512_mul_ps(first, scale[0]));
}

/* Four lines of four rows, transposed within their parts: u[c], part l, is block 4 * c + l. */
PXI_INLINE void pxi_rows_read(__m512i u[4][4], const float *lines)
{
    PXI_UNROLL
    for (int g = 0; g < 4; g++) {
        PXI_UNROLL
        for (int i = 0; i < 4; i++)
            u[g][i] = _mm512_load_si512(lines + 16 * (4 * g + i));
        pxi_transpose(u[g]);
    }
}

/* Blocks 4 * c .. 4 * c + 3 of 16 rows. */
PXI_INLINE void pxi_rows_blocks(__m512 b[4], __m512i u[4][4], int c)
{
    __m512i p = _mm512_shuffle_i32x4(u[0][c], u[1][c], 0x44);
    __m512i q = _mm512_shuffle_i32x4(u[0][c], u[1][c], 0xee);
    __m512i r = _mm512_shuffle_i32x4(u[2][c], u[3][c], 0x44);
    __m512i s = _mm512_shuffle_i32x4(u[2][c], u[3][c], 0xee);
    b[0] = _mm512_castsi512_ps(_mm512_shuffle_i32x4(p, r, 0x88));
    b[1] = _mm512_castsi512_ps(_mm512_shuffle_i32x4(p, r, 0xdd));
    b[2] = _mm512_castsi512_ps(_mm512_shuffle_i32x4(q, s, 0x88));
    b[3] = _mm512_castsi512_ps(_mm512_shuffle_i32x4(q, s, 0xdd));
}

/* y + the first `blocks` of 16 blocks of 16 rows. */
PXI_INLINE __m512 pxi_rows_some(__m512 y, const float *lines, const uint8_t *x, const size_t blocks)
{
    __m512i u[4][4];
    pxi_rows_read(u, lines);
    PXI_UNROLL
    for (int c = 0; c < 4; c++) {
        __m512 s[4];
        pxi_rows_blocks(s, u, c);
        PXI_UNROLL
        for (int l = 0; l < 4; l++) {
            if ((size_t)(4 * c + l) >= blocks)
                return y;
            y = _mm512_fmadd_ps(s[l], pxi_each_f32(x + PXI_ROW_DX + 4 * (4 * c + l)), y);
        }
    }
    return y;
}

PXI_INLINE __m512 pxi_rows_add(__m512 y, const float *lines, const uint8_t *x, size_t blocks)
{
    return blocks >= 16 ? pxi_rows_some(y, lines, x, 16) : pxi_rows_some(y, lines, x, blocks);
}

#endif
