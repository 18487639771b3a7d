/* Methods of strings, dicts and lists. A row without a function is refused when it is called. */
#include "text/template_impl.h"

/* Argument i as a string, or NULL (with an error unless it is missing or none). */
static const struct pxi_tstr *text_arg(struct pxi_tcall *c, int i)
{
    if (!c->a[i] || c->a[i]->type == PXI_T_NONE)
        return NULL;
    if (c->a[i]->type == PXI_T_STR)
        return c->a[i]->s;
    pxi_tpl_fail(c->run, "%s needs a string, not %s", c->fn ? c->fn->name : "the filter",
                 pxi_tpl_type_name(c->a[i]));
    return NULL;
}

/* As text_arg, but an error when missing. */
static const struct pxi_tstr *text_needed(struct pxi_tcall *c, int i)
{
    const struct pxi_tstr *s = text_arg(c, i);
    if (!s)
        pxi_tpl_fail(c->run, "%s needs a string", c->fn ? c->fn->name : "the filter");
    return s;
}

static bool int_arg(struct pxi_tcall *c, int i, int64_t *out)
{
    return !c->a[i] || c->a[i]->type == PXI_T_NONE || pxi_tpl_integer(c->a[i], out) ||
           pxi_tpl_fail(c->run, "%s needs an integer", c->fn ? c->fn->name : "the filter");
}

static bool add_text(struct pxi_tcall *c, struct pxi_tval *list, const char *p, size_t n)
{
    struct pxi_tval v;
    return pxi_tpl_step(c->run, 1) && pxi_tpl_str_ref(c->run, p, n, &v) &&
           pxi_tpl_list_add(c->run, list->l, &v);
}

/* ---- stripping ---- */

static bool strip(struct pxi_tcall *c, bool left, bool right, struct pxi_tval *out)
{
    const struct pxi_tstr *s = c->self.s, *chars = text_arg(c, 0);
    if (c->run->err != PX_ERR_OK || !pxi_tpl_step(c->run, s->n / 64))
        return false;
    px_view v = pxi_tpl_strip(s->p, s->n, chars, left, right);
    if (v.n == s->n) {
        *out = c->self;
        return true;
    }
    return pxi_tpl_str_ref(c->run, v.p, v.n, out);
}

static bool m_strip(struct pxi_tcall *c, struct pxi_tval *out)
{
    return strip(c, true, true, out);
}
static bool m_lstrip(struct pxi_tcall *c, struct pxi_tval *out)
{
    return strip(c, true, false, out);
}
static bool m_rstrip(struct pxi_tcall *c, struct pxi_tval *out)
{
    return strip(c, false, true, out);
}

/* ---- case ---- */

enum casing { UPPER, LOWER, TITLE, CAPITAL };

static bool cased(uint32_t cp)
{
    return cp == 0xdf || pxi_tpl_upper(cp) != cp || pxi_tpl_lower(cp) != cp;
}

static bool change_case(struct pxi_tcall *c, enum casing how, struct pxi_tval *out)
{
    const struct pxi_tstr *s = c->self.s;
    size_t mark = c->run->out.n, len;
    bool word = false, ok = pxi_tpl_step(c->run, s->n / 4);
    for (size_t i = 0; ok && i < s->n; i += len) {
        uint32_t cp;
        char text[4];
        len = pxi_tpl_char(s->p + i, s->n - i, &cp);
        bool up = how == UPPER || (how == TITLE && !word) || (how == CAPITAL && i == 0);
        word = cased(cp);
        if (len == 1 && cp >= 0x80) /* not UTF-8: as it is */
            ok = pxi_tpl_put(c->run, s->p + i, 1);
        else if (up && cp == 0xdf)
            ok = pxi_tpl_put(c->run, how == UPPER ? "SS" : "Ss", 2);
        else
            ok = pxi_tpl_put(c->run, text,
                             pxi_tpl_char_encode(up ? pxi_tpl_upper(cp) : pxi_tpl_lower(cp), text));
    }
    return ok && pxi_tpl_take(c->run, mark, out);
}

