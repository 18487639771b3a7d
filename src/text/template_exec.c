/* Statements: scopes, loops, assignments, macros. */
#include "text/template_impl.h"

/* How a list of statements ended. */
enum flow { FLOW_NEXT, FLOW_BREAK, FLOW_CONTINUE, FLOW_FAILED };

static enum flow run(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *body);

/* ---- scopes ---- */

struct pxi_tenv *pxi_tpl_env(struct pxi_trun *r, struct pxi_tenv *parent)
{
    struct pxi_tenv *env = pxi_tpl_alloc(r, 1, sizeof *env);
    if (env)
        env->parent = parent;
    return env;
}

bool pxi_tpl_env_set(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tstr *name,
                     const struct pxi_tval *v)
{
    if (!pxi_tpl_step(r, env->n / 8))
        return false;
    for (size_t i = 0; i < env->n; i++)
        if (pxi_tpl_str_equal(env->v[i].name, name)) {
            env->v[i].val = *v;
            return true;
        }
    if (env->n == env->cap) {
        size_t cap = env->cap ? env->cap * 2 : 4;
        struct pxi_tvar *bigger = pxi_tpl_alloc(r, cap, sizeof *bigger);
        if (!bigger)
            return false;
        if (env->n)
            memcpy(bigger, env->v, env->n * sizeof *bigger);
        env->v = bigger;
        env->cap = cap;
    }
    env->v[env->n++] = (struct pxi_tvar){name, *v};
    return true;
}

bool pxi_tpl_env_get(struct pxi_trun *r, const struct pxi_tenv *env, const struct pxi_tstr *name,
                     struct pxi_tval *out)
{
    for (; env; env = env->parent) {
        if (!pxi_tpl_step(r, env->n / 8))
            return false;
        for (size_t i = 0; i < env->n; i++)
            if (pxi_tpl_str_equal(env->v[i].name, name)) {
                *out = env->v[i].val;
                return true;
            }
    }
    return false;
}

/* ---- assignment ---- */

static bool assign(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *target,
                   const struct pxi_tval *v);

static bool unpack(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *target,
                   const struct pxi_tval *v)
{
    struct pxi_tlist items;
    size_t i = 0;
    if (!pxi_tpl_iterate(r, v, &items))
        return false;
    for (const struct pxi_tnode *t = target->a; t; t = t->next, i++)
        if (i < items.n && !assign(r, env, t, &items.v[i]))
            return false;
    return i == items.n || pxi_tpl_fail(r, "%zu values for %zu names", items.n, i);
}

static bool assign(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *target,
                   const struct pxi_tval *v)
{
    struct pxi_tval space;
    r->off = target->off;
    if (target->type == PXI_N_NAME)
        return pxi_tpl_env_set(r, env, target->name, v);
    if (target->type == PXI_N_TUPLE)
        return unpack(r, env, target, v);
    if (target->type != PXI_N_ATTR || !pxi_tpl_eval(r, env, target->a, &space))
        return pxi_tpl_fail(r, "not something to assign to");
    if (space.type != PXI_T_SPACE)
        return pxi_tpl_fail(r, "cannot assign attribute on non-namespace object");
    const struct pxi_tval key = {.type = PXI_T_STR, .s = target->name};
    return pxi_tpl_dict_put(r, space.d, &key, v);
}

/* ---- macros ---- */

/* Parameter number i of a macro, given in `args` by place or by name, or not at all. */
static const struct pxi_tval *given(const struct pxi_targs *args, const struct pxi_tstr *name,
                                    size_t i, size_t *used)
{
    for (size_t k = 0; k < args->nkw; k++)
        if (pxi_tpl_str_equal(args->kw[k], name)) {
            ++*used;
            return i < args->n ? NULL : &args->kwv[k];
        }
    return i < args->n ? &args->v[i] : NULL;
}

