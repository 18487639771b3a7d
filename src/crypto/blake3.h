/* The inside of BLAKE3: what its vector forms share with the plain one. For this folder and tests.
 */
#ifndef PXI_CRYPTO_BLAKE3_H
#define PXI_CRYPTO_BLAKE3_H

#include "crypto/hash.h"

enum { PXI_BLAKE3_CHUNK = 1024 };

extern const uint32_t pxi_blake3_iv[8];
extern const uint8_t pxi_blake3_schedule[7][16];

/*
 * Compress `count` inputs of `bytes` (a chunk of 1024 or a parent of 64) that lie side by side, as
 * many at a time as there are lanes; chaining values of 32 bytes go to out, which may be `in` when
 * these are parents. Chunks count up from counter. Returns how many were done: the caller does the
 * rest.
 */
typedef size_t pxi_blake3_many(const uint8_t *in, size_t count, size_t bytes, uint64_t counter,
                               int chunks, uint8_t *out);

/* The fastest form for this processor; NULL: one at a time. */
pxi_blake3_many *pxi_blake3_lanes(void);
/* The hash by a chosen form, so that tests compare all of them. */
void pxi_blake3_with(pxi_blake3_many *many, px_view in, uint8_t out[PXI_DIGEST]);

#endif
