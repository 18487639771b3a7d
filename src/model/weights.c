/* Tensor names to pointers, with every shape checked. */
#include "model/weights.h"

#include <stdio.h>

#include "base/diag.h"
#include "base/mem.h"

/* Tensors that every block of every family has: bounds block_count before allocation. */
enum { BLOCK_TENSORS_MIN = 9 };

struct binder {
    const px_gguf *g;
    px_diag *diag;
    struct pxi_model *m;
    uint32_t block;
    char name[80];
};

static px_err fault(struct binder *b, px_err err, const px_gguf_tensor *t, const char *expected)
{
    pxi_diag_field(b->diag, "%s", b->name);
    if (!t)
        return pxi_diag_set(b->diag, err, 0, "a tensor of this name", "no such tensor");
    return pxi_diag_set(b->diag, err, t->offset, expected, "%s [%llu, %llu, %llu, %llu]",
                        px_dtype_name(t->type), (unsigned long long)t->dims[0],
                        (unsigned long long)t->dims[1], (unsigned long long)t->dims[2],
                        (unsigned long long)t->dims[3]);
}

/* "a <type> of [cols, rows]": what a shape should have been. */
static px_err shape_fault(struct binder *b, const px_gguf_tensor *t, uint64_t cols, uint64_t rows)
{
    char expected[96];
    if (rows)
        snprintf(expected, sizeof expected, "a matrix of [%llu, %llu]", (unsigned long long)cols,
                 (unsigned long long)rows);
    else
        snprintf(expected, sizeof expected, "a vector of [%llu]", (unsigned long long)cols);
    return fault(b, PX_ERR_CORRUPT, t, expected);
}

/* Tensor b->name in *out, or NULL when it may be missing and is. */
static px_err find(struct binder *b, enum pxi_has has, const px_gguf_tensor **out)
{
    const px_gguf_tensor *t = *out = px_gguf_tensor_find(b->g, b->name);
    if (!t)
        return has == PXI_HAS ? fault(b, PX_ERR_CORRUPT, NULL, "") : PX_ERR_OK;
    if (has == PXI_HAS_NOT)
        return fault(b, PX_ERR_ARCH, t, "no such tensor in this architecture");
    if ((uintptr_t)t->data.p % 4)
        return fault(b, PX_ERR_UNSUPPORTED, t, "data aligned to 4 bytes");
    b->m->weight_bytes += t->bytes;
    b->m->parameters += t->dims[0] * t->dims[1];
    return PX_ERR_OK;
}

static px_err bind_vector(struct binder *b, enum pxi_has has, uint64_t n, const float **out)
{
    const px_gguf_tensor *t;
    px_err err = find(b, has, &t);
    if (err != PX_ERR_OK || !t)
        return err;
    if (t->type != PX_DTYPE_F32)
        return fault(b, PX_ERR_TENSOR_TYPE, t, "type F32");
    if (t->n_dims != 1 || t->dims[0] != n)
        return shape_fault(b, t, n, 0);
    *out = (const float *)(const void *)t->data.p;
    return PX_ERR_OK;
}

static px_err bind_matrix(struct binder *b, enum pxi_has has, uint64_t cols, uint64_t rows,
                          struct pxi_matrix *out)
{
    const px_gguf_tensor *t;
    px_err err = find(b, has, &t);
    if (err != PX_ERR_OK || !t)
        return err;
    if (!px_dtype_runnable(t->type))
        return fault(b, PX_ERR_TENSOR_TYPE, t, "a type that runs");
    if (t->n_dims != 2 || t->dims[0] != cols || t->dims[1] != rows)
        return shape_fault(b, t, cols, rows);
    *out = (struct pxi_matrix){t->data.p, t->type, rows, cols, px_dtype_row_bytes(t->type, cols)};
    if (cols > b->m->cols_max)
        b->m->cols_max = cols;
    return PX_ERR_OK;
}

static struct binder *named(struct binder *b, const char *suffix)
{
    snprintf(b->name, sizeof b->name, "blk.%u.%s", b->block, suffix);
    return b;
}

static struct binder *top(struct binder *b, const char *name)
{
    snprintf(b->name, sizeof b->name, "%s", name);
    return b;
}

static px_err bind_attention(struct binder *b, const struct pxi_config *c, struct pxi_block *w)
{
    uint64_t q = (uint64_t)c->heads * c->key_dim, k = (uint64_t)c->kv_heads * c->key_dim;
    uint64_t v = (uint64_t)c->kv_heads * c->value_dim, o = (uint64_t)c->heads * c->value_dim;
    enum pxi_has bias = c->arch->qkv_bias, norm = c->arch->qk_norm;
    px_err err;
    if ((err = bind_vector(named(b, "attn_norm.weight"), PXI_HAS, c->embd, &w->attn_norm)) ||
        (err = bind_matrix(named(b, "attn_q.weight"), PXI_HAS, c->embd, q, &w->q)) ||
        (err = bind_matrix(named(b, "attn_k.weight"), PXI_HAS, c->embd, k, &w->k)) ||
        (err = bind_matrix(named(b, "attn_v.weight"), PXI_HAS, c->embd, v, &w->v)) ||
        (err = bind_vector(named(b, "attn_q.bias"), bias, q, &w->q_bias)) ||
        (err = bind_vector(named(b, "attn_k.bias"), bias, k, &w->k_bias)) ||
        (err = bind_vector(named(b, "attn_v.bias"), bias, v, &w->v_bias)) ||
        (err = bind_vector(named(b, "attn_q_norm.weight"), norm, c->key_dim, &w->q_norm)) ||
        (err = bind_vector(named(b, "attn_k_norm.weight"), norm, c->key_dim, &w->k_norm)) ||
        (err = bind_matrix(named(b, "attn_output.weight"), PXI_HAS, o, c->embd, &w->o)))
        return err;
    return bind_vector(named(b, "attn_output.bias"), c->arch->output_bias, c->embd, &w->o_bias);
}

