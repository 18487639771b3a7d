/*
 * Writing a store (docs/formats/ndp.md): samples are gathered into segments in memory, which are
 * written whole. Nothing counts before a commit, and a commit counts as one: a process killed at
 * any moment leaves the file as the last commit made it.
 */
#ifndef PXI_DATA_WRITER_H
#define PXI_DATA_WRITER_H

#include "base/files.h"
#include "codec/ndp_store.h"

struct pxi_writer_options {
    const struct pxi_ndp_sums *sums;
    const struct pxi_files_ops *ops; /* of `file`, which must outlive the writer */
    struct pxi_file *file;
    unsigned dtype; /* enum pxi_ndp_dtype */
    struct pxi_ndp_variant variant;
    uint32_t vocab;        /* 0: not known */
    int32_t bos, eos, pad; /* -1: none */
    uint8_t tokenizer[32];
    uint8_t id[16];       /* of a new store: random */
    size_t segment_bytes; /* of samples: 0 is 16 MiB */
};

struct pxi_writer;

/* Begin a store in an empty file. PX_ERR_NOMEM. */
px_err pxi_writer_new(const struct pxi_writer_options *o, struct pxi_writer **out);
/* Go on with one: dtype, variant and what follows them are those of the store. The errors of
 * pxi_ndp_head_open and _directory_open, and of reading. */
px_err pxi_writer_append(const struct pxi_writer_options *o, struct pxi_writer **out, px_diag *d);
/* What was not committed is lost. */
void pxi_writer_free(struct pxi_writer *w);

/* How packets that are written from the store are checked. PX_ERR_INVALID: it holds samples. */
px_err pxi_writer_variant(struct pxi_writer *w, struct pxi_ndp_variant v);

struct pxi_writer_sample {
    uint8_t src, dst, typ;
    uint8_t flags;         /* PXI_NDP_FLAG_CONTINUES */
    const int32_t *tokens; /* NULL: `raw` */
    size_t count;
    px_view raw;
    const uint8_t *mask;      /* a byte for each token, 0: does not count in the loss; or NULL */
    const int32_t *positions; /* of each token; or NULL: counted from 0 */
    const float *weight;      /* or NULL: 1 */
    const uint32_t *begins;   /* tokens at which documents begin within the sample, ascending */
    size_t begin_count;
};

/*
 * Add a sample. PX_ERR_LIMIT: of 2^24 bytes or more, or a token that the store's dtype cannot hold;
 * then nothing changes. PX_ERR_NOMEM, or what writing a full segment brings.
 */
px_err pxi_writer_add(struct pxi_writer *w, const struct pxi_writer_sample *s);

/* Keep bytes that were no packet before the sample that comes next. */
px_err pxi_writer_foreign(struct pxi_writer *w, enum pxi_ndp_drop drop, px_view bytes);

/* Make all that was added count. */
px_err pxi_writer_commit(struct pxi_writer *w);

/* Commits so far. */
uint64_t pxi_writer_generation(const struct pxi_writer *w);

/* Totals with what was added; the hash (CID) of the last commit. */
const struct pxi_ndp_directory *pxi_writer_totals(const struct pxi_writer *w);
void pxi_writer_hash(const struct pxi_writer *w, uint8_t out[32]);

#endif
