/* CRCs for AArch64 with carry-less products and the instructions for CRC-32C. */
#include "kernel/arm/crc_window.h"

#include <arm_acle.h>

typedef uint64x2_t block; /* the lower half first */

INLINE block block_none(void)
{
    return vdupq_n_u64(0);
}

INLINE block block_reverse(uint8x16_t v)
{
    v = vrev64q_u8(v);
    return vreinterpretq_u64_u8(vextq_u8(v, v, 8));
}

INLINE block block_load(const uint8_t *p)
{
    return block_reverse(vld1q_u8(p));
}

INLINE block block_set(uint16_t crc)
{
    return vsetq_lane_u64((uint64_t)crc << 48, block_none(), 1);
}

INLINE block block_tail(const uint8_t *end, size_t n)
{
    static const uint8_t mask[32] = {[0 ... 15] = 0xff};
    return vandq_u64(block_load(end - 16), vreinterpretq_u64_u8(vld1q_u8(mask + 16 - n)));
}

INLINE block block_xor(block a, block b)
{
    return veorq_u64(a, b);
}

INLINE block product(uint64_t a, uint64_t b)
{
    return vreinterpretq_u64_p128(vmull_p64((poly64_t)a, (poly64_t)b));
}

INLINE block block_mul(block v, const uint64_t k[2])
{
    const poly64x2_t a = vreinterpretq_p64_u64(v), b = vreinterpretq_p64_u64(vld1q_u64(k));
    return veorq_u64(product(vgetq_lane_u64(v, 0), k[0]),
                     vreinterpretq_u64_p128(vmull_high_p64(a, b)));
}

INLINE block block_mul_pair(block a, const uint64_t k[2], block b, const uint64_t l[2])
{
    return block_xor(block_mul(a, k), block_mul(b, l));
}

/* T = q P + r: q from the upper 64 of 80 bits, and P is x^16 + x^12 + x^5 + 1. */
INLINE uint16_t block_end(block t)
{
    uint64_t low = vgetq_lane_u64(t, 0), upper = low >> 16 | vgetq_lane_u64(t, 1) << 48;
    uint64_t q = upper ^ vgetq_lane_u64(product(upper, PXI_CRC16_QUOTIENT), 1);
    return (uint16_t)(low ^ q ^ q << 5 ^ q << 12);
}

enum { LANES = 1 };
typedef block blocks;

INLINE blocks blocks_none(void)
{
    return block_none();
}

INLINE blocks blocks_load(const uint8_t *p)
{
    return block_load(p);
}

INLINE blocks blocks_xor(blocks a, blocks b)
{
    return block_xor(a, b);
}

INLINE blocks blocks_mul(blocks v, const uint64_t k[2])
{
    return block_mul(v, k);
}

INLINE blocks blocks_of(block v)
{
    return v;
}

INLINE block blocks_sum(blocks v)
{
    return v;
}

#include "kernel/lanes/crc16_clmul.h"

#define CRC16_WINDOWED 384

INLINE uint16_t crc16_end(const wide w[16], const uint8_t *rest, size_t n)
{
    const size_t count = n / 16;
    const uint64_t(*k)[2] = pxi_crc16_far + FAR - count;
    block sum = crc16_sum(block_none(), rest, count, k);
    k -= 16;
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        sum = block_xor(sum, block_mul(block_reverse(w[i]), k[i]));
    return crc16_tail(sum, rest + n, n % 16);
}

#include "kernel/lanes/crc16.h"

INLINE uint32_t crc32c_word(uint32_t state, uint64_t word)
{
    return __crc32cd(state, word);
}

INLINE uint32_t crc32c_byte(uint32_t state, uint8_t byte)
{
    return __crc32cb(state, byte);
}

INLINE uint64_t crc32c_product(uint32_t a, uint32_t b)
{
    return vgetq_lane_u64(product(a, b), 0);
}

#include "kernel/lanes/crc32c.h"

void pxi_pmull_crc(struct pxi_kernels *k)
{
    fill_crc16(k);
    k->crc32c = crc32c_words;
}
