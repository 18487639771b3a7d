/*
 * Signature policies of pubsub messages (libp2p pubsub specification, "Message Signing"):
 * StrictSign wants from, seqno and a right signature; StrictNoSign wants none of them.
 */
#ifndef PXI_NET_GOSSIP_SIGN_H
#define PXI_NET_GOSSIP_SIGN_H

#include "codec/peer.h"
#include "crypto/key.h"
#include "net/gossip_cache.h"
#include "net/gossip_rpc.h"

enum pxi_gossip_policy { PXI_GOSSIP_STRICT_SIGN, PXI_GOSSIP_STRICT_NO_SIGN };

/* Append a message protobuf; key NULL: StrictNoSign. false when it does not fit out->max or memory
 * is out. */
bool pxi_gossip_compose(struct pxi_buf *out, const struct pxi_key *key, const struct pxi_peer *self,
                        uint64_t seqno, px_view topic, px_view data);

/* Whether the parts that must be there are there, and no others; cheap. `from` is filled with the
 * signer when the policy is StrictSign. */
px_err pxi_gossip_shape(enum pxi_gossip_policy policy, const struct pxi_rpc_message *m,
                        struct pxi_peer *from);

/* Whether the signature of a well-shaped message is right. The signed bytes are those that came,
 * without signature and key, so that unknown fields are covered too. PX_ERR_IDENTITY: forged. */
px_err pxi_gossip_verify(const struct pxi_rpc_message *m, const struct pxi_peer *from);

/* The default id: signer and seqno, or the SHA-256 of the data when nobody signs. */
struct pxi_gossip_id pxi_gossip_id_of(enum pxi_gossip_policy policy,
                                      const struct pxi_rpc_message *m);

/* js-libp2p names a signed message by the signer's public key protobuf and seqno. Turn such an id
 * into ours; false when it is none of that kind. */
bool pxi_gossip_id_from_key(px_view id, struct pxi_gossip_id *out);
/* The other way, for keys that the peer id holds; false when it does not. */
bool pxi_gossip_id_to_key(px_view id, struct pxi_gossip_id *out);

#endif
