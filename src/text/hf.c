/*
 * tokenizer.json of Hugging Face's tokenizers: vocabulary, merges and added tokens. Models: BPE and
 * Unigram. What is not known is refused by name: a tokenizer that is nearly right makes a model
 * quietly worse.
 */
#include "text/hf.h"

#include <math.h>

#include "base/diag.h"
#include "base/limits.h"

/* Ids may leave holes, of which nobody needs many. */
enum { HOLES = 65536 };

enum {
    M_TYPE,
    M_VOCAB,
    M_MERGES,
    M_UNK,
    M_UNK_ID,
    M_FUSE,
    M_BYTES,
    M_IGNORE,
    M_PREFIX,
    M_SUFFIX,
    M_DROPOUT,
    M_KEYS
};
static const char *const model_keys[M_KEYS] = {"type",
                                               "vocab",
                                               "merges",
                                               "unk_token",
                                               "unk_id",
                                               "fuse_unk",
                                               "byte_fallback",
                                               "ignore_merges",
                                               "continuing_subword_prefix",
                                               "end_of_word_suffix",
                                               "dropout"};

enum { F_ADDED, F_NORMALIZER, F_PRE, F_POST, F_MODEL, F_KEYS };
static const char *const file_keys[F_KEYS] = {"added_tokens", "normalizer", "pre_tokenizer",
                                              "post_processor", "model"};

enum { A_ID, A_CONTENT, A_WORD, A_LEFT, A_RIGHT, A_NORMALIZED, A_SPECIAL, A_KEYS };
static const char *const added_keys[A_KEYS] = {"id",     "content",    "single_word", "lstrip",
                                               "rstrip", "normalized", "special"};

struct added {
    px_view content;
    struct pxi_hf_value at;
    int32_t id;
    uint8_t flags;
    bool special, normalized;
};

struct reader {
    struct pxi_hf h;
    struct pxi_hf_value file[F_KEYS], model[M_KEYS];
    struct added *added;
    uint32_t added_count;
    bool unigram;
};

/* ------------------------------------------------------------ added tokens */

static px_err read_added_one(struct reader *r, struct pxi_hf_value v, struct added *a)
{
    struct pxi_hf_value m[A_KEYS];
    bool word, left, right;
    v.name = "added_tokens";
    px_err err = pxi_hf_members(&r->h, v, added_keys, A_KEYS, m);
    a->at = v;
    if (!err)
        err = pxi_hf_id(&r->h, m[A_ID], &a->id);
    if (!err)
        err = pxi_hf_string(&r->h, m[A_CONTENT], "", &a->content);
    if (!err && (a->id < 0 || !a->content.n))
        return pxi_hf_fault(&r->h, v, PX_ERR_CORRUPT, "an id and a content", v.raw);
    if (!err)
        err = pxi_hf_bool(&r->h, m[A_WORD], false, &word);
    if (!err)
        err = pxi_hf_bool(&r->h, m[A_LEFT], false, &left);
    if (!err)
        err = pxi_hf_bool(&r->h, m[A_RIGHT], false, &right);
    if (!err)
        err = pxi_hf_bool(&r->h, m[A_NORMALIZED], true, &a->normalized);
    if (!err)
        err = pxi_hf_bool(&r->h, m[A_SPECIAL], false, &a->special);
    if (!err)
        a->flags = (uint8_t)((word ? PXI_SPECIAL_WORD : 0) | (left ? PXI_SPECIAL_LEFT : 0) |
                             (right ? PXI_SPECIAL_RIGHT : 0));
    return err;
}

static px_err count_items(struct reader *r, struct pxi_hf_value v, uint32_t *n)
{
    struct pxi_hf_walk w;
    bool more;
    px_err err = pxi_hf_walk(&r->h, v, &w);
    for (*n = 0; !err && !(err = pxi_hf_next(&r->h, &w, &more)) && more; ++*n)
        if (*n == PXI_LIMIT_TOKENIZER_MERGES)
            return pxi_hf_fault(&r->h, v, PX_ERR_LIMIT, "at most 67108864 entries",
                                px_view_str("more"));
    return err;
}

