/* Scalar CRCs and conversions of token numbers: the specification. */
#define INLINE static inline __attribute__((always_inline))
#include "kernel/crc.h"
#include "kernel/tokens.h"

static uint16_t slices(uint16_t crc, const void *p, size_t n)
{
    const uint8_t *in = p;
    for (; n >= 16; in += 16, n -= 16)
        crc = pxi_crc16_block(crc, in);
    for (size_t i = 0; i < n; i++)
        crc = (uint16_t)(crc << 8 ^ pxi_crc16_slice[0][crc >> 8 ^ in[i]]);
    return crc;
}

static uint16_t slices_reflected(uint16_t crc, const void *p, size_t n)
{
    const uint16_t(*t)[256] = pxi_crc16_reflected_slice;
    const uint8_t *in = p;
    for (; n >= 16; in += 16, n -= 16) {
        unsigned tail = 0;
        for (int i = 2; i < 16; i++)
            tail ^= t[15 - i][in[i]];
        crc = (uint16_t)(tail ^ t[15][in[0] ^ (crc & 0xff)] ^ t[14][in[1] ^ crc >> 8]);
    }
    for (size_t i = 0; i < n; i++)
        crc = (uint16_t)(crc >> 8 ^ t[0][(crc ^ in[i]) & 0xff]);
    return crc;
}

uint32_t pxi_crc32c(uint32_t crc, const void *p, size_t n)
{
    const uint32_t(*t)[256] = pxi_crc32c_slice;
    const uint8_t *in = p;
    uint32_t s = ~crc;
    for (; n >= 16; in += 16, n -= 16) {
        uint32_t tail = 0;
        for (int i = 4; i < 16; i++)
            tail ^= t[15 - i][in[i]];
        for (int i = 0; i < 4; i++)
            tail ^= t[15 - i][in[i] ^ (s >> 8 * i & 0xff)];
        s = tail;
    }
    for (size_t i = 0; i < n; i++)
        s = s >> 8 ^ t[0][(s ^ in[i]) & 0xff];
    return ~s;
}

typedef uint64_t wide;
#define WIDE_KEEP(v)        (void)0
#define CRC16_WINDOWED      384
#define crc16_few           slices
#define crc16_reflected_few slices_reflected

/* Two tokens, each by itself: vectors that lack a shuffle of bytes would take longer. */
INLINE wide wide_native(wide v)
{
    int32_t t[2];
    memcpy(t, &v, sizeof v);
    t[0] = pxi_be32((const uint8_t *)&t[0]);
    t[1] = pxi_be32((const uint8_t *)&t[1]);
    memcpy(&v, t, sizeof v);
    return v;
}

INLINE void wide_i32(int32_t *dst, wide v)
{
    memcpy(dst, &v, sizeof v);
}

INLINE void wide_i64(int64_t *dst, wide v)
{
    int32_t t[2];
    memcpy(t, &v, sizeof v);
    dst[0] = t[0];
    dst[1] = t[1];
}

INLINE uint16_t crc16_end(const wide w[16], const uint8_t *rest, size_t n)
{
    return slices(slices(0, w, 16 * sizeof *w), rest, n);
}

INLINE uint16_t crc16_reflected_end(const wide w[16], const uint8_t *rest, size_t n)
{
    return slices_reflected(slices_reflected(0, w, 16 * sizeof *w), rest, n);
}

#include "kernel/lanes/crc16.h"
#include "kernel/lanes/tokens.h"

uint16_t pxi_crc16(uint16_t crc, const void *p, size_t n)
{
    return crc16(crc, p, n);
}

uint16_t pxi_crc16_reflected(uint16_t crc, const void *p, size_t n)
{
    return crc16_reflected(crc, p, n);
}

void pxi_scalar_crc(struct pxi_kernels *k)
{
    fill_crc16(k);
    fill_tokens(k);
    k->crc32c = pxi_crc32c;
}