static bool m_upper(struct pxi_tcall *c, struct pxi_tval *out)
{
    return change_case(c, UPPER, out);
}
static bool m_lower(struct pxi_tcall *c, struct pxi_tval *out)
{
    return change_case(c, LOWER, out);
}
static bool m_title(struct pxi_tcall *c, struct pxi_tval *out)
{
    return change_case(c, TITLE, out);
}
static bool m_capitalize(struct pxi_tcall *c, struct pxi_tval *out)
{
    return change_case(c, CAPITAL, out);
}

/* isupper, islower: at least one letter with case, and none of the other case. */
static bool all_case(struct pxi_tcall *c, bool upper, struct pxi_tval *out)
{
    const struct pxi_tstr *s = c->self.s;
    bool some = false, none_other = true;
    size_t len;
    for (size_t i = 0; i < s->n; i += len) {
        uint32_t cp;
        len = pxi_tpl_char(s->p + i, s->n - i, &cp);
        some |= (upper ? pxi_tpl_lower(cp) : pxi_tpl_upper(cp)) != cp;
        none_other &= (upper ? pxi_tpl_upper(cp) : pxi_tpl_lower(cp)) == cp;
    }
    *out = pxi_tpl_bool(some && none_other);
    return pxi_tpl_step(c->run, s->n / 4);
}

static bool m_isupper(struct pxi_tcall *c, struct pxi_tval *out)
{
    return all_case(c, true, out);
}
static bool m_islower(struct pxi_tcall *c, struct pxi_tval *out)
{
    return all_case(c, false, out);
}

/* Letters past ASCII are those with case; digits are ASCII. */
static bool all_of(struct pxi_tcall *c, bool letters, bool digits, bool spaces,
                   struct pxi_tval *out)
{
    const struct pxi_tstr *s = c->self.s;
    bool all = s->n > 0;
    size_t len;
    for (size_t i = 0; all && i < s->n; i += len) {
        uint32_t cp;
        len = pxi_tpl_char(s->p + i, s->n - i, &cp);
        all = (letters && cased(cp)) || (digits && cp >= '0' && cp <= '9') ||
              (spaces && pxi_tpl_is_space(cp));
    }
    *out = pxi_tpl_bool(all);
    return pxi_tpl_step(c->run, s->n / 4);
}

static bool m_isalpha(struct pxi_tcall *c, struct pxi_tval *out)
{
    return all_of(c, true, false, false, out);
}
static bool m_isdigit(struct pxi_tcall *c, struct pxi_tval *out)
{
    return all_of(c, false, true, false, out);
}
static bool m_isalnum(struct pxi_tcall *c, struct pxi_tval *out)
{
    return all_of(c, true, true, false, out);
}
static bool m_isspace(struct pxi_tcall *c, struct pxi_tval *out)
{
    return all_of(c, false, false, true, out);
}

/* ---- splitting ---- */

/* split() without a separator: words between whitespace; the last of `max` keeps its blanks. */
static bool split_words(struct pxi_tcall *c, int64_t max, struct pxi_tval *out)
{
    const struct pxi_tstr *s = c->self.s;
    px_view v = pxi_tpl_strip(s->p, s->n, NULL, true, false);
    while (v.n) {
        const char *p = (const char *)v.p;
        size_t n = 0;
        uint32_t cp;
        if (max-- == 0)
            return add_text(c, out, p, v.n);
        while (n < v.n) {
            size_t len = pxi_tpl_char(p + n, v.n - n, &cp);
            if (pxi_tpl_is_space(cp))
                break;
            n += len;
        }
        if (!add_text(c, out, p, n))
            return false;
        v = pxi_tpl_strip(p + n, v.n - n, NULL, true, false);
    }
    return true;
}

