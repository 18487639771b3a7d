/* Values of a rendering: construction, lookup, truth, iteration, and the limits that bound them. */
#include "text/template_impl.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/diag.h"

bool pxi_tpl_fail(struct pxi_trun *r, const char *fmt, ...)
{
    char text[96];
    va_list ap;
    if (r->err != PX_ERR_OK)
        return false;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    r->err = pxi_diag_set(r->diag, PX_ERR_TEMPLATE, r->off, "a template that fits the conversation",
                          "%s", text);
    return false;
}

bool pxi_tpl_limit(struct pxi_trun *r, const char *what, uint64_t limit)
{
    char text[64];
    if (r->err == PX_ERR_OK) {
        snprintf(text, sizeof text, "at most %llu (%s)", (unsigned long long)limit, what);
        r->err = pxi_diag_set(r->diag, PX_ERR_LIMIT, r->off, text, "more");
    }
    return false;
}

bool pxi_tpl_step(struct pxi_trun *r, uint64_t n)
{
    r->steps += n;
    return r->steps <= PXI_LIMIT_TEMPLATE_STEPS ||
           pxi_tpl_limit(r, "template.steps", PXI_LIMIT_TEMPLATE_STEPS);
}

bool pxi_tpl_enter(struct pxi_trun *r)
{
    if (r->depth >= PXI_LIMIT_TEMPLATE_DEPTH)
        return pxi_tpl_limit(r, "template.depth", PXI_LIMIT_TEMPLATE_DEPTH);
    r->depth++;
    return true;
}

void pxi_tpl_leave(struct pxi_trun *r)
{
    r->depth--;
}

void *pxi_tpl_alloc(struct pxi_trun *r, size_t n, size_t size)
{
    if (n && size > (r->arena.max - r->arena.used) / n) {
        pxi_tpl_limit(r, "template.memory_bytes", PXI_LIMIT_TEMPLATE_MEMORY_BYTES);
        return NULL;
    }
    void *p = pxi_arena_alloc(&r->arena, n, size);
    if (!p && r->err == PX_ERR_OK)
        r->err = PX_ERR_NOMEM;
    return p;
}

struct pxi_tval pxi_tpl_bool(bool b)
{
    return (struct pxi_tval){.type = PXI_T_BOOL, .b = b};
}
struct pxi_tval pxi_tpl_int(int64_t i)
{
    return (struct pxi_tval){.type = PXI_T_INT, .i = i};
}
struct pxi_tval pxi_tpl_float(double f)
{
    return (struct pxi_tval){.type = PXI_T_FLOAT, .f = f};
}
struct pxi_tval pxi_tpl_none(void)
{
    return (struct pxi_tval){.type = PXI_T_NONE};
}

struct pxi_tval pxi_tpl_undef(const struct pxi_tstr *name, enum pxi_tundef how)
{
    return (struct pxi_tval){
        .type = PXI_T_UNDEF, .how = (uint8_t)how, .s = (struct pxi_tstr *)name};
}

bool pxi_tpl_undefined(struct pxi_trun *r, const struct pxi_tval *v)
{
    static const char *const how[] = {"is undefined", "is not an attribute of the value",
                                      "was not given to the macro", "is not allowed here",
                                      "has no value"};
    if (!v->s)
        return pxi_tpl_fail(r, "a value %s", how[v->how]);
    return pxi_tpl_fail(r, "'%.*s' %s", (int)(v->s->n < 60 ? v->s->n : 60), v->s->p, how[v->how]);
}

/* ---- strings ---- */

/*
 * A buffer whose used part only grows: a string that ends where the used part ends can be appended
 * to in place, so that building text piece by piece costs no square.
 */
struct pxi_trope {
    size_t used, cap;
    char bytes[];
};

