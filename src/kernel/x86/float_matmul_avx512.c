/*
 * Matrix products with F32, F16 and BF16 weights for AVX-512. A vector holds 16 rows at one k, so
 * that each lane adds its products in the order of k, as the scalar version does.
 *
 * Rows are read a cache line (64 bytes) at a time into a linear buffer, since 16 rows of a power of
 * two of bytes share one set of the first-level cache, and transposed from there. Up to 8 tokens
 * the vectors go straight into the sums (decode: weights are read once). Beyond, panels [k][32] of
 * floats are laid in the scratch for blocks of k, and tiles of up to 14 tokens run over them.
 */
#include "kernel/sets.h"
#include "plexus/tensor.h"

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum elem { ELEM_F32, ELEM_F16, ELEM_BF16 };

enum {
    LINE = 64,        /* bytes of a row read at once */
    DECODE_MAX = 8,   /* tokens for which weights are not kept as floats */
    TILE_MAX = 14,    /* tokens of a tile: 28 accumulators, 2 weights, 1 activation */
    BLOCK_K = 256,    /* k of a panel: 32 KiB */
    BLOCK_PANELS = 8, /* panels of 32 rows that stay in the second-level cache together */
    X_STRIDE = 272,   /* floats from one token to the next in the copy of a tile */
};

INLINE size_t elem_bytes(enum elem e)
{
    return e == ELEM_F32 ? 4 : 2;
}
INLINE size_t line_elems(enum elem e)
{
    return LINE / elem_bytes(e);
}

/* Sixteen rows; those past the last are the last one again, their results are not stored. */
struct group {
    const uint8_t *first;
    size_t row_bytes, last;
};

static struct group group_of(const struct pxi_matmul *m, size_t row)
{
    size_t left = m->row_last - row;
    return (struct group){(const uint8_t *)m->w + row * m->row_bytes, m->row_bytes,
                          left < 16 ? left - 1 : 15};
}

INLINE __mmask16 rows_mask(size_t left)
{
    return left >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << left) - 1);
}

/* Copy bytes [at, at + n) of each row, n <= 64, into line[16][64], and ask for 16 rows further on.
 */
INLINE void stage(uint8_t *line, const struct group *g, size_t at, size_t n)
{
    __mmask64 mask = ((__mmask64)1 << n % LINE) - 1;
    const uint8_t *p = g->first + at;
    for (size_t r = 0; r < 16; r++) {
        __m512i v = n == LINE ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi8(mask, p);
        _mm512_store_si512(line + LINE * r, v);
        _mm_prefetch((const char *)p + 16 * g->row_bytes, _MM_HINT_T1);
        p += r < g->last ? g->row_bytes : 0;
    }
}

/* 16 bytes of the rows i, 4 + i, 8 + i, 12 + i as the four parts of a vector. */
INLINE __m512i quarter_rows(const uint8_t *line, int i)
{
    const uint8_t *p = line + LINE * i;
    __m512i z = _mm512_castsi128_si512(_mm_load_si128((const __m128i *)p));
    z = _mm512_mask_broadcast_i32x4(z, 0x00f0, _mm_load_si128((const __m128i *)(p + 4 * LINE)));
    z = _mm512_mask_broadcast_i32x4(z, 0x0f00, _mm_load_si128((const __m128i *)(p + 8 * LINE)));
    return _mm512_mask_broadcast_i32x4(z, 0xf000, _mm_load_si128((const __m128i *)(p + 12 * LINE)));
}

/* Transpose 16 bytes of 16 rows: d[j] = dword j of each row. */
INLINE void transpose_dwords(const uint8_t *line, __m512i *d)
{
    __m512i z0 = quarter_rows(line, 0), z1 = quarter_rows(line, 1);
    __m512i z2 = quarter_rows(line, 2), z3 = quarter_rows(line, 3);
    __m512i a = _mm512_unpacklo_epi32(z0, z1), b = _mm512_unpackhi_epi32(z0, z1);
    __m512i c = _mm512_unpacklo_epi32(z2, z3), e = _mm512_unpackhi_epi32(z2, z3);
    d[0] = _mm512_unpacklo_epi64(a, c);
    d[1] = _mm512_unpackhi_epi64(a, c);
    d[2] = _mm512_unpacklo_epi64(b, e);
    d[3] = _mm512_unpackhi_epi64(b, e);
}