static bool m_split(struct pxi_tcall *c, struct pxi_tval *out)
{
    const struct pxi_tstr *s = c->self.s, *sep = text_arg(c, 0);
    int64_t max = -1;
    size_t from = 0, at;
    if (c->run->err != PX_ERR_OK || !int_arg(c, 1, &max) || !pxi_tpl_step(c->run, s->n / 16) ||
        !pxi_tpl_list(c->run, PXI_TK_LIST, 0, out))
        return false;
    if (!sep)
        return split_words(c, max, out);
    if (!sep->n)
        return pxi_tpl_fail(c->run, "split needs a separator that is not empty");
    while (max-- != 0 && (at = pxi_tpl_find(s, sep, from)) != SIZE_MAX) {
        if (!add_text(c, out, s->p + from, at - from))
            return false;
        from = at + sep->n;
    }
    return add_text(c, out, s->p + from, s->n - from);
}

/* Last place of needle before `end`, or SIZE_MAX. */
static size_t find_last(const struct pxi_tstr *s, const struct pxi_tstr *needle, size_t end)
{
    if (needle->n > end)
        return SIZE_MAX;
    for (size_t at = end - needle->n + 1; at-- > 0;)
        if (memcmp(s->p + at, needle->p, needle->n) == 0)
            return at;
    return SIZE_MAX;
}

static void reverse(struct pxi_tlist *l)
{
    for (size_t i = 0; i < l->n / 2; i++) {
        struct pxi_tval v = l->v[i];
        l->v[i] = l->v[l->n - 1 - i];
        l->v[l->n - 1 - i] = v;
    }
}

static bool m_rsplit(struct pxi_tcall *c, struct pxi_tval *out)
{
    const struct pxi_tstr *s = c->self.s, *sep = text_arg(c, 0);
    int64_t max = -1;
    size_t end = s->n, at;
    if (c->run->err != PX_ERR_OK || !int_arg(c, 1, &max))
        return false;
    if (max < 0)
        return m_split(c, out);
    if (!sep || !sep->n)
        return pxi_tpl_fail(c->run, "rsplit with a limit needs a separator");
    if (!pxi_tpl_step(c->run, 1 + s->n / 4 * (1 + sep->n / 16)) ||
        !pxi_tpl_list(c->run, PXI_TK_LIST, 0, out))
        return false;
    while (max-- != 0 && (at = find_last(s, sep, end)) != SIZE_MAX) {
        if (!add_text(c, out, s->p + at + sep->n, end - at - sep->n))
            return false;
        end = at;
    }
    if (!add_text(c, out, s->p, end))
        return false;
    reverse(out->l);
    return true;
}

static bool line_end(uint32_t cp)
{
    return (cp >= 10 && cp <= 13) || (cp >= 0x1c && cp <= 0x1e) || cp == 0x85 || cp == 0x2028 ||
           cp == 0x2029;
}

static bool m_splitlines(struct pxi_tcall *c, struct pxi_tval *out)
{
    const struct pxi_tstr *s = c->self.s;
    bool keep = c->a[0] && pxi_tpl_truth(c->a[0]);
    size_t from = 0, len;
    if (!pxi_tpl_list(c->run, PXI_TK_LIST, 0, out) || !pxi_tpl_step(c->run, s->n / 4))
        return false;
    for (size_t i = 0; i < s->n; i += len) {
        uint32_t cp;
        len = pxi_tpl_char(s->p + i, s->n - i, &cp);
        if (!line_end(cp))
            continue;
        if (cp == '\r' && i + 1 < s->n && s->p[i + 1] == '\n')
            len = 2;
        if (!add_text(c, out, s->p + from, i - from + (keep ? len : 0)))
            return false;
        from = i + len;
    }
    return from == s->n || add_text(c, out, s->p + from, s->n - from);
}

