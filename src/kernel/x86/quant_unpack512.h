/*
 * Unpacks 16 rows by 256 columns of each block type: 16-byte pieces of the rows are put into lanes,
 * transposed as four-byte elements, and only then split into small integers. Every unpack_ function
 * gives 8 blocks of one group to a sink: a panel (quant_tile512.h), or the products of few tokens,
 * for which the integers never leave the registers.
 */
#ifndef PXI_KERNEL_QUANT_UNPACK512_H
#define PXI_KERNEL_QUANT_UNPACK512_H

#include "kernel/x86/quant_tile512.h"

/*
 * Sixteen pieces of 256 elements: number i is at p + (i & 1) * one + (i >> 1 & 1) * two +
 * (i >> 2) * four. They are 16 rows, or two pieces of 8 rows.
 */
struct pxi_rows {
    const uint8_t *p;
    size_t one, two, four;
};

PXI_INLINE const uint8_t *pxi_row_at(const struct pxi_rows *r, size_t i)
{
    return r->p + (i & 1) * r->one + (i >> 1) * r->two;
}

/* Bytes p..p+15 of pieces 0, 4, 8 and 12 from p on, a lane each. */
PXI_INLINE __m512i pxi_lanes4(const uint8_t *p, size_t four)
{
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const void *)p));
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const void *)(p + four)), 1);
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const void *)(p + 2 * four)), 2);
    return _mm512_inserti32x4(v, _mm_loadu_si128((const void *)(p + 3 * four)), 3);
}

/* The same for bytes p..p+15 (*a) and p+16..p+31 (*b): fewer steps than doing each alone. */
PXI_INLINE void pxi_lanes8(__m512i *a, __m512i *b, const uint8_t *p, size_t four)
{
    __m512i v = _mm512_castsi256_si512(_mm256_loadu_si256((const void *)p));
    __m512i w = _mm512_castsi256_si512(_mm256_loadu_si256((const void *)(p + 2 * four)));
    v = _mm512_inserti64x4(v, _mm256_loadu_si256((const void *)(p + four)), 1);
    w = _mm512_inserti64x4(w, _mm256_loadu_si256((const void *)(p + 3 * four)), 1);
    *a = _mm512_shuffle_i32x4(v, w, 0x88);
    *b = _mm512_shuffle_i32x4(v, w, 0xdd);
}

/* v[j] = four-byte element j of each row, from v[i] = 16 bytes of pieces i, i + 4, i + 8, i + 12.
 */
PXI_INLINE void pxi_transpose(__m512i v[4])
{
    __m512i ab = _mm512_unpacklo_epi32(v[0], v[1]), cd = _mm512_unpacklo_epi32(v[2], v[3]);
    __m512i ef = _mm512_unpackhi_epi32(v[0], v[1]), gh = _mm512_unpackhi_epi32(v[2], v[3]);
    v[0] = _mm512_unpacklo_epi64(ab, cd);
    v[1] = _mm512_unpackhi_epi64(ab, cd);
    v[2] = _mm512_unpacklo_epi64(ef, gh);
    v[3] = _mm512_unpackhi_epi64(ef, gh);
}

/* v[j] = bytes 4j..4j+3 of the 16 bytes at `at` of each row. */
PXI_INLINE void pxi_read16(__m512i v[4], const struct pxi_rows *r, size_t at)
{
    PXI_UNROLL
    for (size_t i = 0; i < 4; i++)
        v[i] = pxi_lanes4(pxi_row_at(r, i) + at, r->four);
    pxi_transpose(v);
}

/* v[j] = bytes 4j..4j+3 of the 32 bytes at `at` of each row. */
PXI_INLINE void pxi_read32(__m512i v[8], const struct pxi_rows *r, size_t at)
{
    PXI_UNROLL
    for (size_t i = 0; i < 4; i++)
        pxi_lanes8(&v[i], &v[i + 4], pxi_row_at(r, i) + at, r->four);
    pxi_transpose(v);
    pxi_transpose(v + 4);
}

