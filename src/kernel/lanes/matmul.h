/*
 * Matrix products with F32, F16 and BF16 weights, written once over a type `lanes` of 16 floats
 * that the includer defines, with TILE_ROWS and TILE_TOKENS, the tile that its registers hold.
 *
 * Lanes are 16 columns of one row, so rows are read as they lie in the file, and widened on the
 * way. Where that takes time from the products, rows are widened once into the scratch when there
 * are more than WIDEN_ABOVE tokens; a tile of tokens goes through them in blocks of columns, its
 * activations in the first-level cache, its lanes waiting in the scratch between two blocks.
 */
#ifndef PXI_KERNEL_LANES_MATMUL_H
#define PXI_KERNEL_LANES_MATMUL_H

#include "kernel/float.h"
#include "kernel/half.h"
#include "kernel/sets.h"
#include "plexus/tensor.h"

_Static_assert(TILE_TOKENS *BLOCK_TILES <= PXI_FLOAT_TOKENS && 4 % TILE_ROWS == 0, "scratch");

enum {
    LINE = 64,             /* bytes of a row used in one step: a cache line */
    SINGLE = 2,            /* tokens up to which rows are taken one by one, */
    SINGLE_FLOATS = 4096,  /* if their activations leave room in the first-level cache */
    DIRECT_FLOATS = 65536, /* activations that stay in the second-level cache */
    /* Tokens that share widened rows while these are in the first-level cache, and columns of them
     * that fit there too. */
    BLOCK_TOKENS = TILE_TOKENS * BLOCK_TILES,
    BLOCK_K = PXI_FLOAT_X / BLOCK_TOKENS / 16 * 16,
};

INLINE size_t elem_bytes(enum elem e)
{
    return e == ELEM_F32 ? 4 : 2;
}

INLINE lanes load_elems16(enum elem e, const uint8_t *p)
{
    return e == ELEM_F32   ? lanes_load((const float *)p)
           : e == ELEM_F16 ? lanes_load_f16(p)
                           : lanes_load_bf16(p);
}

/* n < 16 elements, then zeros. */
INLINE lanes load_part(enum elem e, const uint8_t *p, size_t n)
{
    _Alignas(64) uint8_t some[64] = {0};
    memcpy(some, p, n * elem_bytes(e));
    return load_elems16(e, some);
}

/* What a tile reads: row 0 and token 0 at the first of n columns. Strides in bytes and floats. */
struct strip {
    const uint8_t *w;
    size_t w_stride;
    size_t rows; /* rows from here on; those past the last are the last again */
    const float *x;
    size_t x_stride;
    size_t n;
    size_t ahead; /* where the bytes are that will be wanted after these, 0: nowhere */
};

typedef lanes tile_sums[TILE_TOKENS][TILE_ROWS];

INLINE const uint8_t *row_of(const struct strip *s, size_t r)
{
    return s->w + (r < s->rows ? r : s->rows - 1) * s->w_stride;
}

/* Sixteen columns of T tokens and R rows. */
INLINE void add16(const int T, const int R, const lanes *w, const float *x, size_t x_stride,
                  tile_sums acc)
{
    for (int t = 0; t < T; t++) {
        lanes v = lanes_load(x + (size_t)t * x_stride);
        for (int r = 0; r < R; r++)
            acc[t][r] = lanes_fma(w[r], v, acc[t][r]);
    }
}

/* The columns after k, fewer than 16. */
INLINE void add_rest(enum elem e, const int T, const int R, const struct strip *s, size_t k,
                     tile_sums acc)
{
    lanes w[TILE_ROWS];
    for (int r = 0; r < R; r++)
        w[r] = load_part(e, row_of(s, (size_t)r) + k * elem_bytes(e), s->n - k);
    for (int t = 0; t < T; t++) {
        lanes v =
            load_part(ELEM_F32, (const uint8_t *)(s->x + (size_t)t * s->x_stride + k), s->n - k);
        for (int r = 0; r < R; r++)
            acc[t][r] = lanes_fma(w[r], v, acc[t][r]);
    }
}

