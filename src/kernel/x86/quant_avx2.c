/* Quantised products and the activation quantiser for AVX2: those of src/kernel/lanes. */
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

#define LANES  8
#define BIASED 1

/* Vectors whose products fit 16 bits together: two of each in a sum. */
#define CHAIN(max) ((max) <= 31 ? 4 : (max) <= 63 ? 2 : 1)

typedef __m256i ints;
typedef __m256 floats;

INLINE ints each_i32(int32_t v)
{
    return _mm256_set1_epi32(v);
}

INLINE floats each_f32(float v)
{
    return _mm256_set1_ps(v);
}

INLINE floats load_f32(const float *p)
{
    return _mm256_loadu_ps(p);
}

INLINE void store_f32(float *p, floats v)
{
    _mm256_storeu_ps(p, v);
}

INLINE floats of_i32(ints v)
{
    return _mm256_cvtepi32_ps(v);
}

INLINE floats madd(floats a, floats b, floats c)
{
    return _mm256_fmadd_ps(a, b, c);
}

INLINE floats nmadd(floats a, floats b, floats c)
{
    return _mm256_fnmadd_ps(a, b, c);
}

/* Bytes p..p+15 of a row and of the fourth one after it. */
INLINE __m256i pair(const int8_t *p, size_t stride)
{
    __m256i v = _mm256_castsi128_si256(_mm_loadu_si128((const void *)p));
    return _mm256_inserti128_si256(v, _mm_loadu_si128((const void *)(p + 4 * stride)), 1);
}

INLINE void transpose(int8_t *to, const int8_t *rows, size_t stride, int bias)
{
    __m256i add = _mm256_set1_epi8((char)bias), *at = (__m256i *)to;
    for (int half = 0; half < 2; half++, rows += 16) {
        __m256i a = pair(rows, stride), b = pair(rows + stride, stride);
        __m256i c = pair(rows + 2 * stride, stride), d = pair(rows + 3 * stride, stride);
        __m256i ab = _mm256_add_epi8(_mm256_unpacklo_epi32(a, b), add);
        __m256i cd = _mm256_add_epi8(_mm256_unpacklo_epi32(c, d), add);
        __m256i ef = _mm256_add_epi8(_mm256_unpackhi_epi32(a, b), add);
        __m256i gh = _mm256_add_epi8(_mm256_unpackhi_epi32(c, d), add);
        _mm256_storeu_si256(at++, _mm256_unpacklo_epi64(ab, cd));
        _mm256_storeu_si256(at++, _mm256_unpackhi_epi64(ab, cd));
        _mm256_storeu_si256(at++, _mm256_unpacklo_epi64(ef, gh));
        _mm256_storeu_si256(at++, _mm256_unpackhi_epi64(ef, gh));
    }
}

/* Weights unsigned; those of more than 6 bits give their signs to the activations. */
INLINE void dots(ints acc[][2], const int8_t *w, const int8_t *q, size_t stride, const int T,
                 const int max)
{
    const __m256i *p = (const __m256i *)w;
    ints part[4][2];
    for (int i = 0; i < CHAIN(max); i++) {
        ints v[2] = {_mm256_loadu_si256(p + i), _mm256_loadu_si256(p + 8 + i)};
        for (int t = 0; t < T; t++) {
            int32_t four;
            memcpy(&four, q + (size_t)t * stride + 4 * i, 4);
            ints x = _mm256_set1_epi32(four);
            for (int g = 0; g < 2; g++) {
                ints d = max > 63 ? _mm256_maddubs_epi16(_mm256_abs_epi8(v[g]),
                                                         _mm256_sign_epi8(x, v[g]))
                                  : _mm256_maddubs_epi16(v[g], x);
                part[t][g] = i ? _mm256_add_epi16(part[t][g], d) : d;
            }
        }
    }
    for (int t = 0; t < T; t++)
        for (int g = 0; g < 2; g++) {
            ints d = _mm256_madd_epi16(part[t][g], _mm256_set1_epi16(1));
            acc[t][g] = _mm256_add_epi32(acc[t][g], d);
        }
}

INLINE float amax32(const float *x)
{
    __m256 v = _mm256_setzero_ps(), sign = _mm256_set1_ps(-0.0f);
    for (int i = 0; i < 32; i += 8)
        v = _mm256_max_ps(v, _mm256_andnot_ps(sign, _mm256_loadu_ps(x + i)));
    __m128 q = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    q = _mm_max_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}

/* 32 floats times `inverse`, rounded to even, and the sums of the two halves. */
INLINE void round32(int8_t *q, int32_t *sum, const float *x, float inverse)
{
    __m256i v[4];
    for (int i = 0; i < 4; i++)
        v[i] =
            _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8 * i), _mm256_set1_ps(inverse)));
    __m256i a = _mm256_packs_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
    a = _mm256_permutevar8x32_epi32(a, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_storeu_si256((void *)q, a);
    /* sums of eight bytes made unsigned; 16 of them have 2048 too much */
    a = _mm256_sad_epu8(_mm256_xor_si256(a, _mm256_set1_epi8(-128)), _mm256_setzero_si256());
    a = _mm256_add_epi32(a, _mm256_shuffle_epi32(a, 0x4e));
    a = _mm256_sub_epi32(a, _mm256_set1_epi32(2048));
    sum[0] = _mm256_cvtsi256_si32(a);
    sum[1] = _mm_cvtsi128_si32(_mm256_extracti128_si256(a, 1));
}

#include "kernel/lanes/quant.h"

void pxi_avx2_quant(struct pxi_kernels *k)
{
    fill_quant(k);
}
