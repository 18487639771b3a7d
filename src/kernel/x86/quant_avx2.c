/* Quantised products and the activation quantiser for AVX2. */
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

#include "base/math.h"
#include "kernel/sets.h"
#include "kernel/x86/quant_types256.h"

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

#include "kernel/lanes/quant_act.h"

/* Types that have products of few tokens of their own. */
#define X(name)                                                                                    \
    static void matmul_##name(const struct pxi_matmul *m)                                          \
    {                                                                                              \
        if (m->k && m->tokens && m->tokens <= PXI_FEW256_TOKENS)                                   \
            pxi_few256_##name(m);                                                                  \
        else                                                                                       \
            pxi_many256_##name(m);                                                                 \
    }
PXI_FEW256_TYPES(X)
#undef X

void pxi_avx2_quant(struct pxi_kernels *k)
{
#define X(name, id, ...) k->matmul[id] = pxi_many256_##name;
    PXI_QTYPE_TABLE(X)
#undef X
#define X(name) k->matmul[PXI_ID256_##name] = matmul_##name;
    PXI_FEW256_TYPES(X)
#undef X
    k->act_quant = act_quant;
}
