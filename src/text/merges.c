/* The merges of byte-level BPE: read once, found by the pair of ids. */
#include "base/diag.h"
#include "base/limits.h"
#include "text/tokenizer.h"

static size_t home_of(int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    return (size_t)(h ^ h >> 29);
}

/* The slot of a pair: the one that holds it or the free one (product < 0) where it belongs. */
static struct pxi_merge *slot_of(const struct pxi_merges *m, int32_t left, int32_t right,
                                 unsigned *steps)
{
    for (size_t i = home_of(left, right) & m->mask;; i = (i + 1) & m->mask, ++*steps) {
        struct pxi_merge *s = &m->slots[i];
        if (!s->used || (s->left == left && s->right == right))
            return s;
    }
}

const struct pxi_merge *pxi_merges_find(const struct pxi_merges *m, int32_t left, int32_t right)
{
    unsigned steps = 0;
    const struct pxi_merge *s = slot_of(m, left, right, &steps);
    return s->used ? s : NULL;
}

/*
 * Split "left right" at the first space behind its first byte, find both and what they make. False
 * when the text has no two halves; *out has NONE for what is no token, and then never applies.
 */
static bool parse(const px_tokenizer *t, px_view text, uint8_t *joined, struct pxi_merge *out)
{
    const uint8_t *gap = text.n > 2 ? memchr(text.p + 1, ' ', text.n - 2) : NULL;
    if (!gap)
        return false;
    size_t left = (size_t)(gap - text.p), right = text.n - left - 1;
    out->left = pxi_vocab_find(&t->vocab, px_view_of(text.p, left));
    out->right = pxi_vocab_find(&t->vocab, px_view_of(gap + 1, right));
    out->product = PX_TOKEN_NONE;
    if (out->left >= 0 && out->right >= 0 && left + right <= t->vocab.longest) {
        memcpy(joined, text.p, left);
        memcpy(joined + left, gap + 1, right);
        out->product = pxi_vocab_find(&t->vocab, px_view_of(joined, left + right));
    }
    return true;
}

/* False when too many pairs hash to one place. */
static bool add(struct pxi_merges *m, const struct pxi_merge *merge)
{
    unsigned steps = 0;
    struct pxi_merge *s = slot_of(m, merge->left, merge->right, &steps);
    if (!s->used) /* of equal pairs the first counts */
        *s = *merge;
    return steps <= PXI_LIMIT_TOKENIZER_PROBES;
}

static px_err read_all(px_tokenizer *t, const px_gguf_kv *kv, uint8_t *joined, px_diag *diag)
{
    uint64_t pos = 0;
    px_view text;
    for (uint32_t i = 0; px_gguf_array_next_str(kv, &pos, &text); i++) {
        struct pxi_merge merge = {.rank = i, .used = 1};
        if (!parse(t, text, joined, &merge)) {
            char found[64];
            pxi_escape(found, sizeof found, text.p, text.n);
            pxi_diag_field(diag, "tokenizer.ggml.merges[%u]", (unsigned)i);
            return pxi_diag_set(diag, PX_ERR_CORRUPT, kv->offset + pos,
                                "two tokens with a space between", "%s", found);
        }
        if (merge.product >= 0 && !add(&t->merges, &merge)) {
            pxi_diag_field(diag, "tokenizer.ggml.merges[%u]", (unsigned)i);
            return pxi_diag_set(diag, PX_ERR_LIMIT, kv->offset + pos, "merges that hash apart",
                                "more than %u that collide", (unsigned)PXI_LIMIT_TOKENIZER_PROBES);
        }
    }
    return PX_ERR_OK;
}

px_err pxi_merges_read(px_tokenizer *t, const px_gguf *g, px_diag *diag)
{
    const px_gguf_kv *kv = px_gguf_kv_find(g, "tokenizer.ggml.merges");
    pxi_diag_field(diag, "tokenizer.ggml.merges");
    if (!kv)
        return pxi_diag_set(diag, PX_ERR_NOT_FOUND, 0, "a key of the metadata", "no such key");
    if (kv->type != PX_GGUF_ARRAY || kv->elem_type != PX_GGUF_STRING)
        return pxi_diag_set(diag, PX_ERR_CORRUPT, kv->offset, "an array of strings",
                            "another type");
    if (kv->count > PXI_LIMIT_TOKENIZER_MERGES)
        return pxi_diag_set(diag, PX_ERR_LIMIT, kv->offset, "at most 67108864 merges", "%llu",
                            (unsigned long long)kv->count);
    size_t size = 16;
    while (size < kv->count + kv->count / 2)
        size *= 2;
    t->merges.mask = size - 1;
    t->merges.slots = pxi_arena_alloc(&t->arena, size, sizeof *t->merges.slots);
    uint8_t *joined = pxi_calloc(t->vocab.longest + 1, 1);
    px_err err = t->merges.slots && joined ? read_all(t, kv, joined, diag) : PX_ERR_NOMEM;
    pxi_free(joined);
    return err;
}
