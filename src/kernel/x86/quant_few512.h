/*
 * Quantised products of one or two tokens for AVX-512 with VNNI: weights arrive from memory slower
 * than they are used, so they are not laid in a panel. Rows go by 8, two pieces of each at a time,
 * of types with mins by 16; types that gain by it take single tokens a row after the other. The
 * types are in quant_few512.c and quant_few512_k.c: one file of them takes too long to compile.
 */
#ifndef PXI_KERNEL_QUANT_FEW512_H
#define PXI_KERNEL_QUANT_FEW512_H

#include "kernel/x86/quant_rows512.h"
#include "kernel/x86/quant_types512.h"

/* So far ahead memory is asked for, in bytes: nearer it would come too late. */
#define AHEAD 65536

typedef __m512 row_fn(const uint8_t *p, const uint8_t *x);

/* One multiplication, and the spans of columns in hand, whose activations are in the records. */
struct job {
    const struct pxi_matmul *m;
    uint8_t *panel, *records;
    size_t spans, span_first;
};

/* -------------------------------------------------------------------- 8 or 16 rows at a time */

/*
 * The record of the n blocks from block `at` of the activations on: up to 16 with two pieces a row;
 * with one up to 8, which both lanes of a pair have.
 */
PXI_INLINE void pack_few(uint8_t *to, const struct pxi_act *act, size_t at, size_t n, int offset,
                         int turn, const int pieces, const int flags)
{
    _Alignas(64) int8_t values[PXI_SPAN] = {0};
    int32_t *start = (int32_t *)(to + PXI_FEW_START);
    float *dx = (float *)(to + PXI_FEW_DX), *xs = (float *)(to + PXI_FEW_XS);
    memset(to, 0, PXI_FEW_BYTES);
    pxi_pack_values((uint8_t *)values, act->q + at * 32, n, turn);
    for (size_t lane = 0; lane < (pieces == 2 ? n : 2 * n); lane++) {
        size_t b = pieces == 2 ? lane : lane / 2, in = pieces == 2 ? b % 8 : b;
        size_t half = pieces == 2 ? b / 8 : lane % 2, pair = 2 * in + half;
        int32_t s0 = act->sum[2 * (at + b)], s1 = act->sum[2 * (at + b) + 1];
        int32_t first = flags & PXI_Q_HALVES ? s0 : s0 + s1;
        for (size_t i = 0; i < 8; i++)
            memcpy(to + in * 64 + half * 4 + 8 * i, values + 32 * b + 4 * i, 4);
        start[pair] = -offset * first;
        start[16 + pair] = -offset * s1;
        dx[b] = act->d[at + b];
        xs[b] = dx[b] * (float)first;
        xs[16 + b] = dx[b] * (float)s1;
    }
}

/* y plus block b of the sink, as kernel.h writes it, with dx and xs of block `of`. */
PXI_INLINE __m512 add_few(const struct pxi_sink *s, __m512 y, int b, int of, int t, const int flags)
{
    const int parts = PXI_PARTS(flags);
    const uint8_t *w = s->w + b * PXI_BLOCK_BYTES(flags), *sum = w + 64 * parts * t;
    const uint8_t *scale = w + 512, *x = s->x + t * PXI_FEW_BYTES + 4 * of;
    __m512 f = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sum)), _mm512_load_ps(scale));
    if (flags & PXI_Q_HALVES)
        f = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sum + 64)),
                            _mm512_load_ps(scale + 64), f);
    y = _mm512_fmadd_ps(f, pxi_each_f32(x + PXI_FEW_DX), y);
    for (int h = 0; h < PXI_MIN_PARTS(flags); h++)
        y = _mm512_fnmadd_ps(_mm512_load_ps(scale + 64 * (parts + h)),
                             pxi_each_f32(x + PXI_FEW_XS + 64 * h), y);
    return y;
}

/* y plus blocks 0..7 of the sink. */
PXI_INLINE __m512 add_piece(const struct pxi_sink *s, __m512 y, int t, const int flags)
{
    PXI_UNROLL
    for (int b = 0; b < 8; b++)
        y = add_few(s, y, b, b, t, flags);
    return y;
}

/* y of 8 rows is in the even lanes. They add blocks 0..7, then as odd lanes blocks 8..15. */
PXI_INLINE void add_blocks(const struct pxi_sink *s, __m512 y[PXI_FUSED_MAX], const int tokens,
                           const int flags)
{
    PXI_UNROLL
    for (int t = 0; t < tokens; t++) {
        PXI_UNROLL
        for (int b = 0; b < 8; b++)
            y[t] = add_few(s, y[t], b, b, t, flags);
        y[t] = _mm512_moveldup_ps(y[t]);
        PXI_UNROLL
        for (int b = 0; b < 8; b++)
            y[t] = add_few(s, y[t], b, b + 8, t, flags);
        y[t] = _mm512_movehdup_ps(y[t]);
    }
}

