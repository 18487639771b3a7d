/* Operators and subscripts with the meaning that they have in Python. */
#include "text/template_impl.h"

#include <math.h>

/* ---- equality, order, membership ---- */

static bool equal_lists(struct pxi_trun *r, const struct pxi_tlist *a, const struct pxi_tlist *b,
                        bool *out)
{
    *out = a->kind == b->kind && a->n == b->n;
    for (size_t i = 0; *out && i < a->n; i++)
        if (!pxi_tpl_equal(r, &a->v[i], &b->v[i], out))
            return false;
    return true;
}

static bool equal_dicts(struct pxi_trun *r, const struct pxi_tdict *a, const struct pxi_tdict *b,
                        bool *out)
{
    struct pxi_tval *other;
    *out = a->n == b->n;
    for (size_t i = 0; *out && i < a->n; i++) {
        if (!pxi_tpl_dict_get(r, b, &a->kv[2 * i], &other))
            return false;
        if (!other)
            *out = false;
        else if (!pxi_tpl_equal(r, &a->kv[2 * i + 1], other, out))
            return false;
    }
    return true;
}

static bool equal_values(struct pxi_trun *r, const struct pxi_tval *a, const struct pxi_tval *b,
                         bool *out)
{
    int64_t ia, ib;
    double fa, fb;
    *out = false;
    if (pxi_tpl_integer(a, &ia) && pxi_tpl_integer(b, &ib))
        *out = ia == ib;
    else if (pxi_tpl_number(a, &fa) && pxi_tpl_number(b, &fb))
        *out = fa == fb;
    else if (a->type != b->type)
        return true;
    else if (a->type == PXI_T_UNDEF || a->type == PXI_T_NONE)
        *out = true;
    else if (a->type == PXI_T_STR)
        *out = pxi_tpl_str_equal(a->s, b->s);
    else if (a->type == PXI_T_LIST && a->l != b->l && a->l->kind != PXI_TK_GENERATOR)
        return equal_lists(r, a->l, b->l, out);
    else if (a->type == PXI_T_DICT && a->d != b->d)
        return equal_dicts(r, a->d, b->d, out);
    else
        *out = a->d == b->d;
    return true;
}

bool pxi_tpl_equal(struct pxi_trun *r, const struct pxi_tval *a, const struct pxi_tval *b,
                   bool *out)
{
    if (!pxi_tpl_step(r, 1) || !pxi_tpl_enter(r))
        return false;
    bool ok = equal_values(r, a, b, out);
    pxi_tpl_leave(r);
    return ok;
}

static int order(double a, double b)
{
    return a < b ? -1 : a > b;
}

static bool compare_lists(struct pxi_trun *r, const struct pxi_tlist *a, const struct pxi_tlist *b,
                          const char *op, int *out)
{
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        bool same;
        if (!pxi_tpl_equal(r, &a->v[i], &b->v[i], &same))
            return false;
        if (!same) {
            bool ok = pxi_tpl_enter(r) && pxi_tpl_compare(r, &a->v[i], &b->v[i], op, out);
            pxi_tpl_leave(r);
            return ok;
        }
    }
    *out = order((double)a->n, (double)b->n);
    return true;
}

bool pxi_tpl_compare(struct pxi_trun *r, const struct pxi_tval *a, const struct pxi_tval *b,
                     const char *op, int *out)
{
    int64_t ia, ib;
    double fa, fb;
    if (!pxi_tpl_step(r, 1))
        return false;
    if (a->type == PXI_T_UNDEF || b->type == PXI_T_UNDEF)
        return pxi_tpl_undefined(r, a->type == PXI_T_UNDEF ? a : b);
    if (pxi_tpl_integer(a, &ia) && pxi_tpl_integer(b, &ib)) {
        *out = ia < ib ? -1 : ia > ib;
    } else if (pxi_tpl_number(a, &fa) && pxi_tpl_number(b, &fb)) {
        *out = isnan(fa) || isnan(fb) ? 2 : order(fa, fb);
    } else if (a->type == PXI_T_STR && b->type == PXI_T_STR) {
        int c = memcmp(a->s->p, b->s->p, a->s->n < b->s->n ? a->s->n : b->s->n);
        *out = c ? (c < 0 ? -1 : 1) : order((double)a->s->n, (double)b->s->n);
    } else if (a->type == PXI_T_LIST && b->type == PXI_T_LIST && a->l->kind == b->l->kind &&
               a->l->kind <= PXI_TK_TUPLE) {
        return compare_lists(r, a->l, b->l, op, out);
    } else {
        return pxi_tpl_fail(r, "'%s' not supported between %s and %s", op, pxi_tpl_type_name(a),
                            pxi_tpl_type_name(b));
    }
    return true;
}

