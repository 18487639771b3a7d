/* Statements of a template to a tree. Expressions are in template_parse_expr.c. */
#include "base/diag.h"
#include "text/template_impl.h"

void *pxi_tpl_parse_fail(struct pxi_tparse *p, const char *expected)
{
    if (p->err == PX_ERR_OK) {
        int n = p->t->n < 60 ? (int)p->t->n : 60;
        p->err = pxi_diag_set(p->diag, PX_ERR_TEMPLATE, p->t->off, expected, "%.*s",
                              n ? n : (int)strlen("the end of the template"),
                              n ? p->src + p->t->off : "the end of the template");
    }
    return NULL;
}

void *pxi_tpl_parse_nomem(struct pxi_tparse *p)
{
    if (p->err == PX_ERR_OK)
        p->err = PX_ERR_NOMEM;
    return NULL;
}

bool pxi_tpl_parse_enter(struct pxi_tparse *p)
{
    if (++p->depth <= PXI_LIMIT_TEMPLATE_NESTING)
        return true;
    if (p->err == PX_ERR_OK)
        p->err = pxi_diag_set(p->diag, PX_ERR_LIMIT, p->t->off, "at most template.nesting levels",
                              "deeper nesting");
    return false;
}

struct pxi_tnode *pxi_tpl_node(struct pxi_tparse *p, unsigned type)
{
    struct pxi_tnode *n = pxi_arena_alloc(p->arena, 1, sizeof *n);
    if (!n)
        return pxi_tpl_parse_nomem(p);
    n->type = (uint8_t)type;
    n->off = p->t->off;
    return n;
}

bool pxi_tpl_tok_is(const struct pxi_tparse *p, const char *name)
{
    return p->t->type == PXI_TOK_NAME && p->t->n == strlen(name) &&
           memcmp(p->src + p->t->off, name, p->t->n) == 0;
}

bool pxi_tpl_tok_op(const struct pxi_tparse *p, unsigned op)
{
    return p->t->type == PXI_TOK_OP && p->t->op == op;
}

bool pxi_tpl_tok_expect(struct pxi_tparse *p, unsigned op, const char *text)
{
    if (!pxi_tpl_tok_op(p, op))
        return pxi_tpl_parse_fail(p, text) != NULL;
    p->t++;
    return true;
}

struct pxi_tstr *pxi_tpl_tok_name(struct pxi_tparse *p)
{
    if (p->t->type != PXI_TOK_NAME)
        return pxi_tpl_parse_fail(p, "a name");
    struct pxi_tstr *s = pxi_arena_alloc(p->arena, 1, sizeof *s);
    if (!s)
        return pxi_tpl_parse_nomem(p);
    *s = (struct pxi_tstr){p->src + p->t->off, p->t->n, NULL};
    p->t++;
    return s;
}

static bool block_end(struct pxi_tparse *p)
{
    if (p->t->type != PXI_TOK_BLOCK_END)
        return pxi_tpl_parse_fail(p, "the end of the tag") != NULL;
    p->t++;
    return true;
}

static struct pxi_tnode *statements(struct pxi_tparse *p, const char *const *until);

/* The body of a tag up to one of `until`, whose name is then the current token. */
static bool body(struct pxi_tparse *p, const char *const *until, struct pxi_tnode **out)
{
    if (pxi_tpl_tok_op(p, ':'))
        p->t++;
    if (!block_end(p) || !pxi_tpl_parse_enter(p))
        return false;
    *out = statements(p, until);
    p->depth--;
    if (p->err == PX_ERR_OK && p->t->type == PXI_TOK_EOF)
        pxi_tpl_parse_fail(p, until[0]);
    return p->err == PX_ERR_OK;
}

/* As body, but past `end` and the end of its tag. */
static bool whole_body(struct pxi_tparse *p, const char *end, struct pxi_tnode **out)
{
    const char *const until[] = {end, NULL};
    if (!body(p, until, out))
        return false;
    p->t++;
    return block_end(p);
}

static struct pxi_tnode *parse_if(struct pxi_tparse *p)
{
    static const char *const until[] = {"endif", "elif", "else", NULL};
    struct pxi_tnode *n = pxi_tpl_node(p, PXI_N_IF), **tail = n ? &n->a : NULL;
    bool more = true;
    while (tail && more) {
        bool last = pxi_tpl_tok_is(p, "else");
        struct pxi_tnode *b = pxi_tpl_node(p, PXI_N_BRANCH);
        p->t++;
        if (!b || (!last && !(b->a = pxi_tpl_expr_tuple(p, false, false))))
            return NULL;
        *tail = b;
        tail = &b->next;
        if (!body(p, last ? (const char *const[]){"endif", NULL} : until, &b->b))
            return NULL;
        more = !pxi_tpl_tok_is(p, "endif");
    }
    if (!n)
        return NULL;
    p->t++;
    return block_end(p) ? n : NULL;
}

