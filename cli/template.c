/* Conversations through chat templates. */
#include "session.h"

#include <time.h>
#include <stdlib.h>
#include <string.h>

int chat_open(struct session *s, const char *which, px_template **out)
{
    const char *own = px_model_info_get(s->model)->chat_template;
    struct text file = {0};
    px_diag d = {0};
    px_view source = {0};
    *out = NULL;
    if (strcmp(which, "model") != 0) {
        int rc = text_read_file(which, &file);
        if (rc)
            return rc;
        source = px_view_of(file.p, file.n);
    } else if (own)
        source = px_view_str(own);
    else
        return fail_text(PX_ERR_TEMPLATE, s->path, "give one with --chat-template=FILE",
                         "the model has no chat template");
    px_err e = px_template_new(source, out, &d);
    free(file.p);
    return e ? fail(e, strcmp(which, "model") == 0 ? s->path : which, &d) : 0;
}

/* NUL-terminated copy of a token's spelling, "" for none. */
static char *spelling(const struct session *s, int32_t token)
{
    px_view v = token == PX_TOKEN_NONE ? px_view_of(NULL, 0) : px_tokenizer_text(s->tok, token);
    return must(v.n ? strndup((const char *)v.p, v.n) : strdup(""));
}

int chat_render(struct session *s, const px_template *t, const px_message *m, size_t n,
                struct text *out)
{
    char *bos = spelling(s, px_tokenizer_bos(s->tok)), *eos = spelling(s, px_tokenizer_eos(s->tok));
    px_template_input in = {.size = sizeof in,
                            .messages = m,
                            .message_count = n,
                            .add_generation_prompt = 1,
                            .bos_token = bos,
                            .eos_token = eos,
                            .now_unix = time(NULL)};
    px_diag d = {0};
    px_err e = px_template_render(t, &in, &out->p, &out->n, &d);
    free(bos);
    free(eos);
    return e ? fail(e, "the chat template", &d) : 0;
}

int chat_encode(struct session *s, px_view text, struct ids *out)
{
    px_view bos = px_tokenizer_text(s->tok, px_tokenizer_bos(s->tok));
    int there = bos.n && text.n >= bos.n && memcmp(text.p, bos.p, bos.n) == 0;
    unsigned flags = PX_ENCODE_CONTROL | (there ? 0u : PX_ENCODE_SPECIAL);
    int rc = session_encode(s, text, flags, out);
    int32_t eos = px_tokenizer_eos(s->tok);
    if (rc == 0 && !there && px_tokenizer_add_eos(s->tok) && out->n && out->p[out->n - 1] == eos)
        out->n--; /* the answer comes here, not the end */
    return rc;
}
