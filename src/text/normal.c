/* The steps of a normaliser. */
#include "text/normal.h"

#define SPELT_SPACE "\xe2\x96\x81" /* U+2581 */

bool pxi_text_room(struct pxi_text *b, size_t more)
{
    if (b->cap - b->n >= more)
        return true;
    if (more > SIZE_MAX / 4 || b->cap > SIZE_MAX / 4)
        return false;
    size_t cap = b->cap + b->cap / 2 + more + 64;
    uint8_t *p = pxi_realloc(b->p, cap, 1);
    if (!p)
        return false;
    b->p = p;
    b->cap = cap;
    return true;
}

bool pxi_text_add(struct pxi_text *b, px_view bytes)
{
    if (!pxi_text_room(b, bytes.n))
        return false;
    if (bytes.n)
        memcpy(b->p + b->n, bytes.p, bytes.n);
    b->n += bytes.n;
    return true;
}

/* --------------------------------------------------------- SentencePiece's */

/* What the next character, or rule, or user-defined token of a text becomes; how many bytes of the
 * text it takes. */
static size_t next_part(const px_tokenizer *t, px_view in, px_view *out)
{
    const struct pxi_special *user = NULL;
    if (t->inner_user && t->specials.first[in.p[0]] < t->specials.first[in.p[0] + 1])
        user = pxi_specials_match(t, &t->specials, in, PXI_WANT_USER);
    if (user) {
        *out = px_view_of(in.p, user->text.n);
        return user->text.n;
    }
    size_t n = pxi_charsmap_find(&t->normal->charsmap, in.p, in.n, false, out);
    if (n)
        return n;
    uint32_t cp;
    n = pxi_utf8_next(in.p, in.n, &cp);
    *out = cp == PXI_UTF8_BAD ? px_view_str("\xef\xbf\xbd") : px_view_of(in.p, n);
    return n;
}

void pxi_normal_ready(px_tokenizer *t)
{
    struct pxi_normal *z = t->normal;
    for (unsigned b = 0; b < 128; b++)
        z->fast[b] = z->charsmap.inert[b] && b != ' ' &&
                     (!t->inner_user || t->specials.first[b] == t->specials.first[b + 1]);
}

static bool add_spelt(struct pxi_text *out, px_view part, bool escape)
{
    if (!pxi_text_room(out, part.n * 3))
        return false;
    for (size_t i = 0; i < part.n; i++)
        if (part.p[i] == ' ' && escape) {
            memcpy(out->p + out->n, SPELT_SPACE, 3);
            out->n += 3;
        } else {
            out->p[out->n++] = part.p[i];
        }
    return true;
}

/* Copy bytes for which nothing is to be done; how many. The last one before another byte stays. */
static size_t copy_fast(const struct pxi_normal *z, px_view in, struct pxi_text *out)
{
    const uint8_t *p = in.p;
    size_t n = 0;
    while (n < in.n && p[n] < 128 && z->fast[p[n]] && (n + 1 == in.n || p[n + 1] < 128))
        n++;
    if (!n || !pxi_text_room(out, n))
        return 0;
    memcpy(out->p + out->n, p, n);
    out->n += n;
    return n;
}

static bool ends_with(const struct pxi_text *b, px_view end)
{
    return b->n >= end.n && memcmp(b->p + b->n - end.n, end.p, end.n) == 0;
}

/* Characters in turn; of many spaces one. */
static bool put_parts(const px_tokenizer *t, px_view in, struct pxi_text *out)
{
    const struct pxi_normal *z = t->normal;
    bool after_space = z->squeeze;
    for (size_t at = 0; at < in.n;) {
        px_view rest = px_view_of(in.p + at, in.n - at), part;
        size_t n = copy_fast(z, rest, out);
        if (n) {
            at += n;
            after_space = false;
            continue;
        }
        at += next_part(t, rest, &part);
        while (after_space && part.n && part.p[0] == ' ')
            part = px_view_of(part.p + 1, part.n - 1);
        if (part.n) {
            if (!add_spelt(out, part, z->escape))
                return false;
            after_space = part.p[part.n - 1] == ' ';
        }
        after_space &= z->squeeze;
    }
    return true;
}

bool pxi_normalise_pieces(const px_tokenizer *t, px_view in, struct pxi_text *out)
{
    const struct pxi_normal *z = t->normal;
    px_view space = px_view_str(z->escape ? SPELT_SPACE : " "), part;
    while (z->squeeze && in.n) { /* those at the beginning */
        size_t n = next_part(t, in, &part);
        if (!px_view_is(part, " "))
            break;
        in = px_view_of(in.p + n, in.n - n);
    }
    if (!in.n)
        return true;
    if (z->dummy_prefix && !pxi_text_add(out, space))
        return false;
    if (!put_parts(t, in, out))
        return false;
    while (z->squeeze && ends_with(out, space))
        out->n -= space.n;
    return !z->dummy_suffix || pxi_text_add(out, space);
}

