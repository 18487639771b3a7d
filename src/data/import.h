/*
 * Tokenised data of other tools, document by document: pure functions over the bytes of their
 * files.
 *
 *   megatron   .idx: "MMIDIDX\0\0", u64 version 1, u8 dtype, u64 sequences, u64 documents + 1,
 *              i32 length of each sequence, i64 offset in bytes of each, i64 first sequence of each
 *              document and the end (Megatron-LM, core/datasets/indexed_dataset.py); .bin: tokens
 *   llmc       256 i32 of head: 20240520, 1, tokens; then u16 tokens (llm.c, dev/data); or
 * 20240801, 7, tokens; then u32 tokens datatrove  .index: u64 end of each document, in tokens; .ds:
 * u16 or u32 tokens
 */
#ifndef PXI_DATA_IMPORT_H
#define PXI_DATA_IMPORT_H

#include <stdbool.h>

#include "plexus/err.h"
#include "plexus/view.h"

enum pxi_import_kind { PXI_IMPORT_MEGATRON, PXI_IMPORT_LLMC, PXI_IMPORT_DATATROVE };

/* Open files; the views are borrowed. */
struct pxi_import {
    enum pxi_import_kind kind;
    px_view tokens, index;
    unsigned token_bytes;
    bool is_signed;
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

/* Takes n tokens of a document; `more`: it goes on with the next call. */
typedef px_err pxi_import_put(void *ctx, const int32_t *tokens, size_t n, bool more);

/*
 * Hand out all documents in order. eot: token with which documents of llmc begin, -1: it is one
 * document. Tokens that int32 does not hold are PX_ERR_LIMIT, a document
 * whose place is not in the file PX_ERR_CORRUPT; else what `put` returns.
 */
px_err pxi_import_read(const struct pxi_import *m, int32_t eot, pxi_import_put *put, void *ctx,
                       px_diag *d);

#endif
