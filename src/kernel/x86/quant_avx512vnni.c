/*
 * Quantised products for AVX-512 with VNNI. Weights are never kept in another form: 32 rows of a
 * span of columns are unpacked into the L1-resident panel, then used for all tokens of the batch.
 */
#include "kernel/quant.h"
#include "kernel/sets.h"
#include "kernel/x86/quant_rows512.h"

#include "base/math.h"

/* Scratch: the panel of one span, then the activation records. */
#define PANEL_BYTES   (PXI_SPAN_BLOCKS * PXI_BLOCK_BYTES(PXI_Q_HALVES | PXI_Q_MINS))
#define RECORDS_BYTES (PXI_QUANT_SCRATCH - PANEL_BYTES)
/* Tokens at once, 21 full tiles: their records and their results stay in L2. */
#define BATCH 126
_Static_assert(BATCH *PXI_ACT_BYTES(PXI_Q_HALVES | PXI_Q_MINS) <= RECORDS_BYTES, "scratch");

/* Rows longer than this would pass the 32-bit offsets of a gather; they go through a copy. */
#define STRIDE_MAX  ((size_t)1 << 26)
#define COPY_STRIDE 272 /* the most that 256 elements take: Q8_0 */

typedef __m512 row_fn(const uint8_t *p, const uint8_t *x);
typedef void unpack_fn(const struct pxi_sink *s, const struct pxi_rows *r);
typedef void tile_fn(const uint8_t *w, const uint8_t *act, const uint8_t *aux, size_t blocks,
                     float *out, size_t y_stride, const __mmask16 mask[2], int fresh,
                     struct pxi_ahead ahead);

/* Up to this many tokens weights arrive from memory slower than they are used; then short panels
 * let memory and arithmetic overlap. */
#define DECODE 12
/* So far ahead of few tokens memory is asked for, in bytes: nearer it would come too late. */
#define FEW_AHEAD 65536
#define STEP      8

/* Of the table of types: id, bytes of 8 blocks, flags. */
enum {
#define X(name, id, super, bytes, flags)                                                           \
    ID_##name = id, BYTES_##name = (bytes)*8 / (super), FLAGS_##name = (flags),
    PXI_QTYPE_TABLE(X)
#undef X
};

/* One multiplication: constants of the type, and the slices in hand. */
struct job {
    const struct pxi_matmul *m;
    tile_fn *const *tiles; /* [tokens - 1] */
    uint8_t *panel, *records;
    size_t record; /* bytes */
    size_t tokens, token_first;
    size_t count, narrow, wide; /* tiles; their tokens; so many tiles have one token more */
    size_t spans, span_first;   /* spans of columns in the records */
};

/* Parts of a record that are computed: up to 16 blocks from block `at` of token `t`. */
PXI_INLINE void pack_parts(uint8_t *to, const struct pxi_act *act, size_t at, size_t n,
                           const int offset, const int flags)
{
    const __m512i even =
        _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i odd = _mm512_or_si512(even, _mm512_set1_epi32(1));
    const __m512i times = _mm512_set1_epi32(-offset);
    uint32_t pairs = n == 16 ? UINT32_MAX : (1u << 2 * n) - 1;
    __m512 dx = _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), act->d + at);
    __m512i s0 = _mm512_maskz_loadu_epi32((__mmask16)pairs, act->sum + 2 * at);
    __m512i s1 = _mm512_maskz_loadu_epi32((__mmask16)(pairs >> 16), act->sum + 2 * at + 16);
    __m512i sum[2] = {_mm512_permutex2var_epi32(s0, even, s1),
                      _mm512_permutex2var_epi32(s0, odd, s1)};
    if (!(flags & PXI_Q_HALVES))
        sum[0] = _mm512_add_epi32(sum[0], sum[1]);
    _mm512_store_ps(to + PXI_ACT_DX, dx);
    for (int h = 0; h < PXI_PARTS(flags); h++) {
        _mm512_store_si512(to + PXI_ACT_START + 64 * h, _mm512_mullo_epi32(sum[h], times));
        if (flags & PXI_Q_MINS)
            _mm512_store_ps(to + PXI_ACT_XS(flags) + 64 * h,
                            _mm512_mul_ps(dx, _mm512_cvtepi32_ps(sum[h])));
    }
}

