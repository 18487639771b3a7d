/*
 * Source to tokens. Whitespace is controlled as in Jinja2 with trim_blocks and lstrip_blocks: a
 * newline after a block or comment is dropped, blanks between line start and a block or comment
 * are dropped; '-' drops all whitespace on its side, '+' keeps what would be dropped.
 */
#include "base/diag.h"
#include "text/template_impl.h"

struct lexer {
    const char *s;
    size_t n, at;
    struct pxi_ttoks *toks;
    bool line_start; /* the last delimiter ended with a newline */
    px_diag *diag;
    char closing[PXI_LIMIT_TEMPLATE_NESTING]; /* brackets that are open */
    unsigned open;
};

static px_err fail(struct lexer *x, size_t at, const char *expected)
{
    return pxi_diag_set(x->diag, PX_ERR_TEMPLATE, at, expected, "%.*s",
                        (int)(x->n - at < 40 ? x->n - at : 40), x->s + at);
}

static px_err emit(struct lexer *x, unsigned type, unsigned op, size_t off, size_t n)
{
    struct pxi_ttoks *t = x->toks;
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 256;
        struct pxi_ttok *v = pxi_realloc(t->v, cap, sizeof *v);
        if (!v)
            return PX_ERR_NOMEM;
        t->v = v;
        t->cap = cap;
    }
    t->v[t->n++] = (struct pxi_ttok){(uint8_t)type, (uint16_t)op, (uint32_t)off, (uint32_t)n};
    return PX_ERR_OK;
}

static bool looking_at(const struct lexer *x, size_t at, const char *text)
{
    size_t n = strlen(text);
    return at <= x->n && n <= x->n - at && memcmp(x->s + at, text, n) == 0;
}

static size_t skip_space(const struct lexer *x, size_t at)
{
    while (at < x->n) {
        uint32_t cp;
        size_t len = pxi_tpl_char(x->s + at, x->n - at, &cp);
        if (!pxi_tpl_is_space(cp))
            break;
        at += len;
    }
    return at;
}

/* Move past a delimiter that ends at `at`; what it swallows decides line_start. */
static void move_past(struct lexer *x, size_t at)
{
    x->at = at;
    x->line_start = at > 0 && x->s[at - 1] == '\n';
}

/*
 * The end of a block, comment or raw section at `at` ("%}" or "#}", with '-' or '+'): the offset
 * behind it and what it swallows, or 0 when there is none.
 */
static size_t closing(const struct lexer *x, size_t at, const char *end)
{
    if (looking_at(x, at, "-") && looking_at(x, at + 1, end))
        return skip_space(x, at + 3);
    if (looking_at(x, at, "+") && looking_at(x, at + 1, end))
        return at + 3;
    if (!looking_at(x, at, end))
        return 0;
    return at + 2 + looking_at(x, at + 2, "\n");
}

/* Length of the text [from, to) before a delimiter with this sign. */
static size_t text_before(const struct lexer *x, size_t from, size_t to, char sign, bool variable)
{
    if (sign == '-')
        return pxi_tpl_strip(x->s + from, to - from, NULL, false, true).n;
    if (sign == '+' || variable)
        return to - from;
    const char *newline = memrchr(x->s + from, '\n', to - from);
    size_t line = newline ? (size_t)(newline - x->s) + 1 - from : 0;
    size_t solid = pxi_tpl_strip(x->s + from, to - from, NULL, false, true).n;
    return solid <= line && (newline || x->line_start) ? line : to - from;
}

static px_err emit_text(struct lexer *x, size_t from, size_t n)
{
    return n ? emit(x, PXI_TOK_DATA, 0, from, n) : PX_ERR_OK;
}

/* Sign after the two characters of an opening delimiter at `at`. */
static char sign_of(const struct lexer *x, size_t at)
{
    char c = at + 2 < x->n ? x->s[at + 2] : 0;
    return c == '-' || c == '+' ? c : 0;
}

/* Offset behind "{% name" at `at`, blanks included, or 0. */
static size_t tag_named(const struct lexer *x, size_t at, const char *name)
{
    if (!looking_at(x, at, "{%"))
        return 0;
    at = skip_space(x, at + 2 + (sign_of(x, at) != 0));
    return looking_at(x, at, name) ? skip_space(x, at + strlen(name)) : 0;
}

