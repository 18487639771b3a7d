/*
 * Any text through any tokenizer family. The first byte chooses the family, the second the flags.
 * What comes back must be the text, and the stream of the detokenizer must be valid UTF-8.
 */
#include <stdlib.h>

#include "text/utf8.h"
#include "text_vocab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const families[] = {
    NULL,     "default",      "gpt-2",          "llama-bpe",   "qwen2",  "qwen35", "starcoder",
    "falcon", "deepseek-llm", "deepseek-coder", "deepseek-v3", "gpt-4o", "tekken"};
enum { FAMILIES = sizeof families / sizeof *families };

static const px_tokenizer *tokenizer(unsigned family)
{
    static struct vocab vocabs[FAMILIES];
    struct vocab *v = &vocabs[family];
    if (!v->tokenizer) {
        if (family)
            vocab_gpt2(v, families[family]);
        else
            vocab_llama(v);
        if (vocab_open(v) != PX_ERR_OK)
            abort();
    }
    return v->tokenizer;
}

static void must(int holds)
{
    if (!holds)
        abort();
}

static void check_stream(const px_tokenizer *t, const int32_t *ids, size_t count)
{
    char out[128];
    px_detok d = {0};
    for (size_t i = 0, n; i < count; i++) {
        must(px_detok_next(t, &d, ids[i], out, sizeof out, &n) == PX_ERR_OK);
        for (size_t at = 0; at < n;) {
            uint32_t cp;
            at += pxi_utf8_next((uint8_t *)out + at, n - at, &cp);
            must(cp != PXI_UTF8_BAD);
        }
    }
    must(px_detok_end(&d, out, sizeof out) <= 24);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 1 << 16)
        return 0;
    const px_tokenizer *t = tokenizer(data[0] % FAMILIES);
    unsigned flags = data[1] & PX_ENCODE_CONTROL;
    px_view text = px_view_of(data + 2, size - 2);
    size_t count, again, bytes;
    must(px_tokenize(t, text, flags, NULL, 0, &count) == PX_ERR_OK);
    int32_t *ids = malloc((count + 1) * sizeof *ids);
    char *back = malloc(text.n + 1);
    must(px_tokenize(t, text, flags, ids, count, &again) == PX_ERR_OK && again == count);
    must(px_detokenize(t, ids, count, 1, back, text.n, &bytes) == PX_ERR_OK);
    /* SentencePiece cannot tell U+2581 from a space. */
    if (!memmem(text.p, text.n, "\xe2\x96\x81", 3))
        must(bytes == text.n && !memcmp(back, text.p, bytes));
    check_stream(t, ids, count);
    free(back);
    free(ids);
    return 0;
}
