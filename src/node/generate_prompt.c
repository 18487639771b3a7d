/* Prompts to tokens. */
#include <stdlib.h>

#include "base/diag.h"
#include "base/mem.h"
#include "node/generator.h"

static px_err encode(const px_tokenizer *t, px_view text, unsigned flags, int32_t **out, size_t *n)
{
    size_t cap = text.n / 3 + 16;
    for (;;) {
        int32_t *more = pxi_realloc(*out, cap, sizeof **out);
        if (!more)
            return PX_ERR_NOMEM;
        *out = more;
        px_err err = px_tokenize(t, text, flags, *out, cap, n);
        if (err != PX_ERR_OK || *n <= cap)
            return err;
        cap = *n;
    }
}

/* NUL-terminated copy of a token's spelling, "" for none. */
static char *spelling(const px_tokenizer *t, int32_t token)
{
    return pxi_strdup_view(token == PX_TOKEN_NONE ? px_view_str("") : px_tokenizer_text(t, token));
}

static px_err render(const struct pxi_generator_info *info, const struct pxi_prompt *p,
                     int64_t now_unix, char **text, size_t *n, px_diag *diag)
{
    const px_tokenizer *t = info->tokenizer;
    char *bos = spelling(t, px_tokenizer_bos(t)), *eos = spelling(t, px_tokenizer_eos(t));
    px_template_input in = {.size = sizeof in,
                            .add_generation_prompt = 1,
                            .bos_token = bos,
                            .eos_token = eos,
                            .context_json = p->chat_json,
                            .now_unix = now_unix};
    px_err err = bos && eos ? px_template_render(info->chat, &in, text, n, diag) : PX_ERR_NOMEM;
    pxi_free(bos);
    pxi_free(eos);
    return err;
}

/* Without the end that some models put after every text: the answer comes here. */
static void drop_end(const px_tokenizer *t, const int32_t *ids, size_t *n)
{
    if (*n && px_tokenizer_add_eos(t) && ids[*n - 1] == px_tokenizer_eos(t))
        --*n;
}

static px_err chat_tokens(const struct pxi_generator_info *info, const struct pxi_prompt *p,
                          int64_t now_unix, int32_t **out, size_t *n, px_diag *diag)
{
    const px_tokenizer *t = info->tokenizer;
    char *text = NULL;
    size_t length = 0;
    if (!info->chat)
        return pxi_diag_set(diag, PX_ERR_TEMPLATE, 0, "a chat template", "a model without one");
    px_err err = render(info, p, now_unix, &text, &length, diag);
    if (err != PX_ERR_OK)
        return err;
    px_view bos = px_tokenizer_text(t, px_tokenizer_bos(t));
    bool there = bos.n && length >= bos.n && memcmp(text, bos.p, bos.n) == 0;
    unsigned flags = PX_ENCODE_CONTROL | (there ? 0u : PX_ENCODE_SPECIAL);
    err = encode(t, px_view_of(text, length), flags, out, n);
    px_template_text_free(text);
    if (err == PX_ERR_OK && !there)
        drop_end(t, *out, n);
    return err;
}

static px_err copy_ids(const struct pxi_prompt *p, int32_t **out, size_t *n)
{
    *out = pxi_calloc(p->count ? p->count : 1, sizeof **out);
    if (!*out)
        return PX_ERR_NOMEM;
    memcpy(*out, p->ids, p->count * sizeof **out);
    *n = p->count;
    return PX_ERR_OK;
}

static px_err check(const struct pxi_generator_info *info, const int32_t *ids, size_t n,
                    px_diag *diag)
{
    uint32_t vocab = px_tokenizer_size(info->tokenizer);
    if (!n)
        return pxi_diag_set(diag, PX_ERR_INVALID, 0, "a prompt of at least one token", "none");
    if (n >= info->positions)
        return pxi_diag_set(diag, PX_ERR_CONTEXT_FULL, 0, "room for an answer",
                            "a prompt of %zu tokens in a context of %u", n, info->positions);
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= vocab)
            return pxi_diag_set(diag, PX_ERR_INVALID, i, "tokens of the model", "%d", ids[i]);
    return PX_ERR_OK;
}

px_err pxi_prompt_tokens(const struct pxi_generator_info *info, const struct pxi_prompt *p,
                         int64_t now_unix, int32_t **out, size_t *n, px_diag *diag)
{
    const px_tokenizer *t = info->tokenizer;
    px_err err;
    *out = NULL;
    *n = 0;
    pxi_diag_field(diag, "prompt");
    if (p->ids)
        err = copy_ids(p, out, n);
    else if (p->chat_json)
        err = chat_tokens(info, p, now_unix, out, n, diag);
    else {
        err = encode(t, p->text, PX_ENCODE_CONTROL | (p->raw ? 0u : PX_ENCODE_SPECIAL), out, n);
        if (err == PX_ERR_OK && !p->raw)
            drop_end(t, *out, n);
    }
    if (err == PX_ERR_OK)
        err = check(info, *out, *n, diag);
    if (err != PX_ERR_OK) {
        pxi_free(*out);
        *out = NULL;
    }
    return err;
}
