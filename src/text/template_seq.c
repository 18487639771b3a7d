/* Filters that take or make lists: join, map, select, sort and their relatives. */
#include "text/template_impl.h"

/* The keyword argument `name`, or NULL. */
static const struct pxi_tval *keyword(const struct pxi_targs *args, const char *name)
{
    for (size_t i = 0; i < args->nkw; i++)
        if (pxi_tpl_str_is(args->kw[i], name))
            return &args->kwv[i];
    return NULL;
}

static bool items_of_self(struct pxi_tcall *c, struct pxi_tlist *l)
{
    return pxi_tpl_iterate(c->run, &c->self, l) && pxi_tpl_step(c->run, l->n / 8);
}

static bool f_join(struct pxi_tcall *c, struct pxi_tval *out)
{
    struct pxi_tlist l;
    struct pxi_tval item, text;
    size_t mark = c->run->out.n;
    bool by_attr = c->a[1] && c->a[1]->type != PXI_T_NONE;
    if (!items_of_self(c, &l) || (c->a[0] && !pxi_tpl_str_of(c->run, c->a[0], &text)))
        return false;
    for (size_t i = 0; i < l.n; i++) {
        item = l.v[i];
        if (by_attr && !pxi_tpl_path(c->run, &l.v[i], c->a[1], &item))
            return false;
        if ((i && c->a[0] && !pxi_tpl_put_str(c->run, &text)) || !pxi_tpl_put_str(c->run, &item) ||
            !pxi_tpl_step(c->run, 1))
            return false;
    }
    return pxi_tpl_take(c->run, mark, out);
}

static bool f_first(struct pxi_tcall *c, struct pxi_tval *out)
{
    struct pxi_tlist l;
    size_t at = c->self.type == PXI_T_LIST ? c->self.l->at : 0;
    if (!pxi_tpl_iterate(c->run, &c->self, &l))
        return false;
    *out = l.n ? l.v[0] : pxi_tpl_undef(NULL, PXI_TU_OTHER);
    if (l.n && l.kind == PXI_TK_GENERATOR)
        c->self.l->at = at + 1;
    return true;
}

static bool f_last(struct pxi_tcall *c, struct pxi_tval *out)
{
    struct pxi_tlist l;
    if (c->self.type == PXI_T_LIST && c->self.l->kind == PXI_TK_GENERATOR)
        return pxi_tpl_fail(c->run, "a generator has no last element");
    if (!pxi_tpl_iterate(c->run, &c->self, &l))
        return false;
    *out = l.n ? l.v[l.n - 1] : pxi_tpl_undef(NULL, PXI_TU_OTHER);
    return true;
}

static bool copy_list(struct pxi_tcall *c, enum pxi_tkind kind, const struct pxi_tlist *l,
                      struct pxi_tval *out)
{
    if (!pxi_tpl_list(c->run, kind, l->n, out))
        return false;
    if (l->n)
        memcpy(out->l->v, l->v, l->n * sizeof *l->v);
    out->l->n = l->n;
    return true;
}

static bool f_list(struct pxi_tcall *c, struct pxi_tval *out)
{
    struct pxi_tlist l;
    return items_of_self(c, &l) && copy_list(c, PXI_TK_LIST, &l, out);
}

static bool f_items(struct pxi_tcall *c, struct pxi_tval *out)
{
    if (c->self.type == PXI_T_UNDEF)
        return pxi_tpl_list(c->run, PXI_TK_GENERATOR, 0, out);
    if (c->self.type != PXI_T_DICT)
        return pxi_tpl_fail(c->run, "items needs a mapping, not %s", pxi_tpl_type_name(&c->self));
    bool ok = pxi_tpl_dict_view(c->run, c->self.d, PXI_TK_ITEMS, out);
    if (ok)
        out->l->kind = PXI_TK_GENERATOR;
    return ok;
}

static bool f_reverse(struct pxi_tcall *c, struct pxi_tval *out)
{
    struct pxi_tlist l;
    size_t mark = c->run->out.n;
    if (!items_of_self(c, &l))
        return false;
    if (c->self.type != PXI_T_STR && !pxi_tpl_list(c->run, PXI_TK_GENERATOR, l.n, out))
        return false;
    for (size_t i = l.n; i-- > 0;)
        if (c->self.type == PXI_T_STR ? !pxi_tpl_put_str(c->run, &l.v[i])
                                      : !pxi_tpl_list_add(c->run, out->l, &l.v[i]))
            return false;
    return c->self.type != PXI_T_STR || pxi_tpl_take(c->run, mark, out);
}

