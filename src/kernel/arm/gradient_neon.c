/* Gradient kernels for AArch64: those of src/kernel/lanes, and the sums of tags. */
#include "bpf/tag.h"
#include "kernel/arm/ints_neon.h"

#include "kernel/lanes/gradient.h"
#include "kernel/lanes/gradient_add.h"

/* Four words, in two registers. */
INLINE uint64x2_t nh_terms(uint64x2_t sum, const ints *w, int half, const uint64_t *key)
{
    const uint8_t *k = (const uint8_t *)key;
    uint32x4_t x = vaddq_u32(w->v[2 * half], vreinterpretq_u32_u8(vld1q_u8(k)));
    uint32x4_t y = vaddq_u32(w->v[2 * half + 1], vreinterpretq_u32_u8(vld1q_u8(k + 16)));
    uint32x4_t low = vuzp1q_u32(x, y), high = vuzp2q_u32(x, y);
    sum = vmlal_u32(sum, vget_low_u32(low), vget_low_u32(high));
    return vmlal_high_u32(sum, low, high);
}

static void tag_nh(struct pxi_tag_sum *s, const uint64_t *key, const void *p, size_t n)
{
    const uint8_t *in = p;
    uint64x2_t a = vdupq_n_u64(0), b = a, c = a, d = a;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        ints w = ints_load_u32(in + 8 * i);
        a = nh_terms(a, &w, 0, key + i);
        b = nh_terms(b, &w, 0, key + i + 1);
        c = nh_terms(c, &w, 1, key + i + 4);
        d = nh_terms(d, &w, 1, key + i + 5);
    }
    s->a += vaddvq_u64(vaddq_u64(a, c));
    s->b += vaddvq_u64(vaddq_u64(b, d));
    for (; i < n; i++)
        pxi_tag_word(s, key + i, in + 8 * i);
}

void pxi_neon_gradient(struct pxi_kernels *k)
{
    fill_gradient(k);
    fill_gradient_add(k);
    k->tag_nh = tag_nh;
}