static px_err read_added(struct reader *r)
{
    struct pxi_hf_walk w;
    bool more;
    px_err err = count_items(r, r->file[F_ADDED], &r->added_count);
    r->added = err ? NULL : pxi_arena_alloc(&r->h.t->arena, r->added_count, sizeof *r->added);
    if (!err && !r->added)
        return PX_ERR_NOMEM;
    if (!err)
        err = pxi_hf_walk(&r->h, r->file[F_ADDED], &w);
    for (uint32_t i = 0; !err && !(err = pxi_hf_next(&r->h, &w, &more)) && more; i++)
        err = read_added_one(r, w.value, &r->added[i]);
    return err;
}

/* -------------------------------------------------------------- vocabulary */

/* Called for each token of the model's vocabulary. */
typedef px_err each_fn(struct reader *r, int32_t id, px_view text, double weight,
                       struct pxi_hf_value at);

/* An element of Unigram's list: a spelling and its weight. */
static px_err read_pair(struct reader *r, struct pxi_hf_value v, px_view *text, double *weight)
{
    struct pxi_hf_walk w;
    bool more = false;
    px_err err = pxi_hf_walk(&r->h, v, &w);
    if (!err)
        err = pxi_hf_next(&r->h, &w, &more);
    if (!err && more)
        err = pxi_hf_string(&r->h, w.value, "", text);
    if (!err && more)
        err = pxi_hf_next(&r->h, &w, &more);
    if (!err && more)
        err = pxi_hf_number(&r->h, w.value, weight);
    if (!err && (!more || w.object))
        err = pxi_hf_fault(&r->h, v, PX_ERR_CORRUPT, "a spelling and a weight", v.raw);
    return err;
}

static px_err each_token(struct reader *r, each_fn *fn)
{
    struct pxi_hf_walk w;
    bool more;
    px_err err = pxi_hf_walk(&r->h, r->model[M_VOCAB], &w);
    if (!err && w.object == r->unigram)
        err = pxi_hf_fault(&r->h, r->model[M_VOCAB], PX_ERR_CORRUPT,
                           r->unigram ? "a list of spellings with weights"
                                      : "an object from spellings to ids",
                           px_view_str("another value"));
    for (int32_t i = 0; !err && !(err = pxi_hf_next(&r->h, &w, &more)) && more; i++) {
        px_view text = {NULL, 0};
        double weight = 0;
        int32_t id = i;
        if (r->unigram) {
            err = read_pair(r, w.value, &text, &weight);
        } else {
            err = pxi_hf_text(&r->h, w.key, &text);
            if (!err)
                err = pxi_hf_id(&r->h, w.value, &id);
            if (!err && id < 0)
                err = pxi_hf_fault(&r->h, w.value, PX_ERR_CORRUPT, "an id", w.value.raw);
        }
        if (!err)
            err = fn(r, id, text, weight, w.value);
    }
    return err;
}

static px_err set_token(struct reader *r, int32_t id, px_view text, double weight,
                        struct pxi_hf_value at)
{
    px_tokenizer *t = r->h.t;
    if ((uint32_t)id >= t->vocab.count || t->vocab.text[id].p)
        return pxi_hf_fault(&r->h, at, PX_ERR_CORRUPT, "ids that differ and leave few holes",
                            at.raw);
    t->vocab.type[id] = PXI_TOKEN_NORMAL;
    if (t->vocab.weight) {
        if (!isfinite(weight))
            return pxi_hf_fault(&r->h, at, PX_ERR_CORRUPT, "a finite weight", at.raw);
        t->vocab.weight[id] = weight;
    }
    return pxi_vocab_set(t, (uint32_t)id, text, (uint64_t)(at.raw.p - r->h.file.p), r->h.d);
}

/* A spelling that is in the vocabulary keeps its id; a new one gets that of its record. */
static px_err add_added(struct reader *r)
{
    px_tokenizer *t = r->h.t;
    px_err err = PX_ERR_OK;
    for (uint32_t i = 0; !err && i < r->added_count; i++) {
        struct added *a = &r->added[i];
        px_view there = t->vocab.text[a->id];
        if (there.n && !px_view_equal(there, a->content))
            return pxi_hf_fault(&r->h, a->at, PX_ERR_CORRUPT,
                                "an added token whose id is free, or its own", a->content);
        if (!there.n)
            err = pxi_vocab_set(t, (uint32_t)a->id, a->content,
                                (uint64_t)(a->at.raw.p - r->h.file.p), r->h.d);
        t->vocab.type[a->id] = a->special ? PXI_TOKEN_CONTROL : PXI_TOKEN_USER;
    }
    return err;
}