/* Four-byte elements first..first + n of each row, n a multiple of 4. */
PXI_INLINE void pxi_read(__m512i *v, const struct pxi_rows *r, size_t first, size_t n)
{
    PXI_UNROLL
    for (size_t i = 0; i + 8 <= n; i += 8)
        pxi_read32(v + i, r, 4 * (first + i));
    if (n % 8)
        pxi_read16(v + n - 4, r, 4 * (first + n - 4));
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

PXI_INLINE __m512i pxi_bytes(int v)
{
    return _mm512_set1_epi8((char)v);
}

PXI_INLINE __m512i pxi_low4(__m512i v)
{
    return _mm512_and_si512(v, pxi_bytes(15));
}

PXI_INLINE __m512i pxi_high4(__m512i v)
{
    return pxi_low4(_mm512_srli_epi16(v, 4));
}

/* a | (b & c) */
PXI_INLINE __m512i pxi_or_and(__m512i a, __m512i b, __m512i c)
{
    return _mm512_ternarylogic_epi32(a, b, c, 0xf8);
}

/* Low 16 bits of each lane from `low`, high ones from `high`. */
PXI_INLINE __m512i pxi_words(__m512i low, __m512i high)
{
    return _mm512_mask_blend_epi16(0xaaaaaaaa, low, high);
}

/* The four bytes from the middle of a to the middle of b, b following a. */
PXI_INLINE __m512i pxi_across(__m512i a, __m512i b)
{
    return pxi_words(_mm512_srli_epi32(a, 16), _mm512_slli_epi32(b, 16));
}

/* Byte i of each lane, unsigned, as f32. */
PXI_INLINE __m512 pxi_byte_f32(__m512i v, int i)
{
    if (i < 3)
        v = _mm512_and_si512(_mm512_srli_epi32(v, (unsigned)(8 * i)), _mm512_set1_epi32(255));
    else
        v = _mm512_srli_epi32(v, 24);
    return _mm512_cvtepi32_ps(v);
}

/*
 * Where 8 blocks of 16 pieces go. With tokens = 0 they are 16 rows and it is a panel. Else they are
 * 16 rows, or blocks 0..7 and 8..15 of 8 rows in turns; w has room for the scales, laid as in a
 * panel, and where the panel would have the integers of a block, the integer sums of its parts:
 * vector t * PXI_PARTS + h. x is the record of the first token (PXI_FEW_BYTES).
 */
struct pxi_sink {
    uint8_t *w;
    const uint8_t *x;
    struct pxi_ahead *ahead;
    int tokens, flags; /* constants where this is used */
};

/*
 * Record of 16 blocks of few tokens: pairs of what blocks b and b + 8 have (or block b twice, with
 * 8 blocks of 16 rows), for b and, within, for every four bytes of values; starts of the integer
 * sums, for first halves and for second; then, in the order of blocks, dx, and xs of each half. In
 * bytes.
 */
#define PXI_FEW_START 512
#define PXI_FEW_DX    640
#define PXI_FEW_XS    704
#define PXI_FEW_BYTES 832

/* The pair at p in every two lanes. */
PXI_INLINE __m512i pxi_each_pair(const uint8_t *p)
{
    int64_t v;
    memcpy(&v, p, 8);
    return _mm512_set1_epi64(v);
}

/* A block whose vectors are given one after the other. */
struct pxi_out {
    uint8_t *w;
    const uint8_t *x;
    __m512i acc[PXI_FUSED_MAX][2];
};

PXI_INLINE struct pxi_out pxi_begin(const struct pxi_sink *s, int block)
{
    struct pxi_out o = {.w = s->w + block * PXI_BLOCK_BYTES(s->flags)};
    if (!s->tokens)
        return o;
    pxi_fetch(s->ahead);
    o.x = s->x + 64 * block;
    PXI_UNROLL
    for (int t = 0; t < s->tokens; t++)
        for (int h = 0; h < PXI_PARTS(s->flags); h++)
            o.acc[t][h] =
                pxi_each_pair(s->x + t * PXI_FEW_BYTES + PXI_FEW_START + 8 * block + 64 * h);
    return o;
}

/* Vector j of the block. */
PXI_INLINE void pxi_put(const struct pxi_sink *s, struct pxi_out *o, int j, __m512i v)
{
    const int h = s->flags & PXI_Q_HALVES ? j / 4 : 0;
    if (!s->tokens)
        _mm512_store_si512(o->w + 64 * j, v);
    PXI_UNROLL
    for (int t = 0; t < s->tokens; t++) {
        __m512i x = pxi_each_pair(o->x + t * PXI_FEW_BYTES + 8 * j);
        o->acc[t][h] = _mm512_dpbusd_epi32(o->acc[t][h], v, x);
    }
}

PXI_INLINE void pxi_end(const struct pxi_sink *s, const struct pxi_out *o)
{
    PXI_UNROLL
    for (int t = 0; t < s->tokens; t++)
        for (int h = 0; h < PXI_PARTS(s->flags); h++)
            _mm512_store_si512(o->w + 64 * (t * PXI_PARTS(s->flags) + h), o->acc[t][h]);
}

/* Scale and min vectors of a block: number i of them all. */
PXI_INLINE void pxi_put_scale(const struct pxi_sink *s, int block, int i, __m512 v)
{
    _mm512_store_ps(s->w + block * PXI_BLOCK_BYTES(s->flags) + 512 + 64 * i, v);
}

/*
 * Types whose block is an odd number of 16-bit words (18, 22 and 34 bytes) are read as pairs: the
 * second block begins in the middle of a four-byte element. So the first of a pair is used with its
 * elements turned by two: 14, 15, 0, 1, ..., 13 (Q8_0: 30, 31, 0, ...), and the activation records
 * are turned alike (see pack). The dwords of a pair: d and the first two bytes, ..., in the middle
 * the last two bytes and the second d, ....
 */
#define PXI_PAIRS_BEGIN(words)                                                                     \
    __m512i all[4 * (words) + 4];                                                                  \
    PXI_UNROLL                                                                                     \
    for (int pair = 0; pair < 4; pair++) {                                                         \
        const int have = ((words)*pair + 3) / 4 * 4, need = ((words) * (pair + 1) + 3) / 4 * 4;    \
        const __m512i *v = all + (words)*pair;                                                     \
        struct pxi_out first = pxi_begin(s, 2 * pair), second = pxi_begin(s, 2 * pair + 1);        \
        pxi_read(all + have, r, (size_t)have, (size_t)(need - have));                              \
        __m512i scales = pxi_words(v[0], v[(words) / 2]);                                          \
        pxi_put_scale(s, 2 * pair, 0, pxi_low_half(scales));                                       \
        pxi_put_scale(s, 2 * pair + 1, 0, pxi_high_half(scales));
#define PXI_PAIRS_END                                                                              \
    pxi_end(s, &first);                                                                            \
    pxi_end(s, &second);                                                                           \
    }

PXI_INLINE void unpack_q4_0(const struct pxi_sink *s, const struct pxi_rows *r)
{
    PXI_PAIRS_BEGIN(9)
    PXI_UNROLL
    for (int j = 0; j < 4; j++) {
        __m512i a = j ? v[j] : pxi_words(v[4], v[0]), b = v[5 + j];
        pxi_put(s, &first, j, pxi_low4(a));
        pxi_put(s, &first, j + 4, pxi_high4(a));
        pxi_put(s, &second, j, pxi_low4(b));
        pxi_put(s, &second, j + 4, pxi_high4(b));
    }
    PXI_PAIRS_END
}

/* As Q4_0, each code looked up. */
PXI_INLINE void unpack_iq4_nl(const struct pxi_sink *s, const struct pxi_rows *r)
{
    static const int8_t codes[16] = {PXI_IQ4_NL_CODES};
    __m512i table = _mm512_xor_si512(_mm512_broadcast_i32x4(_mm_loadu_si128((const void *)codes)),
                                     pxi_bytes(128));
    PXI_PAIRS_BEGIN(9)
    PXI_UNROLL
    for (int j = 0; j < 4; j++) {
        __m512i a = j ? v[j] : pxi_words(v[4], v[0]), b = v[5 + j];
        pxi_put(s, &first, j, _mm512_shuffle_epi8(table, pxi_low4(a)));
        pxi_put(s, &first, j + 4, _mm512_shuffle_epi8(table, pxi_high4(a)));
        pxi_put(s, &second, j, _mm512_shuffle_epi8(table, pxi_low4(b)));
        pxi_put(s, &second, j + 4, _mm512_shuffle_epi8(table, pxi_high4(b)));
    }
    PXI_PAIRS_END
}

PXI_INLINE void unpack_q8_0(const struct pxi_sink *s, const struct pxi_rows *r)
{
    const __m512i sign = pxi_bytes(128);
    PXI_PAIRS_BEGIN(17)
    PXI_UNROLL
    for (int j = 0; j < 8; j++) {
        __m512i a = j ? v[j] : pxi_words(v[8], v[0]);
        pxi_put(s, &first, j, _mm512_xor_si512(a, sign));
        pxi_put(s, &second, j, _mm512_xor_si512(v[9 + j], sign));
    }
    PXI_PAIRS_END
}

/* v + 16 where the bit of qh is set, for elements whose bits are e, e + 1, then f, f + 1. */
PXI_INLINE __m512i pxi_fifth(__m512i v, __m512i qh, int e, int f)
{
    const __m512i lanes =
        _mm512_broadcast_i32x4(_mm_set_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0));
    int bytes = e / 8 * 0x0101 + f / 8 * 0x01010000;
    uint32_t low = (1u << e % 8) * 0x0201, high = (1u << f % 8) * 0x0201;
    __m512i bits = _mm512_set1_epi32((int)(low | high << 16));
    __m512i spread = _mm512_shuffle_epi8(qh, _mm512_or_si512(lanes, _mm512_set1_epi32(bytes)));
    __mmask64 set = _mm512_test_epi8_mask(spread, bits);
    return _mm512_mask_add_epi8(v, set, v, pxi_bytes(16));
}

