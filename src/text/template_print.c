/* Values to text as Python's str() and repr() write them. */
#include "text/template_impl.h"

#include <stdio.h>
#include <math.h>
#include <stdlib.h>

bool pxi_tpl_put(struct pxi_trun *r, const void *p, size_t n)
{
    if (!pxi_tpl_step(r, n / 64))
        return false;
    if (pxi_buf_add(&r->out, p, n))
        return true;
    if (n > r->out.max - r->out.n)
        return pxi_tpl_limit(r, "template.output_bytes", PXI_LIMIT_TEMPLATE_OUTPUT_BYTES);
    r->err = PX_ERR_NOMEM;
    return false;
}

bool pxi_tpl_puts(struct pxi_trun *r, const char *s)
{
    return pxi_tpl_put(r, s, strlen(s));
}

bool pxi_tpl_take(struct pxi_trun *r, size_t mark, struct pxi_tval *out)
{
    bool ok = pxi_tpl_str_copy(r, r->out.p ? r->out.p + mark : NULL, r->out.n - mark, out);
    r->out.n = mark;
    return ok;
}

/* The shortest digits that read back as f, and the decimal exponent of the first. */
static int shortest(double f, char digits[32], int *exp10)
{
    char text[40];
    int precision = 0, n = 0;
    do
        snprintf(text, sizeof text, "%.*e", precision, f);
    while (precision++ < 17 && strtod(text, NULL) != f);
    const char *e = strchr(text, 'e');
    *exp10 = (int)strtol(e + 1, NULL, 10);
    for (const char *p = text; p < e; p++)
        if (*p >= '0' && *p <= '9') /* skips the decimal separator of any locale */
            digits[n++] = *p;
    digits[n] = 0;
    return n;
}

bool pxi_tpl_put_float(struct pxi_trun *r, double f)
{
    char digits[32], text[64];
    int exp10, at = 0;
    if (isnan(f) || isinf(f))
        return pxi_tpl_puts(r, isnan(f) ? "nan" : f < 0 ? "-inf" : "inf");
    int n = shortest(fabs(f), digits, &exp10);
    if (signbit(f))
        text[at++] = '-';
    if (exp10 < -4 || exp10 >= 16) {
        snprintf(text + at, sizeof text - (size_t)at, "%c%s%se%c%02d", digits[0], n > 1 ? "." : "",
                 digits + 1, exp10 < 0 ? '-' : '+', abs(exp10));
    } else if (exp10 < 0) {
        snprintf(text + at, sizeof text - (size_t)at, "0.%.*s%s", -exp10 - 1, "0000", digits);
    } else {
        for (int i = 0; i <= exp10; i++)
            text[at++] = i < n ? digits[i] : '0';
        snprintf(text + at, sizeof text - (size_t)at, ".%s",
                 n > exp10 + 1 ? digits + exp10 + 1 : "0");
    }
    return pxi_tpl_puts(r, text);
}

static bool put_escape(struct pxi_trun *r, uint32_t cp)
{
    char text[16];
    const char *fmt = cp < 0x100 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x" : "\\U%08x";
    if (cp == '\n' || cp == '\r' || cp == '\t')
        return pxi_tpl_puts(r, cp == '\n' ? "\\n" : cp == '\r' ? "\\r" : "\\t");
    if (cp < 0x80 && cp >= 0x20 && cp != 0x7f) {
        text[0] = '\\';
        text[1] = (char)cp;
        return pxi_tpl_put(r, text, 2);
    }
    snprintf(text, sizeof text, fmt, cp);
    return pxi_tpl_puts(r, text);
}

static bool put_quoted(struct pxi_trun *r, const struct pxi_tstr *s)
{
    const char quote = memchr(s->p, '\'', s->n) && !memchr(s->p, '"', s->n) ? '"' : '\'';
    size_t done = 0, len;
    bool ok = pxi_tpl_put(r, &quote, 1) && pxi_tpl_step(r, s->n / 16);
    for (size_t i = 0; ok && i < s->n; i += len) {
        uint32_t cp;
        len = pxi_tpl_char(s->p + i, s->n - i, &cp);
        if (cp != (uint32_t)quote && cp != '\\' && pxi_tpl_is_printable(cp))
            continue;
        ok = pxi_tpl_put(r, s->p + done, i - done) && put_escape(r, cp);
        done = i + len;
    }
    return ok && pxi_tpl_put(r, s->p + done, s->n - done) && pxi_tpl_put(r, &quote, 1);
}

