/*
 * Peer ids: the multihash of a public key (libp2p peer-ids specification). A key of at most 42
 * bytes is its own hash (identity multihash, "12D3Koo..." and "16Uiu2H..."), a longer one is
 * hashed with SHA-256 ("Qm...").
 */
#ifndef PXI_CODEC_PEER_H
#define PXI_CODEC_PEER_H

#include <stdbool.h>

#include "plexus/err.h"
#include "plexus/view.h"

enum { PXI_PEER_BYTES = 44, PXI_PEER_TEXT = 72 };

/* A peer id by value; n == 0 means none. Unused bytes are zero, so memcmp compares. */
struct pxi_peer {
    uint8_t n;
    uint8_t b[PXI_PEER_BYTES];
};

/* Id of the peer whose public key has this protobuf encoding. */
struct pxi_peer pxi_peer_of_key(px_view pubkey);

/* From the bytes of a multihash (identity of at most 42 bytes, or sha2-256). */
px_err pxi_peer_from_bytes(px_view multihash, struct pxi_peer *out, px_diag *d);

/* From text: base58btc, or a CIDv1 of codec libp2p-key in any multibase that we read. */
px_err pxi_peer_parse(px_view text, struct pxi_peer *out, px_diag *d);

/* Base58btc text, NUL-terminated; returns out. */
char *pxi_peer_text(const struct pxi_peer *p, char out[PXI_PEER_TEXT]);

/* The public key protobuf inside an identity multihash, borrowed; empty for the hashed kind. */
px_view pxi_peer_key(const struct pxi_peer *p);

static inline px_view pxi_peer_view(const struct pxi_peer *p)
{
    return px_view_of(p->b, p->n);
}

static inline bool pxi_peer_equal(const struct pxi_peer *a, const struct pxi_peer *b)
{
    return a->n == b->n && memcmp(a->b, b->b, sizeof a->b) == 0;
}

#endif
