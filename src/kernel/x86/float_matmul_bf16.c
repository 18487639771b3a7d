/*
 * The opt-in bf16 set: products of F16 and BF16 weights by vdpbf16ps, twice the rate of fused
 * multiply-adds. Weights and activations are rounded to 8 bits of precision, and the instruction
 * adds two products at a time with roundings of its own, so these are other bits than those of
 * kernel.h: only the mask "bf16" chooses the set (kernel.c). Within it a result depends on its row
 * and token alone: the same for any batch.
 *
 * A vector is 32 columns of a row or a token, so nothing is transposed. Rows are rounded into the
 * scratch for many tokens, and on the way for few; they lie in the order of use, as in
 * lanes/matmul.h.
 */
#include "kernel/float.h"
#include "kernel/sets.h"
#include "kernel/x86/lanes_avx512.h"
#include "plexus/tensor.h"

#include <string.h>

enum {
    STEP = PXI_BF16_STEP,     /* columns of a vector */
    FEW = TILE_TOKENS,        /* tokens up to which rows are rounded on the way */
    SEGMENT = 64,             /* vectors of a row at a time: those of a tile stay in L1 */
    TOKENS = PXI_BF16_TOKENS, /* tokens that go through a panel of rows together */
};

#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

typedef __m512bh pairs;
typedef __m512 tile_sums[TILE_TOKENS][TILE_ROWS];

/* The first n <= 32 floats at p. */
INLINE pairs round32(const float *p, size_t n)
{
    __mmask16 low = n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1);
    __mmask16 high = n >= 32 ? 0xffff : n > 16 ? (__mmask16)((1u << (n - 16)) - 1) : 0;
    return _mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(high, p + 16), _mm512_maskz_loadu_ps(low, p));
}

/* The first n <= 32 elements of a row at p. */
INLINE pairs load32(enum elem e, const uint8_t *p, size_t n)
{
    __mmask32 mask = n >= STEP ? UINT32_MAX : (__mmask32)((1u << n) - 1);
    __m512i v = _mm512_maskz_loadu_epi16(mask, p);
    if (e == ELEM_BF16)
        return (pairs)v;
    return _mm512_cvtne2ps_pbh(_mm512_cvtph_ps(_mm512_extracti64x4_epi64(v, 1)),
                               _mm512_cvtph_ps(_mm512_castsi512_si256(v)));
}

/* Vectors of a row. */
static size_t steps_of(size_t k)
{
    return (k + STEP - 1) / STEP;
}

struct job {
    const struct pxi_matmul *m;
    size_t steps;
    size_t token, tokens; /* whose activations are at x */
    size_t from, to;      /* vectors of the rows: the segment in hand */
    uint16_t *x, *w;
    float *waiting; /* lanes of each tile, between two segments */
};

INLINE const uint8_t *row_at(const struct job *j, size_t row, size_t r)
{
    return (const uint8_t *)j->m->w + pxi_min(row + r, j->m->row_last - 1) * j->m->row_bytes;
}

/* Tokens in tiles of nearly equal width: that of the tile which begins here. */
INLINE size_t tile_width(size_t left)
{
    size_t tiles = (left + TILE_TOKENS - 1) / TILE_TOKENS;
    return (left + tiles - 1) / tiles;
}

/* Round activations: for each tile, for each 32 columns, those of its tokens. */
static void round_tokens(const struct job *j, uint16_t *to, size_t token, size_t tokens)
{
    size_t k = j->m->k;
    for (size_t t = 0, n; t < tokens; t += n) {
        n = tile_width(tokens - t);
        for (size_t s = 0; s < j->steps; s++)
            for (size_t i = 0; i < n; i++, to += STEP)
                _mm512_store_si512(
                    to, (__m512i)round32(j->m->x + (token + t + i) * k + s * STEP, k - s * STEP));
    }
}

/* Round the rows from `row` on: for each TILE_ROWS of them, for each 32 columns. */
INLINE void round_rows(const struct job *j, enum elem e, size_t row, size_t rows)
{
    uint16_t *to = j->w;
    for (size_t r = 0; r < rows; r += TILE_ROWS)
        for (size_t s = 0; s < j->steps; s++)
            for (size_t i = 0; i < TILE_ROWS; i++, to += STEP) {
                const uint8_t *from = row_at(j, row, r + i) + s * 2 * STEP;
                _mm_prefetch((const char *)from + TILE_ROWS * j->m->row_bytes, _MM_HINT_T1);
                _mm512_store_si512(to, (__m512i)load32(e, from, j->m->k - s * STEP));
            }
}

INLINE void add_step(const int T, const pairs *w, const uint16_t *x, tile_sums acc)
{
    UNROLL
    for (int t = 0; t < T; t++) {
        pairs v = (pairs)_mm512_load_si512(x + t * STEP);
        UNROLL
        for (int r = 0; r < TILE_ROWS; r++)
            acc[t][r] = _mm512_dpbf16_ps(acc[t][r], w[r], v);
    }
}

/* Sums of the lanes, to the results. */
INLINE void put_sums(const int T, const struct pxi_matmul *m, size_t row, size_t token,
                     tile_sums acc)
{
    float sum[TILE_TOKENS][TILE_ROWS];
    size_t n = pxi_min(m->row_last - row, TILE_ROWS);
    UNROLL
    for (int t = 0; t < T; t++)
        lanes_sums(acc[t], sum[t]);
    for (int t = 0; t < T; t++)
        memcpy(m->y + (token + (size_t)t) * m->y_stride + row, sum[t], n * sizeof **sum);
}

