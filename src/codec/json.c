/* The JSON reader: a state for what may come next, and one bit of memory for each open level. */
#include "codec/json.h"

#include "base/diag.h"
#include "codec/utf8.h"

enum { /* what may come next */
       A_VALUE,
       A_VALUE_OR_END, /* right after [ */
       A_KEY,
       A_KEY_OR_END, /* right after { */
       COMMA_OR_END,
       NOTHING,
};

void pxi_json_init(struct pxi_json *j, px_view in, px_diag *diag, uint64_t origin)
{
    *j = (struct pxi_json){.in = in, .diag = diag, .origin = origin, .expect = A_VALUE};
}

static px_err wrong(struct pxi_json *j, size_t at, const char *expected)
{
    if (at >= j->in.n)
        return pxi_diag_set(j->diag, PX_ERR_TRUNCATED, j->origin + at, expected, "the end");
    uint8_t c = j->in.p[at];
    if (c > 0x20 && c < 0x7f)
        return pxi_diag_set(j->diag, PX_ERR_CORRUPT, j->origin + at, expected, "%c", c);
    return pxi_diag_set(j->diag, PX_ERR_CORRUPT, j->origin + at, expected, "byte 0x%02x", c);
}

static void skip_blanks(struct pxi_json *j)
{
    size_t at = j->at;
    while (
        at < j->in.n && j->in.p[at] <= ' ' &&
        (j->in.p[at] == ' ' || j->in.p[at] == '\t' || j->in.p[at] == '\n' || j->in.p[at] == '\r'))
        at++;
    j->at = at;
}

/* Four hexadecimal digits at `at`, or -1. */
static int hex4(px_view in, size_t at)
{
    int v = 0;
    for (size_t i = at; i < at + 4; i++) {
        int c = i < in.n ? in.p[i] : 0;
        int low = c | 0x20;
        if (c >= '0' && c <= '9')
            v = v << 4 | (c - '0');
        else if (low >= 'a' && low <= 'f')
            v = v << 4 | (low - 'a' + 10);
        else
            return -1;
    }
    return v;
}

/* The escape whose backslash is at j->at: step over it (a surrogate pair is one escape). */
static px_err read_escape(struct pxi_json *j)
{
    px_view in = j->in;
    size_t at = j->at;
    uint8_t c = at + 1 < in.n ? in.p[at + 1] : 0;
    if (c != 'u') {
        if (!c || !strchr("\"\\/bfnrt", c))
            return wrong(j, at + 1, "one of \" \\ / b f n r t u");
        j->at += 2;
        return PX_ERR_OK;
    }
    int unit = hex4(in, at + 2);
    if (unit < 0)
        return wrong(j, at + 6 < in.n ? at + 2 : in.n, "four hexadecimal digits");
    j->at += 6;
    if ((unit & 0xf800) != 0xd800)
        return PX_ERR_OK;
    int pair = unit < 0xdc00 && at + 7 < in.n && in.p[at + 6] == '\\' && in.p[at + 7] == 'u'
                   ? hex4(in, at + 8)
                   : -1;
    if (pair < 0xdc00 || pair > 0xdfff)
        return wrong(j, at, "surrogates in pairs");
    j->at += 6;
    return PX_ERR_OK;
}

/* A string whose opening quote is at j->at. */
static px_err read_string(struct pxi_json *j)
{
    size_t start = ++j->at;
    for (;;) {
        const uint8_t *p = j->in.p;
        while (j->at < j->in.n && p[j->at] >= 0x20 && p[j->at] < 0x80 && p[j->at] != '"' &&
               p[j->at] != '\\')
            j->at++;
        if (j->at >= j->in.n || p[j->at] < 0x20)
            return wrong(j, j->at, "the end of the string");
        if (p[j->at] == '"')
            break;
        size_t n = p[j->at] == '\\' ? 0 : pxi_utf8_length(p + j->at, j->in.n - j->at);
        px_err err = PX_ERR_OK;
        if (p[j->at] == '\\')
            err = read_escape(j);
        else if (!n)
            err = wrong(j, j->at, "UTF-8");
        if (err)
            return err;
        j->at += n;
    }
    j->text = px_view_of(j->in.p + start, j->at - start);
    j->at++;
    return PX_ERR_OK;
}

/* The next byte, or 0 at the end. */
static uint8_t peek(const struct pxi_json *j)
{
    return j->at < j->in.n ? j->in.p[j->at] : 0;
}

static bool digits(struct pxi_json *j)
{
    size_t start = j->at, at = start;
    while (at < j->in.n && j->in.p[at] >= '0' && j->in.p[at] <= '9')
        at++;
    j->at = at;
    return at > start;
}

static px_err read_number(struct pxi_json *j)
{
    size_t start = j->at;
    j->at += peek(j) == '-';
    bool ok = true;
    if (peek(j) == '0')
        j->at++;
    else
        ok = digits(j);
    if (ok && peek(j) == '.') {
        j->at++;
        ok = digits(j);
    }
    if (ok && (peek(j) | 0x20) == 'e') {
        j->at++;
        j->at += peek(j) == '+' || peek(j) == '-';
        ok = digits(j);
    }
    j->text = px_view_of(j->in.p + start, j->at - start);
    return ok ? PX_ERR_OK : wrong(j, j->at, "a digit");
}

static px_err read_word(struct pxi_json *j, const char *word)
{
    for (size_t i = 0; word[i]; i++, j->at++)
        if (j->at >= j->in.n || j->in.p[j->at] != (uint8_t)word[i])
            return wrong(j, j->at, word);
    return PX_ERR_OK;
}

