/*
 * Pre-tokenization: text cut into pieces which byte pair merges never cross. A family is a list of
 * stages; each stage cuts the pieces of the one before, as a published regular expression would.
 */
#ifndef PXI_TEXT_SCAN_H
#define PXI_TEXT_SCAN_H

#include "plexus/view.h"
#include "text/unicode.h"
#include "text/utf8.h"

struct pxi_scan {
    const uint8_t *p;
    size_t end; /* nothing is read from here on */
};

/* The character at a position; n is 0 and flags are 0 at the end. */
struct pxi_char {
    uint32_t cp, n;
    uint8_t flags;
};

/* A byte that is no UTF-8 counts as U+FFFD would: as a symbol. */
static inline struct pxi_char pxi_scan_at(const struct pxi_scan *s, size_t at)
{
    struct pxi_char c = {PXI_UTF8_BAD, 0, 0};
    if (at >= s->end)
        return c;
    c.n = pxi_utf8_next(s->p + at, s->end - at, &c.cp);
    c.flags = c.cp == PXI_UTF8_BAD ? PXI_UC_SYMBOL : pxi_unicode_flags(c.cp);
    return c;
}

/* End of the run of characters with any of `flags` from `at` on, at most `max` of them. */
static inline size_t pxi_scan_run(const struct pxi_scan *s, size_t at, unsigned flags, size_t max)
{
    for (struct pxi_char c; max-- > 0 && (c = pxi_scan_at(s, at)).flags & flags;)
        at += c.n;
    return at;
}

/* End of the run of characters with none of `flags` from `at` on. */
static inline size_t pxi_scan_until(const struct pxi_scan *s, size_t at, unsigned flags)
{
    for (struct pxi_char c; (c = pxi_scan_at(s, at)).n && !(c.flags & flags);)
        at += c.n;
    return at;
}

static inline int pxi_is_newline(uint32_t cp)
{
    return cp == '\r' || cp == '\n';
}

/* End of a match that starts at `at`, or 0 (a match is never empty). */
typedef size_t pxi_match_fn(const struct pxi_scan *s, size_t at);

/* End of the piece that starts at `at` < end: a match, or the gap before the next match. */
size_t pxi_scan_piece(const struct pxi_scan *s, size_t at, pxi_match_fn *match);

/* End of a whitespace piece, \s+(?!\S)|\s+, with \s*[\r\n]+ before it when `newlines`; or 0. */
size_t pxi_match_space(const struct pxi_scan *s, size_t at, int newlines);

/* 's 't 're 've 'm 'll 'd: end, or 0. With any_case also in capitals (and U+017F for s). */
size_t pxi_match_contraction(const struct pxi_scan *s, size_t at, int any_case);

/* The matchers, one for each regular expression of docs/internals/text.md. */
pxi_match_fn pxi_match_gpt2, pxi_match_llama3, pxi_match_qwen2, pxi_match_qwen35;
pxi_match_fn pxi_match_gpt4o, pxi_match_tekken, pxi_match_deepseek3;
pxi_match_fn pxi_match_digit, pxi_match_digits, pxi_match_digits3, pxi_match_ascii3;
pxi_match_fn pxi_match_punct_default, pxi_match_punct_falcon;
pxi_match_fn pxi_match_newline, pxi_match_coder_letters, pxi_match_coder_punct;
pxi_match_fn pxi_match_cjk, pxi_match_cjk_kana, pxi_match_llm_letters, pxi_match_llm_punct;
pxi_match_fn pxi_match_space_end;

enum { PXI_PRE_STAGES = 6 };

struct pxi_pre {
    const char *name;
    int whole_words; /* a piece that is a token is that token: the merges are not asked */
    int add_bos;     /* unless the file says otherwise */
    pxi_match_fn *stages[PXI_PRE_STAGES];
};

/* The family with that tokenizer.ggml.pre, or NULL. */
const struct pxi_pre *pxi_pre_find(px_view name);

/* Walk over the pieces of a text. */
struct pxi_pieces {
    struct pxi_scan text;
    const struct pxi_pre *pre;
    size_t at, ends[PXI_PRE_STAGES];
};

void pxi_pieces_init(struct pxi_pieces *w, const struct pxi_pre *pre, px_view text);

/* 1 and the next piece while there is one, then 0. */
int pxi_pieces_next(struct pxi_pieces *w, px_view *piece);

#endif
