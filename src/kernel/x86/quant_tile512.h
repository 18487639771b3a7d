/*
 * Register tiles of the quantised product on 512-bit VNNI: 32 weight rows by 1 to 6 tokens, over a
 * run of blocks of 32 elements.
 *
 * A lane is a weight row. Weights come unpacked, as a panel: for each block, for each of two groups
 * of 16 rows, 8 vectors of unsigned bytes (vector j: elements 4j..4j+3 of 16 rows), then the scales
 * and mins of the 16 rows. Activations come as records, one a token, of PXI_SPAN elements: the int8
 * values, dx of each block, the start of the integer sums (minus the offset that makes the weights
 * unsigned, times the sum of the activations), and for types with mins xs; with 16-element scales
 * starts and xs are two arrays, of first and of second halves.
 */
#ifndef PXI_KERNEL_QUANT_TILE512_H
#define PXI_KERNEL_QUANT_TILE512_H

#include <immintrin.h>

#include "kernel/quant.h"

#if defined(__clang__)
#define PXI_UNROLL _Pragma("unroll")
#else
#define PXI_UNROLL _Pragma("GCC unroll 16")
#endif
#define PXI_INLINE static inline __attribute__((always_inline))
/* Once in the program, neither inlined nor copied for its arguments: compilers would take long. */
#if defined(__clang__)
#define PXI_APART __attribute__((noinline))
#else
#define PXI_APART __attribute__((noinline, noclone))
#endif

#define PXI_SPAN        512 /* elements of an activation record */
#define PXI_SPAN_BLOCKS 16  /* the same in blocks */
#define PXI_TILE_TOKENS 6   /* the widest tile: 12 integer and 12 float accumulators */
#define PXI_TILE_SPLIT  3   /* up to this many tokens an accumulator is two */
#define PXI_TILE_HALVES 4   /* the same with 16-element scales: 16 and 8 */
#define PXI_TILE_ROWS   32  /* rows of a panel */
#define PXI_FUSED_MAX   2   /* tokens for which no panel is made */

/* Scale (and min) vectors of a block; parts of an activation record; all in bytes. */
#define PXI_PARTS(flags)       ((flags)&PXI_Q_HALVES ? 2 : 1)
#define PXI_MIN_PARTS(flags)   ((flags)&PXI_Q_MINS ? PXI_PARTS(flags) : 0)
#define PXI_GROUP_BYTES(flags) (512 + 64 * (PXI_PARTS(flags) + PXI_MIN_PARTS(flags)))
#define PXI_BLOCK_BYTES(flags) (2 * PXI_GROUP_BYTES(flags))
#define PXI_ACT_DX             PXI_SPAN
#define PXI_ACT_START          (PXI_SPAN + 64)
#define PXI_ACT_XS(flags)      (PXI_ACT_START + 64 * PXI_PARTS(flags))
#define PXI_ACT_BYTES(flags)   (PXI_ACT_XS(flags) + 64 * PXI_MIN_PARTS(flags))

/* A four-byte element at p in every lane. */
PXI_INLINE __m512i pxi_each_i32(const uint8_t *p)
{
    int32_t v;
    memcpy(&v, p, 4);
    return _mm512_set1_epi32(v);
}

PXI_INLINE __m512 pxi_each_f32(const uint8_t *p)
{
    return _mm512_castsi512_ps(pxi_each_i32(p));
}

/* acc[g][t] += products of `vectors` weight vectors from number `first` on. */
PXI_INLINE void pxi_tile_dots(__m512i acc[2][PXI_TILE_TOKENS], const uint8_t *w, const uint8_t *q,
                              int first, int vectors, const int tokens, const int flags)
{
    PXI_UNROLL
    for (int j = first; j < first + vectors; j++) {
        __m512i w0 = _mm512_load_si512(w + 64 * j);
        __m512i w1 = _mm512_load_si512(w + PXI_GROUP_BYTES(flags) + 64 * j);
        PXI_UNROLL
        for (int t = 0; t < tokens; t++) {
            __m512i x = pxi_each_i32(q + t * PXI_ACT_BYTES(flags) + 4 * j);
            __asm__("" : "+v"(x)); /* one load for two products */
            acc[0][t] = _mm512_dpbusd_epi32(acc[0][t], w0, x);
            acc[1][t] = _mm512_dpbusd_epi32(acc[1][t], w1, x);
        }
    }
}

PXI_INLINE void pxi_tile_start(__m512i acc[2][PXI_TILE_TOKENS], const uint8_t *start,
                               const int tokens, const int flags)
{
    PXI_UNROLL
    for (int t = 0; t < tokens; t++)
        acc[0][t] = acc[1][t] = pxi_each_i32(start + t * PXI_ACT_BYTES(flags));
}

/* As pxi_tile_dots for a whole block, in two chains: few tokens would wait for one. */
PXI_INLINE void pxi_tile_split(__m512i acc[2][PXI_TILE_TOKENS], const uint8_t *w, const uint8_t *q,
                               const int tokens, const int flags)
{
    __m512i rest[2][PXI_TILE_TOKENS];
    PXI_UNROLL
    for (int t = 0; t < tokens; t++)
        rest[0][t] = rest[1][t] = _mm512_setzero_si512();
    PXI_UNROLL
    for (int j = 0; j < 8; j += 2) {
        pxi_tile_dots(acc, w, q, j, 1, tokens, flags);
        pxi_tile_dots(rest, w, q, j + 1, 1, tokens, flags);
    }
    PXI_UNROLL
    for (int t = 0; t < tokens; t++) {
        acc[0][t] = _mm512_add_epi32(acc[0][t], rest[0][t]);
        acc[1][t] = _mm512_add_epi32(acc[1][t], rest[1][t]);
    }
}