static bool bind(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tmacro *m,
                 const struct pxi_targs *args)
{
    size_t i = 0, used = 0;
    for (const struct pxi_tnode *p = m->node->b; p; p = p->next, i++) {
        const struct pxi_tval *v = given(args, p->name, i, &used);
        struct pxi_tval value = pxi_tpl_undef(p->name, PXI_TU_PARAM);
        if (!v && i < args->n)
            return pxi_tpl_fail(r, "parameter '%.*s' of a macro given twice", (int)p->name->n,
                                p->name->p);
        if (v)
            value = *v;
        else if (p->a && !pxi_tpl_eval(r, env, p->a, &value))
            return false;
        if (!pxi_tpl_env_set(r, env, p->name, &value))
            return false;
    }
    if (args->n > i)
        return pxi_tpl_fail(r, "macro '%.*s' takes %zu arguments", (int)m->node->name->n,
                            m->node->name->p, i);
    return used == args->nkw || pxi_tpl_fail(r, "macro '%.*s' takes no such named argument",
                                             (int)m->node->name->n, m->node->name->p);
}

bool pxi_tpl_macro_call(struct pxi_trun *r, const struct pxi_tmacro *m,
                        const struct pxi_targs *args, struct pxi_tval *out)
{
    struct pxi_tenv *env = pxi_tpl_env(r, m->env);
    size_t mark = r->out.n;
    if (!env || !bind(r, env, m, args))
        return false;
    return run(r, env, m->node->d) != FLOW_FAILED && pxi_tpl_take(r, mark, out);
}

static enum flow run_macro(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n)
{
    struct pxi_tmacro *m = pxi_tpl_alloc(r, 1, sizeof *m);
    if (!m)
        return FLOW_FAILED;
    *m = (struct pxi_tmacro){n, env};
    for (struct pxi_tenv *e = env; e && !e->kept; e = e->parent)
        e->kept = true;
    const struct pxi_tval v = {.type = PXI_T_MACRO, .macro = m};
    return pxi_tpl_env_set(r, env, n->name, &v) ? FLOW_NEXT : FLOW_FAILED;
}

/* ---- loops ---- */

/* A scope for one turn of a loop: the last one again, unless a macro keeps it. */
static struct pxi_tenv *turn_env(struct pxi_trun *r, struct pxi_tenv *parent, struct pxi_tenv *last)
{
    if (!last || last->kept)
        return pxi_tpl_env(r, parent);
    last->n = 0;
    return last;
}

/* Keep the items for which the condition of the loop holds. */
static bool keep_matching(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n,
                          struct pxi_tlist *items)
{
    struct pxi_tlist kept = {.kind = PXI_TK_LIST};
    struct pxi_tenv *turn = NULL;
    struct pxi_tval v;
    for (size_t i = 0; i < items->n; i++) {
        turn = turn_env(r, env, turn);
        if (!turn || !assign(r, turn, n->a, &items->v[i]) || !pxi_tpl_eval(r, turn, n->c, &v))
            return false;
        if (pxi_tpl_truth(&v) && !pxi_tpl_list_add(r, &kept, &items->v[i]))
            return false;
    }
    *items = kept;
    return true;
}

static enum flow run_turns(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n,
                           const struct pxi_tlist *items)
{
    static const struct pxi_tstr name = {"loop", 4, NULL};
    struct pxi_tloop *loop = pxi_tpl_alloc(r, 1, sizeof *loop);
    struct pxi_tenv *turn = NULL;
    if (!loop)
        return FLOW_FAILED;
    *loop = (struct pxi_tloop){items->v, items->n, 0};
    const struct pxi_tval value = {.type = PXI_T_LOOP, .loop = loop};
    for (; loop->i < items->n; loop->i++) {
        turn = turn_env(r, env, turn);
        if (!turn || !pxi_tpl_step(r, 1) || !pxi_tpl_env_set(r, turn, &name, &value) ||
            !assign(r, turn, n->a, &items->v[loop->i]))
            return FLOW_FAILED;
        enum flow f = run(r, turn, n->d);
        if (f == FLOW_FAILED)
            return f;
        if (f == FLOW_BREAK)
            break;
    }
    return FLOW_NEXT;
}

