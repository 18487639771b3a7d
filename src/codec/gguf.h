/* What the reader, the split reader and the writer of GGUF share. Format: docs/formats/gguf.md. */
#ifndef PXI_CODEC_GGUF_H
#define PXI_CODEC_GGUF_H

#include "codec/gguf_names.h"
#include "plexus/gguf.h"

enum {
    PXI_GGUF_ALIGN_DEFAULT = 32,
    PXI_GGUF_ALIGN_MIN = 8,
    PXI_GGUF_ALIGN_MAX = 65536,
};

struct px_gguf {
    uint32_t version;
    uint64_t alignment, data_offset;
    px_gguf_kv *kv;
    px_gguf_tensor *tensors;
    uint64_t n_kv, n_tensors;
    struct pxi_names kv_names, tensor_names;
};

/* Bytes of a scalar; 0 for strings, arrays and unknown types. */
unsigned pxi_gguf_scalar_bytes(uint32_t type);

/* Name of a metadata type such as "u32", or "?". */
const char *pxi_gguf_type_name(uint32_t type);

/* Derive role and block from the name. */
void pxi_gguf_set_role(px_gguf_tensor *t);

/*
 * Set the size in bytes from type and dims. NULL, or what was expected when the shape is
 * impossible: an empty dimension, a row that is no whole number of blocks, a size past 63 bits.
 */
const char *pxi_gguf_set_bytes(px_gguf_tensor *t);

/*
 * Some parts of a split model read as one: the first is part 0 (metadata), the others are parts of
 * the same split in ascending order. For stages, which hold a slice; px_gguf_parse_split wants all.
 * `check` (may be NULL) sees each part before its tensors are joined to the others, and can refuse.
 */
typedef px_err pxi_gguf_part_fn(void *ctx, uint32_t part, const px_gguf *g, px_diag *diag);
px_err pxi_gguf_parse_some(const px_view *files, uint32_t n, pxi_gguf_part_fn *check, void *ctx,
                           px_gguf **out, px_diag *diag);

#endif