/* Tokens: one more than the highest id. */
static px_err make_room(struct reader *r)
{
    px_tokenizer *t = r->h.t;
    uint32_t entries = 0, count;
    px_err err = count_items(r, r->model[M_VOCAB], &entries);
    if (err)
        return err;
    uint64_t most = (uint64_t)entries + r->added_count + HOLES;
    count = entries;
    if (!r->unigram) /* its ids are in the order of no list */
        count = (uint32_t)(most < PXI_LIMIT_TOKENIZER_TOKENS ? most : PXI_LIMIT_TOKENIZER_TOKENS);
    for (uint32_t i = 0; i < r->added_count; i++) {
        if ((uint64_t)r->added[i].id >= most)
            return pxi_hf_fault(&r->h, r->added[i].at, PX_ERR_LIMIT,
                                "ids that leave at most 65536 holes", r->added[i].content);
        count = (uint32_t)r->added[i].id >= count ? (uint32_t)r->added[i].id + 1 : count;
    }
    if (count > PXI_LIMIT_TOKENIZER_TOKENS)
        return pxi_hf_fault(&r->h, r->model[M_VOCAB], PX_ERR_LIMIT, "at most 16777216 tokens",
                            px_view_str("more"));
    err = pxi_vocab_room(t, count);
    if (!err && r->unigram &&
        !(t->vocab.weight = pxi_arena_alloc(&t->arena, count, sizeof *t->vocab.weight)))
        err = PX_ERR_NOMEM;
    return err;
}

/* The bytes, where every one has a token: else there is no falling back to them. */
static void find_bytes(px_tokenizer *t)
{
    for (unsigned b = 0; b < 256; b++) {
        char name[8] = {'<', '0', 'x', "0123456789ABCDEF"[b >> 4], "0123456789ABCDEF"[b & 15], '>'};
        int32_t id = pxi_vocab_find(&t->vocab, px_view_of(name, 6));
        t->byte_id[b] = id;
        if (id >= 0 && pxi_token_type(t, id) == PXI_TOKEN_NORMAL)
            t->vocab.type[id] = PXI_TOKEN_BYTE;
    }
}

static px_err read_unknown(struct reader *r)
{
    px_tokenizer *t = r->h.t;
    px_view text;
    px_err err = r->unigram ? pxi_hf_id(&r->h, r->model[M_UNK_ID], &t->unknown)
                            : pxi_hf_string(&r->h, r->model[M_UNK], "", &text);
    if (!err && !r->unigram && text.n)
        t->unknown = pxi_vocab_find(&t->vocab, text);
    struct pxi_hf_value v = r->model[r->unigram ? M_UNK_ID : M_UNK];
    if (!err &&
        (t->unknown >= (int32_t)t->vocab.count || (t->unknown < 0 && !r->unigram && text.n)))
        return pxi_hf_fault(&r->h, v, PX_ERR_CORRUPT, "a token of the vocabulary", v.raw);
    if (!err && t->unknown >= 0)
        t->vocab.type[t->unknown] = PXI_TOKEN_UNKNOWN;
    return err;
}

static px_err read_vocab(struct reader *r)
{
    px_tokenizer *t = r->h.t;
    t->vocab.origin = "model.vocab";
    px_err err = make_room(r);
    if (!err)
        err = each_token(r, set_token);
    if (!err)
        err = add_added(r);
    while (!err && t->vocab.count && !t->vocab.text[t->vocab.count - 1].n)
        t->vocab.count--;
    if (!err && !t->vocab.count)
        return pxi_hf_fault(&r->h, r->model[M_VOCAB], PX_ERR_CORRUPT, "tokens",
                            px_view_str("none"));
    for (uint32_t i = 0; !err && i < t->vocab.count; i++)
        if (!t->vocab.type[i])
            t->vocab.type[i] = PXI_TOKEN_NORMAL;
    if (!err)
        err = pxi_vocab_index(t, 0, r->h.d);
    return err ? err : read_unknown(r);
}

/* ------------------------------------------------------------------ merges */

