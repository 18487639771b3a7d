/* Text to tokens: special tokens are cut out, the rest goes in pieces through the merges. */
#include "base/math.h"
#include "text/tokenizer.h"

struct encoder {
    const px_tokenizer *t;
    struct pxi_bpe bpe;
    struct pxi_ids out;
    uint8_t *word; /* room for the spelling of a piece */
    size_t word_cap;
};

enum { TEXT_END = INT32_MAX }; /* pieces are addressed with 31 bits */

static bool reserve_word(struct encoder *e, size_t n)
{
    if (n <= e->word_cap)
        return true;
    uint8_t *p = pxi_realloc(e->word, n, 1);
    if (!p)
        return false;
    e->word = p;
    e->word_cap = n;
    return true;
}

/* Spell the bytes of a piece into e->word, which has room for two bytes each. */
static px_view spell_bytes(struct encoder *e, px_view piece)
{
    size_t n = 0;
    for (size_t i = 0; i < piece.n; i++)
        n += pxi_byte_spell(piece.p[i], e->word + n);
    return px_view_of(e->word, n);
}

/* Byte-level BPE: piece by piece. */
static px_err encode_pieces(struct encoder *e, px_view text)
{
    struct pxi_pieces walk;
    px_view piece;
    pxi_pieces_init(&walk, e->t->pre, text);
    while (pxi_pieces_next(&walk, &piece)) {
        if (piece.n >= TEXT_END / 2)
            return PX_ERR_LIMIT;
        if (!reserve_word(e, piece.n * 2))
            return PX_ERR_NOMEM;
        px_view spelt = spell_bytes(e, piece);
        int32_t id = e->t->pre->whole_words ? pxi_vocab_find(&e->t->vocab, spelt) : PX_TOKEN_NONE;
        if (id >= 0 && pxi_token_type(e->t, id) == PXI_TOKEN_NORMAL)
            pxi_ids_add(&e->out, id);
        else if (!pxi_bpe_piece(e->t, &e->bpe, spelt, &e->out))
            return PX_ERR_NOMEM;
    }
    return PX_ERR_OK;
}

static size_t put_space(uint8_t *out)
{
    memcpy(out, "\xe2\x96\x81", 3); /* U+2581 */
    return 3;
}

/* Write text with its spaces spelt, and one before it where the vocabulary wants that. */
static size_t spell_spaces(const px_tokenizer *t, px_view text, uint8_t *out)
{
    size_t n = 0;
    bool pending = t->space_prefix, word = false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == ' ' && t->squeeze_spaces) {
            pending |= word; /* many become one, those at the ends none */
            continue;
        }
        if (pending)
            n += put_space(out + n);
        if (text.p[i] == ' ')
            n += put_space(out + n);
        else
            out[n++] = text.p[i];
        pending = false;
        word = true;
    }
    return n;
}

/* SentencePiece: the whole text is one piece. */
static px_err encode_spelt(struct encoder *e, px_view text)
{
    size_t spaces = 1, most;
    for (size_t i = 0; i < text.n; i++)
        spaces += text.p[i] == ' ';
    most = text.n + 3 * spaces;
    if (most >= TEXT_END)
        return PX_ERR_LIMIT;
    if (!reserve_word(e, most))
        return PX_ERR_NOMEM;
    px_view spelt = px_view_of(e->word, spell_spaces(e->t, text, e->word));
    return pxi_bpe_piece(e->t, &e->bpe, spelt, &e->out) ? PX_ERR_OK : PX_ERR_NOMEM;
}

static px_err encode_plain(struct encoder *e, px_view text)
{
    if (!text.n)
        return PX_ERR_OK;
    return e->t->pre ? encode_pieces(e, text) : encode_spelt(e, text);
}

/* Cut the special tokens out of the text and encode what lies between. */
static px_err encode_all(struct encoder *e, px_view text, bool control)
{
    const struct pxi_specials *s = &e->t->specials;
    size_t start = 0, at = 0;
    while (at < text.n) {
        int32_t id = PX_TOKEN_NONE;
        px_view rest = px_view_of(text.p + at, text.n - at);
        if (s->first[rest.p[0]] < s->first[rest.p[0] + 1])
            id = pxi_specials_match(e->t, rest, control);
        if (id < 0) {
            at++;
            continue;
        }
        px_err err = encode_plain(e, px_view_of(text.p + start, at - start));
        if (err)
            return err;
        pxi_ids_add(&e->out, id);
        start = at += e->t->vocab.text[id].n;
    }
    return encode_plain(e, px_view_of(text.p + start, text.n - start));
}

px_err px_tokenize(const px_tokenizer *t, px_view text, unsigned flags, int32_t *out, size_t cap,
                   size_t *n)
{
    struct encoder e = {.t = t, .out = {out, cap, 0}};
    *n = 0;
    if (text.n >= TEXT_END)
        return PX_ERR_LIMIT;
    if (flags & PX_ENCODE_SPECIAL && t->add_bos)
        pxi_ids_add(&e.out, t->bos);
    px_err err = encode_all(&e, text, (flags & PX_ENCODE_CONTROL) != 0);
    if (flags & PX_ENCODE_SPECIAL && t->add_eos)
        pxi_ids_add(&e.out, t->eos);
    pxi_bpe_deinit(&e.bpe);
    pxi_free(e.word);
    *n = err ? 0 : e.out.n;
    return err;
}
