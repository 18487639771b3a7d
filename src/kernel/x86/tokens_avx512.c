/* Token numbers for AVX-512. */
#include "kernel/lanes/tokens.h"

#include <immintrin.h>

/* A compiler widens twice. */
static void u16_to_i64(int64_t *dst, const void *src, size_t n)
{
    const uint8_t *in = src;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m128i eight = _mm_loadu_si128((const __m128i *)(in + 2 * i));
        _mm512_storeu_si512(dst + i, _mm512_cvtepu16_epi64(eight));
    }
    pxi_u16_i64(dst + i, in + 2 * i, n - i);
}

void pxi_avx512_tokens(struct pxi_kernels *k)
{
    fill_tokens(k);
    k->u16_i64 = u16_to_i64;
}