static px_err open_level(struct pxi_json *j, bool object)
{
    if (j->depth == PXI_LIMIT_JSON_DEPTH)
        return pxi_diag_set(j->diag, PX_ERR_LIMIT, j->origin + j->at, "at most 128 open levels",
                            "one more");
    j->is_object[j->depth++] = object;
    j->expect = object ? A_KEY_OR_END : A_VALUE_OR_END;
    j->at++;
    return PX_ERR_OK;
}

/* After a value: what its container allows. */
static void value_done(struct pxi_json *j)
{
    j->expect = j->depth ? COMMA_OR_END : NOTHING;
}

static px_err close_level(struct pxi_json *j, enum pxi_json_event *out)
{
    *out = j->is_object[--j->depth] ? PXI_JSON_OBJECT_END : PXI_JSON_ARRAY_END;
    j->at++;
    value_done(j);
    return PX_ERR_OK;
}

static px_err read_value(struct pxi_json *j, enum pxi_json_event *out)
{
    uint8_t c = peek(j);
    if (c == '{' || c == '[') {
        *out = c == '{' ? PXI_JSON_OBJECT : PXI_JSON_ARRAY;
        return open_level(j, c == '{');
    }
    value_done(j);
    *out = c == '"'   ? PXI_JSON_STRING
           : c == 't' ? PXI_JSON_TRUE
           : c == 'f' ? PXI_JSON_FALSE
           : c == 'n' ? PXI_JSON_NULL
                      : PXI_JSON_NUMBER;
    if (c == '"')
        return read_string(j);
    if (c == '-' || (c >= '0' && c <= '9'))
        return read_number(j);
    if (c == 't' || c == 'f' || c == 'n')
        return read_word(j, c == 't' ? "true" : c == 'f' ? "false" : "null");
    return wrong(j, j->at, "a value");
}

static px_err read_key(struct pxi_json *j, enum pxi_json_event *out)
{
    *out = PXI_JSON_KEY;
    if (peek(j) != '"')
        return wrong(j, j->at, "a key in quotes");
    px_err err = read_string(j);
    if (err)
        return err;
    skip_blanks(j);
    if (peek(j) != ':')
        return wrong(j, j->at, "a colon");
    j->at++;
    j->expect = A_VALUE;
    return PX_ERR_OK;
}

px_err pxi_json_next(struct pxi_json *j, enum pxi_json_event *out)
{
    skip_blanks(j);
    bool in_object = j->depth && j->is_object[j->depth - 1];
    bool may_end =
        j->expect == A_VALUE_OR_END || j->expect == A_KEY_OR_END || j->expect == COMMA_OR_END;
    j->start = j->at;
    *out = PXI_JSON_END;
    if (j->expect == NOTHING)
        return j->at < j->in.n ? wrong(j, j->at, "nothing after the value") : PX_ERR_OK;
    if (may_end && peek(j) == (in_object ? '}' : ']'))
        return close_level(j, out);
    if (j->expect == COMMA_OR_END) {
        if (peek(j) != ',')
            return wrong(j, j->at, in_object ? "a comma or }" : "a comma or ]");
        j->at++;
        skip_blanks(j);
        j->start = j->at;
        j->expect = in_object ? A_KEY : A_VALUE;
    }
    if (j->expect == A_KEY || j->expect == A_KEY_OR_END)
        return read_key(j, out);
    return read_value(j, out);
}

bool pxi_json_text_is(px_view text, const char *s)
{
    size_t at = 0;
    for (; *s && at < text.n; s++) {
        int c = text.p[at++];
        if (c == '\\' && text.p[at] == 'u') { /* the reader has seen that four digits follow */
            c = hex4(text, at + 1);
            at += 5;
        } else if (c == '\\') {
            return false; /* no name that we look for has one of the short escapes */
        }
        if (c != (uint8_t)*s)
            return false;
    }
    return !*s && at == text.n;
}

/* UTF-8 of a code point at out; how many bytes. */
static size_t put_utf8(uint32_t c, uint8_t *out)
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    unsigned n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (unsigned i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (uint8_t)(0x80 | (c & 0x3f));
    out[0] = (uint8_t)((0xf00 >> n) | c);
    return n;
}

size_t pxi_json_unescape(px_view text, uint8_t *out)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    size_t n = 0;
    for (size_t at = 0; at < text.n;) {
        uint8_t c = text.p[at++];
        if (c != '\\') {
            out[n++] = c;
            continue;
        }
        c = text.p[at++]; /* the reader has seen that an escape is whole */
        const char *short_one = c ? strchr(from, c) : NULL;
        if (c != 'u') {
            out[n++] = short_one ? (uint8_t)to[short_one - from] : c;
            continue;
        }
        uint32_t unit = (uint32_t)hex4(text, at);
        at += 4;
        if (unit >= 0xd800 && unit < 0xdc00) {
            unit = 0x10000 + ((unit - 0xd800) << 10) + ((uint32_t)hex4(text, at + 2) - 0xdc00);
            at += 6;
        }
        n += put_utf8(unit, out + n);
    }
    return n;
}

px_err pxi_json_check(px_view in, px_diag *diag)
{
    struct pxi_json j;
    enum pxi_json_event e;
    pxi_diag_field(diag, "value");
    pxi_json_init(&j, in, diag, 0);
    px_err err;
    do
        err = pxi_json_next(&j, &e);
    while (!err && e != PXI_JSON_END);
    return err;
}
