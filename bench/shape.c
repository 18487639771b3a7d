/*
 * Writes the models of shape.h. A weight is a function of tensor name and index alone (a SplitMix64
 * stream that starts at a hash of the name), so that threads may fill any rows in any order.
 */
#include "shape.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/rng.h"
#include "io/team.h"
#include "plexus/gguf.h"
#include "tensor/quantize.h"

struct shape {
    const char *name, *arch;
    unsigned dim, blocks, heads, kv_heads, ffn, vocab, context;
    int tied, qkv_bias;
    float rope_base;
};

static const struct shape shapes[] = {
    {"llama-15m", "llama", 288, 6, 6, 6, 768, 32000, 2048, 1, 0, 1e4f},
    {"llama-110m", "llama", 768, 12, 12, 12, 2048, 32000, 2048, 1, 0, 1e4f},
    {"llama-1.1b", "llama", 2048, 22, 32, 4, 5632, 32000, 2048, 0, 0, 1e4f},
    {"qwen2-0.5b", "qwen2", 896, 24, 14, 2, 4864, 151936, 32768, 1, 1, 1e6f},
    {"llama32-1b", "llama", 2048, 16, 32, 8, 8192, 128256, 131072, 1, 0, 5e5f},
    {"tiny-256", "llama", 256, 3, 4, 2, 512, 700, 2048, 0, 0, 1e4f},
};

static const struct mix {
    const char *name;
    uint32_t most, output; /* types of matrices */
    int more_bits;         /* attn_v and ffn_down of some blocks as `output` */
    uint32_t file_type;    /* general.file_type of llama.cpp */
} mixes[] = {
    {"f32", PX_DTYPE_F32, PX_DTYPE_F32, 0, 0},       {"f16", PX_DTYPE_F16, PX_DTYPE_F16, 0, 1},
    {"q8_0", PX_DTYPE_Q8_0, PX_DTYPE_Q8_0, 0, 7},    {"q4_0", PX_DTYPE_Q4_0, PX_DTYPE_Q6_K, 0, 2},
    {"q4_k_m", PX_DTYPE_Q4_K, PX_DTYPE_Q6_K, 1, 15},
};

enum kind { MATRIX, NORM, BIAS };

struct tensor {
    char name[64];
    enum kind kind;
    uint32_t type;
    uint64_t columns, rows;
};

struct job {
    const struct shape *s;
    const struct mix *mix;
    px_gguf_writer *w;
    FILE *file;
    struct tensor *tensors;
    size_t count, room;
    struct pxi_team *team;
    float *floats;   /* one chunk of rows */
    uint8_t *packed; /* the same, packed */
    const struct tensor *t;
    uint64_t row_first, row_last; /* of the chunk */
};

/* Elements of a chunk: bounds the memory at 16 MiB of floats and as much packed. */
#define CHUNK ((size_t)4 << 20)

const char *px_shape_name(unsigned i)
{
    return i < sizeof shapes / sizeof *shapes ? shapes[i].name : NULL;
}

/* The type a matrix really gets: rows that are no whole number of blocks take the next best. */
static uint32_t fitting(uint32_t type, uint64_t columns)
{
    if (columns % px_dtype_block(type) == 0)
        return type;
    uint32_t next = type == PX_DTYPE_Q4_K   ? PX_DTYPE_Q5_0
                    : type == PX_DTYPE_Q6_K ? PX_DTYPE_Q8_0
                                            : PX_DTYPE_F16;
    return fitting(next, columns);
}

/* The first and last eighth of the blocks and every third between are worth more bits. */
static int more_bits(unsigned i, unsigned n)
{
    return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
}

__attribute__((format(printf, 6, 7))) static void plan(struct job *j, enum kind kind, uint32_t type,
                                                       uint64_t columns, uint64_t rows,
                                                       const char *name, ...)
{
    struct tensor *t = &j->tensors[j->count++];
    va_list ap;
    va_start(ap, name);
    vsnprintf(t->name, sizeof t->name, name, ap);
    va_end(ap);
    t->kind = kind;
    t->type = kind == MATRIX ? fitting(type, columns) : PX_DTYPE_F32;
    t->columns = columns;
    t->rows = rows;
}

static void plan_block(struct job *j, unsigned i)
{
    const struct shape *s = j->s;
    uint32_t most = j->mix->most;
    uint32_t best = j->mix->more_bits && more_bits(i, s->blocks) ? j->mix->output : most;
    uint64_t dim = s->dim, kv = (uint64_t)s->kv_heads * (s->dim / s->heads);
    plan(j, NORM, 0, dim, 1, "blk.%u.attn_norm.weight", i);
    plan(j, MATRIX, most, dim, dim, "blk.%u.attn_q.weight", i);
    plan(j, MATRIX, most, dim, kv, "blk.%u.attn_k.weight", i);
    plan(j, MATRIX, best, dim, kv, "blk.%u.attn_v.weight", i);
    if (s->qkv_bias) {
        plan(j, BIAS, 0, dim, 1, "blk.%u.attn_q.bias", i);
        plan(j, BIAS, 0, kv, 1, "blk.%u.attn_k.bias", i);
        plan(j, BIAS, 0, kv, 1, "blk.%u.attn_v.bias", i);
    }
    plan(j, MATRIX, most, dim, dim, "blk.%u.attn_output.weight", i);
    plan(j, NORM, 0, dim, 1, "blk.%u.ffn_norm.weight", i);
    plan(j, MATRIX, most, dim, s->ffn, "blk.%u.ffn_gate.weight", i);
    plan(j, MATRIX, most, dim, s->ffn, "blk.%u.ffn_up.weight", i);
    plan(j, MATRIX, best, s->ffn, dim, "blk.%u.ffn_down.weight", i);
}

