/*
 * Inside of a px_tokenizer: the vocabulary with its index, the merges with theirs, and the
 * spellings that are cut out of a text before anything else.
 */
#ifndef PXI_TEXT_TOKENIZER_H
#define PXI_TEXT_TOKENIZER_H

#include <stdbool.h>

#include "base/mem.h"
#include "plexus/tokenizer.h"
#include "text/scan.h"

enum { /* tokenizer.ggml.token_type */
       PXI_TOKEN_NORMAL = 1,
       PXI_TOKEN_UNKNOWN = 2,
       PXI_TOKEN_CONTROL = 3,
       PXI_TOKEN_USER = 4,
       PXI_TOKEN_UNUSED = 5,
       PXI_TOKEN_BYTE = 6,
       PXI_TOKEN_TYPE = 7, /* mask */
       PXI_TOKEN_END = 8,  /* generation ends here */
};

/* A table that is filled fetches from memory this many entries before it needs them. */
enum { PXI_AHEAD = 16 };

/* The vocabulary: spelling to id by open addressing, at most half full. */
struct pxi_vocab {
    px_view *text;      /* spellings, inside the file */
    uint8_t *type;      /* PXI_TOKEN_* */
    float *score;       /* of merging by score; else NULL */
    double *weight;     /* of Unigram; else NULL */
    const char *origin; /* what the file calls the list, for diagnoses */
    uint32_t count;
    size_t longest; /* bytes of the longest spelling */
    struct pxi_vocab_slot {
        uint32_t tag, id; /* high half of the hash; id + 1, 0 when free */
    } * slots;
    size_t mask;
};

/* Merges by rank: two spellings, lower ranks first. */
struct pxi_merges {
    px_view *list;  /* left, gap, right, by rank, inside the file or the arena */
    uint32_t *left; /* bytes of each left one; NULL: up to the first gap behind its first byte */
    const char *origin; /* what the file calls the list */
    uint64_t count;
    uint8_t gap;
    struct pxi_merge_slot {
        uint32_t tag, rank; /* high half of the hash; rank + 1, 0 when free */
    } * slots;
    size_t mask;
};

enum {                        /* of a special token */
       PXI_SPECIAL_LEFT = 1,  /* takes the blanks before it */
       PXI_SPECIAL_RIGHT = 2, /* and those behind it */
       PXI_SPECIAL_WORD = 4,  /* only where no letter or digit is beside it */
};

struct pxi_special {
    px_view text;
    int32_t id;
    uint8_t flags;
};

/* Spellings that are cut out of a text, in order. */
struct pxi_specials {
    struct pxi_special *list;
    uint32_t count;
    uint32_t first[257]; /* where the spellings with each first byte begin */
};

enum pxi_merging {
    PXI_BY_RANK,  /* a list of merges */
    PXI_BY_SCORE, /* the pair whose product has the highest score */
    PXI_UNIGRAM,  /* the tokens whose weights have the highest sum */
};

enum pxi_words {                 /* which parts of a text are merged by themselves */
                 PXI_WORDS_NONE, /* the whole of it */
                 PXI_WORDS_RUNS, /* cut before each run of U+2581: an optimisation, no rule */
                 PXI_WORDS_EACH, /* cut before each U+2581 */
};

enum pxi_prefix {
    PXI_PREFIX_NEVER,
    PXI_PREFIX_ALWAYS, /* before each stretch between special tokens */
    PXI_PREFIX_FIRST,  /* before the first one, when nothing is before it */
};

struct px_tokenizer {
    struct pxi_arena arena;
    struct pxi_vocab vocab;
    struct pxi_merges merges;
    struct pxi_specials specials;   /* cut out of the text as it is given */
    struct pxi_specials normalised; /* cut out of the text once it is normalised */
    struct pxi_normal *normal;      /* NULL: text stays as it is */
    struct pxi_trie *trie;          /* of Unigram */
    const struct pxi_pre *pre;      /* NULL: no pre-tokenizer */
    px_view *sources;               /* bytes of the file that all this was made from */
    unsigned source_count;
    int32_t byte_id[256]; /* token of a single byte, PX_TOKEN_NONE if none */
    int32_t bos, eos, unknown;
    double unknown_weight, user_weight; /* Unigram */
    enum pxi_merging merging;
    enum pxi_words words;
    enum pxi_prefix prefix;
    uint8_t add_bos, add_eos;
    uint8_t byte_level;       /* each byte is spelt as a printable character */
    uint8_t spell;            /* spaces become U+2581 */
    uint8_t drop_first;       /* the space at the start of a text is the encoder's own */
    uint8_t lazy_prefix;      /* no prefix where there is one already */
    uint8_t blank_prefix;     /* byte-level: the prefix is a space */
    uint8_t trim_words;       /* words stand between blanks, which are dropped; each has a prefix */
    uint8_t squeeze_spaces;   /* many spaces become one, those at the ends none */
    uint8_t whole_words;      /* a word that is a token is that token: merges are not asked */
    uint8_t inner_user;       /* user-defined tokens are found by what merges, not cut out */
    uint8_t char_unknown;     /* a character without all its bytes is one unknown token */
    uint8_t fuse_unknown;     /* unknown tokens that follow one another are one */
    uint8_t single_precision; /* weights are added as floats, as SentencePiece does */
};

static inline int pxi_token_type(const px_tokenizer *t, int32_t id)
{
    return t->vocab.type[id] & PXI_TOKEN_TYPE;
}