/* ---- map, select and reject ---- */

/* Arguments of `args` behind the first `skip` positional ones. */
static struct pxi_targs rest(const struct pxi_targs *args, size_t skip)
{
    struct pxi_targs r = *args;
    if (skip) {
        r.v += skip;
        r.n -= skip;
    }
    return r;
}

static bool map_attribute(struct pxi_tcall *c, const struct pxi_tval *path,
                          const struct pxi_tval *fallback, const struct pxi_tlist *l,
                          struct pxi_tval *out)
{
    struct pxi_tval v;
    if (c->args->nkw > 1u + (fallback != NULL))
        return pxi_tpl_fail(c->run, "map does not take this argument");
    for (size_t i = 0; i < l->n; i++) {
        if (!pxi_tpl_path(c->run, &l->v[i], path, &v))
            return false;
        if (v.type == PXI_T_UNDEF && fallback && fallback->type != PXI_T_NONE)
            v = *fallback;
        if (!pxi_tpl_list_add(c->run, out->l, &v))
            return false;
    }
    return true;
}

static bool f_map(struct pxi_tcall *c, struct pxi_tval *out)
{
    const struct pxi_tval *path = keyword(c->args, "attribute"), *name = c->args->v;
    const struct pxi_tfunc *fn = NULL;
    struct pxi_targs args;
    struct pxi_tlist l;
    struct pxi_tval v;
    if (!pxi_tpl_list(c->run, PXI_TK_GENERATOR, 0, out))
        return false;
    if (!pxi_tpl_truth(&c->self)) /* whatever it is: as in Jinja2, no elements */
        return true;
    if (!items_of_self(c, &l))
        return false;
    if (!c->args->n && path)
        return map_attribute(c, path, keyword(c->args, "default"), &l, out);
    if (c->args->n && name->type == PXI_T_STR)
        fn = pxi_tpl_filter_find(name->s->p, name->s->n);
    if (!fn)
        return pxi_tpl_fail(c->run, "map needs the name of a known filter");
    args = rest(c->args, 1);
    for (size_t i = 0; i < l.n; i++)
        if (!pxi_tpl_invoke(c->run, fn, &l.v[i], &args, &v) ||
            !pxi_tpl_list_add(c->run, out->l, &v))
            return false;
    return true;
}

/* select, reject, selectattr, rejectattr: keep where the test holds (or does not: !wanted). */
static bool filter_items(struct pxi_tcall *c, bool by_attr, bool wanted, struct pxi_tval *out)
{
    const struct pxi_tval *path = c->args->v, *name = c->args->n > by_attr ? path + by_attr : NULL;
    const struct pxi_tfunc *fn = NULL;
    struct pxi_targs args;
    struct pxi_tlist l;
    struct pxi_tval v, holds;
    if (!pxi_tpl_list(c->run, PXI_TK_GENERATOR, 0, out))
        return false;
    if (!pxi_tpl_truth(&c->self))
        return true;
    if (!items_of_self(c, &l))
        return false;
    if (by_attr && !c->args->n)
        return pxi_tpl_fail(c->run, "%s needs the name of an attribute", c->fn->name);
    if (name && name->type == PXI_T_STR)
        fn = pxi_tpl_test_find(name->s->p, name->s->n);
    if (name && !fn)
        return pxi_tpl_fail(c->run, "%s needs the name of a known test", c->fn->name);
    args = rest(c->args, name ? 1u + by_attr : c->args->n);
    for (size_t i = 0; i < l.n; i++) {
        v = l.v[i];
        if (by_attr && !pxi_tpl_path(c->run, &l.v[i], path, &v))
            return false;
        holds = v;
        if (!pxi_tpl_step(c->run, 1) || (fn && !pxi_tpl_invoke(c->run, fn, &v, &args, &holds)))
            return false;
        if (pxi_tpl_truth(&holds) == wanted && !pxi_tpl_list_add(c->run, out->l, &l.v[i]))
            return false;
    }
    return true;
}

static bool f_select(struct pxi_tcall *c, struct pxi_tval *out)
{
    return filter_items(c, false, true, out);
}
static bool f_reject(struct pxi_tcall *c, struct pxi_tval *out)
{
    return filter_items(c, false, false, out);
}
static bool f_selectattr(struct pxi_tcall *c, struct pxi_tval *out)
{
    return filter_items(c, true, true, out);
}
static bool f_rejectattr(struct pxi_tcall *c, struct pxi_tval *out)
{
    return filter_items(c, true, false, out);
}