static px_err plan_all(struct job *j)
{
    const struct shape *s = j->s;
    px_err err = PX_ERR_OK;
    j->tensors = calloc(12 * s->blocks + 3, sizeof *j->tensors);
    if (!j->tensors)
        return PX_ERR_NOMEM;
    plan(j, MATRIX, s->tied ? j->mix->output : j->mix->most, s->dim, s->vocab, "token_embd.weight");
    for (unsigned i = 0; i < s->blocks; i++)
        plan_block(j, i);
    plan(j, NORM, 0, s->dim, 1, "output_norm.weight");
    if (!s->tied)
        plan(j, MATRIX, j->mix->output, s->dim, s->vocab, "output.weight");
    for (size_t i = 0; !err && i < j->count; i++) {
        const struct tensor *t = &j->tensors[i];
        uint64_t dims[] = {t->columns, t->rows};
        err = px_gguf_put_tensor(j->w, px_view_str(t->name), t->type, t->kind == MATRIX ? 2 : 1,
                                 dims);
    }
    return err;
}

/* Word pieces in order of length, each bare and after a space: "a", " a", ..., "aa", ... */
static void piece(char out[16], unsigned i)
{
    unsigned length = 1, count = 26;
    if (i == 0) {
        memcpy(out, "\xe2\x96\x81", 4);
        return;
    }
    for (i--; i >= 2 * count; count *= 26, length++)
        i -= 2 * count;
    size_t at = i < count ? 0 : 3;
    memcpy(out, "\xe2\x96\x81", 3);
    i %= count;
    for (unsigned l = 0; l < length; l++, i /= 26)
        out[at + length - 1 - l] = (char)('a' + i % 26);
    out[at + length] = 0;
}

static void token(char out[16], int32_t *type, unsigned id)
{
    static const char *const special[] = {"<unk>", "<s>", "</s>"};
    *type = id == 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1;
    if (id < 3)
        snprintf(out, 16, "%s", special[id]);
    else if (id < 259)
        snprintf(out, 16, "<0x%02X>", id - 3);
    else
        piece(out, id - 259);
}

static px_err put_vocab(struct job *j)
{
    unsigned n = j->s->vocab;
    char(*text)[16] = calloc(n, sizeof *text);
    px_view *views = calloc(n, sizeof *views);
    float *scores = calloc(n, sizeof *scores);
    int32_t *types = calloc(n, sizeof *types);
    px_err err = text && views && scores && types ? PX_ERR_OK : PX_ERR_NOMEM;
    for (unsigned i = 0; !err && i < n; i++) {
        token(text[i], &types[i], i);
        views[i] = px_view_str(text[i]);
        scores[i] = i < 259 ? 0 : (float)i; /* longer pieces are better, so that words merge */
    }
    px_gguf_writer *w = j->w;
    if (!err)
        err = px_gguf_put_str(w, "tokenizer.ggml.model", px_view_str("llama"));
    if (!err)
        err = px_gguf_put_strs(w, "tokenizer.ggml.tokens", views, n);
    if (!err)
        err = px_gguf_put_f32s(w, "tokenizer.ggml.scores", scores, n);
    if (!err)
        err = px_gguf_put_i32s(w, "tokenizer.ggml.token_type", types, n);
    if (!err)
        err = px_gguf_put_u32(w, "tokenizer.ggml.bos_token_id", 1);
    if (!err)
        err = px_gguf_put_u32(w, "tokenizer.ggml.eos_token_id", 2);
    free(text);
    free(views);
    free(scores);
    free(types);
    return err;
}

static px_err put_u32(struct job *j, const char *key, uint32_t v)
{
    char full[80];
    snprintf(full, sizeof full, "%s.%s", j->s->arch, key);
    return px_gguf_put_u32(j->w, full, v);
}

static px_err put_f32(struct job *j, const char *key, float v)
{
    char full[80];
    snprintf(full, sizeof full, "%s.%s", j->s->arch, key);
    return px_gguf_put_f32(j->w, full, v);
}

