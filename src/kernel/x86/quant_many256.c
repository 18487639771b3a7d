/*
 * Quantised products of many tokens for AVX2: 16 rows are unpacked into a panel, tiles of four
 * tokens run over it (quant_tile256.h).
 */
#include "kernel/x86/quant_scales256.h"
#include "kernel/x86/quant_types256.h"

#define LANES 8

typedef __m256 floats;

INLINE floats load_f32(const float *p)
{
    return _mm256_loadu_ps(p);
}

INLINE void store_f32(float *p, floats v)
{
    _mm256_storeu_ps(p, v);
}

INLINE void transpose(int8_t *to, const int8_t *rows, size_t stride, int bias)
{
    for (int half = 0; half < 32; half += 16) {
        __m256i v[4];
        get4(v, (const uint8_t *)rows + half, stride);
        for (int i = 0; i < 4; i++)
            v[i] = _mm256_add_epi8(v[i], _mm256_set1_epi8((char)bias));
        put4(to + 8 * half, v);
    }
}

#include "kernel/lanes/quant_panel.h"
#include "kernel/x86/quant_tile256.h"
#include "kernel/x86/quant_unpack256.h"

/* Records fill the rest of the scratch: of all columns if they fit, else of so many blocks of them,
 * so that there are many tokens. */
enum { COLUMN_BLOCKS = 4 * SPAN, RECORDS_BYTES = PXI_QUANT_SCRATCH - SPAN * sizeof(struct panel) };

typedef void tile_fn(const struct panel *w, const uint8_t *x, size_t blocks, float *out,
                     size_t y_stride, size_t rows, int fresh, struct ahead ahead);

/* Class: flags, the largest magnitude as the panel has it, whether the weights have a bias. */
#define CLASSES(X)                                                                                 \
    X(small, 0, 15, 1)                                                                             \
    X(middle, 0, 31, 1)                                                                            \
    X(wide, 0, 128, 0)                                                                             \
    X(small_mins, PXI_Q_MINS, 15, 0)                                                               \
    X(middle_mins, PXI_Q_MINS, 31, 0)                                                              \
    X(small_halves, PXI_Q_HALVES, 7, 1)                                                            \
    X(middle_halves, PXI_Q_HALVES, 63, 1)                                                          \
    X(small_both, PXI_Q_MINS | PXI_Q_HALVES, 3, 0)

#define TILE(name, T, flags, max, biased)                                                          \
    static void name##T(const struct panel *w, const uint8_t *x, size_t blocks, float *out,        \
                        size_t y_stride, size_t rows, int fresh, struct ahead ahead)               \
    {                                                                                              \
        tile(w, x, blocks, out, y_stride, rows, fresh, ahead, T, flags, max, biased);              \
    }
