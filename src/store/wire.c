#include "store/wire.h"

#include <stddef.h>

#include "base/limits.h"

#define TABLE(text, s, rows)                                                                       \
    {                                                                                              \
        text, rows, sizeof(rows) / sizeof *(rows), sizeof(struct s)                                \
    }

enum { CID_MAX = 64, WORD_MAX = 64 };

static const struct pxi_pb_field shard_fields[] = {
    PXI_PB_FIELD(pxi_msg_shard, role, 1, UINT, .always = true),
    PXI_PB_FIELD(pxi_msg_shard, block, 2, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_shard, cid, 3, BYTES, .max = CID_MAX),
    PXI_PB_FIELD(pxi_msg_shard, bytes, 4, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_shard, tensors, 5, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_shard, sha256, 6, BYTES, .max = 32),
};
static const struct pxi_pb_message shard_table = TABLE("shard", pxi_msg_shard, shard_fields);

static const struct pxi_pb_field manifest_fields[] = {
    PXI_PB_FIELD(pxi_msg_manifest, version, 1, UINT, .always = true),
    PXI_PB_FIELD(pxi_msg_manifest, name, 2, STRING, .max = PXI_LIMIT_STORE_NAME_BYTES),
    PXI_PB_FIELD(pxi_msg_manifest, architecture, 3, STRING, .max = WORD_MAX),
    PXI_PB_FIELD(pxi_msg_manifest, type, 4, STRING, .max = WORD_MAX),
    PXI_PB_FIELD(pxi_msg_manifest, blocks, 5, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_manifest, embd, 6, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_manifest, ffn, 7, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_manifest, heads, 8, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_manifest, kv_heads, 9, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_manifest, vocab, 10, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_manifest, context, 11, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_manifest, parameters, 12, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_manifest, bytes, 13, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_manifest, tied, 14, BOOL, .max = 0),
    PXI_PB_FIELD(pxi_msg_manifest, shards, 15, MESSAGE, .repeated = true,
                 .max = PXI_LIMIT_STORE_SHARDS, .sub = &shard_table),
};
const struct pxi_pb_message pxi_pb_manifest = TABLE("manifest", pxi_msg_manifest, manifest_fields);

static const struct pxi_pb_field request_fields[] = {
    PXI_PB_FIELD(pxi_msg_shard_request, cid, 1, BYTES, .always = true, .max = CID_MAX),
    PXI_PB_FIELD(pxi_msg_shard_request, first, 2, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_shard_request, count, 3, UINT, .max = 0),
};
const struct pxi_pb_message pxi_pb_shard_request =
    TABLE("shard_request", pxi_msg_shard_request, request_fields);

static const struct pxi_pb_field answer_fields[] = {
    PXI_PB_FIELD(pxi_msg_shard_answer, status, 1, UINT, .always = true),
    PXI_PB_FIELD(pxi_msg_shard_answer, size, 2, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_shard_answer, first, 3, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_shard_answer, count, 4, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_shard_answer, pieces, 5, BYTES, .max = PXI_SHARD_PIECES),
};
const struct pxi_pb_message pxi_pb_shard_answer =
    TABLE("shard_answer", pxi_msg_shard_answer, answer_fields);