static bool partition(struct pxi_tcall *c, bool last, struct pxi_tval *out)
{
    const struct pxi_tstr *s = c->self.s, *sep = text_needed(c, 0);
    if (!sep || !sep->n)
        return pxi_tpl_fail(c->run, "partition needs a separator that is not empty");
    if (!pxi_tpl_step(c->run, s->n / 4) || !pxi_tpl_list(c->run, PXI_TK_TUPLE, 3, out))
        return false;
    size_t at = last ? find_last(s, sep, s->n) : pxi_tpl_find(s, sep, 0);
    if (at == SIZE_MAX)
        return add_text(c, out, s->p, last ? 0 : s->n) && add_text(c, out, s->p, 0) &&
               add_text(c, out, s->p, last ? s->n : 0);
    return add_text(c, out, s->p, at) && add_text(c, out, sep->p, sep->n) &&
           add_text(c, out, s->p + at + sep->n, s->n - at - sep->n);
}

static bool m_partition(struct pxi_tcall *c, struct pxi_tval *out)
{
    return partition(c, false, out);
}
static bool m_rpartition(struct pxi_tcall *c, struct pxi_tval *out)
{
    return partition(c, true, out);
}

/* ---- searching ---- */

static bool affix(const struct pxi_tstr *s, const struct pxi_tstr *x, bool end)
{
    return x->n <= s->n && memcmp(s->p + (end ? s->n - x->n : 0), x->p, x->n) == 0;
}

static bool has_affix(struct pxi_tcall *c, bool end, struct pxi_tval *out)
{
    bool found = false;
    if (c->a[0]->type == PXI_T_STR) {
        found = affix(c->self.s, c->a[0]->s, end);
    } else if (c->a[0]->type == PXI_T_LIST && c->a[0]->l->kind == PXI_TK_TUPLE) {
        const struct pxi_tlist *l = c->a[0]->l;
        for (size_t i = 0; i < l->n && !found; i++) {
            if (l->v[i].type != PXI_T_STR || !pxi_tpl_step(c->run, 1))
                return pxi_tpl_fail(c->run, "%s needs strings", c->fn->name);
            found = affix(c->self.s, l->v[i].s, end);
        }
    } else {
        return pxi_tpl_fail(c->run, "%s needs a string or a tuple of strings", c->fn->name);
    }
    *out = pxi_tpl_bool(found);
    return true;
}

static bool m_startswith(struct pxi_tcall *c, struct pxi_tval *out)
{
    return has_affix(c, false, out);
}
static bool m_endswith(struct pxi_tcall *c, struct pxi_tval *out)
{
    return has_affix(c, true, out);
}

static bool m_removeprefix(struct pxi_tcall *c, struct pxi_tval *out)
{
    const struct pxi_tstr *s = c->self.s, *x = text_needed(c, 0);
    if (!x)
        return false;
    size_t cut = affix(s, x, false) ? x->n : 0;
    return pxi_tpl_str_ref(c->run, s->p + cut, s->n - cut, out);
}

static bool m_removesuffix(struct pxi_tcall *c, struct pxi_tval *out)
{
    const struct pxi_tstr *s = c->self.s, *x = text_needed(c, 0);
    if (!x)
        return false;
    return pxi_tpl_str_ref(c->run, s->p, s->n - (affix(s, x, true) ? x->n : 0), out);
}

/* Character range [start, stop) of the arguments 1 and 2 as byte offsets; false after an error. */
static bool window(struct pxi_tcall *c, size_t *from, struct pxi_tstr *hay)
{
    int64_t n, start = 0, stop;
    if (!pxi_tpl_length(c->run, &c->self, &n))
        return false;
    stop = n;
    if (!int_arg(c, 1, &start) || !int_arg(c, 2, &stop))
        return false;
    start += start < 0 ? n : 0;
    stop += stop < 0 ? n : 0;
    start = start < 0 ? 0 : start;
    stop = stop < 0 ? 0 : stop > n ? n : stop;
    *hay = *c->self.s;
    *from = start > n ? SIZE_MAX : pxi_tpl_char_offset(hay->p, hay->n, (size_t)start);
    hay->n = pxi_tpl_char_offset(hay->p, hay->n, (size_t)stop);
    return true;
}

