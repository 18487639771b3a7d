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

/* A merge on its way into the table. */
struct draft {
    px_view text, left, right;
    uint64_t left_hash, right_hash, offset;
    struct pxi_merge merge;
};

/*
 * The table is filled in batches, because a vocabulary does not fit the cache: what one merge waits
 * for from memory arrives while the others of its batch are looked at.
 */
struct filler {
    px_tokenizer *t;
    const px_gguf_kv *kv;
    px_diag *diag;
    uint64_t pos;
    uint32_t done, n; /* merges of the batches before, and of this one */
    int32_t last;     /* product of the merge before */
    struct draft drafts[32];
};

/* Split at the first space behind the first byte. False when there are no two halves. */
static bool split(struct draft *d)
{
    const uint8_t *gap = d->text.n > 2 ? memchr(d->text.p + 1, ' ', d->text.n - 2) : NULL;
    if (!gap)
        return false;
    d->left = px_view_of(d->text.p, (size_t)(gap - d->text.p));
    d->right = px_view_of(gap + 1, d->text.n - d->left.n - 1);
    return true;
}

static bool joins_to(px_view whole, const struct draft *d)
{
    return whole.n == d->left.n + d->right.n && memcmp(whole.p, d->left.p, d->left.n) == 0 &&
           memcmp(whole.p + d->left.n, d->right.p, d->right.n) == 0;
}

/* The token that both halves make. Files list merges in the order of products: try that first. */
static int32_t find_product(struct filler *f, const struct draft *d)
{
    const struct pxi_vocab *v = &f->t->vocab;
    uint8_t small[256], *joined = small;
    size_t n = d->left.n + d->right.n;
    for (int64_t id = f->last; id <= (int64_t)f->last + 1; id++)
        if (id >= 0 && id < v->count && joins_to(v->text[id], d))
            return (int32_t)id;
    if (n > v->longest || (n > sizeof small && !(joined = pxi_calloc(n, 1))))
        return PX_TOKEN_NONE;
    memcpy(joined, d->left.p, d->left.n);
    memcpy(joined + d->left.n, d->right.p, d->right.n);
    int32_t id = pxi_vocab_find(v, px_view_of(joined, n));
    if (joined != small)
        pxi_free(joined);
    return id;
}

static px_err read_batch(struct filler *f)
{
    for (f->n = 0; f->n < 32; f->n++) {
        struct draft *d = &f->drafts[f->n];
        if (!px_gguf_array_next_str(f->kv, &f->pos, &d->text))
            break;
        d->offset = f->kv->offset + f->pos;
        if (!split(d)) {
            char found[64];
            pxi_escape(found, sizeof found, d->text.p, d->text.n);
            pxi_diag_field(f->diag, "tokenizer.ggml.merges[%u]", (unsigned)(f->done + f->n));
            return pxi_diag_set(f->diag, PX_ERR_CORRUPT, d->offset,
                                "two tokens with a space between", "%s", found);
        }
        d->left_hash = pxi_vocab_hash(d->left);
        d->right_hash = pxi_vocab_hash(d->right);
    }
    return PX_ERR_OK;
}

static void resolve_batch(struct filler *f)
{
    const struct pxi_vocab *v = &f->t->vocab;
    for (unsigned step = 0; step < 3; step++)
        for (uint32_t i = 0; i < f->n; i++) {
            pxi_vocab_prefetch(v, f->drafts[i].left_hash, step);
            pxi_vocab_prefetch(v, f->drafts[i].right_hash, step);
        }
    for (uint32_t i = 0; i < f->n; i++) {
        struct draft *d = &f->drafts[i];
        struct pxi_merge *m = &d->merge;
        *m = (struct pxi_merge){.rank = f->done + i, .used = 1};
        m->left = pxi_vocab_find_hashed(v, d->left, d->left_hash);
        m->right = pxi_vocab_find_hashed(v, d->right, d->right_hash);
        m->product = m->left < 0 || m->right < 0 ? PX_TOKEN_NONE : find_product(f, d);
        f->last = m->product >= 0 ? m->product : f->last;
        __builtin_prefetch(&f->t->merges.slots[home_of(m->left, m->right) & f->t->merges.mask], 1);
    }
}

/* A merge of what are no tokens never applies and is left out; of equal pairs the first counts. */
static px_err store_batch(struct filler *f)
{
    for (uint32_t i = 0; i < f->n; i++) {
        const struct pxi_merge *m = &f->drafts[i].merge;
        unsigned steps = 0;
        if (m->product < 0)
            continue;
        struct pxi_merge *s = slot_of(&f->t->merges, m->left, m->right, &steps);
        if (!s->used)
            *s = *m;
        if (steps <= PXI_LIMIT_TOKENIZER_PROBES)
            continue;
        pxi_diag_field(f->diag, "tokenizer.ggml.merges[%u]", (unsigned)m->rank);
        return pxi_diag_set(f->diag, PX_ERR_LIMIT, f->drafts[i].offset, "merges that hash apart",
                            "%u that collide", steps);
    }
    return PX_ERR_OK;
}

static px_err fill(px_tokenizer *t, const px_gguf_kv *kv, px_diag *diag)
{
    struct filler f = {.t = t, .kv = kv, .diag = diag, .last = PX_TOKEN_NONE};
    do {
        px_err err = read_batch(&f);
        if (err)
            return err;
        resolve_batch(&f);
        err = store_batch(&f);
        if (err)
            return err;
        f.done += f.n;
    } while (f.n);
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
    return t->merges.slots ? fill(t, kv, diag) : PX_ERR_NOMEM;
}