/* A merge as a list of two: copied with a gap that no spelling has. */
static px_err join_pair(struct reader *r, struct pxi_hf_value v, px_view *out, uint32_t *left)
{
    struct pxi_hf_walk w;
    px_view half[2] = {{NULL, 0}, {NULL, 0}};
    bool more = true;
    px_err err = pxi_hf_walk(&r->h, v, &w);
    for (unsigned i = 0; !err && more && i < 3; i++) {
        err = pxi_hf_next(&r->h, &w, &more);
        if (!err && more == (i == 2))
            return pxi_hf_fault(&r->h, v, PX_ERR_CORRUPT, "two spellings", v.raw);
        if (!err && more)
            err = pxi_hf_string(&r->h, w.value, "", &half[i]);
    }
    if (err)
        return err;
    uint8_t *p = pxi_arena_alloc(&r->h.t->arena, half[0].n + half[1].n + 1, 1);
    if (!p)
        return PX_ERR_NOMEM;
    if (!half[0].n || !half[1].n)
        return pxi_hf_fault(&r->h, v, PX_ERR_CORRUPT, "two spellings", v.raw);
    memcpy(p, half[0].p, half[0].n);
    p[half[0].n] = 0xff;
    memcpy(p + half[0].n + 1, half[1].p, half[1].n);
    *out = px_view_of(p, half[0].n + half[1].n + 1);
    *left = (uint32_t)half[0].n;
    return PX_ERR_OK;
}

static px_err read_merges(struct reader *r)
{
    px_tokenizer *t = r->h.t;
    struct pxi_merges *m = &t->merges;
    struct pxi_hf_walk w;
    uint32_t n;
    bool more;
    m->origin = "model.merges";
    m->gap = ' ';
    px_err err = count_items(r, r->model[M_MERGES], &n);
    if (err)
        return err;
    m->list = pxi_arena_alloc(&t->arena, n, sizeof *m->list);
    if (!m->list)
        return PX_ERR_NOMEM;
    err = pxi_hf_walk(&r->h, r->model[M_MERGES], &w);
    for (; !err && !(err = pxi_hf_next(&r->h, &w, &more)) && more; m->count++) {
        if (!m->count && w.value.kind == PXI_JSON_ARRAY) {
            m->gap = 0xff;
            m->left = pxi_arena_alloc(&t->arena, n, sizeof *m->left);
            if (!m->left)
                return PX_ERR_NOMEM;
        }
        err = m->left ? join_pair(r, w.value, &m->list[m->count], &m->left[m->count])
                      : pxi_hf_string(&r->h, w.value, "", &m->list[m->count]);
    }
    return err ? err : pxi_merges_index(t, (uint64_t)(m->list == NULL), r->h.d);
}

/* ----------------------------------------------------------- special tokens */

/* The content as it would come out of the normaliser, for those that are looked for behind it. */
static px_err normalise_content(struct reader *r, px_view *content)
{
    struct pxi_text out = {0};
    px_tokenizer *t = r->h.t;
    if (!t->normal)
        return PX_ERR_OK;
    px_err err = pxi_normalise(t, *content, &out) ? PX_ERR_OK : PX_ERR_NOMEM;
    uint8_t *p = err || !out.n ? NULL : pxi_arena_alloc(&t->arena, out.n, 1);
    if (p)
        memcpy(p, out.p, out.n);
    else if (!err && out.n)
        err = PX_ERR_NOMEM;
    *content = px_view_of(p, p ? out.n : 0);
    pxi_free(out.p);
    return err;
}

static px_err read_specials(struct reader *r)
{
    px_tokenizer *t = r->h.t;
    px_err err = PX_ERR_OK;
    t->specials.list = pxi_arena_alloc(&t->arena, r->added_count, sizeof *t->specials.list);
    t->normalised.list = pxi_arena_alloc(&t->arena, r->added_count, sizeof *t->specials.list);
    if (!t->specials.list || !t->normalised.list)
        return PX_ERR_NOMEM;
    for (uint32_t i = 0; !err && i < r->added_count; i++) {
        const struct added *a = &r->added[i];
        struct pxi_specials *s = a->normalized && t->normal ? &t->normalised : &t->specials;
        px_view content = a->content;
        if (s == &t->normalised)
            err = normalise_content(r, &content);
        if (!err && content.n)
            s->list[s->count++] = (struct pxi_special){content, a->id, a->flags};
    }
    if (!err)
        err = pxi_specials_sort(&t->specials, "added_tokens", r->h.d);
    return err ? err : pxi_specials_sort(&t->normalised, "added_tokens", r->h.d);
}

/* ------------------------------------------------------------------- model */

