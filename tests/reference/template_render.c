/*
 * Render templates for comparison with another implementation: one JSON object a line on standard
 * input (template, messages, context, add_generation_prompt, bos_token, eos_token, now), one on
 * standard output: {"text": ...} or {"error": name, "found": ..., "offset": ...}.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "plexus/template.h"

enum { MAX_MESSAGES = 64 };

static size_t read_messages(const json_t *list, px_message *out)
{
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(list) && n < MAX_MESSAGES; i++, n++) {
        const json_t *m = json_array_get(list, i);
        out[n].role = json_string_value(json_object_get(m, "role"));
        out[n].content = json_string_value(json_object_get(m, "content"));
    }
    return n;
}

static json_t *answer(px_err err, const px_diag *d, const char *text, size_t n)
{
    if (err == PX_ERR_OK)
        return json_pack("{s:o}", "text", json_stringn_nocheck(text, n));
    return json_pack("{s:s, s:s, s:s, s:s, s:I}", "error", px_err_name(err), "found", d->found,
                     "expected", d->expected, "field", d->field, "offset", (json_int_t)d->offset);
}

static json_t *render(const json_t *job)
{
    px_message messages[MAX_MESSAGES];
    px_diag d = {0};
    px_template *t = NULL;
    char *text = NULL;
    size_t n = 0;
    const json_t *src = json_object_get(job, "template");
    char *context = json_dumps(json_object_get(job, "context"), 0);
    px_template_input in = {
        .size = sizeof in,
        .messages = messages,
        .message_count = read_messages(json_object_get(job, "messages"), messages),
        .add_generation_prompt = json_is_true(json_object_get(job, "add_generation_prompt")),
        .bos_token = json_string_value(json_object_get(job, "bos_token")),
        .eos_token = json_string_value(json_object_get(job, "eos_token")),
        .context_json = context,
        .now_unix = json_integer_value(json_object_get(job, "now")),
    };
    px_err err =
        px_template_new(px_view_of(json_string_value(src), json_string_length(src)), &t, &d);
    if (err == PX_ERR_OK)
        err = px_template_render(t, &in, &text, &n, &d);
    json_t *out = answer(err, &d, text, n);
    px_template_text_free(text);
    px_template_free(t);
    free(context);
    return out;
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    while (getline(&line, &cap, stdin) > 0) {
        json_t *job = json_loads(line, 0, NULL);
        if (!job)
            return 2;
        json_t *out = render(job);
        json_dumpf(out, stdout, 0);
        putchar('\n');
        json_decref(out);
        json_decref(job);
    }
    free(line);
    return 0;
}
