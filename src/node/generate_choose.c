/* What comes between logits and a token. */
#include "node/generate_choose.h"

#include <math.h>

#include "base/mem.h"

/* Raw bytes of one token in the middle of a text: some tokenizers drop a blank at the beginning, so
 * it is decoded twice in a row and the second one counts. */
static px_err spell(const px_tokenizer *t, int32_t token, struct pxi_buf *out)
{
    static const size_t most = 65536;
    const int32_t two[2] = {token, token};
    char small[256], *p = small;
    size_t one, both;
    px_err err = px_detokenize(t, two, 1, 0, NULL, 0, &one);
    if (err == PX_ERR_OK)
        err = px_detokenize(t, two, 2, 0, small, sizeof small, &both);
    if (err != PX_ERR_OK || both > 2 * most)
        return PX_ERR_NOMEM;
    if (both > sizeof small) {
        p = pxi_calloc(1, both);
        if (!p)
            return PX_ERR_NOMEM;
        err = px_detokenize(t, two, 2, 0, p, both, &both);
    }
    if (err == PX_ERR_OK && !pxi_buf_add(out, p + one, both - one))
        err = PX_ERR_NOMEM;
    if (p != small)
        pxi_free(p);
    return err;
}

px_err pxi_spellings_make(struct pxi_spellings *s, const px_tokenizer *t)
{
    uint32_t n = px_tokenizer_size(t);
    struct pxi_buf bytes = {.max = 1u << 30};
    if (s->first)
        return PX_ERR_OK;
    uint32_t *first = pxi_calloc((size_t)n + 1, sizeof *first);
    px_err err = first ? PX_ERR_OK : PX_ERR_NOMEM;
    for (uint32_t i = 0; i < n && err == PX_ERR_OK; i++) {
        if (!px_tokenizer_is_control(t, (int32_t)i))
            err = spell(t, (int32_t)i, &bytes);
        first[i + 1] = (uint32_t)bytes.n;
    }
    if (err != PX_ERR_OK) {
        pxi_buf_deinit(&bytes);
        pxi_free(first);
        return err;
    }
    s->first = first;
    s->bytes = bytes.p;
    return PX_ERR_OK;
}

void pxi_spellings_deinit(struct pxi_spellings *s)
{
    pxi_free(s->first);
    pxi_free(s->bytes);
    *s = (struct pxi_spellings){0};
}

bool pxi_json_mask(const struct pxi_spellings *s, const px_tokenizer *t,
                   const struct pxi_json_state *state, const float *logits, float *out,
                   uint32_t vocab)
{
    bool complete = pxi_json_state_complete(state), any = false, may[256];
    for (unsigned b = 0; b < 256; b++) {
        struct pxi_json_state next = *state;
        uint8_t byte = (uint8_t)b;
        may[b] = pxi_json_state_add(&next, px_view_of(&byte, 1));
    }
    for (uint32_t i = 0; i < vocab; i++) {
        struct pxi_json_state next = *state;
        px_view v = px_view_of(s->bytes + s->first[i], s->first[i + 1] - s->first[i]);
        bool ok = complete ? px_tokenizer_is_end(t, (int32_t)i)
                           : v.n && may[v.p[0]] && pxi_json_state_add(&next, v);
        out[i] = ok ? logits[i] : -INFINITY;
        any |= ok;
    }
    return any;
}

static bool better(const float *logits, int32_t a, int32_t b)
{
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
}

float pxi_logprobs(const float *logits, uint32_t vocab, int32_t token, struct pxi_logprob *top,
                   uint32_t count)
{
    float most = -INFINITY;
    double sum = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < vocab; i++)
        most = logits[i] > most ? logits[i] : most;
    for (uint32_t i = 0; i < vocab; i++)
        sum += exp((double)(logits[i] - most));
    double shift = (double)most + log(sum);
    for (uint32_t i = 0; i < vocab && count; i++) {
        if (n == count && !better(logits, (int32_t)i, top[n - 1].token))
            continue;
        uint32_t at = n < count ? n++ : n - 1;
        for (; at && better(logits, (int32_t)i, top[at - 1].token); at--)
            top[at] = top[at - 1];
        top[at].token = (int32_t)i;
    }
    for (uint32_t i = 0; i < n; i++)
        top[i].logprob = (float)((double)logits[top[i].token] - shift);
    return (float)((double)logits[token] - shift);
}
