/* Filters on single values, and the table of all filters. Filters on lists: template_seq.c. */
#include "text/template_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The value filtered, as a string. */
static bool self_str(struct pxi_tcall *c, const struct pxi_tstr **s)
{
    struct pxi_tval v;
    if (!pxi_tpl_str_of(c->run, &c->self, &v))
        return false;
    *s = v.s;
    return true;
}

/* Run a method of strings on str(value). */
static bool by_method(struct pxi_tcall *c, const char *name, struct pxi_tval *out)
{
    struct pxi_tcall m = *c;
    const struct pxi_tfunc *fn = pxi_tpl_func_find(pxi_tpl_str_methods, name, strlen(name));
    return pxi_tpl_str_of(c->run, &c->self, &m.self) && fn && fn->call(&m, out);
}

static bool f_string(struct pxi_tcall *c, struct pxi_tval *out)
{
    return pxi_tpl_str_of(c->run, &c->self, out);
}

static bool f_trim(struct pxi_tcall *c, struct pxi_tval *out)
{
    return by_method(c, "strip", out);
}
static bool f_upper(struct pxi_tcall *c, struct pxi_tval *out)
{
    return by_method(c, "upper", out);
}
static bool f_lower(struct pxi_tcall *c, struct pxi_tval *out)
{
    return by_method(c, "lower", out);
}
static bool f_capitalize(struct pxi_tcall *c, struct pxi_tval *out)
{
    return by_method(c, "capitalize", out);
}

/* The old and new text are also taken as strings, unlike in the method of that name. */
static bool f_replace(struct pxi_tcall *c, struct pxi_tval *out)
{
    struct pxi_tval text[2];
    struct pxi_tcall m = *c;
    if (!pxi_tpl_str_of(c->run, c->a[0], &text[0]) || !pxi_tpl_str_of(c->run, c->a[1], &text[1]))
        return false;
    m.a[0] = &text[0];
    m.a[1] = &text[1];
    if (m.a[2] && m.a[2]->type == PXI_T_NONE)
        m.a[2] = NULL;
    return by_method(&m, "replace", out);
}

/* Words here begin after a blank, a hyphen or an opening bracket, unlike in str.title. */
static bool f_title(struct pxi_tcall *c, struct pxi_tval *out)
{
    const struct pxi_tstr *s;
    size_t mark = c->run->out.n, len;
    bool start = true, ok = self_str(c, &s);
    for (size_t i = 0; ok && i < s->n; i += len) {
        uint32_t cp;
        char text[4];
        len = pxi_tpl_char(s->p + i, s->n - i, &cp);
        ok = pxi_tpl_step(c->run, 1) &&
             pxi_tpl_put(c->run, text,
                         pxi_tpl_char_encode(start ? pxi_tpl_upper(cp) : pxi_tpl_lower(cp), text));
        start = pxi_tpl_is_space(cp) || (cp < 0x80 && cp && strchr("-({[<", (int)cp));
    }
    return ok && pxi_tpl_take(c->run, mark, out);
}

static bool f_length(struct pxi_tcall *c, struct pxi_tval *out)
{
    int64_t n;
    if (!pxi_tpl_length(c->run, &c->self, &n))
        return false;
    *out = pxi_tpl_int(n);
    return true;
}

static bool f_default(struct pxi_tcall *c, struct pxi_tval *out)
{
    bool missing = c->self.type == PXI_T_UNDEF ||
                   (c->a[1] && pxi_tpl_truth(c->a[1]) && !pxi_tpl_truth(&c->self));
    *out = c->self;
    if (!missing)
        return true;
    if (!c->a[0])
        return pxi_tpl_str_ref(c->run, "", 0, out);
    *out = *c->a[0];
    return true;
}

static bool f_abs(struct pxi_tcall *c, struct pxi_tval *out)
{
    int64_t i;
    if (c->self.type == PXI_T_FLOAT) {
        *out = pxi_tpl_float(fabs(c->self.f));
        return true;
    }
    if (!pxi_tpl_integer(&c->self, &i) || i == INT64_MIN)
        return pxi_tpl_fail(c->run, "abs needs a number");
    *out = pxi_tpl_int(i < 0 ? -i : i);
    return true;
}