/* Between two segments lanes wait in the scratch. */
INLINE void take_sums(const int T, const struct job *j, const float *waiting, tile_sums acc)
{
    UNROLL
    for (int t = 0; t < T; t++)
        UNROLL
    for (int r = 0; r < TILE_ROWS; r++)
        acc[t][r] =
            j->from ? _mm512_load_ps(waiting + (t * TILE_ROWS + r) * 16) : _mm512_setzero_ps();
}

INLINE void leave_sums(const int T, float *waiting, tile_sums acc)
{
    UNROLL
    for (int t = 0; t < T; t++)
        UNROLL
    for (int r = 0; r < TILE_ROWS; r++)
        _mm512_store_ps(waiting + (t * TILE_ROWS + r) * 16, acc[t][r]);
}

/*
 * T tokens at x times TILE_ROWS rows, for the segment: rounded rows at w, or those of the matrix
 * when w is NULL.
 */
INLINE void tile(enum elem e, const int T, const struct job *j, size_t row, size_t token,
                 const uint16_t *w, const uint16_t *x, float *waiting)
{
    const struct pxi_matmul *m = j->m;
    const uint8_t *rows[TILE_ROWS];
    tile_sums acc;
    for (size_t r = 0; r < TILE_ROWS; r++)
        rows[r] = row_at(j, row, r);
    take_sums(T, j, waiting, acc);
    x += j->from * T * STEP;
    for (size_t s = j->from; s < j->to; s++, x += T * STEP) {
        pairs v[TILE_ROWS];
        UNROLL
        for (size_t r = 0; r < TILE_ROWS; r++) {
            if (w) {
                v[r] = (pairs)_mm512_load_si512(w + (s * TILE_ROWS + r) * STEP);
                continue;
            }
            _mm_prefetch((const char *)rows[r] + TILE_ROWS * m->row_bytes + 64 * s, _MM_HINT_T1);
            v[r] = load32(e, rows[r] + s * 2 * STEP, m->k - s * STEP);
        }
        add_step(T, v, x, acc);
    }
    if (j->to == j->steps)
        put_sums(T, m, row, token, acc);
    else
        leave_sums(T, waiting, acc);
}

/* The tokens in hand times the rows [row, end), for the segment. */
INLINE void tiles(enum elem e, const struct job *j, size_t row, size_t end, const uint16_t *w)
{
    float *waiting = j->waiting;
    for (; row < end; row += TILE_ROWS) {
        const uint16_t *x = j->x;
        for (size_t t = 0, n; t < j->tokens; t += n) {
            switch (n = tile_width(j->tokens - t)) {
#define CASE(T)                                                                                    \
    case T: tile(e, T, j, row, j->token + t, w, x, waiting); break;
                CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#undef CASE
            }
            x += n * j->steps * STEP;
            waiting += n * TILE_ROWS * 16;
        }
        if (w)
            w += j->steps * TILE_ROWS * STEP;
    }
}

/* The tokens in hand times the rows [row, end). */
INLINE void segments(enum elem e, struct job *j, size_t row, size_t end, const uint16_t *w)
{
    j->from = 0;
    do {
        j->to = pxi_min(j->steps, j->from + SEGMENT);
        tiles(e, j, row, end, w);
        j->from = j->to;
    } while (j->from < j->steps);
}

/* Tokens [first, last), whose rounded activations are at x, TOKENS after TOKENS. */
INLINE void batch(enum elem e, struct job *j, uint16_t *x, size_t first, size_t last, size_t rows)
{
    const struct pxi_matmul *m = j->m;
    int few = last - first <= FEW;
    for (size_t row = m->row_first; row < m->row_last; row += rows) {
        size_t end = pxi_min(m->row_last, row + rows);
        if (!few)
            round_rows(j, e, row, end - row);
        for (j->token = first; j->token < last; j->token += TOKENS) {
            j->tokens = pxi_min(last - j->token, TOKENS);
            j->x = x + (j->token - first) * j->steps * STEP;
            segments(e, j, row, end, few ? NULL : j->w);
        }
    }
}

INLINE void matmul(const struct pxi_matmul *m, enum elem e)
{
    struct job j = {.m = m, .steps = steps_of(m->k), .waiting = m->scratch};
    size_t vectors = PXI_BF16_PANEL_VECTORS / pxi_max(j.steps, 1) / TILE_ROWS * TILE_ROWS;
    size_t rows = pxi_max(pxi_min(vectors, PXI_BF16_ROWS), TILE_ROWS);
    j.w = (uint16_t *)(j.waiting + PXI_BF16_ROWS * PXI_BF16_TOKENS * PXI_FLOAT_LANES);
    uint16_t *x = j.w + rows * j.steps * STEP;
    for (size_t t = 0, last; t < m->tokens; t = last) {
        last = pxi_min(m->tokens, t + PXI_BF16_BATCH);
        for (size_t i = t; i < last; i += TOKENS)
            round_tokens(&j, x + (i - t) * j.steps * STEP, i, pxi_min(last - i, TOKENS));
        batch(e, &j, x, t, last, rows);
    }
}

static void matmul_f16(const struct pxi_matmul *m)
{
    matmul(m, ELEM_F16);
}

static void matmul_bf16(const struct pxi_matmul *m)
{
    matmul(m, ELEM_BF16);
}

void pxi_bf16_float_matmul(struct pxi_kernels *k)
{
    k->matmul[PX_DTYPE_F16] = matmul_f16;
    k->matmul[PX_DTYPE_BF16] = matmul_bf16;
}
