/* Building a tokenizer from the metadata of a file, and what may be asked of it. */
#include "text/tokenizer.h"

#include "base/diag.h"

/* An id of the metadata; PX_TOKEN_NONE when absent or written as -1. */
static px_err read_id(const px_tokenizer *t, const px_gguf *g, const char *key, int32_t *out,
                      px_diag *diag)
{
    uint64_t id;
    const px_gguf_kv *kv = px_gguf_kv_find(g, key);
    px_err err = px_gguf_get_u64(g, key, &id, diag);
    *out = PX_TOKEN_NONE;
    if (err || id == UINT32_MAX)
        return err == PX_ERR_NOT_FOUND ? PX_ERR_OK : err;
    if (id >= t->vocab.count) {
        pxi_diag_field(diag, "%s", key);
        return pxi_diag_set(diag, PX_ERR_CORRUPT, kv->offset, "the id of a token", "%llu of %u",
                            (unsigned long long)id, (unsigned)t->vocab.count);
    }
    *out = (int32_t)id;
    return PX_ERR_OK;
}

/* A yes or no of the metadata; `otherwise` when absent. */
static px_err read_flag(const px_gguf *g, const char *key, int otherwise, uint8_t *out,
                        px_diag *diag)
{
    int value = otherwise;
    px_err err = px_gguf_get_bool(g, key, &value, diag);
    *out = value != 0;
    return err == PX_ERR_NOT_FOUND ? PX_ERR_OK : err;
}

/* The family: *llama for SentencePiece, else t->pre. */
static px_err read_family(px_tokenizer *t, const px_gguf *g, bool *llama, px_diag *diag)
{
    px_view model, name = px_view_str("default");
    const char *expected = "llama or gpt2";
    char found[64];
    pxi_diag_field(diag, "tokenizer.ggml.model");
    px_err err = px_gguf_get_str(g, "tokenizer.ggml.model", &model, diag);
    if (err == PX_ERR_NOT_FOUND)
        return pxi_diag_set(diag, err, 0, "a key of the metadata", "no such key");
    if (err)
        return err;
    *llama = px_view_is(model, "llama");
    if (*llama)
        return PX_ERR_OK;
    if (px_view_is(model, "gpt2")) {
        expected = "a pre-tokenizer that is known";
        err = px_gguf_get_str(g, "tokenizer.ggml.pre", &name, diag);
        if (err && err != PX_ERR_NOT_FOUND)
            return err;
        t->pre = pxi_pre_find(name);
        if (t->pre)
            return PX_ERR_OK;
        pxi_diag_field(diag, "tokenizer.ggml.pre");
        model = name;
    }
    pxi_escape(found, sizeof found, model.p, model.n);
    const px_gguf_kv *kv =
        px_gguf_kv_find(g, model.p == name.p ? "tokenizer.ggml.pre" : "tokenizer.ggml.model");
    return pxi_diag_set(diag, PX_ERR_TOKENIZER, kv ? kv->offset : 0, expected, "%s", found);
}

static bool ends_by_spelling(px_view text)
{
    static const char *const ends[] = {"<|im_end|>",
                                       "<|eot_id|>",
                                       "<|eom_id|>",
                                       "<|end|>",
                                       "<end_of_turn>",
                                       "<|endoftext|>",
                                       "</s>",
                                       "<|end_of_text|>",
                                       "<EOT>",
                                       "<|return|>",
                                       "<|call|>",
                                       "<|end_of_turn|>",
                                       "<turn|>",
                                       "<\xef\xbd\x9c"
                                       "end\xe2\x96\x81of\xe2\x96"
                                       "\x81sentence\xef\xbd\x9c>"};
    for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++)
        if (px_view_is(text, ends[i]))
            return true;
    return false;
}

void pxi_mark_ends(px_tokenizer *t, int32_t eot, int32_t eom)
{
    int32_t ids[3] = {t->eos, eot, eom};
    for (unsigned i = 0; i < 3; i++)
        if (ids[i] >= 0)
            t->vocab.type[ids[i]] |= PXI_TOKEN_END;
    for (uint32_t i = 0; i < t->specials.count; i++) {
        int32_t id = t->specials.list[i].id;
        if (ends_by_spelling(t->vocab.text[id]))
            t->vocab.type[id] |= PXI_TOKEN_END;
    }
}

static px_err read_ids(px_tokenizer *t, const px_gguf *g, bool llama, px_diag *diag)
{
    int32_t eot = PX_TOKEN_NONE, eom = PX_TOKEN_NONE;
    px_err err = read_id(t, g, "tokenizer.ggml.bos_token_id", &t->bos, diag);
    if (!err)
        err = read_id(t, g, "tokenizer.ggml.eos_token_id", &t->eos, diag);
    if (!err)
        err = read_id(t, g, "tokenizer.ggml.eot_token_id", &eot, diag);
    if (!err)
        err = read_id(t, g, "tokenizer.ggml.eom_token_id", &eom, diag);
    if (!err)
        err = read_id(t, g, "tokenizer.ggml.unknown_token_id", &t->unknown, diag);
    if (!err && llama) {
        if (t->bos < 0)
            t->bos = pxi_vocab_find(&t->vocab, px_view_str("<s>"));
        if (t->eos < 0)
            t->eos = pxi_vocab_find(&t->vocab, px_view_str("</s>"));
        if (t->unknown < 0)
            t->unknown = pxi_vocab_find(&t->vocab, px_view_str("<unk>"));
    }
    if (!err)
        pxi_mark_ends(t, eot, eom);
    return err;
}

