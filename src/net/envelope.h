/* Signed envelopes (libp2p RFC 0002) and the peer records inside them (RFC 0003). */
#ifndef PXI_NET_ENVELOPE_H
#define PXI_NET_ENVELOPE_H

#include "codec/maddr.h"
#include "crypto/key.h"
#include "crypto/proofs.h"

/* What is signed: the purpose, and the type of the payload. */
struct pxi_envelope_kind {
    const char *domain;
    px_view type;
};
extern const struct pxi_envelope_kind pxi_kind_peer_record; /* libp2p-peer-record, 03 01 */
extern const struct pxi_envelope_kind pxi_kind_voucher;     /* libp2p-relay-rsvp, 03 02 */

enum { PXI_ENVELOPE_MAX = 65536 };

/* Append the envelope of a payload, signed by key, to out. */
px_err pxi_envelope_seal(const struct pxi_key *key, const struct pxi_envelope_kind *kind,
                         px_view payload, struct pxi_buf *out);
/* Check an envelope: kind, key, signature (unless it is among those that are known to be right;
 * NULL: none is). The payload is borrowed from it; signer is the peer id of its key.
 * PX_ERR_CORRUPT: malformed or of another kind. PX_ERR_IDENTITY: wrong signature. */
px_err pxi_envelope_open(px_view envelope, const struct pxi_envelope_kind *kind,
                         struct pxi_proofs *known, px_view *payload, struct pxi_peer *signer);

/* Append the signed record of a peer with these addresses (binary, without /p2p). */
px_err pxi_peer_record_seal(const struct pxi_key *key, const struct pxi_peer *self, uint64_t seq,
                            const px_view *addrs, unsigned count, struct pxi_buf *out);
/* Check a signed record: fn hears each address. The signer must be the peer of the record. */
px_err pxi_peer_record_open(px_view envelope, struct pxi_proofs *known, struct pxi_peer *peer,
                            uint64_t *seq, void (*fn)(void *ctx, px_view addr), void *ctx);

#endif
