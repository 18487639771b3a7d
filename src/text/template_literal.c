/* Literals of a template: strings with Python's escapes, integers and decimal fractions. */
#include <jansson.h>

#include "text/template_impl.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* `count` hexadecimal digits at p. */
static bool hex(const char *p, const char *end, int count, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < count; i++) {
        int d = p + i < end ? hex_digit(p[i]) : -1;
        if (d < 0)
            return false;
        *out = *out << 4 | (uint32_t)d;
    }
    return true;
}

/* The escape behind a backslash at *p, which is moved past it. Unknown ones stay as written. */
static bool escape(const char **p, const char *end, char *out, size_t *n)
{
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    char c = *(*p)++;
    const char *known = memchr(from, c, sizeof from - 1);
    uint32_t cp = 0;
    if (known) {
        out[(*n)++] = to[known - from];
        return true;
    }
    if (c == '\n')
        return true;
    if (c == 'x' || c == 'u' || c == 'U') {
        int count = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        if (!hex(*p, end, count, &cp) || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
            return false;
        *p += count;
    } else if (c >= '0' && c <= '7') {
        cp = (uint32_t)(c - '0');
        for (int i = 0; i < 2 && *p < end && **p >= '0' && **p <= '7'; i++)
            cp = cp << 3 | (uint32_t)(*(*p)++ - '0');
    } else {
        out[(*n)++] = '\\';
        out[(*n)++] = c;
        return c != 'N';
    }
    *n += pxi_tpl_char_encode(cp, out + *n);
    return true;
}

/* Bytes of the string tokens from p->t on: adjacent ones are one string. */
static size_t adjacent(const struct pxi_tparse *p)
{
    size_t n = 0;
    for (const struct pxi_ttok *t = p->t; t->type == PXI_TOK_STRING; t++)
        n += t->n;
    return n;
}

static bool append_string(struct pxi_tparse *p, char *out, size_t *n)
{
    const char *at = p->src + p->t->off + 1, *end = p->src + p->t->off + p->t->n - 1;
    while (at < end) {
        if (*at != '\\')
            out[(*n)++] = *at++;
        else if (at++, !escape(&at, end, out, n))
            return pxi_tpl_parse_fail(p, "a string with valid escapes") != NULL;
    }
    p->t++;
    return true;
}

static bool string(struct pxi_tparse *p, struct pxi_tval *k)
{
    size_t room = adjacent(p);
    struct pxi_tstr *s = pxi_arena_alloc(p->arena, 1, sizeof *s);
    char *bytes = pxi_arena_alloc(p->arena, room, 1);
    if (!s || !bytes)
        return pxi_tpl_parse_nomem(p) != NULL;
    *s = (struct pxi_tstr){bytes, 0, NULL};
    *k = (struct pxi_tval){.type = PXI_T_STR, .s = s};
    while (p->t->type == PXI_TOK_STRING)
        if (!append_string(p, bytes, &s->n))
            return false;
    return true;
}

static bool integer(struct pxi_tparse *p, struct pxi_tval *k)
{
    const char *at = p->src + p->t->off, *end = at + p->t->n;
    char c = p->t->n > 2 && *at == '0' ? (char)(at[1] | 0x20) : 0;
    int base = c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 10;
    bool zero_first = *at == '0' && base == 10;
    *k = (struct pxi_tval){.type = PXI_T_INT};
    for (at += base == 10 ? 0 : 2; at < end; at++) {
        int d = *at == '_' ? 0 : hex_digit(*at);
        if (*at == '_')
            continue;
        if (d < 0 || d >= base || (zero_first && d) || __builtin_mul_overflow(k->i, base, &k->i) ||
            __builtin_add_overflow(k->i, d, &k->i))
            return pxi_tpl_parse_fail(p, "an integer of at most 64 bits") != NULL;
    }
    p->t++;
    return true;
}

/* The JSON reader reads numbers in any locale; leading zeros and underscores go first. */
static bool fraction(struct pxi_tparse *p, struct pxi_tval *k)
{
    char text[64];
    size_t n = 0;
    for (uint32_t i = 0; i < p->t->n; i++) {
        char c = p->src[p->t->off + i];
        bool zero = c == '0' && n == 0 && i + 1 < p->t->n && (p->src[p->t->off + i + 1] & 0x10);
        if (c != '_' && !zero && n < sizeof text)
            text[n++] = c;
    }
    json_t *j = n < sizeof text ? json_loadb(text, n, JSON_DECODE_ANY, NULL) : NULL;
    if (!json_is_real(j)) {
        json_decref(j);
        return pxi_tpl_parse_fail(p, "a number that can be represented") != NULL;
    }
    *k = (struct pxi_tval){.type = PXI_T_FLOAT, .f = json_real_value(j)};
    json_decref(j);
    p->t++;
    return true;
}

struct pxi_tnode *pxi_tpl_literal(struct pxi_tparse *p)
{
    struct pxi_tnode *n = pxi_tpl_node(p, PXI_N_CONST);
    unsigned type = p->t->type;
    if (!n)
        return NULL;
    bool ok = type == PXI_TOK_STRING ? string(p, &n->k)
              : type == PXI_TOK_INT  ? integer(p, &n->k)
                                     : fraction(p, &n->k);
    return ok ? n : NULL;
}