/*
 * The int8 values of n blocks. `turn` is 0, or the length in which the elements of every even block
 * are turned right by two (the reason is at PXI_PAIRS_BEGIN).
 */
PXI_INLINE void pack_values(uint8_t *to, const int8_t *q, size_t n, const int turn)
{
    const __m512i plain =
        _mm512_set_epi16(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13,
                         12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    int words = turn / 2;
    __m512i order = _mm512_sub_epi16(plain, _mm512_set1_epi16(1));
    if (turn) { /* word i of the first block comes from i - 1, the first of a turn from its last */
        __mmask32 first = words == 8 ? 0x0101 : 0x0001;
        order = _mm512_mask_add_epi16(order, first, plain, _mm512_set1_epi16((short)(words - 1)));
        order = _mm512_mask_mov_epi16(order, 0xffff0000, plain);
    }
    for (size_t b = 0; b < n; b += 2) {
        __m512i v = _mm512_maskz_loadu_epi32(n - b > 1 ? 0xffff : 0x00ff, q + 32 * b);
        if (turn)
            v = _mm512_permutexvar_epi16(order, v);
        _mm512_store_si512(to + 32 * b, v);
    }
}

/* Records of the tokens and spans in hand: [span][token]. */
PXI_INLINE void pack(const struct job *j, const int offset, const int turn, const int flags)
{
    size_t blocks = j->m->k / 32;
    uint8_t *to = j->records;
    for (size_t s = j->span_first; s < j->span_first + j->spans; s++) {
        size_t first = s * PXI_SPAN_BLOCKS, n = pxi_min(blocks - first, PXI_SPAN_BLOCKS);
        for (size_t t = j->token_first; t < j->token_first + j->tokens; t++) {
            pack_values(to, j->m->act.q + (t * blocks + first) * 32, n, turn);
            pack_parts(to, &j->m->act, t * blocks + first, n, offset, flags);
            to += PXI_ACT_BYTES(flags);
        }
    }
}

/* The first n blocks of 8 of 16 rows, as 8 blocks: what does not exist is zero. */
static void copy_rows(uint8_t *copy, const uint8_t *p, size_t stride, size_t rows, size_t bytes)
{
    memset(copy, 0, 16 * COPY_STRIDE);
    for (size_t i = 0; i < pxi_min(rows, 16); i++)
        memcpy(copy + i * COPY_STRIDE, p + i * stride, bytes);
}

/* The 8 blocks from p on of 16 rows, of which `rows` and `blocks` exist. */
PXI_INLINE void unpack_8(const struct pxi_sink *s, const struct pxi_matmul *m, const uint8_t *p,
                         size_t rows, size_t blocks, unpack_fn *unpack, const size_t bytes)
{
    struct pxi_rows in = {p, m->row_bytes, 2 * m->row_bytes, 4 * m->row_bytes};
    uint8_t copy[16 * COPY_STRIDE];
    if (rows < 16 || blocks < 8 || m->row_bytes >= STRIDE_MAX) {
        copy_rows(copy, p, m->row_bytes, rows, pxi_min(blocks, 8) * bytes / 8);
        in = (struct pxi_rows){copy, COPY_STRIDE, 2 * COPY_STRIDE, 4 * COPY_STRIDE};
    }
    unpack(s, &in);
}

/*
 * A panel of `blocks` blocks from block `first` on, of the 16 rows from r on, of which `rows`
 * exist. bytes is the size of 8 blocks.
 */
PXI_INLINE void unpack_rows(uint8_t *w, const struct pxi_matmul *m, size_t r, size_t rows,
                            size_t first, size_t blocks, unpack_fn *unpack, const size_t bytes,
                            const int flags)
{
    const uint8_t *p = (const uint8_t *)m->w + r * m->row_bytes + first / 8 * bytes;
    for (size_t b = 0; b < blocks; b += 8) {
        struct pxi_sink s = {.w = w, .flags = flags};
        unpack_8(&s, m, p, rows, blocks - b, unpack, bytes);
        w += 8 * PXI_BLOCK_BYTES(flags);
        p += bytes;
    }
}

/* The panel times all tokens in hand: tiles of as equal width as possible. */
static void run_tiles(const struct job *j, const uint8_t *records, size_t in_span, size_t blocks,
                      size_t r, int fresh, struct pxi_ahead ahead)
{
    const struct pxi_matmul *m = j->m;
    size_t rows = m->row_last - r;
    __mmask16 mask[2] = {(__mmask16)(rows >= 16 ? 0xffff : (1u << rows) - 1),
                         (__mmask16)(rows >= 32  ? 0xffff
                                     : rows > 16 ? (1u << (rows - 16)) - 1
                                                 : 0)};
    float *y = m->y + j->token_first * m->y_stride + r;
    for (size_t i = 0; i < j->count; i++) {
        size_t tokens = j->narrow + (i < j->wide);
        j->tiles[tokens - 1](j->panel, records + 32 * in_span, records + PXI_ACT_DX + 4 * in_span,
                             blocks, y, m->y_stride, mask, fresh, ahead);
        ahead.bytes = 0;
        records += tokens * j->record;
        y += tokens * m->y_stride;
    }
}

/* 32 rows from r on times `blocks` blocks from block `first` on, for the tokens in hand. */
PXI_INLINE void run_panel(const struct job *j, size_t r, size_t first, size_t blocks,
                          unpack_fn *unpack, const size_t bytes, const int flags)
{
    const struct pxi_matmul *m = j->m;
    size_t rows = m->row_last - r, from = first - j->span_first * PXI_SPAN_BLOCKS;
    size_t span = from / PXI_SPAN_BLOCKS, in_span = from % PXI_SPAN_BLOCKS;
    const uint8_t *next = (const uint8_t *)m->w + (r + PXI_TILE_ROWS) * m->row_bytes;
    struct pxi_ahead ahead = {next + PXI_TILE_ROWS * (first / 8 * bytes),
                              PXI_TILE_ROWS / 8 * ((blocks + 7) / 8 * bytes)};
    unpack_rows(j->panel, m, r, rows, first, blocks, unpack, bytes, flags);
    if (rows > 16)
        unpack_rows(j->panel + PXI_GROUP_BYTES(flags), m, r + 16, rows - 16, first, blocks, unpack,
                    bytes, flags);
    run_tiles(j, j->records + span * j->tokens * j->record, in_span, blocks, r, first == 0, ahead);
}

/* ------------------------------------------------- few tokens, without a panel: 8 rows at a time
 */

/* The record of the n <= 16 blocks from block `at` of the activations on. */
PXI_INLINE void pack_few(uint8_t *to, const struct pxi_act *act, size_t at, size_t n,
                         const int offset, const int turn, const int flags)
{
    _Alignas(64) int8_t values[PXI_SPAN] = {0};
    int32_t *start = (int32_t *)(to + PXI_FEW_START);
    float *dx = (float *)(to + PXI_FEW_DX), *xs = (float *)(to + PXI_FEW_XS);
    memset(to, 0, PXI_FEW_BYTES);
    pack_values((uint8_t *)values, act->q + at * 32, n, turn);
    for (size_t b = 0; b < n; b++) {
        int32_t s0 = act->sum[2 * (at + b)], s1 = act->sum[2 * (at + b) + 1];
        int32_t first = flags & PXI_Q_HALVES ? s0 : s0 + s1;
        size_t pair = 2 * (b % 8) + b / 8;
        for (size_t i = 0; i < 8; i++)
            memcpy(to + b % 8 * 64 + b / 8 * 4 + 8 * i, values + 32 * b + 4 * i, 4);
        start[pair] = -offset * first;
        start[16 + pair] = -offset * s1;
        dx[b] = act->d[at + b];
        xs[b] = dx[b] * (float)first;
        xs[16 + b] = dx[b] * (float)s1;
    }
}

/* y plus block b of the sink, as kernel.h writes it, with dx and xs of block `of`. */
PXI_INLINE __m512 add_few(const struct pxi_sink *s, __m512 y, int b, int of, int t)
{
    const int parts = PXI_PARTS(s->flags);
    const uint8_t *w = s->w + b * PXI_BLOCK_BYTES(s->flags), *sum = w + 64 * parts * t;
    const uint8_t *scale = w + 512, *x = s->x + t * PXI_FEW_BYTES + 4 * of;
    __m512 f = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sum)), _mm512_load_ps(scale));
    if (s->flags & PXI_Q_HALVES)
        f = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sum + 64)),
                            _mm512_load_ps(scale + 64), f);
    y = _mm512_fmadd_ps(f, pxi_each_f32(x + PXI_FEW_DX), y);
    for (int h = 0; h < PXI_MIN_PARTS(s->flags); h++)
        y = _mm512_fnmadd_ps(_mm512_load_ps(scale + 64 * (parts + h)),
                             pxi_each_f32(x + PXI_FEW_XS + 64 * h), y);
    return y;
}