bool pxi_tpl_str_ref(struct pxi_trun *r, const void *p, size_t n, struct pxi_tval *out)
{
    struct pxi_tstr *s = pxi_tpl_alloc(r, 1, sizeof *s);
    if (!s)
        return false;
    *s = (struct pxi_tstr){n ? p : "", n, NULL};
    *out = (struct pxi_tval){.type = PXI_T_STR, .s = s};
    return true;
}

bool pxi_tpl_str_copy(struct pxi_trun *r, const void *p, size_t n, struct pxi_tval *out)
{
    struct pxi_tstr *s = pxi_tpl_step(r, n / 64) ? pxi_tpl_alloc(r, 1, sizeof *s + n) : NULL;
    if (!s)
        return false;
    char *bytes = (char *)(s + 1);
    if (n)
        memcpy(bytes, p, n);
    *s = (struct pxi_tstr){bytes, n, NULL};
    *out = (struct pxi_tval){.type = PXI_T_STR, .s = s};
    return true;
}

static bool extend(struct pxi_trun *r, const struct pxi_tstr *a, const struct pxi_tstr *b,
                   struct pxi_tval *out)
{
    struct pxi_trope *rope = a->rope;
    if (!pxi_tpl_str_ref(r, a->p, a->n + b->n, out) || !pxi_tpl_step(r, b->n / 64))
        return false;
    memcpy(rope->bytes + rope->used, b->p, b->n);
    rope->used += b->n;
    out->s->rope = rope;
    return true;
}

bool pxi_tpl_str_join2(struct pxi_trun *r, const struct pxi_tstr *a, const struct pxi_tstr *b,
                       struct pxi_tval *out)
{
    size_t n = a->n + b->n;
    if (n > PXI_LIMIT_TEMPLATE_OUTPUT_BYTES)
        return pxi_tpl_limit(r, "template.output_bytes", PXI_LIMIT_TEMPLATE_OUTPUT_BYTES);
    if (a->rope && a->p + a->n == a->rope->bytes + a->rope->used &&
        b->n <= a->rope->cap - a->rope->used)
        return extend(r, a, b, out);
    size_t cap = n < 64 ? n : n * 2;
    struct pxi_trope *rope =
        pxi_tpl_step(r, n / 64) ? pxi_tpl_alloc(r, 1, sizeof *rope + cap) : NULL;
    if (!rope || !pxi_tpl_str_ref(r, rope->bytes, n, out))
        return false;
    memcpy(rope->bytes, a->p, a->n);
    memcpy(rope->bytes + a->n, b->p, b->n);
    rope->used = n;
    rope->cap = cap;
    out->s->rope = rope;
    return true;
}

bool pxi_tpl_str_of(struct pxi_trun *r, const struct pxi_tval *v, struct pxi_tval *out)
{
    size_t mark = r->out.n;
    if (v->type == PXI_T_STR) {
        *out = *v;
        return true;
    }
    return pxi_tpl_put_str(r, v) && pxi_tpl_take(r, mark, out);
}

/* ---- lists and dicts ---- */

static bool grow(struct pxi_trun *r, struct pxi_tval **v, size_t used, size_t *cap, size_t width)
{
    size_t bigger = *cap ? *cap * 2 : 4;
    struct pxi_tval *p = pxi_tpl_alloc(r, bigger, width * sizeof *p);
    if (!p)
        return false;
    if (used)
        memcpy(p, *v, used * width * sizeof *p);
    *v = p;
    *cap = bigger;
    return true;
}

bool pxi_tpl_list(struct pxi_trun *r, enum pxi_tkind kind, size_t cap, struct pxi_tval *out)
{
    struct pxi_tlist *l = pxi_tpl_alloc(r, 1, sizeof *l);
    if (!l || !pxi_tpl_step(r, cap / 8) || (cap && !(l->v = pxi_tpl_alloc(r, cap, sizeof *l->v))))
        return false;
    l->cap = cap;
    l->kind = (uint8_t)kind;
    *out = (struct pxi_tval){.type = PXI_T_LIST, .l = l};
    return true;
}

