/* /tokenize and /detokenize, in the shapes of llama-server. */
#include "base/mem.h"
#include "node/call.h"
#include "node/http_impl.h"

enum { TEXT_MAX = 32 << 20 };

static json_t *piece(const px_tokenizer *t, int32_t id)
{
    char raw[256];
    size_t n = 0;
    if (px_detokenize(t, &id, 1, 1, raw, sizeof raw, &n) != PX_ERR_OK || n > sizeof raw)
        n = 0;
    return json_pack("{s:i, s:o}", "id", (int)id, "piece", pxi_json_text(px_view_of(raw, n)));
}

void pxi_tokenize_route(struct pxi_ask *q)
{
    struct pxi_fields f = {.q = q, .in = q->body};
    const json_t *content = json_object_get(q->body, "content");
    unsigned flags = pxi_field_bool(&f, "add_special", false) ? PX_ENCODE_SPECIAL : 0;
    bool pieces = pxi_field_bool(&f, "with_pieces", false);
    const char *name = pxi_field_text(&f, "model");
    if (pxi_field_bool(&f, "parse_special", true))
        flags |= PX_ENCODE_CONTROL;
    if (!json_is_string(content))
        pxi_fields_fault(&f, "content", "content must be a text");
    if (json_string_length(content) > PXI_LIMIT_HTTP_TOKENIZE_BYTES)
        pxi_fields_fault(&f, "content", "content may have at most 1 MiB");
    struct pxi_generator *g = pxi_fields_ok(&f) ? pxi_model_find(q, name) : NULL;
    if (!g)
        return;
    const px_tokenizer *t = g->info(g)->tokenizer;
    px_view text = px_view_of(json_string_value(content), json_string_length(content));
    size_t cap = text.n + 16, n = 0;
    int32_t *ids = pxi_calloc(cap, sizeof *ids);
    px_err err = ids ? px_tokenize(t, text, flags, ids, cap, &n) : PX_ERR_NOMEM;
    json_t *list = json_array();
    for (size_t i = 0; err == PX_ERR_OK && i < n && i < cap; i++)
        json_array_append_new(list, pieces ? piece(t, ids[i]) : json_integer(ids[i]));
    pxi_free(ids);
    if (err == PX_ERR_OK)
        pxi_reply_json(q, 200, json_pack("{s:o}", "tokens", list));
    else {
        json_decref(list);
        pxi_reply_error(q, pxi_reply_status(err), px_err_code(err), "content", "%s",
                        px_err_text(err));
    }
}

void pxi_detokenize_route(struct pxi_ask *q)
{
    struct pxi_fields f = {.q = q, .in = q->body};
    const json_t *list = json_object_get(q->body, "tokens");
    const char *name = pxi_field_text(&f, "model");
    size_t count = 0, n = 0;
    int32_t *ids = pxi_ids_read(list, &count);
    if (!json_is_array(list) || (!ids && json_array_size(list)))
        pxi_fields_fault(&f, "tokens", "tokens must be a list of token ids");
    struct pxi_generator *g = pxi_fields_ok(&f) ? pxi_model_find(q, name) : NULL;
    if (g) {
        const px_tokenizer *t = g->info(g)->tokenizer;
        px_err err = px_detokenize(t, ids, count, 0, NULL, 0, &n);
        char *text = err == PX_ERR_OK && n <= TEXT_MAX ? pxi_calloc(1, n + 1) : NULL;
        if (text)
            err = px_detokenize(t, ids, count, 0, text, n, &n);
        if (text && err == PX_ERR_OK)
            pxi_reply_json(q, 200,
                           json_pack("{s:o}", "content", pxi_json_text(px_view_of(text, n))));
        else
            pxi_reply_error(q, n > TEXT_MAX ? 400 : 503, NULL, "tokens", "the text is too long");
        pxi_free(text);
    }
    pxi_free(ids);
}
