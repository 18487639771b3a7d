/*
 * The panel of 16 rows times up to four tokens, for AVX2. Activations are packed once into records,
 * from which the tile reads a vector's four bytes of each token, the start of the integer sums,
 * dx and dx times the sums, all at constant offsets. Sums stay in 16 bits as long as the largest
 * weight of the type lets them: for weights of 4 bits through the whole block.
 */
#ifndef PXI_KERNEL_QUANT_TILE256_H
#define PXI_KERNEL_QUANT_TILE256_H

#include "kernel/x86/quant_scales256.h"

/* The compiler may not put off what gives v: it would keep all the products for a later sum. */
#define KEEP(v) __asm__("" : "+x"(v))

enum { TILE_TOKENS = 4 };

/* One block of the activations of up to four tokens; the values follow: four bytes of each token
 * after the other, of weights of 8 bits as words, the even ones of the four first. */
struct record {
    float dx[TILE_TOKENS], xs[2][TILE_TOKENS];
    int32_t start[2][TILE_TOKENS];
    int8_t q[];
};

/* Weights of so much magnitude are multiplied as words; of less, as many vectors of products fit 16
 * bits together, two of each in a sum. */
#define WORDS(max) ((max) > 64)
#define CHAIN(max) ((max) <= 16 ? 8 : (max) <= 32 ? 4 : 2)

#define RECORD_BYTES(max) (sizeof(struct record) + (WORDS(max) ? 256 : 128))

/* 16 bytes of four tokens: four of each, at vector i of the record. */
INLINE void pack4(struct record *to, __m128i v, int i, const int max)
{
    __m128i *at = (__m128i *)to->q + (WORDS(max) ? 2 * i : i);
    if (WORDS(max)) {
        _mm_store_si128(at, _mm_srai_epi16(_mm_slli_epi16(v, 8), 8));
        _mm_store_si128(at + 1, _mm_srai_epi16(v, 8));
    } else {
        _mm_store_si128(at, v);
    }
}

/* Block b of tokens t .. t + n - 1; those past them are the last again. */
INLINE void pack_record(uint8_t *out, const struct pxi_matmul *m, size_t b, size_t t, size_t n,
                        const int bias, const int flags, const int max)
{
    const struct pxi_act *a = &m->act;
    struct record *to = (struct record *)out;
    for (int half = 0; half < 8; half += 4) {
        __m128i v[4];
        for (size_t i = 0; i < 4; i++)
            v[i] = _mm_loadu_si128(
                (const void *)(a->q + (t + pxi_min(i, n - 1)) * m->k + 32 * b + 4 * (size_t)half));
        __m128i ab = _mm_unpacklo_epi32(v[0], v[1]), cd = _mm_unpacklo_epi32(v[2], v[3]);
        __m128i ef = _mm_unpackhi_epi32(v[0], v[1]), gh = _mm_unpackhi_epi32(v[2], v[3]);
        pack4(to, _mm_unpacklo_epi64(ab, cd), half, max);
        pack4(to, _mm_unpackhi_epi64(ab, cd), half + 1, max);
        pack4(to, _mm_unpacklo_epi64(ef, gh), half + 2, max);
        pack4(to, _mm_unpackhi_epi64(ef, gh), half + 3, max);
    }
    for (size_t i = 0; i < 4; i++) {
        size_t at = (t + pxi_min(i, n - 1)) * (m->k / 32) + b;
        int32_t s0 = a->sum[2 * at], s1 = a->sum[2 * at + 1];
        int32_t first = flags & PXI_Q_HALVES ? s0 : s0 + s1;
        to->dx[i] = a->d[at];
        to->start[0][i] = -bias * first;
        to->start[1][i] = -bias * s1;
        to->xs[0][i] = a->d[at] * (float)first;
        to->xs[1][i] = a->d[at] * (float)s1;
    }
}

/* Four bytes at number i of the values, in all lanes. */
INLINE __m256i each4(const struct record *x, int i)
{
    int32_t four;
    memcpy(&four, x->q + 4 * i, 4);
    return _mm256_set1_epi32(four);
}

/* Vectors `first` to first + n - 1 of the panel, weights of up to 6 bits, times T tokens. */
INLINE void byte_products(__m256i acc[][2], const struct panel *w, const struct record *x,
                          int first, int n, const int T, const int max)
{
    const int chain = CHAIN(max) < n ? CHAIN(max) : n;
    UNROLL
    for (int c = first; c < first + n; c += chain) {
        __m256i part[TILE_TOKENS][2];
        UNROLL
        for (int i = 0; i < chain; i++) {
            __m256i v[2];
            for (int g = 0; g < 2; g++)
                v[g] = _mm256_load_si256((const void *)w->q[g][c + i]);
            UNROLL
            for (int t = 0; t < T; t++) {
                __m256i four = each4(x, (c + i) * TILE_TOKENS + t);
                UNROLL
                for (int g = 0; g < 2; g++) {
                    __m256i d = _mm256_maddubs_epi16(v[g], four);
                    part[t][g] = i ? _mm256_add_epi16(part[t][g], d) : d;
                    KEEP(part[t][g]);
                }
            }
        }
        UNROLL
        for (int t = 0; t < T; t++)
            for (int g = 0; g < 2; g++) {
                __m256i d = _mm256_madd_epi16(part[t][g], _mm256_set1_epi16(1));
                acc[t][g] = c > first ? _mm256_add_epi32(acc[t][g], d) : d;
            }
    }
}