/* The same where only the first `blocks` < 16 exist. */
PXI_INLINE void add_last(const struct pxi_sink *s, __m512 y[PXI_FUSED_MAX], int blocks,
                         const int tokens, const int flags)
{
    PXI_UNROLL
    for (int t = 0; t < tokens; t++) {
        int b = 0;
        for (; b < blocks && b < 8; b++)
            y[t] = add_few(s, y[t], b, b, t, flags);
        y[t] = _mm512_moveldup_ps(y[t]);
        for (; b < blocks; b++)
            y[t] = add_few(s, y[t], b - 8, b, t, flags);
        y[t] = _mm512_movehdup_ps(y[t]);
    }
}

/* The pieces of the span at p: of up to 16 rows, or two of up to 8; what does not exist is zero. */
static struct pxi_rows copy_pieces(uint8_t *copy, const uint8_t *p, size_t stride, size_t rows,
                                   size_t blocks, size_t bytes, size_t pieces)
{
    memset(copy, 0, 16 * PXI_COPY_STRIDE);
    for (size_t i = 0; i < 16; i++) {
        size_t first = i % pieces * 8;
        if (i / pieces < rows && first < blocks)
            memcpy(copy + i * PXI_COPY_STRIDE, p + i / pieces * stride + i % pieces * bytes,
                   pxi_min(blocks - first, 8) * bytes / 8);
    }
    return (struct pxi_rows){copy, PXI_COPY_STRIDE, 2 * PXI_COPY_STRIDE, 4 * PXI_COPY_STRIDE};
}

/* Eight rows from r on times the spans in hand. */
PXI_INLINE void few_rows(const struct job *j, size_t r, pxi_unpack_fn *unpack, size_t bytes,
                         const int tokens, const int flags)
{
    const struct pxi_matmul *m = j->m;
    size_t rows = pxi_min(m->row_last - r, 8), first = j->span_first * PXI_SPAN_BLOCKS;
    size_t blocks = m->k / 32 - first, group = 8 * m->row_bytes;
    const uint8_t *p = (const uint8_t *)m->w + r * m->row_bytes + first / 8 * bytes;
    struct pxi_ahead ahead = {p + (AHEAD + group - 1) / group * group, 2 * bytes};
    const __m512i even = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
    const __m512i back = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 14, 12, 10, 8, 6, 4, 2, 0);
    __mmask16 mask = (__mmask16)((1u << rows) - 1);
    float *out = m->y + r;
    __m512 y[PXI_FUSED_MAX];
    PXI_UNROLL
    for (int t = 0; t < tokens; t++)
        y[t] = _mm512_permutexvar_ps(
            even, _mm512_maskz_loadu_ps(first ? mask : 0, out + (size_t)t * m->y_stride));
    struct pxi_sink s = {j->panel, j->records, &ahead, tokens, flags};
    for (size_t n = 0; n < j->spans; n++, p += 2 * bytes, blocks -= PXI_SPAN_BLOCKS) {
        struct pxi_rows in = {p, bytes, m->row_bytes, 2 * m->row_bytes};
        uint8_t copy[16 * PXI_COPY_STRIDE];
        if (rows < 8 || blocks < PXI_SPAN_BLOCKS || m->row_bytes >= PXI_STRIDE_MAX)
            in = copy_pieces(copy, p, m->row_bytes, rows, blocks, bytes, 2);
        unpack(&s, &in);
        if (blocks >= PXI_SPAN_BLOCKS)
            add_blocks(&s, y, tokens, flags);
        else
            add_last(&s, y, (int)blocks, tokens, flags);
        s.x += tokens * PXI_FEW_BYTES;
    }
    PXI_UNROLL
    for (int t = 0; t < tokens; t++)
        _mm512_mask_storeu_ps(out + (size_t)t * m->y_stride, mask,
                              _mm512_permutexvar_ps(back, y[t]));
}

/*
 * Sixteen rows from r on, one piece a row: for types with mins, whose sums would otherwise take as
 * long to add as two pieces save in reading.
 */