/* The nibbles v of four bytes of a block, elements e, e + 1, f, f + 1, with their fifth bits. */
PXI_INLINE void pxi_put_five(const struct pxi_sink *s, struct pxi_out *o, int j, __m512i v,
                             __m512i qh, int e, int f)
{
    pxi_put(s, o, j, pxi_fifth(pxi_low4(v), qh, e, f));
    pxi_put(s, o, j + 4, pxi_fifth(pxi_high4(v), qh, e + 16, f + 16));
}

PXI_INLINE void unpack_q5_0(const struct pxi_sink *s, const struct pxi_rows *r)
{
    PXI_PAIRS_BEGIN(11)
    __m512i qh = pxi_across(v[0], v[1]);
    PXI_UNROLL
    for (int j = 0; j < 4; j++) {
        __m512i a = j ? v[1 + j] : pxi_words(v[5], v[1]);
        pxi_put_five(s, &first, j, a, qh, j ? 4 * j - 2 : 14, 4 * j);
        pxi_put_five(s, &second, j, v[7 + j], v[6], 4 * j, 4 * j + 2);
    }
    PXI_PAIRS_END
}

/* d, m and 16 bytes of nibbles, between them fifth bits when `five`. */
PXI_INLINE void pxi_unpack_dm(const struct pxi_sink *s, const struct pxi_rows *r, const int five)
{
    const int words = 5 + five;
    __m512i all[52];
    PXI_UNROLL
    for (int b = 0; b < 8; b++) {
        const int have = (words * b + 3) / 4 * 4, need = (words * (b + 1) + 3) / 4 * 4;
        const __m512i *v = all + words * b;
        struct pxi_out to = pxi_begin(s, b);
        pxi_read(all + have, r, (size_t)have, (size_t)(need - have));
        __m512i sign = _mm512_set1_epi32(INT32_MIN); /* m is added, a min subtracted */
        __m512i min = _mm512_xor_si512(_mm512_castps_si512(pxi_high_half(v[0])), sign);
        pxi_put_scale(s, b, 0, pxi_low_half(v[0]));
        pxi_put_scale(s, b, 1, _mm512_castsi512_ps(min));
        PXI_UNROLL
        for (int j = 0; j < 4; j++) {
            if (five) {
                pxi_put_five(s, &to, j, v[2 + j], v[1], 4 * j, 4 * j + 2);
            } else {
                pxi_put(s, &to, j, pxi_low4(v[1 + j]));
                pxi_put(s, &to, j + 4, pxi_high4(v[1 + j]));
            }
        }
        pxi_end(s, &to);
    }
}

