/*
 * Quantised products for AVX-512 with VNNI. Weights are never kept in another form: 32 rows of a
 * span of columns are unpacked into the L1-resident panel, then used for all tokens of the batch.
 */
#include "kernel/sets.h"
#include "kernel/x86/quant_types512.h"

/* Tokens at once, 21 full tiles: their records and their results stay in L2. */
#define BATCH 126
_Static_assert(BATCH *PXI_ACT_BYTES(PXI_Q_HALVES | PXI_Q_MINS) <= PXI_RECORDS_BYTES, "scratch");

typedef void tile_fn(const uint8_t *w, const uint8_t *act, const uint8_t *aux, size_t blocks,
                     float *out, size_t y_stride, const __mmask16 mask[2], int fresh,
                     struct pxi_ahead ahead);

/* Up to this many tokens weights arrive from memory slower than they are used; then short panels
 * let memory and arithmetic overlap. */
#define DECODE 12
#define STEP   8

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

/* Records of the tokens and spans in hand: [span][token]. */
PXI_INLINE void pack(const struct job *j, const int offset, const int turn, const int flags)
{
    size_t blocks = j->m->k / 32;
    uint8_t *to = j->records;
    for (size_t s = j->span_first; s < j->span_first + j->spans; s++) {
        size_t first = s * PXI_SPAN_BLOCKS, n = pxi_min(blocks - first, PXI_SPAN_BLOCKS);
        for (size_t t = j->token_first; t < j->token_first + j->tokens; t++) {
            pxi_pack_values(to, j->m->act.q + (t * blocks + first) * 32, n, turn);
            pack_parts(to, &j->m->act, t * blocks + first, n, offset, flags);
            to += PXI_ACT_BYTES(flags);
        }
    }
}

/* The first n blocks of 8 of 16 rows, as 8 blocks: what does not exist is zero. */
static void copy_rows(uint8_t *copy, const uint8_t *p, size_t stride, size_t rows, size_t bytes)
{
    memset(copy, 0, 16 * PXI_COPY_STRIDE);
    for (size_t i = 0; i < pxi_min(rows, 16); i++)
        memcpy(copy + i * PXI_COPY_STRIDE, p + i * stride, bytes);
}

/* The 8 blocks from p on of 16 rows, of which `rows` and `blocks` exist. */
PXI_INLINE void unpack_8(const struct pxi_sink *s, const struct pxi_matmul *m, const uint8_t *p,
                         size_t rows, size_t blocks, pxi_unpack_fn *unpack, const size_t bytes)
{
    struct pxi_rows in = {p, m->row_bytes, 2 * m->row_bytes, 4 * m->row_bytes};
    uint8_t copy[16 * PXI_COPY_STRIDE];
    if (rows < 16 || blocks < 8 || m->row_bytes >= PXI_STRIDE_MAX) {
        copy_rows(copy, p, m->row_bytes, rows, pxi_min(blocks, 8) * bytes / 8);
        in = (struct pxi_rows){copy, PXI_COPY_STRIDE, 2 * PXI_COPY_STRIDE, 4 * PXI_COPY_STRIDE};
    }
    unpack(s, &in);
}

/*
 * A panel of `blocks` blocks from block `first` on, of the 16 rows from r on, of which `rows`
 * exist. bytes is the size of 8 blocks.
 */
PXI_INLINE void unpack_rows(uint8_t *w, const struct pxi_matmul *m, size_t r, size_t rows,
                            size_t first, size_t blocks, pxi_unpack_fn *unpack, const size_t bytes,
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
                          pxi_unpack_fn *unpack, const size_t bytes, const int flags)
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

/* All rows times the tokens and spans in hand. */
PXI_INLINE void run_rows(const struct job *j, pxi_unpack_fn *unpack, const size_t bytes,
                         const int flags)
{
    size_t step = j->tokens > DECODE ? PXI_SPAN_BLOCKS : STEP;
    size_t first = j->span_first * PXI_SPAN_BLOCKS;
    size_t end = pxi_min(j->m->k / 32, first + j->spans * PXI_SPAN_BLOCKS);
    for (size_t r = j->m->row_first; r < j->m->row_last; r += PXI_TILE_ROWS)
        for (size_t b = first; b < end; b += step)
            run_panel(j, r, b, pxi_min(end - b, step), unpack, bytes, flags);
}

PXI_INLINE void matmul(const struct pxi_matmul *m, tile_fn *const *tiles, pxi_unpack_fn *unpack,
                       const int offset, const int turn, const size_t bytes, const int flags)
{
    struct job j = {.m = m, .tiles = tiles, .record = PXI_ACT_BYTES(flags)};
    size_t spans = (m->k / 32 + PXI_SPAN_BLOCKS - 1) / PXI_SPAN_BLOCKS;
    for (size_t t = 0; m->k == 0 && t < m->tokens; t++)
        memset(m->y + t * m->y_stride + m->row_first, 0, (m->row_last - m->row_first) * 4);
    const size_t widest = flags & PXI_Q_HALVES ? PXI_TILE_HALVES : PXI_TILE_TOKENS;
    j.panel = m->scratch;
    j.records = j.panel + PXI_PANEL_BYTES;
    for (; j.token_first < m->tokens; j.token_first += j.tokens) {
        j.tokens = pxi_min(m->tokens - j.token_first, BATCH);
        j.count = (j.tokens + widest - 1) / widest;
        j.narrow = j.tokens / j.count;
        j.wide = j.tokens % j.count;
        size_t fit = PXI_RECORDS_BYTES / j.record / j.tokens;
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

/* The tiles of a type. */
#define TILES_q4_0   plain
#define TILES_q4_1   mins
#define TILES_q5_0   plain
#define TILES_q5_1   mins
#define TILES_q8_0   plain
#define TILES_q2_k   both
#define TILES_q3_k   halves
#define TILES_q4_k   mins
#define TILES_q5_k   mins
#define TILES_q6_k   halves
#define TILES_iq4_nl plain
#define TILES_mxfp4  plain

#define X(name, offset, turn)                                                                      \
    PXI_UNPACK512(name, panel, 0)                                                                  \
    static void matmul_##name(const struct pxi_matmul *m)                                          \
    {                                                                                              \
        if (m->k && (m->tokens == 1 || m->tokens == 2))                                            \
            pxi_few512_##name(m);                                                                  \
        else                                                                                       \
            matmul(m, TILES_##name, panel_##name, offset, turn, BYTES_##name, FLAGS_##name);       \
    }
PXI_TYPES512(X)
#undef X

void pxi_avx512vnni_quant(struct pxi_kernels *k)
{
#define X(name, ...) k->matmul[ID_##name] = matmul_##name;
    PXI_TYPES512(X)
#undef X
}
