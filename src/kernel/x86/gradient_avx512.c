/* Gradient kernels for AVX-512: those of src/kernel/lanes, and the sums of tags. Adding packed
 * values waits for loads and stores, not for lanes: it stays that of AVX2. */
#include "bpf/tag.h"
#include "kernel/x86/ints_avx512.h"

#include "kernel/lanes/gradient.h"

INLINE __m512i nh_terms(__m512i sum, __m512i w, __m512i key)
{
    __m512i x = _mm512_add_epi32(w, key);
    return _mm512_add_epi64(sum, _mm512_mul_epu32(x, _mm512_srli_epi64(x, 32)));
}

static void tag_nh(struct pxi_tag_sum *s, const uint64_t *key, const void *p, size_t n)
{
    const uint8_t *in = p;
    __m512i a = _mm512_setzero_si512(), b = a;
    for (size_t i = 0; i < n; i += 8) {
        __mmask8 mask = n - i >= 8 ? 0xff : (__mmask8)((1u << (n - i)) - 1);
        __m512i w = _mm512_maskz_loadu_epi64(mask, in + 8 * i);
        a = nh_terms(a, w, _mm512_maskz_loadu_epi64(mask, key + i));
        b = nh_terms(b, w, _mm512_maskz_loadu_epi64(mask, key + i + 1));
    }
    s->a += (uint64_t)_mm512_reduce_add_epi64(a);
    s->b += (uint64_t)_mm512_reduce_add_epi64(b);
}

void pxi_avx512_gradient(struct pxi_kernels *k)
{
    fill_gradient(k);
    k->tag_nh = tag_nh;
}
