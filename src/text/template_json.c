/* JSON: variables in, and the filter tojson out, written as Python's json.dumps does. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>

#include "base/diag.h"
#include "text/template_impl.h"

struct writer {
    struct pxi_trun *run;
    bool indented, sorted;
    const char *indent; /* one level */
    size_t indent_n;
    struct pxi_tstr comma, colon;
};

static bool write_value(const struct writer *w, const struct pxi_tval *v, size_t level);

static bool write_string(struct pxi_trun *r, const struct pxi_tstr *s)
{
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    size_t done = 0;
    bool ok = pxi_tpl_put(r, "\"", 1) && pxi_tpl_step(r, s->n / 16);
    for (size_t i = 0; ok && i < s->n; i++) {
        unsigned char c = (unsigned char)s->p[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        const char *known = memchr(from, c, sizeof from - 1);
        char text[8];
        snprintf(text, sizeof text, known ? "\\%c" : "\\u%04x", known ? to[known - from] : c);
        ok = pxi_tpl_put(r, s->p + done, i - done) && pxi_tpl_puts(r, text);
        done = i + 1;
    }
    return ok && pxi_tpl_put(r, s->p + done, s->n - done) && pxi_tpl_put(r, "\"", 1);
}

static bool write_float(struct pxi_trun *r, double f)
{
    if (isnan(f))
        return pxi_tpl_puts(r, "NaN");
    if (isinf(f))
        return pxi_tpl_puts(r, f < 0 ? "-Infinity" : "Infinity");
    return pxi_tpl_put_float(r, f);
}

static bool write_newline(const struct writer *w, size_t level)
{
    if (!w->indented)
        return true;
    bool ok = pxi_tpl_put(w->run, "\n", 1);
    for (; ok && level; level--)
        ok = pxi_tpl_put(w->run, w->indent, w->indent_n) && pxi_tpl_step(w->run, 1);
    return ok;
}

static bool write_list(const struct writer *w, const struct pxi_tlist *l, size_t level)
{
    if (l->kind > PXI_TK_TUPLE)
        return pxi_tpl_fail(w->run, "a value of this type is not JSON serializable");
    bool ok = pxi_tpl_put(w->run, "[", 1);
    for (size_t i = 0; ok && i < l->n; i++)
        ok = (!i || pxi_tpl_put(w->run, w->comma.p, w->comma.n)) && write_newline(w, level + 1) &&
             write_value(w, &l->v[i], level + 1);
    return ok && (!l->n || write_newline(w, level)) && pxi_tpl_put(w->run, "]", 1);
}

static bool write_key(const struct writer *w, const struct pxi_tval *k)
{
    if (k->type == PXI_T_STR)
        return write_string(w->run, k->s);
    if (k->type > PXI_T_FLOAT || k->type == PXI_T_UNDEF)
        return pxi_tpl_fail(w->run, "a key of type %s is not JSON", pxi_tpl_type_name(k));
    return pxi_tpl_put(w->run, "\"", 1) && write_value(w, k, 0) && pxi_tpl_put(w->run, "\"", 1);
}

/* Order of the entries: as inserted, or by key; `order` has room for d->n numbers. */
static bool sort_keys(struct pxi_trun *r, const struct pxi_tdict *d, size_t *order)
{
    for (size_t i = 0; i < d->n; i++) {
        size_t at = i;
        for (; at; at--) {
            int c;
            if (!pxi_tpl_compare(r, &d->kv[2 * order[at - 1]], &d->kv[2 * i], "<", &c))
                return false;
            if (c <= 0)
                break;
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
    return true;
}

static bool write_dict(const struct writer *w, const struct pxi_tdict *d, size_t level)
{
    size_t *order = NULL;
    if (w->sorted && d->n) {
        order = pxi_tpl_alloc(w->run, d->n, sizeof *order);
        if (!order || !sort_keys(w->run, d, order))
            return false;
    }
    bool ok = pxi_tpl_put(w->run, "{", 1);
    for (size_t i = 0; ok && i < d->n; i++) {
        const struct pxi_tval *kv = &d->kv[2 * (order ? order[i] : i)];
        ok = (!i || pxi_tpl_put(w->run, w->comma.p, w->comma.n)) && write_newline(w, level + 1) &&
             write_key(w, &kv[0]) && pxi_tpl_put(w->run, w->colon.p, w->colon.n) &&
             write_value(w, &kv[1], level + 1);
    }
    return ok && (!d->n || write_newline(w, level)) && pxi_tpl_put(w->run, "}", 1);
}

static bool write_by_type(const struct writer *w, const struct pxi_tval *v, size_t level)
{
    switch (v->type) {
    case PXI_T_NONE: return pxi_tpl_puts(w->run, "null");
    case PXI_T_BOOL: return pxi_tpl_puts(w->run, v->b ? "true" : "false");
    case PXI_T_INT: return pxi_tpl_put_repr(w->run, v);
    case PXI_T_FLOAT: return write_float(w->run, v->f);
    case PXI_T_STR: return write_string(w->run, v->s);
    case PXI_T_LIST: return write_list(w, v->l, level);
    case PXI_T_DICT: return write_dict(w, v->d, level);
    default:
        return pxi_tpl_fail(w->run, "a value of type %s is not JSON serializable",
                            pxi_tpl_type_name(v));
    }
}

static bool write_value(const struct writer *w, const struct pxi_tval *v, size_t level)
{
    if (!pxi_tpl_step(w->run, 1) || !pxi_tpl_enter(w->run))
        return false;
    bool ok = write_by_type(w, v, level);
    pxi_tpl_leave(w->run);
    return ok;
}

static bool set_indent(struct pxi_tcall *c, struct writer *w)
{
    static const char blanks[] = "                                ";
    int64_t n;
    if (!c->a[1] || c->a[1]->type == PXI_T_NONE)
        return true;
    w->indented = true;
    w->comma = (struct pxi_tstr){",", 1, NULL};
    if (c->a[1]->type == PXI_T_STR) {
        w->indent = c->a[1]->s->p;
        w->indent_n = c->a[1]->s->n;
        return true;
    }
    if (!pxi_tpl_integer(c->a[1], &n) || n > (int64_t)sizeof blanks - 1)
        return pxi_tpl_fail(c->run, "the indent of tojson is a string or at most %zu",
                            sizeof blanks - 1);
    w->indent = blanks;
    w->indent_n = n > 0 ? (size_t)n : 0;
    return true;
}

static bool set_separators(struct pxi_tcall *c, struct writer *w)
{
    struct pxi_tlist l;
    if (!c->a[2] || c->a[2]->type == PXI_T_NONE)
        return true;
    if (!pxi_tpl_iterate(c->run, c->a[2], &l))
        return false;
    if (l.n != 2 || l.v[0].type != PXI_T_STR || l.v[1].type != PXI_T_STR)
        return pxi_tpl_fail(c->run, "the separators of tojson are two strings");
    w->comma = *l.v[0].s;
    w->colon = *l.v[1].s;
    return true;
}

bool pxi_tpl_json_put(struct pxi_tcall *c, struct pxi_tval *out)
{
    struct writer w = {.run = c->run, .comma = {", ", 2, NULL}, .colon = {": ", 2, NULL}};
    size_t mark = c->run->out.n;
    w.sorted = c->a[3] && pxi_tpl_truth(c->a[3]);
    if (c->a[0] && pxi_tpl_truth(c->a[0]))
        return pxi_tpl_fail(c->run, "tojson supports ensure_ascii=false only");
    return set_indent(c, &w) && set_separators(c, &w) && write_value(&w, &c->self, 0) &&
           pxi_tpl_take(c->run, mark, out);
}

/* ---- reading ---- */

static bool load(struct pxi_trun *r, const json_t *j, struct pxi_tval *out);

static bool load_list(struct pxi_trun *r, const json_t *j, struct pxi_tval *out)
{
    size_t n = json_array_size(j);
    if (!pxi_tpl_list(r, PXI_TK_LIST, n, out))
        return false;
    for (size_t i = 0; i < n; i++, out->l->n++)
        if (!load(r, json_array_get(j, i), &out->l->v[i]))
            return false;
    return true;
}

static bool load_dict(struct pxi_trun *r, const json_t *j, struct pxi_tval *out)
{
    struct pxi_tval k, v;
    if (!pxi_tpl_dict(r, json_object_size(j), out))
        return false;
    for (void *i = json_object_iter((json_t *)j); i; i = json_object_iter_next((json_t *)j, i)) {
        const char *key = json_object_iter_key(i);
        if (!pxi_tpl_str_copy(r, key, strlen(key), &k) || !load(r, json_object_iter_value(i), &v) ||
            !pxi_tpl_dict_add(r, out->d, &k, &v))
            return false;
    }
    return true;
}

static bool load_by_type(struct pxi_trun *r, const json_t *j, struct pxi_tval *out)
{
    switch (json_typeof(j)) {
    case JSON_OBJECT: return load_dict(r, j, out);
    case JSON_ARRAY: return load_list(r, j, out);
    case JSON_STRING: return pxi_tpl_str_copy(r, json_string_value(j), json_string_length(j), out);
    case JSON_INTEGER: *out = pxi_tpl_int(json_integer_value(j)); return true;
    case JSON_REAL: *out = pxi_tpl_float(json_real_value(j)); return true;
    case JSON_NULL: *out = pxi_tpl_none(); return true;
    default: *out = pxi_tpl_bool(json_is_true(j)); return true;
    }
}

static bool load(struct pxi_trun *r, const json_t *j, struct pxi_tval *out)
{
    if (!pxi_tpl_enter(r))
        return false;
    bool ok = load_by_type(r, j, out);
    pxi_tpl_leave(r);
    return ok;
}

px_err pxi_tpl_json_load(struct pxi_trun *r, const char *text, struct pxi_tenv *env)
{
    struct pxi_tval all = {0};
    json_error_t e;
    json_t *j = json_loadb(text, strlen(text), JSON_ALLOW_NUL, &e);
    if (!json_is_object(j)) {
        pxi_diag_field(r->diag, "context_json");
        pxi_diag_set(r->diag, PX_ERR_INVALID, j ? 0 : (uint64_t)e.position, "a JSON object", "%s",
                     j ? "another value" : e.text);
        json_decref(j);
        return r->err = PX_ERR_INVALID;
    }
    bool ok = load(r, j, &all);
    json_decref(j);
    for (size_t i = 0; ok && i < all.d->n; i++)
        ok = pxi_tpl_env_set(r, env, all.d->kv[2 * i].s, &all.d->kv[2 * i + 1]);
    return r->err;
}
