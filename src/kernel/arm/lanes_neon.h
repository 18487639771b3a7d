/* Sixteen floats as four NEON vectors, for the kernels of src/kernel/lanes. */
#ifndef PXI_KERNEL_ARM_LANES_NEON_H
#define PXI_KERNEL_ARM_LANES_NEON_H

#include <arm_neon.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

#define TILE_ROWS   2
#define BLOCK_TILES 4
#define WIDEN_ABOVE (3 * TILE_TOKENS)
#define TILE_TOKENS 3 /* 24 of 32 registers are sums */

enum elem { ELEM_F32, ELEM_F16, ELEM_BF16 };

typedef struct {
    float32x4_t v[4];
} lanes;

/* Lanes in parts of a register each, for loops that need all registers. */
#define PARTS            4
#define PART_REGISTER(v) "+w"(v)
#define PART_LANES       4
typedef float32x4_t part;

INLINE part *part_at(lanes *v, int i)
{
    return &v->v[i];
}
INLINE part part_load(const float *p)
{
    return vld1q_f32(p);
}
INLINE part part_fma(part a, part b, part c)
{
    return vfmaq_f32(c, a, b);
}

#define EACH(expr)                                                                                 \
    lanes out;                                                                                     \
    for (int i = 0; i < 4; i++)                                                                    \
        out.v[i] = (expr);                                                                         \
    return out;

INLINE lanes lanes_set(float f){EACH(vdupq_n_f32(f))} INLINE lanes
    lanes_load(const float *p){EACH(vld1q_f32(p + 4 * i))} INLINE lanes
    lanes_add(lanes a, lanes b){EACH(vaddq_f32(a.v[i], b.v[i]))} INLINE lanes
    lanes_sub(lanes a, lanes b){EACH(vsubq_f32(a.v[i], b.v[i]))} INLINE lanes
    lanes_mul(lanes a, lanes b){EACH(vmulq_f32(a.v[i], b.v[i]))} INLINE lanes
    lanes_div(lanes a, lanes b){EACH(vdivq_f32(a.v[i], b.v[i]))} INLINE lanes
    lanes_min(lanes a, lanes b){EACH(vminq_f32(a.v[i], b.v[i]))} INLINE lanes
    lanes_max(lanes a, lanes b){EACH(vmaxq_f32(a.v[i], b.v[i]))} INLINE lanes
    lanes_neg(lanes a){EACH(vnegq_f32(a.v[i]))} INLINE lanes
    lanes_fma(lanes a, lanes b, lanes c){EACH(vfmaq_f32(c.v[i], a.v[i], b.v[i]))}

INLINE void lanes_store(float *p, lanes v)
{
    for (int i = 0; i < 4; i++)
        vst1q_f32(p + 4 * i, v.v[i]);
}

INLINE float32x4_t exponent_of(int32x4_t n)
{
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
}

/* p * 2^n in two steps, n a whole number: only the second rounds. */
INLINE float32x4_t scale2(float32x4_t p, float32x4_t n)
{
    int32x4_t i = vcvtq_s32_f32(n), half = vshrq_n_s32(i, 1);
    return vmulq_f32(vmulq_f32(p, exponent_of(half)), exponent_of(vsubq_s32(i, half)));
}

INLINE lanes lanes_scale2(lanes p, lanes n){EACH(scale2(p.v[i], n.v[i]))}

/* Four elements of two bytes, at any address. */
INLINE uint16x4_t load_u16(const void *p, int i)
{
    return vreinterpret_u16_u8(vld1_u8((const uint8_t *)p + 8 * i));
}

INLINE float32x4_t widen_f16(uint16x4_t h)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(h));
}

INLINE float32x4_t widen_bf16(uint16x4_t h)
{
    return vreinterpretq_f32_u32(vshll_n_u16(h, 16));
}

INLINE lanes lanes_load_f16(const void *p){EACH(widen_f16(load_u16(p, i)))} INLINE lanes
    lanes_load_bf16(const void *p){EACH(widen_bf16(load_u16(p, i)))}

INLINE lanes lanes_load_i8(const int8_t *p)
{
    int8x16_t q = vld1q_s8(p);
    int16x8_t lo = vmovl_s8(vget_low_s8(q)), hi = vmovl_s8(vget_high_s8(q));
    return (lanes){
        {vcvtq_f32_s32(vmovl_s16(vget_low_s16(lo))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(lo))),
         vcvtq_f32_s32(vmovl_s16(vget_low_s16(hi))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(hi)))}};
}

INLINE void lanes_store_f16(uint16_t *p, lanes v)
{
    for (int i = 0; i < 4; i++)
        vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(v.v[i])));
}

/* Even elements of 32 floats in *a, odd ones in *b. */
INLINE void lanes_load_pairs(const float *p, lanes *a, lanes *b)
{
    for (int i = 0; i < 4; i++) {
        float32x4x2_t x = vld2q_f32(p + 8 * i);
        a->v[i] = x.val[0];
        b->v[i] = x.val[1];
    }
}

INLINE void lanes_store_pairs(float *p, lanes a, lanes b)
{
    for (int i = 0; i < 4; i++)
        vst2q_f32(p + 8 * i, (float32x4x2_t){{a.v[i], b.v[i]}});
}

/* The tree of kernel.h for TILE_ROWS vectors at once. */
INLINE void lanes_sums(const lanes *v, float *sum)
{
    for (int r = 0; r < TILE_ROWS; r++) {
        float32x4_t a = vaddq_f32(vaddq_f32(v[r].v[0], v[r].v[2]), vaddq_f32(v[r].v[1], v[r].v[3]));
        float32x2_t b = vadd_f32(vget_low_f32(a), vget_high_f32(a));
        sum[r] = vget_lane_f32(vadd_f32(b, vdup_lane_f32(b, 1)), 0);
    }
}

#undef EACH
#endif