#define X(name, flags, max, biased)                                                                \
    TILE(name, 1, flags, max, biased)                                                              \
    TILE(name, 2, flags, max, biased)                                                              \
    TILE(name, 3, flags, max, biased)                                                              \
    TILE(name, 4, flags, max, biased)                                                              \
    enum { MAX_##name = max };                                                                     \
    static tile_fn *const tiles_##name[] = {name##1, name##2, name##3, name##4};
CLASSES(X)
#undef X

/* What a type is; unpack8 may be NULL. */
struct type {
    pxi_unpack_fn *unpack;
    unpack8_fn *unpack8;
    size_t super, bytes;
    int flags, bias, max;
};

/* Tokens and blocks of columns in hand; their records: for each four tokens those of the blocks. */
struct batch {
    const struct pxi_matmul *m;
    tile_fn *const *tiles;
    size_t token, tokens, first, blocks;
    uint8_t *records;
};

/* The span times the tokens in hand. Meanwhile memory is asked for, in the order of addresses, as
 * much of the next panel as the span is of this one. */
static void run_tiles(const struct batch *b, const struct span *s, size_t record, size_t bytes)
{
    const struct pxi_matmul *m = b->m;
    const uint8_t *x = b->records + (s->first - b->first) * record;
    float *out = m->y + b->token * m->y_stride + s->row;
    size_t rows = pxi_min(m->row_last - s->row, ROWS), tiles = (b->tokens + 3) / 4;
    size_t asking = pxi_min(tiles, 4); /* so many of them ask */
    struct ahead ahead = {(const uint8_t *)m->w + (s->row + ROWS) * m->row_bytes, 0};
    ahead.p += ROWS * (s->first * bytes / 8);
    if (s->row + 2 * ROWS <= m->row_last && b->blocks == m->k / 32)
        ahead.bytes = (ROWS * bytes / 8 + asking - 1) / asking;
    for (size_t t = 0; t < b->tokens; t += 4) {
        b->tiles[pxi_min(b->tokens - t, 4) - 1](s->panel, x, s->blocks, out, m->y_stride, rows,
                                                s->first == 0, ahead);
        ahead.p += s->blocks * ahead.bytes;
        ahead.bytes = t + 4 < 4 * asking ? ahead.bytes : 0;
        x += b->blocks * record;
        out += 4 * m->y_stride;
    }
}

INLINE void unpack_panel(const struct span *s, const struct type *type)
{
    const struct pxi_matmul *m = s->m;
    const uint8_t *p = (const uint8_t *)m->w + s->row * m->row_bytes;
    size_t left = m->row_last - s->row;
    p += s->first / type->super * type->bytes;
    if (!type->unpack8 || left < ROWS) {
        unpack_span(s, type->unpack, type->super, type->bytes, type->flags);
        return;
    }
    for (size_t g = 0; g < 2; g++)
        type->unpack8(s->panel, g, p + g * LANES * m->row_bytes, m->row_bytes, s->blocks);
}

INLINE void run_batch(const struct batch *b, const struct type *type)
{
    const struct pxi_matmul *m = b->m;
    struct span s = {.m = m, .panel = m->scratch, .bias = type->bias};
    const size_t record = RECORD_BYTES(type->max);
    size_t end = b->first + b->blocks;
    uint8_t *to = b->records;
    for (size_t t = 0; t < b->tokens; t += 4)
        for (size_t i = b->first; i < end; i++, to += record)
            pack_record(to, m, i, b->token + t, pxi_min(b->tokens - t, 4), type->bias, type->flags,
                        type->max);
    for (s.row = m->row_first; s.row < m->row_last; s.row += ROWS)
        for (s.first = b->first; s.first < end; s.first += SPAN) {
            s.blocks = pxi_min(end - s.first, SPAN);
            unpack_panel(&s, type);
            run_tiles(b, &s, record, type->bytes * 8 / type->super);
        }
}

INLINE void matmul(const struct pxi_matmul *m, tile_fn *const *tiles, const struct type *type)
{
    struct batch b = {.m = m, .tiles = tiles};
    const size_t fit = RECORDS_BYTES / RECORD_BYTES(type->max);
    size_t blocks = m->k / 32, most = pxi_min(blocks, COLUMN_BLOCKS);
    b.records = (uint8_t *)((struct panel *)m->scratch + SPAN);
    for (size_t t = 0; !blocks && t < m->tokens; t++)
        memset(m->y + t * m->y_stride + m->row_first, 0, (m->row_last - m->row_first) * 4);
    if (blocks * ((m->tokens + 3) / 4) <= fit)
        most = blocks;
    for (; blocks && b.token < m->tokens; b.token += b.tokens) {
        b.tokens = pxi_min(m->tokens - b.token, fit / most * 4);
        for (b.first = 0; b.first < blocks; b.first += b.blocks) {
            b.blocks = pxi_min(blocks - b.first, most);
            run_batch(&b, type);
        }
    }
}

/* Row: type, class, what makes the weights unsigned, its own way into the panel. */
#define TYPES(X)                                                                                   \
    X(q4_0, small, 8, unpack8_q4_0)                                                                \
    X(q4_1, small_mins, 0, NULL)                                                                   \
    X(q5_0, middle, 16, NULL)                                                                      \
    X(q5_1, middle_mins, 0, NULL)                                                                  \
    X(q8_0, wide, 0, unpack8_q8_0)                                                                 \
    X(q2_k, small_both, 0, NULL)                                                                   \
    X(q3_k, small_halves, 4, NULL)                                                                 \
    X(q4_k, small_mins, 0, unpack8_q4_k)                                                           \
    X(q5_k, middle_mins, 0, NULL)                                                                  \
    X(q6_k, middle_halves, 32, unpack8_q6_k)                                                       \
    X(iq4_nl, wide, 0, NULL)                                                                       \
    X(mxfp4, middle, 12, NULL)

#define X(name, class, bias, unpack8)                                                              \
    void pxi_many256_##name(const struct pxi_matmul *m)                                            \
    {                                                                                              \
        const struct type type = {pxi_unpack_##name, unpack8, SUPER_##name, BYTES_##name,          \
                                  FLAGS_##name,      bias,    MAX_##class};                        \
        matmul(m, tiles_##class, &type);                                                           \
    }
TYPES(X)
#undef X
