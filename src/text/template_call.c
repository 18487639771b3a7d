/* Calling built-in filters, tests, methods and globals: tables and the binding of arguments. */
#include "text/template_impl.h"

const struct pxi_tfunc *pxi_tpl_func_find(const struct pxi_tfunc *table, const char *name, size_t n)
{
    for (; table->name; table++)
        if (strlen(table->name) == n && memcmp(table->name, name, n) == 0)
            return table;
    return NULL;
}

/* Number of the parameter called name[0..n), or -1. */
static int param_named(const char *params, const char *name, size_t n)
{
    for (int i = 0; *params; i++) {
        size_t len = strcspn(params, " ");
        if (len == n && memcmp(params, name, n) == 0)
            return i;
        params += len + (params[len] == ' ');
    }
    return -1;
}

static size_t param_count(const char *params)
{
    size_t n = *params != 0;
    for (; *params; params++)
        n += *params == ' ';
    return n;
}

static bool bind(struct pxi_tcall *c)
{
    const struct pxi_targs *args = c->args;
    size_t count = param_count(c->fn->params), given = args->n;
    if (args->n > count)
        return pxi_tpl_fail(c->run, "%s takes at most %zu arguments", c->fn->name, count);
    for (size_t i = 0; i < args->n; i++)
        c->a[i] = &args->v[i];
    for (size_t k = 0; k < args->nkw; k++) {
        int i = param_named(c->fn->params, args->kw[k]->p, args->kw[k]->n);
        if (i < 0 || c->a[i])
            return pxi_tpl_fail(c->run, "%s does not take the argument '%.*s'", c->fn->name,
                                (int)pxi_tpl_char_offset(args->kw[k]->p, args->kw[k]->n, 30),
                                args->kw[k]->p);
        c->a[i] = &args->kwv[k];
        given += (unsigned)i < c->fn->required;
    }
    return given >= c->fn->required ||
           pxi_tpl_fail(c->run, "%s needs %u arguments", c->fn->name, c->fn->required);
}

bool pxi_tpl_invoke(struct pxi_trun *r, const struct pxi_tfunc *fn, const struct pxi_tval *self,
                    const struct pxi_targs *args, struct pxi_tval *out)
{
    static const struct pxi_targs no_args;
    struct pxi_tcall c = {.run = r, .args = args ? args : &no_args, .fn = fn};
    c.self = self ? *self : pxi_tpl_none();
    if (strcmp(fn->params, "*") != 0 && !bind(&c))
        return false;
    if (!pxi_tpl_step(r, 1) || !pxi_tpl_enter(r))
        return false;
    bool ok = fn->call(&c, out);
    pxi_tpl_leave(r);
    return ok;
}