INLINE void add_strip(enum elem e, const int T, const int R, const struct strip *s, tile_sums acc)
{
    const size_t size = elem_bytes(e), step = LINE / size;
    const uint8_t *row[TILE_ROWS];
    lanes w[TILE_ROWS];
    size_t k = 0;
    for (int r = 0; r < R; r++)
        row[r] = row_of(s, (size_t)r);
    for (; k + step <= s->n; k += step) {
        for (int r = 0; s->ahead && r < R; r++)
            __builtin_prefetch(row[r] + k * size + s->ahead, 0, 2);
        for (size_t i = 0; i < step; i += 16) {
            for (int r = 0; r < R; r++)
                w[r] = load_elems16(e, row[r] + (k + i) * size);
            add16(T, R, w, s->x + k + i, s->x_stride, acc);
        }
    }
    for (; k + 16 <= s->n; k += 16) {
        for (int r = 0; r < R; r++)
            w[r] = load_elems16(e, row[r] + k * size);
        add16(T, R, w, s->x + k, s->x_stride, acc);
    }
    if (k < s->n)
        add_rest(e, T, R, s, k, acc);
}

/* Sums of the lanes, to the results. */
INLINE void put_sums(const int T, const struct pxi_matmul *m, size_t row, size_t token,
                     tile_sums acc)
{
    size_t rows = pxi_min(m->row_last - row, TILE_ROWS);
    for (int t = 0; t < T; t++) {
        float sum[TILE_ROWS];
        lanes_sums(acc[t], sum);
        memcpy(m->y + (token + (size_t)t) * m->y_stride + row, sum, rows * sizeof *sum);
    }
}

/* Tokens in pieces of nearly equal width, at most `most`: that of the piece which begins here. */
INLINE size_t piece_width(size_t left, size_t most)
{
    size_t pieces = (left + most - 1) / most;
    return (left + pieces - 1) / pieces;
}

/* ---------------------------------------------------------------------------- few tokens */

INLINE void clear_sums(const int T, const int R, tile_sums acc)
{
    for (int t = 0; t < T; t++)
        for (int r = 0; r < R; r++)
            acc[t][r] = lanes_set(0);
}

/*
 * Very few tokens take the rows one by one: memory is then read in the order of addresses, which
 * its prefetchers serve best. More take the rows of a tile together and ask for the next.
 */
INLINE void direct_tile(enum elem e, const int T, const int single, const struct pxi_matmul *m,
                        size_t row, size_t token, size_t ahead)
{
    const int R = single ? 1 : TILE_ROWS;
    float waiting[SINGLE * TILE_ROWS][16];
    tile_sums acc;
    struct strip s = {.w = (const uint8_t *)m->w + row * m->row_bytes,
                      .w_stride = m->row_bytes,
                      .rows = m->row_last - row,
                      .x = m->x + token * m->k,
                      .x_stride = m->k,
                      .n = m->k,
                      .ahead = ahead};
    for (int r = 0; r < TILE_ROWS; r += R) {
        clear_sums(T, R, acc);
        add_strip(e, T, R, &s, acc);
        for (int t = 0; R == 1 && t < T; t++)
            lanes_store(waiting[t * TILE_ROWS + r], acc[t][0]);
        if (s.rows > 1) { /* past the last row: the last again */
            s.w += m->row_bytes;
            s.rows--;
        }
    }
    for (int t = 0; R == 1 && t < T; t++)
        for (int r = 0; r < TILE_ROWS; r++)
            acc[t][r] = lanes_load(waiting[t * TILE_ROWS + r]);
    put_sums(T, m, row, token, acc);
}

/* One case for each width of a tile. */
#if TILE_TOKENS == 6
#define EACH_WIDTH(CASE) CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#elif TILE_TOKENS == 3
#define EACH_WIDTH(CASE) CASE(1) CASE(2) CASE(3)
#endif

