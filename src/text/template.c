/* The public face of chat templates: compile, render, free. */
#include "base/diag.h"
#include "text/template_impl.h"

struct px_template {
    struct pxi_arena arena; /* source and tree */
    struct pxi_tnode *body;
};

/* Nodes cost far more than the source bytes they stand for, but never more than this each. */
enum { ARENA_BYTES_PER_SOURCE_BYTE = 256, ARENA_BYTES_LEAST = 65536 };

/* Line ends to \n, and one trailing line end dropped, as Jinja2 does before it looks at anything.
 */
static bool normalise(px_view src, struct pxi_arena *arena, px_view *out)
{
    char *to = pxi_arena_alloc(arena, src.n + 1, 1);
    size_t n = 0;
    if (!to)
        return false;
    for (size_t i = 0; i < src.n; i++) {
        char c = (char)src.p[i];
        if (c == '\r' && i + 1 < src.n && src.p[i + 1] == '\n')
            continue;
        to[n++] = c == '\r' ? '\n' : c;
    }
    n -= n && to[n - 1] == '\n';
    *out = px_view_of(to, n);
    return true;
}

static px_err compile(px_template *t, px_view source, px_diag *diag)
{
    struct pxi_ttoks toks = {0};
    px_view src;
    if (!normalise(source, &t->arena, &src))
        return PX_ERR_NOMEM;
    px_err err = pxi_tpl_lex(src, &toks, diag);
    if (err == PX_ERR_OK)
        err = pxi_tpl_parse(src, &toks, &t->arena, &t->body, diag);
    pxi_free(toks.v);
    return err;
}

px_err px_template_new(px_view source, px_template **out, px_diag *diag)
{
    *out = NULL;
    pxi_diag_field(diag, "template");
    if (source.n > PXI_LIMIT_TEMPLATE_SOURCE_BYTES)
        return pxi_diag_set(diag, PX_ERR_LIMIT, PXI_LIMIT_TEMPLATE_SOURCE_BYTES,
                            "at most template.source_bytes", "%zu bytes", source.n);
    px_template *t = pxi_calloc(1, sizeof *t);
    if (!t)
        return PX_ERR_NOMEM;
    pxi_arena_init(&t->arena, source.n * ARENA_BYTES_PER_SOURCE_BYTE + ARENA_BYTES_LEAST);
    px_err err = compile(t, source, diag);
    if (err == PX_ERR_OK)
        *out = t;
    else
        px_template_free(t);
    return err;
}

void px_template_free(px_template *t)
{
    if (!t)
        return;
    pxi_arena_deinit(&t->arena);
    pxi_free(t);
}

static bool define(struct pxi_trun *r, const char *name, const struct pxi_tval *v)
{
    struct pxi_tval key;
    return pxi_tpl_str_ref(r, name, strlen(name), &key) && pxi_tpl_env_set(r, r->root, key.s, v);
}

static bool define_text(struct pxi_trun *r, const char *name, const char *text)
{
    struct pxi_tval v;
    return pxi_tpl_str_ref(r, text ? text : "", text ? strlen(text) : 0, &v) && define(r, name, &v);
}

static bool add_field(struct pxi_trun *r, struct pxi_tdict *d, const char *name, const char *text)
{
    struct pxi_tval k, v;
    return pxi_tpl_str_ref(r, name, strlen(name), &k) &&
           pxi_tpl_str_ref(r, text ? text : "", text ? strlen(text) : 0, &v) &&
           pxi_tpl_dict_add(r, d, &k, &v);
}

static bool define_messages(struct pxi_trun *r, const px_template_input *in)
{
    struct pxi_tval list, m;
    if (!pxi_tpl_list(r, PXI_TK_LIST, in->message_count, &list))
        return false;
    for (size_t i = 0; i < in->message_count; i++)
        if (!pxi_tpl_dict(r, 2, &m) || !add_field(r, m.d, "role", in->messages[i].role) ||
            !add_field(r, m.d, "content", in->messages[i].content) ||
            !pxi_tpl_list_add(r, list.l, &m))
            return false;
    return define(r, "messages", &list);
}

/* Names that the transformers library always defines; context_json may replace any of them. */
static px_err define_all(struct pxi_trun *r, const px_template_input *in)
{
    const struct pxi_tval none = pxi_tpl_none();
    const struct pxi_tval prompt = pxi_tpl_bool(in->add_generation_prompt != 0);
    r->root = pxi_tpl_env(r, NULL);
    if (!r->root || !define_messages(r, in) || !define(r, "add_generation_prompt", &prompt) ||
        !define_text(r, "bos_token", in->bos_token) ||
        !define_text(r, "eos_token", in->eos_token) || !define(r, "tools", &none) ||
        !define(r, "documents", &none))
        return r->err;
    return in->context_json ? pxi_tpl_json_load(r, in->context_json, r->root) : PX_ERR_OK;
}

/* The caller's struct may be of an older, shorter version. */
static bool input_read(const px_template_input *in, px_template_input *full)
{
    const size_t least = offsetof(px_template_input, now_unix);
    if (!in || in->size < least || (in->message_count && !in->messages))
        return false;
    *full = (px_template_input){0};
    memcpy(full, in, in->size < sizeof *full ? in->size : sizeof *full);
    return true;
}

px_err px_template_render(const px_template *t, const px_template_input *in, char **out, size_t *n,
                          px_diag *diag)
{
    struct pxi_trun r = {.diag = diag, .out.max = PXI_LIMIT_TEMPLATE_OUTPUT_BYTES};
    px_template_input full;
    *out = NULL;
    *n = 0;
    if (!t || !input_read(in, &full))
        return PX_ERR_INVALID;
    pxi_diag_field(diag, "template");
    pxi_arena_init(&r.arena, PXI_LIMIT_TEMPLATE_MEMORY_BYTES);
    r.now_unix = full.now_unix;
    px_err err = define_all(&r, &full);
    if (err == PX_ERR_OK) {
        struct pxi_tenv *env = pxi_tpl_env(&r, r.root);
        if (env && pxi_tpl_exec(&r, env, t->body)) {
            *out = pxi_strdup_view(px_view_of(r.out.p, r.out.n));
            *n = *out ? r.out.n : 0;
            r.err = *out ? PX_ERR_OK : PX_ERR_NOMEM;
        }
        err = r.err;
    }
    pxi_buf_deinit(&r.out);
    pxi_arena_deinit(&r.arena);
    return err;
}

void px_template_text_free(char *text)
{
    pxi_free(text);
}
