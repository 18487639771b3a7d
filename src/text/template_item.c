/* Attributes, items and slices: what stands behind a value with "." or "[". */
#include "text/template_impl.h"

static bool method(struct pxi_trun *r, const struct pxi_tval *v, const struct pxi_tfunc *fn,
                   struct pxi_tval *out)
{
    struct pxi_tmethod *m = pxi_tpl_alloc(r, 1, sizeof *m);
    if (!m)
        return false;
    *m = (struct pxi_tmethod){*v, fn};
    *out = (struct pxi_tval){.type = PXI_T_METHOD, .method = m};
    return true;
}

static bool loop_attr(const struct pxi_tloop *l, const struct pxi_tstr *name, struct pxi_tval *out)
{
    /* depth counts recursive loops, which are not supported: it is always 1 */
    static const char *const names[] = {"index",  "index0",   "revindex", "revindex0",
                                        "first",  "last",     "length",   "depth",
                                        "depth0", "previtem", "nextitem"};
    size_t which = 0;
    while (which < sizeof names / sizeof *names && !pxi_tpl_str_is(name, names[which]))
        which++;
    const size_t number[] = {
        l->i + 1, l->i, l->n - l->i, l->n - l->i - 1, l->i == 0, l->i + 1 == l->n, l->n, 1, 0};
    if (which < 9) {
        *out = which == 4 || which == 5 ? pxi_tpl_bool(number[which] != 0)
                                        : pxi_tpl_int((int64_t)number[which]);
        return true;
    }
    if (which > 10)
        return false;
    bool there = which == 9 ? l->i > 0 : l->i + 1 < l->n;
    *out = there ? l->v[which == 9 ? l->i - 1 : l->i + 1] : pxi_tpl_undef(name, PXI_TU_OTHER);
    return true;
}

/* What Python's getattr finds; false and no error when there is no such attribute. */
static bool python_attr(struct pxi_trun *r, const struct pxi_tval *v, struct pxi_tstr *name,
                        struct pxi_tval *out)
{
    struct pxi_tval key = {.type = PXI_T_STR, .s = name}, *found;
    if (v->type == PXI_T_LOOP && loop_attr(v->loop, name, out))
        return true;
    if (v->type == PXI_T_SPACE) {
        if (!pxi_tpl_dict_get(r, v->d, &key, &found) || !found)
            return false;
        *out = *found;
        return true;
    }
    if (v->type == PXI_T_MACRO && pxi_tpl_str_is(name, "name")) {
        *out = (struct pxi_tval){.type = PXI_T_STR, .s = v->macro->node->name};
        return true;
    }
    const struct pxi_tfunc *fn = pxi_tpl_method_find(v, name);
    if (!fn)
        return false;
    if (fn->call)
        return method(r, v, fn, out);
    *out = pxi_tpl_undef(name, PXI_TU_UNSAFE);
    return true;
}

/* What v[key] finds; false and no error when there is no such item. */
static bool python_item(struct pxi_trun *r, const struct pxi_tval *v, const struct pxi_tval *key,
                        struct pxi_tval *out)
{
    struct pxi_tval *found;
    int64_t i, n;
    if (v->type == PXI_T_DICT) {
        bool hashable =
            key->type != PXI_T_DICT && (key->type != PXI_T_LIST || key->l->kind == PXI_TK_TUPLE);
        if (!hashable || !pxi_tpl_dict_get(r, v->d, key, &found) || !found)
            return false;
        *out = *found;
        return true;
    }
    bool indexed = v->type == PXI_T_STR || (v->type == PXI_T_LIST && v->l->kind <= PXI_TK_RANGE);
    if (!indexed || !pxi_tpl_integer(key, &i) || !pxi_tpl_length(r, v, &n))
        return false;
    i += i < 0 ? n : 0;
    if (i < 0 || i >= n)
        return false;
    if (v->type == PXI_T_LIST) {
        *out = v->l->v[i];
        return true;
    }
    size_t at = pxi_tpl_char_offset(v->s->p, v->s->n, (size_t)i);
    return pxi_tpl_str_ref(r, v->s->p + at, pxi_tpl_char(v->s->p + at, v->s->n - at, NULL), out);
}

bool pxi_tpl_attr(struct pxi_trun *r, const struct pxi_tval *v, struct pxi_tstr *name,
                  struct pxi_tval *out)
{
    const struct pxi_tval key = {.type = PXI_T_STR, .s = name};
    if (v->type == PXI_T_UNDEF)
        return pxi_tpl_undefined(r, v);
    if (python_attr(r, v, name, out) || (r->err == PX_ERR_OK && python_item(r, v, &key, out)))
        return true;
    *out = pxi_tpl_undef(name, PXI_TU_ATTR);
    return r->err == PX_ERR_OK;
}

bool pxi_tpl_item(struct pxi_trun *r, const struct pxi_tval *v, const struct pxi_tval *key,
                  struct pxi_tval *out)
{
    if (v->type == PXI_T_UNDEF)
        return pxi_tpl_undefined(r, v);
    if (python_item(r, v, key, out))
        return true;
    if (r->err == PX_ERR_OK && key->type == PXI_T_STR && python_attr(r, v, key->s, out))
        return true;
    *out = pxi_tpl_undef(key->type == PXI_T_STR ? key->s : NULL, PXI_TU_ATTR);
    return r->err == PX_ERR_OK;
}