static bool put_range(struct pxi_trun *r, const struct pxi_tlist *l)
{
    char text[96];
    if (l->step == 1)
        snprintf(text, sizeof text, "range(%lld, %lld)", (long long)l->start, (long long)l->stop);
    else
        snprintf(text, sizeof text, "range(%lld, %lld, %lld)", (long long)l->start,
                 (long long)l->stop, (long long)l->step);
    return pxi_tpl_puts(r, text);
}

static bool put_items(struct pxi_trun *r, const struct pxi_tlist *l)
{
    for (size_t i = 0; i < l->n; i++)
        if ((i && !pxi_tpl_put(r, ", ", 2)) || !pxi_tpl_put_repr(r, &l->v[i]))
            return false;
    return true;
}

static bool put_list(struct pxi_trun *r, const struct pxi_tlist *l)
{
    static const char *const open[] = {"[",           "(", "", "", "dict_keys([", "dict_values([",
                                       "dict_items(["};
    static const char *const close[] = {"]", ")", "", "", "])", "])", "])"};
    if (l->kind == PXI_TK_RANGE)
        return put_range(r, l);
    if (l->kind == PXI_TK_GENERATOR)
        return pxi_tpl_puts(r, "<generator object>");
    return pxi_tpl_puts(r, open[l->kind]) && put_items(r, l) &&
           (l->kind != PXI_TK_TUPLE || l->n != 1 || pxi_tpl_put(r, ",", 1)) &&
           pxi_tpl_puts(r, close[l->kind]);
}

static bool put_dict(struct pxi_trun *r, const struct pxi_tdict *d)
{
    bool ok = pxi_tpl_put(r, "{", 1);
    for (size_t i = 0; ok && i < d->n; i++)
        ok = (!i || pxi_tpl_put(r, ", ", 2)) && pxi_tpl_put_repr(r, &d->kv[2 * i]) &&
             pxi_tpl_put(r, ": ", 2) && pxi_tpl_put_repr(r, &d->kv[2 * i + 1]);
    return ok && pxi_tpl_put(r, "}", 1);
}

static bool put_value(struct pxi_trun *r, const struct pxi_tval *v)
{
    char text[40];
    switch (v->type) {
    case PXI_T_UNDEF: return pxi_tpl_puts(r, "Undefined");
    case PXI_T_NONE: return pxi_tpl_puts(r, "None");
    case PXI_T_BOOL: return pxi_tpl_puts(r, v->b ? "True" : "False");
    case PXI_T_INT:
        snprintf(text, sizeof text, "%lld", (long long)v->i);
        return pxi_tpl_puts(r, text);
    case PXI_T_FLOAT: return pxi_tpl_put_float(r, v->f);
    case PXI_T_STR: return put_quoted(r, v->s);
    case PXI_T_LIST: return put_list(r, v->l);
    case PXI_T_DICT: return put_dict(r, v->d);
    case PXI_T_SPACE:
        return pxi_tpl_puts(r, "<Namespace ") && put_dict(r, v->d) && pxi_tpl_put(r, ">", 1);
    default: break;
    }
    snprintf(text, sizeof text, "<%s>", pxi_tpl_type_name(v));
    return pxi_tpl_puts(r, text);
}

bool pxi_tpl_put_repr(struct pxi_trun *r, const struct pxi_tval *v)
{
    if (!pxi_tpl_step(r, 1) || !pxi_tpl_enter(r))
        return false;
    bool ok = put_value(r, v);
    pxi_tpl_leave(r);
    return ok;
}

bool pxi_tpl_put_str(struct pxi_trun *r, const struct pxi_tval *v)
{
    if (v->type == PXI_T_STR)
        return pxi_tpl_put(r, v->s->p, v->s->n);
    return v->type == PXI_T_UNDEF || pxi_tpl_put_repr(r, v);
}