PXI_INLINE void unpack_q4_1(const struct pxi_sink *s, const struct pxi_rows *r)
{
    pxi_unpack_dm(s, r, 0);
}

PXI_INLINE void unpack_q5_1(const struct pxi_sink *s, const struct pxi_rows *r)
{
    pxi_unpack_dm(s, r, 1);
}

/* Blocks of 17 bytes: nothing is aligned, so the exponents are gathered. */
PXI_INLINE void unpack_mxfp4(const struct pxi_sink *s, const struct pxi_rows *r)
{
    static const int8_t codes[16] = {PXI_MXFP4_CODES};
    const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i table = _mm512_add_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const void *)codes)),
                                    pxi_bytes(12));
    __m512i at = _mm512_mullo_epi32(_mm512_srli_epi32(lane, 2), _mm512_set1_epi32((int)r->four));
    at = _mm512_mask_add_epi32(at, 0xaaaa, at, _mm512_set1_epi32((int)r->one));
    at = _mm512_mask_add_epi32(at, 0xcccc, at, _mm512_set1_epi32((int)r->two));
    for (int b = 0; b < 8; b++) {
        struct pxi_out to = pxi_begin(s, b);
        __m512i v[4], e = _mm512_i32gather_epi32(at, (const void *)(r->p + 17 * b), 1);
        e = _mm512_and_si512(e, _mm512_set1_epi32(255));
        __m512i f = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
        __mmask16 tiny = _mm512_cmplt_epi32_mask(e, _mm512_set1_epi32(2));
        f = _mm512_mask_sllv_epi32(f, tiny, _mm512_set1_epi32(0x00200000), e);
        pxi_put_scale(s, b, 0, _mm512_castsi512_ps(f));
        pxi_read16(v, r, 17 * (size_t)b + 1);
        PXI_UNROLL
        for (int j = 0; j < 4; j++) {
            pxi_put(s, &to, j, _mm512_shuffle_epi8(table, pxi_low4(v[j])));
            pxi_put(s, &to, j + 4, _mm512_shuffle_epi8(table, pxi_high4(v[j])));
        }
        pxi_end(s, &to);
    }
}

