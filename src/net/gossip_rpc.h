/*
 * Reading and writing the RPC of gossipsub (libp2p pubsub and gossipsub specifications) in place:
 * every part that is read is a view into the frame, and nothing is allocated, since 1 MiB can name
 * half a million entries. A frame is checked as a whole before any part of it is acted on.
 */
#ifndef PXI_NET_GOSSIP_RPC_H
#define PXI_NET_GOSSIP_RPC_H

#include <stdbool.h>

#include "base/mem.h"
#include "plexus/err.h"

/* Fields of RPC, and of the messages inside it. */
enum {
    PXI_RPC_SUBSCRIPTION = 1,
    PXI_RPC_PUBLISH = 2,
    PXI_RPC_CONTROL = 3,
    PXI_RPC_SUB_ON = 1,
    PXI_RPC_SUB_TOPIC = 2,
    PXI_RPC_MSG_FROM = 1,
    PXI_RPC_MSG_DATA = 2,
    PXI_RPC_MSG_SEQNO = 3,
    PXI_RPC_MSG_TOPIC = 4,
    PXI_RPC_MSG_SIGNATURE = 5,
    PXI_RPC_MSG_KEY = 6,
    PXI_RPC_IHAVE = 1,
    PXI_RPC_IWANT = 2,
    PXI_RPC_GRAFT = 3,
    PXI_RPC_PRUNE = 4,
    PXI_RPC_IDONTWANT = 5,
    PXI_RPC_TOPIC = 1, /* of ihave, graft, prune */
    PXI_RPC_IHAVE_ID = 2,
    PXI_RPC_WANT_ID = 1, /* of iwant, idontwant */
    PXI_RPC_PRUNE_PEER = 2,
    PXI_RPC_PRUNE_BACKOFF = 3,
    PXI_RPC_PX_ID = 1, /* of a peer in a prune */
    PXI_RPC_PX_RECORD = 2,
};

/* One field as it stands on the wire. */
struct pxi_rpc_field {
    uint32_t number;
    uint8_t wire;   /* 0 varint, 1 fixed64, 2 bytes, 5 fixed32 */
    uint64_t value; /* of a varint */
    px_view bytes;  /* of bytes */
    size_t offset;  /* where the field begins */
};

/* Step through a protobuf message: 1 a field, 0 the end, -1 malformed. *at begins at 0. */
int pxi_rpc_next(px_view in, size_t *at, struct pxi_rpc_field *f);

/* The next field of this number that holds bytes; false at the end. For checked messages. */
bool pxi_rpc_find(px_view in, size_t *at, uint32_t number, px_view *out);

/* Whether a whole frame (without its length) is well formed down to the last level. */
px_err pxi_rpc_check(px_view frame, px_diag *d);

/* A published message. Absent parts are empty; `has` tells absent from empty by field number. */
struct pxi_rpc_message {
    px_view raw; /* the protobuf as it came */
    px_view from, data, seqno, topic, signature, key;
    unsigned has; /* bit 1 << field number */
};
/* Take apart a message that passed pxi_rpc_check. */
struct pxi_rpc_message pxi_rpc_message_of(px_view raw);

/* Bytes of a field with this number and n bytes of content. */
size_t pxi_rpc_field_size(uint32_t number, size_t n);
/* Append to a message under construction; false when out->max is reached or memory is out, and
 * then nothing was added. */
bool pxi_rpc_put_bytes(struct pxi_buf *out, uint32_t number, px_view v);
bool pxi_rpc_put_uint(struct pxi_buf *out, uint32_t number, uint64_t v);
/* Tag and length of a field whose n bytes of content follow. */
bool pxi_rpc_put_head(struct pxi_buf *out, uint32_t number, size_t n);

/* A subscription entry of RPC; graft and prune entries of its control message. */
bool pxi_rpc_put_subscription(struct pxi_buf *rpc, bool on, px_view topic);
bool pxi_rpc_put_graft(struct pxi_buf *control, px_view topic);
/* peers: encoded entries of PXI_RPC_PRUNE_PEER. */
bool pxi_rpc_put_prune(struct pxi_buf *control, px_view topic, uint64_t backoff_s, px_view peers);

#endif
