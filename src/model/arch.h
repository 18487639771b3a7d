/*
 * Architectures as data: what distinguishes one family of transformers from another is a row of
 * traits, and config.c, weights.c and forward.c ask the row. A new family is a new row, and a new
 * trait only where no row says it yet.
 */
#ifndef PXI_MODEL_ARCH_H
#define PXI_MODEL_ARCH_H

#include <stdbool.h>

#include "plexus/view.h"

enum pxi_rope_style {
    PXI_ROPE_ADJACENT, /* elements 2i and 2i + 1 rotate together */
    PXI_ROPE_HALF,     /* elements i and i + n/2 do */
};

/* Whether a family has a tensor: a tensor that must be there, may be there, or has no meaning. */
enum pxi_has { PXI_HAS_NOT, PXI_HAS_MAYBE, PXI_HAS };

struct pxi_arch {
    const char *name; /* general.architecture */
    enum pxi_rope_style rope;
    enum pxi_has qkv_bias;    /* attn_{q,k,v}.bias */
    enum pxi_has output_bias; /* attn_output.bias */
    enum pxi_has qk_norm;     /* attn_{q,k}_norm.weight: an RMS norm of each head before rope */
    enum pxi_has output;      /* output.weight; without it the embedding is used (tied) */
    enum pxi_has rope_freqs;  /* rope_freqs.weight: divisors of the rotation speeds (Llama 3.1) */
};

/* Row of that name, or NULL. */
const struct pxi_arch *pxi_arch_find(px_view name);

#endif