/* Transpose 8 halves of 16 rows into h[8][16]. */
INLINE void transpose_halves(const uint8_t *line, uint16_t *h)
{
    const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    __m512i z0 = quarter_rows(line, 0), z1 = quarter_rows(line, 1);
    __m512i z2 = quarter_rows(line, 2), z3 = quarter_rows(line, 3);
    __m512i a = _mm512_unpacklo_epi16(z0, z1), b = _mm512_unpackhi_epi16(z0, z1);
    __m512i c = _mm512_unpacklo_epi16(z2, z3), d = _mm512_unpackhi_epi16(z2, z3);
    __m512i p[4] = {_mm512_unpacklo_epi32(a, c), _mm512_unpackhi_epi32(a, c),
                    _mm512_unpacklo_epi32(b, d), _mm512_unpackhi_epi32(b, d)};
    for (int i = 0; i < 4; i++)
        _mm512_store_si512(h + 32 * i, _mm512_permutexvar_epi64(order, p[i]));
    /* Converting from memory needs no shuffle, from half a register it does: keep it in memory. */
    __asm__ volatile("" : "+m"(*(uint16_t(*)[128])h));
}

/* A quarter of a line as floats: w[i] = element i of each row, 4 (F32) or 8 vectors. */
INLINE void widen(enum elem e, const uint8_t *line, __m512 *w)
{
    if (e == ELEM_F16) {
        _Alignas(64) uint16_t h[8 * 16];
        transpose_halves(line, h);
        for (int i = 0; i < 8; i++)
            w[i] = _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)(h + 16 * i)));
        return;
    }
    __m512i d[4];
    transpose_dwords(line, d);
    for (int i = 0; i < 4; i++)
        if (e == ELEM_F32) {
            w[i] = _mm512_castsi512_ps(d[i]);
        } else {
            w[2 * i] = _mm512_castsi512_ps(_mm512_slli_epi32(d[i], 16));
            w[2 * i + 1] =
                _mm512_castsi512_ps(_mm512_and_si512(d[i], _mm512_set1_epi32((int)0xffff0000u)));
        }
}

/* Add the first n of a quarter line's products, n <= 8, to the sums of T tokens and `groups`. */
INLINE void add_quarter(enum elem e, int T, int groups, uint8_t line[2][16 * LINE], int quarter,
                        const float *x, size_t n, __m512 (*acc)[2])
{
    const int width = e == ELEM_F32 ? 4 : 8;
    __m512 w[2][8];
    for (int g = 0; g < groups; g++)
        widen(e, line[g] + 16 * quarter, w[g]);
    for (int i = 0; i < width; i++) {
        if ((size_t)i >= n)
            break;
        for (int t = 0; t < T; t++) {
            __m512 b = _mm512_set1_ps(x[t * 32 + width * quarter + i]);
            for (int g = 0; g < groups; g++)
                acc[t][g] = _mm512_fmadd_ps(w[g][i], b, acc[t][g]);
        }
    }
}

/* Copy n <= 32 floats of T tokens to x[T][32]. */
INLINE void stage_x(float *x, const float *from, size_t stride, int T, size_t n)
{
    for (int t = 0; t < T; t++)
        for (size_t i = 0; i < n; i += 16) {
            __mmask16 mask = rows_mask(n - i);
            _mm512_store_ps(x + t * 32 + i, _mm512_maskz_loadu_ps(mask, from + t * stride + i));
        }
}