/* ---- sorting ---- */

/* What an element is compared by: itself or a part of it, in lower case when case is ignored. */
static bool sort_key(struct pxi_trun *r, const struct pxi_tval *v, const struct pxi_tval *path,
                     bool ignore_case, struct pxi_tval *key)
{
    struct pxi_tcall m = {.run = r};
    *key = *v;
    if (path && path->type != PXI_T_NONE && !pxi_tpl_path(r, v, path, key))
        return false;
    if (!ignore_case || key->type != PXI_T_STR)
        return true;
    m.self = *key;
    return pxi_tpl_func_find(pxi_tpl_str_methods, "lower", 5)->call(&m, key);
}

/*
 * The key of the filter sort: a list of the parts that the comma-separated path names. Lists
 * compare by their first unequal elements, so that equal keys need no order, as in Jinja2.
 */
static bool sort_keys(struct pxi_trun *r, const struct pxi_tval *v, const struct pxi_tval *path,
                      bool ignore_case, struct pxi_tval *key)
{
    struct pxi_tval part, name;
    if (!pxi_tpl_list(r, PXI_TK_LIST, 1, key))
        return false;
    if (!path || path->type != PXI_T_STR)
        return sort_key(r, v, path, ignore_case, &part) && pxi_tpl_list_add(r, key->l, &part);
    const char *p = path->s->p, *end = p + path->s->n;
    for (const char *comma; p; p = comma ? comma + 1 : NULL) {
        comma = memchr(p, ',', (size_t)(end - p));
        if (!pxi_tpl_str_ref(r, p, (size_t)((comma ? comma : end) - p), &name) ||
            !sort_key(r, v, &name, ignore_case, &part) || !pxi_tpl_list_add(r, key->l, &part))
            return false;
    }
    return true;
}

struct sorted {
    struct pxi_tval key;
    size_t at;
};

/* Stable merge sort of a[0..n) with scratch space; false after an error. */
static bool merge_sort(struct pxi_trun *r, struct sorted *a, struct sorted *tmp, size_t n,
                       bool reverse)
{
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t lo = 0; lo < n; lo += 2 * width) {
            size_t mid = lo + width < n ? lo + width : n, hi = mid + width < n ? mid + width : n;
            size_t i = lo, j = mid, k = lo;
            while (k < hi) {
                int order = -1;
                if (i < mid && j < hi &&
                    !pxi_tpl_compare(r, &a[reverse ? i : j].key, &a[reverse ? j : i].key, "<",
                                     &order))
                    return false;
                bool right = i == mid || (j < hi && order == -1);
                tmp[k++] = right ? a[j++] : a[i++];
            }
        }
        memcpy(a, tmp, n * sizeof *a);
    }
    return true;
}

typedef bool key_fn(struct pxi_trun *r, const struct pxi_tval *v, const struct pxi_tval *path,
                    bool ignore_case, struct pxi_tval *key);

static bool sort_items(struct pxi_tcall *c, const struct pxi_tlist *l, const struct pxi_tval *path,
                       key_fn *key, bool ignore_case, bool reverse, struct pxi_tval *out)
{
    struct sorted *a = pxi_tpl_alloc(c->run, l->n, sizeof *a);
    struct sorted *tmp = pxi_tpl_alloc(c->run, l->n, sizeof *tmp);
    if (!a || !tmp || !pxi_tpl_list(c->run, PXI_TK_LIST, l->n, out))
        return false;
    for (size_t i = 0; i < l->n; i++) {
        a[i].at = i;
        if (!key(c->run, &l->v[i], path, ignore_case, &a[i].key))
            return false;
    }
    if (!merge_sort(c->run, a, tmp, l->n, reverse))
        return false;
    for (size_t i = 0; i < l->n; i++)
        out->l->v[out->l->n++] = l->v[a[i].at];
    return true;
}

static bool f_sort(struct pxi_tcall *c, struct pxi_tval *out)
{
    struct pxi_tlist l;
    bool reverse = c->a[0] && pxi_tpl_truth(c->a[0]);
    bool exact = c->a[1] && pxi_tpl_truth(c->a[1]);
    return items_of_self(c, &l) && sort_items(c, &l, c->a[2], sort_keys, !exact, reverse, out);
}