/* All rows times tokens [first, last). */
INLINE void direct(enum elem e, const struct pxi_matmul *m, size_t first, size_t last)
{
    size_t ahead = TILE_ROWS * m->row_bytes;
    for (size_t row = m->row_first; row < m->row_last; row += TILE_ROWS)
        for (size_t token = first, n; token < last; token += n)
            switch (n = piece_width(last - token, TILE_TOKENS)) {
#define CASE(T)                                                                                    \
    case T: direct_tile(e, T, 0, m, row, token, token == first ? ahead : 0); break;
                EACH_WIDTH(CASE)
#undef CASE
            }
}

/* The same for one or two tokens that stay in the first-level cache. */
INLINE void direct_few(enum elem e, const struct pxi_matmul *m)
{
    for (size_t row = m->row_first; row < m->row_last; row += TILE_ROWS)
        if (m->tokens == 1)
            direct_tile(e, 1, 1, m, row, 0, 0);
        else
            direct_tile(e, 2, 1, m, row, 0, 0);
}

/* --------------------------------------------------------------------------- many tokens */

/*
 * Widened rows and some tokens. Both lie in the order of use: for each 16 columns, those of
 * TILE_ROWS rows or of the tokens of a tile, one after the other.
 */
struct block {
    const struct pxi_matmul *m;
    size_t row, rows;
    size_t token, tokens;
    size_t k, n;            /* columns [k, k + n) */
    float *w, *x, *waiting; /* waiting: lanes of each tile, between two blocks of columns */
};

INLINE void widen(enum elem e, const struct block *b)
{
    const struct pxi_matmul *m = b->m;
    size_t size = elem_bytes(e), k, groups = (b->rows + TILE_ROWS - 1) / TILE_ROWS;
    for (size_t r = 0; r < groups * TILE_ROWS; r++) {
        const uint8_t *from =
            (const uint8_t *)m->w + (b->row + pxi_min(r, b->rows - 1)) * m->row_bytes;
        float *to =
            b->w + (r / TILE_ROWS * TILE_ROWS * pxi_float_stride(m->k)) + r % TILE_ROWS * 16;
        for (k = 0; k + 16 <= m->k; k += 16) {
            __builtin_prefetch(from + b->rows * m->row_bytes + k * size, 0, 2);
            lanes_store(to + k * TILE_ROWS, load_elems16(e, from + k * size));
        }
        if (k < m->k)
            lanes_store(to + k * TILE_ROWS, load_part(e, from + k * size, m->k - k));
    }
}

/* The activations of a tile, filled up with zeros to 16 columns. */
static void copy_tile(const struct block *b, float *x, size_t token, size_t tokens)
{
    for (size_t t = 0; t < tokens; t++) {
        const float *from = b->m->x + (token + t) * b->m->k + b->k;
        float *to = x + t * 16;
        size_t k = 0;
        for (; k + 16 <= b->n; k += 16)
            lanes_store(to + k * tokens, lanes_load(from + k));
        if (k < b->n)
            lanes_store(to + k * tokens,
                        load_part(ELEM_F32, (const uint8_t *)(from + k), b->n - k));
    }
}

/* Sixteen columns of T tokens and a tile of widened rows, a part of the lanes after the other. */
INLINE void add_parts(const int T, const float *w, const float *x, tile_sums acc)
{
    for (int p = 0; p < PARTS; p++, w += PART_LANES, x += PART_LANES) {
        part v[TILE_ROWS];
        for (int r = 0; r < TILE_ROWS; r++)
            v[r] = part_load(w + 16 * r);
        for (int t = 0; t < T; t++) {
            part a = part_load(x + 16 * t);
            __asm__("" : PART_REGISTER(a)); /* one load for all rows */
            for (int r = 0; r < TILE_ROWS; r++)
                *part_at(&acc[t][r], p) = part_fma(v[r], a, *part_at(&acc[t][r], p));
        }
    }
}

