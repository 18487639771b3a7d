/*
 * Tokenised data of other tools, document by document: pure functions over the bytes of their
 * files. Each format checks every number of a file against the bytes there are before it is used.
 *
 *   megatron   .idx: "MMIDIDX\0\0", u64 version 1, u8 dtype, u64 sequences, u64 documents + 1,
 *              i32 length of each sequence, i64 offset in bytes of each, i64 first sequence of each
 *              document and the end (Megatron-LM, core/datasets/indexed_dataset.py); .bin: tokens
 *   llmc       256 i32 of head: 20240520, 1, tokens; then u16 tokens (llm.c, dev/data); or
 *              20240801, 7, tokens; then u32 tokens
 *   datatrove  .index: u64 end of each document, in tokens; .ds: u16 or u32 tokens
 *   mds, litdata   data/import_shards.h
 *   arrow          data/import_arrow.h
 */
#ifndef PXI_DATA_IMPORT_H
#define PXI_DATA_IMPORT_H

#include <stdbool.h>

#include "plexus/err.h"
#include "plexus/view.h"

/* Who takes documents. What one of these returns ends the reading and is returned. */
struct pxi_import_sink {
    /* n tokens of a document; `more`: it goes on with the next call. */
    px_err (*tokens)(void *ctx, const int32_t *tokens, size_t n, bool more);
    /* A document of text, in UTF-8 as far as the file keeps its word. NULL: text is refused. */
    px_err (*text)(void *ctx, px_view text);
    /* Bytes that `codec` ("zstd", "lz4": a frame) packed, unpacked to the n bytes of out. NULL:
     * PX_ERR_UNSUPPORTED. */
    px_err (*unpack)(void *ctx, const char *codec, px_view in, uint8_t *out, size_t n, px_diag *d);
    void *ctx;
};

/* How a column of tokens is stored. */
struct pxi_import_type {
    uint8_t bytes; /* of a token: 1, 2, 4 or 8 */
    bool is_signed;
};

/* "int64", "uint16", ...: false, when it is no integer. */
bool pxi_import_type(px_view name, struct pxi_import_type *out);

/* The column of a table that is wanted, and how its bytes are to be read where its file does not
 * say it. */
struct pxi_import_column {
    px_view name; /* empty: the first there is of input_ids, tokens and text, or the only one */
    bool typed;
    struct pxi_import_type type;
};

/* Which of n columns that is; n: none, and the diagnosis says which there are. */
unsigned pxi_import_choose(const struct pxi_import_column *c, const px_view *names, unsigned n,
                           px_diag *d);

/* Whether so many packed bytes can become n: less than data.unpacked, and no more than the densest
 * block of zstd, 128 KiB in four bytes; PX_ERR_LIMIT, _CORRUPT. */
px_err pxi_import_unpacks(uint64_t packed, uint64_t n, uint64_t at, px_diag *d);

/* Hand out the tokens that fill `bytes`, little-endian; `more` as in the sink, `at` is where they
 * lie. PX_ERR_LIMIT: a token that int32 does not hold. */
px_err pxi_import_run(const struct pxi_import_sink *sink, struct pxi_import_type type,
                      px_view bytes, uint64_t at, bool more, px_diag *d);

/* Says what is wrong at a place, and returns err. */
px_err pxi_import_wrong(px_diag *d, px_err err, uint64_t at, const char *field,
                        const char *expected, uint64_t found);

/* ------------------------------------------ a file of tokens, an index of it */

enum pxi_import_kind { PXI_IMPORT_MEGATRON, PXI_IMPORT_LLMC, PXI_IMPORT_DATATROVE };

/* Open files; the views are borrowed. */
struct pxi_import {
    enum pxi_import_kind kind;
    px_view tokens, index;
    struct pxi_import_type type;
    uint64_t documents, all; /* tokens */
    /* megatron: where its arrays begin in the index */
    uint64_t sequences;
    size_t lengths_at, offsets_at, documents_at;
};

/*
 * Check everything but the tokens. llmc has no index. PX_ERR_CORRUPT, _TRUNCATED, _VERSION,
 * _UNSUPPORTED (a dtype that is no integer), with the diagnosis.
 */
px_err pxi_import_open(enum pxi_import_kind kind, px_view tokens, px_view index,
                       struct pxi_import *out, px_diag *d);

/*
 * Hand out all documents in order. eot: token with which documents of llmc begin, -1: it is one
 * document. A document whose place is not in the file is PX_ERR_CORRUPT; else the errors of
 * pxi_import_run.
 */
px_err pxi_import_read(const struct pxi_import *m, int32_t eot, const struct pxi_import_sink *sink,
                       px_diag *d);

#endif
