/* The tensors of a model, found by name and checked against the configuration. All borrowed. */
#ifndef PXI_MODEL_WEIGHTS_H
#define PXI_MODEL_WEIGHTS_H

#include "model/config.h"

/* A matrix in the layout of its GGUF type: `rows` rows of `cols` elements. */
struct pxi_matrix {
    const void *data; /* NULL: not there */
    uint32_t type;
    size_t rows, cols, row_bytes;
};

/* Vectors are F32; NULL where the architecture has none. */
struct pxi_block {
    const float *attn_norm, *ffn_norm;
    const float *q_norm, *k_norm;
    const float *q_bias, *k_bias, *v_bias, *o_bias;
    struct pxi_matrix q, k, v, o;
    struct pxi_matrix gate, up, down;
};

struct pxi_model {
    struct pxi_config config; /* blocks: those of the slice */
    struct pxi_slice slice;   /* of a whole model: all of it */
    uint32_t blocks_total;
    struct pxi_matrix embd, output; /* output.data == embd.data when tied; of the ends only */
    const float *output_norm;
    const float *rope_freqs; /* rope_dim / 2 divisors, or NULL */
    struct pxi_block *blocks;
    uint64_t parameters, weight_bytes;
    size_t cols_max; /* of all matrices: bounds the scratch of products */
};

/*
 * Read configuration and bind tensors of g, which must outlive the model. Errors: those of
 * pxi_config_read, PX_ERR_TENSOR_TYPE, PX_ERR_UNSUPPORTED (unaligned data), PX_ERR_NOMEM.
 */
px_err pxi_model_init(struct pxi_model *m, const px_gguf *g, px_diag *diag);
/* The same for a slice: binds its own tensors only, touches no other, misses no other. Blocks count
 * from 0 in m. PX_ERR_INVALID when the slice is empty or beyond the model. */
px_err pxi_model_init_slice(struct pxi_model *m, const px_gguf *g, const struct pxi_slice *s,
                            px_diag *diag);
void pxi_model_deinit(struct pxi_model *m);

/* 1 when products with w take quantised activations, 0 when they take floats. */
int pxi_matrix_quantised(const struct pxi_matrix *w);

#endif
