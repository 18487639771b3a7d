/*
 * The regular expressions of whole families: gpt-2, llama3, qwen2, qwen35, gpt-4o, tekken and
 * deepseek-v3. Alternatives are tried in the order of the expression; the first that matches wins.
 */
#include "text/scan.h"

enum { SPACE = PXI_UC_SPACE, MARK = PXI_UC_MARK, NUMBER = PXI_UC_NUMBER, L = PXI_UC_L };

/* ` ?[^\s...]+`: an optional space, then characters without any of `flags`; or 0. */
static size_t match_others(const struct pxi_scan *s, size_t at, unsigned flags)
{
    size_t start = at + (s->p[at] == ' ');
    size_t end = pxi_scan_until(s, start, flags);
    return end > start ? end : 0;
}

static size_t skip_newlines(const struct pxi_scan *s, size_t at, int slash)
{
    while (at < s->end && (pxi_is_newline(s->p[at]) || (slash && s->p[at] == '/')))
        at++;
    return at;
}

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
size_t pxi_match_gpt2(const struct pxi_scan *s, size_t at)
{
    size_t end = pxi_match_contraction(s, at, 0), start = at + (s->p[at] == ' ');
    if (end)
        return end;
    uint8_t flags = pxi_scan_at(s, start).flags;
    if (flags & L)
        return pxi_scan_run(s, start, L, SIZE_MAX);
    if (flags & NUMBER)
        return pxi_scan_run(s, start, NUMBER, SIZE_MAX);
    end = match_others(s, at, SPACE | L | NUMBER);
    return end ? end : pxi_match_space(s, at, 0);
}

/* [^\r\n\p{L}\p{N}]?\p{L}+, or with `word` of letters and marks; or 0. */
static size_t match_word(const struct pxi_scan *s, size_t at, unsigned word, unsigned barred)
{
    struct pxi_char c = pxi_scan_at(s, at);
    if (c.flags & word)
        return pxi_scan_run(s, at, word, SIZE_MAX);
    if (pxi_is_newline(c.cp) || c.flags & barred)
        return 0;
    size_t end = pxi_scan_run(s, at + c.n, word, SIZE_MAX);
    return end > at + c.n ? end : 0;
}

/*
 * (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*
 * |\s*[\r\n]+|\s+(?!\S)|\s+ with marks counted as letters where `word` has them.
 */
static size_t match_modern(const struct pxi_scan *s, size_t at, unsigned word, size_t digits)
{
    size_t end = pxi_match_contraction(s, at, 1);
    if (!end)
        end = match_word(s, at, word, L | NUMBER);
    if (end)
        return end;
    if (pxi_scan_at(s, at).flags & NUMBER)
        return pxi_scan_run(s, at, NUMBER, digits);
    end = match_others(s, at, SPACE | NUMBER | word);
    return end ? skip_newlines(s, end, 0) : pxi_match_space(s, at, 1);
}

size_t pxi_match_llama3(const struct pxi_scan *s, size_t at)
{
    return match_modern(s, at, L, 3);
}

size_t pxi_match_qwen2(const struct pxi_scan *s, size_t at)
{
    return match_modern(s, at, L, 1);
}

size_t pxi_match_qwen35(const struct pxi_scan *s, size_t at)
{
    return match_modern(s, at, L | MARK, 1);
}

/*
 * A word in which capitals come first. With U = Lu Lt Lm Lo M and W = Ll Lm Lo M:
 * U*W+, or with `capitals` U+W*. Returns the end, or 0.
 */
static size_t match_cased(const struct pxi_scan *s, size_t at, int capitals)
{
    const unsigned both = PXI_UC_LETTER | MARK;
    size_t start = at, after_both = 0;
    for (struct pxi_char c; (c = pxi_scan_at(s, at)).flags & (PXI_UC_UPPER | both);) {
        at += c.n;
        if (c.flags & both)
            after_both = at;
    }
    size_t end = pxi_scan_run(s, at, PXI_UC_LOWER | both, SIZE_MAX);
    if (end > at)
        return end;
    /* No small letter after U*: it gives back characters until one of them can be W. */
    return capitals ? (at > start ? at : 0) : after_both;
}

/* [^\r\n\p{L}\p{N}]?U*W+|[^\r\n\p{L}\p{N}]?U+W*: end, or 0. */
static size_t match_cased_word(const struct pxi_scan *s, size_t at)
{
    struct pxi_char c = pxi_scan_at(s, at);
    int prefix = !pxi_is_newline(c.cp) && !(c.flags & (L | NUMBER));
    for (int capitals = 0; capitals < 2; capitals++) {
        size_t end = prefix ? match_cased(s, at + c.n, capitals) : 0;
        if (!end)
            end = match_cased(s, at, capitals);
        if (end)
            return end;
    }
    return 0;
}

/* The cased word (with a contraction behind it)|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n/]*|... */
static size_t match_o200k(const struct pxi_scan *s, size_t at, int contractions, size_t digits)
{
    size_t end = match_cased_word(s, at), tail;
    if (end) {
        tail = contractions && end < s->end ? pxi_match_contraction(s, end, 1) : 0;
        return tail ? tail : end;
    }
    if (pxi_scan_at(s, at).flags & NUMBER)
        return pxi_scan_run(s, at, NUMBER, digits);
    end = match_others(s, at, SPACE | L | NUMBER);
    return end ? skip_newlines(s, end, 1) : pxi_match_space(s, at, 1);
}

size_t pxi_match_gpt4o(const struct pxi_scan *s, size_t at)
{
    return match_o200k(s, at, 1, 3);
}

size_t pxi_match_tekken(const struct pxi_scan *s, size_t at)
{
    return match_o200k(s, at, 0, 1);
}

/* [!-/:-@[-`{-~][A-Za-z]+: end, or 0. */
static size_t match_punct_word(const struct pxi_scan *s, size_t at)
{
    size_t end = at + 1;
    if (s->p[at] >= 0x80 || !(pxi_scan_at(s, at).flags & (PXI_UC_PUNCT | PXI_UC_SYMBOL)))
        return 0;
    while (end < s->end && (s->p[end] | 0x20) >= 'a' && (s->p[end] | 0x20) <= 'z')
        end++;
    return end > at + 1 ? end : 0;
}

/*
 * [!-/:-@[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*
 * |\s*[\r\n]+|\s+(?!\S)|\s+
 */
size_t pxi_match_deepseek3(const struct pxi_scan *s, size_t at)
{
    const unsigned marks = PXI_UC_PUNCT | PXI_UC_SYMBOL;
    size_t end = match_punct_word(s, at), start = at + (s->p[at] == ' ');
    if (!end)
        end = match_word(s, at, L | MARK, L | marks);
    if (end)
        return end;
    end = pxi_scan_run(s, start, marks, SIZE_MAX);
    return end > start ? skip_newlines(s, end, 0) : pxi_match_space(s, at, 1);
}