/* Offset behind "{% raw %}" at `at`, or 0. */
static size_t raw_begin(const struct lexer *x, size_t at)
{
    size_t end = tag_named(x, at, "raw");
    if (end && looking_at(x, end, "-%}"))
        return skip_space(x, end + 3);
    return end && looking_at(x, end, "%}") ? end + 2 : 0;
}

static px_err lex_raw(struct lexer *x)
{
    for (size_t at = x->at; at < x->n; at++) {
        size_t name = x->s[at] == '{' ? tag_named(x, at, "endraw") : 0;
        size_t end = name ? closing(x, name, "%}") : 0;
        if (!end)
            continue;
        px_err err = emit_text(x, x->at, text_before(x, x->at, at, sign_of(x, at), false));
        move_past(x, end);
        return err;
    }
    return fail(x, x->at, "{% endraw %}");
}

static px_err lex_comment(struct lexer *x, size_t begin)
{
    for (size_t at = x->at; at < x->n; at++) {
        size_t end = closing(x, at, "#}");
        if (end) {
            move_past(x, end);
            return PX_ERR_OK;
        }
    }
    return fail(x, begin, "a comment that ends with #}");
}

static size_t digits(const struct lexer *x, size_t at, int base)
{
    static const char all[] = "0123456789abcdef";
    size_t end = at;
    for (; at < x->n; at++) {
        const char *d = x->s[at] ? memchr(all, x->s[at] | 0x20, (size_t)base) : NULL;
        if (d && x->s[at] >= '0')
            end = at + 1;
        else if (x->s[at] != '_' || at != end || end == 0)
            break;
    }
    return end;
}

static bool is_digit(const struct lexer *x, size_t at)
{
    return at < x->n && x->s[at] >= '0' && x->s[at] <= '9';
}

static px_err lex_number(struct lexer *x)
{
    size_t start = x->at, end;
    char c = start + 1 < x->n ? (char)(x->s[start + 1] | 0x20) : 0;
    int base = x->s[start] != '0' ? 10 : c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 10;
    unsigned type = PXI_TOK_INT;
    end = base == 10 ? digits(x, start, 10) : digits(x, start + 2, base);
    if (base == 10 && !(start && x->s[start - 1] == '.')) {
        if (looking_at(x, end, ".") && is_digit(x, end + 1)) {
            end = digits(x, end + 1, 10);
            type = PXI_TOK_FLOAT;
        }
        size_t exp = end + 1;
        if (end < x->n && (x->s[end] | 0x20) == 'e') {
            exp += exp < x->n && (x->s[exp] == '+' || x->s[exp] == '-');
            if (is_digit(x, exp)) {
                end = digits(x, exp, 10);
                type = PXI_TOK_FLOAT;
            }
        }
    }
    x->at = end;
    return emit(x, type, 0, start, end - start);
}

static bool name_char(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) ||
           (!first && c >= '0' && c <= '9');
}

static px_err lex_name(struct lexer *x)
{
    size_t start = x->at;
    while (x->at < x->n && name_char(x->s[x->at], false))
        x->at++;
    return emit(x, PXI_TOK_NAME, 0, start, x->at - start);
}

static px_err lex_string(struct lexer *x)
{
    size_t start = x->at;
    char quote = x->s[start];
    for (size_t at = start + 1; at < x->n; at++) {
        if (x->s[at] == '\\') {
            at++;
        } else if (x->s[at] == quote) {
            x->at = at + 1;
            return emit(x, PXI_TOK_STRING, 0, start, x->at - start);
        }
    }
    return fail(x, start, "a string that ends");
}

static px_err bracket(struct lexer *x, char c)
{
    const char *opening = "([{", *close = ")]}", *p;
    if ((p = strchr(opening, c)) != NULL) {
        if (x->open == sizeof x->closing)
            return pxi_diag_set(x->diag, PX_ERR_LIMIT, x->at, "at most template.nesting brackets",
                                "more");
        x->closing[x->open++] = close[p - opening];
    } else if (strchr(close, c)) {
        if (!x->open || x->closing[x->open - 1] != c)
            return fail(x, x->at, "balanced brackets");
        x->open--;
    }
    return PX_ERR_OK;
}

