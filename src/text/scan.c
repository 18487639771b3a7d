/* Walking over the pieces of a text, and what the families of pre-tokenizers share. */
#include "text/scan.h"

/* \s+$ as a whole walk: asking at every character of a long gap would take quadratic time. */
static size_t piece_before_end(const struct pxi_scan *s, size_t at)
{
    size_t start = at, blank = at; /* where the last run of whitespace begins */
    for (struct pxi_char c; (c = pxi_scan_at(s, at)).n; at += c.n)
        if (!(c.flags & PXI_UC_SPACE))
            blank = at + c.n;
    return blank > start ? blank : s->end;
}

size_t pxi_match_space_end(const struct pxi_scan *s, size_t at)
{
    size_t end = pxi_scan_run(s, at, PXI_UC_SPACE, SIZE_MAX);
    return end == s->end ? end : 0;
}

size_t pxi_scan_piece(const struct pxi_scan *s, size_t at, pxi_match_fn *match)
{
    if (match == pxi_match_space_end)
        return piece_before_end(s, at);
    size_t end = match(s, at);
    if (end)
        return end;
    do
        at += pxi_scan_at(s, at).n;
    while (at < s->end && !match(s, at));
    return at;
}

size_t pxi_match_space(const struct pxi_scan *s, size_t at, int newlines)
{
    size_t start = at, last = at, after_newline = 0;
    for (struct pxi_char c; (c = pxi_scan_at(s, at)).flags & PXI_UC_SPACE;) {
        last = at;
        at += c.n;
        if (pxi_is_newline(c.cp))
            after_newline = at;
    }
    if (newlines && after_newline)
        return after_newline;
    if (at == start)
        return 0;
    /* The last space before a word belongs to the word, unless it is the only one. */
    return at == s->end || last == start ? at : last;
}

size_t pxi_match_contraction(const struct pxi_scan *s, size_t at, int any_case)
{
    static const char pairs[] = "revell";
    struct pxi_char c = pxi_scan_at(s, at + 1);
    if (s->p[at] != '\'' || !c.n)
        return 0;
    if (any_case && c.cp == 0x17f)
        return at + 1 + c.n;
    uint8_t fold = any_case ? 0x20 : 0;
    uint8_t a = s->p[at + 1] | fold, b = at + 2 < s->end ? s->p[at + 2] | fold : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return at + 2;
    for (unsigned i = 0; i < 6; i += 2)
        if (a == pairs[i] && b == pairs[i + 1])
            return at + 3;
    return 0;
}

void pxi_pieces_init(struct pxi_pieces *w, const struct pxi_pre *pre, px_view text)
{
    *w = (struct pxi_pieces){.text = {text.p, text.n}, .pre = pre};
}

int pxi_pieces_next(struct pxi_pieces *w, px_view *piece)
{
    size_t end = w->text.end;
    if (w->at >= end)
        return 0;
    for (unsigned i = 0; i < PXI_PRE_STAGES && w->pre->stages[i]; i++) {
        if (w->ends[i] <= w->at) {
            struct pxi_scan s = {w->text.p, end};
            w->ends[i] = pxi_scan_piece(&s, w->at, w->pre->stages[i]);
        }
        end = w->ends[i];
    }
    *piece = px_view_of(w->text.p + w->at, end - w->at);
    w->at = end;
    return 1;
}
