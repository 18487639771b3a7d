/* The vocabulary of a file: tokens, types and scores, and the index from spelling to id. */
#include <math.h>

#include "base/diag.h"
#include "base/limits.h"
#include "text/tokenizer.h"

#define SPELT_SPACE "\xe2\x96\x81" /* U+2581 */

static uint64_t load(const uint8_t *p, size_t bytes)
{
    uint64_t w = 0;
    memcpy(&w, p, bytes);
    return w;
}

/* A fast hash of short strings: eight bytes a step, the last ones twice rather than one by one. */
uint64_t pxi_vocab_hash(px_view text)
{
    const uint8_t *p = text.p;
    size_t n = text.n;
    uint64_t h = 0x9e3779b97f4a7c15u ^ n, w = 0;
    for (; n > 8; p += 8, n -= 8) {
        h = (h ^ load(p, 8)) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    if (n >= 4)
        w = load(p, 4) | load(p + n - 4, 4) << 32;
    else if (n)
        w = (uint64_t)p[0] | (uint64_t)p[n / 2] << 8 | (uint64_t)p[n - 1] << 16;
    h = (h ^ w) * 0xc4ceb9fe1a85ec53u;
    h = (h ^ h >> 29) * 0xff51afd7ed558ccdu;
    return h ^ h >> 32;
}

/* The slot of a spelling: the one that holds it or the free one where it belongs. */
static struct pxi_vocab_slot *slot_of(const struct pxi_vocab *v, px_view text, uint64_t h,
                                      unsigned *steps)
{
    for (size_t i = (size_t)h & v->mask;; i = (i + 1) & v->mask, ++*steps) {
        struct pxi_vocab_slot *s = &v->slots[i];
        if (!s->id || (s->tag == h >> 32 && px_view_equal(v->text[s->id - 1], text)))
            return s;
    }
}

int32_t pxi_vocab_find(const struct pxi_vocab *v, px_view text)
{
    unsigned steps = 0;
    if (!text.n || text.n > v->longest)
        return PX_TOKEN_NONE;
    return (int32_t)slot_of(v, text, pxi_vocab_hash(text), &steps)->id - 1;
}

static px_err clash(const struct pxi_vocab *v, uint32_t id, uint32_t other, unsigned steps,
                    uint64_t offset, px_diag *diag)
{
    pxi_diag_field(diag, "%s[%u]", v->origin, (unsigned)id);
    if (steps > PXI_LIMIT_TOKENIZER_PROBES)
        return pxi_diag_set(diag, PX_ERR_LIMIT, offset, "spellings that hash apart",
                            "%u that collide", steps);
    return pxi_diag_set(diag, PX_ERR_CORRUPT, offset, "spellings that differ",
                        "the spelling of token %u again", (unsigned)other);
}

static px_err fill(struct pxi_vocab *v, const uint64_t *hashes, uint64_t offset, px_diag *diag)
{
    for (uint32_t i = 0; i < v->count; i++) {
        unsigned steps = 0;
        __builtin_prefetch(&v->slots[(size_t)hashes[i + PXI_AHEAD] & v->mask], 1);
        if (!v->text[i].n) /* a hole in the numbering: no text ever becomes this token */
            continue;
        struct pxi_vocab_slot *s = slot_of(v, v->text[i], hashes[i], &steps);
        if (s->id || steps > PXI_LIMIT_TOKENIZER_PROBES)
            return clash(v, i, s->id - 1, steps, offset, diag);
        *s = (struct pxi_vocab_slot){(uint32_t)(hashes[i] >> 32), i + 1};
    }
    return PX_ERR_OK;
}

px_err pxi_vocab_index(px_tokenizer *t, uint64_t offset, px_diag *diag)
{
    struct pxi_vocab *v = &t->vocab;
    size_t size = 16;
    while (size < (size_t)v->count * 2)
        size *= 2;
    v->slots = pxi_arena_alloc(&t->arena, size, sizeof *v->slots);
    v->mask = size - 1;
    uint64_t *hashes = pxi_calloc((size_t)v->count + PXI_AHEAD, sizeof *hashes);
    for (uint32_t i = 0; hashes && i < v->count; i++)
        hashes[i] = pxi_vocab_hash(v->text[i]);
    px_err err = v->slots && hashes ? fill(v, hashes, offset, diag) : PX_ERR_NOMEM;
    pxi_free(hashes);
    return err;
}

px_err pxi_vocab_room(px_tokenizer *t, uint32_t count)
{
    struct pxi_vocab *v = &t->vocab;
    v->count = count;
    v->text = pxi_arena_alloc(&t->arena, count, sizeof *v->text);
    v->type = pxi_arena_alloc(&t->arena, count, 1);
    return v->text && v->type ? PX_ERR_OK : PX_ERR_NOMEM;
}

px_err pxi_vocab_set(px_tokenizer *t, uint32_t id, px_view text, uint64_t offset, px_diag *diag)
{
    struct pxi_vocab *v = &t->vocab;
    if (text.n > PXI_LIMIT_TOKENIZER_TOKEN_BYTES) {
        pxi_diag_field(diag, "%s[%u]", v->origin, (unsigned)id);
        return pxi_diag_set(diag, PX_ERR_LIMIT, offset, "at most 65536 bytes", "%llu",
                            (unsigned long long)text.n);
    }
    v->text[id] = text;
    v->longest = text.n > v->longest ? text.n : v->longest;
    return PX_ERR_OK;
}

bool pxi_spaces_lead(px_view text)
{
    bool word = false;
    for (size_t at = 0; at < text.n;) {
        bool space = text.n - at >= 3 && memcmp(text.p + at, SPELT_SPACE, 3) == 0;
        if (space && word)
            return false;
        word |= !space;
        at += space ? 3 : 1;
    }
    return true;
}

bool pxi_words_apart(const px_tokenizer *t)
{
    uint8_t both[2 * PXI_LIMIT_TOKENIZER_SPECIAL_BYTES];
    const struct pxi_merges *m = &t->merges;
    for (uint32_t i = 0; i < t->vocab.count; i++)
        if (pxi_token_plain(t, (int32_t)i) && !pxi_spaces_lead(t->vocab.text[i]))
            return false;
    for (uint64_t i = 0; i < m->count; i++) {
        const uint8_t *p = m->list[i].p,
                      *gap = m->left ? p + m->left[i] : memchr(p + 1, m->gap, m->list[i].n - 1);
        size_t left = (size_t)(gap - p), right = m->list[i].n - left - 1;
        if (left + right > sizeof both)
            return false;
        memcpy(both, p, left);
        memcpy(both + left, gap + 1, right);
        if (!pxi_spaces_lead(px_view_of(both, left + right)))
            return false;
    }
    return true;
}

/* An array of the metadata with at least `count` elements, or *kv = NULL when it is absent. */
static px_err find_array(const px_gguf *g, const char *key, uint64_t count, bool strings,
                         const px_gguf_kv **kv, px_diag *diag)
{
    *kv = px_gguf_kv_find(g, key);
    if (!*kv)
        return PX_ERR_OK;
    pxi_diag_field(diag, "%s", key);
    const char *wanted = strings ? "an array of strings" : "an array of numbers";
    bool array = (*kv)->type == PX_GGUF_ARRAY;
    if (!array || (*kv)->elem_type == PX_GGUF_ARRAY ||
        ((*kv)->elem_type == PX_GGUF_STRING) != strings)
        return pxi_diag_set(diag, PX_ERR_CORRUPT, (*kv)->offset, wanted, "another type");
    if ((*kv)->count < count)
        return pxi_diag_set(diag, PX_ERR_CORRUPT, (*kv)->offset, "one element for every token",
                            "%llu for %llu tokens", (unsigned long long)(*kv)->count,
                            (unsigned long long)count);
    return PX_ERR_OK;
}

static px_err absent(const char *key, px_diag *diag)
{
    pxi_diag_field(diag, "%s", key);
    return pxi_diag_set(diag, PX_ERR_NOT_FOUND, 0, "a key of the metadata", "no such key");
}

static px_err read_tokens(px_tokenizer *t, const px_gguf *g, const px_gguf_kv **kv, px_diag *diag)
{
    struct pxi_vocab *v = &t->vocab;
    px_err err = find_array(g, "tokenizer.ggml.tokens", 1, true, kv, diag);
    if (err)
        return err;
    if (!*kv)
        return absent("tokenizer.ggml.tokens", diag);
    if ((*kv)->count > PXI_LIMIT_TOKENIZER_TOKENS)
        return pxi_diag_set(diag, PX_ERR_LIMIT, (*kv)->offset, "at most 16777216 tokens", "%llu",
                            (unsigned long long)(*kv)->count);
    v->origin = "tokenizer.ggml.tokens";
    err = pxi_vocab_room(t, (uint32_t)(*kv)->count);
    uint64_t pos = 0;
    px_view text;
    for (uint32_t i = 0; !err && i < v->count && px_gguf_array_next_str(*kv, &pos, &text); i++)
        err = pxi_vocab_set(t, i, text, (*kv)->offset + pos, diag);
    return err;
}

static px_err read_types(px_tokenizer *t, const px_gguf *g, bool llama, px_diag *diag)
{
    struct pxi_vocab *v = &t->vocab;
    const px_gguf_kv *kv;
    px_err err = find_array(g, "tokenizer.ggml.token_type", v->count, false, &kv, diag);
    for (uint32_t i = 0; !err && i < v->count; i++) {
        int64_t type = kv ? px_gguf_array_i64(kv, i) : PXI_TOKEN_NORMAL;
        if (!kv && llama && pxi_byte_token(v->text[i]) >= 0)
            type = PXI_TOKEN_BYTE;
        if (type < 0 || type > PXI_TOKEN_BYTE) {
            pxi_diag_field(diag, "tokenizer.ggml.token_type[%u]", (unsigned)i);
            return pxi_diag_set(diag, PX_ERR_CORRUPT, kv->offset, "a type from 0 to 6", "%lld",
                                (long long)type);
        }
        /* A text with its spaces spelt is only ever met behind the merges. */
        if (llama && type == PXI_TOKEN_USER && memmem(v->text[i].p, v->text[i].n, SPELT_SPACE, 3))
            type = PXI_TOKEN_NORMAL;
        v->type[i] = (uint8_t)(type ? type : PXI_TOKEN_NORMAL);
    }
    return err;
}

static px_err read_scores(px_tokenizer *t, const px_gguf *g, px_diag *diag)
{
    struct pxi_vocab *v = &t->vocab;
    const px_gguf_kv *kv;
    px_err err = find_array(g, "tokenizer.ggml.scores", v->count, false, &kv, diag);
    if (err)
        return err;
    if (!kv)
        return absent("tokenizer.ggml.scores", diag);
    v->score = pxi_arena_alloc(&t->arena, v->count, sizeof *v->score);
    if (!v->score)
        return PX_ERR_NOMEM;
    for (uint32_t i = 0; i < v->count; i++) {
        v->score[i] = (float)px_gguf_array_f64(kv, i);
        if (isnan(v->score[i])) {
            pxi_diag_field(diag, "tokenizer.ggml.scores[%u]", (unsigned)i);
            return pxi_diag_set(diag, PX_ERR_CORRUPT, kv->offset, "a number", "NaN");
        }
    }
    return PX_ERR_OK;
}

px_err pxi_vocab_bytes(px_tokenizer *t, uint64_t offset, px_diag *diag)
{
    for (uint32_t i = 0; i < t->vocab.count; i++) {
        if (pxi_token_type(t, (int32_t)i) != PXI_TOKEN_BYTE)
            continue;
        int byte = pxi_byte_token(t->vocab.text[i]);
        if (byte < 0) {
            char found[64];
            pxi_escape(found, sizeof found, t->vocab.text[i].p, t->vocab.text[i].n);
            pxi_diag_field(diag, "%s[%u]", t->vocab.origin, (unsigned)i);
            return pxi_diag_set(diag, PX_ERR_CORRUPT, offset, "a byte such as <0x0A>", "\"%s\"",
                                found);
        }
        t->byte_id[byte] = (int32_t)i;
    }
    return PX_ERR_OK;
}

px_err pxi_vocab_read(px_tokenizer *t, const px_gguf *g, bool llama, px_diag *diag)
{
    const px_gguf_kv *kv = NULL;
    px_err err = read_tokens(t, g, &kv, diag);
    if (!err)
        err = read_types(t, g, llama, diag);
    if (!err && llama)
        err = read_scores(t, g, diag);
    if (!err)
        err = pxi_vocab_index(t, kv->offset, diag);
    return !err && llama ? pxi_vocab_bytes(t, kv->offset, diag) : err;
}