/* T tokens of one or two groups of rows, weights read once. */
INLINE void decode(const struct pxi_matmul *m, enum elem e, const int T, const int groups,
                   size_t row)
{
    _Alignas(64) uint8_t line[2][16 * LINE];
    _Alignas(64) float x[DECODE_MAX * 32];
    __m512 acc[DECODE_MAX][2];
    const size_t step = line_elems(e), quarter = step / 4;
    struct group g[2];
    for (int i = 0; i < groups; i++)
        g[i] = group_of(m, row + 16 * (size_t)i);
    for (int t = 0; t < T; t++)
        acc[t][0] = acc[t][1] = _mm512_setzero_ps();
    size_t k = 0;
    for (; k + step <= m->k; k += step) {
        for (int i = 0; i < groups; i++)
            stage(line[i], &g[i], k * elem_bytes(e), LINE);
        stage_x(x, m->x + k, m->k, T, step);
        for (int q = 0; q < 4; q++)
            add_quarter(e, T, groups, line, q, x, quarter, acc);
    }
    if (k < m->k) {
        size_t left = m->k - k;
        for (int i = 0; i < groups; i++)
            stage(line[i], &g[i], k * elem_bytes(e), left * elem_bytes(e));
        stage_x(x, m->x + k, m->k, T, left);
        for (int q = 0; q < 4 && left > quarter * (size_t)q; q++)
            add_quarter(e, T, groups, line, q, x, left - quarter * (size_t)q, acc);
    }
    for (int t = 0; t < T; t++)
        for (int i = 0; i < groups; i++)
            _mm512_mask_storeu_ps(m->y + (size_t)t * m->y_stride + row + 16 * i,
                                  rows_mask(m->row_last - row - 16 * (size_t)i), acc[t][i]);
}

INLINE void decode_rows(const struct pxi_matmul *m, enum elem e, const int T)
{
    size_t row = m->row_first;
    for (; row + 16 < m->row_last; row += 32)
        decode(m, e, T, 2, row);
    if (row < m->row_last)
        decode(m, e, T, 1, row);
}

/* Lay n elements from k0 of 16 rows at out[n][32]. */
INLINE void unpack(enum elem e, const struct group *g, size_t k0, size_t n, float *out)
{
    _Alignas(64) uint8_t line[16 * LINE];
    const size_t step = line_elems(e), width = step / 4;
    __m512 w[8];
    for (size_t k = 0; k < n; k += step) {
        size_t left = n - k < step ? n - k : step;
        stage(line, g, (k0 + k) * elem_bytes(e), left * elem_bytes(e));
        for (size_t q = 0; q < 4 && q * width < left; q++) {
            widen(e, line + 16 * q, w);
            for (size_t i = 0; i < width && q * width + i < left; i++)
                _mm512_store_ps(out + 32 * (k + q * width + i), w[i]);
        }
    }
}

/* One tile: T tokens, 32 rows, n of k. Sums continue from y unless this is the first block. */
INLINE void tile(const int T, const float *w, const float *x, size_t n, float *y, size_t y_stride,
                 const __mmask16 *mask, int first)
{
    __m512 acc[TILE_MAX][2];
    for (int t = 0; t < T; t++)
        for (int i = 0; i < 2; i++)
            acc[t][i] = first ? _mm512_setzero_ps()
                              : _mm512_maskz_loadu_ps(mask[i], y + (size_t)t * y_stride + 16 * i);
    for (size_t k = 0; k < n; k++) {
        __m512 w0 = _mm512_load_ps(w + 32 * k), w1 = _mm512_load_ps(w + 32 * k + 16);
        for (int t = 0; t < T; t++) {
            __m512 b = _mm512_set1_ps(x[t * X_STRIDE + k]);
            acc[t][0] = _mm512_fmadd_ps(w0, b, acc[t][0]);
            acc[t][1] = _mm512_fmadd_ps(w1, b, acc[t][1]);
        }
    }
    for (int t = 0; t < T; t++)
        for (int i = 0; i < 2; i++)
            _mm512_mask_storeu_ps(y + (size_t)t * y_stride + 16 * i, mask[i], acc[t][i]);
}

static void tile_of(size_t tokens, const float *w, const float *x, size_t n, float *y,
                    size_t y_stride, const __mmask16 *mask, int first)
{
    switch (tokens) {
#define T(t)                                                                                       \
    case t: tile(t, w, x, n, y, y_stride, mask, first); break;
        T(1) T(2) T(3) T(4) T(5) T(6) T(7) T(8) T(9) T(10) T(11) T(12) T(13) T(14)
#undef T
    }
}

/* A block of k and of rows, all tokens: panels in w, the copy of a tile's activations in x. */
struct block {
    size_t row, k, n, panels;
    float *w, *x;
};