bool pxi_tpl_contains(struct pxi_trun *r, const struct pxi_tval *item, const struct pxi_tval *in,
                      bool *out)
{
    struct pxi_tlist l;
    struct pxi_tval *found;
    *out = false;
    if (in->type == PXI_T_STR) {
        if (item->type != PXI_T_STR)
            return pxi_tpl_fail(r, "'in <string>' requires a string, not %s",
                                pxi_tpl_type_name(item));
        *out = pxi_tpl_find(in->s, item->s, 0) != SIZE_MAX;
        return pxi_tpl_step(r, in->s->n / 64);
    }
    if (in->type == PXI_T_DICT) {
        bool ok = pxi_tpl_dict_get(r, in->d, item, &found);
        *out = ok && found;
        return ok;
    }
    if (!pxi_tpl_iterate(r, in, &l))
        return false;
    for (size_t i = 0; i < l.n && !*out; i++)
        if (!pxi_tpl_equal(r, item, &l.v[i], out))
            return false;
    return true;
}

bool pxi_tpl_relation(struct pxi_trun *r, unsigned op, const struct pxi_tval *a,
                      const struct pxi_tval *b, bool *out)
{
    int c;
    bool ok;
    const char text[3] = {(char)op, (char)(op >> 8), 0};
    switch (op) {
    case PXI_OP('=', '='): return pxi_tpl_equal(r, a, b, out);
    case PXI_OP('!', '='):
        ok = pxi_tpl_equal(r, a, b, out);
        *out = !*out;
        return ok;
    case PXI_OP_IN: return pxi_tpl_contains(r, a, b, out);
    case PXI_OP_NOT_IN:
        ok = pxi_tpl_contains(r, a, b, out);
        *out = !*out;
        return ok;
    default: break;
    }
    if (!pxi_tpl_compare(r, a, b, text, &c))
        return false;
    *out = c != 2 && (op == '<'                ? c < 0
                      : op == '>'              ? c > 0
                      : op == PXI_OP('<', '=') ? c <= 0
                                               : c >= 0);
    return true;
}

/* ---- arithmetic ---- */

static bool overflow(struct pxi_trun *r)
{
    return pxi_tpl_fail(r, "an integer does not fit 64 bits");
}

static bool power(struct pxi_trun *r, int64_t base, int64_t exp, struct pxi_tval *out)
{
    int64_t result = 1;
    if (exp < 0 && base == 0)
        return pxi_tpl_fail(r, "zero cannot be raised to a negative power");
    if (exp < 0) {
        *out = pxi_tpl_float(pow((double)base, (double)exp));
        return true;
    }
    for (; exp; exp >>= 1) {
        if ((exp & 1) && __builtin_mul_overflow(result, base, &result))
            return overflow(r);
        if (exp > 1 && __builtin_mul_overflow(base, base, &base))
            return overflow(r);
    }
    *out = pxi_tpl_int(result);
    return true;
}

static bool integers(struct pxi_trun *r, unsigned op, int64_t a, int64_t b, struct pxi_tval *out)
{
    int64_t i = 0;
    bool bad = false;
    if ((op == '/' || op == PXI_OP('/', '/') || op == '%') && b == 0)
        return pxi_tpl_fail(r, "division by zero");
    switch (op) {
    case '+': bad = __builtin_add_overflow(a, b, &i); break;
    case '-': bad = __builtin_sub_overflow(a, b, &i); break;
    case '*': bad = __builtin_mul_overflow(a, b, &i); break;
    case '/': *out = pxi_tpl_float((double)a / (double)b); return true;
    case '%':
        i = b == -1 ? 0 : a % b;
        i += i && (i < 0) != (b < 0) ? b : 0;
        break;
    case PXI_OP('/', '/'):
        if (b == -1)
            bad = __builtin_sub_overflow((int64_t)0, a, &i);
        else
            i = a / b - (a % b && (a < 0) != (b < 0));
        break;
    default: return power(r, a, b, out);
    }
    *out = pxi_tpl_int(i);
    return !bad || overflow(r);
}

