/* Quantiser of activations for AVX-512; the products that use them are in quant_avx512vnni.c. */
#include <immintrin.h>

#include "base/math.h"
#include "kernel/quant.h"
#include "kernel/sets.h"

/* Largest absolute value of 32 floats. */
static inline float amax32(const float *x)
{
    __m512 a = _mm512_abs_ps(_mm512_loadu_ps(x)), b = _mm512_abs_ps(_mm512_loadu_ps(x + 16));
    __m512 v = _mm512_max_ps(a, b);
    __m256 h = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 q = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    q = _mm_max_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}

/* 32 floats times `inverse`, rounded to even, and the sums of the two halves. */
static inline void round32(int8_t *q, int32_t *sum, const float *x, float inverse)
{
    __m512 s = _mm512_set1_ps(inverse);
    __m512i a = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x), s));
    __m512i b = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + 16), s));
    __m128i lo = _mm512_cvtepi32_epi8(a), hi = _mm512_cvtepi32_epi8(b);
    __m256i v = _mm256_inserti128_si256(_mm256_castsi128_si256(lo), hi, 1);
    _mm256_storeu_si256((void *)q, v);
    /* sums of eight bytes made unsigned; 16 of them have 2048 too much */
    v = _mm256_sad_epu8(_mm256_xor_si256(v, _mm256_set1_epi8(-128)), _mm256_setzero_si256());
    v = _mm256_add_epi32(v, _mm256_shuffle_epi32(v, 0x4e));
    v = _mm256_sub_epi32(v, _mm256_set1_epi32(2048));
    sum[0] = _mm256_cvtsi256_si32(v);
    sum[1] = _mm_cvtsi128_si32(_mm256_extracti128_si256(v, 1));
}

static void act_quant(int8_t *q, float *d, int32_t *sum, const float *x, size_t k)
{
    for (size_t b = 0; b < k / 32; b += 16) {
        size_t n = pxi_min(k / 32 - b, 16);
        float amax[16] = {0}, inverse[16];
        for (size_t i = 0; i < n; i++)
            amax[i] = amax32(x + (b + i) * 32);
        __m512 a = _mm512_loadu_ps(amax), full = _mm512_set1_ps(127);
        __mmask16 live = _mm512_cmp_ps_mask(a, _mm512_set1_ps(PXI_ACT_TINY), _CMP_GE_OQ);
        _mm512_storeu_ps(inverse, _mm512_maskz_div_ps(live, full, a));
        _mm512_mask_storeu_ps(d + b, (__mmask16)((1u << n) - 1),
                              _mm512_maskz_div_ps(live, a, full));
        for (size_t i = b; i < b + n; i++)
            round32(q + i * 32, sum + i * 2, x + i * 32, inverse[i - b]);
    }
}

void pxi_avx512_quant(struct pxi_kernels *k)
{
    k->act_quant = act_quant;
}
