/* Salsa20 blocks in the lanes of a vector: a template, like crypto/lanes.h, for one width. */
#include "crypto/lanes.h"

#define WORDS      LANES_NAME(words)
#define TURN(x, n) ((x) << (n) | (x) >> (32 - (n)))

static inline LANES_TARGET __attribute__((always_inline)) void
LANES_NAME(quarter)(WORDS *a, WORDS *b, WORDS *c, WORDS *d)
{
    WORDS t = *a + *d;
    *b ^= TURN(t, 7);
    t = *b + *a;
    *c ^= TURN(t, 9);
    t = *c + *b;
    *d ^= TURN(t, 13);
    t = *d + *c;
    *a ^= TURN(t, 18);
}

static inline LANES_TARGET void LANES_NAME(rounds)(WORDS x[16])
{
    for (unsigned r = 0; r < 10; r++) {
        LANES_NAME(quarter)(x, x + 4, x + 8, x + 12);
        LANES_NAME(quarter)(x + 5, x + 9, x + 13, x + 1);
        LANES_NAME(quarter)(x + 10, x + 14, x + 2, x + 6);
        LANES_NAME(quarter)(x + 15, x + 3, x + 7, x + 11);
        LANES_NAME(quarter)(x, x + 1, x + 2, x + 3);
        LANES_NAME(quarter)(x + 5, x + 6, x + 7, x + 4);
        LANES_NAME(quarter)(x + 10, x + 11, x + 8, x + 9);
        LANES_NAME(quarter)(x + 15, x + 12, x + 13, x + 14);
    }
}

/* Whole groups of LANES blocks; moves the counter. Bytes done. */
static LANES_TARGET size_t LANES_NAME (xor)(uint32_t state[16], const uint8_t *in, uint8_t *out,
                                            size_t n)
{
    enum { GROUP = LANES * 64 };
    size_t done = 0;
    for (; n - done >= GROUP; done += GROUP) {
        const WORDS zero = {0};
        uint64_t counter = (uint64_t)state[9] << 32 | state[8];
        WORDS start[16], x[16];
        for (unsigned i = 0; i < 16; i++)
            start[i] = zero + state[i];
        for (unsigned i = 0; i < LANES; i++) {
            start[8][i] = (uint32_t)(counter + i);
            start[9][i] = (uint32_t)((counter + i) >> 32);
        }
        memcpy(x, start, sizeof x);
        LANES_NAME(rounds)(x);
        for (unsigned i = 0; i < 16; i++)
            x[i] += start[i];
        for (unsigned at = 0; at < 16; at += LANES) {
            LANES_NAME(transpose)(x + at);
            for (unsigned i = 0; i < LANES; i++) {
                size_t where = done + 64 * (size_t)i + 4 * (size_t)at;
                *(LANES_NAME(loose) *)(out + where) =
                    *(const LANES_NAME(loose) *)(in + where) ^ x[at + i];
            }
        }
        counter += LANES;
        state[8] = (uint32_t)counter;
        state[9] = (uint32_t)(counter >> 32);
    }
    return done;
}

#undef WORDS
#undef TURN
