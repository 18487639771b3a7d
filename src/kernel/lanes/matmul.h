/*
 * Matrix products with F32, F16 and BF16 weights, written once over a type `lanes` of 16 floats
 * that the includer defines. Lanes are 16 rows at one k. Blocks of k of some rows are laid in the
 * scratch as floats, panels [k][16]; tiles of tokens run over them, their sums going on from y.
 */
#ifndef PXI_KERNEL_LANES_MATMUL_H
#define PXI_KERNEL_LANES_MATMUL_H

#include "kernel/half.h"
#include "kernel/sets.h"
#include "plexus/tensor.h"

enum {
    BLOCK_K = 256,
    BLOCK_PANELS = 16, /* 256 KiB: they stay in the second-level cache */
    TILE_MAX = 6,      /* tokens of a tile of 16 rows */
    PAIR_MAX = 3,      /* tokens up to which a tile has 32 rows, to have enough sums in flight */
    X_STRIDE = 272,
    X_FLOATS = 4096, /* 16 KiB of the scratch for the copy of a tile's activations */
};

static size_t elem_bytes(enum elem e)
{
    return e == ELEM_F32 ? 4 : 2;
}

/* Lay n elements from k0 of the 16 rows from `row` on at out[n][16]. */
INLINE void unpack(const struct pxi_matmul *m, enum elem e, size_t row, size_t k0, size_t n,
                   float *out)
{
    const uint8_t *rows[16];
    size_t last = m->row_last - row < 16 ? m->row_last - row - 1 : 15, size = elem_bytes(e), k = 0;
    for (size_t r = 0; r < 16; r++) /* past the last row: the last again, not stored */
        rows[r] = (const uint8_t *)m->w + (row + (r < last ? r : last)) * m->row_bytes + k0 * size;
    for (; k + 8 <= n; k += 8) {
        lanes_transpose8(e, rows, out + 16 * k);
        for (int r = 0; r < 16; r++)
            rows[r] += 8 * size;
    }
    if (k == n)
        return;
    uint8_t pad[16][32] = {{0}};
    float part[8 * 16];
    for (int r = 0; r < 16; r++) {
        memcpy(pad[r], rows[r], (n - k) * size);
        rows[r] = pad[r];
    }
    lanes_transpose8(e, rows, part);
    memcpy(out + 16 * k, part, (n - k) * 16 * sizeof(float));
}

/* A block of k and of rows: panels `stride` floats apart in w, the tile's activations in x. */
struct block {
    size_t row, k, n, panels, stride;
    float *w, *x;
};

INLINE void store_rows(float *y, lanes v, size_t rows)
{
    float part[16];
    if (rows >= 16) {
        lanes_store(y, v);
        return;
    }
    lanes_store(part, v);
    memcpy(y, part, rows * sizeof(float));
}

INLINE lanes load_rows(const float *y, size_t rows)
{
    float part[16] = {0};
    if (rows >= 16)
        return lanes_load(y);
    memcpy(part, y, rows * sizeof(float));
    return lanes_load(part);
}

/* T tokens and G panels from p on; token 0 of the tile writes to y. */
INLINE void tile(const int T, const int G, const struct pxi_matmul *m, const struct block *b,
                 size_t p, float *y)
{
    lanes acc[TILE_MAX][2];
    const float *w = b->w + p * b->stride, *x = b->x;
    size_t row = b->row + 16 * p, left = m->row_last - row;
    y += row;
    for (int t = 0; t < T; t++)
        for (int g = 0; g < G; g++)
            acc[t][g] = b->k == 0 ? lanes_set(0)
                                  : load_rows(y + (size_t)t * m->y_stride + 16 * g, left - 16 * g);
    for (size_t k = 0; k < b->n; k++) {
        lanes v[2];
        for (int g = 0; g < G; g++)
            v[g] = lanes_load(w + (size_t)g * b->stride + 16 * k);
        for (int t = 0; t < T; t++) {
            lanes a = lanes_set(x[t * X_STRIDE + k]);
            for (int g = 0; g < G; g++)
                acc[t][g] = lanes_fma(v[g], a, acc[t][g]);
        }
    }
    for (int t = 0; t < T; t++)
        for (int g = 0; g < G; g++)
            store_rows(y + (size_t)t * m->y_stride + 16 * g, acc[t][g], left - 16 * g);
}

static void tile_of(size_t tokens, const struct pxi_matmul *m, const struct block *b, size_t p,
                    float *y)
{
    switch (tokens) {
    case 1: tile(1, 1, m, b, p, y); break;
    case 2: tile(2, 1, m, b, p, y); break;
    case 3: tile(3, 1, m, b, p, y); break;
    case 4: tile(4, 1, m, b, p, y); break;
    case 5: tile(5, 1, m, b, p, y); break;
    default: tile(6, 1, m, b, p, y);
    }
}

static void pair_of(size_t tokens, const struct pxi_matmul *m, const struct block *b, size_t p,
                    float *y)
{
    switch (tokens) {
    case 1: tile(1, 2, m, b, p, y); break;
    case 2: tile(2, 2, m, b, p, y); break;
    default: tile(3, 2, m, b, p, y);
    }
}

static void run_tile(const struct pxi_matmul *m, const struct block *b, size_t token, size_t tokens)
{
    float *y = m->y + token * m->y_stride;
    size_t p = 0;
    for (size_t t = 0; t < tokens; t++)
        memcpy(b->x + t * X_STRIDE, m->x + (token + t) * m->k + b->k, b->n * sizeof(float));
    for (; tokens <= PAIR_MAX && p + 2 <= b->panels; p += 2)
        pair_of(tokens, m, b, p, y);
    for (; p < b->panels; p++)
        tile_of(tokens, m, b, p, y);
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

INLINE void matmul(const struct pxi_matmul *m, enum elem e)
{
    size_t block_k = m->k < BLOCK_K ? m->k : BLOCK_K, fit = m->k / 128;
    size_t most = m->tokens <= PAIR_MAX || fit < 2 ? 2 : fit < BLOCK_PANELS ? fit : BLOCK_PANELS;
    struct block b = {.x = m->scratch, .w = (float *)m->scratch + X_FLOATS, .stride = 16 * block_k};
    for (b.row = m->row_first; b.row < m->row_last; b.row += 16 * b.panels) {
        b.panels = (m->row_last - b.row + 15) / 16;
        b.panels = b.panels < most ? b.panels : most;
        for (b.k = 0; b.k < m->k || b.k == 0; b.k += BLOCK_K) {
            b.n = m->k - b.k < BLOCK_K ? m->k - b.k : BLOCK_K;
            for (size_t p = 0; p < b.panels; p++)
                unpack(m, e, b.row + 16 * p, b.k, b.n, b.w + p * b.stride);
            run_block(m, &b);
        }
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