/* d, dmin and the 6-bit scales and mins that begin Q4_K and Q5_K; byte j % 4 of word j / 4. */
PXI_INLINE void pxi_k4_header(const struct pxi_sink *s, const struct pxi_rows *r)
{
    const __m512i six = pxi_bytes(63), two = pxi_bytes(48);
    __m512i v[4], scale[2], min[2];
    pxi_read16(v, r, 0);
    __m512 d = pxi_low_half(v[0]), dmin = pxi_high_half(v[0]);
    scale[0] = _mm512_and_si512(v[1], six);
    min[0] = _mm512_and_si512(v[2], six);
    scale[1] = pxi_or_and(pxi_low4(v[3]), _mm512_srli_epi16(v[1], 2), two);
    min[1] = pxi_or_and(pxi_high4(v[3]), _mm512_srli_epi16(v[2], 2), two);
    PXI_UNROLL
    for (int j = 0; j < 8; j++) {
        pxi_put_scale(s, j, 0, _mm512_mul_ps(d, pxi_byte_f32(scale[j / 4], j % 4)));
        pxi_put_scale(s, j, 1, _mm512_mul_ps(dmin, pxi_byte_f32(min[j / 4], j % 4)));
    }
}

PXI_INLINE void unpack_q4_k(const struct pxi_sink *s, const struct pxi_rows *r)
{
    pxi_k4_header(s, r);
    for (int j = 0; j < 4; j++) {
        struct pxi_out low = pxi_begin(s, 2 * j), up = pxi_begin(s, 2 * j + 1);
        __m512i v[8];
        pxi_read32(v, r, 16 + 32 * (size_t)j);
        PXI_UNROLL
        for (int i = 0; i < 8; i++) {
            pxi_put(s, &low, i, pxi_low4(v[i]));
            pxi_put(s, &up, i, pxi_high4(v[i]));
        }
        pxi_end(s, &low);
        pxi_end(s, &up);
    }
}