/* y of 8 rows is in the even lanes. They add blocks 0..7, then as odd lanes blocks 8..15. */
PXI_INLINE void add_blocks(const struct pxi_sink *s, __m512 y[PXI_FUSED_MAX], size_t blocks)
{
    PXI_UNROLL
    for (int t = 0; t < s->tokens; t++) {
        PXI_UNROLL
        for (int b = 0; b < 8; b++)
            if ((size_t)b < blocks)
                y[t] = add_few(s, y[t], b, b, t);
        y[t] = _mm512_moveldup_ps(y[t]);
        PXI_UNROLL
        for (int b = 0; b < 8; b++)
            if ((size_t)b + 8 < blocks)
                y[t] = add_few(s, y[t], b, b + 8, t);
        y[t] = _mm512_movehdup_ps(y[t]);
    }
}

/* The pieces of the span at p: of up to 8 rows, up to 16 blocks; what does not exist is zero. */
static struct pxi_rows copy_pieces(uint8_t *copy, const uint8_t *p, size_t stride, size_t rows,
                                   size_t blocks, size_t bytes)
{
    memset(copy, 0, 16 * COPY_STRIDE);
    for (size_t i = 0; i < 16; i++) {
        size_t first = i % 2 * 8;
        if (i / 2 < rows && first < blocks)
            memcpy(copy + i * COPY_STRIDE, p + i / 2 * stride + i % 2 * bytes,
                   pxi_min(blocks - first, 8) * bytes / 8);
    }
    return (struct pxi_rows){copy, COPY_STRIDE, 2 * COPY_STRIDE, 4 * COPY_STRIDE};
}

