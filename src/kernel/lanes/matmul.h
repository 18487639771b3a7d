/*
 * Matrix products with F32, F16 and BF16 weights, written once over a type `lanes` of 16 floats
 * that the includer defines, with TILE_ROWS and TILE_TOKENS, the tile that its registers hold.
 *
 * Lanes are 16 columns of one row, so rows are read as they lie in the file. Few tokens use them
 * there, widened on the way. For many, rows are widened once into the scratch; a tile of tokens
 * goes through them in blocks of columns, its activations in the first-level cache, its lanes
 * waiting in the scratch between two blocks.
 */
#ifndef PXI_KERNEL_LANES_MATMUL_H
#define PXI_KERNEL_LANES_MATMUL_H

#include "kernel/float.h"
#include "kernel/half.h"
#include "kernel/sets.h"
#include "plexus/tensor.h"

_Static_assert(TILE_TOKENS <= PXI_FLOAT_TOKENS && 4 % TILE_ROWS == 0, "scratch");

enum {
    LINE = 64,                  /* bytes of a row used in one step: a cache line */
    DIRECT = 3 * TILE_TOKENS,   /* tokens up to which rows are used where they lie */
    BLOCK_K = PXI_FLOAT_BLOCK_K,
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
    _Alignas(64) uint8_t part[64] = {0};
    memcpy(part, p, n * elem_bytes(e));
    return load_elems16(e, part);
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

/* Sixteen columns of T tokens. */
INLINE void add16(const int T, const lanes *w, const float *x, size_t x_stride, tile_sums acc)
{
    for (int t = 0; t < T; t++) {
        lanes v = lanes_load(x + (size_t)t * x_stride);
        for (int r = 0; r < TILE_ROWS; r++)
            acc[t][r] = lanes_fma(w[r], v, acc[t][r]);
    }
}

/* The columns after k, fewer than 16. */
INLINE void add_rest(enum elem e, const int T, const struct strip *s, size_t k, tile_sums acc)
{
    lanes w[TILE_ROWS];
    for (size_t r = 0; r < TILE_ROWS; r++)
        w[r] = load_part(e, row_of(s, r) + k * elem_bytes(e), s->n - k);
    for (int t = 0; t < T; t++) {
        lanes v = load_part(ELEM_F32, (const uint8_t *)(s->x + (size_t)t * s->x_stride + k),
                            s->n - k);
        for (int r = 0; r < TILE_ROWS; r++)
            acc[t][r] = lanes_fma(w[r], v, acc[t][r]);
    }
}

INLINE void add_strip(enum elem e, const int T, const struct strip *s, tile_sums acc)
{
    const size_t size = elem_bytes(e), step = LINE / size;
    const uint8_t *row[TILE_ROWS];
    lanes w[TILE_ROWS];
    size_t k = 0;
    for (size_t r = 0; r < TILE_ROWS; r++)
        row[r] = row_of(s, r);
    for (; k + step <= s->n; k += step) {
        for (int r = 0; s->ahead && r < TILE_ROWS; r++)
            __builtin_prefetch(row[r] + k * size + s->ahead, 0, 2);
        for (size_t i = 0; i < step; i += 16) {
            for (int r = 0; r < TILE_ROWS; r++)
                w[r] = load_elems16(e, row[r] + (k + i) * size);
            add16(T, w, s->x + k + i, s->x_stride, acc);
        }
    }
    for (; k + 16 <= s->n; k += 16) {
        for (int r = 0; r < TILE_ROWS; r++)
            w[r] = load_elems16(e, row[r] + k * size);
        add16(T, w, s->x + k, s->x_stride, acc);
    }
    if (k < s->n)
        add_rest(e, T, s, k, acc);
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

/* Tokens [first, first + n) as tiles of nearly equal width: that of the tile which begins here. */
INLINE size_t tile_width(size_t left)
{
    size_t tiles = (left + TILE_TOKENS - 1) / TILE_TOKENS;
    return (left + tiles - 1) / tiles;
}

/* ---------------------------------------------------------------------------- few tokens */

INLINE void direct_tile(enum elem e, const int T, const struct pxi_matmul *m, size_t row,
                        size_t token)
{
    tile_sums acc;
    struct strip s = {.w = (const uint8_t *)m->w + row * m->row_bytes,
                      .w_stride = m->row_bytes,
                      .rows = m->row_last - row,
                      .x = m->x + token * m->k,
                      .x_stride = m->k,
                      .n = m->k,
                      .ahead = token ? 0 : TILE_ROWS * m->row_bytes};
    for (int t = 0; t < T; t++)
        for (int r = 0; r < TILE_ROWS; r++)
            acc[t][r] = lanes_set(0);
    add_strip(e, T, &s, acc);
    put_sums(T, m, row, token, acc);
}

/* One case for each width of a tile. */
#if TILE_TOKENS == 6
#define EACH_WIDTH(CASE) CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#elif TILE_TOKENS == 3
#define EACH_WIDTH(CASE) CASE(1) CASE(2) CASE(3)
#endif

INLINE void direct(enum elem e, const struct pxi_matmul *m)
{
    for (size_t row = m->row_first; row < m->row_last; row += TILE_ROWS)
        for (size_t token = 0, n; token < m->tokens; token += n)
            switch (n = tile_width(m->tokens - token)) {
#define CASE(T) case T: direct_tile(e, T, m, row, token); break;
                EACH_WIDTH(CASE)
#undef CASE
            }
}

/* --------------------------------------------------------------------------- many tokens */

/*
 * Widened rows and a tile of tokens. Both lie in the order of use: for each 16 columns, those of
 * TILE_ROWS rows or of the tokens of the tile, one after the other.
 */
struct block {
    const struct pxi_matmul *m;
    size_t row, rows;
    size_t token, k, n;     /* columns [k, k + n) */
    float *w, *x, *waiting; /* waiting: lanes of a tile, PXI_FLOAT_TOKENS * TILE_ROWS vectors */
};

INLINE void widen(enum elem e, const struct block *b)
{
    const struct pxi_matmul *m = b->m;
    size_t size = elem_bytes(e), k, groups = (b->rows + TILE_ROWS - 1) / TILE_ROWS;
    for (size_t r = 0; r < groups * TILE_ROWS; r++) {
        const uint8_t *from =
            (const uint8_t *)m->w + (b->row + pxi_min(r, b->rows - 1)) * m->row_bytes;
        float *to = b->w + (r / TILE_ROWS * TILE_ROWS * pxi_float_stride(m->k)) +
                    r % TILE_ROWS * 16;
        for (k = 0; k + 16 <= m->k; k += 16) {
            __builtin_prefetch(from + b->rows * m->row_bytes + k * size, 0, 2);
            lanes_store(to + k * TILE_ROWS, load_elems16(e, from + k * size));
        }
        if (k < m->k)
            lanes_store(to + k * TILE_ROWS, load_part(e, from + k * size, m->k - k));
    }
}

/* The activations of the tile, filled up with zeros to 16 columns. */
static void copy_tokens(const struct block *b, size_t tokens)
{
    for (size_t t = 0; t < tokens; t++) {
        const float *from = b->m->x + (b->token + t) * b->m->k + b->k;
        float *to = b->x + t * 16;
        size_t k = 0;
        for (; k + 16 <= b->n; k += 16)
            lanes_store(to + k * tokens, lanes_load(from + k));
        if (k < b->n)
            lanes_store(to + k * tokens,
                        load_part(ELEM_F32, (const uint8_t *)(from + k), b->n - k));
    }
}

INLINE void block_tile(const int T, const struct block *b, size_t r)
{
    tile_sums acc;
    const float *x = b->x, *w = b->w + r * pxi_float_stride(b->m->k) + b->k * TILE_ROWS;
    float *waiting = b->waiting + r * PXI_FLOAT_TOKENS * 16;
    for (int t = 0; t < T; t++)
        for (int i = 0; i < TILE_ROWS; i++)
            acc[t][i] = b->k ? lanes_load(waiting + (t * TILE_ROWS + i) * 16) : lanes_set(0);
    for (size_t k = 0; k < b->n; k += 16, w += TILE_ROWS * 16, x += T * 16) {
        lanes v[TILE_ROWS];
        for (int i = 0; i < TILE_ROWS; i++)
            v[i] = lanes_load(w + 16 * i);
        add16(T, v, x, 16, acc);
    }
    if (b->k + b->n == b->m->k)
        put_sums(T, b->m, b->row + r, b->token, acc);
    else
        for (int t = 0; t < T; t++)
            for (int i = 0; i < TILE_ROWS; i++)
                lanes_store(waiting + (t * TILE_ROWS + i) * 16, acc[t][i]);
}

static void run_block(const struct block *b, size_t tokens)
{
    copy_tokens(b, tokens);
    for (size_t r = 0; r < b->rows; r += TILE_ROWS)
        switch (tokens) {
#define CASE(T) case T: block_tile(T, b, r); break;
            EACH_WIDTH(CASE)
#undef CASE
        }
}

static void run_tokens(struct block *b)
{
    const struct pxi_matmul *m = b->m;
    size_t n;
    for (b->token = 0; b->token < m->tokens; b->token += n) {
        n = tile_width(m->tokens - b->token);
        for (b->k = 0; b->k < m->k; b->k += BLOCK_K) {
            b->n = pxi_min(m->k - b->k, BLOCK_K);
            run_block(b, n);
        }
    }
}

INLINE void matmul(const struct pxi_matmul *m, enum elem e)
{
    struct block b = {.m = m, .waiting = m->scratch};
    size_t most = pxi_float_rows(m->k);
    if (m->tokens <= DIRECT || !m->k) {
        direct(e, m);
        return;
    }
    b.x = b.waiting + most * PXI_FLOAT_TOKENS * 16;
    b.w = b.x + PXI_FLOAT_TOKENS * BLOCK_K;
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
