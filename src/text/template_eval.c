/* Expressions to values. */
#include "text/template_impl.h"

static bool eval_name(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n,
                      struct pxi_tval *out)
{
    if (pxi_tpl_env_get(r, env, n->name, out))
        return true;
    if (r->err != PX_ERR_OK)
        return false;
    const struct pxi_tfunc *fn = pxi_tpl_global_find(n->name->p, n->name->n);
    *out = pxi_tpl_undef(n->name, PXI_TU_NAME);
    if (fn && (r->now_unix || !pxi_tpl_str_is(n->name, "strftime_now")))
        *out = (struct pxi_tval){.type = PXI_T_FUNC, .fn = fn};
    return true;
}

static bool eval_items(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n,
                       struct pxi_tval *out)
{
    enum pxi_tkind kind = n->type == PXI_N_TUPLE ? PXI_TK_TUPLE : PXI_TK_LIST;
    struct pxi_tval v;
    if (!pxi_tpl_list(r, kind, 0, out))
        return false;
    for (const struct pxi_tnode *i = n->a; i; i = i->next)
        if (!pxi_tpl_eval(r, env, i, &v) || !pxi_tpl_list_add(r, out->l, &v))
            return false;
    return true;
}

static bool eval_dict(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n,
                      struct pxi_tval *out)
{
    struct pxi_tval k, v;
    if (!pxi_tpl_dict(r, 0, out))
        return false;
    for (const struct pxi_tnode *i = n->a; i; i = i->next)
        if (!pxi_tpl_eval(r, env, i->a, &k) || !pxi_tpl_eval(r, env, i->b, &v) ||
            !pxi_tpl_dict_put(r, out->d, &k, &v))
            return false;
    return true;
}

static bool eval_part(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n,
                      struct pxi_tval *v)
{
    *v = pxi_tpl_none();
    return !n || pxi_tpl_eval(r, env, n, v);
}

static bool eval_subscript(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n,
                           struct pxi_tval *out)
{
    struct pxi_tval v, part[3];
    if (!pxi_tpl_eval(r, env, n->a, &v))
        return false;
    if (n->type == PXI_N_ATTR) {
        r->off = n->off;
        return pxi_tpl_attr(r, &v, n->name, out);
    }
    if (!eval_part(r, env, n->b, &part[0]))
        return false;
    if (n->type == PXI_N_ITEM) {
        r->off = n->off;
        return pxi_tpl_item(r, &v, &part[0], out);
    }
    if (!eval_part(r, env, n->c, &part[1]) || !eval_part(r, env, n->d, &part[2]))
        return false;
    r->off = n->off;
    return pxi_tpl_slice(r, &v, &part[0], &part[1], &part[2], out);
}

bool pxi_tpl_args(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *list,
                  struct pxi_targs *out)
{
    size_t count = 0;
    *out = (struct pxi_targs){0};
    for (const struct pxi_tnode *i = list; i; i = i->next)
        count++;
    if (!count)
        return true;
    out->v = pxi_tpl_alloc(r, count, sizeof *out->v);
    out->kw = pxi_tpl_alloc(r, count, sizeof *out->kw);
    out->kwv = pxi_tpl_alloc(r, count, sizeof *out->kwv);
    if (!out->v || !out->kw || !out->kwv)
        return false;
    for (const struct pxi_tnode *i = list; i; i = i->next) {
        struct pxi_tval *to = i->name ? &out->kwv[out->nkw] : &out->v[out->n];
        if (!pxi_tpl_eval(r, env, i->a, to))
            return false;
        if (i->name)
            out->kw[out->nkw++] = i->name;
        else
            out->n++;
    }
    return true;
}

static bool eval_call(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n,
                      struct pxi_tval *out)
{
    struct pxi_tval callee;
    struct pxi_targs args;
    if (!pxi_tpl_eval(r, env, n->a, &callee) || !pxi_tpl_args(r, env, n->b, &args))
        return false;
    r->off = n->off;
    switch (callee.type) {
    case PXI_T_UNDEF: return pxi_tpl_undefined(r, &callee);
    case PXI_T_MACRO: return pxi_tpl_macro_call(r, callee.macro, &args, out);
    case PXI_T_FUNC: return pxi_tpl_invoke(r, callee.fn, NULL, &args, out);
    case PXI_T_METHOD:
        return pxi_tpl_invoke(r, callee.method->fn, &callee.method->self, &args, out);
    default:
        return pxi_tpl_fail(r, "a value of type %s cannot be called", pxi_tpl_type_name(&callee));
    }
}

static bool eval_filter(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n,
                        struct pxi_tval *out)
{
    struct pxi_tval v;
    struct pxi_targs args;
    if (!pxi_tpl_eval(r, env, n->a, &v) || !pxi_tpl_args(r, env, n->b, &args))
        return false;
    r->off = n->off;
    return pxi_tpl_invoke(r, n->fn, &v, &args, out);
}