/* --------------------------------------------------------------- one by one */

static bool replace(const struct pxi_step *s, px_view in, struct pxi_text *out)
{
    const uint8_t *p = in.p, *end = p + in.n, *hit;
    while (p < end && (hit = memmem(p, (size_t)(end - p), s->from.p, s->from.n))) {
        if (!pxi_text_add(out, px_view_of(p, (size_t)(hit - p))) || !pxi_text_add(out, s->to))
            return false;
        p = hit + s->from.n;
    }
    return p == end || pxi_text_add(out, px_view_of(p, (size_t)(end - p)));
}

static bool replace_runs(const struct pxi_step *s, px_view in, struct pxi_text *out)
{
    for (size_t at = 0, n; at < in.n; at += n) {
        bool same = in.p[at] == s->from.p[0];
        for (n = 1; at + n < in.n && (in.p[at + n] == s->from.p[0]) == same; n++)
            ;
        if (!pxi_text_add(out, same && n >= s->least ? s->to : px_view_of(in.p + at, n)))
            return false;
    }
    return true;
}

/* Where the character before `at` begins. */
static size_t before(px_view text, size_t at)
{
    size_t back = at;
    while (back && at - back < 4 && (text.p[back - 1] & 0xc0) == 0x80)
        back--;
    uint32_t cp;
    size_t lead = back ? back - 1 : 0;
    return at && lead + pxi_utf8_next(text.p + lead, text.n - lead, &cp) == at ? lead : at - 1;
}

static bool strip(const struct pxi_step *s, px_view in, struct pxi_text *out)
{
    struct pxi_scan scan = {in.p, in.n};
    size_t from = s->least & 1 ? pxi_scan_run(&scan, 0, PXI_UC_SPACE, SIZE_MAX) : 0, to = in.n;
    while (s->least & 2 && to > from && pxi_scan_at(&scan, before(in, to)).flags & PXI_UC_SPACE)
        to = before(in, to);
    return pxi_text_add(out, px_view_of(in.p + from, to - from));
}

/* Characters that belong to the one before them. */
static bool is_extension(struct pxi_char c)
{
    return c.flags & PXI_UC_MARK || c.cp == 0x200c || c.cp == 0x200d || c.cp == 0xff9e ||
           c.cp == 0xff9f || (c.cp >= 0x1f3fb && c.cp <= 0x1f3ff);
}

