/*
 * Unigram: of all ways to write a word as tokens, that with the highest sum of weights. One pass
 * over the word; from each character a tree of all spellings is walked. Sums are rounded as the
 * reference rounds them, so that near ties fall as they do there.
 */
#include "base/diag.h"
#include "base/limits.h"
#include "text/tokenizer.h"

/* ------------------------------------------------------------------- the tree */

/* Edges by (node, byte), open addressing, at most half full. */
struct pxi_trie {
    struct edge {
        uint64_t key; /* node << 8 | byte, + 1; 0: free */
        uint32_t to;
    } * edges;
    size_t mask;
    int32_t *id; /* of the token that ends at a node, or PX_TOKEN_NONE */
    uint32_t nodes;
};

static uint64_t mix(uint64_t key)
{
    key *= 0x9e3779b97f4a7c15u;
    return key ^ key >> 29;
}

static struct edge *edge_of(const struct pxi_trie *r, uint64_t key, unsigned *steps)
{
    for (size_t i = (size_t)mix(key) & r->mask;; i = (i + 1) & r->mask, ++*steps)
        if (!r->edges[i].key || r->edges[i].key == key)
            return &r->edges[i];
}

static px_err add(struct pxi_trie *r, const px_tokenizer *t, int32_t id, px_diag *diag)
{
    px_view text = t->vocab.text[id];
    uint32_t node = 0;
    for (size_t i = 0; i < text.n; i++) {
        unsigned steps = 0;
        uint64_t key = ((uint64_t)node << 8 | text.p[i]) + 1;
        struct edge *e = edge_of(r, key, &steps);
        if (steps > PXI_LIMIT_TOKENIZER_PROBES) {
            pxi_diag_field(diag, "%s[%u]", t->vocab.origin, (unsigned)id);
            return pxi_diag_set(diag, PX_ERR_LIMIT, 0, "spellings that hash apart",
                                "%u that collide", steps);
        }
        if (!e->key)
            *e = (struct edge){key, r->nodes++};
        node = e->to;
    }
    r->id[node] = id;
    return PX_ERR_OK;
}

px_err pxi_trie_build(px_tokenizer *t, px_diag *diag)
{
    const struct pxi_vocab *v = &t->vocab;
    size_t most = 1, size = 16;
    for (uint32_t i = 0; i < v->count; i++)
        most += v->text[i].n;
    if (most >= UINT32_MAX / 2)
        return PX_ERR_LIMIT;
    while (size < most * 2)
        size *= 2;
    struct pxi_trie *r = t->trie = pxi_arena_alloc(&t->arena, 1, sizeof *r);
    if (!r)
        return PX_ERR_NOMEM;
    *r = (struct pxi_trie){.mask = size - 1, .nodes = 1};
    r->edges = pxi_arena_alloc(&t->arena, size, sizeof *r->edges);
    r->id = pxi_arena_alloc(&t->arena, most, sizeof *r->id);
    if (!r->edges || !r->id)
        return PX_ERR_NOMEM;
    for (size_t i = 0; i < most; i++)
        r->id[i] = PX_TOKEN_NONE;
    px_err err = PX_ERR_OK;
    for (uint32_t i = 0; !err && i < v->count; i++)
        if (pxi_token_plain(t, (int32_t)i) && pxi_token_type(t, (int32_t)i) != PXI_TOKEN_UNUSED &&
            v->text[i].n)
            err = add(r, t, (int32_t)i, diag);
    return err;
}

/* ------------------------------------------------------------------- the path */

struct pxi_place { /* between two characters: the best way that leads here */
    double sum;
    int32_t id;     /* of its last token, PX_TOKEN_NONE: a character that is none */
    uint32_t start; /* where that begins */
    bool reached;
};

void pxi_path_deinit(struct pxi_path *p)
{
    pxi_free(p->places);
    *p = (struct pxi_path){0};
}

static bool reserve(struct pxi_path *p, size_t n)
{
    if (n <= p->cap)
        return true;
    void *more = pxi_realloc(p->places, n + n / 2, sizeof *p->places);
    if (!more)
        return false;
    p->places = more;
    p->cap = n + n / 2;
    return true;
}

/* One more way to a place. */
static void offer(const px_tokenizer *t, struct pxi_place *to, double sum, int32_t id,
                  uint32_t start, double *margin)
{
    if (to->reached) {
        double by = sum - to->sum;
        *margin = by < 0 ? (-by < *margin ? -by : *margin) : by < *margin ? by : *margin;
        if (by <= 0)
            return;
    }
    *to = (struct pxi_place){t->single_precision ? (double)(float)sum : sum, id, start, true};
}

static double weight_of(const px_tokenizer *t, int32_t id, size_t bytes)
{
    if (pxi_token_type(t, id) == PXI_TOKEN_USER && t->inner_user)
        return (double)((float)bytes * (float)t->user_weight) - 0.1;
    return t->vocab.weight[id];
}

/* All tokens that begin at a place. */
static void extend(const px_tokenizer *t, struct pxi_place *places, px_view word, uint32_t start,
                   uint32_t one, double *margin)
{
    const struct pxi_trie *r = t->trie;
    double sum = places[start].sum;
    bool single = false;
    uint32_t node = 0;
    for (size_t at = start; at < word.n; at++) {
        unsigned steps = 0;
        const struct edge *e = edge_of(r, ((uint64_t)node << 8 | word.p[at]) + 1, &steps);
        if (!e->key)
            break;
        node = e->to;
        int32_t id = r->id[node];
        if (id < 0)
            continue;
        size_t bytes = at + 1 - start;
        single |= bytes == one;
        offer(t, &places[at + 1], weight_of(t, id, bytes) + sum, id, start, margin);
    }
    if (single)
        return;
    sum += t->unknown_weight;
    offer(t, &places[start + one], t->single_precision ? (double)(float)sum : sum, PX_TOKEN_NONE,
          start, margin);
}

/* The tokens of the best way, from its end: turned round. */
static void put_way(const px_tokenizer *t, struct pxi_place *places, px_view word,
                    struct pxi_ids *out)
{
    uint32_t next = 0, at = (uint32_t)word.n;
    while (at) { /* each place learns where the way goes on */
        uint32_t start = places[at].start;
        places[at].start = next;
        next = at;
        at = start;
    }
    for (uint32_t from = 0, to = next; to; from = to, to = places[to].start) {
        if (places[to].id >= 0)
            pxi_ids_add(out, places[to].id);
        else
            pxi_emit_unknown(t, px_view_of(word.p + from, to - from), out);
    }
}

bool pxi_unigram_word(const px_tokenizer *t, struct pxi_path *p, px_view word, struct pxi_ids *out,
                      struct pxi_unigram_result *r)
{
    if (!reserve(p, word.n + 1))
        return false;
    memset(p->places, 0, (word.n + 1) * sizeof *p->places);
    p->places[0] = (struct pxi_place){.sum = r->sum, .reached = true};
    r->margin = 1e30;
    for (size_t at = 0; at < word.n;) {
        uint32_t cp, n = pxi_utf8_next(word.p + at, word.n - at, &cp);
        extend(t, p->places, word, (uint32_t)at, n, &r->margin);
        at += n;
    }
    put_way(t, p->places, word, out);
    r->sum = p->places[word.n].sum;
    return true;
}
