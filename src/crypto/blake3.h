/* The inside of BLAKE3: what its vector forms share with the plain one. For this folder and tests.
 */
#ifndef PXI_CRYPTO_BLAKE3_H
#define PXI_CRYPTO_BLAKE3_H

#include "crypto/hash.h"

enum { PXI_BLAKE3_CHUNK = 1024 };

extern const uint32_t pxi_blake3_iv[8];
/* The message word of each place in each of the seven rounds. */
#define PXI_BLAKE3_SCHEDULE                                                                        \
    {                                                                                              \
        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},                                    \
            {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8},                                \
            {3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1},                                \
            {10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6},                                \
            {12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4},                                \
            {9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7},                                \
            {11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13},                                \
    }

/*
 * Compress `count` inputs of `bytes` (a chunk of 1024 or a parent of 64) that lie side by side, as
 * many at a time as there are lanes; chaining values of 32 bytes go to out, which may be `in` when
 * these are parents. Chunks count up from counter. Returns how many were done: the caller does the
 * rest.
 */
typedef size_t pxi_blake3_many(const uint8_t *in, size_t count, size_t bytes, uint64_t counter,
                               int chunks, uint8_t *out);

/* The i-th form that this processor can run, the fastest first; NULL: one at a time. */
pxi_blake3_many *pxi_blake3_form(unsigned i);
/* The hash by a chosen form, so that tests compare all of them. */
void pxi_blake3_with(pxi_blake3_many *many, px_view in, uint8_t out[PXI_DIGEST]);

/* For crypto/tree: the chaining value of at most 128 chunks (1 byte or more), a complete subtree
 * (or the last one) that begins at chunk `counter`; that of two side by side; those of pairs of
 * `count` values, where an odd one at the end rises as it is (out may be in). */
void pxi_blake3_subtree(px_view in, uint64_t counter, uint8_t out[PXI_DIGEST]);
void pxi_blake3_parent(const uint8_t pair[2 * PXI_DIGEST], int root, uint8_t out[PXI_DIGEST]);
void pxi_blake3_pairs(const uint8_t *in, size_t count, uint8_t *out);

#endif