bool pxi_tpl_list_add(struct pxi_trun *r, struct pxi_tlist *l, const struct pxi_tval *v)
{
    if (l->n == l->cap && !grow(r, &l->v, l->n, &l->cap, 1))
        return false;
    l->v[l->n++] = *v;
    return true;
}

bool pxi_tpl_dict(struct pxi_trun *r, size_t cap, struct pxi_tval *out)
{
    struct pxi_tdict *d = pxi_tpl_alloc(r, 1, sizeof *d);
    if (!d || (cap && !(d->kv = pxi_tpl_alloc(r, cap, 2 * sizeof *d->kv))))
        return false;
    d->cap = cap;
    *out = (struct pxi_tval){.type = PXI_T_DICT, .d = d};
    return true;
}

bool pxi_tpl_dict_get(struct pxi_trun *r, const struct pxi_tdict *d, const struct pxi_tval *k,
                      struct pxi_tval **out)
{
    *out = NULL;
    if (k->type == PXI_T_LIST && k->l->kind != PXI_TK_TUPLE)
        return pxi_tpl_fail(r, "a list cannot be a key");
    if (k->type == PXI_T_DICT)
        return pxi_tpl_fail(r, "a dict cannot be a key");
    if (!pxi_tpl_step(r, d->n / 16))
        return false;
    for (size_t i = 0; i < d->n; i++) {
        const struct pxi_tval *have = &d->kv[2 * i];
        bool same = false;
        if (k->type == PXI_T_STR && have->type == PXI_T_STR)
            same = pxi_tpl_str_equal(k->s, have->s);
        else if (!pxi_tpl_equal(r, k, have, &same))
            return false;
        if (same) {
            *out = &d->kv[2 * i + 1];
            return true;
        }
    }
    return true;
}

bool pxi_tpl_dict_add(struct pxi_trun *r, struct pxi_tdict *d, const struct pxi_tval *k,
                      const struct pxi_tval *v)
{
    if (d->n == d->cap && !grow(r, &d->kv, d->n, &d->cap, 2))
        return false;
    d->kv[2 * d->n] = *k;
    d->kv[2 * d->n + 1] = *v;
    d->n++;
    return true;
}

bool pxi_tpl_dict_put(struct pxi_trun *r, struct pxi_tdict *d, const struct pxi_tval *k,
                      const struct pxi_tval *v)
{
    struct pxi_tval *have;
    if (!pxi_tpl_dict_get(r, d, k, &have))
        return false;
    if (!have)
        return pxi_tpl_dict_add(r, d, k, v);
    *have = *v;
    return true;
}

bool pxi_tpl_dict_view(struct pxi_trun *r, const struct pxi_tdict *d, enum pxi_tkind kind,
                       struct pxi_tval *out)
{
    if (!pxi_tpl_list(r, kind, d->n, out))
        return false;
    for (size_t i = 0; i < d->n; i++) {
        struct pxi_tval item = d->kv[2 * i + (kind == PXI_TK_VALUES)];
        if (kind == PXI_TK_ITEMS) {
            if (!pxi_tpl_list(r, PXI_TK_TUPLE, 2, &item))
                return false;
            memcpy(item.l->v, &d->kv[2 * i], 2 * sizeof item);
            item.l->n = 2;
        }
        out->l->v[out->l->n++] = item;
    }
    return true;
}

/* ---- what values are ---- */

bool pxi_tpl_truth(const struct pxi_tval *v)
{
    switch (v->type) {
    case PXI_T_UNDEF:
    case PXI_T_NONE: return false;
    case PXI_T_BOOL: return v->b;
    case PXI_T_INT: return v->i != 0;
    case PXI_T_FLOAT: return v->f != 0;
    case PXI_T_STR: return v->s->n != 0;
    case PXI_T_LIST: return v->l->kind == PXI_TK_GENERATOR || v->l->n != 0;
    case PXI_T_DICT: return v->d->n != 0;
    default: return true;
    }
}

