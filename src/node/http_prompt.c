/* Conversations of requests: every role and part checked, then given to the template whole. */
#include <string.h>

#include "base/mem.h"
#include "node/call.h"
#include "node/http_impl.h"

enum { PLAIN_MAX = 16 << 20 };

/* "content" as one text: a text, null, or a list of parts of type text. NULL after a fault. */
static json_t *content_of(struct pxi_fields *f, const json_t *content)
{
    struct pxi_buf text = {.max = PLAIN_MAX};
    size_t i;
    json_t *part, *out = NULL;
    if (!content || json_is_null(content))
        return json_string("");
    if (json_is_string(content))
        return json_incref((json_t *)content);
    if (!json_is_array(content))
        pxi_fields_fault(f, "messages", "content must be a text or a list of parts");
    json_array_foreach(content, i, part)
    {
        const char *type = json_string_value(json_object_get(part, "type"));
        json_t *piece = json_object_get(part, "text");
        if (!type || strcmp(type, "text") != 0 || !json_is_string(piece))
            pxi_fields_fault(f, "messages", "only parts of type text are understood");
        else if (!pxi_buf_add(&text, json_string_value(piece), json_string_length(piece)))
            pxi_fields_fault(f, "messages", "the conversation is too long");
    }
    if (!f->bad)
        out = json_stringn(text.p ? (const char *)text.p : "", text.n);
    pxi_buf_deinit(&text);
    return out;
}

static bool role_ok(const char *role)
{
    static const char *const roles[] = {"system", "user",      "assistant",
                                        "tool",   "developer", "function"};
    for (size_t i = 0; role && i < sizeof roles / sizeof *roles; i++)
        if (strcmp(role, roles[i]) == 0)
            return true;
    return false;
}

/* A message as templates know it; everything else in it is passed on. */
static json_t *message_of(struct pxi_fields *f, json_t *m)
{
    const char *role = json_string_value(json_object_get(m, "role"));
    json_t *content, *out;
    if (!json_is_object(m) || !role_ok(role)) {
        pxi_fields_fault(f, "messages", "each message needs a role: system, user, assistant, tool");
        return NULL;
    }
    content = content_of(f, json_object_get(m, "content"));
    out = content ? json_copy(m) : NULL;
    if (out)
        json_object_set(out, "content", content);
    if (out && strcmp(role, "developer") == 0)
        json_object_set_new(out, "role", json_string("system"));
    json_decref(content);
    return out;
}

static json_t *messages_of(struct pxi_fields *f, const json_t *in)
{
    json_t *list = json_array(), *m;
    size_t i, n = json_array_size(in);
    if (!n || n > PXI_LIMIT_HTTP_MESSAGES)
        pxi_fields_fault(f, "messages", "messages must be a list of 1 to %d messages",
                         PXI_LIMIT_HTTP_MESSAGES);
    json_array_foreach(in, i, m)
    {
        if (f->bad)
            break;
        json_t *one = message_of(f, m);
        if (one)
            json_array_append_new(list, one);
    }
    return list;
}

/* Without a template: what was said, one after the other. */
static char *plain(const json_t *messages)
{
    struct pxi_buf text = {.max = PLAIN_MAX};
    json_t *m;
    size_t i;
    bool ok = true;
    json_array_foreach(messages, i, m)
    {
        const json_t *c = json_object_get(m, "content");
        bool user = strcmp(json_string_value(json_object_get(m, "role")), "user") == 0;
        if (i && user)
            ok = ok && pxi_buf_add(&text, "\n", 1);
        ok = ok && pxi_buf_add(&text, json_string_value(c), json_string_length(c));
    }
    ok = ok && pxi_buf_add(&text, "", 1);
    if (!ok) {
        pxi_buf_deinit(&text);
        return NULL;
    }
    return (char *)text.p;
}

bool pxi_chat_read(struct pxi_ask *q, const struct pxi_generator_info *info, struct pxi_chat *out)
{
    struct pxi_fields f = {.q = q, .in = q->body};
    const json_t *tools = json_object_get(q->body, "tools");
    const char *choice = json_string_value(json_object_get(q->body, "tool_choice"));
    json_t *messages = messages_of(&f, json_object_get(q->body, "messages"));
    if (tools && !json_is_null(tools) && !json_is_array(tools))
        pxi_fields_fault(&f, "tools", "tools must be a list");
    if (!f.bad && info->chat) {
        json_t *all = json_object();
        json_object_set(all, "messages", messages);
        if (json_array_size(tools) && !(choice && strcmp(choice, "none") == 0))
            json_object_set(all, "tools", (json_t *)tools);
        out->json = pxi_json_dump(all);
        json_decref(all);
    } else if (!f.bad)
        out->text = plain(messages);
    json_decref(messages);
    if (!pxi_fields_ok(&f))
        return false;
    if (!out->json && !out->text)
        pxi_reply_error(q, 503, NULL, NULL, "out of memory");
    return out->json || out->text;
}

struct pxi_prompt pxi_chat_prompt(const struct pxi_chat *c)
{
    return (struct pxi_prompt){.chat_json = c->json, .text = px_view_str(c->text ? c->text : "")};
}

void pxi_chat_deinit(struct pxi_chat *c)
{
    pxi_free(c->json);
    pxi_free(c->text);
}

int32_t *pxi_ids_read(const json_t *list, size_t *n)
{
    size_t count = json_array_size(list);
    int32_t *ids = count ? pxi_calloc(count, sizeof *ids) : NULL;
    *n = 0;
    for (size_t i = 0; ids && i < count; i++) {
        const json_t *v = json_array_get(list, i);
        json_int_t x = json_integer_value(v);
        if (!json_is_integer(v) || x < 0 || x > INT32_MAX) {
            pxi_free(ids);
            return NULL;
        }
        ids[i] = (int32_t)x;
    }
    *n = ids ? count : 0;
    return ids;
}
