/*
 * Quantised products of one or two tokens for AVX2: see quant_rows256.h. The scaled sums of 16 rows
 * wait in lines, so that two chains of additions run beside each other.
 */
#include "base/math.h"
#include "kernel/x86/quant_rows256.h"
#include "kernel/x86/quant_types256.h"

/* Pieces of columns in hand at most: their records and lines stay in the second-level cache. */
enum { PIECES = 64, PIECE_COPY = 272, TOKENS_MAX = 2 };

/* So far ahead memory is asked for, in bytes: the prefetchers of the processor stop at the end of
 * a page. */
enum { AHEAD = 4096 };

typedef void piece_fn(const struct piece *p, const int tokens);

/* How the values of a record lie: in the order of blocks, or the first halves of blocks b and
 * b + 4, then their second halves. */
enum order { BLOCKS, HALVES_OF_TWO };

/* One multiplication, and the pieces of the columns in hand. */
struct job {
    const struct pxi_matmul *m;
    uint8_t *records;
    float *lines;
    size_t first, pieces;
};

/* The record of the n <= 8 blocks from block `at` of the activations on. */
INLINE void pack(uint8_t *to, const struct pxi_act *act, size_t at, size_t n, const int offset,
                 const enum order order, const int flags)
{
    int32_t *start = (int32_t *)(to + REC_START);
    float *dx = (float *)(to + REC_DX), *xs = (float *)(to + REC_XS);
    memset(to, 0, REC_BYTES);
    for (size_t b = 0; b < n; b++) {
        const int8_t *q = act->q + (at + b) * 32;
        int32_t s0 = act->sum[2 * (at + b)], s1 = act->sum[2 * (at + b) + 1];
        int32_t first = flags & PXI_Q_HALVES ? s0 : s0 + s1;
        size_t half = order == BLOCKS ? b * 32 : b % 4 * 64 + b / 4 * 16;
        memcpy(to + half, q, 16);
        memcpy(to + half + (order == BLOCKS ? 16 : 32), q + 16, 16);
        start[b] = -offset * first;
        start[8 + b] = -offset * s1;
        dx[b] = act->d[at + b];
        xs[b] = dx[b] * (float)first;
        xs[8 + b] = dx[b] * (float)s1;
    }
}

INLINE __m256 each(const uint8_t *x, int at)
{
    return _mm256_broadcast_ss((const float *)(x + at));
}

/* y += blocks 4 * half to 4 * half + 3 of a piece, of which so many exist: see kernel.h. */
INLINE void add_half(__m256 y[][2], const float *line, const uint8_t *x, const int half,
                     const size_t blocks, const int tokens, const int flags)
{
    __m256 f[2][4], m[2][4];
    if (flags & PXI_Q_MINS) {
        lines4(m[0], line + tokens * PART_FLOATS, 8, half);
        lines4(m[1], line + tokens * PART_FLOATS + 64, 8, half);
    }
    UNROLL
    for (int t = 0; t < tokens; t++) {
        const uint8_t *r = x + t * REC_BYTES + 16 * half;
        UNROLL
        for (int g = 0; g < 2; g++)
            lines4(f[g], line + t * PART_FLOATS + 64 * g, 8, half);
        UNROLL
        for (int b = 0; b < 4; b++) {
            if ((size_t)b >= blocks)
                break;
            UNROLL
            for (int g = 0; g < 2; g++) {
                y[t][g] = _mm256_fmadd_ps(f[g][b], each(r, REC_DX + 4 * b), y[t][g]);
                if (flags & PXI_Q_MINS)
                    y[t][g] = _mm256_fnmadd_ps(m[g][b], each(r, REC_XS + 4 * b), y[t][g]);
            }
        }
    }
}

/* y += the first `blocks` blocks of a piece. */
INLINE void add_piece(__m256 y[][2], const float *line, const uint8_t *x, const size_t blocks,
                      const int tokens, const int flags)
{
    add_half(y, line, x, 0, blocks, tokens, flags);
    if (blocks > 4)
        add_half(y, line, x, 1, blocks - 4, tokens, flags);
}

/* The pieces in hand of the row at w; lines from `line` on. */
INLINE void one_row(const struct job *j, const uint8_t *w, float *line, piece_fn *piece,
                    const size_t bytes, const int tokens, const int parts)
{
    size_t left = j->m->k / 32 - j->first * 8;
    struct piece p = {w, j->records, line};
    for (size_t s = 0; s < j->pieces; s++, left -= 8) {
        uint8_t copy[PIECE_COPY];
        if (left < 8) {
            memset(copy, 0, sizeof copy);
            p.w = memcpy(copy, p.w, left * bytes / 8);
        }
        for (size_t at = 0; at < bytes; at += 64)
            __builtin_prefetch(p.w + AHEAD + at, 0, 2);
        piece(&p, tokens);
        p.w += bytes;
        p.x += tokens * REC_BYTES;
        p.line += parts * PART_FLOATS;
    }
}

