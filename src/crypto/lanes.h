/*
 * 32-bit words in the lanes of a vector, by the vector types that gcc and clang share. A template:
 * a source file defines LANES (4, 8 or 16), LANES_NAME(x) (a name for this width) and LANES_TARGET
 * (the attribute of functions that need more than the base instruction set), and includes it for
 * each width. Four lanes are what every processor has; eight need AVX2, sixteen AVX-512.
 */
typedef uint32_t LANES_NAME(words) __attribute__((vector_size(4 * LANES)));
typedef uint32_t LANES_NAME(loose) __attribute__((vector_size(4 * LANES), aligned(1), may_alias));
#define WORDS LANES_NAME(words)

#if LANES == 16
#define LOW_1(a, b)                                                                                \
    __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
#define HIGH_1(a, b)                                                                               \
    __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)
#define LOW_2(a, b)                                                                                \
    __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define HIGH_2(a, b)                                                                               \
    __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
/* Of quarters: the first two of each, the last two, then those with even and with odd numbers. */
#define LOW_8(a, b)                                                                                \
    __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
#define HIGH_8(a, b)                                                                               \
    __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)
#define EVEN_4(a, b)                                                                               \
    __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
#define ODD_4(a, b)                                                                                \
    __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31)
#elif LANES == 8
/* Interleave words, pairs and halves; each is one instruction. */
#define LOW_1(a, b)  __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define HIGH_1(a, b) __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define LOW_2(a, b)  __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define HIGH_2(a, b) __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define LOW_4(a, b)  __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11)
#define HIGH_4(a, b) __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15)
#else
#define LOW_1(a, b)  __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define HIGH_1(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define LOW_2(a, b)  __builtin_shufflevector(a, b, 0, 1, 4, 5)
#define HIGH_2(a, b) __builtin_shufflevector(a, b, 2, 3, 6, 7)
#endif

/* Rows become columns: word j of row i goes to lane i of vector j. Its own inverse. */
static inline LANES_TARGET void LANES_NAME(transpose)(WORDS x[LANES])
{
    WORDS y[LANES];
    for (unsigned i = 0; i < LANES; i += 4) {
        WORDS a = LOW_1(x[i], x[i + 1]), b = HIGH_1(x[i], x[i + 1]);
        WORDS c = LOW_1(x[i + 2], x[i + 3]), d = HIGH_1(x[i + 2], x[i + 3]);
        y[i] = LOW_2(a, c);
        y[i + 1] = HIGH_2(a, c);
        y[i + 2] = LOW_2(b, d);
        y[i + 3] = HIGH_2(b, d);
    }
#if LANES == 16
    for (unsigned i = 0; i < 4; i++) {
        WORDS a = LOW_8(y[i], y[i + 4]), b = HIGH_8(y[i], y[i + 4]);
        WORDS c = LOW_8(y[i + 8], y[i + 12]), d = HIGH_8(y[i + 8], y[i + 12]);
        x[i] = EVEN_4(a, c);
        x[i + 4] = ODD_4(a, c);
        x[i + 8] = EVEN_4(b, d);
        x[i + 12] = ODD_4(b, d);
    }
#elif LANES == 8
    for (unsigned i = 0; i < 4; i++) {
        x[i] = LOW_4(y[i], y[i + 4]);
        x[i + 4] = HIGH_4(y[i], y[i + 4]);
    }
#else
    for (unsigned i = 0; i < 4; i++)
        x[i] = y[i];
#endif
}

/* n words (a multiple of LANES) of each of LANES inputs, `stride` bytes apart. */
static inline LANES_TARGET void LANES_NAME(load)(WORDS *x, unsigned n, const uint8_t *in,
                                                 size_t stride)
{
    for (unsigned at = 0; at < n; at += LANES) {
        for (unsigned i = 0; i < LANES; i++)
            x[at + i] = *(const LANES_NAME(loose) *)(in + i * stride + 4 * (size_t)at);
        LANES_NAME(transpose)(x + at);
    }
}

static inline LANES_TARGET void LANES_NAME(store)(WORDS *x, unsigned n, uint8_t *out, size_t stride)
{
    for (unsigned at = 0; at < n; at += LANES) {
        LANES_NAME(transpose)(x + at);
        for (unsigned i = 0; i < LANES; i++)
            *(LANES_NAME(loose) *)(out + i * stride + 4 * (size_t)at) = x[at + i];
    }
}

#undef LOW_1
#undef HIGH_1
#undef LOW_2
#undef HIGH_2
#undef LOW_4
#undef HIGH_4
#undef LOW_8
#undef HIGH_8
#undef EVEN_4
#undef ODD_4
#undef WORDS
