/*
 * Canonical composition (Unicode Standard Annex 15, NFC). Characters below U+0300 have no combining
 * class and never compose with what is before them: the text is taken apart, ordered and composed
 * in stretches that begin there.
 */
#include "text/compose.h"

#include "text/normal.h"

enum {
    FIRST_MARK = 0x300,
    HANGUL = 0xac00,
    HANGUL_END = 0xd7a4,
    L = 0x1100,
    V = 0x1161,
    T = 0x11a7,
    L_COUNT = 19,
    V_COUNT = 21,
    T_COUNT = 28,
    SHORT_RUN = 16, /* longer ones are ordered by counting */
};
#define RAW 0x80000000u /* a byte that is no UTF-8 */

struct stretch {
    uint32_t *p, *spare;
    size_t n, cap;
};

static bool push(struct stretch *s, uint32_t cp)
{
    if (s->n == s->cap) {
        size_t cap = 2 * s->cap + 64;
        uint32_t *p = pxi_realloc(s->p, cap, sizeof *p);
        s->p = p ? p : s->p;
        uint32_t *q = p ? pxi_realloc(s->spare, cap, sizeof *q) : NULL;
        s->spare = q ? q : s->spare;
        if (!p || !q)
            return false;
        s->cap = cap;
    }
    s->p[s->n++] = cp;
    return true;
}

static unsigned class_of(uint32_t cp)
{
    uint32_t lo = 0, hi = pxi_class_run_count - 1;
    if (cp < FIRST_MARK || cp > 0x10ffff)
        return 0;
    while (lo < hi) { /* the last run that starts at or before cp */
        uint32_t mid = (lo + hi + 1) / 2;
        if (pxi_class_runs[mid] >> 8 <= cp)
            lo = mid;
        else
            hi = mid - 1;
    }
    return pxi_class_runs[lo] & 0xff;
}

static bool decompose(struct stretch *s, uint32_t cp)
{
    if (cp >= HANGUL && cp < HANGUL_END) {
        uint32_t i = cp - HANGUL, t = i % T_COUNT;
        return push(s, L + i / (V_COUNT * T_COUNT)) &&
               push(s, V + i % (V_COUNT * T_COUNT) / T_COUNT) && (!t || push(s, T + t));
    }
    uint32_t lo = 0, hi = pxi_decomposition_count;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (pxi_decompositions[mid].cp < cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == pxi_decomposition_count || pxi_decompositions[lo].cp != cp)
        return push(s, cp);
    for (unsigned i = 0; i < pxi_decompositions[lo].n; i++)
        if (!push(s, pxi_decomposed[pxi_decompositions[lo].at + i]))
            return false;
    return true;
}

static uint32_t compose_pair(uint32_t a, uint32_t b)
{
    if (a >= L && a < L + L_COUNT && b >= V && b < V + V_COUNT)
        return HANGUL + ((a - L) * V_COUNT + (b - V)) * T_COUNT;
    if (a >= HANGUL && a < HANGUL_END && (a - HANGUL) % T_COUNT == 0 && b > T && b < T + T_COUNT)
        return a + b - T;
    uint32_t lo = 0, hi = pxi_composition_count;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        const struct pxi_composition *c = &pxi_compositions[mid];
        if (c->first < a || (c->first == a && c->second < b))
            lo = mid + 1;
        else
            hi = mid;
    }
    const struct pxi_composition *c = &pxi_compositions[lo];
    return lo < pxi_composition_count && c->first == a && c->second == b ? c->result : 0;
}

/* Order n marks by their classes; equal ones stay in order. */
static void order_marks(uint32_t *p, uint32_t *spare, size_t n)
{
    size_t count[257] = {0};
    if (n <= SHORT_RUN) {
        for (size_t i = 1; i < n; i++)
            for (size_t k = i; k && class_of(p[k - 1]) > class_of(p[k]); k--) {
                uint32_t swap = p[k];
                p[k] = p[k - 1];
                p[k - 1] = swap;
            }
        return;
    }
    for (size_t i = 0; i < n; i++)
        count[class_of(p[i]) + 1]++;
    for (unsigned c = 1; c <= 256; c++)
        count[c] += count[c - 1];
    for (size_t i = 0; i < n; i++)
        spare[count[class_of(p[i])]++] = p[i];
    memcpy(p, spare, n * sizeof *p);
}

static void order(struct stretch *s)
{
    for (size_t at = 0, n; at < s->n; at += n + !n) {
        for (n = 0; at + n < s->n && class_of(s->p[at + n]); n++)
            ;
        if (n > 1)
            order_marks(s->p + at, s->spare, n);
    }
}

static void compose(struct stretch *s)
{
    size_t starter = 0, n = 1;
    unsigned last = class_of(s->p[0]) ? 256 : 0; /* nothing composes with a mark */
    for (size_t i = 1; i < s->n; i++) {
        uint32_t cp = s->p[i], both = 0;
        unsigned class = class_of(cp);
        if (last < class || !last)
            both = compose_pair(s->p[starter], cp);
        if (both) {
            s->p[starter] = both;
            continue;
        }
        starter = class ? starter : n;
        last = class;
        s->p[n++] = cp;
    }
    s->n = s->n ? n : 0;
}

static bool put(struct stretch *s, struct pxi_text *out)
{
    if (!pxi_text_room(out, s->n * 4))
        return false;
    for (size_t i = 0; i < s->n; i++)
        if (s->p[i] & RAW)
            out->p[out->n++] = (uint8_t)s->p[i];
        else
            out->n += pxi_utf8_put(out->p + out->n, s->p[i]);
    s->n = 0;
    return true;
}

/* The stretch that begins at `at`; its end. */
static size_t take(px_view in, size_t at, struct stretch *s, bool *ok)
{
    size_t start = at;
    for (uint32_t cp, n; *ok && at < in.n; at += n) {
        n = pxi_utf8_next(in.p + at, in.n - at, &cp);
        cp = cp == PXI_UTF8_BAD ? RAW | in.p[at] : cp;
        if (at > start && (cp < FIRST_MARK || cp & RAW))
            break;
        *ok = decompose(s, cp);
    }
    return at;
}

bool pxi_compose(px_view in, struct pxi_text *out)
{
    struct stretch s = {0};
    bool ok = true;
    for (size_t at = 0; ok && at < in.n;) {
        size_t n = 0; /* ASCII before ASCII */
        while (at + n < in.n && in.p[at + n] < 0x80 &&
               (at + n + 1 == in.n || in.p[at + n + 1] < 0x80))
            n++;
        if (n) {
            ok = pxi_text_add(out, px_view_of(in.p + at, n));
            at += n;
            continue;
        }
        at = take(in, at, &s, &ok);
        if (!ok)
            break;
        order(&s);
        compose(&s);
        ok = put(&s, out);
    }
    pxi_free(s.p);
    pxi_free(s.spare);
    return ok;
}
