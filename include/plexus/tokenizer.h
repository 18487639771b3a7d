/*
 * Tokenizers of GGUF files (SentencePiece-style BPE, "llama", and byte-level BPE, "gpt2"), of
 * Hugging Face's tokenizer.json (BPE and Unigram) and of sentencepiece models (BPE and Unigram),
 * with hand-written pre-tokenizers. What is not known is refused by name.
 * A px_tokenizer is immutable after creation: any number of threads may use it.
 */
#ifndef PLEXUS_TOKENIZER_H
#define PLEXUS_TOKENIZER_H

#include "plexus/gguf.h"

PX_BEGIN_DECLS

typedef struct px_tokenizer px_tokenizer;

/*
 * Build from the tokenizer.ggml.* keys. Borrows g's input bytes (which must outlive it), not g.
 * Errors: PX_ERR_TOKENIZER (unknown family: diag->found names it), _CORRUPT, _NOT_FOUND, _NOMEM.
 */
PX_API PX_NODISCARD px_err px_tokenizer_new(const px_gguf *g, px_tokenizer **out, px_diag *diag);
/*
 * Build from the bytes of a GGUF file, of a tokenizer.json or of a sentencepiece model, whichever
 * it is; they must outlive it. Errors as above, and PX_ERR_LIMIT.
 */
PX_API PX_NODISCARD px_err px_tokenizer_parse(px_view file, px_tokenizer **out, px_diag *diag);
PX_API void px_tokenizer_free(px_tokenizer *t);

#define PX_TOKEN_NONE (-1)

PX_API uint32_t px_tokenizer_size(const px_tokenizer *t); /* number of tokens */
PX_API int32_t px_tokenizer_bos(const px_tokenizer *t);   /* PX_TOKEN_NONE when absent */
PX_API int32_t px_tokenizer_eos(const px_tokenizer *t);
PX_API int px_tokenizer_add_bos(const px_tokenizer *t); /* does the model want a BOS first? */
PX_API int px_tokenizer_add_eos(const px_tokenizer *t);

/* 1 when generation ends at this token: eos, eot, eom and the usual end-of-turn control tokens. */
PX_API int px_tokenizer_is_end(const px_tokenizer *t, int32_t token);

/* 1 for control tokens, whose text is not shown. */
PX_API int px_tokenizer_is_control(const px_tokenizer *t, int32_t token);

/* Text of the token as the file spells it (not decoded), empty when out of range. Borrowed. */
PX_API px_view px_tokenizer_text(const px_tokenizer *t, int32_t token);

/* Token with exactly that spelling, or PX_TOKEN_NONE. */
PX_API int32_t px_tokenizer_find(const px_tokenizer *t, px_view text);

enum {
    PX_ENCODE_SPECIAL = 1, /* add BOS / EOS as the model asks */
    PX_ENCODE_CONTROL = 2, /* spellings of control tokens in the text become those tokens */
};

/*
 * Tokens of `text` (any bytes). Writes at most cap ids to out and stores the total in *n; when
 * *n > cap call again with room. cap may be 0. Time and memory are O(n log n) in the text.
 * Errors: PX_ERR_NOMEM, PX_ERR_LIMIT (text of 2^31 bytes or more).
 */
PX_API PX_NODISCARD px_err px_tokenize(const px_tokenizer *t, px_view text, unsigned flags,
                                       int32_t *out, size_t cap, size_t *n);

/* Streaming detokenizer: never hands out a part of a UTF-8 character. Zero-initialise. */
typedef struct px_detok {
    uint8_t pending[8]; /* bytes of an unfinished character */
    uint8_t pending_n;
    uint8_t started; /* something was written: the leading space rule is over */
    uint8_t show_control;
} px_detok;

/*
 * Bytes of one more token appended to out (cap bytes), count in *n. Bytes that cannot become valid
 * UTF-8 come out as U+FFFD. A token's text is at most 64 KiB; PX_ERR_LIMIT when cap is too small
 * (nothing is consumed then). Unknown ids are skipped.
 */
PX_API PX_NODISCARD px_err px_detok_next(const px_tokenizer *t, px_detok *d, int32_t token,
                                         char *out, size_t cap, size_t *n);

/* Whatever is still pending, as U+FFFD. At most 8 * 3 bytes. */
PX_API size_t px_detok_end(px_detok *d, char *out, size_t cap);

/* Raw bytes of a sequence of tokens, without the U+FFFD rule: tokenize then detokenize is the
 * identity for vocabularies with all bytes. Same contract for cap and *n as px_tokenize. */
PX_API PX_NODISCARD px_err px_detokenize(const px_tokenizer *t, const int32_t *tokens, size_t count,
                                         int show_control, char *out, size_t cap, size_t *n);

/*
 * Stop strings in a text that grows: of its n bytes so far, how many may be given out. *which is
 * the stop string that is complete, and the result where it begins; or, when none is, `count`, and
 * what is held back may be the beginning of one. Empty stop strings do not count.
 */
PX_API size_t px_stop_cut(const char *text, size_t n, const char *const *stops, unsigned count,
                          unsigned *which);

PX_END_DECLS

#endif
