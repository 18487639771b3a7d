/* JSON, a byte at a time. */
#include "node/generate_json.h"

#include <string.h>

enum at {
    BEGIN,     /* only an object */
    VALUE,     /* a value must come */
    FIRST,     /* after [: a value or ] */
    KEY_FIRST, /* after {: a key or } */
    KEY,       /* after , in an object */
    COLON,
    AFTER, /* a value is complete: , or the end of what is open */
    STRING,
    ESCAPE,    /* after \ */
    HEX,       /* digits of \u */
    CHARACTER, /* bytes of a UTF-8 character in a string */
    MINUS,
    ZERO, /* a number that began with 0 */
    DIGITS,
    POINT, /* after . */
    FRACTION,
    EXPONENT, /* after e */
    SIGN,     /* after the sign of an exponent */
    POWER,
    WORD, /* true, false, null */
    COMPLETE,
};

enum { BLANKS = 12 }; /* a model that likes blanks makes progress nevertheless */

static const char *const words[] = {"true", "false", "null"};

static bool in_object(const struct pxi_json_state *s)
{
    return s->depth && (s->object >> (s->depth - 1) & 1);
}

static bool opens(struct pxi_json_state *s, bool object)
{
    if (s->depth >= PXI_LIMIT_GENERATE_JSON_DEPTH)
        return false;
    s->object = (s->object & ~(1ull << s->depth)) | (uint64_t)object << s->depth;
    s->depth++;
    s->at = object ? KEY_FIRST : FIRST;
    return true;
}

static bool closes(struct pxi_json_state *s, bool object)
{
    if (!s->depth || in_object(s) != object)
        return false;
    s->depth--;
    s->at = s->depth ? AFTER : COMPLETE;
    return true;
}

static bool begins(struct pxi_json_state *s, uint8_t b)
{
    s->key = false;
    if (b == '{' || b == '[')
        return opens(s, b == '{');
    if (b == '"')
        s->at = STRING;
    else if (b == '-')
        s->at = MINUS;
    else if (b == '0')
        s->at = ZERO;
    else if (b >= '1' && b <= '9')
        s->at = DIGITS;
    else if (b == 't' || b == 'f' || b == 'n') {
        s->at = WORD;
        s->word = b == 't' ? 0 : b == 'f' ? 1 : 2;
        s->rest = 1;
    } else
        return false;
    return true;
}

static bool after(struct pxi_json_state *s, uint8_t b)
{
    if (b == ',') {
        s->at = in_object(s) ? KEY : VALUE;
        return true;
    }
    return (b == '}' || b == ']') && closes(s, b == '}');
}

/* The first byte of a character of more than one: how many follow, and the range of the next. */
static bool character(struct pxi_json_state *s, uint8_t b)
{
    s->low = b == 0xe0 ? 0xa0 : b == 0xf0 ? 0x90 : 0x80;
    s->high = b == 0xed ? 0x9f : b == 0xf4 ? 0x8f : 0xbf;
    s->rest = b >= 0xf0 ? 3 : b >= 0xe0 ? 2 : 1;
    s->at = CHARACTER;
    return b >= 0xc2 && b <= 0xf4;
}

static bool in_string(struct pxi_json_state *s, uint8_t b)
{
    if (b == '"')
        s->at = s->key ? COLON : AFTER;
    else if (b == '\\')
        s->at = ESCAPE;
    else if (b >= 0x80)
        return character(s, b);
    return b >= 0x20;
}

static bool more_string(struct pxi_json_state *s, uint8_t b)
{
    if (s->at == STRING)
        return in_string(s, b);
    if (s->at == ESCAPE) {
        s->at = b == 'u' ? HEX : STRING;
        s->rest = 4;
        return b && strchr("\"\\/bfnrtu", b);
    }
    if (s->at == CHARACTER) {
        bool ok = b >= s->low && b <= s->high;
        s->low = 0x80;
        s->high = 0xbf;
        s->at = --s->rest ? CHARACTER : STRING;
        return ok;
    }
    /* A surrogate would need its other half: they are left to UTF-8. */
    if (s->rest == 4 && (b == 'd' || b == 'D'))
        return false;
    s->at = --s->rest ? HEX : STRING;
    return (b >= '0' && b <= '9') || (b >= 'a' && b <= 'f') || (b >= 'A' && b <= 'F');
}

/* In a number: true when b goes it on; the state tells where. */
static bool more_number(struct pxi_json_state *s, uint8_t b)
{
    bool digit = b >= '0' && b <= '9', e = b == 'e' || b == 'E';
    switch (s->at) {
    case MINUS: s->at = b == '0' ? ZERO : DIGITS; return digit;
    case ZERO:
    case DIGITS:
        if (digit)
            return s->at == DIGITS;
        s->at = b == '.' ? POINT : EXPONENT;
        return b == '.' || e;
    case POINT: s->at = FRACTION; return digit;
    case FRACTION:
        if (e)
            s->at = EXPONENT;
        return digit || e;
    case EXPONENT: s->at = digit ? POWER : SIGN; return digit || b == '+' || b == '-';
    case SIGN: s->at = POWER; return digit;
    default: return digit;
    }
}

static bool number_may_end(const struct pxi_json_state *s)
{
    return s->at == ZERO || s->at == DIGITS || s->at == FRACTION || s->at == POWER;
}

static bool more_word(struct pxi_json_state *s, uint8_t b)
{
    const char *w = words[s->word];
    bool ok = (uint8_t)w[s->rest] == b;
    if (!w[++s->rest])
        s->at = AFTER;
    return ok;
}

static bool structure(struct pxi_json_state *s, uint8_t b)
{
    bool blank = b == ' ' || b == '\n' || b == '\t';
    if (blank)
        return s->at != BEGIN && ++s->blanks <= BLANKS;
    s->blanks = 0;
    switch (s->at) {
    case BEGIN: return b == '{' && opens(s, true);
    case FIRST: return b == ']' ? closes(s, false) : begins(s, b);
    case VALUE: return begins(s, b);
    case KEY_FIRST:
    case KEY:
        if (b == '}' && s->at == KEY_FIRST)
            return closes(s, true);
        s->key = true;
        s->at = STRING;
        return b == '"';
    case COLON: s->at = VALUE; return b == ':';
    case AFTER: return after(s, b);
    default: return false;
    }
}

static bool add(struct pxi_json_state *s, uint8_t b)
{
    if (s->at >= STRING && s->at <= CHARACTER)
        return more_string(s, b);
    if (s->at == WORD)
        return more_word(s, b);
    if (s->at >= MINUS && s->at <= POWER) {
        struct pxi_json_state before = *s;
        if (more_number(s, b))
            return true;
        *s = before;
        if (!number_may_end(s))
            return false;
        s->at = AFTER;
    }
    return structure(s, b);
}

bool pxi_json_state_add(struct pxi_json_state *s, px_view bytes)
{
    for (size_t i = 0; i < bytes.n; i++)
        if (!add(s, bytes.p[i]))
            return false;
    return true;
}

bool pxi_json_state_complete(const struct pxi_json_state *s)
{
    return s->at == COMPLETE;
}