const char *pxi_tpl_type_name(const struct pxi_tval *v)
{
    static const char *const names[] = {"Undefined", "NoneType", "bool",  "int",       "float",
                                        "str",       "list",     "dict",  "namespace", "loop",
                                        "macro",     "function", "method"};
    static const char *const kinds[] = {"list",      "tuple",       "range",     "generator",
                                        "dict_keys", "dict_values", "dict_items"};
    return v->type == PXI_T_LIST ? kinds[v->l->kind] : names[v->type];
}

bool pxi_tpl_integer(const struct pxi_tval *v, int64_t *out)
{
    *out = v->type == PXI_T_BOOL ? v->b : v->type == PXI_T_INT ? v->i : 0;
    return v->type == PXI_T_BOOL || v->type == PXI_T_INT;
}

bool pxi_tpl_number(const struct pxi_tval *v, double *out)
{
    int64_t i;
    if (v->type == PXI_T_FLOAT) {
        *out = v->f;
        return true;
    }
    bool ok = pxi_tpl_integer(v, &i);
    *out = (double)i;
    return ok;
}

bool pxi_tpl_length(struct pxi_trun *r, const struct pxi_tval *v, int64_t *out)
{
    switch (v->type) {
    case PXI_T_UNDEF: *out = 0; return true;
    case PXI_T_STR:
        *out = (int64_t)pxi_tpl_char_count(v->s->p, v->s->n);
        return pxi_tpl_step(r, v->s->n / 16);
    case PXI_T_DICT: *out = (int64_t)v->d->n; return true;
    case PXI_T_LOOP: *out = (int64_t)v->loop->n; return true;
    case PXI_T_LIST:
        *out = (int64_t)v->l->n;
        if (v->l->kind != PXI_TK_GENERATOR)
            return true;
        /* fall through */
    default: return pxi_tpl_fail(r, "a value of type %s has no length", pxi_tpl_type_name(v));
    }
}

bool pxi_tpl_iterable(const struct pxi_tval *v)
{
    return v->type == PXI_T_UNDEF || v->type == PXI_T_STR || v->type == PXI_T_LIST ||
           v->type == PXI_T_DICT || v->type == PXI_T_LOOP;
}

static bool iterate_chars(struct pxi_trun *r, const struct pxi_tstr *s, struct pxi_tlist *out)
{
    size_t n = pxi_tpl_char_count(s->p, s->n), at = 0;
    struct pxi_tstr *one = NULL;
    if (n && (!pxi_tpl_step(r, s->n / 8) || !(one = pxi_tpl_alloc(r, n, sizeof *one)) ||
              !(out->v = pxi_tpl_alloc(r, n, sizeof *out->v))))
        return false;
    for (size_t i = 0; i < n; i++) {
        one[i] = (struct pxi_tstr){s->p + at, pxi_tpl_char(s->p + at, s->n - at, NULL), NULL};
        out->v[i] = (struct pxi_tval){.type = PXI_T_STR, .s = &one[i]};
        at += one[i].n;
    }
    out->n = out->cap = n;
    return true;
}

bool pxi_tpl_iterate(struct pxi_trun *r, const struct pxi_tval *v, struct pxi_tlist *out)
{
    struct pxi_tval keys;
    *out = (struct pxi_tlist){0};
    switch (v->type) {
    case PXI_T_UNDEF: return true;
    case PXI_T_STR: return iterate_chars(r, v->s, out);
    case PXI_T_LIST:
        *out = *v->l;
        if (out->at) {
            out->v += out->at;
            out->n -= out->at;
        }
        out->cap = out->n;
        if (v->l->kind == PXI_TK_GENERATOR)
            v->l->at = v->l->n;
        return true;
    case PXI_T_DICT:
        if (!pxi_tpl_dict_view(r, v->d, PXI_TK_KEYS, &keys))
            return false;
        *out = *keys.l;
        return true;
    default: return pxi_tpl_fail(r, "a value of type %s is not iterable", pxi_tpl_type_name(v));
    }
}
