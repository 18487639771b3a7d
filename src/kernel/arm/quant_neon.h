/*
 * What src/kernel/lanes/quant.h needs, for AArch64: four rows a vector. With the dot product
 * instructions (the includer's compiler flags tell) a panel vector is one instruction, without them
 * products are added in 16 bits first.
 */
#ifndef PXI_KERNEL_ARM_QUANT_NEON_H
#define PXI_KERNEL_ARM_QUANT_NEON_H

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

#define LANES  4
#define BIASED 0

typedef int32x4_t ints;
typedef float32x4_t floats;

INLINE ints each_i32(int32_t v)
{
    return vdupq_n_s32(v);
}

INLINE floats each_f32(float v)
{
    return vdupq_n_f32(v);
}

INLINE floats load_f32(const float *p)
{
    return vld1q_f32(p);
}

INLINE void store_f32(float *p, floats v)
{
    vst1q_f32(p, v);
}

INLINE floats of_i32(ints v)
{
    return vcvtq_f32_s32(v);
}

INLINE floats madd(floats a, floats b, floats c)
{
    return vfmaq_f32(c, a, b);
}

INLINE floats nmadd(floats a, floats b, floats c)
{
    return vfmsq_f32(c, a, b);
}

/* Storing four rows interleaved transposes them. */
INLINE void transpose(int8_t *to, const int8_t *rows, size_t stride, int bias)
{
    int32x4x4_t v[2];
    for (size_t i = 0; i < 4; i++)
        for (size_t half = 0; half < 2; half++)
            v[half].val[i] = vreinterpretq_s32_s8(vld1q_s8(rows + i * stride + 16 * half));
    vst4q_s32((int32_t *)(void *)to, v[0]);
    vst4q_s32((int32_t *)(void *)(to + 64), v[1]);
}

/* Four bytes in every lane. */
INLINE int8x16_t each_four(const int8_t *p)
{
    int32_t v;
    memcpy(&v, p, 4);
    return vreinterpretq_s8_s32(vdupq_n_s32(v));
}

#if defined(__ARM_FEATURE_DOTPROD)

#define CHAIN(max) 4

INLINE void dots(ints acc[][2], const int8_t *w, const int8_t *q, size_t stride, const int T,
                 const int max)
{
    for (int i = 0; i < 4; i++)
        for (int t = 0; t < T; t++) {
            int8x16_t x = each_four(q + (size_t)t * stride + 4 * i);
            for (int g = 0; g < 2; g++)
                acc[t][g] = vdotq_s32(acc[t][g], vld1q_s8(w + 128 * g + 16 * i), x);
        }
}

#else

/* Vectors whose products fit 16 bits together. */
#define CHAIN(max) ((max) <= 63 ? 4 : 2)

INLINE void dots(ints acc[][2], const int8_t *w, const int8_t *q, size_t stride, const int T,
                 const int max)
{
    int16x8_t low[4][2], high[4][2];
    for (int i = 0; i < CHAIN(max); i++)
        for (int t = 0; t < T; t++) {
            int8x16_t x = each_four(q + (size_t)t * stride + 4 * i);
            for (int g = 0; g < 2; g++) {
                int8x16_t v = vld1q_s8(w + 128 * g + 16 * i);
                low[t][g] = i ? vmlal_s8(low[t][g], vget_low_s8(v), vget_low_s8(x))
                              : vmull_s8(vget_low_s8(v), vget_low_s8(x));
                high[t][g] = i ? vmlal_high_s8(high[t][g], v, x) : vmull_high_s8(v, x);
            }
        }
    for (int t = 0; t < T; t++)
        for (int g = 0; g < 2; g++) {
            ints d = vpaddq_s32(vpaddlq_s16(low[t][g]), vpaddlq_s16(high[t][g]));
            acc[t][g] = vaddq_s32(acc[t][g], d);
        }
}

#endif

INLINE float amax32(const float *x)
{
    float32x4_t v = vdupq_n_f32(0);
    for (int i = 0; i < 32; i += 4)
        v = vmaxq_f32(v, vabsq_f32(vld1q_f32(x + i)));
    return vmaxvq_f32(v);
}

/* Four floats times `inverse`, rounded to even. */
INLINE int32x4_t round4(const float *x, float inverse)
{
    return vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x), inverse));
}

/* 32 floats times `inverse`, rounded to even, and the sums of the two halves. */
INLINE void round32(int8_t *q, int32_t *sum, const float *x, float inverse)
{
    for (int h = 0; h < 2; h++, x += 16) {
        int16x8_t a =
            vcombine_s16(vmovn_s32(round4(x, inverse)), vmovn_s32(round4(x + 4, inverse)));
        int16x8_t b =
            vcombine_s16(vmovn_s32(round4(x + 8, inverse)), vmovn_s32(round4(x + 12, inverse)));
        int8x16_t v = vcombine_s8(vmovn_s16(a), vmovn_s16(b));
        vst1q_s8(q + 16 * h, v);
        sum[h] = vaddlvq_s8(v);
    }
}

#include "kernel/lanes/quant.h"

#endif
