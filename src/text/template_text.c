/* Characters and strings as Python sees them: code points over UTF-8. */
#include "text/template_impl.h"

#include "text/template_case.h"

size_t pxi_tpl_char(const char *p, size_t n, uint32_t *cp)
{
    const uint8_t *b = (const uint8_t *)p;
    uint32_t c = b[0];
    size_t len = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : 4;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    bool ok = len == 1 || (c >= 0xc2 && c < 0xf5 && len <= n);
    if (ok && len > 1)
        c &= 0xffu >> (len + 1);
    for (size_t i = 1; ok && i < len; i++) {
        ok = (b[i] & 0xc0) == 0x80;
        c = c << 6 | (b[i] & 0x3f);
    }
    if (!ok || c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
        c = b[0];
        len = 1;
    }
    if (cp)
        *cp = c;
    return len;
}

size_t pxi_tpl_char_count(const char *p, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i += pxi_tpl_char(p + i, n - i, NULL))
        count++;
    return count;
}

size_t pxi_tpl_char_offset(const char *p, size_t n, size_t chars)
{
    size_t i = 0;
    for (; chars && i < n; chars--)
        i += pxi_tpl_char(p + i, n - i, NULL);
    return i;
}

size_t pxi_tpl_char_encode(uint32_t cp, char *out)
{
    uint8_t *o = (uint8_t *)out;
    if (cp < 0x80) {
        o[0] = (uint8_t)cp;
        return 1;
    }
    size_t len = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i; i--, cp >>= 6)
        o[i] = (uint8_t)(0x80 | (cp & 0x3f));
    o[0] = (uint8_t)(0xf00u >> len | cp);
    return len;
}

bool pxi_tpl_is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

/* An approximation outside of ASCII: unassigned code points count as printable. */
bool pxi_tpl_is_printable(uint32_t c)
{
    if (c < 0x7f)
        return c >= 0x20;
    if (c < 0xa1 || c == 0xad || pxi_tpl_is_space(c))
        return false;
    return !(c >= 0x200b && c <= 0x200f) && !(c >= 0x202a && c <= 0x202e) &&
           !(c >= 0x2060 && c <= 0x206f) && !(c >= 0xe000 && c <= 0xf8ff) && c != 0xfeff &&
           !(c >= 0xfff0 && c <= 0xfffb) && c < 0xe0000;
}

static uint32_t map_case(const struct pxi_tcase *t, size_t n, uint32_t c)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (c > t[mid].last)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == n || c < t[lo].first || (c - t[lo].first) % t[lo].stride)
        return c;
    return (uint32_t)((int32_t)c + t[lo].delta);
}

uint32_t pxi_tpl_upper(uint32_t c)
{
    if (c < 0x80)
        return c >= 'a' && c <= 'z' ? c - 32 : c;
    return map_case(pxi_tcase_upper, sizeof pxi_tcase_upper / sizeof *pxi_tcase_upper, c);
}

uint32_t pxi_tpl_lower(uint32_t c)
{
    if (c < 0x80)
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    return map_case(pxi_tcase_lower, sizeof pxi_tcase_lower / sizeof *pxi_tcase_lower, c);
}

static bool strippable(const char *p, size_t n, uint32_t cp, const struct pxi_tstr *chars)
{
    if (!chars)
        return pxi_tpl_is_space(cp);
    const struct pxi_tstr one = {p, n, NULL};
    return pxi_tpl_find(chars, &one, 0) != SIZE_MAX;
}

/* Start of the last character of p. */
static size_t last_char(const char *p, size_t n)
{
    for (size_t back = 1; back <= 4 && back <= n; back++)
        if (((uint8_t)p[n - back] & 0xc0) != 0x80)
            return pxi_tpl_char(p + n - back, back, NULL) == back ? n - back : n - 1;
    return n - 1;
}

px_view pxi_tpl_strip(const char *p, size_t n, const struct pxi_tstr *chars, bool left, bool right)
{
    uint32_t cp;
    while (left && n) {
        size_t len = pxi_tpl_char(p, n, &cp);
        if (!strippable(p, len, cp, chars))
            break;
        p += len;
        n -= len;
    }
    while (right && n) {
        size_t at = last_char(p, n);
        pxi_tpl_char(p + at, n - at, &cp);
        if (!strippable(p + at, n - at, cp, chars))
            break;
        n = at;
    }
    return px_view_of(p, n);
}

size_t pxi_tpl_find(const struct pxi_tstr *hay, const struct pxi_tstr *needle, size_t from)
{
    if (from > hay->n || needle->n > hay->n - from)
        return SIZE_MAX;
    if (!needle->n)
        return from;
    const char *at = memmem(hay->p + from, hay->n - from, needle->p, needle->n);
    return at ? (size_t)(at - hay->p) : SIZE_MAX;
}

bool pxi_tpl_str_is(const struct pxi_tstr *s, const char *text)
{
    return s->n == strlen(text) && memcmp(s->p, text, s->n) == 0;
}

bool pxi_tpl_str_equal(const struct pxi_tstr *a, const struct pxi_tstr *b)
{
    return a->n == b->n && (a == b || memcmp(a->p, b->p, a->n) == 0);
}