/* Text to a number as int() or float() would read it; false when it is not one. */
static bool parse_number(const struct pxi_tstr *s, int base, bool integer, struct pxi_tval *out)
{
    char text[80], *end;
    px_view v = pxi_tpl_strip(s->p, s->n, NULL, true, true);
    if (!v.n || v.n >= sizeof text)
        return false;
    memcpy(text, v.p, v.n);
    text[v.n] = 0;
    for (const char *p = text; *p; p++)
        if (!strchr(integer ? "+-0123456789abcdefghijklmnopqrstuvwxyz" : "+-.0123456789eE", *p) &&
            !(integer && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ", *p)))
            return false;
    if (integer) {
        long long i = strtoll(text, &end, base);
        *out = pxi_tpl_int(i);
        return *end == 0 && end != text && i != INT64_MAX && i != INT64_MIN;
    }
    *out = pxi_tpl_float(strtod(text, &end));
    return *end == 0 && end != text;
}

static bool truncated(double f, struct pxi_tval *out)
{
    if (!(fabs(f) < 9.2e18))
        return false;
    *out = pxi_tpl_int((int64_t)f);
    return true;
}

static bool f_int(struct pxi_tcall *c, struct pxi_tval *out)
{
    struct pxi_tval fallback = c->a[0] ? *c->a[0] : pxi_tpl_int(0), f;
    int64_t i, base = 10;
    if (c->a[1] && (!pxi_tpl_integer(c->a[1], &base) || base < 2 || base > 36))
        return pxi_tpl_fail(c->run, "int needs a base from 2 to 36");
    *out = fallback;
    if (pxi_tpl_integer(&c->self, &i))
        *out = pxi_tpl_int(i);
    else if (c->self.type == PXI_T_FLOAT && !truncated(c->self.f, out))
        *out = fallback;
    else if (c->self.type == PXI_T_STR && !parse_number(c->self.s, (int)base, true, out) &&
             !(parse_number(c->self.s, 10, false, &f) && truncated(f.f, out)))
        *out = fallback;
    else if (c->self.type == PXI_T_UNDEF)
        return pxi_tpl_undefined(c->run, &c->self);
    return true;
}

static bool f_float(struct pxi_tcall *c, struct pxi_tval *out)
{
    double f;
    *out = c->a[0] ? *c->a[0] : pxi_tpl_float(0);
    if (c->self.type == PXI_T_UNDEF)
        return pxi_tpl_undefined(c->run, &c->self);
    if (pxi_tpl_number(&c->self, &f))
        *out = pxi_tpl_float(f);
    else if (c->self.type == PXI_T_STR && !parse_number(c->self.s, 10, false, out))
        *out = c->a[0] ? *c->a[0] : pxi_tpl_float(0);
    return true;
}

/* Round half to even in decimal, exactly: through the decimal text of the number. */
static double round_digits(double f, int64_t digits)
{
    char text[512];
    if (digits > 22 || !isfinite(f))
        return f;
    if (digits >= 0) {
        snprintf(text, sizeof text, "%.*f", (int)digits, f);
        return strtod(text, NULL);
    }
    double unit = digits < -308 ? HUGE_VAL : pow(10, (double)-digits);
    return nearbyint(f / unit) * (isinf(unit) ? 0 : unit);
}

static bool f_round(struct pxi_tcall *c, struct pxi_tval *out)
{
    int64_t digits = 0;
    double f;
    bool common = !c->a[1] || (c->a[1]->type == PXI_T_STR && pxi_tpl_str_is(c->a[1]->s, "common"));
    if (!pxi_tpl_number(&c->self, &f) || (c->a[0] && !pxi_tpl_integer(c->a[0], &digits)))
        return pxi_tpl_fail(c->run, "round needs a number");
    if (common && c->self.type != PXI_T_FLOAT && digits >= 0) {
        *out = pxi_tpl_int(c->self.type == PXI_T_INT ? c->self.i : c->self.b);
        return true;
    }
    if (common) {
        *out = pxi_tpl_float(round_digits(f, digits));
        return true;
    }
    bool up = c->a[1]->type == PXI_T_STR && pxi_tpl_str_is(c->a[1]->s, "ceil");
    if (!up && !(c->a[1]->type == PXI_T_STR && pxi_tpl_str_is(c->a[1]->s, "floor")))
        return pxi_tpl_fail(c->run, "round knows the methods common, ceil and floor");
    double unit = pow(10, (double)digits);
    *out = pxi_tpl_float((up ? ceil(f * unit) : floor(f * unit)) / unit);
    return true;
}

static bool f_escape(struct pxi_tcall *c, struct pxi_tval *out)
{
    static const char from[] = "&<>'\"";
    static const char *const to[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    const struct pxi_tstr *s;
    size_t mark = c->run->out.n;
    bool ok = self_str(c, &s) && pxi_tpl_step(c->run, s->n / 8);
    for (size_t i = 0; ok && i < s->n; i++) {
        const char *at = memchr(from, s->p[i], sizeof from - 1);
        ok = at ? pxi_tpl_puts(c->run, to[at - from]) : pxi_tpl_put(c->run, s->p + i, 1);
    }
    return ok && pxi_tpl_take(c->run, mark, out);
}

static bool put_blanks(struct pxi_trun *r, int64_t n)
{
    bool ok = true;
    for (; ok && n > 0; n--)
        ok = pxi_tpl_put(r, " ", 1) && pxi_tpl_step(r, 1);
    return ok;
}

/* width (a number or text), first, blank. */
static bool f_indent(struct pxi_tcall *c, struct pxi_tval *out)
{
    struct pxi_tval lines;
    struct pxi_trun *r = c->run;
    int64_t width = 4;
    bool text = c->a[0] && c->a[0]->type == PXI_T_STR, ok = true;
    bool first = c->a[1] && pxi_tpl_truth(c->a[1]), blank = c->a[2] && pxi_tpl_truth(c->a[2]);
    struct pxi_tcall m = {.run = r, .args = c->args};
    size_t mark = r->out.n;
    if (c->self.type != PXI_T_STR || (c->a[0] && !text && !pxi_tpl_integer(c->a[0], &width)))
        return pxi_tpl_fail(r, "indent needs a string and a width");
    if (!pxi_tpl_str_of(r, &c->self, &m.self) || !pxi_tpl_put(r, m.self.s->p, m.self.s->n) ||
        !pxi_tpl_put(r, "\n", 1) || !pxi_tpl_take(r, mark, &m.self) ||
        !pxi_tpl_func_find(pxi_tpl_str_methods, "splitlines", 10)->call(&m, &lines))
        return false;
    for (size_t i = 0; ok && i < lines.l->n; i++) {
        const struct pxi_tval *line = &lines.l->v[i];
        if (i)
            ok = pxi_tpl_put(r, "\n", 1);
        if (ok && (i ? blank || line->s->n : first))
            ok = text ? pxi_tpl_put_str(r, c->a[0]) : put_blanks(r, width);
        ok = ok && pxi_tpl_put_str(r, line);
    }
    return ok && pxi_tpl_take(r, mark, out);
}

static bool f_attr(struct pxi_tcall *c, struct pxi_tval *out)
{
    if (c->a[0]->type != PXI_T_STR)
        return pxi_tpl_fail(c->run, "attr needs a name");
    if (c->self.type == PXI_T_SPACE || c->self.type == PXI_T_LOOP)
        return pxi_tpl_attr(c->run, &c->self, c->a[0]->s, out);
    *out = pxi_tpl_undef(c->a[0]->s, PXI_TU_ATTR);
    return true;
}

static const struct pxi_tfunc filters[] = {
    {"trim", "chars", 0, f_trim},
    {"length", "", 0, f_length},
    {"count", "", 0, f_length},
    {"tojson", "ensure_ascii indent separators sort_keys", 0, pxi_tpl_json_put},
    {"string", "", 0, f_string},
    {"safe", "", 0, f_string},
    {"default", "default_value boolean", 0, f_default},
    {"d", "default_value boolean", 0, f_default},
    {"upper", "", 0, f_upper},
    {"lower", "", 0, f_lower},
    {"capitalize", "", 0, f_capitalize},
    {"title", "", 0, f_title},
    {"replace", "old new count", 2, f_replace},
    {"abs", "", 0, f_abs},
    {"int", "default base", 0, f_int},
    {"float", "default", 0, f_float},
    {"round", "precision method", 0, f_round},
    {"escape", "", 0, f_escape},
    {"e", "", 0, f_escape},
    {"indent", "width first blank", 0, f_indent},
    {"attr", "name", 1, f_attr},
    {NULL, NULL, 0, NULL},
};

const struct pxi_tfunc *pxi_tpl_filter_find(const char *name, size_t n)
{
    const struct pxi_tfunc *fn = pxi_tpl_func_find(filters, name, n);
    return fn ? fn : pxi_tpl_func_find(pxi_tpl_seq_filters, name, n);
}
