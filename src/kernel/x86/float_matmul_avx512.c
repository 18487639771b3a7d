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
    if (row >= m->row_last) /* the half of a pair that is not there */
        return (struct group){(const uint8_t *)m->w + (m->row_last - 1) * m->row_bytes, 0, 0};
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
static __attribute__((noinline)) void stage(uint8_t *line, const struct group *g, size_t at,
                                            size_t n)
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

/* Keeps the compiler from unrolling a loop over v. */
INLINE size_t opaque(size_t v)
{
    __asm__("" : "+r"(v));
    return v;
}

/* Add the products of a quarter line to the sums of T tokens and two groups. */
INLINE void add_quarter(enum elem e, int T, uint8_t line[2][16 * LINE], size_t quarter,
                        const float *x, __m512 (*acc)[2])
{
    const size_t width = e == ELEM_F32 ? 4 : 8;
    __m512 w[2][8];
    for (int g = 0; g < 2; g++)
        widen(e, line[g] + 16 * quarter, w[g]);
    for (size_t i = 0; i < width; i++)
        for (int t = 0; t < T; t++) {
            __m512 b = _mm512_set1_ps(x[(size_t)t * 32 + width * quarter + i]);
            for (int g = 0; g < 2; g++)
                acc[t][g] = _mm512_fmadd_ps(w[g][i], b, acc[t][g]);
        }
}

/* The same for the first n elements of the last line that is not whole. */
INLINE void add_rest(enum elem e, int T, uint8_t line[2][16 * LINE], const float *x, size_t n,
                     __m512 (*acc)[2])
{
    const size_t width = e == ELEM_F32 ? 4 : 8;
    _Alignas(64) float part[2][32][16];
    __m512 w[8];
    for (size_t q = 0; q < 8; q = opaque(q + 1)) { /* four quarters of two groups */
        widen(e, line[q / 4] + 16 * (q % 4), w);
        for (size_t i = 0; i < width; i++)
            _mm512_store_ps(part[q / 4][width * (q % 4) + i], w[i]);
    }
    for (size_t i = 0; i < n; i = opaque(i + 1))
        for (int t = 0; t < T; t++)
            for (int g = 0; g < 2; g++)
                acc[t][g] = _mm512_fmadd_ps(_mm512_load_ps(part[g][i]),
                                            _mm512_set1_ps(x[(size_t)t * 32 + i]), acc[t][g]);
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

/* T tokens of 32 rows, weights read once. */
INLINE void decode(const struct pxi_matmul *m, enum elem e, const int T, size_t row)
{
    _Alignas(64) uint8_t line[2][16 * LINE];
    _Alignas(64) float x[DECODE_MAX * 32];
    __m512 acc[DECODE_MAX][2];
    const size_t step = line_elems(e);
    struct group g[2] = {group_of(m, row), group_of(m, row + 16)};
    size_t rows = m->row_last - row;
    __mmask16 mask[2] = {rows_mask(rows), rows_mask(rows > 16 ? rows - 16 : 0)};
    for (int t = 0; t < T; t++)
        acc[t][0] = acc[t][1] = _mm512_setzero_ps();
    for (size_t k = 0; k < m->k; k += step) {
        size_t left = m->k - k < step ? m->k - k : step;
        for (int i = 0; i < 2; i++)
            stage(line[i], &g[i], k * elem_bytes(e), left * elem_bytes(e));
        stage_x(x, m->x + k, m->k, T, left);
        if (left < step)
            add_rest(e, T, line, x, left, acc);
        else
            for (size_t q = 0; q < 4; q = opaque(q + 1))
                add_quarter(e, T, line, q, x, acc);
    }
    for (int t = 0; t < T; t++)
        for (int i = 0; i < 2; i++)
            _mm512_mask_storeu_ps(m->y + (size_t)t * m->y_stride + row + 16 * i, mask[i],
                                  acc[t][i]);
}

INLINE void decode_rows(const struct pxi_matmul *m, enum elem e, const int T)
{
    for (size_t row = m->row_first; row < m->row_last; row += 32)
        decode(m, e, T, row);
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
    case 1: tile(1, w, x, n, y, y_stride, mask, first); break;
    case 2: tile(2, w, x, n, y, y_stride, mask, first); break;
    case 3: tile(3, w, x, n, y, y_stride, mask, first); break;
    case 4: tile(4, w, x, n, y, y_stride, mask, first); break;
    case 5: tile(5, w, x, n, y, y_stride, mask, first); break;
    case 6: tile(6, w, x, n, y, y_stride, mask, first); break;
    case 7: tile(7, w, x, n, y, y_stride, mask, first); break;
    case 8: tile(8, w, x, n, y, y_stride, mask, first); break;
    case 9: tile(9, w, x, n, y, y_stride, mask, first); break;
    case 10: tile(10, w, x, n, y, y_stride, mask, first); break;
    case 11: tile(11, w, x, n, y, y_stride, mask, first); break;
    case 12: tile(12, w, x, n, y, y_stride, mask, first); break;
    case 13: tile(13, w, x, n, y, y_stride, mask, first); break;
    case 14: tile(14, w, x, n, y, y_stride, mask, first); break;
    }
}

