/* CRC-16 for AVX2 without carry-less products, and token numbers. */
#include <immintrin.h>

#include "kernel/crc.h"

#define INLINE static inline __attribute__((always_inline))
#include "kernel/x86/crc_window.h"

#define CRC16_WINDOWED 1024
#define crc16_few      pxi_crc16

/* The window once more, by words. */
INLINE uint16_t crc16_end(const wide w[16], const uint8_t *rest, size_t n)
{
    return pxi_crc16(pxi_crc16(0, w, 16 * sizeof *w), rest, n);
}

#include "kernel/lanes/crc16.h"
#include "kernel/lanes/tokens.h"

void pxi_avx2_crc(struct pxi_kernels *k)
{
    fill_crc16(k);
    fill_tokens(k);
}
