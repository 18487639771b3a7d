/* Measures of a model as a whole: the digest of its logits, and its perplexity on a text. */
#include <string.h>

#include "base/diag.h"
#include "base/map.h"
#include "base/math.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/portable.h"
#include "plexus/model.h"

enum {
    DIGEST_TOKENS = 48,
    DIGEST_LANES = 4,
    DIGEST_BESIDE_MAX = 64,
    WINDOW_DEFAULT = 512,
    SCORE_TOKENS = 32, /* evaluated together when all their logits are wanted: bounds memory */
};

/* Tokens of a chunk, those of the other sequences between them. */
static size_t mixed_batch(px_batch_token *batch, struct pxi_rng *rngs, size_t n, uint32_t sequences,
                          uint32_t vocab)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        for (uint32_t s = 0; s < sequences; s++)
            batch[count++] = (px_batch_token){(int32_t)pxi_rng_below(&rngs[s], vocab), s, s == 0};
    return count;
}

static px_err digest_run(px_context *c, const px_digest_options *o, uint32_t vocab,
                         uint64_t hash[DIGEST_LANES])
{
    px_batch_token batch[DIGEST_TOKENS * (DIGEST_BESIDE_MAX + 1)];
    struct pxi_rng rngs[DIGEST_BESIDE_MAX + 1];
    size_t chunk = o->chunk ? pxi_min(o->chunk, DIGEST_TOKENS) : DIGEST_TOKENS;
    for (uint32_t s = 0; s <= o->beside; s++)
        rngs[s].state = 0x706c6578 + s;
    for (size_t at = 0; at < DIGEST_TOKENS; at += chunk) {
        size_t n = pxi_min(chunk, DIGEST_TOKENS - at);
        size_t count = mixed_batch(batch, rngs, n, o->beside + 1, vocab);
        px_err err = px_context_eval(c, batch, count);
        if (err != PX_ERR_OK)
            return err;
        for (size_t i = 0; i < n; i++)
            for (int lane = 0; lane < DIGEST_LANES; lane++)
                hash[lane] = pxi_hash64(px_context_logits(c, i), vocab * sizeof(float),
                                        hash[lane] + (uint64_t)lane);
    }
    return PX_ERR_OK;
}

px_err px_model_digest(const px_model *m, const px_digest_options *o, char out[PX_DIGEST_HEX],
                       px_diag *diag)
{
    static const char digits[] = "0123456789abcdef";
    px_digest_options full = {0};
    uint64_t hash[DIGEST_LANES] = {0};
    px_context *c;
    if (o)
        memcpy(&full, o, pxi_min(o->size ? o->size : sizeof full, sizeof full));
    if (full.beside > DIGEST_BESIDE_MAX) {
        pxi_diag_field(diag, "beside");
        return pxi_diag_set(diag, PX_ERR_INVALID, 0, "at most 64 sequences", "%u", full.beside);
    }
    px_context_options co = {.size = sizeof co,
                             .positions = DIGEST_TOKENS,
                             .sequences = full.beside + 1,
                             .threads = full.threads,
                             .cpu = full.cpu};
    px_err err = px_context_new(m, &co, &c, diag);
    if (err != PX_ERR_OK)
        return err;
    err = digest_run(c, &full, px_model_info_get(m)->vocab, hash);
    px_context_free(c);
    for (int i = 0; i < PX_DIGEST_HEX - 1; i++)
        out[i] = digits[hash[i / 16] >> (60 - 4 * (i % 16)) & 15];
    out[PX_DIGEST_HEX - 1] = 0;
    return err;
}

/* -ln of the probability of `token`. */
static double nll_of(const float *logits, uint32_t vocab, int32_t token)
{
    double sum = 0, max = (double)logits[0];
    for (uint32_t i = 1; i < vocab; i++)
        max = (double)logits[i] > max ? (double)logits[i] : max;
    for (uint32_t i = 0; i < vocab; i++)
        sum += pxi_f64_exp((double)logits[i] - max);
    return pxi_f64_log(sum) + max - (double)logits[token];
}

struct score {
    px_context *c;
    const px_perplexity_options *o;
    const int32_t *tokens;
    uint64_t n, predictions;
    uint32_t vocab;
    int32_t bos; /* PX_TOKEN_NONE when none is put before a window */
    double sum;
};