PXI_INLINE void wide_rows(const struct job *j, size_t r, pxi_unpack_fn *unpack, size_t bytes,
                          const int tokens, const int flags)
{
    const struct pxi_matmul *m = j->m;
    size_t rows = pxi_min(m->row_last - r, 16), first = j->span_first * 8;
    size_t blocks = m->k / 32 - first, group = 16 * m->row_bytes;
    const uint8_t *p = (const uint8_t *)m->w + r * m->row_bytes + first / 8 * bytes;
    struct pxi_ahead ahead = {p + (AHEAD + group - 1) / group * group, 2 * bytes};
    __mmask16 mask = (__mmask16)((1u << rows) - 1);
    float *out = m->y + r;
    __m512 y[PXI_FUSED_MAX];
    PXI_UNROLL
    for (int t = 0; t < tokens; t++)
        y[t] = _mm512_maskz_loadu_ps(first ? mask : 0, out + (size_t)t * m->y_stride);
    struct pxi_sink s = {j->panel, j->records, &ahead, tokens, flags};
    for (size_t n = 0; n < j->spans; n++, p += bytes, blocks -= 8) {
        struct pxi_rows in = {p, m->row_bytes, 2 * m->row_bytes, 4 * m->row_bytes};
        uint8_t copy[16 * PXI_COPY_STRIDE];
        if (rows < 16 || blocks < 8 || m->row_bytes >= PXI_STRIDE_MAX)
            in = copy_pieces(copy, p, m->row_bytes, rows, blocks, bytes, 1);
        unpack(&s, &in);
        PXI_UNROLL
        for (int t = 0; t < tokens; t++)
            if (blocks >= 8)
                y[t] = add_piece(&s, y[t], t, flags);
            else
                for (int b = 0; b < (int)blocks; b++)
                    y[t] = add_few(&s, y[t], b, b, t, flags);
        s.x += tokens * PXI_FEW_BYTES;
    }
    PXI_UNROLL
    for (int t = 0; t < tokens; t++)
        _mm512_mask_storeu_ps(out + (size_t)t * m->y_stride, mask, y[t]);
}

/* All rows times `tokens` tokens. Spans are of 16 blocks, or of 8 with one piece a row. */
PXI_INLINE void run_few(struct job *j, pxi_unpack_fn *unpack, int offset, int turn, size_t bytes,
                        const int tokens, const int flags)
{
    const int pieces = flags & PXI_Q_MINS ? 1 : 2;
    const size_t span = 8 * (size_t)pieces, n = (size_t)tokens;
    size_t blocks = j->m->k / 32, spans = (blocks + span - 1) / span;
    size_t fit = PXI_RECORDS_BYTES / PXI_FEW_BYTES / n;
    for (j->span_first = 0; j->span_first < spans; j->span_first += j->spans) {
        j->spans = pxi_min(spans - j->span_first, fit);
        for (size_t i = 0; i < j->spans * n; i++) {
            size_t at = (j->span_first + i / n) * span;
            pack_few(j->records + i * PXI_FEW_BYTES, &j->m->act, i % n * blocks + at,
                     pxi_min(blocks - at, span), offset, turn, pieces, flags);
        }
        for (size_t r = j->m->row_first; r < j->m->row_last; r += pieces == 2 ? 8 : 16)
            if (pieces == 2)
                few_rows(j, r, unpack, bytes, tokens, flags);
            else
                wide_rows(j, r, unpack, bytes, tokens, flags);
    }
}

/* ---------------------------------------------------------- row after row (quant_rows512.h) */

/* The record of the n <= 16 blocks from block `at` of the activations on. */
PXI_INLINE void pack_row(uint8_t *to, const struct pxi_act *act, size_t at, size_t n,
                         const int offset, const enum pxi_row_order order, const int flags)
{
    int32_t *start = (int32_t *)(to + PXI_ROW_START);
    float *dx = (float *)(to + PXI_ROW_DX);
    memset(to, 0, PXI_ROW_BYTES);
    for (size_t b = 0; b < n; b++) {
        const int8_t *q = act->q + (at + b) * 32;
        size_t lane = b % 4 * 4 + b / 4;
        size_t first = order == PXI_ROW_NIBBLES ? b / 4 * 128 + b % 4 * 16 : 32 * b;
        int32_t s0 = act->sum[2 * (at + b)], s1 = act->sum[2 * (at + b) + 1];
        memcpy(to + first, q, 16);
        memcpy(to + first + (order == PXI_ROW_NIBBLES ? 64 : 16), q + 16, 16);
        dx[b] = act->d[at + b];
        start[lane] = -offset * (flags & PXI_Q_HALVES ? s0 : s0 + s1);
        start[16 + lane] = -offset * s1;
    }
}

/* A row from p on times the spans in hand: a line of 16 floats for each, 16 lines apart. */
PXI_INLINE void one_row(const struct job *j, const uint8_t *p, float *line, row_fn *row,
                        const size_t bytes)
{
    size_t left = j->m->k / 32 - j->span_first * PXI_SPAN_BLOCKS;
    const uint8_t *x = j->records;
    for (size_t s = 0; s < j->spans; s++, left -= PXI_SPAN_BLOCKS, p += 2 * bytes) {
        if (left < PXI_SPAN_BLOCKS) {
            uint8_t copy[2 * PXI_COPY_STRIDE] = {0};
            memcpy(copy, p, left * bytes / 8);
            _mm512_store_ps(line, row(copy, x));
        } else {
            _mm512_store_ps(line, row(p, x));
        }
        x += PXI_ROW_BYTES;
        line += 256;
    }
}

