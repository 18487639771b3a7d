/* The sums of tags with registers of 256 bits: two groups in one. */
#ifndef PXI_KERNEL_X86_TAG256_H
#define PXI_KERNEL_X86_TAG256_H

#include <immintrin.h>
#include <stddef.h>

#include "bpf/tag.h"

static inline __m256i tag_terms(__m256i t)
{
    return _mm256_mul_epu32(t, _mm256_srli_epi64(t, 32));
}

static inline __m256i tag_load(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

static void tag_nh(struct pxi_tag_sum *s, const uint64_t *key, const void *p, size_t n)
{
    const uint8_t *in = p;
    __m256i own = _mm256_setzero_si256(), both = own;
    uint64_t four[4];
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i t = _mm256_add_epi64(tag_load(in + 8 * i), tag_load(key + i));
        __m256i u = _mm256_add_epi64(tag_load(in + 8 * i + 32), tag_load(key + i + 4));
        own = _mm256_add_epi64(own, _mm256_add_epi64(tag_terms(t), tag_terms(u)));
        t = _mm256_add_epi64(_mm256_unpacklo_epi64(t, u), _mm256_unpackhi_epi64(t, u));
        both = _mm256_add_epi64(both, tag_terms(t));
    }
    _mm256_storeu_si256((__m256i *)four, own);
    s->s[0] += four[0] + four[2];
    s->s[1] += four[1] + four[3];
    _mm256_storeu_si256((__m256i *)four, both);
    s->s[2] += four[0] + four[1] + four[2] + four[3];
    for (; i < n; i += PXI_TAG_GROUP)
        pxi_tag_group(s, key + i, in + 8 * i, i + 1 == n);
}

#endif