static bool find(struct pxi_tcall *c, bool last, bool must, struct pxi_tval *out)
{
    const struct pxi_tstr *needle = text_needed(c, 0);
    struct pxi_tstr hay;
    size_t from, at;
    if (!needle || !window(c, &from, &hay) || !pxi_tpl_step(c->run, hay.n / 8))
        return false;
    at = last ? find_last(&hay, needle, hay.n) : pxi_tpl_find(&hay, needle, from);
    if (at != SIZE_MAX && at < from)
        at = SIZE_MAX;
    if (at == SIZE_MAX && must)
        return pxi_tpl_fail(c->run, "substring not found");
    *out = pxi_tpl_int(at == SIZE_MAX ? -1 : (int64_t)pxi_tpl_char_count(hay.p, at));
    return true;
}

static bool m_find(struct pxi_tcall *c, struct pxi_tval *out)
{
    return find(c, false, false, out);
}
static bool m_rfind(struct pxi_tcall *c, struct pxi_tval *out)
{
    return find(c, true, false, out);
}
static bool m_index(struct pxi_tcall *c, struct pxi_tval *out)
{
    return find(c, false, true, out);
}

static bool m_count(struct pxi_tcall *c, struct pxi_tval *out)
{
    const struct pxi_tstr *needle = text_needed(c, 0);
    struct pxi_tstr hay;
    size_t from;
    int64_t count = 0;
    if (!needle || !window(c, &from, &hay) || !pxi_tpl_step(c->run, hay.n / 8))
        return false;
    if (!needle->n)
        count = from > hay.n ? 0 : 1 + (int64_t)pxi_tpl_char_count(hay.p + from, hay.n - from);
    for (size_t at = from; needle->n && (at = pxi_tpl_find(&hay, needle, at)) != SIZE_MAX; count++)
        at += needle->n;
    *out = pxi_tpl_int(count);
    return true;
}

/* ---- building ---- */

/* An empty text to replace stands before every character and at the end. */
static bool replace_empty(struct pxi_tcall *c, const struct pxi_tstr *new, int64_t max,
                          struct pxi_tval *out)
{
    const struct pxi_tstr *s = c->self.s;
    size_t mark = c->run->out.n, len;
    bool ok = true;
    for (size_t i = 0; ok && i <= s->n; i += len) {
        if (max-- != 0)
            ok = pxi_tpl_put(c->run, new->p, new->n) && pxi_tpl_step(c->run, 1);
        len = i < s->n ? pxi_tpl_char(s->p + i, s->n - i, NULL) : 0;
        ok = ok && pxi_tpl_put(c->run, s->p + i, len);
        if (!len)
            break;
    }
    return ok && pxi_tpl_take(c->run, mark, out);
}

static bool m_replace(struct pxi_tcall *c, struct pxi_tval *out)
{
    const struct pxi_tstr *s = c->self.s, *old = text_needed(c, 0), *new = text_needed(c, 1);
    size_t mark = c->run->out.n, from = 0, at;
    int64_t max = -1;
    if (!old || !new || !int_arg(c, 2, &max))
        return false;
    if (!old->n)
        return replace_empty(c, new, max, out);
    while (max-- != 0 && (at = pxi_tpl_find(s, old, from)) != SIZE_MAX) {
        if (!pxi_tpl_put(c->run, s->p + from, at - from) || !pxi_tpl_put(c->run, new->p, new->n) ||
            !pxi_tpl_step(c->run, 1))
            return false;
        from = at + old->n;
    }
    if (from == 0) {
        *out = c->self;
        return pxi_tpl_step(c->run, s->n / 64);
    }
    return pxi_tpl_put(c->run, s->p + from, s->n - from) && pxi_tpl_take(c->run, mark, out);
}

