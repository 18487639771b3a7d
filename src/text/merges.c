/*
 * Merges by rank, found by the spellings of both halves. Spellings, not ids: looking
 * up half a million ids when a file is opened costs far more than comparing a few bytes later.
 */
#include "base/diag.h"
#include "base/limits.h"
#include "text/tokenizer.h"

static uint64_t mix(uint64_t left, uint64_t right)
{
    uint64_t h = (left ^ (right << 31 | right >> 33)) * 0xd6e8feb86659fd93u;
    return h ^ h >> 32;
}

/* Does the merge consist of these two? */
static bool is_of(px_view merge, uint8_t gap, px_view left, px_view right)
{
    return merge.n == left.n + 1 + right.n && memcmp(merge.p, left.p, left.n) == 0 &&
           merge.p[left.n] == gap && memcmp(merge.p + left.n + 1, right.p, right.n) == 0;
}

int64_t pxi_merges_find(const struct pxi_merges *m, px_view left, uint64_t left_hash, px_view right,
                        uint64_t right_hash)
{
    uint64_t hash = mix(left_hash, right_hash);
    for (size_t i = (size_t)hash & m->mask; m->slots[i].rank; i = (i + 1) & m->mask)
        if (m->slots[i].tag == hash >> 32 &&
            is_of(m->list[m->slots[i].rank - 1], m->gap, left, right))
            return (int64_t)m->slots[i].rank - 1;
    return -1;
}

static px_err fault(const struct pxi_merges *m, uint64_t offset, uint64_t rank, unsigned steps,
                    px_diag *diag)
{
    char found[64];
    pxi_diag_field(diag, "%s[%llu]", m->origin, (unsigned long long)rank);
    if (steps)
        return pxi_diag_set(diag, PX_ERR_LIMIT, offset, "merges that hash apart", "%u that collide",
                            steps);
    pxi_escape(found, sizeof found, m->list[rank].p, m->list[rank].n);
    return pxi_diag_set(diag, PX_ERR_CORRUPT, offset, "two spellings with a space between",
                        "\"%s\"", found);
}

/* Hash all merges, each split where it says, or at the first gap behind its first byte. */
static px_err hash_all(const struct pxi_merges *m, uint64_t offset, uint64_t *hashes, px_diag *diag)
{
    for (uint64_t rank = 0; rank < m->count; rank++) {
        px_view text = m->list[rank];
        const uint8_t *gap = m->left      ? text.p + m->left[rank]
                             : text.n > 2 ? memchr(text.p + 1, m->gap, text.n - 2)
                                          : NULL;
        if (!gap)
            return fault(m, offset, rank, 0, diag);
        px_view left = px_view_of(text.p, (size_t)(gap - text.p));
        px_view right = px_view_of(gap + 1, text.n - left.n - 1);
        hashes[rank] = mix(pxi_vocab_hash(left), pxi_vocab_hash(right));
    }
    return PX_ERR_OK;
}

/* Put all into the table; of equal merges the first counts. */
static px_err fill(struct pxi_merges *m, uint64_t offset, const uint64_t *hashes, px_diag *diag)
{
    for (uint32_t rank = 0; rank < m->count; rank++) {
        uint64_t hash = hashes[rank], later = hashes[rank + PXI_AHEAD];
        uint32_t tag = (uint32_t)(hash >> 32);
        unsigned steps = 0;
        size_t i = (size_t)hash & m->mask;
        __builtin_prefetch(&m->slots[(size_t)later & m->mask], 1);
        for (; m->slots[i].rank; i = (i + 1) & m->mask, steps++)
            if (m->slots[i].tag == tag &&
                px_view_equal(m->list[m->slots[i].rank - 1], m->list[rank]))
                break;
        if (steps > PXI_LIMIT_TOKENIZER_PROBES)
            return fault(m, offset, rank, steps, diag);
        if (!m->slots[i].rank)
            m->slots[i] = (struct pxi_merge_slot){tag, rank + 1};
    }
    return PX_ERR_OK;
}

px_err pxi_merges_index(px_tokenizer *t, uint64_t offset, px_diag *diag)
{
    struct pxi_merges *m = &t->merges;
    size_t size = 16;
    while (size < m->count + m->count / 2)
        size *= 2;
    m->mask = size - 1;
    m->slots = pxi_arena_alloc(&t->arena, size, sizeof *m->slots);
    uint64_t *hashes = pxi_calloc(m->count + PXI_AHEAD, sizeof *hashes);
    px_err err = m->slots && hashes ? hash_all(m, offset, hashes, diag) : PX_ERR_NOMEM;
    if (!err)
        err = fill(m, offset, hashes, diag);
    pxi_free(hashes);
    return err;
}

px_err pxi_merges_read(px_tokenizer *t, const px_gguf *g, px_diag *diag)
{
    struct pxi_merges *m = &t->merges;
    const px_gguf_kv *kv = px_gguf_kv_find(g, "tokenizer.ggml.merges");
    m->origin = "tokenizer.ggml.merges";
    m->gap = ' ';
    pxi_diag_field(diag, "%s", m->origin);
    if (!kv)
        return pxi_diag_set(diag, PX_ERR_NOT_FOUND, 0, "a key of the metadata", "no such key");
    if (kv->type != PX_GGUF_ARRAY || kv->elem_type != PX_GGUF_STRING)
        return pxi_diag_set(diag, PX_ERR_CORRUPT, kv->offset, "an array of strings",
                            "another type");
    if (kv->count > PXI_LIMIT_TOKENIZER_MERGES)
        return pxi_diag_set(diag, PX_ERR_LIMIT, kv->offset, "at most 67108864 merges", "%llu",
                            (unsigned long long)kv->count);
    m->list = pxi_arena_alloc(&t->arena, kv->count, sizeof *m->list);
    if (!m->list)
        return PX_ERR_NOMEM;
    for (uint64_t pos = 0; px_gguf_array_next_str(kv, &pos, &m->list[m->count]); m->count++)
        ;
    return pxi_merges_index(t, kv->offset, diag);
}