static bool fractions(struct pxi_trun *r, unsigned op, double a, double b, struct pxi_tval *out)
{
    double f, mod;
    if ((op == '/' || op == PXI_OP('/', '/') || op == '%') && b == 0)
        return pxi_tpl_fail(r, "division by zero");
    switch (op) {
    case '+': f = a + b; break;
    case '-': f = a - b; break;
    case '*': f = a * b; break;
    case '/': f = a / b; break;
    case '%':
    case PXI_OP('/', '/'):
        mod = fmod(a, b);
        f = (a - mod) / b;
        if (mod != 0 && (b < 0) != (mod < 0)) {
            mod += b;
            f -= 1;
        }
        mod = mod != 0 ? mod : copysign(0, b);
        f = op == '%' ? mod : f != 0 ? floor(f) + (f - floor(f) > 0.5) : copysign(0, a / b);
        break;
    default:
        f = pow(a, b);
        if ((a == 0 && b < 0) || (isnan(f) && !isnan(a) && !isnan(b)) ||
            (isinf(f) && !isinf(a) && !isinf(b)))
            return pxi_tpl_fail(r, "the power is not a real number");
    }
    *out = pxi_tpl_float(f);
    return true;
}

static bool repeat_str(struct pxi_trun *r, const struct pxi_tstr *s, int64_t times,
                       struct pxi_tval *out)
{
    size_t mark = r->out.n;
    for (int64_t i = 0; i < times && s->n; i++)
        if (!pxi_tpl_step(r, 1) || !pxi_tpl_put(r, s->p, s->n))
            return false;
    return pxi_tpl_take(r, mark, out);
}

static bool repeat_list(struct pxi_trun *r, const struct pxi_tlist *l, int64_t times,
                        struct pxi_tval *out)
{
    if (!pxi_tpl_list(r, l->kind, 0, out))
        return false;
    for (int64_t i = 0; i < times && l->n; i++)
        for (size_t j = 0; j < l->n; j++)
            if (!pxi_tpl_step(r, 1) || !pxi_tpl_list_add(r, out->l, &l->v[j]))
                return false;
    return true;
}

static bool join_lists(struct pxi_trun *r, const struct pxi_tlist *a, const struct pxi_tlist *b,
                       struct pxi_tval *out)
{
    if (!pxi_tpl_list(r, a->kind, a->n + b->n, out))
        return false;
    if (a->n)
        memcpy(out->l->v, a->v, a->n * sizeof *a->v);
    if (b->n)
        memcpy(out->l->v + a->n, b->v, b->n * sizeof *b->v);
    out->l->n = a->n + b->n;
    return true;
}

static bool is_sequence(const struct pxi_tval *v)
{
    return v->type == PXI_T_LIST && v->l->kind <= PXI_TK_TUPLE;
}

bool pxi_tpl_binary(struct pxi_trun *r, unsigned op, const struct pxi_tval *a,
                    const struct pxi_tval *b, struct pxi_tval *out)
{
    const char text[3] = {(char)op, (char)(op >> 8), 0};
    int64_t ia, ib;
    double fa, fb;
    if (a->type == PXI_T_UNDEF || b->type == PXI_T_UNDEF)
        return pxi_tpl_undefined(r, a->type == PXI_T_UNDEF ? a : b);
    if (pxi_tpl_integer(a, &ia) && pxi_tpl_integer(b, &ib))
        return integers(r, op, ia, ib, out);
    if (pxi_tpl_number(a, &fa) && pxi_tpl_number(b, &fb))
        return fractions(r, op, fa, fb, out);
    if (op == '+' && a->type == PXI_T_STR && b->type == PXI_T_STR)
        return pxi_tpl_str_join2(r, a->s, b->s, out);
    if (op == '+' && is_sequence(a) && is_sequence(b) && a->l->kind == b->l->kind)
        return join_lists(r, a->l, b->l, out);
    if (op == '*' && pxi_tpl_integer(a, &ia)) {
        const struct pxi_tval *swap = a;
        a = b;
        b = swap;
    }
    if (op == '*' && pxi_tpl_integer(b, &ib) && a->type == PXI_T_STR)
        return repeat_str(r, a->s, ib, out);
    if (op == '*' && pxi_tpl_integer(b, &ib) && is_sequence(a))
        return repeat_list(r, a->l, ib, out);
    return pxi_tpl_fail(r, "'%s' not supported between %s and %s", text, pxi_tpl_type_name(a),
                        pxi_tpl_type_name(b));
}