static px_err refuse_options(struct reader *r)
{
    static const uint8_t texts[] = {M_PREFIX, M_SUFFIX};
    px_err err = PX_ERR_OK;
    for (unsigned i = 0; !err && i < sizeof texts; i++) {
        px_view text;
        struct pxi_hf_value v = r->model[texts[i]];
        err = pxi_hf_string(&r->h, v, "", &text);
        if (!err && text.n)
            err = pxi_hf_fault(&r->h, v, PX_ERR_TOKENIZER, "no such mark of words", text);
    }
    struct pxi_hf_value v = r->model[M_DROPOUT];
    double dropout = 0;
    if (!err && v.kind == PXI_JSON_NUMBER)
        err = pxi_hf_number(&r->h, v, &dropout);
    if (!err && dropout != 0)
        err = pxi_hf_fault(&r->h, v, PX_ERR_TOKENIZER, "no dropout", v.raw);
    return err;
}

static px_err read_model(struct reader *r)
{
    px_tokenizer *t = r->h.t;
    px_view type;
    bool fuse = false, bytes = false, whole = false;
    px_err err = pxi_hf_members(&r->h, r->file[F_MODEL], model_keys, M_KEYS, r->model);
    if (!err)
        err = pxi_hf_string(&r->h, r->model[M_TYPE],
                            r->model[M_MERGES].kind == PXI_JSON_ARRAY ? "BPE" : "", &type);
    if (err)
        return err;
    r->unigram = px_view_is(type, "Unigram");
    if (!r->unigram && !px_view_is(type, "BPE"))
        return pxi_hf_fault(&r->h, r->model[M_TYPE], PX_ERR_TOKENIZER, "BPE or Unigram", type);
    err = refuse_options(r);
    if (!err)
        err = pxi_hf_bool(&r->h, r->model[M_FUSE], false, &fuse);
    if (!err)
        err = pxi_hf_bool(&r->h, r->model[M_BYTES], false, &bytes);
    if (!err)
        err = pxi_hf_bool(&r->h, r->model[M_IGNORE], false, &whole);
    if (!err)
        err = read_vocab(r);
    if (!err && !r->unigram)
        err = read_merges(r);
    if (bytes && !err)
        find_bytes(t);
    t->merging = r->unigram ? PXI_UNIGRAM : PXI_BY_RANK;
    t->char_unknown = 1;
    t->fuse_unknown = fuse || r->unigram;
    t->whole_words = whole;
    return err;
}

static px_err finish(struct reader *r)
{
    px_tokenizer *t = r->h.t;
    double least = INFINITY;
    t->byte_level = r->h.byte_level;
    if (t->byte_level && r->unigram)
        return pxi_hf_fault(&r->h, r->file[F_PRE], PX_ERR_TOKENIZER,
                            "another pre-tokenizer than ByteLevel for Unigram",
                            px_view_str("ByteLevel"));
    for (uint32_t i = 0; r->unigram && i < t->vocab.count; i++)
        least = t->vocab.weight[i] < least ? t->vocab.weight[i] : least;
    /* A whole text that is a token would be that token: then it may not be cut. */
    if (t->words == PXI_WORDS_NONE && !t->byte_level && !t->whole_words && pxi_words_apart(t))
        t->words = PXI_WORDS_RUNS;
    return r->unigram ? pxi_unigram_ready(t, least, 0, r->h.d) : PX_ERR_OK;
}

px_err pxi_hf_read(px_tokenizer *t, px_view file, px_diag *diag)
{
    struct reader r = {.h = {.t = t, .file = file, .d = diag}};
    struct pxi_hf_value root = {PXI_JSON_OBJECT, file, NULL};
    px_err err = pxi_hf_members(&r.h, root, file_keys, F_KEYS, r.file);
    if (!err)
        err = read_added(&r);
    if (!err)
        err = read_model(&r);
    if (!err)
        err = pxi_hf_normalizer(&r.h, r.file[F_NORMALIZER]);
    if (!err)
        err = pxi_hf_pre_tokenizer(&r.h, r.file[F_PRE]);
    if (!err)
        err = read_specials(&r);
    if (!err)
        err = pxi_hf_post_processor(&r.h, r.file[F_POST]);
    if (!err)
        err = finish(&r);
    if (!err)
        pxi_mark_ends(t, PX_TOKEN_NONE, PX_TOKEN_NONE);
    return err;
}
