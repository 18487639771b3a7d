/* BLAKE3 in the lanes of a vector: a template, like crypto/lanes.h, for one width. */
#include "crypto/lanes.h"

#define WORDS      LANES_NAME(words)
#define TURN(x, n) ((x) >> (n) | (x) << (32 - (n)))
#if LANES == 8
/* Turns by whole bytes are one shuffle. */
typedef uint8_t LANES_NAME(bytes) __attribute__((vector_size(4 * LANES)));
#define SHUFFLE(x, ...) (WORDS) __builtin_shufflevector(x, x, __VA_ARGS__)
#define TURN_16(x)                                                                                 \
    SHUFFLE((LANES_NAME(bytes))(x), 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 18, 19,  \
            16, 17, 22, 23, 20, 21, 26, 27, 24, 25, 30, 31, 28, 29)
#define TURN_8(x)                                                                                  \
    SHUFFLE((LANES_NAME(bytes))(x), 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12, 17, 18,  \
            19, 16, 21, 22, 23, 20, 25, 26, 27, 24, 29, 30, 31, 28)
#else
#define TURN_16(x) TURN(x, 16)
#define TURN_8(x)  TURN(x, 8)
#endif

/* Four mixes that do not wait for one another: columns (shift 0) or diagonals (shift 1). */
static inline LANES_TARGET __attribute__((always_inline)) void
LANES_NAME(mix)(WORDS v[16], unsigned shift, const WORDS m[16], const uint8_t s[8])
{
    WORDS *a = v, *b = v + 4, *c = v + 8, *d = v + 12;
    const unsigned ib[] = {shift, (shift + 1) & 3, (shift + 2) & 3, (shift + 3) & 3};
    const unsigned ic[] = {2 * shift, (2 * shift + 1) & 3, (2 * shift + 2) & 3,
                           (2 * shift + 3) & 3};
    const unsigned id[] = {3 * shift, (3 * shift + 1) & 3, (3 * shift + 2) & 3,
                           (3 * shift + 3) & 3};
#define EACH for (unsigned i = 0; i < 4; i++)
    EACH a[i] += b[ib[i]] + m[s[2 * i]];
    EACH d[id[i]] = TURN_16(d[id[i]] ^ a[i]);
    EACH c[ic[i]] += d[id[i]];
    EACH b[ib[i]] = TURN(b[ib[i]] ^ c[ic[i]], 12);
    EACH a[i] += b[ib[i]] + m[s[2 * i + 1]];
    EACH d[id[i]] = TURN_8(d[id[i]] ^ a[i]);
    EACH c[ic[i]] += d[id[i]];
    EACH b[ib[i]] = TURN(b[ib[i]] ^ c[ic[i]], 7);
#undef EACH
}

/* One block of each input into the chaining values. */
static inline LANES_TARGET void LANES_NAME(compress)(WORDS h[8], const WORDS m[16],
                                                     const WORDS counter[2], uint32_t flags)
{
    const WORDS zero = {0};
    WORDS v[16];
    for (unsigned i = 0; i < 8; i++)
        v[i] = h[i];
    for (unsigned i = 0; i < 4; i++)
        v[8 + i] = zero + pxi_blake3_iv[i];
    v[12] = counter[0];
    v[13] = counter[1];
    v[14] = zero + 64;
    v[15] = zero + flags;
#pragma GCC unroll 7
    for (unsigned r = 0; r < 7; r++) {
        LANES_NAME(mix)(v, 0, m, schedule[r]);
        LANES_NAME(mix)(v, 1, m, schedule[r] + 8);
    }
    for (unsigned i = 0; i < 8; i++)
        h[i] = v[i] ^ v[i + 8];
}

static LANES_TARGET size_t LANES_NAME(many)(const uint8_t *in, size_t count, size_t bytes,
                                            uint64_t counter, int chunks, uint8_t *out)
{
    const WORDS zero = {0};
    size_t done = 0;
    for (; count - done >= LANES; done += LANES) {
        WORDS h[8], m[16], n[2] = {zero, zero};
        for (unsigned i = 0; i < 8; i++)
            h[i] = zero + pxi_blake3_iv[i];
        for (unsigned i = 0; i < LANES && chunks; i++) {
            n[0][i] = (uint32_t)(counter + done + i);
            n[1][i] = (uint32_t)((counter + done + i) >> 32);
        }
        for (size_t at = 0; at < bytes; at += 64) {
            uint32_t flags = chunks ? (at == 0 ? 1 : 0) | (at + 64 == bytes ? 2 : 0) : 4;
            LANES_NAME(load)(m, 16, in + done * bytes + at, bytes);
            LANES_NAME(compress)(h, m, n, flags);
        }
#if LANES == 16
        WORDS rows[16] = {h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]};
        LANES_NAME(transpose)(rows);
        for (unsigned i = 0; i < LANES; i++)
            memcpy(out + (done + i) * PXI_DIGEST, &rows[i], PXI_DIGEST);
#else
        LANES_NAME(store)(h, 8, out + done * PXI_DIGEST, PXI_DIGEST);
#endif
    }
    return done;
}

#undef WORDS
#undef TURN
#undef TURN_16
#undef TURN_8
#undef SHUFFLE
