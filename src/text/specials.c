/*
 * Spellings that are cut out of a text before the tokenizer proper: user-defined tokens always,
 * control and unknown tokens on request. The leftmost match counts, of those the longest.
 */
#include "base/diag.h"
#include "base/limits.h"
#include "text/tokenizer.h"

static int compare(const struct pxi_special *a, const struct pxi_special *b)
{
    px_view x = a->text, y = b->text;
    int order = memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);
    return order ? order : (x.n > y.n) - (x.n < y.n);
}

static void sift(struct pxi_special *list, uint32_t at, uint32_t n)
{
    for (uint32_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && compare(&list[child], &list[child + 1]) < 0)
            child++;
        if (compare(&list[at], &list[child]) >= 0)
            return;
        struct pxi_special swap = list[at];
        list[at] = list[child];
        list[child] = swap;
    }
}

static void heap_sort(struct pxi_special *list, uint32_t n)
{
    for (uint32_t i = n / 2; i-- > 0;)
        sift(list, i, n);
    for (uint32_t i = n; i-- > 1;) {
        struct pxi_special swap = list[0];
        list[0] = list[i];
        list[i] = swap;
        sift(list, 0, i);
    }
}

static bool is_special(const px_tokenizer *t, uint32_t id)
{
    int type = pxi_token_type(t, (int32_t)id);
    return t->vocab.text[id].n &&
           (type == PXI_TOKEN_USER || type == PXI_TOKEN_CONTROL || type == PXI_TOKEN_UNKNOWN);
}

px_err pxi_specials_sort(struct pxi_specials *s, const char *origin, px_diag *diag)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < s->count; i++)
        if (s->list[i].text.n > PXI_LIMIT_TOKENIZER_SPECIAL_BYTES) {
            pxi_diag_field(diag, "%s[%u]", origin, (unsigned)s->list[i].id);
            return pxi_diag_set(diag, PX_ERR_LIMIT, 0, "a special token of at most 1024 bytes",
                                "%llu bytes", (unsigned long long)s->list[i].text.n);
        }
    heap_sort(s->list, s->count);
    for (unsigned byte = 0; byte <= 256; byte++) {
        while (at < s->count && s->list[at].text.p[0] < byte)
            at++;
        s->first[byte] = at;
    }
    return PX_ERR_OK;
}

px_err pxi_specials_init(px_tokenizer *t, px_diag *diag)
{
    struct pxi_specials *s = &t->specials;
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->vocab.count; i++)
        n += is_special(t, i);
    s->list = pxi_arena_alloc(&t->arena, n, sizeof *s->list);
    if (!s->list)
        return PX_ERR_NOMEM;
    for (uint32_t i = 0; i < t->vocab.count; i++)
        if (is_special(t, i))
            s->list[s->count++] = (struct pxi_special){t->vocab.text[i], (int32_t)i, 0};
    return pxi_specials_sort(s, t->vocab.origin, diag);
}

/* First of list[lo, hi), which agree in `depth` bytes, whose next byte is at least `byte`. */
static uint32_t lower(const struct pxi_specials *s, uint32_t lo, uint32_t hi, size_t depth,
                      unsigned byte)
{
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        px_view text = s->list[mid].text;
        if (text.n <= depth || text.p[depth] < byte)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct pxi_special *pxi_specials_match(const px_tokenizer *t, const struct pxi_specials *s,
                                             px_view text, unsigned wanted)
{
    const struct pxi_special *best = NULL;
    uint32_t lo = s->first[text.p[0]], hi = s->first[text.p[0] + 1];
    for (size_t depth = 1; lo < hi; depth++) {
        const struct pxi_special *one = &s->list[lo]; /* the shortest comes first */
        bool user = pxi_token_type(t, one->id) == PXI_TOKEN_USER;
        if (one->text.n == depth && wanted & (user ? PXI_WANT_USER : PXI_WANT_CONTROL))
            best = one;
        if (depth >= text.n)
            break;
        lo = lower(s, lo, hi, depth, text.p[depth]);
        hi = lower(s, lo, hi, depth, text.p[depth] + 1u);
    }
    return best;
}