/* Bit `bit` of every byte, moved to bit `to`; the other bits are noise. */
PXI_INLINE __m512i pxi_move_bit(__m512i v, int bit, int to)
{
    return bit < to ? _mm512_slli_epi16(v, (unsigned)(to - bit))
                    : _mm512_srli_epi16(v, (unsigned)(bit - to));
}

PXI_INLINE void unpack_q5_k(const struct pxi_sink *s, const struct pxi_rows *r)
{
    const __m512i bit = pxi_bytes(16);
    __m512i high[8];
    pxi_k4_header(s, r);
    pxi_read32(high, r, 16);
    PXI_UNROLL
    for (int j = 0; j < 4; j++) {
        struct pxi_out low = pxi_begin(s, 2 * j), up = pxi_begin(s, 2 * j + 1);
        __m512i v[8];
        pxi_read32(v, r, 48 + 32 * (size_t)j);
        PXI_UNROLL
        for (int i = 0; i < 8; i++) {
            __m512i even = pxi_move_bit(high[i], 2 * j, 4);
            __m512i odd = pxi_move_bit(high[i], 2 * j + 1, 4);
            pxi_put(s, &low, i, pxi_or_and(pxi_low4(v[i]), even, bit));
            pxi_put(s, &up, i, pxi_or_and(pxi_high4(v[i]), odd, bit));
        }
        pxi_end(s, &low);
        pxi_end(s, &up);
    }
}

/* Byte i of each lane, signed, as f32. */
PXI_INLINE __m512 pxi_signed_f32(__m512i v, int i)
{
    v = _mm512_slli_epi32(v, (unsigned)(24 - 8 * i));
    return _mm512_cvtepi32_ps(_mm512_srai_epi32(v, 24));
}

PXI_INLINE void unpack_q6_k(const struct pxi_sink *s, const struct pxi_rows *r)
{
    const __m512i two = pxi_bytes(48);
    __m512i v[8], high[8];
    for (int half = 0; half < 2; half++) {
        pxi_read32(high, r, 128 + 32 * (size_t)half);
        PXI_UNROLL
        for (int j = 0; j < 2; j++) {
            struct pxi_out low = pxi_begin(s, 4 * half + j), up = pxi_begin(s, 4 * half + j + 2);
            pxi_read32(v, r, 64 * (size_t)half + 32 * (size_t)j);
            PXI_UNROLL
            for (int i = 0; i < 8; i++) {
                __m512i a = pxi_move_bit(high[i], 2 * j, 4);
                __m512i b = pxi_move_bit(high[i], 2 * j + 4, 4);
                pxi_put(s, &low, i, pxi_or_and(pxi_low4(v[i]), a, two));
                pxi_put(s, &up, i, pxi_or_and(pxi_high4(v[i]), b, two));
            }
            pxi_end(s, &low);
            pxi_end(s, &up);
        }
    }
    pxi_read16(v, r, 194);
    __m512 d = pxi_high_half(v[3]);
    pxi_read16(v, r, 192);
    PXI_UNROLL
    for (int j = 0; j < 16; j++)
        pxi_put_scale(s, j / 2, j % 2, _mm512_mul_ps(d, pxi_signed_f32(v[j / 4], j % 4)));
}