static bool m_join(struct pxi_tcall *c, struct pxi_tval *out)
{
    struct pxi_tlist l;
    size_t mark = c->run->out.n;
    if (!pxi_tpl_iterate(c->run, c->a[0], &l))
        return false;
    for (size_t i = 0; i < l.n; i++) {
        if (l.v[i].type != PXI_T_STR)
            return pxi_tpl_fail(c->run, "join needs strings, not %s", pxi_tpl_type_name(&l.v[i]));
        if ((i && !pxi_tpl_put(c->run, c->self.s->p, c->self.s->n)) ||
            !pxi_tpl_put_str(c->run, &l.v[i]) || !pxi_tpl_step(c->run, 1))
            return false;
    }
    return pxi_tpl_take(c->run, mark, out);
}

/* ---- dicts and lists ---- */

static bool m_items(struct pxi_tcall *c, struct pxi_tval *out)
{
    return pxi_tpl_step(c->run, c->self.d->n) &&
           pxi_tpl_dict_view(c->run, c->self.d, PXI_TK_ITEMS, out);
}
static bool m_keys(struct pxi_tcall *c, struct pxi_tval *out)
{
    return pxi_tpl_dict_view(c->run, c->self.d, PXI_TK_KEYS, out);
}
static bool m_values(struct pxi_tcall *c, struct pxi_tval *out)
{
    return pxi_tpl_dict_view(c->run, c->self.d, PXI_TK_VALUES, out);
}

static bool m_get(struct pxi_tcall *c, struct pxi_tval *out)
{
    struct pxi_tval *found;
    if (!pxi_tpl_dict_get(c->run, c->self.d, c->a[0], &found))
        return false;
    *out = found ? *found : c->a[1] ? *c->a[1] : pxi_tpl_none();
    return true;
}

static bool m_dict_copy(struct pxi_tcall *c, struct pxi_tval *out)
{
    const struct pxi_tdict *d = c->self.d;
    if (!pxi_tpl_dict(c->run, d->n, out) || !pxi_tpl_step(c->run, d->n / 8))
        return false;
    if (d->n)
        memcpy(out->d->kv, d->kv, d->n * 2 * sizeof *d->kv);
    out->d->n = d->n;
    return true;
}

/* Jinja's sandbox forbids this one; templates written for other engines use it. */
static bool m_append(struct pxi_tcall *c, struct pxi_tval *out)
{
    *out = pxi_tpl_none();
    return pxi_tpl_list_add(c->run, c->self.l, c->a[0]);
}

static bool m_list_index(struct pxi_tcall *c, struct pxi_tval *out)
{
    const struct pxi_tlist *l = c->self.l;
    bool same = false;
    for (size_t i = 0; i < l->n; i++) {
        if (!pxi_tpl_equal(c->run, &l->v[i], c->a[0], &same))
            return false;
        *out = pxi_tpl_int((int64_t)i);
        if (same)
            return true;
    }
    return pxi_tpl_fail(c->run, "the value is not in the list");
}

static bool m_list_count(struct pxi_tcall *c, struct pxi_tval *out)
{
    const struct pxi_tlist *l = c->self.l;
    int64_t count = 0;
    for (size_t i = 0; i < l->n; i++) {
        bool same;
        if (!pxi_tpl_equal(c->run, &l->v[i], c->a[0], &same))
            return false;
        count += same;
    }
    *out = pxi_tpl_int(count);
    return true;
}