/* One part of a path: digits are an index. */
static bool path_part(struct pxi_trun *r, const char *p, size_t n, struct pxi_tval *key)
{
    int64_t i = 0;
    bool digits = n > 0 && n < 18;
    for (size_t k = 0; k < n && digits; k++) {
        digits = p[k] >= '0' && p[k] <= '9';
        i = i * 10 + (p[k] - '0');
    }
    if (!digits)
        return pxi_tpl_str_ref(r, p, n, key);
    *key = pxi_tpl_int(i);
    return true;
}

bool pxi_tpl_path(struct pxi_trun *r, const struct pxi_tval *v, const struct pxi_tval *path,
                  struct pxi_tval *out)
{
    struct pxi_tval key;
    if (path->type != PXI_T_STR)
        return pxi_tpl_item(r, v, path, out);
    const char *p = path->s->p, *end = p + path->s->n;
    *out = *v;
    for (;;) {
        const char *dot = memchr(p, '.', (size_t)(end - p));
        struct pxi_tval from = *out;
        if (!pxi_tpl_step(r, 1) || !path_part(r, p, (size_t)((dot ? dot : end) - p), &key) ||
            !pxi_tpl_item(r, &from, &key, out))
            return false;
        if (!dot)
            return true;
        p = dot + 1;
    }
}

/* A bound of a slice; none is `missing`. Clipped to [low, high]. */
static bool bound(struct pxi_trun *r, const struct pxi_tval *v, int64_t n, int64_t missing,
                  int64_t low, int64_t high, int64_t *out)
{
    *out = missing;
    if (!v || v->type == PXI_T_NONE)
        return true;
    if (!pxi_tpl_integer(v, out))
        return pxi_tpl_fail(r, "slice indices must be integers, not %s", pxi_tpl_type_name(v));
    *out += *out < 0 ? n : 0;
    *out = *out < low ? low : *out > high ? high : *out;
    return true;
}

static bool slice_list(struct pxi_trun *r, const struct pxi_tlist *l, int64_t at, int64_t count,
                       int64_t step, struct pxi_tval *out)
{
    enum pxi_tkind kind = l->kind == PXI_TK_TUPLE ? PXI_TK_TUPLE : PXI_TK_LIST;
    if (!pxi_tpl_list(r, kind, (size_t)count, out))
        return false;
    for (; count > 0; count--, at += step)
        out->l->v[out->l->n++] = l->v[at];
    return true;
}

static bool slice_str(struct pxi_trun *r, const struct pxi_tstr *s, int64_t at, int64_t count,
                      int64_t step, struct pxi_tval *out)
{
    struct pxi_tlist chars;
    const struct pxi_tval v = {.type = PXI_T_STR, .s = (struct pxi_tstr *)s};
    size_t mark = r->out.n;
    if (step == 1) {
        size_t from = pxi_tpl_char_offset(s->p, s->n, (size_t)at);
        return pxi_tpl_str_ref(r, s->p + from,
                               pxi_tpl_char_offset(s->p + from, s->n - from, (size_t)count), out);
    }
    if (!pxi_tpl_iterate(r, &v, &chars))
        return false;
    for (; count > 0; count--, at += step)
        if (!pxi_tpl_put_str(r, &chars.v[at]))
            return false;
    return pxi_tpl_take(r, mark, out);
}

bool pxi_tpl_slice(struct pxi_trun *r, const struct pxi_tval *v, const struct pxi_tval *start,
                   const struct pxi_tval *stop, const struct pxi_tval *step, struct pxi_tval *out)
{
    int64_t n, by = 1, from, to;
    if (v->type == PXI_T_UNDEF)
        return pxi_tpl_undefined(r, v);
    if (v->type != PXI_T_STR && (v->type != PXI_T_LIST || v->l->kind > PXI_TK_RANGE))
        return pxi_tpl_fail(r, "a value of type %s cannot be sliced", pxi_tpl_type_name(v));
    if (!pxi_tpl_length(r, v, &n))
        return false;
    if (step && step->type != PXI_T_NONE && !pxi_tpl_integer(step, &by))
        return pxi_tpl_fail(r, "slice indices must be integers, not %s", pxi_tpl_type_name(step));
    if (by == 0)
        return pxi_tpl_fail(r, "slice step cannot be zero");
    int64_t low = by < 0 ? -1 : 0, high = by < 0 ? n - 1 : n;
    if (!bound(r, start, n, by < 0 ? high : low, low, high, &from) ||
        !bound(r, stop, n, by < 0 ? low : high, low, high, &to))
        return false;
    int64_t span = by < 0 ? from - to : to - from;
    uint64_t stride = by < 0 ? 0 - (uint64_t)by : (uint64_t)by;
    int64_t count = span <= 0 ? 0 : 1 + (int64_t)((uint64_t)(span - 1) / stride);
    by = count > 1 ? by : by == 1 ? 1 : 2; /* an extreme stride is never walked */
    return v->type == PXI_T_STR ? slice_str(r, v->s, from, count, by, out)
                                : slice_list(r, v->l, from, count, by, out);
}