/* case_sensitive, by ("key" or "value"), reverse. */
static bool f_dictsort(struct pxi_tcall *c, struct pxi_tval *out)
{
    struct pxi_tval items, path = pxi_tpl_int(0);
    bool exact = c->a[0] && pxi_tpl_truth(c->a[0]), reverse = c->a[2] && pxi_tpl_truth(c->a[2]);
    if (c->self.type != PXI_T_DICT)
        return pxi_tpl_fail(c->run, "dictsort needs a mapping");
    if (c->a[1] && c->a[1]->type == PXI_T_STR && pxi_tpl_str_is(c->a[1]->s, "value"))
        path = pxi_tpl_int(1);
    return pxi_tpl_dict_view(c->run, c->self.d, PXI_TK_ITEMS, &items) &&
           sort_items(c, items.l, &path, sort_key, !exact, reverse, out);
}

/* case_sensitive, attribute. */
static bool f_unique(struct pxi_tcall *c, struct pxi_tval *out)
{
    struct pxi_tlist l;
    struct pxi_tval seen, key, *found;
    bool exact = c->a[0] && pxi_tpl_truth(c->a[0]);
    if (!items_of_self(c, &l) || !pxi_tpl_list(c->run, PXI_TK_GENERATOR, 0, out) ||
        !pxi_tpl_dict(c->run, 0, &seen))
        return false;
    for (size_t i = 0; i < l.n; i++) {
        if (!sort_key(c->run, &l.v[i], c->a[1], !exact, &key) ||
            !pxi_tpl_dict_get(c->run, seen.d, &key, &found))
            return false;
        if (!found && (!pxi_tpl_dict_add(c->run, seen.d, &key, &key) ||
                       !pxi_tpl_list_add(c->run, out->l, &l.v[i])))
            return false;
    }
    return true;
}

/* min and max: case_sensitive, attribute. */
static bool extreme(struct pxi_tcall *c, const char *op, int wanted, struct pxi_tval *out)
{
    struct pxi_tlist l;
    struct pxi_tval best, key;
    bool exact = c->a[0] && pxi_tpl_truth(c->a[0]);
    if (!items_of_self(c, &l))
        return false;
    *out = pxi_tpl_undef(NULL, PXI_TU_OTHER);
    for (size_t i = 0; i < l.n; i++) {
        int order = wanted;
        if (!sort_key(c->run, &l.v[i], c->a[1], !exact, &key) ||
            (i && !pxi_tpl_compare(c->run, &key, &best, op, &order)))
            return false;
        if (order == wanted) {
            best = key;
            *out = l.v[i];
        }
    }
    return true;
}

static bool f_min(struct pxi_tcall *c, struct pxi_tval *out)
{
    return extreme(c, "<", -1, out);
}
static bool f_max(struct pxi_tcall *c, struct pxi_tval *out)
{
    return extreme(c, ">", 1, out);
}

/* attribute, start. */
static bool f_sum(struct pxi_tcall *c, struct pxi_tval *out)
{
    struct pxi_tlist l;
    struct pxi_tval v;
    *out = c->a[1] ? *c->a[1] : pxi_tpl_int(0);
    if (!items_of_self(c, &l))
        return false;
    for (size_t i = 0; i < l.n; i++) {
        const struct pxi_tval sofar = *out;
        v = l.v[i];
        if (c->a[0] && c->a[0]->type != PXI_T_NONE && !pxi_tpl_path(c->run, &l.v[i], c->a[0], &v))
            return false;
        if (!pxi_tpl_step(c->run, 1) || !pxi_tpl_binary(c->run, '+', &sofar, &v, out))
            return false;
    }
    return true;
}

const struct pxi_tfunc pxi_tpl_seq_filters[] = {
    {"join", "d attribute", 0, f_join},
    {"first", "", 0, f_first},
    {"last", "", 0, f_last},
    {"list", "", 0, f_list},
    {"items", "", 0, f_items},
    {"reverse", "", 0, f_reverse},
    {"map", "*", 0, f_map},
    {"select", "*", 0, f_select},
    {"reject", "*", 0, f_reject},
    {"selectattr", "*", 0, f_selectattr},
    {"rejectattr", "*", 0, f_rejectattr},
    {"sort", "reverse case_sensitive attribute", 0, f_sort},
    {"dictsort", "case_sensitive by reverse", 0, f_dictsort},
    {"unique", "case_sensitive attribute", 0, f_unique},
    {"min", "case_sensitive attribute", 0, f_min},
    {"max", "case_sensitive attribute", 0, f_max},
    {"sum", "attribute start", 0, f_sum},
    {NULL, NULL, 0, NULL},
};