/* Evaluate `count` tokens whose first is at `at` in the text (-1: BOS) and score what follows. */
static px_err score_piece(struct score *s, int64_t at, size_t count, int64_t end)
{
    px_batch_token batch[SCORE_TOKENS];
    size_t wanted = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t here = at + (int64_t)i;
        int bos = s->bos != PX_TOKEN_NONE && i == 0 && px_context_length(s->c, 0) == 0;
        batch[i] = (px_batch_token){bos ? s->bos : s->tokens[here], 0, here + 1 < end};
    }
    px_err err = px_context_eval(s->c, batch, count);
    for (size_t i = 0; err == PX_ERR_OK && i < count; i++)
        if (batch[i].want) {
            const float *logits = px_context_logits(s->c, wanted++);
            s->sum += nll_of(logits, s->vocab, s->tokens[at + (int64_t)i + 1]);
            s->predictions++;
        }
    return err;
}

static px_err score_window(struct score *s, int64_t first, int64_t end)
{
    int64_t at = first - (s->bos != PX_TOKEN_NONE);
    px_context_truncate(s->c, 0, 0);
    while (at < end) {
        size_t count = (size_t)(end - at < SCORE_TOKENS ? end - at : SCORE_TOKENS);
        px_err err = score_piece(s, at, count, end);
        if (err != PX_ERR_OK)
            return err;
        at += (int64_t)count;
        if (s->o->progress && s->o->progress(s->o->progress_arg, (uint64_t)at, s->n))
            return PX_ERR_INTERRUPTED;
    }
    return PX_ERR_OK;
}

static px_err score_text(const px_model *m, struct score *s, px_perplexity *out, px_diag *diag)
{
    const px_tokenizer *t = px_model_tokenizer(m);
    const px_model_info *info = px_model_info_get(m);
    uint64_t window = s->o->window ? s->o->window : pxi_min(info->context_train, WINDOW_DEFAULT);
    px_context_options co = {.size = sizeof co,
                             .positions = (uint32_t)pxi_min(window + 1, UINT32_MAX),
                             .threads = s->o->threads,
                             .batch = SCORE_TOKENS,
                             .kv_type = s->o->kv_type,
                             .cpu = s->o->cpu};
    s->vocab = info->vocab;
    s->bos = px_tokenizer_add_bos(t) ? px_tokenizer_bos(t) : PX_TOKEN_NONE;
    px_err err = px_context_new(m, &co, &s->c, diag);
    for (uint64_t at = 0; err == PX_ERR_OK && at < s->n; at += window)
        err = score_window(s, (int64_t)at, (int64_t)pxi_min(s->n, at + window));
    px_context_free(s->c);
    if (err != PX_ERR_OK)
        return err;
    if (!s->predictions) {
        pxi_diag_field(diag, "text");
        return pxi_diag_set(diag, PX_ERR_INVALID, 0, "a text of two tokens or more", "%llu tokens",
                            (unsigned long long)s->n);
    }
    double nll = s->sum / (double)s->predictions;
    *out = (px_perplexity){s->n, s->predictions, nll, pxi_f64_exp(nll)};
    return PX_ERR_OK;
}

px_err px_model_perplexity(const px_model *m, px_view text, const px_perplexity_options *o,
                           px_perplexity *out, px_diag *diag)
{
    px_perplexity_options full = {0};
    size_t n = 0;
    if (o)
        memcpy(&full, o, pxi_min(o->size ? o->size : sizeof full, sizeof full));
    px_err err = px_tokenize(px_model_tokenizer(m), text, 0, NULL, 0, &n);
    if (err != PX_ERR_OK)
        return err;
    int32_t *tokens = pxi_calloc(n, sizeof *tokens);
    if (!tokens)
        return PX_ERR_NOMEM;
    struct score s = {.o = &full, .tokens = tokens, .n = n};
    err = px_tokenize(px_model_tokenizer(m), text, 0, tokens, n, &n);
    if (err == PX_ERR_OK)
        err = score_text(m, &s, out, diag);
    pxi_free(tokens);
    return err;
}