static px_err lex_operator(struct lexer *x)
{
    static const char *const two[] = {"**", "//", "==", "!=", "<=", ">="};
    char c = x->s[x->at];
    for (size_t i = 0; i < sizeof two / sizeof *two; i++)
        if (looking_at(x, x->at, two[i])) {
            x->at += 2;
            return emit(x, PXI_TOK_OP, PXI_OP(two[i][0], two[i][1]), x->at - 2, 2);
        }
    if (!c || !strchr("+-*/%~<>=()[]{}.:|,;", c))
        return fail(x, x->at, "an operator, a name or a literal");
    px_err err = bracket(x, c);
    if (err != PX_ERR_OK)
        return err;
    x->at++;
    return emit(x, PXI_TOK_OP, (unsigned char)c, x->at - 1, 1);
}

static px_err lex_token(struct lexer *x)
{
    char c = x->s[x->at];
    if (c >= '0' && c <= '9')
        return lex_number(x);
    if (name_char(c, true))
        return lex_name(x);
    if (c == '"' || c == '\'')
        return lex_string(x);
    return lex_operator(x);
}

/* Offset behind the end of the block or variable at the current place, or 0. */
static size_t code_end(const struct lexer *x, bool variable)
{
    if (x->open)
        return 0;
    if (!variable)
        return closing(x, x->at, "%}");
    if (looking_at(x, x->at, "-}}"))
        return skip_space(x, x->at + 3);
    return looking_at(x, x->at, "}}") ? x->at + 2 : 0;
}

static px_err lex_code(struct lexer *x, bool variable)
{
    px_err err = PX_ERR_OK;
    x->open = 0;
    while (err == PX_ERR_OK) {
        x->at = skip_space(x, x->at);
        if (x->at >= x->n)
            return fail(x, x->n, variable ? "}}" : "%}");
        size_t end = code_end(x, variable);
        if (end) {
            err = emit(x, variable ? PXI_TOK_VAR_END : PXI_TOK_BLOCK_END, 0, x->at, 2);
            move_past(x, end);
            return err;
        }
        err = lex_token(x);
    }
    return err;
}

static size_t next_delimiter(const struct lexer *x)
{
    for (size_t i = x->at; i + 1 < x->n; i++)
        if (x->s[i] == '{' && (x->s[i + 1] == '{' || x->s[i + 1] == '%' || x->s[i + 1] == '#'))
            return i;
    return x->n;
}

/* Text up to the next delimiter, and what that delimiter opens. */
static px_err lex_some(struct lexer *x)
{
    size_t at = next_delimiter(x);
    char sign = at < x->n ? sign_of(x, at) : '+', kind = at < x->n ? x->s[at + 1] : 0;
    px_err err = emit_text(x, x->at, text_before(x, x->at, at, sign, kind == '{'));
    if (err != PX_ERR_OK || at >= x->n) {
        x->at = x->n;
        return err;
    }
    size_t raw = raw_begin(x, at);
    if (raw) {
        move_past(x, raw);
        return lex_raw(x);
    }
    x->at = at + 2 + (sign != 0);
    if (kind == '#')
        return lex_comment(x, at);
    err = emit(x, kind == '{' ? PXI_TOK_VAR_BEGIN : PXI_TOK_BLOCK_BEGIN, 0, at, 2);
    return err != PX_ERR_OK ? err : lex_code(x, kind == '{');
}

px_err pxi_tpl_lex(px_view src, struct pxi_ttoks *toks, px_diag *diag)
{
    struct lexer x = {(const char *)src.p, src.n, 0, toks, true, diag, {0}, 0};
    px_err err = PX_ERR_OK;
    while (err == PX_ERR_OK && x.at < x.n)
        err = lex_some(&x);
    return err != PX_ERR_OK ? err : emit(&x, PXI_TOK_EOF, 0, src.n, 0);
}
