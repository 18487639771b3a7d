/*
 * Small vocabularies as GGUF bytes, for tests of the tokenizers. vocab_llama and vocab_gpt2 are
 * complete ones; a test that wants a broken one changes the fields before vocab_open.
 */
#ifndef TEXT_VOCAB_H
#define TEXT_VOCAB_H

#include <stdio.h>

#include "gguf_file.h"
#include "plexus/tokenizer.h"

struct vocab {
    const char *model, *pre;
    char tokens[700][16];
    int32_t types[700];
    float scores[700];
    uint32_t count, type_count, score_count; /* counts as written to the file; 0: no such key */
    const char *merges[32];
    uint32_t merge_count;
    int64_t bos, eos, eot, unknown; /* -1: no such key */
    int add_bos, add_eos, space_prefix, squeeze;
    struct pxi_buf file;
    px_gguf *gguf;
    px_tokenizer *tokenizer;
    px_diag diag;
};

static inline int32_t vocab_add(struct vocab *v, const char *text, int type, float score)
{
    snprintf(v->tokens[v->count], sizeof v->tokens[0], "%s", text);
    v->types[v->count] = type;
    v->scores[v->count] = score;
    v->type_count = v->score_count = v->count + 1;
    return (int32_t)v->count++;
}

static inline void vocab_init(struct vocab *v, const char *model, const char *pre)
{
    *v = (struct vocab){.model = model, .pre = pre, .bos = -1, .eos = -1, .eot = -1, .unknown = -1};
    v->add_bos = v->add_eos = v->space_prefix = v->squeeze = -1;
}

static inline void vocab_bool(struct vocab *v, const char *key, int value, uint64_t *keys)
{
    if (value < 0)
        return;
    gf_key(&v->file, key, PX_GGUF_BOOL);
    gf_int(&v->file, (uint64_t)value, 1);
    ++*keys;
}

static inline void vocab_id(struct vocab *v, const char *key, int64_t id, uint64_t *keys)
{
    if (id < 0)
        return;
    gf_key(&v->file, key, PX_GGUF_U32);
    gf_int(&v->file, (uint64_t)id, 4);
    ++*keys;
}

static inline void vocab_string(struct vocab *v, const char *key, const char *value, uint64_t *keys)
{
    if (!value)
        return;
    gf_key(&v->file, key, PX_GGUF_STRING);
    gf_str(&v->file, value);
    ++*keys;
}

static inline void vocab_arrays(struct vocab *v, uint64_t *keys)
{
    if (v->count && ++*keys)
        gf_array(&v->file, "tokenizer.ggml.tokens", PX_GGUF_STRING, v->count);
    for (uint32_t i = 0; i < v->count; i++)
        gf_str(&v->file, v->tokens[i]);
    if (v->type_count && ++*keys)
        gf_array(&v->file, "tokenizer.ggml.token_type", PX_GGUF_I32, v->type_count);
    for (uint32_t i = 0; i < v->type_count; i++)
        gf_int(&v->file, (uint32_t)v->types[i], 4);
    if (v->score_count && ++*keys)
        gf_array(&v->file, "tokenizer.ggml.scores", PX_GGUF_F32, v->score_count);
    for (uint32_t i = 0; i < v->score_count; i++)
        gf_bytes(&v->file, &v->scores[i], 4);
    if (v->merge_count && ++*keys)
        gf_array(&v->file, "tokenizer.ggml.merges", PX_GGUF_STRING, v->merge_count);
    for (uint32_t i = 0; i < v->merge_count; i++)
        gf_str(&v->file, v->merges[i]);
}