static px_err read_flags(px_tokenizer *t, const px_gguf *g, bool llama, px_diag *diag)
{
    uint8_t prefix = 0;
    px_err err =
        read_flag(g, "tokenizer.ggml.add_bos_token", llama || t->pre->add_bos, &t->add_bos, diag);
    if (!err)
        err = read_flag(g, "tokenizer.ggml.add_eos_token", 0, &t->add_eos, diag);
    if (!err)
        err = read_flag(g, "tokenizer.ggml.add_space_prefix", llama, &prefix, diag);
    if (!err)
        err = read_flag(g, "tokenizer.ggml.remove_extra_whitespaces", 0, &t->squeeze_spaces, diag);
    t->add_bos &= t->bos >= 0;
    t->add_eos &= t->eos >= 0;
    if (!llama)
        return err;
    t->merging = PXI_BY_SCORE;
    t->spell = 1;
    t->drop_first = prefix;
    t->prefix = prefix ? PXI_PREFIX_ALWAYS : PXI_PREFIX_NEVER;
    t->words = pxi_words_apart(t) ? PXI_WORDS_RUNS : PXI_WORDS_NONE;
    return err;
}

/* The keys that tokens depend on. */
static px_err read_sources(px_tokenizer *t, const px_gguf *g)
{
    static const char prefix[] = "tokenizer.ggml.";
    uint64_t n = px_gguf_kv_count(g);
    t->sources = pxi_arena_alloc(&t->arena, (size_t)n, sizeof *t->sources);
    for (uint64_t i = 0; t->sources && i < n; i++) {
        const px_gguf_kv *kv = px_gguf_kv_at(g, i);
        if (kv->key.n >= sizeof prefix && memcmp(kv->key.p, prefix, sizeof prefix - 1) == 0)
            t->sources[t->source_count++] = kv->value;
    }
    return t->sources ? PX_ERR_OK : PX_ERR_NOMEM;
}

static px_err build(px_tokenizer *t, const px_gguf *g, px_diag *diag)
{
    bool llama = false;
    px_err err = read_family(t, g, &llama, diag);
    if (!err && !llama) {
        t->merging = PXI_BY_RANK;
        t->byte_level = t->char_unknown = 1;
        t->whole_words = t->pre->whole_words != 0;
    }
    if (!err)
        err = pxi_vocab_read(t, g, llama, diag);
    if (!err && !llama)
        err = pxi_merges_read(t, g, diag);
    if (!err)
        err = pxi_specials_init(t, diag);
    if (!err)
        err = read_ids(t, g, llama, diag);
    if (!err)
        err = read_flags(t, g, llama, diag);
    return err ? err : read_sources(t, g);
}

px_tokenizer *pxi_tokenizer_alloc(size_t most)
{
    px_tokenizer *t = pxi_calloc(1, sizeof *t);
    if (!t)
        return NULL;
    pxi_arena_init(&t->arena, most);
    t->bos = t->eos = t->unknown = PX_TOKEN_NONE;
    for (unsigned b = 0; b < 256; b++)
        t->byte_id[b] = PX_TOKEN_NONE;
    return t;
}

px_err px_tokenizer_new(const px_gguf *g, px_tokenizer **out, px_diag *diag)
{
    px_tokenizer *t = pxi_tokenizer_alloc(0);
    *out = NULL;
    if (!t)
        return PX_ERR_NOMEM;
    px_err err = build(t, g, diag);
    if (err)
        px_tokenizer_free(t);
    else
        *out = t;
    return err;
}

void px_tokenizer_free(px_tokenizer *t)
{
    if (!t)
        return;
    pxi_arena_deinit(&t->arena);
    pxi_free(t);
}

uint32_t px_tokenizer_size(const px_tokenizer *t)
{
    return t->vocab.count;
}
int32_t px_tokenizer_bos(const px_tokenizer *t)
{
    return t->bos;
}
int32_t px_tokenizer_eos(const px_tokenizer *t)
{
    return t->eos;
}
int px_tokenizer_add_bos(const px_tokenizer *t)
{
    return t->add_bos;
}
int px_tokenizer_add_eos(const px_tokenizer *t)
{
    return t->add_eos;
}

static bool in_range(const px_tokenizer *t, int32_t token)
{
    return token >= 0 && (uint32_t)token < t->vocab.count;
}

int px_tokenizer_is_end(const px_tokenizer *t, int32_t token)
{
    return in_range(t, token) && t->vocab.type[token] & PXI_TOKEN_END;
}

int px_tokenizer_is_control(const px_tokenizer *t, int32_t token)
{
    int type = in_range(t, token) ? pxi_token_type(t, token) : PXI_TOKEN_NORMAL;
    return type == PXI_TOKEN_CONTROL || type == PXI_TOKEN_UNKNOWN;
}

px_view px_tokenizer_text(const px_tokenizer *t, int32_t token)
{
    return in_range(t, token) ? t->vocab.text[token] : px_view_of(NULL, 0);
}

int32_t px_tokenizer_find(const px_tokenizer *t, px_view text)
{
    return pxi_vocab_find(&t->vocab, text);
}
