/*
 * Agreeing on the protocol of a stream with multistream-select, the same way on every carrier. An
 * inbound stream is matched against the protocols that the host serves; an outbound one proposes
 * its list, the only or first proposal together with the header in one write.
 */
#ifndef PXI_NET_NEGOTIATE_H
#define PXI_NET_NEGOTIATE_H

#include "net/stream.h"

/* Begin; false when memory is out or a limit was hit (the caller resets the stream). */
bool pxi_negotiate_inbound(struct pxi_stream *s);
bool pxi_negotiate_outbound(struct pxi_stream *s, const char *const *protocols, unsigned count);
/* With one proposal the owner may write before the answer. */
bool pxi_negotiate_may_write(const struct pxi_stream *s);
/* Bytes arrived; returns how many belonged to the negotiation. It may end, or reset the stream. */
size_t pxi_negotiate_data(struct pxi_stream *s, px_view bytes);
/* The remote ended too early. */
void pxi_negotiate_ended(struct pxi_stream *s);
/* Forget the negotiation, if there is one. */
void pxi_negotiate_drop(struct pxi_stream *s);

#endif