/* One without anything; its arena may grow to `most` bytes, 0: without a bound. */
px_tokenizer *pxi_tokenizer_alloc(size_t most);

/* Make room for `count` tokens. */
px_err pxi_vocab_room(px_tokenizer *t, uint32_t count);

/* Set the spelling of a token; `offset` of it is for the diagnosis. */
px_err pxi_vocab_set(px_tokenizer *t, uint32_t id, px_view text, uint64_t offset, px_diag *diag);

/* Index the spellings, once all are set. */
px_err pxi_vocab_index(px_tokenizer *t, uint64_t offset, px_diag *diag);

/* Which token stands for each byte, once all types are set. */
px_err pxi_vocab_bytes(px_tokenizer *t, uint64_t offset, px_diag *diag);

/* Read tokens, types and scores of a GGUF file, index the spellings. `llama`: SentencePiece style.
 */
px_err pxi_vocab_read(px_tokenizer *t, const px_gguf *g, bool llama, px_diag *diag);

/* Id of the token with that spelling, or PX_TOKEN_NONE. */
int32_t pxi_vocab_find(const struct pxi_vocab *v, px_view text);

uint64_t pxi_vocab_hash(px_view text);

/* May text become this token without being asked to? Never control, unknown and byte tokens. */
bool pxi_token_plain(const px_tokenizer *t, int32_t id);

/* Whether all U+2581 of a spelling are at its beginning. */
bool pxi_spaces_lead(px_view text);

/* Whether that holds for all tokens that text may become, and for all merges: then no token reaches
 * from one word into the next. */
bool pxi_words_apart(const px_tokenizer *t);

/* Index the merges once list, left and count are set. */
px_err pxi_merges_index(px_tokenizer *t, uint64_t offset, px_diag *diag);

/* Read and index the merges of a GGUF file. */
px_err pxi_merges_read(px_tokenizer *t, const px_gguf *g, px_diag *diag);

/* Rank of the merge of two spellings with their pxi_vocab_hash, or -1. */
int64_t pxi_merges_find(const struct pxi_merges *m, px_view left, uint64_t left_hash, px_view right,
                        uint64_t right_hash);

/* Sort what s->list holds. */
px_err pxi_specials_sort(struct pxi_specials *s, const char *origin, px_diag *diag);

/* All tokens of the types that are special, as they are spelt. */
px_err pxi_specials_init(px_tokenizer *t, px_diag *diag);

/* Which special tokens are looked for. */
enum pxi_wanted { PXI_WANT_USER = 1, PXI_WANT_CONTROL = 2 };

/* The longest special token that `text` begins with, or NULL. */
const struct pxi_special *pxi_specials_match(const px_tokenizer *t, const struct pxi_specials *s,
                                             px_view text, unsigned wanted);

/* Which tokens end generation, once the special ones are sorted. */
void pxi_mark_ends(px_tokenizer *t, int32_t eot, int32_t eom);

/* Byte-level spelling: every byte as one printable character. */
unsigned pxi_byte_spell(uint8_t byte, uint8_t out[2]); /* bytes written: 1 or 2 */
int pxi_byte_unspell(uint32_t cp);                     /* the byte, or -1 */

/* Value of a spelling "<0xHH>", or -1. */
int pxi_byte_token(px_view text);

/* Growing list of ids with a caller's array behind it. */
struct pxi_ids {
    int32_t *out;
    size_t cap, n;
};

static inline void pxi_ids_add(struct pxi_ids *l, int32_t id)
{
    if (l->n < l->cap)
        l->out[l->n] = id;
    l->n++;
}

/* Room for merging, kept between words. Zero-initialise. */
struct pxi_bpe {
    struct pxi_symbol *symbols;
    struct pxi_pair *pairs;
    size_t symbol_cap, pair_cap, pair_count;
};

/* Merge a word, spelt as in the vocabulary and below 2^31 bytes, and append its tokens. False when
 * out of memory. */
bool pxi_bpe_word(const px_tokenizer *t, struct pxi_bpe *b, px_view word, struct pxi_ids *out);
void pxi_bpe_deinit(struct pxi_bpe *b);

/* Append what stands for a character that is no token: its bytes, or the unknown one. */
void pxi_emit_unknown(const px_tokenizer *t, px_view character, struct pxi_ids *out);

/* Room for the best path through a word. Zero-initialise. */
struct pxi_path {
    struct pxi_place *places;
    size_t cap;
};

struct pxi_unigram_result {
    double sum;    /* in: weight of what is before the word; out: with it */
    double margin; /* by how much each choice was made; 0: not known */
};

/* Split a word by weights. False when out of memory. */
bool pxi_unigram_word(const px_tokenizer *t, struct pxi_path *p, px_view word, struct pxi_ids *out,
                      struct pxi_unigram_result *r);
void pxi_path_deinit(struct pxi_path *p);

/* The tree that pxi_unigram_word walks, once the vocabulary is indexed. */
px_err pxi_trie_build(px_tokenizer *t, px_diag *diag);

/*
 * Text to tokens with room that is kept between texts, and a memory of words that were met before.
 * One thread at a time; t must outlive it.
 */
struct pxi_encoder;
/* NULL when out of memory. remember: 0, no memory of words. */
struct pxi_encoder *pxi_encoder_new(const px_tokenizer *t, int remember);
void pxi_encoder_free(struct pxi_encoder *e);
/* As px_tokenize; *out is the encoder's until the next call. */
px_err pxi_encoder_run(struct pxi_encoder *e, px_view text, unsigned flags, const int32_t **out,
                       size_t *n);

#endif
