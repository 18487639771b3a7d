/*
 * The block types on 512-bit VNNI, what both kinds of products need of them: many tokens
 * (quant_avx512vnni.c) and one or two (quant_few512.c).
 */
#ifndef PXI_KERNEL_QUANT_TYPES512_H
#define PXI_KERNEL_QUANT_TYPES512_H

#include "base/math.h"
#include "kernel/kernel.h"
#include "kernel/x86/quant_unpack512.h"

/* Scratch: the panel of one span, then the activation records. */
#define PXI_PANEL_BYTES   (PXI_SPAN_BLOCKS * PXI_BLOCK_BYTES(PXI_Q_HALVES | PXI_Q_MINS))
#define PXI_RECORDS_BYTES (PXI_QUANT_SCRATCH - PXI_PANEL_BYTES)

/* Rows longer than this would pass the 32-bit offsets of a gather; they go through a copy. */
#define PXI_STRIDE_MAX  ((size_t)1 << 26)
#define PXI_COPY_STRIDE 272 /* the most that 256 elements take: Q8_0 */

/* Of the table of types: id, bytes of 8 blocks, flags. */
enum {
#define X(name, id, super, bytes, flags)                                                           \
    ID_##name = id, BYTES_##name = (bytes)*8 / (super), FLAGS_##name = (flags),
    PXI_QTYPE_TABLE(X)
#undef X
};

/* Row: type, offset that makes its integers unsigned, turn of the elements (pxi_pack_values). */
#define PXI_TYPES512(X)                                                                            \
    X(q4_0, 8, 16)                                                                                 \
    X(q4_1, 0, 0)                                                                                  \
    X(q5_0, 16, 16)                                                                                \
    X(q5_1, 0, 0)                                                                                  \
    X(q8_0, 128, 32)                                                                               \
    X(q2_k, 0, 0)                                                                                  \
    X(q3_k, 4, 0)                                                                                  \
    X(q4_k, 0, 0)                                                                                  \
    X(q5_k, 0, 0)                                                                                  \
    X(q6_k, 32, 0)                                                                                 \
    X(iq4_nl, 128, 16)                                                                             \
    X(mxfp4, 12, 0)

enum {
#define X(name, offset, turn) OFFSET_##name = (offset), TURN_##name = (turn),
    PXI_TYPES512(X)
#undef X
};

typedef void pxi_unpack_fn(const struct pxi_sink *s, const struct pxi_rows *r);

/* The unpack function of a type, compiled for a sink of n tokens (0: a panel). */
#define PXI_UNPACK512(name, kind, n)                                                               \
    static PXI_APART void kind##_##name(const struct pxi_sink *s, const struct pxi_rows *r)        \
    {                                                                                              \
        struct pxi_sink own = {s->w, s->x, s->ahead, n, FLAGS_##name};                             \
        unpack_##name(&own, r);                                                                    \
    }

/* The product of one or two tokens with weights of a type. */
#define X(name, offset, turn) void pxi_few512_##name(const struct pxi_matmul *m);
PXI_TYPES512(X)
#undef X

/*
 * The int8 values of n blocks. `turn` is 0, or the length in which the elements of every even block
 * are turned right by two (the reason is at PXI_PAIRS_BEGIN).
 */
PXI_INLINE void pxi_pack_values(uint8_t *to, const int8_t *q, size_t n, int turn)
{
    const __m512i plain =
        _mm512_set_epi16(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13,
                         12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    int words = turn / 2;
    __m512i order = _mm512_sub_epi16(plain, _mm512_set1_epi16(1));
    if (turn) { /* word i of the first block comes from i - 1, the first of a turn from its last */
        __mmask32 first = words == 8 ? 0x0101 : 0x0001;
        order = _mm512_mask_add_epi16(order, first, plain, _mm512_set1_epi16((short)(words - 1)));
        order = _mm512_mask_mov_epi16(order, 0xffff0000, plain);
    }
    for (size_t b = 0; b < n; b += 2) {
        __m512i v = _mm512_maskz_loadu_epi32(n - b > 1 ? 0xffff : 0x00ff, q + 32 * b);
        if (turn)
            v = _mm512_permutexvar_epi16(order, v);
        _mm512_store_si512(to + 32 * b, v);
    }
}

#endif