/* T tokens from `token` on, whose activations are at x, times the rows from number r on. */
INLINE void block_tile(const int T, const struct block *b, size_t r, size_t token, const float *x)
{
    tile_sums acc;
    const float *w = b->w + r * pxi_float_stride(b->m->k) + b->k * TILE_ROWS;
    float *waiting = b->waiting + (r * BLOCK_TOKENS + (token - b->token) * TILE_ROWS) * 16;
    for (int t = 0; t < T; t++)
        for (int i = 0; i < TILE_ROWS; i++)
            acc[t][i] = b->k ? lanes_load(waiting + (t * TILE_ROWS + i) * 16) : lanes_set(0);
    for (size_t k = 0; k < b->n; k += 16, w += TILE_ROWS * 16, x += T * 16)
        add_parts(T, w, x, acc);
    if (b->k + b->n == b->m->k)
        put_sums(T, b->m, b->row + r, token, acc);
    else
        for (int t = 0; t < T; t++)
            for (int i = 0; i < TILE_ROWS; i++)
                lanes_store(waiting + (t * TILE_ROWS + i) * 16, acc[t][i]);
}

static void run_block(const struct block *b)
{
    size_t padded = (b->n + 15) / 16 * 16, end = b->token + b->tokens, n;
    for (size_t t = b->token; t < end; t += n) {
        n = piece_width(end - t, TILE_TOKENS);
        copy_tile(b, b->x + (t - b->token) * padded, t, n);
    }
    for (size_t r = 0; r < b->rows; r += TILE_ROWS)
        for (size_t t = b->token; t < end; t += n) {
            const float *x = b->x + (t - b->token) * padded;
            switch (n = piece_width(end - t, TILE_TOKENS)) {
#define CASE(T)                                                                                    \
    case T: block_tile(T, b, r, t, x); break;
                EACH_WIDTH(CASE)
#undef CASE
            }
        }
}

static void run_tokens(struct block *b)
{
    const struct pxi_matmul *m = b->m;
    for (b->token = 0; b->token < m->tokens; b->token += b->tokens) {
        b->tokens = piece_width(m->tokens - b->token, BLOCK_TOKENS);
        for (b->k = 0; b->k < m->k; b->k += BLOCK_K) {
            b->n = pxi_min(m->k - b->k, BLOCK_K);
            run_block(b);
        }
    }
}

INLINE void matmul(const struct pxi_matmul *m, enum elem e)
{
    struct block b = {.m = m, .waiting = m->scratch};
    size_t most = pxi_float_rows(m->k);
    if (m->tokens && m->tokens <= SINGLE && m->tokens * m->k <= SINGLE_FLOATS) {
        direct_few(e, m);
        return;
    }
    if (m->tokens <= WIDEN_ABOVE || !m->k) {
        size_t n = pxi_max(DIRECT_FLOATS / pxi_max(m->k, 1) / TILE_TOKENS, 1) * TILE_TOKENS;
        for (size_t token = 0; token < m->tokens; token += n)
            direct(e, m, token, pxi_min(m->tokens, token + n));
        return;
    }
    b.x = b.waiting + most * PXI_FLOAT_TOKENS * PXI_FLOAT_LANES;
    b.w = b.x + PXI_FLOAT_X;
    for (b.row = m->row_first; b.row < m->row_last; b.row += b.rows) {
        b.rows = pxi_min(m->row_last - b.row, most);
        widen(e, &b);
        run_tokens(&b);
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
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        lanes_store(dst + i, lanes_load_f16(p + 2 * i));
    for (; i < n; i++)
        dst[i] = pxi_f16_to_f32(pxi_load_u16(p + 2 * i));
}

static void dequant_bf16(float *dst, const void *src, size_t n)
{
    const uint8_t *p = src;
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        lanes_store(dst + i, lanes_load_bf16(p + 2 * i));
    for (; i < n; i++)
        dst[i] = pxi_bf16_to_f32(pxi_load_u16(p + 2 * i));
}

static void fill_matmul(struct pxi_kernels *k)
{
    k->matmul[PX_DTYPE_F32] = matmul_f32;
    k->matmul[PX_DTYPE_F16] = matmul_f16;
    k->matmul[PX_DTYPE_BF16] = matmul_bf16;
    k->dequant[PX_DTYPE_F16] = dequant_f16;
    k->dequant[PX_DTYPE_BF16] = dequant_bf16;
}

#endif
