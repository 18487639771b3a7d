/*
 * Text as a tokenizer wants it before its merges: the steps of normalisers, the charsmap of
 * SentencePiece, and how spaces are spelt.
 */
#ifndef PXI_TEXT_NORMAL_H
#define PXI_TEXT_NORMAL_H

#include "text/tokenizer.h"

/* Bytes that grow. Zero-initialise; freed by pxi_free(p). */
struct pxi_text {
    uint8_t *p;
    size_t n, cap;
};

/* Room for `more` bytes behind n. False when out of memory. */
bool pxi_text_room(struct pxi_text *b, size_t more);
bool pxi_text_add(struct pxi_text *b, px_view bytes);

/* A precompiled charsmap: a double array that finds the longest rule, and the texts of the rules.
 */
struct pxi_charsmap {
    const uint8_t *units; /* u32, little-endian */
    size_t unit_count;
    px_view texts;      /* each ends with a NUL */
    uint8_t inert[128]; /* 1: before another ASCII byte, or the end, no rule begins here */
};

/* Take one apart; an empty one has no rules. PX_ERR_CORRUPT. */
px_err pxi_charsmap_open(struct pxi_charsmap *m, px_view bytes, uint64_t offset, px_diag *diag);

/* The longest (or first, which is the shortest) rule that the n bytes at p begin with: how many
 * bytes it takes (0: none), and what takes their place. */
size_t pxi_charsmap_find(const struct pxi_charsmap *m, const uint8_t *p, size_t n, bool first,
                         px_view *to);

enum pxi_step_kind {
    PXI_STEP_PREPEND,  /* `to` comes first */
    PXI_STEP_REPLACE,  /* `from` becomes `to` */
    PXI_STEP_RUNS,     /* `least` or more of the byte `from` become `to` */
    PXI_STEP_STRIP,    /* blanks go: least 1 those at the beginning, 2 those at the end, 3 both */
    PXI_STEP_CHARSMAP, /* characters by the charsmap */
    PXI_STEP_COMPOSE,  /* NFC */
    PXI_STEP_PIECES,   /* all that SentencePiece does */
};

enum { PXI_STEPS = 8 };

struct pxi_step {
    enum pxi_step_kind kind;
    unsigned least;
    px_view from, to;
};

struct pxi_normal {
    struct pxi_step steps[PXI_STEPS];
    unsigned count;
    struct pxi_charsmap charsmap;
    /* PXI_STEP_PIECES */
    uint8_t dummy_prefix, dummy_suffix, squeeze, escape;
    uint8_t fast[128]; /* 1: the byte stays as it is before another ASCII byte or the end */
};

/* Set fast[], once charsmap and special tokens are there. */
void pxi_normal_ready(px_tokenizer *t);

/* The text after all steps. False when out of memory. */
bool pxi_normalise(const px_tokenizer *t, px_view text, struct pxi_text *out);

/* PXI_STEP_PIECES. */
bool pxi_normalise_pieces(const px_tokenizer *t, px_view text, struct pxi_text *out);

/* PXI_STEP_COMPOSE (compose.c). */
bool pxi_compose(px_view text, struct pxi_text *out);

/* Spaces as U+2581, with the prefix where one belongs; `first`: nothing is before the text. */
bool pxi_spell(const px_tokenizer *t, px_view text, bool first, struct pxi_text *out);

/* Whether a special token that was found at *from to *to may stand there, and what it takes of the
 * blanks around it, back to `start`. */
bool pxi_special_fits(const struct pxi_special *s, px_view text, size_t start, size_t *from,
                      size_t *to);

#endif
