/* Gradient kernels for AArch64: those of src/kernel/lanes, and the sums of tags. */
#include "bpf/tag.h"
#include "kernel/arm/ints_neon.h"

#include "kernel/lanes/gradient.h"
#include "kernel/lanes/gradient_add.h"

/* Low half times high half of each. */
INLINE uint64x2_t tag_terms(uint64x2_t sum, uint64x2_t t)
{
    return vmlal_u32(sum, vmovn_u64(t), vshrn_n_u64(t, 32));
}

INLINE uint64x2_t tag_keyed(const uint8_t *p, const uint64_t *key)
{
    return vaddq_u64(vreinterpretq_u64_u8(vld1q_u8(p)), vld1q_u64(key));
}

static void tag_nh(struct pxi_tag_sum *s, const uint64_t *key, const void *p, size_t n)
{
    const uint8_t *in = p;
    uint64x2_t own = vdupq_n_u64(0), own2 = own, both = own;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        uint64x2_t t = tag_keyed(in + 8 * i, key + i), u = tag_keyed(in + 8 * i + 16, key + i + 2);
        own = tag_terms(own, t);
        own2 = tag_terms(own2, u);
        both = tag_terms(both, vpaddq_u64(t, u));
    }
    own = vaddq_u64(own, own2);
    s->s[0] += vgetq_lane_u64(own, 0);
    s->s[1] += vgetq_lane_u64(own, 1);
    s->s[2] += vaddvq_u64(both);
    for (; i < n; i += PXI_TAG_GROUP)
        pxi_tag_group(s, key + i, in + 8 * i, i + 1 == n);
}

void pxi_neon_gradient(struct pxi_kernels *k)
{
    fill_gradient(k);
    fill_gradient_add(k);
    k->tag_nh = tag_nh;
}
