/*
 * Any bytes as the file of a tokenizer: tokenizer.json, a sentencepiece model, GGUF. What is taken
 * is used: each token lies in the vocabulary, words that are remembered give the same tokens as new
 * ones.
 */
#include <stdlib.h>

#include "plexus/tokenizer.h"
#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds)
        abort();
}

static void use(const px_tokenizer *t)
{
    static const char text[] =
        "  Hello hello  aaaa<s>\n12345<|end|>\xff\xe3\x80 \xc3\xa9 once upon "
        "e\xcc\x81\xcc\xa7 \xe2\x96\x81 \xe2\x91\xa0 WORD.WORD foo bar \r\n"
        "once upon a time a time  ";
    static int32_t ids[4096];
    static char back[1 << 20];
    for (unsigned flags = 0; flags < 4; flags++) {
        struct pxi_encoder *e = pxi_encoder_new(t, 1);
        const int32_t *kept;
        size_t n, again, bytes;
        must(e != NULL);
        if (px_tokenize(t, px_view_str(text), flags, ids, 4096, &n) != PX_ERR_OK || n > 4096) {
            pxi_encoder_free(e);
            continue;
        }
        for (size_t i = 0; i < n; i++)
            must(ids[i] >= 0 && (uint32_t)ids[i] < px_tokenizer_size(t));
        for (unsigned round = 0; round < 2; round++) {
            must(pxi_encoder_run(e, px_view_str(text), flags, &kept, &again) == PX_ERR_OK);
            must(again == n && memcmp(kept, ids, n * sizeof *ids) == 0);
        }
        must(px_detokenize(t, ids, n, 1, back, sizeof back, &bytes) == PX_ERR_OK);
        pxi_encoder_free(e);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    px_tokenizer *t;
    px_diag diag = {0};
    px_err err = px_tokenizer_parse(px_view_of(data, size), &t, &diag);
    if (err == PX_ERR_OK)
        use(t);
    else
        must(err == PX_ERR_NOMEM || (diag.field[0] && diag.expected[0]));
    px_tokenizer_free(t);
    return 0;
}
