/*
 * Checks of untrusted bytes of the network, for `plexus check`: each takes all the bytes of a file.
 * PX_ERR_OK, or an error whose exit code is 7 with the place in the diagnosis.
 */
#ifndef PXI_CODEC_CHECK_NET_H
#define PXI_CODEC_CHECK_NET_H

#include "plexus/err.h"
#include "plexus/view.h"

/* One framed Kademlia message, judged as from a sender whom it does not name: a stored record must
 * carry the key of the message and be valid in a namespace that we validate (/pk/), a provider must
 * be the sender. */
px_err pxi_check_kad(px_view in, px_diag *d);
/* The payload of a Noise handshake message: a valid key, a signature as long as its kind has. */
px_err pxi_check_noise_payload(px_view in, px_diag *d);
/* Text of a content id. */
px_err pxi_check_cid(px_view in, px_diag *d);
/* Text of an address, and its binary form. */
px_err pxi_check_maddr(px_view in, px_diag *d);
px_err pxi_check_maddr_bin(px_view in, px_diag *d);
/* One MessagePack value. */
px_err pxi_check_msgpack(px_view in, px_diag *d);

/* What a dialer sends while a protocol is being agreed on: the header, then proposals of which none
 * is known here, at most net.negotiate_tries. */
px_err pxi_check_multistream(px_view in, px_diag *d);
/* What a dialer sends to a yamux listener that accepts no stream, grants no window beyond the first
 * and never writes. */
px_err pxi_check_yamux(px_view in, px_diag *d);

#endif
