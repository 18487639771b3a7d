/* Kernels on vectors of floats for AVX-512: a vector is the 16 virtual lanes. */
#include "kernel/exp.h"
#include "kernel/sets.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

/* Lanes of the elements that are left. */
INLINE __mmask16 left_mask(size_t left)
{
    return left >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << left) - 1);
}

/* kernel/exp.h in vectors; scalef rounds once, as the two multiplications there do. */
INLINE __m512 exp_lanes(__m512 x)
{
    const __m512 one = _mm512_set1_ps(1.0f), magic = _mm512_set1_ps(PXI_EXP_MAGIC);
    x = _mm512_min_ps(x, _mm512_set1_ps(PXI_EXP_HI));
    x = _mm512_max_ps(x, _mm512_set1_ps(PXI_EXP_LO));
    __m512 z = _mm512_fmadd_ps(x, _mm512_set1_ps(PXI_EXP_LOG2E), magic);
    __m512 n = _mm512_sub_ps(z, magic);
    __m512 r = _mm512_fmadd_ps(n, _mm512_set1_ps(-PXI_EXP_LN2_HI), x);
    r = _mm512_fmadd_ps(n, _mm512_set1_ps(-PXI_EXP_LN2_LO), r);
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(PXI_EXP_C6), r, _mm512_set1_ps(PXI_EXP_C5));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(PXI_EXP_C4));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(PXI_EXP_C3));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(PXI_EXP_C2));
    p = _mm512_fmadd_ps(p, r, one);
    p = _mm512_fmadd_ps(p, r, one);
    return _mm512_scalef_ps(p, n);
}

/* The tree of kernel.h: upper half onto lower half, four times. */
INLINE float lanes_sum(__m512 v)
{
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

static void rms_norm(float *y, const float *x, const float *w, size_t n, float eps)
{
    __m512 sum = _mm512_setzero_ps();
    for (size_t i = 0; i < n; i += 16) {
        __m512 v = _mm512_maskz_loadu_ps(left_mask(n - i), x + i);
        sum = _mm512_fmadd_ps(v, v, sum); /* squares are not negative: adding 0 changes nothing */
    }
    __m512 scale = _mm512_set1_ps(1.0f / __builtin_sqrtf(lanes_sum(sum) / (float)n + eps));
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = left_mask(n - i);
        __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), scale);
        if (w)
            v = _mm512_mul_ps(v, _mm512_maskz_loadu_ps(mask, w + i));
        _mm512_mask_storeu_ps(y + i, mask, v);
    }
}

static void add(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = left_mask(n - i);
        __m512 v = _mm512_maskz_loadu_ps(mask, x + i);
        _mm512_mask_storeu_ps(y + i, mask, _mm512_add_ps(_mm512_maskz_loadu_ps(mask, y + i), v));
    }
}

static void silu_mul(float *y, const float *g, const float *u, size_t n)
{
    const __m512 one = _mm512_set1_ps(1.0f), minus = _mm512_set1_ps(-0.0f);
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = left_mask(n - i);
        __m512 v = _mm512_maskz_loadu_ps(mask, g + i);
        __m512 e = _mm512_add_ps(one, exp_lanes(_mm512_xor_ps(v, minus)));
        v = _mm512_mul_ps(_mm512_div_ps(v, e), _mm512_maskz_loadu_ps(mask, u + i));
        _mm512_mask_storeu_ps(y + i, mask, v);
    }
}

/* (a, b) -> (fma(a, c, -(b * s)), fma(a, s, b * c)) */
INLINE void rotate(__m512 *a, __m512 *b, __m512 c, __m512 s)
{
    __m512 a0 = *a, b0 = *b;
    *a = _mm512_fmsub_ps(a0, c, _mm512_mul_ps(b0, s));
    *b = _mm512_fmadd_ps(a0, s, _mm512_mul_ps(b0, c));
}

static void rope_half(float *x, const float *cs, size_t n)
{
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    for (size_t i = 0; i < n; i += 16) {
        size_t left = n - i;
        __mmask16 mask = left_mask(left);
        __m512 lo = _mm512_maskz_loadu_ps(left_mask(2 * left), cs + 2 * i);
        __m512 hi = left > 8 ? _mm512_maskz_loadu_ps(left_mask(2 * left - 16), cs + 2 * i + 16)
                             : _mm512_setzero_ps();
        __m512 a = _mm512_maskz_loadu_ps(mask, x + i), b = _mm512_maskz_loadu_ps(mask, x + i + n);
        rotate(&a, &b, _mm512_permutex2var_ps(lo, even, hi), _mm512_permutex2var_ps(lo, odd, hi));
        _mm512_mask_storeu_ps(x + i, mask, a);
        _mm512_mask_storeu_ps(x + i + n, mask, b);
    }
}

static void rope_adjacent(float *x, const float *cs, size_t n)
{
    for (size_t i = 0; i < 2 * n; i += 16) {
        __mmask16 mask = left_mask(2 * n - i);
        __m512 v = _mm512_maskz_loadu_ps(mask, x + i), k = _mm512_maskz_loadu_ps(mask, cs + i);
        __m512 c = _mm512_moveldup_ps(k), s = _mm512_movehdup_ps(k);
        __m512 a = _mm512_moveldup_ps(v), b = _mm512_movehdup_ps(v);
        rotate(&a, &b, c, s);
        _mm512_mask_storeu_ps(x + i, mask, _mm512_mask_blend_ps(0xaaaa, a, b));
    }
}

static void softmax(float *x, size_t n, float scale)
{
    const __m512 by = _mm512_set1_ps(scale), least = _mm512_set1_ps(-__builtin_inff());
    __m512 max = least, sum = _mm512_setzero_ps();
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = left_mask(n - i);
        __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), by);
        max = _mm512_mask_max_ps(max, mask, max, v);
    }
    max = _mm512_set1_ps(_mm512_reduce_max_ps(max));
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = left_mask(n - i);
        __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), by);
        v = _mm512_maskz_mov_ps(mask, exp_lanes(_mm512_sub_ps(v, max)));
        sum = _mm512_add_ps(sum, v);
        _mm512_mask_storeu_ps(x + i, mask, v);
    }
    sum = _mm512_set1_ps(lanes_sum(sum));
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = left_mask(n - i);
        __m512 v = _mm512_div_ps(_mm512_maskz_loadu_ps(mask, x + i), sum);
        _mm512_mask_storeu_ps(x + i, mask, v);
    }
}

static void f32_to_f16(uint16_t *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = left_mask(n - i);
        __m512 v = _mm512_maskz_loadu_ps(mask, src + i);
        _mm256_mask_storeu_epi16(dst + i, mask, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
    }
}

static void f16_to_f32(float *dst, const uint16_t *src, size_t n)
{
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = left_mask(n - i);
        __m256i v = _mm256_maskz_loadu_epi16(mask, src + i);
        _mm512_mask_storeu_ps(dst + i, mask, _mm512_cvtph_ps(v));
    }
}

void pxi_avx512_float_vector(struct pxi_kernels *k)
{
    k->rms_norm = rms_norm;
    k->add = add;
    k->silu_mul = silu_mul;
    k->rope_adjacent = rope_adjacent;
    k->rope_half = rope_half;
    k->softmax = softmax;
    k->f32_to_f16 = f32_to_f16;
    k->f16_to_f32 = f16_to_f32;
}
