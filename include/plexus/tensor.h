/* Tensor element types, as GGUF numbers them, and their block geometry. */
#ifndef PLEXUS_TENSOR_H
#define PLEXUS_TENSOR_H

#include <stddef.h>
#include <stdint.h>

#include "plexus/version.h"

PX_BEGIN_DECLS

/*
 * Row: name, GGUF id, elements a block, bytes a block, runnable.
 * Types that GGUF defines and plexus cannot compute with are listed so that a file that holds them
 * can be inspected, cut and moved; `runnable` is 0 for them. Layouts: docs/formats/gguf.md.
 */
#define PX_DTYPE_TABLE(X)                                                                          \
    X(F32, 0, 1, 4, 1)                                                                             \
    X(F16, 1, 1, 2, 1)                                                                             \
    X(Q4_0, 2, 32, 18, 1)                                                                          \
    X(Q4_1, 3, 32, 20, 1)                                                                          \
    X(Q5_0, 6, 32, 22, 1)                                                                          \
    X(Q5_1, 7, 32, 24, 1)                                                                          \
    X(Q8_0, 8, 32, 34, 1)                                                                          \
    X(Q8_1, 9, 32, 36, 0)                                                                          \
    X(Q2_K, 10, 256, 84, 1)                                                                        \
    X(Q3_K, 11, 256, 110, 1)                                                                       \
    X(Q4_K, 12, 256, 144, 1)                                                                       \
    X(Q5_K, 13, 256, 176, 1)                                                                       \
    X(Q6_K, 14, 256, 210, 1)                                                                       \
    X(Q8_K, 15, 256, 292, 0)                                                                       \
    X(IQ2_XXS, 16, 256, 66, 0)                                                                     \
    X(IQ2_XS, 17, 256, 74, 0)                                                                      \
    X(IQ3_XXS, 18, 256, 98, 0)                                                                     \
    X(IQ1_S, 19, 256, 50, 0)                                                                       \
    X(IQ4_NL, 20, 32, 18, 1)                                                                       \
    X(IQ3_S, 21, 256, 110, 0)                                                                      \
    X(IQ2_S, 22, 256, 82, 0)                                                                       \
    X(IQ4_XS, 23, 256, 136, 0)                                                                     \
    X(I8, 24, 1, 1, 0)                                                                             \
    X(I16, 25, 1, 2, 0)                                                                            \
    X(I32, 26, 1, 4, 0)                                                                            \
    X(I64, 27, 1, 8, 0)                                                                            \
    X(F64, 28, 1, 8, 0)                                                                            \
    X(IQ1_M, 29, 256, 56, 0)                                                                       \
    X(BF16, 30, 1, 2, 1)                                                                           \
    X(TQ1_0, 34, 256, 54, 0)                                                                       \
    X(TQ2_0, 35, 256, 66, 0)                                                                       \
    X(MXFP4, 39, 32, 17, 1)                                                                        \
    X(NVFP4, 40, 64, 36, 0)                                                                        \
    X(Q1_0, 41, 128, 18, 0)                                                                        \
    X(Q2_0, 42, 64, 18, 0)

typedef enum px_dtype {
#define X(name, id, block, bytes, runnable) PX_DTYPE_##name = id,
    PX_DTYPE_TABLE(X)
#undef X
} px_dtype;

#define PX_DTYPE_LIMIT 43 /* every id is below this */

/* Name such as "Q4_K", or NULL when the id is unknown. Static storage. */
PX_API const char *px_dtype_name(uint32_t id);

/* Type of that name (any case), or -1. */
PX_API int px_dtype_find(const char *name);

/* Elements a block; 0 when the id is unknown. */
PX_API uint32_t px_dtype_block(uint32_t id);

/* Bytes a block; 0 when the id is unknown. */
PX_API uint32_t px_dtype_block_bytes(uint32_t id);

/* 1 when plexus has kernels for the type, else 0. */
PX_API int px_dtype_runnable(uint32_t id);

/* Bytes of a row of n elements; 0 when the id is unknown, n is no multiple of the block, or the
 * result does not fit 63 bits. */
PX_API uint64_t px_dtype_row_bytes(uint32_t id, uint64_t n);

PX_END_DECLS

#endif