/* Write the file into v->file. */
static inline void vocab_write(struct vocab *v)
{
    uint64_t keys = 0;
    gf_header(&v->file, 3, 0, 0);
    vocab_string(v, "tokenizer.ggml.model", v->model, &keys);
    vocab_string(v, "tokenizer.ggml.pre", v->pre, &keys);
    vocab_arrays(v, &keys);
    vocab_id(v, "tokenizer.ggml.bos_token_id", v->bos, &keys);
    vocab_id(v, "tokenizer.ggml.eos_token_id", v->eos, &keys);
    vocab_id(v, "tokenizer.ggml.eot_token_id", v->eot, &keys);
    vocab_id(v, "tokenizer.ggml.unknown_token_id", v->unknown, &keys);
    vocab_bool(v, "tokenizer.ggml.add_bos_token", v->add_bos, &keys);
    vocab_bool(v, "tokenizer.ggml.add_eos_token", v->add_eos, &keys);
    vocab_bool(v, "tokenizer.ggml.add_space_prefix", v->space_prefix, &keys);
    vocab_bool(v, "tokenizer.ggml.remove_extra_whitespaces", v->squeeze, &keys);
    for (unsigned i = 0; i < 8; i++)
        v->file.p[16 + i] = (uint8_t)(keys >> 8 * i);
    gf_pad(&v->file, 32);
}

/* Write, parse and build: v->tokenizer, or the error with v->diag. */
static inline px_err vocab_open(struct vocab *v)
{
    vocab_write(v);
    px_err err = px_gguf_parse(px_view_of(v->file.p, v->file.n), &v->gguf, &v->diag);
    return err ? err : px_tokenizer_new(v->gguf, &v->tokenizer, &v->diag);
}

static inline void vocab_close(struct vocab *v)
{
    px_tokenizer_free(v->tokenizer);
    px_gguf_free(v->gguf);
    pxi_buf_deinit(&v->file);
    v->tokenizer = NULL;
    v->gguf = NULL;
}

/* SentencePiece: 0 unk, 1 <s>, 2 </s>, 3 + b bytes, then words; "▁" is U+2581. */
static inline void vocab_llama(struct vocab *v)
{
    static const char *const words[] = {"▁",      "a",  "b",   "c",    "h",  "e",  "l",
                                        "o",      "▁h", "el",  "lo",   "ab", "bc", "abc",
                                        "▁hello", "▁▁", "hel", "▁hel", "é",  "ll", "llo"};
    char byte[8];
    vocab_init(v, "llama", NULL);
    vocab_add(v, "<unk>", 2, 0);
    vocab_add(v, "<s>", 3, 0);
    vocab_add(v, "</s>", 3, 0);
    for (unsigned b = 0; b < 256; b++) {
        snprintf(byte, sizeof byte, "<0x%02X>", b);
        vocab_add(v, byte, 6, 0);
    }
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
        vocab_add(v, words[i], 1, -(float)i);
    vocab_add(v, "<tool>", 4, 0);
}

/* Byte-level BPE: 0-255 the bytes in order of value, then words, then special tokens. */
static inline void vocab_gpt2(struct vocab *v, const char *pre)
{
    static const char *const merges[] = {"h e", "l l", "he ll", "hell o", "Ġ hello",
                                         "a b", "b c", "1 2",   "12 3",   "Ã ©"};
    static const char *const words[] = {"he", "ll", "hell", "hello", "Ġhello",
                                        "ab", "bc", "12",   "123",   "Ã©"};
    vocab_init(v, "gpt2", pre);
    for (unsigned b = 0, spare = 0x100; b < 256; b++) {
        int itself = (b >= 33 && b <= 126) || (b >= 161 && b != 173);
        unsigned cp = itself ? b : spare++;
        char text[4] = {(char)cp};
        if (cp >= 0x80) {
            text[0] = (char)(0xc0 | cp >> 6);
            text[1] = (char)(0x80 | (cp & 63));
        }
        vocab_add(v, text, 1, 0);
    }
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        vocab_add(v, words[i], 1, 0);
        v->merges[v->merge_count++] = merges[i];
    }
    vocab_add(v, "<|im_end|>", 3, 0);
    vocab_add(v, "<|im_start|>", 3, 0);
    vocab_add(v, "<think>", 4, 0);
    vocab_add(v, "<think>>", 4, 0);
    v->score_count = 0;
}

#endif
