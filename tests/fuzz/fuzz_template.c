/* Any bytes as a chat template, and what stands behind the first NUL as its JSON context. */
#include <stdlib.h>

#include "base/limits.h"
#include "plexus/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            __builtin_trap();                                                                      \
    } while (0)

static void render(const px_template *t, const char *context)
{
    static const px_message messages[] = {{"system", "Be brief."},
                                          {"user", " Hi \xc3\xa9 "},
                                          {"assistant", "<think>\nx</think>\n\nHello"},
                                          {"user", "Bye\xff"}};
    const px_template_input in = {.size = sizeof in,
                                  .messages = messages,
                                  .message_count = sizeof messages / sizeof *messages,
                                  .add_generation_prompt = 1,
                                  .bos_token = "<s>",
                                  .context_json = context,
                                  .now_unix = 1700000000};
    px_diag diag = {0};
    char *text;
    size_t n;
    px_err err = px_template_render(t, &in, &text, &n, &diag);
    MUST((err == PX_ERR_OK) == (text != NULL));
    if (text)
        MUST(n <= PXI_LIMIT_TEMPLATE_OUTPUT_BYTES && text[n] == 0);
    MUST(err == PX_ERR_OK || err == PX_ERR_TEMPLATE || err == PX_ERR_LIMIT ||
         (err == PX_ERR_INVALID && context));
    px_template_text_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    size_t n = nul ? (size_t)(nul - data) : size;
    char *context = NULL;
    px_diag diag = {0};
    px_template *t;
    if (nul) {
        context = malloc(size - n);
        MUST(context);
        memcpy(context, nul + 1, size - n - 1);
        context[size - n - 1] = 0;
    }
    px_err err = px_template_new(px_view_of(data, n), &t, &diag);
    MUST((err == PX_ERR_OK) == (t != NULL));
    MUST(err == PX_ERR_OK || err == PX_ERR_TEMPLATE || err == PX_ERR_LIMIT);
    MUST(err == PX_ERR_OK || diag.offset <= n);
    if (t)
        render(t, context);
    px_template_free(t);
    free(context);
    return 0;
}
