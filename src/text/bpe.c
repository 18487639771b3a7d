/*
 * Byte pair merges: symbols in a linked list, pairs that may merge in a heap. By rank, the pair of
 * lowest rank comes first, by score that with the highest score of its product; of equals the
 * leftmost. O(n log n) for any text.
 */
#include "text/tokenizer.h"

struct pxi_symbol {
    uint64_t hash;      /* by rank: of its spelling; by score: 1 when it never merges */
    int32_t prev, next; /* -1 at the ends */
    uint32_t at, n;     /* bytes of the piece; n is 0 once merged away */
};

struct pxi_pair {
    uint64_t key; /* order in the heap, smallest first: rank or score, then the left symbol */
    int32_t right;
    uint32_t n; /* bytes of both: when they differ, one of them has merged since */
};

void pxi_bpe_deinit(struct pxi_bpe *b)
{
    pxi_free(b->symbols);
    pxi_free(b->pairs);
    *b = (struct pxi_bpe){0};
}

static bool reserve(struct pxi_bpe *b, size_t symbols)
{
    /* A pair for each symbol but the first; a merge uses one up and brings at most two. */
    size_t pairs = symbols * 2;
    if (symbols > b->symbol_cap) {
        void *p = pxi_realloc(b->symbols, symbols, sizeof *b->symbols);
        if (!p)
            return false;
        b->symbols = p;
        b->symbol_cap = symbols;
    }
    if (pairs > b->pair_cap) {
        void *p = pxi_realloc(b->pairs, pairs, sizeof *b->pairs);
        if (!p)
            return false;
        b->pairs = p;
        b->pair_cap = pairs;
    }
    return true;
}

static void push(struct pxi_bpe *b, struct pxi_pair pair)
{
    size_t i = b->pair_count++;
    for (; i && b->pairs[(i - 1) / 2].key > pair.key; i = (i - 1) / 2)
        b->pairs[i] = b->pairs[(i - 1) / 2];
    b->pairs[i] = pair;
}

static struct pxi_pair pop(struct pxi_bpe *b)
{
    struct pxi_pair top = b->pairs[0], last = b->pairs[--b->pair_count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < b->pair_count; i = child) {
        if (child + 1 < b->pair_count && b->pairs[child + 1].key < b->pairs[child].key)
            child++;
        if (last.key <= b->pairs[child].key)
            break;
        b->pairs[i] = b->pairs[child];
    }
    b->pairs[i] = last;
    return top;
}

/* A number that is smaller for a higher score. */
static uint32_t score_key(float score)
{
    uint32_t bits;
    score += 0.0f; /* minus zero becomes zero */
    memcpy(&bits, &score, 4);
    return bits >> 31 ? bits : ~bits & 0x7fffffffu;
}

bool pxi_token_plain(const px_tokenizer *t, int32_t id)
{
    int type = id < 0 ? PXI_TOKEN_UNKNOWN : pxi_token_type(t, id);
    return type == PXI_TOKEN_NORMAL || type == PXI_TOKEN_USER || type == PXI_TOKEN_UNUSED;
}

static int32_t find_plain(const px_tokenizer *t, px_view text)
{
    int32_t id = pxi_vocab_find(&t->vocab, text);
    return pxi_token_plain(t, id) ? id : PX_TOKEN_NONE;
}

static px_view spelling(const struct pxi_symbol *s, px_view piece)
{
    return px_view_of(piece.p + s->at, s->n);
}

/* Where in the order of merges left and its neighbour come; -1 when they do not merge. */
static int64_t order_of(const px_tokenizer *t, px_view piece, const struct pxi_symbol *left,
                        const struct pxi_symbol *right)
{
    if (t->merging == PXI_BY_RANK)
        return pxi_merges_find(&t->merges, spelling(left, piece), left->hash,
                               spelling(right, piece), right->hash);
    if (left->hash || right->hash)
        return -1;
    int32_t id = find_plain(t, px_view_of(piece.p + left->at, left->n + right->n));
    return id < 0 ? -1 : (int64_t)score_key(t->vocab.score[id]);
}