static px_err put_metadata(struct job *j)
{
    const struct shape *s = j->s;
    px_err err = px_gguf_put_str(j->w, "general.architecture", px_view_str(s->arch));
    if (!err)
        err = px_gguf_put_str(j->w, "general.name", px_view_str(s->name));
    if (!err)
        err = px_gguf_put_u32(j->w, "general.file_type", j->mix->file_type);
    const struct {
        const char *key;
        uint32_t v;
    } keys[] = {
        {"context_length", s->context},
        {"embedding_length", s->dim},
        {"block_count", s->blocks},
        {"feed_forward_length", s->ffn},
        {"attention.head_count", s->heads},
        {"attention.head_count_kv", s->kv_heads},
        {"rope.dimension_count", s->dim / s->heads},
        {"vocab_size", s->vocab},
    };
    for (size_t i = 0; !err && i < sizeof keys / sizeof *keys; i++)
        err = put_u32(j, keys[i].key, keys[i].v);
    if (!err)
        err = put_f32(j, "attention.layer_norm_rms_epsilon", 1e-5f);
    if (!err)
        err = put_f32(j, "rope.freq_base", s->rope_base);
    return err ? err : put_vocab(j);
}

/* Elements [first, last) of tensor t. */
static void fill(float *out, const struct tensor *t, uint64_t first, uint64_t last)
{
    float a = t->kind == MATRIX ? sqrtf(3.0f / (float)t->columns) : 0.1f;
    float middle = t->kind == NORM ? 1 : 0;
    uint64_t seed = pxi_hash64(t->name, strlen(t->name), 0);
    struct pxi_rng r = {seed + first * 0x9e3779b97f4a7c15u};
    for (uint64_t i = first; i < last; i++)
        *out++ = middle + a * (2 * pxi_rng_f32(&r) - 1);
}

/* This thread's share of the chunk. */
static void make_rows(void *arg, unsigned rank, unsigned size)
{
    struct job *j = arg;
    const struct tensor *t = j->t;
    size_t row_bytes = (size_t)px_dtype_row_bytes(t->type, t->columns);
    uint64_t rows = j->row_last - j->row_first;
    for (uint64_t r = rows * rank / size; r < rows * (rank + 1) / size; r++) {
        float *x = j->floats + r * t->columns;
        uint64_t at = (j->row_first + r) * t->columns;
        fill(x, t, at, at + t->columns);
        pxi_quantize_row(t->type, j->packed + r * row_bytes, x, (size_t)t->columns);
    }
}

static px_err write_tensor(struct job *j, const struct tensor *t)
{
    size_t row_bytes = (size_t)px_dtype_row_bytes(t->type, t->columns);
    uint64_t rows = CHUNK / t->columns;
    px_err err = PX_ERR_OK;
    j->t = t;
    for (j->row_first = 0; !err && j->row_first < t->rows; j->row_first = j->row_last) {
        j->row_last = j->row_first + rows < t->rows ? j->row_first + rows : t->rows;
        pxi_team_run(j->team, make_rows, j);
        err = px_gguf_write_data(j->w, j->packed, (j->row_last - j->row_first) * row_bytes);
    }
    return err;
}

static int to_file(void *ctx, const void *p, size_t n)
{
    return fwrite(p, 1, n, ctx) != n;
}

static px_err write_all(struct job *j)
{
    px_err err = put_metadata(j);
    if (!err)
        err = plan_all(j);
    if (!err)
        err = px_gguf_write_header(j->w, to_file, j->file);
    for (size_t i = 0; !err && i < j->count; i++)
        err = write_tensor(j, &j->tensors[i]);
    return err ? err : px_gguf_write_finish(j->w);
}

static int fail(char *why, size_t cap, const char *what, const char *which)
{
    snprintf(why, cap, "%s: %s", which, what);
    return -1;
}

static px_err run(struct job *j, unsigned threads)
{
    px_err err = PX_ERR_NOMEM;
    j->w = px_gguf_writer_new(0);
    j->floats = malloc(CHUNK * sizeof(float));
    j->packed = malloc(CHUNK * sizeof(float));
    j->team = pxi_team_new(threads);
    if (j->w && j->floats && j->packed && j->team)
        err = write_all(j);
    pxi_team_free(j->team);
    px_gguf_writer_free(j->w);
    free(j->floats);
    free(j->packed);
    free(j->tensors);
    return err;
}

int px_shape_write(const char *shape, const char *type, const char *path, unsigned threads,
                   char *why, size_t cap)
{
    struct job j = {0};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (strcmp(shapes[i].name, shape) == 0)
            j.s = &shapes[i];
    for (size_t i = 0; i < sizeof mixes / sizeof *mixes; i++)
        if (strcmp(mixes[i].name, type) == 0)
            j.mix = &mixes[i];
    if (!j.s)
        return fail(why, cap, "no such shape", shape);
    if (!j.mix)
        return fail(why, cap, "no such type", type);
    j.file = fopen(path, "wb");
    if (!j.file)
        return fail(why, cap, "cannot be created", path);
    px_err err = run(&j, threads);
    if (fclose(j.file) != 0 && !err)
        err = PX_ERR_IO;
    if (err)
        remove(path);
    return err ? fail(why, cap, px_err_text(err), path) : 0;
}