/* y += sums of one block, as kernel.h writes it. `lo` and `hi` are the sums of the two halves. */
PXI_INLINE void pxi_tile_scale(__m512 y[2][PXI_TILE_TOKENS], __m512i lo[2][PXI_TILE_TOKENS],
                               __m512i hi[2][PXI_TILE_TOKENS], const uint8_t *w, const uint8_t *dx,
                               const int tokens, const int flags)
{
    const int group = PXI_GROUP_BYTES(flags), act = PXI_ACT_BYTES(flags);
    PXI_UNROLL
    for (int t = 0; t < tokens; t++) {
        __m512 d = pxi_each_f32(dx + t * act);
        PXI_UNROLL
        for (int g = 0; g < 2; g++) {
            const uint8_t *dw = w + g * group + 512;
            __m512 f = _mm512_mul_ps(_mm512_cvtepi32_ps(lo[g][t]), _mm512_load_ps(dw));
            if (flags & PXI_Q_HALVES)
                f = _mm512_fmadd_ps(_mm512_cvtepi32_ps(hi[g][t]), _mm512_load_ps(dw + 64), f);
            y[g][t] = _mm512_fmadd_ps(f, d, y[g][t]);
        }
    }
}

/* y -= min * xs, for each min of the block in order. */
PXI_INLINE void pxi_tile_mins(__m512 y[2][PXI_TILE_TOKENS], const uint8_t *w, const uint8_t *xs,
                              const int tokens, const int flags)
{
    const int group = PXI_GROUP_BYTES(flags), act = PXI_ACT_BYTES(flags);
    for (int h = 0; h < PXI_PARTS(flags); h++) {
        const uint8_t *mw = w + 512 + 64 * (PXI_PARTS(flags) + h);
        __m512 m0 = _mm512_load_ps(mw), m1 = _mm512_load_ps(mw + group);
        PXI_UNROLL
        for (int t = 0; t < tokens; t++) {
            __m512 x = pxi_each_f32(xs + t * act + 64 * h);
            y[0][t] = _mm512_fnmadd_ps(m0, x, y[0][t]);
            y[1][t] = _mm512_fnmadd_ps(m1, x, y[1][t]);
        }
    }
}

/*
 * Memory that is wanted next, asked for in the order of addresses while what is before it is used:
 * many short pieces of rows at a time would keep neither the memory nor the prefetchers of the
 * processor busy. It goes to the second-level cache; the first has fewer requests to spare.
 */
struct pxi_ahead {
    const uint8_t *p;
    size_t bytes; /* of each step */
};

PXI_INLINE void pxi_fetch(struct pxi_ahead *a)
{
    for (size_t i = 0; i < a->bytes; i += 64)
        _mm_prefetch((const char *)(a->p + i), _MM_HINT_T1);
    a->p += a->bytes;
}

/* A whole store where possible: a masked one cannot be forwarded to the load of the next tile. */
PXI_INLINE void pxi_tile_store(float *p, __m512 v, __mmask16 mask)
{
    if (mask == 0xffff)
        _mm512_storeu_ps(p, v);
    else
        _mm512_mask_storeu_ps(p, mask, v);
}

/*
 * y (32 rows, `tokens` columns y_stride apart; rows outside the masks are left alone) plus the
 * products of `blocks` blocks, or just those when `fresh`. act points at the first of these blocks
 * in the record of the first token: values at act, dx at `aux`, whence the other parts are known.
 */
PXI_INLINE void pxi_tile(const uint8_t *w, const uint8_t *act, const uint8_t *aux, size_t blocks,
                         float *out, size_t y_stride, const __mmask16 mask[2], int fresh,
                         struct pxi_ahead ahead, const int tokens, const int flags)
{
    __m512 y[2][PXI_TILE_TOKENS];
    __m512i lo[2][PXI_TILE_TOKENS], hi[2][PXI_TILE_TOKENS];
    __mmask16 keep0 = fresh ? 0 : mask[0], keep1 = fresh ? 0 : mask[1];
    PXI_UNROLL
    for (int t = 0; t < tokens; t++) {
        y[0][t] = _mm512_maskz_loadu_ps(keep0, out + (size_t)t * y_stride);
        y[1][t] = _mm512_maskz_loadu_ps(keep1, out + (size_t)t * y_stride + 16);
    }
    for (size_t b = 0; b < blocks; b++) {
        if (b < 8)
            pxi_fetch(&ahead);
        pxi_tile_start(lo, aux + PXI_ACT_START - PXI_ACT_DX, tokens, flags);
        if (flags & PXI_Q_HALVES) {
            pxi_tile_dots(lo, w, act, 0, 4, tokens, flags);
            pxi_tile_start(hi, aux + PXI_ACT_START - PXI_ACT_DX + 64, tokens, flags);
            pxi_tile_dots(hi, w, act, 4, 4, tokens, flags);
        } else if (tokens <= PXI_TILE_SPLIT) {
            pxi_tile_split(lo, w, act, tokens, flags);
        } else {
            pxi_tile_dots(lo, w, act, 0, 8, tokens, flags);
        }
        pxi_tile_scale(y, lo, hi, w, aux, tokens, flags);
        if (flags & PXI_Q_MINS)
            pxi_tile_mins(y, w, aux + PXI_ACT_XS(flags) - PXI_ACT_DX, tokens, flags);
        w += PXI_BLOCK_BYTES(flags);
        act += 32;
        aux += 4;
    }
    PXI_UNROLL
    for (int t = 0; t < tokens; t++) {
        pxi_tile_store(out + (size_t)t * y_stride, y[0][t], mask[0]);
        pxi_tile_store(out + (size_t)t * y_stride + 16, y[1][t], mask[1]);
    }
}

#endif
