/* Small random models in memory, for tests of the engine: no file, no training, any architecture.
 */
#ifndef PX_TEST_MODEL_FILE_H
#define PX_TEST_MODEL_FILE_H

#include "base/mem.h"
#include "base/rng.h"
#include "plexus/gguf.h"
#include "px_test.h"
#include "tensor/quantize.h"

struct model_shape {
    const char *arch;
    uint32_t embd, ffn, heads, kv_heads, head_dim, blocks, vocab;
    uint32_t type, down_type, output_type; /* tensor types; down: ffn_down */
    int tied, rope_freqs;
    int bias; /* of q, k, v even where the architecture does not demand it */
};

struct model_writer {
    px_gguf_writer *w;
    const struct model_shape *s;
    struct pxi_buf out;
    struct pxi_rng rng;
    int writing; /* 0: announce the tensors, 1: write their data */
};

static int model_sink(void *ctx, const void *bytes, size_t n)
{
    return !pxi_buf_add(ctx, bytes, n);
}

static void model_data(struct model_writer *m, uint32_t type, uint64_t cols, uint64_t rows,
                       float center, float spread)
{
    float *row = calloc(cols, sizeof *row);
    uint64_t bytes = px_dtype_row_bytes(type, cols);
    uint8_t *packed = calloc(bytes, 1);
    for (uint64_t r = 0; r < rows; r++) {
        for (uint64_t i = 0; i < cols; i++)
            row[i] = center + spread * (pxi_rng_f32(&m->rng) * 2 - 1);
        CHECK(pxi_quantize_row(type, packed, row, cols));
        CHECK_EQ(px_gguf_write_data(m->w, packed, bytes), PX_ERR_OK);
    }
    free(row);
    free(packed);
}

static void model_tensor(struct model_writer *m, const char *name, uint32_t type, uint64_t cols,
                         uint64_t rows, float center, float spread)
{
    uint64_t dims[2] = {cols, rows ? rows : 1};
    if (m->writing)
        model_data(m, type, cols, dims[1], center, spread);
    else
        CHECK_EQ(px_gguf_put_tensor(m->w, px_view_str(name), type, rows ? 2 : 1, dims), PX_ERR_OK);
}

static void model_matrix(struct model_writer *m, const char *name, uint32_t type, uint64_t cols,
                         uint64_t rows)
{
    model_tensor(m, name, type, cols, rows, 0, 1.7f / sqrtf((float)cols));
}

static void model_vector(struct model_writer *m, const char *name, uint64_t n, float center,
                         float spread)
{
    model_tensor(m, name, PX_DTYPE_F32, n, 0, center, spread);
}

static void model_block(struct model_writer *m, uint32_t block)
{
    const struct model_shape *s = m->s;
    char name[64];
    uint64_t q = (uint64_t)s->heads * s->head_dim, k = (uint64_t)s->kv_heads * s->head_dim;
#define NAME(suffix) (snprintf(name, sizeof name, "blk.%u.%s", block, suffix), name)
    model_vector(m, NAME("attn_norm.weight"), s->embd, 1, 0.2f);
    model_matrix(m, NAME("attn_q.weight"), s->type, s->embd, q);
    model_matrix(m, NAME("attn_k.weight"), s->type, s->embd, k);
    model_matrix(m, NAME("attn_v.weight"), s->type, s->embd, k);
    if (s->bias) {
        model_vector(m, NAME("attn_q.bias"), q, 0, 0.5f);
        model_vector(m, NAME("attn_k.bias"), k, 0, 0.5f);
        model_vector(m, NAME("attn_v.bias"), k, 0, 0.5f);
    }
    if (!strcmp(s->arch, "qwen3")) {
        model_vector(m, NAME("attn_q_norm.weight"), s->head_dim, 1, 0.3f);
        model_vector(m, NAME("attn_k_norm.weight"), s->head_dim, 1, 0.3f);
    }
    model_matrix(m, NAME("attn_output.weight"), s->type, q, s->embd);
    model_vector(m, NAME("ffn_norm.weight"), s->embd, 1, 0.2f);
    model_matrix(m, NAME("ffn_gate.weight"), s->type, s->embd, s->ffn);
    model_matrix(m, NAME("ffn_up.weight"), s->type, s->embd, s->ffn);
    model_matrix(m, NAME("ffn_down.weight"), s->down_type, s->ffn, s->embd);
#undef NAME
}