static bool eval_sign(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n,
                      struct pxi_tval *out)
{
    struct pxi_tval v;
    int64_t i;
    if (!pxi_tpl_eval(r, env, n->a, &v))
        return false;
    r->off = n->off;
    if (v.type == PXI_T_UNDEF)
        return pxi_tpl_undefined(r, &v);
    if (v.type == PXI_T_FLOAT) {
        *out = pxi_tpl_float(n->type == PXI_N_NEG ? -v.f : v.f);
        return true;
    }
    if (!pxi_tpl_integer(&v, &i))
        return pxi_tpl_fail(r, "a sign before a value of type %s", pxi_tpl_type_name(&v));
    if (n->type == PXI_N_NEG && __builtin_sub_overflow((int64_t)0, i, &i))
        return pxi_tpl_fail(r, "an integer does not fit 64 bits");
    *out = pxi_tpl_int(i);
    return true;
}

static bool eval_logic(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n,
                       struct pxi_tval *out)
{
    if (!pxi_tpl_eval(r, env, n->a, out))
        return false;
    if (n->type == PXI_N_NOT) {
        *out = pxi_tpl_bool(!pxi_tpl_truth(out));
        return true;
    }
    if (pxi_tpl_truth(out) == (n->type == PXI_N_OR))
        return true;
    return pxi_tpl_eval(r, env, n->b, out);
}

static bool eval_binary(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n,
                        struct pxi_tval *out)
{
    struct pxi_tval a, b;
    if (!pxi_tpl_eval(r, env, n->a, &a) || !pxi_tpl_eval(r, env, n->b, &b))
        return false;
    r->off = n->off;
    return pxi_tpl_binary(r, n->op, &a, &b, out);
}

static bool eval_concat(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n,
                        struct pxi_tval *out)
{
    struct pxi_tval item, text;
    if (!pxi_tpl_eval(r, env, n->a, &item) || !pxi_tpl_str_of(r, &item, out))
        return false;
    for (const struct pxi_tnode *i = n->a->next; i; i = i->next) {
        const struct pxi_tval sofar = *out;
        if (!pxi_tpl_eval(r, env, i, &item) || !pxi_tpl_str_of(r, &item, &text) ||
            !pxi_tpl_str_join2(r, sofar.s, text.s, out))
            return false;
    }
    return true;
}

static bool eval_compare(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n,
                         struct pxi_tval *out)
{
    struct pxi_tval left, right;
    bool holds = true;
    if (!pxi_tpl_eval(r, env, n->a, &left))
        return false;
    for (const struct pxi_tnode *i = n->b; i && holds; i = i->next) {
        if (!pxi_tpl_eval(r, env, i->a, &right))
            return false;
        r->off = i->off;
        if (!pxi_tpl_relation(r, i->op, &left, &right, &holds))
            return false;
        left = right;
    }
    *out = pxi_tpl_bool(holds);
    return true;
}

static bool eval_cond(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n,
                      struct pxi_tval *out)
{
    struct pxi_tval v;
    if (!pxi_tpl_eval(r, env, n->a, &v))
        return false;
    if (pxi_tpl_truth(&v))
        return pxi_tpl_eval(r, env, n->b, out);
    *out = pxi_tpl_undef(NULL, PXI_TU_OTHER);
    return !n->c || pxi_tpl_eval(r, env, n->c, out);
}

static bool eval_node(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n,
                      struct pxi_tval *out)
{
    switch (n->type) {
    case PXI_N_CONST: *out = n->k; return true;
    case PXI_N_BODY: *out = r->body; return true;
    case PXI_N_NAME: return eval_name(r, env, n, out);
    case PXI_N_LIST:
    case PXI_N_TUPLE: return eval_items(r, env, n, out);
    case PXI_N_DICT: return eval_dict(r, env, n, out);
    case PXI_N_ATTR:
    case PXI_N_ITEM:
    case PXI_N_SLICE: return eval_subscript(r, env, n, out);
    case PXI_N_CALL: return eval_call(r, env, n, out);
    case PXI_N_FILTER:
    case PXI_N_TEST: return eval_filter(r, env, n, out);
    case PXI_N_NEG:
    case PXI_N_POS: return eval_sign(r, env, n, out);
    case PXI_N_NOT:
    case PXI_N_AND:
    case PXI_N_OR: return eval_logic(r, env, n, out);
    case PXI_N_BINARY: return eval_binary(r, env, n, out);
    case PXI_N_CONCAT: return eval_concat(r, env, n, out);
    case PXI_N_COMPARE: return eval_compare(r, env, n, out);
    case PXI_N_COND: return eval_cond(r, env, n, out);
    default: return pxi_tpl_fail(r, "not an expression");
    }
}

bool pxi_tpl_eval(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n,
                  struct pxi_tval *out)
{
    r->off = n->off;
    if (!pxi_tpl_step(r, 1) || !pxi_tpl_enter(r))
        return false;
    bool ok = eval_node(r, env, n, out);
    pxi_tpl_leave(r);
    return ok;
}
