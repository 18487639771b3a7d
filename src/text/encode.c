/* Text to tokens: special tokens are cut out, the rest is normalised, spelt, and goes through the
 * merges word by word. */
#include <math.h>

#include "text/normal.h"
#include "text/tokenizer.h"

enum { TEXT_END = INT32_MAX }; /* words are addressed with 31 bits */

/*
 * Words that were met before: a table in which each has one place, so that a newer one takes it
 * from an older. Unigram adds the weights of a whole text in float, so what a word becomes may
 * depend on the sum before it; `reach` is the sum up to which it cannot.
 */
enum { WORD_SLOTS = 1 << 14, WORD_BYTES = 22, WORD_IDS = 7 };

struct word {
    uint64_t hash;
    float reach;
    uint8_t bytes, ids; /* bytes 0: free */
    uint8_t text[WORD_BYTES];
    int32_t id[WORD_IDS];
};

struct pxi_encoder {
    const px_tokenizer *t;
    struct pxi_bpe bpe;
    struct pxi_path path;
    struct pxi_text normal, spelt, piece;
    int32_t *ids;
    size_t cap, n;
    struct word *words; /* NULL: no memory of words */
    double sum;         /* Unigram: weights so far */
    unsigned wanted;    /* enum pxi_wanted */
    bool after_unknown; /* the last token is the unknown one */
};

struct pxi_encoder *pxi_encoder_new(const px_tokenizer *t, int remember)
{
    struct pxi_encoder *e = pxi_calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->t = t;
    if (remember && !(e->words = pxi_calloc(WORD_SLOTS, sizeof *e->words))) {
        pxi_free(e);
        return NULL;
    }
    return e;
}

void pxi_encoder_free(struct pxi_encoder *e)
{
    if (!e)
        return;
    pxi_bpe_deinit(&e->bpe);
    pxi_path_deinit(&e->path);
    pxi_free(e->normal.p);
    pxi_free(e->spelt.p);
    pxi_free(e->piece.p);
    pxi_free(e->ids);
    pxi_free(e->words);
    pxi_free(e);
}

static bool room(struct pxi_encoder *e, size_t n)
{
    if (e->cap - e->n >= n)
        return true;
    size_t cap = e->cap + e->cap / 2 + n + 64;
    int32_t *p = pxi_realloc(e->ids, cap, sizeof *p);
    if (!p)
        return false;
    e->ids = p;
    e->cap = cap;
    return true;
}

/* ------------------------------------------------------------------ words */

static void put_ids(struct pxi_encoder *e, const int32_t *ids, size_t n)
{
    const px_tokenizer *t = e->t;
    for (size_t i = 0; i < n; i++) {
        bool unknown = ids[i] == t->unknown;
        if (!unknown || !e->after_unknown || !t->fuse_unknown)
            e->ids[e->n++] = ids[i];
        e->after_unknown = unknown;
    }
}

/* Sum of weights with those of the tokens, added one by one as the search did. */
static double add_weights(const px_tokenizer *t, double sum, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sum += t->vocab.weight[ids[i]];
        if (t->single_precision)
            sum = (double)(float)sum;
    }
    return sum;
}

/* A sum that may not be passed if the choices made in the word are to stand; negative: none. */
static float reach_of(const px_tokenizer *t, const struct pxi_unigram_result *r, double before,
                      size_t bytes)
{
    double unit = t->single_precision ? 0x1p-24 : 0x1p-53;
    double most = fabs(r->sum), first = fabs(before);
    double error = 4 * (double)(bytes + 1) * unit;
    return (float)(r->margin / error - (most > first ? most : first));
}

