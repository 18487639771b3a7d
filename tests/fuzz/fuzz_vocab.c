/*
 * Any vocabulary. Input that begins with GGUF is parsed as such a file; otherwise the first byte
 * chooses the family and records follow: kind, length, bytes. Kinds: token of a type, merge,
 * number of types or scores to write, special ids. Then a text is encoded and all ids decoded.
 */
#include <stdlib.h>

#include "text_vocab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char merge_texts[32][32];

static void add_token(struct vocab *v, int type, const uint8_t *p, size_t n)
{
    char text[16] = "";
    if (v->count == 700)
        return;
    memcpy(text, p, n < 15 ? n : 15);
    float score;
    uint32_t bits = n > 1 ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 : 0;
    memcpy(&score, &bits, 4);
    vocab_add(v, text, type, score);
}

static void add_record(struct vocab *v, unsigned kind, const uint8_t *p, size_t n)
{
    uint32_t number = n ? p[0] | (n > 1 ? p[1] << 8 : 0) : 0;
    if (kind < 8)
        add_token(v, (int)kind, p, n);
    else if (kind < 10 && v->merge_count < 32) {
        memset(merge_texts[v->merge_count], 0, 32);
        memcpy(merge_texts[v->merge_count], p, n < 31 ? n : 31);
        v->merges[v->merge_count] = merge_texts[v->merge_count];
        v->merge_count++;
    } else if (kind == 10)
        v->bos = number;
    else if (kind == 11)
        v->eos = number;
    else if (kind == 12)
        v->eot = number;
    else if (kind == 13)
        v->unknown = number;
    else if (kind == 14)
        v->type_count = number < v->count ? number : v->count;
    else if (kind == 15)
        v->score_count = number < v->count ? number : v->count;
}

static void use(const px_tokenizer *t)
{
    static const char text[] = " Hello hello  aaaa<s>\n12345<|im_end|>\xff\xe3\x80 \xc3\xa9"
                               "abab!";
    static int32_t ids[4096];
    char out[512];
    px_detok d = {0};
    size_t n;
    for (unsigned flags = 0; flags < 4; flags++)
        if (px_tokenize(t, px_view_str(text), flags, ids, 4096, &n) == PX_ERR_OK)
            for (size_t i = 0; i < n && i < 4096; i++)
                if (ids[i] < 0 || (uint32_t)ids[i] >= px_tokenizer_size(t))
                    abort();
    for (int32_t id = -1; id <= (int32_t)px_tokenizer_size(t) && id < 5000; id++) {
        if (px_detok_next(t, &d, id, out, sizeof out, &n) == PX_ERR_OK && n > sizeof out)
            abort();
        if (px_tokenizer_is_end(t, id) + px_tokenizer_is_control(t, id) > 2)
            abort();
        px_view spelt = px_tokenizer_text(t, id);
        if (spelt.n && px_tokenizer_find(t, spelt) != id)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vocab v;
    px_diag diag = {0};
    px_view file = px_view_of(data, size);
    if (!size)
        return 0;
    vocab_init(&v, data[0] & 1 ? "llama" : "gpt2", "gpt-2");
    if (size < 4 || memcmp(data, "GGUF", 4) != 0) {
        v.add_bos = data[0] >> 1 & 1;
        v.space_prefix = data[0] >> 2 & 1;
        v.squeeze = data[0] >> 3 & 1;
        for (size_t at = 1; at + 2 <= size;) {
            size_t n = data[at + 1] & 31;
            n = n < size - at - 2 ? n : size - at - 2;
            add_record(&v, data[at] & 15, data + at + 2, n);
            at += 2 + n;
        }
        vocab_write(&v);
        file = px_view_of(v.file.p, v.file.n);
    }
    if (px_gguf_parse(file, &v.gguf, NULL) == PX_ERR_OK) {
        px_err err = px_tokenizer_new(v.gguf, &v.tokenizer, &diag);
        if (err == PX_ERR_OK)
            use(v.tokenizer);
        else if (!diag.field[0] || !diag.expected[0])
            abort();
    }
    vocab_close(&v);
    return 0;
}
