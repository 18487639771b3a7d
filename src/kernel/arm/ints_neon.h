/* Sixteen integers for NEON, for src/kernel/lanes/gradient.h: of 32 bits, and of 16. */
#ifndef PXI_KERNEL_ARM_INTS_NEON_H
#define PXI_KERNEL_ARM_INTS_NEON_H

#include "kernel/arm/lanes_neon.h"
#include "kernel/gradient.h"

typedef struct {
    uint32x4_t v[4];
} ints;

typedef struct {
    uint16x8_t v[2];
} words;

#define EACH(type, expr)                                                                           \
    type out;                                                                                      \
    for (int i = 0; i < (int)(sizeof out.v / sizeof *out.v); i++)                                  \
        out.v[i] = (expr);                                                                         \
    return out;

INLINE ints ints_set(uint32_t n){EACH(ints, vdupq_n_u32(n))} INLINE ints
    ints_add(ints a, ints b){EACH(ints, vaddq_u32(a.v[i], b.v[i]))} INLINE ints
    ints_sub(ints a, ints b){EACH(ints, vsubq_u32(a.v[i], b.v[i]))} INLINE ints
    ints_max(ints a, ints b){EACH(ints, vmaxq_u32(a.v[i], b.v[i]))}

/* The nearest integers, even ones of two; and back. */
INLINE ints ints_of(lanes a){EACH(ints, vreinterpretq_u32_s32(vcvtnq_s32_f32(a.v[i])))} INLINE lanes
    lanes_of(ints a){EACH(lanes, vcvtq_f32_s32(vreinterpretq_s32_u32(a.v[i])))}

INLINE lanes lanes_abs(lanes a){EACH(lanes, vabsq_f32(a.v[i]))} INLINE ints
    lanes_bits(lanes a){EACH(ints, vreinterpretq_u32_f32(a.v[i]))}

INLINE uint32_t ints_most(ints a)
{
    return vmaxvq_u32(vmaxq_u32(vmaxq_u32(a.v[0], a.v[1]), vmaxq_u32(a.v[2], a.v[3])));
}

INLINE words words_load(const void *p){
    EACH(words, vreinterpretq_u16_u8(vld1q_u8((const uint8_t *)p + 16 * i)))} INLINE words
    words_load_u8(const uint8_t *p){EACH(words, vmovl_u8(vld1_u8(p + 8 * i)))} INLINE words
    words_load_u4(const uint8_t *p)
{
    uint8x8_t b = vld1_u8(p), low = vand_u8(b, vdup_n_u8(15)), high = vshr_n_u8(b, 4);
    return (words){{vmovl_u8(vzip1_u8(low, high)), vmovl_u8(vzip2_u8(low, high))}};
}
INLINE void words_store(void *p, words a)
{
    for (int i = 0; i < 2; i++)
        vst1q_u8((uint8_t *)p + 16 * i, vreinterpretq_u8_u16(a.v[i]));
}
INLINE words words_add(words a, words b){EACH(words, vaddq_u16(a.v[i], b.v[i]))}

/* v / 2^shift, rounded up at halves; shift at least 1. */
INLINE words words_shr_round(words a, unsigned shift){
    EACH(words, vrshlq_u16(a.v[i], vdupq_n_s16((short)-(int)shift)))}

/* The low bytes. */
INLINE void words_store_u8(uint8_t *p, words a)
{
    vst1q_u8(p, vcombine_u8(vmovn_u16(a.v[0]), vmovn_u16(a.v[1])));
}

INLINE ints ints_of_words(words w)
{
    return (ints){{vmovl_u16(vget_low_u16(w.v[0])), vmovl_high_u16(w.v[0]),
                   vmovl_u16(vget_low_u16(w.v[1])), vmovl_high_u16(w.v[1])}};
}

INLINE ints ints_load_u32(const uint8_t *p){
    EACH(ints, vreinterpretq_u32_u8(vld1q_u8(p + 16 * i)))} INLINE ints
    ints_load_u16(const uint8_t *p)
{
    return ints_of_words(words_load(p));
}
INLINE ints ints_load_u8(const uint8_t *p)
{
    return ints_of_words(words_load_u8(p));
}
INLINE ints ints_load_u4(const uint8_t *p)
{
    return ints_of_words(words_load_u4(p));
}

/* Integers in [-bias, bias - 1], offset by the bias. */
INLINE words pack_words(ints a, uint32_t bias){
    EACH(words, vaddq_u16(vmovn_high_u32(vmovn_u32(a.v[2 * i]), a.v[2 * i + 1]),
                          vdupq_n_u16((uint16_t)bias)))}

INLINE void ints_store_u32(uint8_t *p, ints a, uint32_t bias)
{
    for (int i = 0; i < 4; i++)
        vst1q_u8(p + 16 * i, vreinterpretq_u8_u32(vaddq_u32(a.v[i], vdupq_n_u32(bias))));
}
INLINE void ints_store_u16(uint8_t *p, ints a, uint32_t bias)
{
    words_store(p, pack_words(a, bias));
}
INLINE void ints_store_u8(uint8_t *p, ints a, uint32_t bias)
{
    words_store_u8(p, pack_words(a, bias));
}
INLINE void ints_store_u4(uint8_t *p, ints a, uint32_t bias)
{
    words w = pack_words(a, bias);
    uint8x8_t low = vmovn_u16(vuzp1q_u16(w.v[0], w.v[1]));
    uint8x8_t high = vmovn_u16(vuzp2q_u16(w.v[0], w.v[1]));
    vst1_u8(p, vsli_n_u8(low, high, 4));
}

INLINE uint32x4_t hash(uint32x4_t x)
{
    x = veorq_u32(x, vshrq_n_u32(x, 16));
    x = vmulq_u32(x, vdupq_n_u32(PXI_GRAD_MIX_1));
    x = veorq_u32(x, vshrq_n_u32(x, 15));
    x = vmulq_u32(x, vdupq_n_u32(PXI_GRAD_MIX_2));
    return veorq_u32(x, vshrq_n_u32(x, 16));
}

INLINE uint32x4_t low_half(uint32x4_t x)
{
    return vorrq_u32(vshlq_n_u32(x, 16), vdupq_n_u32(0x8000));
}

/* pxi_grad_noise of 16 values in units of 2^-32; at: seed + half the number of the first. */
INLINE lanes lanes_noise(uint32_t at)
{
    static const uint32_t first[] = {0, 1, 2, 3};
    uint32x4_t x = hash(vaddq_u32(vdupq_n_u32(at), vld1q_u32(first)));
    uint32x4_t y = hash(vaddq_u32(vdupq_n_u32(at + 4), vld1q_u32(first)));
    return lanes_of((ints){{x, y, low_half(x), low_half(y)}});
}

#undef EACH
#endif