/* The rows' results so far: what is at `out`, or zero when `fresh`. */
INLINE void load_sums(__m256 y[2], const float *out, size_t rows, int fresh)
{
    float part[ROWS] = {0};
    if (!fresh)
        memcpy(part, out, rows * sizeof *out);
    y[0] = _mm256_loadu_ps(part);
    y[1] = _mm256_loadu_ps(part + 8);
}

INLINE void store_sums(float *out, const __m256 y[2], size_t rows)
{
    float part[ROWS];
    _mm256_storeu_ps(part, y[0]);
    _mm256_storeu_ps(part + 8, y[1]);
    memcpy(out, part, rows * sizeof *out);
}

/* Sixteen rows from r on. */
INLINE void group(const struct job *j, size_t r, piece_fn *piece, const size_t bytes,
                  const int tokens, const int flags)
{
    const struct pxi_matmul *m = j->m;
    const int parts = tokens + (flags & PXI_Q_MINS ? 1 : 0);
    const uint8_t *w = (const uint8_t *)m->w + r * m->row_bytes + j->first * bytes;
    const uint8_t *x = j->records;
    const float *line = j->lines;
    size_t rows = pxi_min(m->row_last - r, ROWS), left = m->k / 32 - j->first * 8;
    float *out = m->y + r;
    __m256 y[TOKENS_MAX][2];
    for (size_t i = 0; i < rows; i++, w += m->row_bytes)
        one_row(j, w, j->lines + 8 * i, piece, bytes, tokens, parts);
    UNROLL
    for (int t = 0; t < tokens; t++)
        load_sums(y[t], out + (size_t)t * m->y_stride, rows, !j->first);
    for (size_t s = 0; s < j->pieces; s++, left -= 8) {
        if (left >= 8)
            add_piece(y, line, x, 8, tokens, flags);
        else
            add_piece(y, line, x, left, tokens, flags);
        x += tokens * REC_BYTES;
        line += parts * PART_FLOATS;
    }
    UNROLL
    for (int t = 0; t < tokens; t++)
        store_sums(out + (size_t)t * m->y_stride, y[t], rows);
}

INLINE void run(const struct pxi_matmul *m, piece_fn *piece, const int offset,
                const enum order order, const size_t bytes, const int tokens, const int flags)
{
    size_t blocks = m->k / 32, pieces = (blocks + 7) / 8, n = (size_t)tokens;
    uint8_t *scratch = m->scratch;
    struct job j = {m, scratch, (float *)(scratch + PIECES * n * REC_BYTES), 0, 0};
    memset(j.lines, 0, pxi_min(pieces, PIECES) * (n + 1) * PART_FLOATS * sizeof(float));
    for (; j.first < pieces; j.first += j.pieces) {
        j.pieces = pxi_min(pieces - j.first, PIECES);
        for (size_t i = 0; i < j.pieces * n; i++) {
            size_t at = (j.first + i / n) * 8;
            pack(j.records + i * REC_BYTES, &m->act, i % n * blocks + at, pxi_min(blocks - at, 8),
                 offset, order, flags);
        }
        for (size_t r = m->row_first; r < m->row_last; r += ROWS)
            group(&j, r, piece, bytes, tokens, flags);
    }
}

#define TOKENS(name, offset, order, n)                                                             \
    static __attribute__((noinline)) void name##_##n(const struct pxi_matmul *m)                   \
    {                                                                                              \
        run(m, piece_##name, offset, order, PXI_BYTES256_##name, n, PXI_FLAGS256_##name);          \
    }

#define TYPE(name, offset, order)                                                                  \
    TOKENS(name, offset, order, 1)                                                                 \
    TOKENS(name, offset, order, 2)                                                                 \
    void pxi_few256_##name(const struct pxi_matmul *m)                                             \
    {                                                                                              \
        if (m->tokens == 1)                                                                        \
            name##_1(m);                                                                           \
        else                                                                                       \
            name##_2(m);                                                                           \
    }

TYPE(q4_0, 8, HALVES_OF_TWO)
TYPE(q8_0, 0, BLOCKS)
TYPE(q4_k, 0, HALVES_OF_TWO)
TYPE(q6_k, 32, BLOCKS)