/* Biases of the feed-forward part occur in variants of llama that we do not run: refused. */
static px_err bind_ffn(struct binder *b, const struct pxi_config *c, struct pxi_block *w)
{
    px_err err;
    const float *none;
    if ((err = bind_vector(named(b, "ffn_norm.weight"), PXI_HAS, c->embd, &w->ffn_norm)) ||
        (err = bind_matrix(named(b, "ffn_gate.weight"), PXI_HAS, c->embd, c->ffn, &w->gate)) ||
        (err = bind_matrix(named(b, "ffn_up.weight"), PXI_HAS, c->embd, c->ffn, &w->up)) ||
        (err = bind_matrix(named(b, "ffn_down.weight"), PXI_HAS, c->ffn, c->embd, &w->down)) ||
        (err = bind_vector(named(b, "ffn_gate.bias"), PXI_HAS_NOT, c->ffn, &none)) ||
        (err = bind_vector(named(b, "ffn_up.bias"), PXI_HAS_NOT, c->ffn, &none)))
        return err;
    return bind_vector(named(b, "ffn_down.bias"), PXI_HAS_NOT, c->embd, &none);
}

/* Divisors near zero would turn angles into infinities. */
static px_err check_rope_freqs(struct binder *b, const struct pxi_model *m)
{
    for (uint32_t i = 0; m->rope_freqs && i < m->config.rope_dim / 2; i++)
        if (!(m->rope_freqs[i] >= 1e-3f && m->rope_freqs[i] <= 1e9f)) {
            pxi_diag_field(b->diag, "%s", b->name);
            return pxi_diag_set(b->diag, PX_ERR_CORRUPT, 0, "divisors from 0.001 to 1e9", "%.9g",
                                (double)m->rope_freqs[i]);
        }
    return PX_ERR_OK;
}

static px_err bind_ends(struct binder *b, struct pxi_model *m)
{
    const struct pxi_config *c = &m->config;
    const struct pxi_slice *s = &m->slice;
    enum pxi_has output = c->arch->output;
    px_err err = bind_vector(top(b, "rope_freqs.weight"), c->arch->rope_freqs, c->rope_dim / 2,
                             &m->rope_freqs);
    if (err == PX_ERR_OK)
        err = check_rope_freqs(b, m);
    if (err == PX_ERR_OK && s->output &&
        !(err = bind_vector(top(b, "output_norm.weight"), PXI_HAS, c->embd, &m->output_norm)))
        err = bind_matrix(top(b, "output.weight"), output, c->embd, c->vocab, &m->output);
    /* Without an output of its own a model uses the embedding at both ends. */
    if (err == PX_ERR_OK && (s->embed || (s->output && !m->output.data)))
        err = bind_matrix(top(b, "token_embd.weight"), PXI_HAS, c->embd, c->vocab, &m->embd);
    if (s->output && !m->output.data)
        m->output = m->embd;
    return err;
}

static px_err bind_blocks(struct binder *b, struct pxi_model *m)
{
    px_err err = PX_ERR_OK;
    uint32_t possible = (uint32_t)(px_gguf_tensor_count(b->g) / BLOCK_TENSORS_MIN) + 1;
    m->blocks =
        pxi_calloc(m->config.blocks < possible ? m->config.blocks : possible, sizeof *m->blocks);
    if (!m->blocks)
        return PX_ERR_NOMEM;
    for (uint32_t i = 0; i < m->config.blocks && err == PX_ERR_OK; i++) {
        b->block = m->slice.first + i;
        err = bind_attention(b, &m->config, &m->blocks[i]);
        if (err == PX_ERR_OK)
            err = bind_ffn(b, &m->config, &m->blocks[i]);
    }
    return err;
}

static px_err bind(struct pxi_model *m, const px_gguf *g, px_diag *diag)
{
    struct binder b = {.g = g, .diag = diag, .m = m};
    px_err err = bind_ends(&b, m);
    if (err == PX_ERR_OK)
        err = bind_blocks(&b, m);
    if (err != PX_ERR_OK)
        pxi_model_deinit(m);
    return err;
}

px_err pxi_model_init(struct pxi_model *m, const px_gguf *g, px_diag *diag)
{
    *m = (struct pxi_model){0};
    px_err err = pxi_config_read(&m->config, g, diag);
    if (err != PX_ERR_OK)
        return err;
    m->blocks_total = m->config.blocks;
    m->slice = (struct pxi_slice){0, m->config.blocks, true, true};
    return bind(m, g, diag);
}

px_err pxi_model_init_slice(struct pxi_model *m, const px_gguf *g, const struct pxi_slice *s,
                            px_diag *diag)
{
    *m = (struct pxi_model){.slice = *s};
    px_err err = pxi_config_read_slice(&m->config, g, s, diag);
    if (err != PX_ERR_OK)
        return err;
    m->blocks_total = m->config.blocks;
    if (s->first >= s->last || s->last > m->blocks_total) {
        pxi_diag_field(diag, "slice");
        return pxi_diag_set(diag, PX_ERR_INVALID, 0, "blocks of the model", "[%u, %u) of %u",
                            s->first, s->last, m->blocks_total);
    }
    m->config.blocks = s->last - s->first;
    return bind(m, g, diag);
}

void pxi_model_deinit(struct pxi_model *m)
{
    pxi_free(m->blocks);
    m->blocks = NULL;
}

int pxi_matrix_quantised(const struct pxi_matrix *w)
{
    return w->type != PX_DTYPE_F32 && w->type != PX_DTYPE_F16 && w->type != PX_DTYPE_BF16;
}