/* The same of weights of 8 bits, made words here: even bytes, then odd ones. */
INLINE void word_products(__m256i acc[][2], const struct panel *w, const struct record *x,
                          const int T)
{
    UNROLL
    for (int i = 0; i < 16; i++) {
        __m256i v[2];
        for (int g = 0; g < 2; g++) {
            v[g] = _mm256_load_si256((const void *)w->q[g][i / 2]);
            v[g] = _mm256_srai_epi16(i % 2 ? v[g] : _mm256_slli_epi16(v[g], 8), 8);
        }
        UNROLL
        for (int t = 0; t < T; t++) {
            __m256i four = each4(x, i * TILE_TOKENS + t);
            UNROLL
            for (int g = 0; g < 2; g++) {
                __m256i d = _mm256_madd_epi16(v[g], four);
                acc[t][g] = i ? _mm256_add_epi32(acc[t][g], d) : d;
                KEEP(acc[t][g]);
            }
        }
    }
}

INLINE void products(__m256i acc[][2], const struct panel *w, const struct record *x, int first,
                     int n, const int T, const int max)
{
    if (WORDS(max))
        word_products(acc, w, x, T);
    else
        byte_products(acc, w, x, first, n, T, max);
}

/* The sum of half h of token t, without the bias. */
INLINE __m256 unbiased(__m256i sum, const struct record *x, int h, int t, const int biased)
{
    if (biased)
        sum = _mm256_add_epi32(sum, _mm256_set1_epi32(x->start[h][t]));
    return _mm256_cvtepi32_ps(sum);
}

/* y += one block, as kernel.h writes it. */
INLINE void tile_block(__m256 y[][2], const struct panel *w, const struct record *x, const int T,
                       const int flags, const int max, const int biased)
{
    __m256i sum[TILE_TOKENS][2];
    __m256 f[TILE_TOKENS][2];
    products(sum, w, x, 0, flags & PXI_Q_HALVES ? 4 : 8, T, max);
    UNROLL
    for (int t = 0; t < T; t++)
        for (int g = 0; g < 2; g++)
            f[t][g] = _mm256_mul_ps(_mm256_load_ps(w->dw[0] + 8 * g),
                                    unbiased(sum[t][g], x, 0, t, biased));
    if (flags & PXI_Q_HALVES)
        products(sum, w, x, 4, 4, T, max);
    UNROLL
    for (int t = 0; t < T; t++)
        for (int g = 0; g < 2; g++) {
            if (flags & PXI_Q_HALVES)
                f[t][g] = _mm256_fmadd_ps(_mm256_load_ps(w->dw[1] + 8 * g),
                                          unbiased(sum[t][g], x, 1, t, biased), f[t][g]);
            y[t][g] = _mm256_fmadd_ps(f[t][g], _mm256_broadcast_ss(x->dx + t), y[t][g]);
            if (flags & PXI_Q_MINS)
                y[t][g] = _mm256_fnmadd_ps(_mm256_load_ps(w->mw[0] + 8 * g),
                                           _mm256_broadcast_ss(x->xs[0] + t), y[t][g]);
            if (flags & PXI_Q_MINS && flags & PXI_Q_HALVES)
                y[t][g] = _mm256_fnmadd_ps(_mm256_load_ps(w->mw[1] + 8 * g),
                                           _mm256_broadcast_ss(x->xs[1] + t), y[t][g]);
        }
}

/* Memory to ask for on the way, so many bytes with every block: all at once would hold up what the
 * products read. */
struct ahead {
    const uint8_t *p;
    size_t bytes;
};

/* The panel times T tokens, on top of what is at `out` unless `fresh`. */
INLINE void tile(const struct panel *w, const uint8_t *x, size_t blocks, float *out,
                 size_t y_stride, size_t rows, int fresh, struct ahead ahead, const int T,
                 const int flags, const int max, const int biased)
{
    __m256 y[TILE_TOKENS][2];
    UNROLL
    for (int t = 0; t < T; t++)
        load_rows(y[t], out + (size_t)t * y_stride, fresh ? 0 : rows);
    for (size_t b = 0; b < blocks; b++, x += RECORD_BYTES(max)) {
        for (size_t at = 0; at < ahead.bytes; at += 64)
            __builtin_prefetch(ahead.p + at, 0, 2);
        ahead.p += ahead.bytes;
        tile_block(y, w + b, (const struct record *)x, T, flags, max, biased);
    }
    UNROLL
    for (int t = 0; t < T; t++)
        store_rows(out + (size_t)t * y_stride, y[t], rows);
}

#endif
