/* Gradient kernels for AVX2: those of src/kernel/lanes, and the sums of tags. */
#include "bpf/tag.h"
#include "kernel/x86/ints_avx2.h"

#include "kernel/lanes/gradient.h"
#include "kernel/lanes/gradient_add.h"

INLINE __m256i nh_terms(__m256i sum, __m256i w, const uint64_t *key)
{
    __m256i x = _mm256_add_epi32(w, _mm256_loadu_si256((const __m256i *)key));
    return _mm256_add_epi64(sum, _mm256_mul_epu32(x, _mm256_srli_epi64(x, 32)));
}

INLINE uint64_t total(__m256i v)
{
    __m128i a = _mm_add_epi64(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    return (uint64_t)_mm_cvtsi128_si64(a) + (uint64_t)_mm_extract_epi64(a, 1);
}

static void tag_nh(struct pxi_tag_sum *s, const uint64_t *key, const void *p, size_t n)
{
    const uint8_t *in = p;
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i w = words_load(in + 8 * i), x = words_load(in + 8 * i + 32);
        a = nh_terms(a, w, key + i);
        b = nh_terms(b, w, key + i + 1);
        c = nh_terms(c, x, key + i + 4);
        d = nh_terms(d, x, key + i + 5);
    }
    s->a += total(_mm256_add_epi64(a, c));
    s->b += total(_mm256_add_epi64(b, d));
    for (; i < n; i++)
        pxi_tag_word(s, key + i, in + 8 * i);
}

void pxi_avx2_gradient(struct pxi_kernels *k)
{
    fill_gradient(k);
    fill_gradient_add(k);
    k->tag_nh = tag_nh;
}
