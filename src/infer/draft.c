#include "infer/draft.h"

#include <stdbool.h>

#include "base/math.h"
#include "codec/stage.h"

enum { LONGEST = 8 };

static bool same(uint32_t a, uint32_t b)
{
    return !((a ^ b) & PXI_STAGE_TOKEN);
}

/* How many words before `list[at]` are the last ones of `words`. */
static uint32_t common(const uint32_t *list, uint32_t at, const uint32_t *words, uint32_t n)
{
    uint32_t most = (uint32_t)pxi_min(pxi_min(at, n), LONGEST), k = 0;
    while (k < most && same(list[at - 1 - k], words[n - 1 - k]))
        k++;
    return k;
}

/* The newest place of the longest run; 0 when there is none longer than *longest. */
static uint32_t place(const uint32_t *list, uint32_t end, const uint32_t *words, uint32_t n,
                      uint32_t *longest)
{
    uint32_t best = 0;
    for (uint32_t at = end; at-- > 1 && *longest < LONGEST;) {
        uint32_t k = common(list, at, words, n);
        if (k > *longest) {
            *longest = k;
            best = at;
        }
    }
    return best;
}

uint32_t pxi_draft_lookup(const uint32_t *words, uint32_t n, const uint32_t *older,
                          uint32_t older_n, uint32_t *out, uint32_t max)
{
    uint32_t longest = 0, end = n, k = 0;
    const uint32_t *list = words;
    uint32_t at = place(words, n, words, n, &longest);
    uint32_t other = place(older, older_n, words, n, &longest);
    if (other) {
        at = other;
        list = older;
        end = older_n;
    }
    for (; at && k < max && at + k < end; k++)
        out[k] = list[at + k] & PXI_STAGE_TOKEN;
    return k;
}

void pxi_draft_learn(struct pxi_draft_pace *p, uint32_t drafted, uint32_t accepted)
{
    const float keep = 0.9f;
    if (!drafted)
        return;
    p->hits = p->hits * keep + (float)accepted;
    p->tries = p->tries * keep + (float)(accepted < drafted ? accepted + 1 : accepted);
}

uint32_t pxi_draft_length(const struct pxi_draft_pace *p, uint32_t max)
{
    /* As if three of four had come true before the first. */
    float each = (p->hits + 3) / (p->tries + 4), all = each;
    uint32_t k = 0;
    while (k < max && (k == 0 || all >= 0.125f)) {
        k++;
        all *= each;
    }
    return k;
}