/* Eight rows from r on times the spans in hand. */
PXI_INLINE void few_rows(const struct job *j, size_t r, unpack_fn *unpack, const size_t bytes,
                         const int tokens, const int flags)
{
    const struct pxi_matmul *m = j->m;
    size_t rows = pxi_min(m->row_last - r, 8), first = j->span_first * PXI_SPAN_BLOCKS;
    size_t blocks = m->k / 32 - first, group = 8 * m->row_bytes;
    const uint8_t *p = (const uint8_t *)m->w + r * m->row_bytes + first / 8 * bytes;
    struct pxi_ahead ahead = {p + (FEW_AHEAD + group - 1) / group * group, 2 * bytes};
    const __m512i even = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
    const __m512i back = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 14, 12, 10, 8, 6, 4, 2, 0);
    __mmask16 mask = (__mmask16)((1u << rows) - 1);
    float *out = m->y + j->token_first * m->y_stride + r;
    __m512 y[PXI_FUSED_MAX];
    PXI_UNROLL
    for (int t = 0; t < tokens; t++)
        y[t] = _mm512_permutexvar_ps(
            even, _mm512_maskz_loadu_ps(first ? mask : 0, out + (size_t)t * m->y_stride));
    struct pxi_sink s = {j->panel, j->records, &ahead, tokens, flags};
    for (size_t n = 0; n < j->spans; n++, p += 2 * bytes, blocks -= PXI_SPAN_BLOCKS) {
        struct pxi_rows in = {p, bytes, m->row_bytes, 2 * m->row_bytes};
        uint8_t copy[16 * COPY_STRIDE];
        if (rows == 8 && blocks >= PXI_SPAN_BLOCKS && m->row_bytes < STRIDE_MAX) {
            unpack(&s, &in);
            add_blocks(&s, y, PXI_SPAN_BLOCKS);
        } else {
            in = copy_pieces(copy, p, m->row_bytes, rows, blocks, bytes);
            unpack(&s, &in);
            add_blocks(&s, y, blocks);
        }
        s.x += tokens * PXI_FEW_BYTES;
    }
    PXI_UNROLL
    for (int t = 0; t < tokens; t++)
        _mm512_mask_storeu_ps(out + (size_t)t * m->y_stride, mask,
                              _mm512_permutexvar_ps(back, y[t]));
}