static enum flow run_for(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n)
{
    struct pxi_tval v;
    struct pxi_tlist items;
    if (!pxi_tpl_eval(r, env, n->b, &v))
        return FLOW_FAILED;
    r->off = n->off;
    if (!pxi_tpl_iterate(r, &v, &items) || (n->c && !keep_matching(r, env, n, &items)))
        return FLOW_FAILED;
    if (!items.n) {
        struct pxi_tenv *scope = n->e ? pxi_tpl_env(r, env) : env;
        return scope ? run(r, scope, n->e) : FLOW_FAILED;
    }
    return run_turns(r, env, n, &items);
}

/* ---- the rest ---- */

static enum flow run_if(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n)
{
    for (const struct pxi_tnode *b = n->a; b; b = b->next) {
        struct pxi_tval v = pxi_tpl_bool(true);
        if (b->a && !pxi_tpl_eval(r, env, b->a, &v))
            return FLOW_FAILED;
        if (pxi_tpl_truth(&v))
            return run(r, env, b->b);
    }
    return FLOW_NEXT;
}

static bool run_set(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n)
{
    struct pxi_tval v;
    return pxi_tpl_eval(r, env, n->b, &v) && assign(r, env, n->a, &v);
}

/* The text of a body, after the filters of the tag. */
static bool filtered_body(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n,
                          struct pxi_tval *out)
{
    struct pxi_tenv *scope = pxi_tpl_env(r, env);
    size_t mark = r->out.n;
    if (!scope || run(r, scope, n->d) == FLOW_FAILED || !pxi_tpl_take(r, mark, &r->body))
        return false;
    return pxi_tpl_eval(r, env, n->b, out);
}

static enum flow run_scope(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n)
{
    struct pxi_tenv *scope = n->b ? pxi_tpl_env(r, env) : env;
    struct pxi_tval v;
    for (const struct pxi_tnode *p = n->b; scope && p; p = p->next)
        if (!pxi_tpl_eval(r, env, p->a, &v) || !pxi_tpl_env_set(r, scope, p->name, &v))
            return FLOW_FAILED;
    return scope ? run(r, scope, n->d) : FLOW_FAILED;
}

static enum flow run_one(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *n)
{
    struct pxi_tval v;
    bool ok;
    switch (n->type) {
    case PXI_N_DATA: ok = pxi_tpl_put(r, n->k.s->p, n->k.s->n); break;
    case PXI_N_OUTPUT: ok = pxi_tpl_eval(r, env, n->a, &v) && pxi_tpl_put_str(r, &v); break;
    case PXI_N_SET: ok = run_set(r, env, n); break;
    case PXI_N_SETBODY: ok = filtered_body(r, env, n, &v) && assign(r, env, n->a, &v); break;
    case PXI_N_FILTERED: ok = filtered_body(r, env, n, &v) && pxi_tpl_put_str(r, &v); break;
    case PXI_N_IF: return run_if(r, env, n);
    case PXI_N_FOR: return run_for(r, env, n);
    case PXI_N_MACRO: return run_macro(r, env, n);
    case PXI_N_SCOPE: return run_scope(r, env, n);
    case PXI_N_BREAK: return FLOW_BREAK;
    case PXI_N_CONTINUE: return FLOW_CONTINUE;
    default: ok = pxi_tpl_fail(r, "not a statement");
    }
    return ok ? FLOW_NEXT : FLOW_FAILED;
}

static enum flow run(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *body)
{
    enum flow f = FLOW_NEXT;
    if (!pxi_tpl_enter(r))
        return FLOW_FAILED;
    for (; body && f == FLOW_NEXT; body = body->next) {
        r->off = body->off;
        f = pxi_tpl_step(r, 1) ? run_one(r, env, body) : FLOW_FAILED;
    }
    pxi_tpl_leave(r);
    return f;
}

bool pxi_tpl_exec(struct pxi_trun *r, struct pxi_tenv *env, const struct pxi_tnode *body)
{
    return run(r, env, body) != FLOW_FAILED;
}
