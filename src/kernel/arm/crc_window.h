/* Vectors of 16 bytes for the window of src/kernel/lanes/crc16.h. */
#ifndef PXI_KERNEL_ARM_CRC_WINDOW_H
#define PXI_KERNEL_ARM_CRC_WINDOW_H

#include "kernel/crc.h"

#include <arm_neon.h>

#define INLINE static inline __attribute__((always_inline))

typedef uint8x16_t wide;
#define WIDE_KEEP(v) (void)0

INLINE wide wide_native(wide v)
{
    return vrev32q_u8(v);
}

INLINE void wide_i32(int32_t *dst, wide v)
{
    vst1q_s32(dst, vreinterpretq_s32_u8(v));
}

INLINE void wide_i64(int64_t *dst, wide v)
{
    const int32x4_t t = vreinterpretq_s32_u8(v);
    vst1q_s64(dst, vmovl_s32(vget_low_s32(t)));
    vst1q_s64(dst + 2, vmovl_high_s32(t));
}

#define crc16_reflected_few pxi_crc16_reflected

INLINE uint16_t crc16_reflected_end(const wide w[16], const uint8_t *rest, size_t n)
{
    return pxi_crc16_reflected(pxi_crc16_reflected(0, w, 16 * sizeof *w), rest, n);
}

#endif
