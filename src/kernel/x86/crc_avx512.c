/* CRCs for AVX-512 with products of 512 bits. */
#include "kernel/x86/crc_block.h"

typedef __m512i wide;
#define WIDE_KEEP(v) __asm__ volatile("" : "+v"(v))

INLINE wide wide_native(wide v)
{
    const __m128i order = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    return _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(order));
}

INLINE void wide_i32(int32_t *dst, wide v)
{
    _mm512_storeu_si512(dst, v);
}

INLINE void wide_i64(int64_t *dst, wide v)
{
    _mm512_storeu_si512(dst, _mm512_cvtepi32_epi64(_mm512_castsi512_si256(v)));
    _mm512_storeu_si512(dst + 8, _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(v, 1)));
}

/* The low half as the high one, the high as the low; zeros beside it. */
#define WIDE_HALVES

INLINE wide wide_up(wide v)
{
    return _mm512_maskz_shuffle_i64x2(0xf0, v, v, 0x44);
}

INLINE wide wide_down(wide v)
{
    return _mm512_maskz_shuffle_i64x2(0x0f, v, v, 0xee);
}

#define crc16_reflected_few pxi_crc16_reflected

INLINE uint16_t crc16_reflected_end(const wide w[16], const uint8_t *rest, size_t n)
{
    return pxi_crc16_reflected(pxi_crc16_reflected(0, w, 16 * sizeof *w), rest, n);
}

enum { LANES = 4 };
typedef __m512i blocks;

INLINE blocks blocks_none(void)
{
    return _mm512_setzero_si512();
}

INLINE blocks blocks_reverse(__m512i v)
{
    const __m128i order = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
    return _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(order));
}

INLINE blocks blocks_raw(const uint8_t *p)
{
    return _mm512_loadu_si512(p);
}

INLINE blocks blocks_load(const uint8_t *p)
{
    return blocks_reverse(blocks_raw(p));
}

INLINE blocks blocks_xor(blocks a, blocks b)
{
    return _mm512_xor_si512(a, b);
}

INLINE blocks blocks_mul(blocks v, const uint64_t k[2])
{
    const __m512i pairs = _mm512_loadu_si512(k);
    return _mm512_xor_si512(_mm512_clmulepi64_epi128(v, pairs, 0x00),
                            _mm512_clmulepi64_epi128(v, pairs, 0x11));
}

INLINE blocks blocks_of(block v)
{
    return _mm512_zextsi128_si512(v);
}

INLINE block blocks_sum(blocks v)
{
    __m256i two = _mm256_xor_si256(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
    return _mm_xor_si128(_mm256_castsi256_si128(two), _mm256_extracti128_si256(two, 1));
}

INLINE block block_mul_pair(block a, const uint64_t k[2], block b, const uint64_t l[2])
{
    return block_xor(block_mul(a, k), block_mul(b, l));
}

#define CRC16_SHORT

/* The last n of 64 bytes before `end`; no others are read. */
INLINE blocks blocks_last(const uint8_t *end, size_t n)
{
    const __mmask64 mask = n < 64 ? ~(~(__mmask64)0 >> n) : ~(__mmask64)0;
    return blocks_reverse(_mm512_maskz_loadu_epi8(mask, end - 64));
}

/* 80 bits with the CRC of 16 to SHORT bytes, which end where two vectors do. */
INLINE block crc16_short(block head, const uint8_t *p, size_t n)
{
    static const uint64_t k[8][2] = {
        {0x4347, 0xfa0d}, {0x9e3a, 0xf4e7}, {0x9c1a, 0x15b7}, {0x78b3, 0x8420},
        {0xbd64, 0x9fe5}, {0x8ddc, 0xb8e0}, {0x10e2, 0x45b4}, {0x1021, 0xeb23},
    };
    const uint8_t *end = p + n;
    block first =
        _mm_clmulepi64_si128(head, _mm_loadu_si128((const __m128i *)pxi_crc16_near[n - 16]), 0x11);
    blocks sum = blocks_xor(blocks_of(first), blocks_mul(blocks_last(end, n), k[4]));
    if (n > 64)
        sum = blocks_xor(sum, blocks_mul(blocks_last(end - 64, n - 64), k[0]));
    return blocks_sum(sum);
}

#include "kernel/lanes/crc16_clmul.h"

#define CRC16_WINDOWED 1024

INLINE uint16_t crc16_end(wide w[16], const uint8_t *rest, size_t n)
{
    const size_t count = n / 16;
    const uint64_t(*k)[2] = pxi_crc16_far + FAR - count;
    blocks sum = blocks_of(crc16_sum(block_none(), rest, count, k));
    k -= 64;
    crc16_halve(w);
#pragma GCC unroll 8
    for (int i = 8; i < 16; i++)
        sum = blocks_xor(sum, blocks_mul(blocks_reverse(w[i]), k[4 * i]));
    return crc16_tail(blocks_sum(sum), rest + n, n % 16);
}

#include "kernel/lanes/crc16.h"
#include "kernel/lanes/crc32c_clmul.h"

void pxi_avx512_crc(struct pxi_kernels *k)
{
    fill_crc16(k);
    k->crc32c = crc32c;
}
