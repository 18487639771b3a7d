/* Vectors of 32 bytes for the window of src/kernel/lanes/crc16.h. */
#ifndef PXI_KERNEL_X86_CRC_WINDOW_H
#define PXI_KERNEL_X86_CRC_WINDOW_H

#include "kernel/crc.h"

#include <immintrin.h>

typedef __m256i wide;
#define WIDE_KEEP(v) __asm__("" : "+x"(v))

INLINE uint16_t crc16_reflected_end(const wide w[16], const uint8_t *tail, size_t n)
{
    uint64_t words[16];
    pxi_crc16_window(words, w, 64);
    return pxi_crc16_reflected(pxi_crc16_reflected(0, words, sizeof words), tail, n);
}

#endif