static bool for_head(struct pxi_tparse *p, struct pxi_tnode *n)
{
    if (!(n->a = pxi_tpl_expr_target(p, false)))
        return false;
    if (!pxi_tpl_tok_is(p, "in"))
        return pxi_tpl_parse_fail(p, "in") != NULL;
    p->t++;
    if (!(n->b = pxi_tpl_expr_tuple(p, false, false)))
        return false;
    if (pxi_tpl_tok_is(p, "if")) {
        p->t++;
        if (!(n->c = pxi_tpl_expr(p, true)))
            return false;
    }
    return !pxi_tpl_tok_is(p, "recursive") || pxi_tpl_parse_fail(p, "a loop that is not recursive");
}

static struct pxi_tnode *parse_for(struct pxi_tparse *p)
{
    static const char *const until[] = {"endfor", "else", NULL};
    struct pxi_tnode *n = pxi_tpl_node(p, PXI_N_FOR);
    p->t++;
    if (!n || !for_head(p, n))
        return NULL;
    p->loops++;
    bool ok = body(p, until, &n->d);
    p->loops--;
    if (!ok)
        return NULL;
    if (pxi_tpl_tok_is(p, "else")) {
        p->t++;
        return whole_body(p, "endfor", &n->e) ? n : NULL;
    }
    p->t++;
    return block_end(p) ? n : NULL;
}

static struct pxi_tnode *parse_set(struct pxi_tparse *p)
{
    struct pxi_tnode *n = pxi_tpl_node(p, PXI_N_SET);
    p->t++;
    if (!n || !(n->a = pxi_tpl_expr_target(p, true)))
        return NULL;
    if (pxi_tpl_tok_op(p, '=')) {
        p->t++;
        n->b = pxi_tpl_expr_tuple(p, true, false);
        return n->b && block_end(p) ? n : NULL;
    }
    n->type = PXI_N_SETBODY;
    n->b = pxi_tpl_node(p, PXI_N_BODY);
    if (!n->b || !(n->b = pxi_tpl_expr_filters(p, n->b, false)))
        return NULL;
    return whole_body(p, "endset", &n->d) ? n : NULL;
}

static struct pxi_tnode *parse_filter(struct pxi_tparse *p)
{
    struct pxi_tnode *n = pxi_tpl_node(p, PXI_N_FILTERED);
    p->t++;
    if (!n || !(n->b = pxi_tpl_node(p, PXI_N_BODY)) ||
        !(n->b = pxi_tpl_expr_filters(p, n->b, true)))
        return NULL;
    return whole_body(p, "endfilter", &n->d) ? n : NULL;
}

/* One parameter of a macro, "name" or "name = default", or one assignment of with. */
static struct pxi_tnode *parameter(struct pxi_tparse *p, bool must_have_value)
{
    struct pxi_tnode *n = pxi_tpl_node(p, PXI_N_ARG);
    if (!n || !(n->name = pxi_tpl_tok_name(p)))
        return NULL;
    if (!pxi_tpl_tok_op(p, '='))
        return must_have_value ? pxi_tpl_parse_fail(p, "=") : n;
    p->t++;
    return (n->a = pxi_tpl_expr(p, true)) ? n : NULL;
}

static bool parameters(struct pxi_tparse *p, struct pxi_tnode **tail)
{
    bool defaults = false;
    while (!pxi_tpl_tok_op(p, ')')) {
        struct pxi_tnode *n = parameter(p, defaults);
        if (!n)
            return false;
        defaults = n->a != NULL;
        *tail = n;
        tail = &n->next;
        if (!pxi_tpl_tok_op(p, ')') && !pxi_tpl_tok_expect(p, ',', ", or )"))
            return false;
    }
    return true;
}

static struct pxi_tnode *parse_macro(struct pxi_tparse *p)
{
    struct pxi_tnode *n = pxi_tpl_node(p, PXI_N_MACRO);
    unsigned loops = p->loops;
    p->t++;
    if (!n || !(n->name = pxi_tpl_tok_name(p)) || !pxi_tpl_tok_expect(p, '(', "(") ||
        !parameters(p, &n->b) || !pxi_tpl_tok_expect(p, ')', ")"))
        return NULL;
    p->loops = 0;
    bool ok = whole_body(p, "endmacro", &n->d);
    p->loops = loops;
    return ok ? n : NULL;
}