static px_err merge_word(struct pxi_encoder *e, px_view word, struct word *keep, uint64_t hash)
{
    const px_tokenizer *t = e->t;
    size_t at = e->n;
    float reach = 1;
    if (!room(e, word.n))
        return PX_ERR_NOMEM;
    struct pxi_ids out = {e->ids, e->cap, e->n};
    if (t->merging == PXI_UNIGRAM) {
        struct pxi_unigram_result r = {.sum = e->sum};
        if (!pxi_unigram_word(t, &e->path, word, &out, &r))
            return PX_ERR_NOMEM;
        reach = reach_of(t, &r, e->sum, word.n);
        e->sum = r.sum;
    } else if (!pxi_bpe_word(t, &e->bpe, word, &out)) {
        return PX_ERR_NOMEM;
    }
    size_t n = out.n - at;
    bool known = n <= WORD_IDS && word.n <= WORD_BYTES && reach > 0;
    for (size_t i = 0; known && i < n; i++)
        known =
            e->ids[at + i] != t->unknown && pxi_token_type(t, e->ids[at + i]) == PXI_TOKEN_NORMAL;
    if (keep && known) {
        *keep = (struct word){.hash = hash, .reach = reach, .bytes = (uint8_t)word.n};
        keep->ids = (uint8_t)n;
        memcpy(keep->text, word.p, word.n);
        memcpy(keep->id, e->ids + at, n * sizeof *e->ids);
    }
    put_ids(e, e->ids + at, n);
    return PX_ERR_OK;
}

/* Tokens of a word, spelt as in the vocabulary. */
static px_err put_word(struct pxi_encoder *e, px_view word)
{
    const px_tokenizer *t = e->t;
    struct word *w = NULL;
    uint64_t hash = 0;
    if (!word.n)
        return PX_ERR_OK;
    if (e->words && word.n <= WORD_BYTES) {
        hash = pxi_vocab_hash(word);
        w = &e->words[hash & (WORD_SLOTS - 1)];
        if (w->hash == hash && w->bytes == word.n && memcmp(w->text, word.p, word.n) == 0 &&
            (t->merging != PXI_UNIGRAM || fabs(e->sum) <= (double)w->reach)) {
            if (!room(e, WORD_IDS))
                return PX_ERR_NOMEM;
            if (t->merging == PXI_UNIGRAM)
                e->sum = add_weights(t, e->sum, w->id, w->ids);
            memcpy(e->ids + e->n, w->id, sizeof w->id);
            e->n += w->ids;
            e->after_unknown = false;
            return PX_ERR_OK;
        }
    }
    int32_t id = t->whole_words ? pxi_vocab_find(&t->vocab, word) : PX_TOKEN_NONE;
    if (id < 0 || pxi_token_type(t, id) != PXI_TOKEN_NORMAL)
        return merge_word(e, word, w, hash);
    if (!room(e, 1))
        return PX_ERR_NOMEM;
    e->ids[e->n++] = id;
    e->after_unknown = false;
    return PX_ERR_OK;
}

/* Byte-level: piece by piece, each byte spelt. */
static px_err put_pieces(struct pxi_encoder *e, px_view text)
{
    struct pxi_pieces walk;
    px_view piece;
    px_err err = PX_ERR_OK;
    pxi_pieces_init(&walk, e->t->pre, text);
    while (!err && pxi_pieces_next(&walk, &piece)) {
        if (piece.n >= TEXT_END / 2)
            return PX_ERR_LIMIT;
        if (!pxi_text_room(&e->piece, piece.n * 2))
            return PX_ERR_NOMEM;
        size_t n = 0;
        for (size_t i = 0; i < piece.n; i++)
            n += pxi_byte_spell(piece.p[i], e->piece.p + n);
        err = put_word(e, px_view_of(e->piece.p, n));
    }
    return err;
}

/* Words begin at U+2581: at each, or at the first of several. */
static px_err put_words(struct pxi_encoder *e, px_view text)
{
    bool each = e->t->words == PXI_WORDS_EACH;
    px_err err = PX_ERR_OK;
    size_t from = 0, at = 0;
    bool space = true; /* the character before is one */
    while (!err && at < text.n) {
        const uint8_t *p = text.p + at;
        if (*p != 0xe2 || text.n - at < 3 || p[1] != 0x96 || p[2] != 0x81) {
            space = false;
            at++;
            continue;
        }
        if (at > from && (each || !space)) {
            err = put_word(e, px_view_of(text.p + from, at - from));
            from = at;
            e->sum = each ? 0 : e->sum;
            e->after_unknown &= !each;
        }
        space = true;
        at += 3;
    }
    return err ? err : put_word(e, px_view_of(text.p + from, text.n - from));
}

