/*
 * Chat templates: the subset of Jinja that models use, with limits on steps, depth and output.
 * Differences from Jinja2 are listed in docs/formats/chat-template.md.
 */
#ifndef PLEXUS_TEMPLATE_H
#define PLEXUS_TEMPLATE_H

#include "plexus/err.h"
#include "plexus/view.h"

PX_BEGIN_DECLS

typedef struct px_template px_template;

/* Compile; the source is copied. PX_ERR_TEMPLATE with diag (offset in the source) when it is not
 * understood, PX_ERR_LIMIT when it is larger than the limits. */
PX_API PX_NODISCARD px_err px_template_new(px_view source, px_template **out, px_diag *diag);
PX_API void px_template_free(px_template *t);

typedef struct px_message {
    const char *role;    /* "system", "user", "assistant", ... */
    const char *content; /* UTF-8 */
} px_message;

typedef struct px_template_input {
    size_t size; /* sizeof(px_template_input) */
    const px_message *messages;
    size_t message_count;
    int add_generation_prompt;
    const char *bos_token; /* NULL = "" */
    const char *eos_token;
    const char *context_json; /* more variables as a JSON object (tools, flags), or NULL */
    int64_t now_unix;         /* UTC seconds for strftime_now; 0 = strftime_now is undefined */
} px_template_input;

/*
 * Render. *out is a NUL-terminated heap string (free with px_template_text_free), *n its length.
 * PX_ERR_TEMPLATE: the template raised an exception or used an unknown feature (diag->found has the
 * message). PX_ERR_LIMIT: too many steps or too much output.
 */
PX_API PX_NODISCARD px_err px_template_render(const px_template *t, const px_template_input *in,
                                              char **out, size_t *n, px_diag *diag);
PX_API void px_template_text_free(char *text);

PX_END_DECLS

#endif