/* Sixteen rows from r on. */
PXI_INLINE void row_group(const struct job *j, size_t r, row_fn *row, const size_t bytes)
{
    const struct pxi_matmul *m = j->m;
    size_t rows = pxi_min(m->row_last - r, 16);
    size_t left = m->k / 32 - j->span_first * PXI_SPAN_BLOCKS;
    const uint8_t *p = (const uint8_t *)m->w + r * m->row_bytes + j->span_first * 2 * bytes;
    const uint8_t *x = j->records;
    float *lines = (float *)(j->records + j->spans * PXI_ROW_BYTES);
    __mmask16 mask = (__mmask16)((1u << rows) - 1);
    __m512 y = _mm512_maskz_loadu_ps(j->span_first ? mask : 0, m->y + r);
    for (size_t i = 0; i < rows; i++)
        one_row(j, p + i * m->row_bytes, lines + 16 * i, row, bytes);
    for (size_t s = 0; s < j->spans; s++, left -= PXI_SPAN_BLOCKS, x += PXI_ROW_BYTES)
        y = pxi_rows_add(y, lines + 256 * s, x, left);
    pxi_tile_store(m->y + r, y, mask);
}

/* All rows times one token. */
PXI_INLINE void run_lines(struct job *j, row_fn *row, const int offset,
                          const enum pxi_row_order order, const size_t bytes, const int flags)
{
    size_t blocks = j->m->k / 32, spans = (blocks + PXI_SPAN_BLOCKS - 1) / PXI_SPAN_BLOCKS;
    size_t fit = PXI_RECORDS_BYTES / (PXI_ROW_BYTES + 256 * sizeof(float));
    for (j->span_first = 0; j->span_first < spans; j->span_first += j->spans) {
        j->spans = pxi_min(spans - j->span_first, fit);
        for (size_t i = 0; i < j->spans; i++) {
            size_t at = (j->span_first + i) * PXI_SPAN_BLOCKS;
            pack_row(j->records + i * PXI_ROW_BYTES, &j->m->act, at,
                     pxi_min(blocks - at, PXI_SPAN_BLOCKS), offset, order, flags);
        }
        for (size_t r = j->m->row_first; r < j->m->row_last; r += 16)
            row_group(j, r, row, bytes);
    }
}

PXI_INLINE struct job job_of(const struct pxi_matmul *m)
{
    uint8_t *scratch = m->scratch;
    return (struct job){.m = m, .panel = scratch, .records = scratch + PXI_PANEL_BYTES};
}

/* run_few by what scales look like, for one and two tokens. */
#define PXI_FEW512(kind, flags)                                                                    \
    static PXI_APART void kind(const struct pxi_matmul *m, pxi_unpack_fn *one, pxi_unpack_fn *two, \
                               int offset, int turn, size_t bytes)                                 \
    {                                                                                              \
        struct job j = job_of(m);                                                                  \
        if (m->tokens == 1)                                                                        \
            run_few(&j, one, offset, turn, bytes, 1, flags);                                       \
        else                                                                                       \
            run_few(&j, two, offset, turn, bytes, 2, flags);                                       \
    }

/* A type whose tokens go 8 or 16 rows at a time, by a function that PXI_FEW512 made. */
#define PXI_FEW512_TYPE(name, kind)                                                                \
    PXI_UNPACK512(name, one, 1)                                                                    \
    PXI_UNPACK512(name, two, 2)                                                                    \
    void pxi_few512_##name(const struct pxi_matmul *m)                                             \
    {                                                                                              \
        kind(m, one_##name, two_##name, OFFSET_##name, TURN_##name, BYTES_##name);                 \
    }

/* The same, but a single token goes row after row when these have up to `most` bytes. */
#define PXI_ROWS512_TYPE(name, kind, most, order)                                                  \
    PXI_UNPACK512(name, one, 1)                                                                    \
    PXI_UNPACK512(name, two, 2)                                                                    \
    void pxi_few512_##name(const struct pxi_matmul *m)                                             \
    {                                                                                              \
        struct job j = job_of(m);                                                                  \
        if (m->tokens == 1 && m->row_bytes <= (most))                                              \
            run_lines(&j, pxi_row_##name, OFFSET_##name, order, BYTES_##name, FLAGS_##name);       \
        else                                                                                       \
            kind(m, one_##name, two_##name, OFFSET_##name, TURN_##name, BYTES_##name);             \
    }

#endif
