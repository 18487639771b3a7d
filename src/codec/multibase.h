/* Bytes as text: base58btc, and the bases of the multibase table that peer ids, CIDs and
 * certificate hashes are written in. */
#ifndef PXI_CODEC_MULTIBASE_H
#define PXI_CODEC_MULTIBASE_H

#include <stdbool.h>

#include "plexus/err.h"
#include "plexus/view.h"

enum {
    PXI_BASE_MAX = 128,      /* most bytes that we read or write in a base */
    PXI_BASE_TEXT_MAX = 264, /* most characters of them, in base16 and with a prefix */
};

/* Multibase prefixes that are written; reading also takes B, F, K (upper case), k (base36 lower), m
 * and u (base64 and base64url without padding). */
enum pxi_base { PXI_BASE58 = 'z', PXI_BASE32 = 'b', PXI_BASE16 = 'f', PXI_BASE64URL = 'u' };

/* Write `in` (at most PXI_BASE_MAX bytes) in a base, without a prefix and without a NUL; returns
 * the number of characters, 0 when it does not fit in cap. */
size_t pxi_base_put(enum pxi_base base, px_view in, char *out, size_t cap);

/* Read text without a prefix: bytes written to out (at most cap) in *n. PX_ERR_CORRUPT: a character
 * that is not of the base, bits left over, or too long; the diagnosis names the offset in text. */
px_err pxi_base_get(char base, px_view text, uint8_t *out, size_t cap, size_t *n, px_diag *d);

/* The same for text with its multibase prefix. */
px_err pxi_multibase_get(px_view text, uint8_t *out, size_t cap, size_t *n, px_diag *d);

#endif