/* A block of k and of rows, all tokens: panels in w, the copy of a tile's activations in x. */
struct block {
    size_t row, k, n, panels;
    float *w, *x;
    const uint8_t *next; /* weights of the block after this one: as many rows, next_bytes of each */
    size_t next_bytes;
};

/* Ask for part `i` of `parts` of the next block's weights, while this one computes. */
static void prefetch_next(const struct pxi_matmul *m, const struct block *b, size_t i, size_t parts)
{
    size_t rows = 32 * b->panels;
    for (size_t r = rows * i / parts; r < rows * (i + 1) / parts; r++)
        for (size_t at = 0; at < b->next_bytes; at += LINE)
            _mm_prefetch((const char *)b->next + r * m->row_bytes + at, _MM_HINT_T1);
}

/* Ask for what the tile after panel p needs: its sums, and a share of the next tile's x. */
static void prefetch_tile(const struct pxi_matmul *m, const struct block *b, size_t token,
                          size_t tokens, size_t p)
{
    const float *y = m->y + token * m->y_stride + b->row + 32 * (p + 1);
    for (size_t t = 0; t < tokens; t++) {
        _mm_prefetch((const char *)(y + t * m->y_stride), _MM_HINT_T0);
        _mm_prefetch((const char *)(y + t * m->y_stride) + LINE, _MM_HINT_T0);
    }
    int last = token + tokens == m->tokens; /* then the first tile of the next block of k */
    const float *x = m->x + (last ? 0 : token + tokens) * m->k + b->k + (last ? b->n : 0);
    for (size_t t = tokens * p / b->panels; t < tokens * (p + 1) / b->panels; t++)
        for (size_t i = 0; i < b->n; i += 16)
            _mm_prefetch((const char *)(x + t * m->k + i), _MM_HINT_T1);
}

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
        prefetch_tile(m, b, token, tokens, p);
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
        prefetch_next(m, b, i, tiles);
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
            size_t next_row = b.k + b.n < m->k ? b.row : b.row + 32 * b.panels;
            size_t next_k = b.k + b.n < m->k ? b.k + b.n : 0;
            b.next = (const uint8_t *)m->w + next_row * m->row_bytes + next_k * elem_bytes(e);
            b.next_bytes = BLOCK_K * elem_bytes(e);
            for (size_t i = 0; i < 2 * b.panels; i++) {
                struct group g = group_of(m, b.row + 16 * i);
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
    case 1: decode_rows(m, e, 1); break;
    case 2: decode_rows(m, e, 2); break;
    case 3: decode_rows(m, e, 3); break;
    case 4: decode_rows(m, e, 4); break;
    case 5: decode_rows(m, e, 5); break;
    case 6: decode_rows(m, e, 6); break;
    case 7: decode_rows(m, e, 7); break;
    case 8: decode_rows(m, e, 8); break;
    default: prefill(m, e);
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