static void run_tile(const struct pxi_matmul *m, const struct block *b, size_t token, size_t tokens)
{
    for (size_t t = 0; t < tokens; t++)
        for (size_t i = 0; i < b->n; i += 16)
            _mm512_store_ps(
                b->x + t * X_STRIDE + i,
                _mm512_maskz_loadu_ps(rows_mask(b->n - i), m->x + (token + t) * m->k + b->k + i));
    for (size_t p = 0; p < b->panels; p++) {
        size_t row = b->row + 32 * p, left = m->row_last - row;
        __mmask16 mask[2] = {rows_mask(left), rows_mask(left > 16 ? left - 16 : 0)};
        tile_of(tokens, b->w + p * 32 * BLOCK_K, b->x, b->n, m->y + token * m->y_stride + row,
                m->y_stride, mask, b->k == 0);
    }
}

/* Tokens in tiles of nearly equal size. */
static void run_block(const struct pxi_matmul *m, const struct block *b)
{
    size_t tiles = (m->tokens + TILE_MAX - 1) / TILE_MAX, token = 0;
    for (size_t i = 0; i < tiles; i++) {
        size_t n = (m->tokens - token + tiles - i - 1) / (tiles - i);
        run_tile(m, b, token, n);
        token += n;
    }
}

INLINE void prefill(const struct pxi_matmul *m, enum elem e)
{
    /* Panels of BLOCK_K, or one of k when that is less, fit in 128 * k bytes; x in the other 16
     * KiB. */
    size_t fit = m->k / BLOCK_K, most = fit < 1 ? 1 : fit < BLOCK_PANELS ? fit : BLOCK_PANELS;
    struct block b = {.x = m->scratch, .w = (float *)m->scratch + 4096};
    for (b.row = m->row_first; b.row < m->row_last; b.row += 32 * b.panels) {
        b.panels = (m->row_last - b.row + 31) / 32;
        b.panels = b.panels < most ? b.panels : most;
        for (b.k = 0; b.k < m->k || b.k == 0; b.k += BLOCK_K) {
            b.n = m->k - b.k < BLOCK_K ? m->k - b.k : BLOCK_K;
            for (size_t i = 0; i < 2 * b.panels; i++) {
                size_t row = b.row + 16 * i;
                struct group g = group_of(m, row < m->row_last ? row : b.row);
                unpack(e, &g, b.k, b.n, b.w + i / 2 * 32 * BLOCK_K + i % 2 * 16);
            }
            run_block(m, &b);
        }
    }
}

INLINE void matmul(const struct pxi_matmul *m, enum elem e)
{
    switch (m->tokens) {
    case 0: break;
#define T(t)                                                                                       \
    case t: decode_rows(m, e, t); break;
        T(1)
        T(2)
        T(3) T(4) T(5) T(6) T(7) T(8)
#undef T
            default : prefill(m, e);
    }
}

static void matmul_f32(const struct pxi_matmul *m)
{
    matmul(m, ELEM_F32);
}
static void matmul_f16(const struct pxi_matmul *m)
{
    matmul(m, ELEM_F16);
}
static void matmul_bf16(const struct pxi_matmul *m)
{
    matmul(m, ELEM_BF16);
}

static void dequant_f16(float *dst, const void *src, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = rows_mask(n - i);
        _mm512_mask_storeu_ps(dst + i, mask,
                              _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, p + 2 * i)));
    }
}

static void dequant_bf16(float *dst, const void *src, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = rows_mask(n - i);
        __m512i d = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, p + 2 * i));
        _mm512_mask_storeu_epi32(dst + i, mask, _mm512_slli_epi32(d, 16));
    }
}

void pxi_avx512_float_matmul(struct pxi_kernels *k)
{
    k->matmul[PX_DTYPE_F32] = matmul_f32;
    k->matmul[PX_DTYPE_F16] = matmul_f16;
    k->matmul[PX_DTYPE_BF16] = matmul_bf16;
    k->dequant[PX_DTYPE_F16] = dequant_f16;
    k->dequant[PX_DTYPE_BF16] = dequant_bf16;
}