/* All rows times `tokens` tokens. */
PXI_INLINE void run_few(struct job *j, unpack_fn *unpack, const int offset, const int turn,
                        const size_t bytes, const int tokens, const int flags)
{
    size_t blocks = j->m->k / 32, spans = (blocks + PXI_SPAN_BLOCKS - 1) / PXI_SPAN_BLOCKS;
    size_t fit = RECORDS_BYTES / PXI_FEW_BYTES / (size_t)tokens;
    for (j->span_first = 0; j->span_first < spans; j->span_first += j->spans) {
        j->spans = pxi_min(spans - j->span_first, fit);
        for (size_t i = 0; i < j->spans * (size_t)tokens; i++) {
            size_t at = (j->span_first + i / (size_t)tokens) * PXI_SPAN_BLOCKS;
            pack_few(j->records + i * PXI_FEW_BYTES, &j->m->act, i % (size_t)tokens * blocks + at,
                     pxi_min(blocks - at, PXI_SPAN_BLOCKS), offset, turn, flags);
        }
        for (size_t r = j->m->row_first; r < j->m->row_last; r += 8)
            few_rows(j, r, unpack, bytes, tokens, flags);
    }
}

/* ------------------------------------------------------------ row after row (quant_rows512.h) */

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
            uint8_t copy[2 * COPY_STRIDE] = {0};
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
    size_t fit = RECORDS_BYTES / (PXI_ROW_BYTES + 256 * sizeof(float));
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

/* All rows times the tokens and spans in hand. */
PXI_INLINE void run_rows(const struct job *j, unpack_fn *unpack, const size_t bytes,
                         const int flags)
{
    size_t step = j->tokens > DECODE ? PXI_SPAN_BLOCKS : STEP;
    size_t first = j->span_first * PXI_SPAN_BLOCKS;
    size_t end = pxi_min(j->m->k / 32, first + j->spans * PXI_SPAN_BLOCKS);
    for (size_t r = j->m->row_first; r < j->m->row_last; r += PXI_TILE_ROWS)
        for (size_t b = first; b < end; b += step)
            run_panel(j, r, b, pxi_min(end - b, step), unpack, bytes, flags);
}

PXI_INLINE void matmul(const struct pxi_matmul *m, tile_fn *const *tiles, unpack_fn *unpack,
                       row_fn *row, const size_t most, const enum pxi_row_order order,
                       const int offset, const int turn, const size_t bytes, const int flags)
{
    struct job j = {.m = m, .tiles = tiles, .record = PXI_ACT_BYTES(flags)};
    size_t spans = (m->k / 32 + PXI_SPAN_BLOCKS - 1) / PXI_SPAN_BLOCKS;
    for (size_t t = 0; m->k == 0 && t < m->tokens; t++)
        memset(m->y + t * m->y_stride + m->row_first, 0, (m->row_last - m->row_first) * 4);
    const size_t widest = flags & PXI_Q_HALVES ? PXI_TILE_HALVES : PXI_TILE_TOKENS;
    j.panel = m->scratch;
    j.records = j.panel + PANEL_BYTES;
    if (row && m->tokens == 1 && m->row_bytes <= most) {
        run_lines(&j, row, offset, order, bytes, flags);
        return;
    }
    switch (m->tokens) {
    case 1: run_few(&j, unpack, offset, turn, bytes, 1, flags); return;
    case 2: run_few(&j, unpack, offset, turn, bytes, 2, flags); return;
    }
    for (; j.token_first < m->tokens; j.token_first += j.tokens) {
        j.tokens = pxi_min(m->tokens - j.token_first, BATCH);
        j.count = (j.tokens + widest - 1) / widest;
        j.narrow = j.tokens / j.count;
        j.wide = j.tokens % j.count;
        size_t fit = RECORDS_BYTES / j.record / j.tokens;
        for (j.span_first = 0; j.span_first < spans; j.span_first += j.spans) {
            j.spans = pxi_min(spans - j.span_first, fit);
            pack(&j, offset, turn, flags);
            run_rows(&j, unpack, bytes, flags);
        }
    }
}