static void model_tensors(struct model_writer *m)
{
    const struct model_shape *s = m->s;
    m->rng.state = px_seed;
    model_matrix(m, "token_embd.weight", s->output_type, s->embd, s->vocab);
    model_vector(m, "output_norm.weight", s->embd, 1, 0.2f);
    if (!s->tied)
        model_matrix(m, "output.weight", s->output_type, s->embd, s->vocab);
    if (s->rope_freqs)
        model_vector(m, "rope_freqs.weight", s->head_dim / 2, 4, 3);
    for (uint32_t b = 0; b < s->blocks; b++)
        model_block(m, b);
}

static void model_keys(struct model_writer *m)
{
    const struct model_shape *s = m->s;
    char key[96];
#define KEY(suffix) (snprintf(key, sizeof key, "%s.%s", s->arch, suffix), key)
    px_err e = px_gguf_put_str(m->w, "general.architecture", px_view_str(s->arch));
    e = e ? e : px_gguf_put_u32(m->w, KEY("context_length"), 512);
    e = e ? e : px_gguf_put_u32(m->w, KEY("embedding_length"), s->embd);
    e = e ? e : px_gguf_put_u32(m->w, KEY("feed_forward_length"), s->ffn);
    e = e ? e : px_gguf_put_u32(m->w, KEY("block_count"), s->blocks);
    e = e ? e : px_gguf_put_u32(m->w, KEY("attention.head_count"), s->heads);
    e = e ? e : px_gguf_put_u32(m->w, KEY("attention.head_count_kv"), s->kv_heads);
    e = e ? e : px_gguf_put_u32(m->w, KEY("attention.key_length"), s->head_dim);
    e = e ? e : px_gguf_put_u32(m->w, KEY("attention.value_length"), s->head_dim);
    e = e ? e : px_gguf_put_f32(m->w, KEY("attention.layer_norm_rms_epsilon"), 1e-5f);
    CHECK_EQ(e, PX_ERR_OK);
#undef KEY
}

/* A vocabulary of the SentencePiece kind: three control tokens, 256 bytes, then "t<n>". */
static void model_vocab(struct model_writer *m)
{
    uint32_t n = m->s->vocab;
    px_view *tokens = calloc(n, sizeof *tokens);
    int32_t *types = calloc(n, sizeof *types);
    float *scores = calloc(n, sizeof *scores);
    char(*text)[16] = calloc(n, sizeof *text);
    for (uint32_t i = 0; i < n; i++) {
        if (i < 3)
            snprintf(text[i], sizeof text[i], "<%s>", i == 0 ? "unk" : i == 1 ? "s" : "/s");
        else if (i < 259)
            snprintf(text[i], sizeof text[i], "<0x%02X>", i - 3);
        else
            snprintf(text[i], sizeof text[i], "t%u", i);
        types[i] = i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1;
        tokens[i] = px_view_str(text[i]);
    }
    px_err e = px_gguf_put_str(m->w, "tokenizer.ggml.model", px_view_str("llama"));
    e = e ? e : px_gguf_put_strs(m->w, "tokenizer.ggml.tokens", tokens, n);
    e = e ? e : px_gguf_put_i32s(m->w, "tokenizer.ggml.token_type", types, n);
    e = e ? e : px_gguf_put_f32s(m->w, "tokenizer.ggml.scores", scores, n);
    e = e ? e : px_gguf_put_u32(m->w, "tokenizer.ggml.bos_token_id", 1);
    e = e ? e : px_gguf_put_u32(m->w, "tokenizer.ggml.eos_token_id", 2);
    CHECK_EQ(e, PX_ERR_OK);
    free(tokens);
    free(types);
    free(scores);
    free(text);
}

static uint8_t *model_kept[64]; /* files, until the program ends */
static unsigned model_kept_count;

/* The file of a random model; the bytes stay. */
static px_view model_file(const struct model_shape *s)
{
    struct model_writer m = {.w = px_gguf_writer_new(0), .s = s, .out.max = (size_t)1 << 30};
    CHECK(m.w != NULL);
    model_keys(&m);
    model_vocab(&m);
    model_tensors(&m);
    CHECK_EQ(px_gguf_write_header(m.w, model_sink, &m.out), PX_ERR_OK);
    m.writing = 1;
    model_tensors(&m);
    CHECK_EQ(px_gguf_write_finish(m.w), PX_ERR_OK);
    px_gguf_writer_free(m.w);
    CHECK(model_kept_count < 64);
    model_kept[model_kept_count++] = m.out.p;
    return px_view_of(m.out.p, m.out.n);
}

#endif
