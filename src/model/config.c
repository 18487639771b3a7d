/* Metadata to configuration: one function a group of keys, one diagnosis a fault. */
#include "model/config.h"

#include <stdio.h>

#include "base/diag.h"

struct reader {
    const px_gguf *g;
    const struct pxi_slice *slice; /* NULL: all of the model */
    px_diag *diag;
    const char *arch;
    char key[96];
};

static const char *key_of(struct reader *r, const char *suffix)
{
    snprintf(r->key, sizeof r->key, "%s.%s", r->arch, suffix);
    return r->key;
}

/* A fault in the key read last: names it and where its value is. */
static px_err fault(struct reader *r, px_err err, const char *expected, double found)
{
    const px_gguf_kv *kv = px_gguf_kv_find(r->g, r->key);
    pxi_diag_field(r->diag, "metadata %s", r->key);
    return pxi_diag_set(r->diag, err, kv ? kv->offset : 0, expected, "%.10g", found);
}

static px_err missing(struct reader *r)
{
    pxi_diag_field(r->diag, "metadata %s", r->key);
    return pxi_diag_set(r->diag, PX_ERR_CORRUPT, 0, "a key of this name", "no such key");
}

/* Number of the key, from 1 to 2^31 - 1, into *out. Absent: `otherwise`, 0 meaning required. */
static px_err count_of(struct reader *r, const char *suffix, uint32_t otherwise, uint32_t *out)
{
    uint64_t v = 0;
    px_err err = px_gguf_get_u64(r->g, key_of(r, suffix), &v, r->diag);
    *out = otherwise;
    if (err == PX_ERR_NOT_FOUND)
        return otherwise ? PX_ERR_OK : missing(r);
    if (err != PX_ERR_OK)
        return err;
    if (v == 0 || v > INT32_MAX)
        return fault(r, PX_ERR_CORRUPT, "a number from 1 to 2147483647", (double)v);
    *out = (uint32_t)v;
    return PX_ERR_OK;
}

/* Real number of the key in [min, max] into *out; absent: `otherwise`, a NaN meaning required. */
static px_err real_of(struct reader *r, const char *suffix, float otherwise, float min, float max,
                      float *out)
{
    px_err err = px_gguf_get_f32(r->g, key_of(r, suffix), out, r->diag);
    if (err == PX_ERR_NOT_FOUND) {
        *out = otherwise;
        return otherwise == otherwise ? PX_ERR_OK : missing(r);
    }
    if (err == PX_ERR_OK && !(*out >= min && *out <= max))
        return fault(r, PX_ERR_CORRUPT, "a plausible number", (double)*out);
    return err;
}

static px_err read_arch(struct reader *r, struct pxi_config *c)
{
    px_view name;
    snprintf(r->key, sizeof r->key, "general.architecture");
    px_err err = px_gguf_get_str(r->g, r->key, &name, r->diag);
    if (err == PX_ERR_NOT_FOUND)
        return missing(r);
    if (err != PX_ERR_OK)
        return err;
    c->arch = pxi_arch_find(name);
    if (!c->arch) {
        const px_gguf_kv *kv = px_gguf_kv_find(r->g, r->key);
        char shown[64];
        pxi_escape(shown, sizeof shown, name.p, name.n);
        pxi_diag_field(r->diag, "metadata %s", r->key);
        return pxi_diag_set(r->diag, PX_ERR_ARCH, kv ? kv->offset : 0,
                            "an architecture that runs (llama, qwen2, qwen3)", "%s", shown);
    }
    r->arch = c->arch->name;
    return PX_ERR_OK;
}

/* A family we know in a variant that we do not. */
static px_err read_variants(struct reader *r)
{
    uint64_t experts = 0;
    px_err err = px_gguf_get_u64(r->g, key_of(r, "expert_count"), &experts, r->diag);
    if (err != PX_ERR_OK)
        return err == PX_ERR_NOT_FOUND ? PX_ERR_OK : err;
    if (experts)
        return fault(r, PX_ERR_ARCH, "a dense model, not a mixture of experts", (double)experts);
    return PX_ERR_OK;
}

static px_err read_sizes(struct reader *r, struct pxi_config *c)
{
    px_err err;
    if ((err = count_of(r, "embedding_length", 0, &c->embd)) ||
        (err = count_of(r, "feed_forward_length", 0, &c->ffn)) ||
        (err = count_of(r, "context_length", 0, &c->context_train)) ||
        (err = count_of(r, "block_count", 0, &c->blocks)))
        return err;
    if (!r->slice && c->blocks > px_gguf_tensor_count(r->g))
        return fault(r, PX_ERR_CORRUPT, "no more blocks than the file has tensors", c->blocks);
    return real_of(r, "attention.layer_norm_rms_epsilon", __builtin_nanf(""), 0, 1, &c->norm_eps);
}

static px_err read_heads(struct reader *r, struct pxi_config *c)
{
    px_err err;
    if ((err = count_of(r, "attention.head_count", 0, &c->heads)))
        return err;
    int sized = px_gguf_kv_find(r->g, key_of(r, "attention.key_length")) != NULL;
    key_of(r, "attention.head_count");
    if (c->heads > c->embd && !sized)
        return fault(r, PX_ERR_CORRUPT, "at most one head an element", c->heads);
    if (c->embd % c->heads && !sized)
        return fault(r, PX_ERR_CORRUPT, "a divisor of embedding_length", c->heads);
    if ((err = count_of(r, "attention.head_count_kv", c->heads, &c->kv_heads)))
        return err;
    if (c->heads % c->kv_heads)
        return fault(r, PX_ERR_CORRUPT, "a divisor of head_count", c->kv_heads);
    uint32_t dim = c->embd / c->heads;
    if ((err = count_of(r, "attention.key_length", dim, &c->key_dim)) ||
        (err = count_of(r, "attention.value_length", dim, &c->value_dim)))
        return err;
    return PX_ERR_OK;
}