const struct pxi_tfunc pxi_tpl_str_methods[] = {
    {"strip", "chars", 0, m_strip},
    {"lstrip", "chars", 0, m_lstrip},
    {"rstrip", "chars", 0, m_rstrip},
    {"split", "sep maxsplit", 0, m_split},
    {"rsplit", "sep maxsplit", 0, m_rsplit},
    {"splitlines", "keepends", 0, m_splitlines},
    {"partition", "sep", 1, m_partition},
    {"rpartition", "sep", 1, m_rpartition},
    {"startswith", "prefix", 1, m_startswith},
    {"endswith", "suffix", 1, m_endswith},
    {"removeprefix", "prefix", 1, m_removeprefix},
    {"removesuffix", "suffix", 1, m_removesuffix},
    {"find", "sub start end", 1, m_find},
    {"rfind", "sub start end", 1, m_rfind},
    {"index", "sub start end", 1, m_index},
    {"count", "sub start end", 1, m_count},
    {"upper", "", 0, m_upper},
    {"lower", "", 0, m_lower},
    {"title", "", 0, m_title},
    {"capitalize", "", 0, m_capitalize},
    {"isupper", "", 0, m_isupper},
    {"islower", "", 0, m_islower},
    {"isalpha", "", 0, m_isalpha},
    {"isdigit", "", 0, m_isdigit},
    {"isalnum", "", 0, m_isalnum},
    {"isspace", "", 0, m_isspace},
    {"replace", "old new count", 2, m_replace},
    {"join", "iterable", 1, m_join},
    {"casefold", "", 0, NULL},
    {"center", "", 0, NULL},
    {"encode", "", 0, NULL},
    {"expandtabs", "", 0, NULL},
    {"format", "", 0, NULL},
    {"format_map", "", 0, NULL},
    {"isascii", "", 0, NULL},
    {"isdecimal", "", 0, NULL},
    {"isidentifier", "", 0, NULL},
    {"isnumeric", "", 0, NULL},
    {"isprintable", "", 0, NULL},
    {"istitle", "", 0, NULL},
    {"ljust", "", 0, NULL},
    {"maketrans", "", 0, NULL},
    {"rindex", "", 0, NULL},
    {"rjust", "", 0, NULL},
    {"swapcase", "", 0, NULL},
    {"translate", "", 0, NULL},
    {"zfill", "", 0, NULL},
    {NULL, NULL, 0, NULL},
};

const struct pxi_tfunc pxi_tpl_dict_methods[] = {
    {"items", "", 0, m_items},        {"keys", "", 0, m_keys},      {"values", "", 0, m_values},
    {"get", "key default", 1, m_get}, {"copy", "", 0, m_dict_copy}, {"clear", "", 0, NULL},
    {"fromkeys", "", 0, NULL},        {"pop", "", 0, NULL},         {"popitem", "", 0, NULL},
    {"setdefault", "", 0, NULL},      {"update", "", 0, NULL},      {NULL, NULL, 0, NULL},
};

const struct pxi_tfunc pxi_tpl_list_methods[] = {
    {"append", "object", 1, m_append},
    {"index", "value", 1, m_list_index},
    {"count", "value", 1, m_list_count},
    {"clear", "", 0, NULL},
    {"copy", "", 0, NULL},
    {"extend", "", 0, NULL},
    {"insert", "", 0, NULL},
    {"pop", "", 0, NULL},
    {"remove", "", 0, NULL},
    {"reverse", "", 0, NULL},
    {"sort", "", 0, NULL},
    {NULL, NULL, 0, NULL},
};

const struct pxi_tfunc *pxi_tpl_method_find(const struct pxi_tval *v, const struct pxi_tstr *name)
{
    const struct pxi_tfunc *fn = NULL;
    if (v->type == PXI_T_STR)
        fn = pxi_tpl_func_find(pxi_tpl_str_methods, name->p, name->n);
    else if (v->type == PXI_T_DICT)
        fn = pxi_tpl_func_find(pxi_tpl_dict_methods, name->p, name->n);
    else if (v->type == PXI_T_LIST && v->l->kind <= PXI_TK_RANGE)
        fn = pxi_tpl_func_find(pxi_tpl_list_methods, name->p, name->n);
    bool list_only = fn && v->type == PXI_T_LIST && v->l->kind != PXI_TK_LIST &&
                     strcmp(fn->name, "index") != 0 && strcmp(fn->name, "count") != 0;
    return list_only ? NULL : fn;
}
