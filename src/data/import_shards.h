/*
 * Samples in a folder of shards with an index.json: MDS of mosaicml-streaming (base/format/mds) and
 * the chunks that TokensLoader of litdata reads. Both begin with u32 samples, u32 offset of each
 * sample and of the end.
 *
 *   mds      {"version": 2, "shards": [{"format": "mds", "version": 2, "samples", "raw_data": {
 *            "basename", "bytes"}, "zip_data", "compression", "column_names", "column_encodings",
 *            "column_sizes"}]}; behind the offsets the columns once more in JSON; a sample is the
 *            u32 bytes of each column that has no size of its own, then the columns
 *   litdata  {"chunks": [{"filename", "chunk_size", "chunk_bytes"}], "config": {"data_format":
 *            ["no_header_tensor:16"]}}; a sample is tokens
 *
 * An index is hostile: paths stay in the folder, and all that it says of a shard is checked against
 * the bytes of the shard.
 */
#ifndef PXI_DATA_IMPORT_SHARDS_H
#define PXI_DATA_IMPORT_SHARDS_H

#include "data/import.h"
#include "data/import_json.h"

enum { PXI_SHARD_COLUMNS = 256 };

struct pxi_shards {
    bool mds; /* else litdata */
    struct pxi_import_column column;
    struct pxi_import_type type; /* of litdata's tokens */
    struct pxi_json json;        /* in the array of shards */
};

/* Read an index. PX_ERR_CORRUPT, _TRUNCATED, _VERSION, _UNSUPPORTED (compressed or encrypted chunks
 * of litdata). The views of `index` and `column` are borrowed. */
px_err pxi_shards_open(px_view index, const struct pxi_import_column *column,
                       struct pxi_shards *out, px_diag *d);

/* A file of a shard: its path in the folder, as JSON has it, and its bytes. */
struct pxi_shard_file {
    px_view name; /* empty: there is none */
    uint64_t bytes;
};

struct pxi_shard {
    struct pxi_shard_file raw, packed;
    px_view codec; /* of `packed`: "zstd", or what PX_ERR_UNSUPPORTED will name */
    uint64_t samples;
    bool text;   /* the column is one */
    bool array;  /* ... or an array of numpy */
    bool typed;  /* its type is known; else each sample says it */
    bool shaped; /* so is its shape */
    struct pxi_import_type type;
    unsigned columns, column;          /* which of so many */
    uint32_t sizes[PXI_SHARD_COLUMNS]; /* 0: each sample says it */
};

/* The next shard, or *end. PX_ERR_NOT_FOUND: it has no such column; PX_ERR_UNSUPPORTED: one that
 * holds neither tokens nor text. */
px_err pxi_shards_next(struct pxi_shards *s, struct pxi_shard *out, bool *end, px_diag *d);

/* Hand out the samples of a shard whose bytes (unpacked) are these; those without tokens are
 * counted in *empty. */
px_err pxi_shard_read(const struct pxi_shard *s, px_view bytes, const struct pxi_import_sink *sink,
                      uint64_t *empty, px_diag *d);

#endif
