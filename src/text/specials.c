/*
 * Spellings that are cut out of a text before the tokenizer proper: user-defined tokens always,
 * control and unknown tokens on request. The leftmost match counts, of those the longest.
 */
#include "base/diag.h"
#include "base/limits.h"
#include "text/tokenizer.h"

static int compare(const px_tokenizer *t, int32_t a, int32_t b)
{
    px_view x = t->vocab.text[a], y = t->vocab.text[b];
    int order = memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);
    return order ? order : (x.n > y.n) - (x.n < y.n);
}

static void sift(const px_tokenizer *t, int32_t *ids, uint32_t at, uint32_t n)
{
    for (uint32_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && compare(t, ids[child], ids[child + 1]) < 0)
            child++;
        if (compare(t, ids[at], ids[child]) >= 0)
            return;
        int32_t swap = ids[at];
        ids[at] = ids[child];
        ids[child] = swap;
    }
}

static void heap_sort(const px_tokenizer *t, int32_t *ids, uint32_t n)
{
    for (uint32_t i = n / 2; i-- > 0;)
        sift(t, ids, i, n);
    for (uint32_t i = n; i-- > 1;) {
        int32_t swap = ids[0];
        ids[0] = ids[i];
        ids[i] = swap;
        sift(t, ids, 0, i);
    }
}

static bool is_special(const px_tokenizer *t, uint32_t id)
{
    int type = pxi_token_type(t, (int32_t)id);
    return t->vocab.text[id].n &&
           (type == PXI_TOKEN_USER || type == PXI_TOKEN_CONTROL || type == PXI_TOKEN_UNKNOWN);
}

px_err pxi_specials_init(px_tokenizer *t, px_diag *diag)
{
    struct pxi_specials *s = &t->specials;
    uint32_t n = 0, at = 0;
    for (uint32_t i = 0; i < t->vocab.count; i++)
        n += is_special(t, i);
    s->ids = pxi_arena_alloc(&t->arena, n, sizeof *s->ids);
    if (!s->ids)
        return PX_ERR_NOMEM;
    for (uint32_t i = 0; i < t->vocab.count; i++) {
        if (!is_special(t, i))
            continue;
        if (t->vocab.text[i].n > PXI_LIMIT_TOKENIZER_SPECIAL_BYTES) {
            pxi_diag_field(diag, "tokenizer.ggml.tokens[%u]", (unsigned)i);
            return pxi_diag_set(diag, PX_ERR_LIMIT, 0, "a special token of at most 1024 bytes",
                                "%llu bytes", (unsigned long long)t->vocab.text[i].n);
        }
        s->ids[s->count++] = (int32_t)i;
    }
    heap_sort(t, s->ids, n);
    for (unsigned byte = 0; byte <= 256; byte++) {
        while (at < n && t->vocab.text[s->ids[at]].p[0] < byte)
            at++;
        s->first[byte] = at;
    }
    return PX_ERR_OK;
}

/* First of ids[lo, hi), which agree in `depth` bytes, whose next byte is at least `byte`. */
static uint32_t lower(const px_tokenizer *t, uint32_t lo, uint32_t hi, size_t depth, unsigned byte)
{
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        px_view text = t->vocab.text[t->specials.ids[mid]];
        if (text.n <= depth || text.p[depth] < byte)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

int32_t pxi_specials_match(const px_tokenizer *t, px_view text, bool control)
{
    int32_t best = PX_TOKEN_NONE;
    uint32_t lo = t->specials.first[text.p[0]], hi = t->specials.first[text.p[0] + 1];
    for (size_t depth = 1; lo < hi; depth++) {
        int32_t id = t->specials.ids[lo]; /* the shortest comes first */
        if (t->vocab.text[id].n == depth && (control || pxi_token_type(t, id) == PXI_TOKEN_USER))
            best = id;
        if (depth >= text.n)
            break;
        lo = lower(t, lo, hi, depth, text.p[depth]);
        hi = lower(t, lo, hi, depth, text.p[depth] + 1u);
    }
    return best;
}
