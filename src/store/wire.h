/* The messages of the store: the manifest, and requests and answers of /plexus/shard/1. */
#ifndef PXI_STORE_WIRE_H
#define PXI_STORE_WIRE_H

#include "codec/pb.h"

struct pxi_msg_shard {
    uint64_t role, block;
    px_view cid; /* binary, raw BLAKE3 */
    uint64_t bytes, tensors;
    px_view sha256; /* 32 bytes, or empty: the second key */
};

struct pxi_msg_manifest {
    uint64_t version;
    px_view name, architecture, type;
    uint64_t blocks, embd, ffn, heads, kv_heads, vocab, context, parameters, bytes, tied;
    struct pxi_pb_list shards; /* struct pxi_msg_shard */
};

/* Ask for groups first .. first + count of a blob; count 0: only whether it is there. */
struct pxi_msg_shard_request {
    px_view cid;
    uint64_t first, count;
};

enum pxi_shard_status {
    PXI_SHARD_OK,
    PXI_SHARD_NOT_FOUND,
    PXI_SHARD_BAD_REQUEST,
    PXI_SHARD_BUSY,
    PXI_SHARD_LATER /* it is being fetched, and these groups are not here yet */
};

/* Followed by the slice when the status is OK and count is not 0. */
struct pxi_msg_shard_answer {
    uint64_t status, size, first, count;
    px_view pieces; /* of LATER: a bit for each 16 groups that are here, from group `first` on */
};

enum { PXI_SHARD_PIECES = 128 }; /* bytes of such a map at most */

extern const struct pxi_pb_message pxi_pb_manifest, pxi_pb_shard_request, pxi_pb_shard_answer;

#endif