/* A stretch that is normalised and has no special tokens. */
static px_err put_plain(struct pxi_encoder *e, px_view text, bool first)
{
    const px_tokenizer *t = e->t;
    e->sum = 0;
    e->after_unknown = false;
    if (t->spell || t->prefix) {
        if (!pxi_spell(t, text, first, &e->spelt))
            return PX_ERR_NOMEM;
        text = px_view_of(e->spelt.p, e->spelt.n);
    }
    if (text.n >= TEXT_END)
        return PX_ERR_LIMIT;
    return t->byte_level ? put_pieces(e, text) : t->words ? put_words(e, text) : put_word(e, text);
}

/* ---------------------------------------------------------- special tokens */

typedef px_err put_fn(struct pxi_encoder *e, px_view text, bool first);

/* A special token at a place: *from to *to is what it takes of the text, not before `start`. */
static const struct pxi_special *special_at(const struct pxi_encoder *e,
                                            const struct pxi_specials *s, px_view text,
                                            size_t start, size_t *from, size_t *to)
{
    uint8_t byte = text.p[*from];
    if (s->first[byte] == s->first[byte + 1])
        return NULL;
    const struct pxi_special *one =
        pxi_specials_match(e->t, s, px_view_of(text.p + *from, text.n - *from), e->wanted);
    if (!one)
        return NULL;
    *to = *from + one->text.n;
    return pxi_special_fits(one, text, start, from, to) ? one : NULL;
}

/* Cut the special tokens out of the text; what lies between them goes to `put`. */
static px_err cut(struct pxi_encoder *e, const struct pxi_specials *s, px_view text, bool first,
                  put_fn *put)
{
    size_t start = 0;
    px_err err = PX_ERR_OK;
    for (size_t at = 0; s->count && at < text.n;) {
        size_t from = at, to = at;
        const struct pxi_special *one = special_at(e, s, text, start, &from, &to);
        if (!one) {
            at += to > at ? to - at : 1; /* a match that does not fit is passed as a whole */
            continue;
        }
        if (from > start)
            err = put(e, px_view_of(text.p + start, from - start), first && !start);
        if (!err && !room(e, 1))
            err = PX_ERR_NOMEM;
        if (err)
            return err;
        e->ids[e->n++] = one->id;
        start = at = to;
    }
    return start < text.n ? put(e, px_view_of(text.p + start, text.n - start), first && !start)
                          : PX_ERR_OK;
}

static px_err put_stretch(struct pxi_encoder *e, px_view text, bool first)
{
    const px_tokenizer *t = e->t;
    if (t->normal) {
        if (!pxi_normalise(t, text, &e->normal))
            return PX_ERR_NOMEM;
        text = px_view_of(e->normal.p, e->normal.n);
    }
    return cut(e, &t->normalised, text, first, put_plain);
}

px_err pxi_encoder_run(struct pxi_encoder *e, px_view text, unsigned flags, const int32_t **out,
                       size_t *n)
{
    const px_tokenizer *t = e->t;
    *n = e->n = 0;
    if (text.n >= TEXT_END)
        return PX_ERR_LIMIT;
    e->wanted =
        (t->inner_user ? 0u : PXI_WANT_USER) | (flags & PX_ENCODE_CONTROL ? PXI_WANT_CONTROL : 0u);
    if (!room(e, 2))
        return PX_ERR_NOMEM;
    if (flags & PX_ENCODE_SPECIAL && t->add_bos)
        e->ids[e->n++] = t->bos;
    px_err err = cut(e, &t->specials, text, true, put_stretch);
    if (!err && !room(e, 1))
        err = PX_ERR_NOMEM;
    if (err)
        return err;
    if (flags & PX_ENCODE_SPECIAL && t->add_eos)
        e->ids[e->n++] = t->eos;
    *out = e->ids;
    *n = e->n;
    return PX_ERR_OK;
}

px_err px_tokenize(const px_tokenizer *t, px_view text, unsigned flags, int32_t *out, size_t cap,
                   size_t *n)
{
    enum { WORTH_REMEMBERING = 1 << 16 };
    struct pxi_encoder *e = pxi_encoder_new(t, text.n > WORTH_REMEMBERING);
    const int32_t *ids;
    *n = 0;
    px_err err = e ? pxi_encoder_run(e, text, flags, &ids, n) : PX_ERR_NOMEM;
    if (!err && cap)
        memcpy(out, ids, (*n < cap ? *n : cap) * sizeof *ids);
    pxi_encoder_free(e);
    return err;
}
