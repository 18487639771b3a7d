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
    px_view *text; /* spellings, inside the file */
    uint8_t *type; /* PXI_TOKEN_* */
    float *score;  /* NULL for byte-level BPE */
    uint32_t count;
    size_t longest; /* bytes of the longest spelling */
    struct pxi_vocab_slot {
        uint32_t tag, id; /* high half of the hash; id + 1, 0 when free */
    } * slots;
    size_t mask;
};

/* The merges of byte-level BPE: two spellings to a rank, lower ones first. */
struct pxi_merges {
    px_view *list; /* "left right", by rank, inside the file */
    struct pxi_merge_slot {
        uint32_t tag, rank; /* high half of the hash; rank + 1, 0 when free */
    } * slots;
    size_t mask;
};

/* Ids of control, unknown and user-defined tokens in the order of their spelling. */
struct pxi_specials {
    int32_t *ids;
    uint32_t count;
    uint32_t first[257]; /* where the spellings with each first byte begin */
};

struct px_tokenizer {
    struct pxi_arena arena;
    struct pxi_vocab vocab;
    struct pxi_merges merges;
    struct pxi_specials specials;
    const struct pxi_pre *pre; /* NULL: SentencePiece style */
    int32_t byte_id[256];      /* SentencePiece: token of a single byte, PX_TOKEN_NONE if none */
    int32_t bos, eos, unknown;
    uint8_t add_bos, add_eos, space_prefix, squeeze_spaces;
};

static inline int pxi_token_type(const px_tokenizer *t, int32_t id)
{
    return t->vocab.type[id] & PXI_TOKEN_TYPE;
}

/* Read tokens, types and scores of the file, index the spellings. `llama`: SentencePiece style. */
px_err pxi_vocab_read(px_tokenizer *t, const px_gguf *g, bool llama, px_diag *diag);

/* Id of the token with that spelling, or PX_TOKEN_NONE. */
int32_t pxi_vocab_find(const struct pxi_vocab *v, px_view text);

uint64_t pxi_vocab_hash(px_view text);

/* Read and index the merges of byte-level BPE. */
px_err pxi_merges_read(px_tokenizer *t, const px_gguf *g, px_diag *diag);

/* Rank of the merge of two spellings with their pxi_vocab_hash, or -1. */
int64_t pxi_merges_find(const struct pxi_merges *m, px_view left, uint64_t left_hash, px_view right,
                        uint64_t right_hash);

/* Sort the special tokens. */
px_err pxi_specials_init(px_tokenizer *t, px_diag *diag);

/* The longest special token that `text` begins with, or PX_TOKEN_NONE. */
int32_t pxi_specials_match(const px_tokenizer *t, px_view text, bool control);

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

/* Room for merging, kept between the pieces of one text. Zero-initialise. */
struct pxi_bpe {
    struct pxi_symbol *symbols;
    struct pxi_pair *pairs;
    size_t symbol_cap, pair_cap, pair_count;
};

/* Merge a piece, spelt as in the vocabulary and below 2^31 bytes, and append its tokens. False when
 * out of memory. */
bool pxi_bpe_piece(const px_tokenizer *t, struct pxi_bpe *b, px_view piece, struct pxi_ids *out);
void pxi_bpe_deinit(struct pxi_bpe *b);

#endif
