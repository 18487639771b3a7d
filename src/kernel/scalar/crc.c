/* Scalar CRCs and conversions of token numbers: the specification. */
#include "kernel/crc.h"

#include "kernel/sets.h"
#include "kernel/tokens.h"

static uint16_t crc16(uint16_t crc, const void *p, size_t n)
{
    const uint8_t *in = p;
    for (; n >= 16; in += 16, n -= 16)
        crc = pxi_crc16_block(crc, in);
    return pxi_crc16_bytes(crc, in, n);
}

static uint16_t crc16_reflected(uint16_t crc, const void *p, size_t n)
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

static uint32_t crc32c(uint32_t crc, const void *p, size_t n)
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
    return ~pxi_crc32c_bytes(s, in, n);
}

static void be32_i32(int32_t *dst, const void *src, size_t n)
{
    pxi_be32_i32(dst, src, n);
}

static void be32_i64(int64_t *dst, const void *src, size_t n)
{
    pxi_be32_i64(dst, src, n);
}

static void u16_i32(int32_t *dst, const void *src, size_t n)
{
    pxi_u16_i32(dst, src, n);
}

static void u16_i64(int64_t *dst, const void *src, size_t n)
{
    pxi_u16_i64(dst, src, n);
}

static void i32_i64(int64_t *dst, const void *src, size_t n)
{
    pxi_i32_i64(dst, src, n);
}

/* Four tokens are a block. */
static uint16_t crc16_be32_i32(uint16_t crc, int32_t *dst, const void *src, size_t n)
{
    const uint8_t *in = src;
    for (; n >= 4; in += 16, dst += 4, n -= 4) {
        crc = pxi_crc16_block(crc, in);
        pxi_be32_i32(dst, in, 4);
    }
    pxi_be32_i32(dst, in, n);
    return pxi_crc16_bytes(crc, in, 4 * n);
}

static uint16_t crc16_be32_i64(uint16_t crc, int64_t *dst, const void *src, size_t n)
{
    const uint8_t *in = src;
    for (; n >= 4; in += 16, dst += 4, n -= 4) {
        crc = pxi_crc16_block(crc, in);
        pxi_be32_i64(dst, in, 4);
    }
    pxi_be32_i64(dst, in, n);
    return pxi_crc16_bytes(crc, in, 4 * n);
}

static uint16_t crc16_be32_i64x2(uint16_t crc, int64_t *ids, int64_t *labels, const void *src,
                                 size_t n)
{
    const uint8_t *in = src;
    for (; n >= 4; in += 16, ids += 4, labels += 4, n -= 4) {
        crc = pxi_crc16_block(crc, in);
        pxi_be32_i64(ids, in, 4);
        pxi_be32_i64(labels, in, 4);
    }
    pxi_be32_i64(ids, in, n);
    pxi_be32_i64(labels, in, n);
    return pxi_crc16_bytes(crc, in, 4 * n);
}

void pxi_scalar_crc(struct pxi_kernels *k)
{
    k->crc16 = crc16;
    k->crc16_reflected = crc16_reflected;
    k->crc32c = crc32c;
    k->crc16_be32_i32 = crc16_be32_i32;
    k->crc16_be32_i64 = crc16_be32_i64;
    k->crc16_be32_i64x2 = crc16_be32_i64x2;
    k->be32_i32 = be32_i32;
    k->be32_i64 = be32_i64;
    k->u16_i32 = u16_i32;
    k->u16_i64 = u16_i64;
    k->i32_i64 = i32_i64;
}
