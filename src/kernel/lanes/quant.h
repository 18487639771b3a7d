/*
 * Products with quantised weights and the activation quantiser, written once over vectors of LANES
 * rows. A span of columns of some rows is unpacked into a panel that stays in the first-level
 * cache; tiles of tokens run over it, their sums going on from y. Before including this the
 * includer defines
 *
 *     LANES, BIASED        rows of a vector; whether dots() wants unsigned weights
 *     ints, floats         vectors of LANES int32_t or float
 *     each_i32, each_f32   one value in every lane
 *     load_f32, store_f32  at any address
 *     of_i32, madd, nmadd  (float)a, a * b + c and c - a * b
 *     transpose            LANES rows of 32 bytes, plus a bias, as panel vectors
 *     dots                 adds the products of CHAIN(max) panel vectors to the sums of T tokens;
 *                          no weight is beyond max, and CHAIN(max) divides 4
 *     amax32, round32      the two halves of the quantiser
 */
#ifndef PXI_KERNEL_LANES_QUANT_H
#define PXI_KERNEL_LANES_QUANT_H

#include "kernel/lanes/quant_act.h"
#include "kernel/lanes/quant_panel.h"

/* Sums of one block, or half a block, of T tokens `act` apart: what takes the bias off, then the
 * products of n vectors. q and sum are those of the first token. */
INLINE void sums(ints acc[][2], const struct span *s, const struct panel *w, int first, int n,
                 const int8_t *q, const int32_t *sum, const int T, const int max)
{
    for (int t = 0; t < T; t++) {
        const int32_t *x = sum + (size_t)t * (s->m->k / 16);
        acc[t][0] = acc[t][1] = each_i32(BIASED ? -s->bias * (n == 8 ? x[0] + x[1] : x[0]) : 0);
    }
    for (int i = first; i < first + n; i += CHAIN(max))
        dots(acc, &w->q[0][i][0][0], q + 4 * i, s->m->k, T, max);
}

/* y += one block, as kernel.h writes it; `at` is its number among all of the activations. */
INLINE void block(floats y[][2], const struct span *s, const struct panel *w, size_t at,
                  const int T, const int flags, const int max)
{
    const struct pxi_act *a = &s->m->act;
    ints lo[4][2], hi[4][2];
    sums(lo, s, w, 0, flags & PXI_Q_HALVES ? 4 : 8, a->q + 32 * at, a->sum + 2 * at, T, max);
    if (flags & PXI_Q_HALVES)
        sums(hi, s, w, 4, 4, a->q + 32 * at, a->sum + 2 * at + 1, T, max);
    for (int t = 0; t < T; t++, at += s->m->k / 32) {
        const int32_t *sum = a->sum + 2 * at;
        float dx = a->d[at];
        for (int g = 0; g < 2; g++) {
            const float *dw = w->dw[0] + g * LANES, *mw = w->mw[0] + g * LANES;
            floats f = load_f32(dw) * of_i32(lo[t][g]);
            if (flags & PXI_Q_HALVES)
                f = madd(load_f32(dw + ROWS), of_i32(hi[t][g]), f);
            f = madd(f, each_f32(dx), y[t][g]);
            if (flags & PXI_Q_MINS && flags & PXI_Q_HALVES) {
                f = nmadd(load_f32(mw), each_f32(dx * (float)sum[0]), f);
                f = nmadd(load_f32(mw + ROWS), each_f32(dx * (float)sum[1]), f);
            } else if (flags & PXI_Q_MINS) {
                f = nmadd(load_f32(mw), each_f32(dx * (float)(sum[0] + sum[1])), f);
            }
            y[t][g] = f;
        }
    }
}

/* The span times T tokens from `token` on. Weights are at most `max` in magnitude. */
INLINE void tile(const struct span *s, size_t token, const int T, const int flags, const int max)
{
    const struct pxi_matmul *m = s->m;
    size_t rows = pxi_min(m->row_last - s->row, ROWS), at = token * (m->k / 32) + s->first;
    float *out = m->y + token * m->y_stride + s->row;
    floats y[4][2];
    for (int t = 0; t < T; t++)
        load_rows(y[t], out + (size_t)t * m->y_stride, s->first ? rows : 0);
    for (size_t b = 0; b < s->blocks; b++)
        block(y, s, s->panel + b, at + b, T, flags, max);
    for (int t = 0; t < T; t++)
        store_rows(out + (size_t)t * m->y_stride, y[t], rows);
}

/* Classes of types: flags, the largest magnitude as the panel has it. */
#define CLASSES(X)                                                                                 \
    X(plain, 0, 31)                                                                                \
    X(wide, 0, 128)                                                                                \
    X(mins, PXI_Q_MINS, 31)                                                                        \
    X(halves, PXI_Q_HALVES, 63)                                                                    \
    X(halves_mins, PXI_Q_MINS | PXI_Q_HALVES, 3)

typedef void tiles_fn(const struct span *s);

#define X(name, flags, max)                                                                        \
    static void tiles_##name(const struct span *s)                                                 \
    {                                                                                              \
        size_t t = 0, n = s->m->tokens;                                                            \
        for (; t + 4 <= n; t += 4)                                                                 \
            tile(s, t, 4, flags, max);                                                             \
        if (t + 2 <= n)                                                                            \
            tile(s, t, 2, flags, max);                                                             \
        if (n % 2)                                                                                 \
            tile(s, n - 1, 1, flags, max);                                                         \
    }
CLASSES(X)
#undef X

INLINE void matmul(const struct pxi_matmul *m, tiles_fn *tiles, pxi_unpack_fn *unpack,
                   const size_t super, const size_t bytes, const int flags, const int bias)
{
    struct span s = {.m = m, .panel = m->scratch, .bias = BIASED ? bias : 0};
    for (s.row = m->row_first; s.row < m->row_last; s.row += ROWS) {
        s.first = 0;
        do { /* without columns too: then the products are zero */
            s.blocks = pxi_min(m->k / 32 - s.first, SPAN);
            unpack_span(&s, unpack, super, bytes, flags);
            tiles(&s);
            s.first += SPAN;
        } while (s.first < m->k / 32);
    }
}

/* Class, and what makes the weights unsigned; the class `wide` takes signs. */
#define TYPES(X)                                                                                   \
    X(q4_0, plain, 8)                                                                              \
    X(q4_1, mins, 0)                                                                               \
    X(q5_0, plain, 16)                                                                             \
    X(q5_1, mins, 0)                                                                               \
    X(q8_0, wide, 0)                                                                               \
    X(q2_k, halves_mins, 0)                                                                        \
    X(q3_k, halves, 4)                                                                             \
    X(q4_k, mins, 0)                                                                               \
    X(q5_k, mins, 0)                                                                               \
    X(q6_k, halves, 32)                                                                            \
    X(iq4_nl, wide, 0)                                                                             \
    X(mxfp4, plain, 12)

#define X(name, class, bias)                                                                       \
    static void matmul_##name(const struct pxi_matmul *m)                                          \
    {                                                                                              \
        matmul(m, tiles_##class, pxi_unpack_##name, SUPER_##name, BYTES_##name, FLAGS_##name,      \
               bias);                                                                              \
    }
TYPES(X)
#undef X

INLINE void fill_quant(struct pxi_kernels *k)
{
#define X(name, class, bias) k->matmul[ID_##name] = matmul_##name;
    TYPES(X)
#undef X
    k->act_quant = act_quant;
}

#endif