/* The tiles, by what their scales look like and the number of tokens. */
#define TILE(name, tokens, flags)                                                                  \
    static void name##tokens(const uint8_t *w, const uint8_t *act, const uint8_t *aux,             \
                             size_t blocks, float *out, size_t y_stride, const __mmask16 mask[2],  \
                             int fresh, struct pxi_ahead ahead)                                    \
    {                                                                                              \
        pxi_tile(w, act, aux, blocks, out, y_stride, mask, fresh, ahead, tokens, flags);           \
    }
#define TILES4(name, flags)                                                                        \
    TILE(name, 1, flags) TILE(name, 2, flags) TILE(name, 3, flags) TILE(name, 4, flags)
#define TILES6(name, flags) TILES4(name, flags) TILE(name, 5, flags) TILE(name, 6, flags)

TILES6(plain, 0)
TILES6(mins, PXI_Q_MINS)
TILES4(halves, PXI_Q_HALVES)
TILES4(both, PXI_Q_HALVES | PXI_Q_MINS)

static tile_fn *const plain[] = {plain1, plain2, plain3, plain4, plain5, plain6};
static tile_fn *const mins[] = {mins1, mins2, mins3, mins4, mins5, mins6};
static tile_fn *const halves[] = {halves1, halves2, halves3, halves4};
static tile_fn *const both[] = {both1, both2, both3, both4};

/* Row: type, tiles, offset that makes its integers unsigned, turn of the elements; then for the
 * types whose single tokens go row after row: how, up to which bytes of a row, and the order of
 * values. */
#define TYPES(X)                                                                                   \
    X(q4_0, plain, 8, 16, pxi_row_q4_0, 2048, PXI_ROW_NIBBLES)                                     \
    X(q4_1, mins, 0, 0, NULL, 0, 0)                                                                \
    X(q5_0, plain, 16, 16, NULL, 0, 0)                                                             \
    X(q5_1, mins, 0, 0, NULL, 0, 0)                                                                \
    X(q8_0, plain, 128, 32, pxi_row_q8_0, SIZE_MAX, PXI_ROW_BLOCKS)                                \
    X(q2_k, both, 0, 0, NULL, 0, 0)                                                                \
    X(q3_k, halves, 4, 0, NULL, 0, 0)                                                              \
    X(q4_k, mins, 0, 0, NULL, 0, 0)                                                                \
    X(q5_k, mins, 0, 0, NULL, 0, 0)                                                                \
    X(q6_k, halves, 32, 0, pxi_row_q6_k, SIZE_MAX, PXI_ROW_BLOCKS)                                 \
    X(iq4_nl, plain, 128, 16, NULL, 0, 0)                                                          \
    X(mxfp4, plain, 12, 0, NULL, 0, 0)

#define X(name, tiles, offset, turn, row, most, order)                                             \
    static void matmul_##name(const struct pxi_matmul *m)                                          \
    {                                                                                              \
        matmul(m, tiles, unpack_##name, row, most, order, offset, turn, BYTES_##name,              \
               FLAGS_##name);                                                                      \
    }
TYPES(X)
#undef X

void pxi_avx512vnni_quant(struct pxi_kernels *k)
{
#define X(name, ...) k->matmul[ID_##name] = matmul_##name;
    TYPES(X)
#undef X
}
