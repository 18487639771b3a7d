/* Content identifiers (CIDv1, and v0 on reading), multihashes and the multibases we read. */
#ifndef PXI_CODEC_CID_H
#define PXI_CODEC_CID_H

#include <stdbool.h>

#include "base/mem.h"
#include "plexus/err.h"
#include "plexus/view.h"

enum {
    PXI_CID_RAW = 0x55,
    PXI_CID_DAG_PB = 0x70,
    PXI_CID_LIBP2P_KEY = 0x72,
    PXI_HASH_IDENTITY = 0x00,
    PXI_HASH_SHA2_256 = 0x12,
    PXI_HASH_SHA2_512 = 0x13,
    PXI_HASH_BLAKE3 = 0x1e,
    PXI_CID_MAX = 128,
    PXI_CID_TEXT = 256,
};

struct pxi_cid {
    uint64_t version, codec, hash;
    uint8_t n; /* bytes of the digest */
    uint8_t digest[64];
};

/* Binary CID, whole input. */
px_err pxi_cid_decode(px_view in, struct pxi_cid *out, px_diag *d);
/* Text: base58btc v0 "Qm...", or multibase b (base32 lower), z (base58btc), f (base16), u/m... */
px_err pxi_cid_parse(px_view text, struct pxi_cid *out, px_diag *d);
/* Bytes written to out (at most PXI_CID_MAX). */
size_t pxi_cid_encode(const struct pxi_cid *c, uint8_t out[PXI_CID_MAX]);
/* Multihash alone (the key under which providers are announced); bytes written. */
size_t pxi_cid_multihash(const struct pxi_cid *c, uint8_t out[PXI_CID_MAX]);
/* Base32 text of a v1, base58btc of a v0; NUL-terminated; returns out. */
char *pxi_cid_text(const struct pxi_cid *c, char out[PXI_CID_TEXT]);
/* Raw CIDv1 of a 32-byte digest. */
struct pxi_cid pxi_cid_raw(uint64_t hash, const uint8_t digest[32]);

#endif
