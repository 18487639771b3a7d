/* Global functions: range, namespace, dict, raise_exception, strftime_now. */
#include "text/template_impl.h"

static bool range(struct pxi_tcall *c, struct pxi_tval *out)
{
    int64_t v[3] = {0, 0, 1};
    for (int i = 0; i < 3; i++)
        if (c->a[i] && !pxi_tpl_integer(c->a[i], &v[i]))
            return pxi_tpl_fail(c->run, "range takes integers, not %s", pxi_tpl_type_name(c->a[i]));
    if (!c->a[1]) {
        v[1] = v[0];
        v[0] = 0;
    }
    if (v[2] == 0)
        return pxi_tpl_fail(c->run, "the step of range must not be zero");
    bool up = v[2] > 0, empty = up ? v[0] >= v[1] : v[0] <= v[1];
    uint64_t span = up ? (uint64_t)v[1] - (uint64_t)v[0] : (uint64_t)v[0] - (uint64_t)v[1];
    uint64_t step = up ? (uint64_t)v[2] : 0 - (uint64_t)v[2];
    uint64_t n = empty ? 0 : (span - 1) / step + 1;
    if (n > PXI_LIMIT_TEMPLATE_RANGE)
        return pxi_tpl_limit(c->run, "template.range", PXI_LIMIT_TEMPLATE_RANGE);
    if (!pxi_tpl_list(c->run, PXI_TK_RANGE, (size_t)n, out))
        return false;
    struct pxi_tlist *l = out->l;
    l->start = v[0], l->stop = v[1], l->step = v[2];
    for (uint64_t i = 0; i < n; i++)
        l->v[l->n++] = pxi_tpl_int((int64_t)((uint64_t)v[0] + i * (uint64_t)v[2]));
    return true;
}

/* Pairs of a list, or the entries of a dict. */
static bool fill_dict(struct pxi_trun *r, struct pxi_tdict *d, const struct pxi_tval *from)
{
    struct pxi_tlist items, pair;
    struct pxi_tval view;
    bool dict = from->type == PXI_T_DICT || from->type == PXI_T_SPACE;
    if (dict && !pxi_tpl_dict_view(r, from->d, PXI_TK_ITEMS, &view))
        return false;
    if (!pxi_tpl_iterate(r, dict ? &view : from, &items))
        return false;
    for (size_t i = 0; i < items.n; i++) {
        if (!pxi_tpl_iterate(r, &items.v[i], &pair))
            return false;
        if (pair.n != 2)
            return pxi_tpl_fail(r, "dict needs pairs");
        if (!pxi_tpl_dict_put(r, d, &pair.v[0], &pair.v[1]))
            return false;
    }
    return true;
}

static bool dict(struct pxi_tcall *c, struct pxi_tval *out)
{
    const struct pxi_targs *args = c->args;
    if (!pxi_tpl_dict(c->run, args->nkw, out))
        return false;
    if (args->n > 1)
        return pxi_tpl_fail(c->run, "%s takes at most 1 argument", c->fn->name);
    if (args->n && !fill_dict(c->run, out->d, &args->v[0]))
        return false;
    for (size_t i = 0; i < args->nkw; i++) {
        const struct pxi_tval key = {.type = PXI_T_STR, .s = (struct pxi_tstr *)args->kw[i]};
        if (!pxi_tpl_dict_put(c->run, out->d, &key, &args->kwv[i]))
            return false;
    }
    return true;
}

static bool namespace(struct pxi_tcall *c, struct pxi_tval *out)
{
    bool ok = dict(c, out);
    out->type = PXI_T_SPACE;
    return ok;
}

static bool raise_exception(struct pxi_tcall *c, struct pxi_tval *out)
{
    struct pxi_tval text;
    if (!pxi_tpl_str_of(c->run, c->a[0], &text))
        return false;
    return pxi_tpl_fail(c->run, "%.*s", (int)pxi_tpl_char_offset(text.s->p, text.s->n, 95),
                        text.s->p);
}

static bool strftime_now(struct pxi_tcall *c, struct pxi_tval *out)
{
    if (c->a[0]->type != PXI_T_STR)
        return pxi_tpl_fail(c->run, "strftime_now needs a string");
    return pxi_tpl_strftime(c->run, c->a[0]->s, c->run->now_unix, out);
}

static const struct pxi_tfunc globals[] = {
    {"range", "start stop step", 1, range},
    {"namespace", "*", 0, namespace},
    {"dict", "*", 0, dict},
    {"raise_exception", "message", 1, raise_exception},
    {"strftime_now", "format", 1, strftime_now},
    {NULL, NULL, 0, NULL},
};

const struct pxi_tfunc *pxi_tpl_global_find(const char *name, size_t n)
{
    return pxi_tpl_func_find(globals, name, n);
}
