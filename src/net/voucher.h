/*
 * Reservation vouchers of relays: a signed envelope (RFC 0002) in the domain libp2p-relay-rsvp that
 * says which relay promised which peer a place, and until when.
 */
#ifndef PXI_NET_VOUCHER_H
#define PXI_NET_VOUCHER_H

#include "codec/peer.h"
#include "crypto/key.h"

enum { PXI_VOUCHER_MAX = 2048 };

/* Append the signed envelope to out. */
px_err pxi_voucher_seal(const struct pxi_key *relay_key, const struct pxi_peer *relay,
                        const struct pxi_peer *peer, uint64_t expiration, struct pxi_buf *out);

/* Whether an envelope is a voucher of this relay for this peer with a right signature. */
bool pxi_voucher_check(px_view envelope, const struct pxi_peer *relay, const struct pxi_peer *peer);

#endif