/* Scalings of the rotation: none, linear, or one that we refuse by name. */
static px_err read_scaling(struct reader *r, struct pxi_config *c)
{
    float factor = 1;
    px_view type = px_view_str("none");
    px_err err = px_gguf_get_str(r->g, key_of(r, "rope.scaling.type"), &type, r->diag);
    if (err != PX_ERR_OK && err != PX_ERR_NOT_FOUND)
        return err;
    if ((err = real_of(r, "rope.scaling.factor", 1, 0, 1e6f, &factor)))
        return err;
    if (factor == 0) /* some converters write 0 for none */
        factor = 1;
    if (px_gguf_kv_find(r->g, key_of(r, "rope.scale_linear"))) {
        if ((err = real_of(r, "rope.scale_linear", 1, 1e-6f, 1e6f, &factor)))
            return err;
    } else if (px_view_is(type, "none")) {
        factor = 1;
    } else if (!px_view_is(type, "linear") && factor != 1) {
        char shown[64];
        const px_gguf_kv *kv = px_gguf_kv_find(r->g, key_of(r, "rope.scaling.type"));
        pxi_escape(shown, sizeof shown, type.p, type.n);
        pxi_diag_field(r->diag, "metadata %s", r->key);
        return pxi_diag_set(r->diag, PX_ERR_ARCH, kv ? kv->offset : 0,
                            "a rope scaling that runs (none, linear)", "%s", shown);
    }
    c->rope_scale = factor;
    return PX_ERR_OK;
}

static px_err read_rope(struct reader *r, struct pxi_config *c)
{
    float base;
    px_err err = count_of(r, "rope.dimension_count", c->key_dim, &c->rope_dim);
    if (err != PX_ERR_OK)
        return err;
    if (c->rope_dim > c->key_dim)
        return fault(r, PX_ERR_CORRUPT, "at most the length of a head", c->rope_dim);
    if (c->rope_dim % 2)
        return fault(r, PX_ERR_CORRUPT, "an even number", c->rope_dim);
    if ((err = real_of(r, "rope.freq_base", 10000, 1, 1e12f, &base)))
        return err;
    c->rope_base = (double)base;
    return read_scaling(r, c);
}

/* Without the embedding and the output there are only the tokens of the metadata to go by. */
static px_err vocab_of_tokens(struct reader *r, struct pxi_config *c)
{
    const px_gguf_kv *tokens = px_gguf_kv_find(r->g, "tokenizer.ggml.tokens");
    uint64_t n = tokens ? tokens->count : 0;
    return count_of(r, "vocab_size", (uint32_t)(n <= INT32_MAX ? n : 0), &c->vocab);
}

/* The embedding decides the vocabulary; what the metadata say must agree. */
static px_err read_vocab(struct reader *r, struct pxi_config *c)
{
    const px_gguf_tensor *t = px_gguf_tensor_find(r->g, "token_embd.weight");
    pxi_diag_field(r->diag, "token_embd.weight");
    if (!t && r->slice && !r->slice->embed) {
        t = px_gguf_tensor_find(r->g, "output.weight");
        if (!t)
            return vocab_of_tokens(r, c);
        pxi_diag_field(r->diag, "output.weight");
    }
    if (!t)
        return pxi_diag_set(r->diag, PX_ERR_CORRUPT, 0, "a tensor of this name", "no such tensor");
    if (t->n_dims != 2 || t->dims[1] > INT32_MAX)
        return pxi_diag_set(r->diag, PX_ERR_CORRUPT, t->offset, "a matrix",
                            "%u dimensions, %llu rows", t->n_dims, (unsigned long long)t->dims[1]);
    uint32_t said = 0;
    px_err err = count_of(r, "vocab_size", (uint32_t)t->dims[1], &said);
    if (err != PX_ERR_OK)
        return err;
    if (said != t->dims[1])
        return fault(r, PX_ERR_CORRUPT, "the number of rows of token_embd.weight", said);
    c->vocab = said;
    const px_gguf_kv *tokens = px_gguf_kv_find(r->g, "tokenizer.ggml.tokens");
    snprintf(r->key, sizeof r->key, "tokenizer.ggml.tokens");
    if (tokens && tokens->count > c->vocab)
        return fault(r, PX_ERR_CORRUPT, "at most one token a row of token_embd.weight",
                     (double)tokens->count);
    return PX_ERR_OK;
}

px_err pxi_config_read(struct pxi_config *c, const px_gguf *g, px_diag *diag)
{
    return pxi_config_read_slice(c, g, NULL, diag);
}

px_err pxi_config_read_slice(struct pxi_config *c, const px_gguf *g, const struct pxi_slice *s,
                             px_diag *diag)
{
    struct reader r = {.g = g, .slice = s, .diag = diag};
    px_err err;
    *c = (struct pxi_config){0};
    if ((err = read_arch(&r, c)) || (err = read_variants(&r)) || (err = read_sizes(&r, c)) ||
        (err = read_heads(&r, c)) || (err = read_rope(&r, c)))
        return err;
    return read_vocab(&r, c);
}
