/* The numbers of a model, read from the metadata and checked against each other. */
#ifndef PXI_MODEL_CONFIG_H
#define PXI_MODEL_CONFIG_H

#include <stdbool.h>

#include "model/arch.h"
#include "plexus/gguf.h"

struct pxi_config {
    const struct pxi_arch *arch;
    uint32_t blocks, embd, ffn, heads, kv_heads;
    uint32_t key_dim, value_dim; /* of one head */
    uint32_t rope_dim;           /* elements of a head that rotate, even, at most key_dim */
    uint32_t vocab;              /* rows of the embedding */
    uint32_t context_train;
    float norm_eps;
    double rope_base, rope_scale; /* speeds base^(-2i / rope_dim) / scale */
};

/*
 * Read general.architecture and the keys under its name. Everything is bounded by what the file
 * holds, so that no later loop or allocation depends on a claim. Errors: PX_ERR_ARCH,
 * PX_ERR_CORRUPT, PX_ERR_UNSUPPORTED, with field and offset in the diagnosis.
 */
px_err pxi_config_read(struct pxi_config *c, const px_gguf *g, px_diag *diag);

/* The part of a model that one peer computes: consecutive blocks, and the ends that go with them.
 */
struct pxi_slice {
    uint32_t first, last; /* blocks [first, last) */
    bool embed;           /* begins with tokens: has the embedding */
    bool output;          /* ends with logits */
};

/* The same for the tensors of a slice: those of other slices may be missing. `blocks` is still that
 * of the whole model. */
px_err pxi_config_read_slice(struct pxi_config *c, const px_gguf *g, const struct pxi_slice *s,
                             px_diag *diag);

#endif
