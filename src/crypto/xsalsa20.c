/* XSalsa20: the core, block by block, and many blocks at a time in the lanes of a vector. */
#include "crypto/xsalsa20.h"

#include "crypto/lanes_have.h"

#include <string.h>

#if PXI_HAVE_LANES
#define LANES         4
#define LANES_NAME(x) x##_4
#define LANES_TARGET
#include "crypto/xsalsa20_lanes.h"
#undef LANES
#undef LANES_NAME
#undef LANES_TARGET
#endif
#if PXI_HAVE_EIGHT
#define LANES         8
#define LANES_NAME(x) x##_8
#define LANES_TARGET  __attribute__((target("avx2")))
#include "crypto/xsalsa20_lanes.h"
#endif

/* "expand 32-byte k" */
static const uint32_t constants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

static uint32_t load32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t turn(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

static void quarter(uint32_t x[16], unsigned a, unsigned b, unsigned c, unsigned d)
{
    x[b] ^= turn(x[a] + x[d], 7);
    x[c] ^= turn(x[b] + x[a], 9);
    x[d] ^= turn(x[c] + x[b], 13);
    x[a] ^= turn(x[d] + x[c], 18);
}

static void rounds(uint32_t x[16])
{
    for (unsigned r = 0; r < 10; r++) {
        quarter(x, 0, 4, 8, 12);
        quarter(x, 5, 9, 13, 1);
        quarter(x, 10, 14, 2, 6);
        quarter(x, 15, 3, 7, 11);
        quarter(x, 0, 1, 2, 3);
        quarter(x, 5, 6, 7, 4);
        quarter(x, 10, 11, 8, 9);
        quarter(x, 15, 12, 13, 14);
    }
}

/* Constants and key in their places; words 6 to 9 are nonce and counter. */
static void place(uint32_t x[16], const uint32_t key[8])
{
    for (unsigned i = 0; i < 4; i++) {
        x[5 * i] = constants[i];
        x[1 + i] = key[i];
        x[11 + i] = key[4 + i];
    }
}

void pxi_xsalsa20_init(struct pxi_xsalsa20 *s, const uint8_t key[PXI_XSALSA20_KEY],
                       const uint8_t nonce[PXI_XSALSA20_NONCE])
{
    static const uint8_t from[8] = {0, 5, 10, 15, 6, 7, 8, 9};
    uint32_t x[16], k[8];
    for (unsigned i = 0; i < 8; i++)
        k[i] = load32(key + 4 * i);
    place(x, k);
    for (unsigned i = 0; i < 4; i++)
        x[6 + i] = load32(nonce + 4 * i);
    rounds(x); /* HSalsa20: the key of this nonce's first 16 bytes */
    for (unsigned i = 0; i < 8; i++)
        k[i] = x[from[i]];
    place(s->state, k);
    s->state[6] = load32(nonce + 16);
    s->state[7] = load32(nonce + 20);
    s->state[8] = s->state[9] = 0;
    s->used = PXI_SALSA20_BLOCK;
}

static void next_block(struct pxi_xsalsa20 *s)
{
    uint32_t x[16];
    memcpy(x, s->state, sizeof x);
    rounds(x);
    for (unsigned i = 0; i < 16; i++) {
        uint32_t w = x[i] + s->state[i];
        for (unsigned j = 0; j < 4; j++)
            s->block[4 * i + j] = (uint8_t)(w >> (8 * j));
    }
    if (++s->state[8] == 0)
        s->state[9]++;
    s->used = 0;
}

/* Groups of blocks by the given width, from the widest down; 0: none. */
static size_t xor_lanes(unsigned width, uint32_t state[16], const uint8_t *in, uint8_t *out,
                        size_t n)
{
    size_t done = 0;
#if PXI_HAVE_EIGHT
    if (width == 8)
        done = xor_8(state, in, out, n);
#endif
#if PXI_HAVE_LANES
    if (width >= 4)
        done += xor_4(state, in + done, out + done, n - done);
#endif
    return done;
}

static void xor_by(unsigned width, struct pxi_xsalsa20 *s, const uint8_t *in, uint8_t *out,
                   size_t n)
{
    size_t at = 0;
    for (; at < n && s->used < PXI_SALSA20_BLOCK; at++)
        out[at] = in[at] ^ s->block[s->used++];
    at += xor_lanes(width, s->state, in + at, out + at, n - at);
    while (at < n) {
        next_block(s);
        for (; at < n && s->used < PXI_SALSA20_BLOCK; at++)
            out[at] = in[at] ^ s->block[s->used++];
    }
}

static unsigned widest(void)
{
#if PXI_HAVE_EIGHT
    if (__builtin_cpu_supports("avx2"))
        return 8;
#endif
    return PXI_HAVE_LANES ? 4 : 1;
}

void pxi_xsalsa20_xor(struct pxi_xsalsa20 *s, const uint8_t *in, uint8_t *out, size_t n)
{
    if (n)
        xor_by(widest(), s, in, out, n);
}

int pxi_xsalsa20_xor_form(unsigned i, struct pxi_xsalsa20 *s, const uint8_t *in, uint8_t *out,
                          size_t n)
{
    static const unsigned widths[] = {8, 4, 1};
    for (unsigned w = 0; w < 3; w++)
        if (widths[w] <= widest() && i-- == 0) {
            xor_by(widths[w], s, in, out, n);
            return 1;
        }
    return 0;
}