/* Nothing belongs to a control, or to what formats. */
static bool stands_alone(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0xad || cp == 0x200b ||
           (cp >= 0x200e && cp <= 0x200f) || (cp >= 0x2028 && cp <= 0x202e) ||
           (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff;
}

/* End of the cluster of characters that begins at `at`, as far as the charsmap may ask. */
static size_t cluster_end(const struct pxi_scan *s, size_t at)
{
    struct pxi_char c = pxi_scan_at(s, at);
    at += c.n;
    if (c.cp == '\r' && at < s->end && s->p[at] == '\n')
        return at + 1;
    if (!stands_alone(c.cp))
        while ((c = pxi_scan_at(s, at)).n && is_extension(c))
            at += c.n;
    return at;
}

/* A charsmap as Hugging Face's tokenizers apply it: the shortest rule takes the place of a whole
 * cluster of fewer than 6 bytes, else of each character. */
static bool map_characters(const px_tokenizer *t, px_view in, struct pxi_text *out)
{
    enum { CLUSTER = 6 };
    const struct pxi_charsmap *m = &t->normal->charsmap;
    struct pxi_scan s = {in.p, in.n};
    bool ok = true;
    for (size_t at = 0, end; ok && at < in.n; at = end) {
        px_view part;
        end = cluster_end(&s, at);
        if (end - at < CLUSTER && pxi_charsmap_find(m, in.p + at, end - at, true, &part)) {
            ok = pxi_text_add(out, part);
            continue;
        }
        for (size_t n; ok && at < end; at += n) {
            n = pxi_scan_at(&s, at).n;
            if (!pxi_charsmap_find(m, in.p + at, n, true, &part))
                part = px_view_of(in.p + at, n);
            ok = pxi_text_add(out, part);
        }
    }
    return ok;
}

static bool apply(const px_tokenizer *t, const struct pxi_step *s, px_view in, struct pxi_text *out)
{
    switch (s->kind) {
    case PXI_STEP_PREPEND: return !in.n || (pxi_text_add(out, s->to) && pxi_text_add(out, in));
    case PXI_STEP_REPLACE: return replace(s, in, out);
    case PXI_STEP_RUNS: return replace_runs(s, in, out);
    case PXI_STEP_STRIP: return strip(s, in, out);
    case PXI_STEP_CHARSMAP: return map_characters(t, in, out);
    case PXI_STEP_COMPOSE: return pxi_compose(in, out);
    default: return pxi_normalise_pieces(t, in, out);
    }
}

bool pxi_normalise(const px_tokenizer *t, px_view text, struct pxi_text *out)
{
    const struct pxi_normal *z = t->normal;
    struct pxi_text before = {0};
    bool ok = true;
    out->n = 0;
    if (!z->count)
        return pxi_text_add(out, text);
    for (unsigned i = 0; ok && i < z->count; i++) {
        if (i) { /* what came out goes in again */
            struct pxi_text swap = before;
            before = *out;
            *out = swap;
            text = px_view_of(before.p, before.n);
            out->n = 0;
        }
        ok = apply(t, &z->steps[i], text, out);
    }
    pxi_free(before.p);
    return ok;
}

/* ------------------------------------------------------------------ spaces */

static bool begins_spelt(px_view text)
{
    return text.n >= 3 && memcmp(text.p, SPELT_SPACE, 3) == 0;
}

/* Each stretch between blanks behind a U+2581, unless it begins with one. */
static bool spell_words(px_view in, struct pxi_text *out)
{
    struct pxi_scan s = {in.p, in.n};
    for (size_t at = 0; at < in.n;) {
        size_t from = pxi_scan_run(&s, at, PXI_UC_SPACE, SIZE_MAX);
        at = pxi_scan_until(&s, from, PXI_UC_SPACE);
        px_view word = px_view_of(in.p + from, at - from);
        if (word.n && !begins_spelt(word) && !pxi_text_add(out, px_view_str(SPELT_SPACE)))
            return false;
        if (!pxi_text_add(out, word))
            return false;
    }
    return true;
}

static bool wants_prefix(const px_tokenizer *t, px_view text, bool first)
{
    bool has = text.n && (text.p[0] == ' ' || (!t->blank_prefix && begins_spelt(text)));
    if (t->prefix == PXI_PREFIX_NEVER || (t->prefix == PXI_PREFIX_FIRST && !first))
        return false;
    return !t->lazy_prefix || !has;
}

bool pxi_spell(const px_tokenizer *t, px_view text, bool first, struct pxi_text *out)
{
    bool pending = wants_prefix(t, text, first), word = false;
    size_t spaces = 1;
    out->n = 0;
    if (t->trim_words)
        return spell_words(text, out);
    if (t->blank_prefix)
        return (!pending || pxi_text_add(out, px_view_str(" "))) && pxi_text_add(out, text);
    for (size_t i = 0; i < text.n; i++)
        spaces += text.p[i] == ' ';
    if (spaces > SIZE_MAX / 4 - text.n || !pxi_text_room(out, text.n + 3 * spaces))
        return false;
    for (size_t i = 0; i < text.n; i++) {
        bool space = t->spell && text.p[i] == ' ';
        if (space && t->squeeze_spaces) {
            pending |= word; /* many become one, those at the ends none */
            continue;
        }
        for (unsigned k = 0; k < (unsigned)pending + space; k++, out->n += 3)
            memcpy(out->p + out->n, SPELT_SPACE, 3);
        if (!space)
            out->p[out->n++] = text.p[i];
        pending = false;
        word = true;
    }
    return true;
}

/* ---------------------------------------------------------- special tokens */

enum { WORD = PXI_UC_L | PXI_UC_MARK | PXI_UC_NUMBER };

static bool is_word(const struct pxi_scan *s, size_t at)
{
    struct pxi_char c = pxi_scan_at(s, at);
    return c.n && (c.flags & WORD || c.cp == '_');
}

bool pxi_special_fits(const struct pxi_special *one, px_view text, size_t start, size_t *from,
                      size_t *to)
{
    struct pxi_scan s = {text.p, text.n};
    if (one->flags & PXI_SPECIAL_WORD &&
        ((*from && is_word(&s, before(text, *from))) || is_word(&s, *to)))
        return false;
    while (one->flags & PXI_SPECIAL_LEFT && *from > start) {
        size_t back = before(text, *from);
        if (back < start || !(pxi_scan_at(&s, back).flags & PXI_UC_SPACE))
            break;
        *from = back;
    }
    if (one->flags & PXI_SPECIAL_RIGHT)
        *to = pxi_scan_run(&s, *to, PXI_UC_SPACE, SIZE_MAX);
    return true;
}