/* Scales of Q3_K from its last 16 bytes: two of the high bits, 12 of scales, d. */
PXI_INLINE void pxi_k3_scales(const struct pxi_sink *out, const struct pxi_rows *r)
{
    const __m512i two = pxi_bytes(48);
    __m512i v[4], s[4];
    pxi_read16(v, r, 94);
    __m512 d = pxi_high_half(v[3]);
    __m512i a = pxi_across(v[0], v[1]), b = pxi_across(v[1], v[2]), c = pxi_across(v[2], v[3]);
    s[0] = pxi_or_and(pxi_low4(a), _mm512_slli_epi16(c, 4), two);
    s[1] = pxi_or_and(pxi_low4(b), _mm512_slli_epi16(c, 2), two);
    s[2] = pxi_or_and(pxi_high4(a), c, two);
    s[3] = pxi_or_and(pxi_high4(b), _mm512_srli_epi16(c, 2), two);
    PXI_UNROLL
    for (int j = 0; j < 16; j++) {
        __m512 f = _mm512_sub_ps(pxi_byte_f32(s[j / 4], j % 4), _mm512_set1_ps(32));
        pxi_put_scale(out, j / 2, j % 2, _mm512_mul_ps(d, f));
    }
}

PXI_INLINE void unpack_q3_k(const struct pxi_sink *s, const struct pxi_rows *r)
{
    const __m512i three = pxi_bytes(3), four = pxi_bytes(4);
    __m512i v[8], high[8];
    pxi_read32(high, r, 0);
    PXI_UNROLL
    for (int j = 0; j < 8; j++) {
        if (j % 4 == 0)
            pxi_read32(v, r, 32 + 8 * (size_t)j);
        struct pxi_out to = pxi_begin(s, j);
        PXI_UNROLL
        for (int i = 0; i < 8; i++) {
            __m512i low = _mm512_and_si512(_mm512_srli_epi16(v[i], 2 * (unsigned)(j % 4)), three);
            pxi_put(s, &to, i, pxi_or_and(low, pxi_move_bit(high[i], j, 2), four));
        }
        pxi_end(s, &to);
    }
    pxi_k3_scales(s, r);
}

PXI_INLINE void unpack_q2_k(const struct pxi_sink *s, const struct pxi_rows *r)
{
    const __m512i three = pxi_bytes(3);
    __m512i v[8];
    PXI_UNROLL
    for (int j = 0; j < 8; j++) {
        if (j % 4 == 0)
            pxi_read32(v, r, 16 + 8 * (size_t)j);
        struct pxi_out to = pxi_begin(s, j);
        PXI_UNROLL
        for (int i = 0; i < 8; i++)
            pxi_put(s, &to, i,
                    _mm512_and_si512(_mm512_srli_epi16(v[i], 2 * (unsigned)(j % 4)), three));
        pxi_end(s, &to);
    }
    pxi_read16(v, r, 68);
    __m512 d = pxi_low_half(v[3]), dmin = pxi_high_half(v[3]);
    pxi_read16(v, r, 0);
    PXI_UNROLL
    for (int j = 0; j < 16; j++) {
        __m512 min = pxi_byte_f32(pxi_high4(v[j / 4]), j % 4);
        pxi_put_scale(s, j / 2, j % 2, _mm512_mul_ps(d, pxi_byte_f32(pxi_low4(v[j / 4]), j % 4)));
        pxi_put_scale(s, j / 2, 2 + j % 2, _mm512_mul_ps(dmin, min));
    }
}

#endif