static struct pxi_tnode *parse_with(struct pxi_tparse *p)
{
    struct pxi_tnode *n = pxi_tpl_node(p, PXI_N_SCOPE), **tail = n ? &n->b : NULL;
    p->t++;
    while (tail && p->t->type != PXI_TOK_BLOCK_END) {
        if (n->b && !pxi_tpl_tok_expect(p, ',', ","))
            return NULL;
        if (!(*tail = parameter(p, true)))
            return NULL;
        tail = &(*tail)->next;
    }
    return n && whole_body(p, "endwith", &n->d) ? n : NULL;
}

/* {% generation %} marks what a model has written, for training; it changes no text. */
static struct pxi_tnode *parse_generation(struct pxi_tparse *p)
{
    struct pxi_tnode *n = pxi_tpl_node(p, PXI_N_SCOPE);
    p->t++;
    return n && whole_body(p, "endgeneration", &n->d) ? n : NULL;
}

static struct pxi_tnode *parse_jump(struct pxi_tparse *p)
{
    struct pxi_tnode *n =
        pxi_tpl_node(p, pxi_tpl_tok_is(p, "break") ? PXI_N_BREAK : PXI_N_CONTINUE);
    if (!p->loops)
        return pxi_tpl_parse_fail(p, "break and continue inside of a loop");
    p->t++;
    return n && block_end(p) ? n : NULL;
}

static struct pxi_tnode *statement(struct pxi_tparse *p)
{
    static const struct {
        const char *name;
        struct pxi_tnode *(*parse)(struct pxi_tparse *p);
    } tags[] = {
        {"if", parse_if},         {"for", parse_for},    {"set", parse_set},
        {"macro", parse_macro},   {"break", parse_jump}, {"continue", parse_jump},
        {"filter", parse_filter}, {"with", parse_with},  {"generation", parse_generation},
    };
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (pxi_tpl_tok_is(p, tags[i].name))
            return tags[i].parse(p);
    return pxi_tpl_parse_fail(p, "a tag that chat templates use");
}

static struct pxi_tnode *output(struct pxi_tparse *p)
{
    struct pxi_tnode *n = pxi_tpl_node(p, PXI_N_OUTPUT);
    p->t++;
    if (!n || !(n->a = pxi_tpl_expr_tuple(p, true, false)))
        return NULL;
    if (p->t->type != PXI_TOK_VAR_END)
        return pxi_tpl_parse_fail(p, "}}");
    p->t++;
    return n;
}

static struct pxi_tnode *data(struct pxi_tparse *p)
{
    struct pxi_tnode *n = pxi_tpl_node(p, PXI_N_DATA);
    struct pxi_tstr *s = n ? pxi_arena_alloc(p->arena, 1, sizeof *s) : NULL;
    if (!s)
        return pxi_tpl_parse_nomem(p);
    *s = (struct pxi_tstr){p->src + p->t->off, p->t->n, NULL};
    n->k = (struct pxi_tval){.type = PXI_T_STR, .s = s};
    p->t++;
    return n;
}

static bool at_end_tag(const struct pxi_tparse *p, const char *const *until)
{
    for (; until && *until; until++)
        if (pxi_tpl_tok_is(p, *until))
            return true;
    return false;
}

static struct pxi_tnode *statements(struct pxi_tparse *p, const char *const *until)
{
    struct pxi_tnode *first = NULL, **tail = &first;
    while (p->err == PX_ERR_OK && p->t->type != PXI_TOK_EOF) {
        if (p->t->type == PXI_TOK_DATA) {
            *tail = data(p);
        } else if (p->t->type == PXI_TOK_VAR_BEGIN) {
            *tail = output(p);
        } else {
            p->t++;
            if (at_end_tag(p, until))
                break;
            *tail = statement(p);
        }
        if (*tail)
            tail = &(*tail)->next;
    }
    return first;
}

px_err pxi_tpl_parse(px_view src, const struct pxi_ttoks *toks, struct pxi_arena *arena,
                     struct pxi_tnode **out, px_diag *diag)
{
    struct pxi_tparse p = {.src = (const char *)src.p, .t = toks->v, .arena = arena, .diag = diag};
    *out = statements(&p, NULL);
    return p.err;
}