static void consider(const px_tokenizer *t, struct pxi_bpe *b, px_view piece, int32_t left)
{
    int32_t right = left < 0 ? -1 : b->symbols[left].next;
    if (right < 0)
        return;
    const struct pxi_symbol *l = &b->symbols[left], *r = &b->symbols[right];
    int64_t order = order_of(t, piece, l, r);
    if (order >= 0)
        push(b, (struct pxi_pair){(uint64_t)order << 32 | (uint32_t)left, right, l->n + r->n});
}

static void merge_all(const px_tokenizer *t, struct pxi_bpe *b, px_view piece)
{
    while (b->pair_count) {
        struct pxi_pair pair = pop(b);
        int32_t left = (int32_t)(uint32_t)pair.key;
        struct pxi_symbol *l = &b->symbols[left], *r = &b->symbols[pair.right];
        if (!l->n || !r->n || l->n + r->n != pair.n)
            continue;
        l->n = pair.n;
        l->next = r->next;
        r->n = 0;
        if (l->next >= 0)
            b->symbols[l->next].prev = left;
        if (t->merging == PXI_BY_RANK)
            l->hash = pxi_vocab_hash(spelling(l, piece));
        consider(t, b, piece, l->prev);
        consider(t, b, piece, left);
    }
}

/* One symbol a character; user-defined tokens that are not cut out before are one, too. */
static size_t split(const px_tokenizer *t, struct pxi_bpe *b, px_view piece)
{
    const struct pxi_specials *users = t->inner_user ? &t->specials : NULL;
    size_t count = 0;
    for (size_t at = 0; at < piece.n; count++) {
        px_view rest = px_view_of(piece.p + at, piece.n - at);
        const struct pxi_special *user = NULL;
        uint32_t cp, n = 0;
        if (users && users->first[rest.p[0]] < users->first[rest.p[0] + 1])
            user = pxi_specials_match(t, users, rest, PXI_WANT_USER);
        n = user ? (uint32_t)user->text.n : pxi_utf8_next(rest.p, rest.n, &cp);
        struct pxi_symbol *s = &b->symbols[count];
        *s = (struct pxi_symbol){user != NULL, (int32_t)count - 1, (int32_t)count + 1, (uint32_t)at,
                                 n};
        if (t->merging == PXI_BY_RANK)
            s->hash = pxi_vocab_hash(spelling(s, piece));
        at += n;
    }
    b->symbols[count - 1].next = -1;
    return count;
}

void pxi_emit_unknown(const px_tokenizer *t, px_view character, struct pxi_ids *out)
{
    bool all = true;
    for (size_t i = 0; i < character.n; i++)
        all &= t->byte_id[character.p[i]] >= 0;
    if (all || !t->char_unknown)
        for (size_t i = 0; i < character.n; i++) {
            int32_t id = t->byte_id[character.p[i]];
            id = id < 0 ? t->unknown : id;
            if (id >= 0)
                pxi_ids_add(out, id);
        }
    else if (t->unknown >= 0)
        pxi_ids_add(out, t->unknown);
}

/* The token of a symbol; where there is none, those of its characters or their bytes. */
static void emit(const px_tokenizer *t, px_view text, struct pxi_ids *out)
{
    int32_t id = find_plain(t, text);
    for (size_t at = 0, n; id < 0 && at < text.n; at += n) {
        uint32_t cp;
        n = pxi_utf8_next(text.p + at, text.n - at, &cp);
        px_view character = px_view_of(text.p + at, n);
        int32_t one =
            n < text.n && t->merging == PXI_BY_RANK ? find_plain(t, character) : PX_TOKEN_NONE;
        if (one >= 0)
            pxi_ids_add(out, one);
        else
            pxi_emit_unknown(t, character, out);
    }
    if (id >= 0)
        pxi_ids_add(out, id);
}

bool pxi_bpe_word(const px_tokenizer *t, struct pxi_bpe *b, px_view word, struct pxi_ids *out)
{
    if (!word.n)
        return true;
    if (!reserve(b, word.n))
        return false;
    size_t count = split(t, b, word);
    b->pair_count = 0;
    for (size_t i = 0; i + 1 < count; i++)
        consider(t, b, word, (int32_t)i);
    merge_all(t, b, word);
    for (int32_t i = 0; i >= 0; i = b->symbols[i].next)
        emit(t, spelling(&b->symbols[i], word), out);
    return true;
}
