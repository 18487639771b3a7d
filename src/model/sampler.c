/*
 * Choosing the next token. Order of the steps: bias and penalties, top-k, top-p, min-p, then the
 * temperature and one draw. The vocabulary is never sorted: candidates are a heap, popped until
 * enough probability has been seen. Ties go to the lower id, so there is one order of candidates.
 */
#include "model/sampler.h"

#include <stdbool.h>
#include <string.h>

#include "base/limits.h"
#include "base/math.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/portable.h"

enum { WINDOW_DEFAULT = 64 };

struct candidate {
    float logit;
    int32_t token;
};

struct px_sampler {
    px_sampler_options o;
    px_logit_bias *bias;
    uint32_t vocab;
    struct pxi_rng rng;
    int32_t *window; /* ring of the last tokens */
    uint64_t seen;   /* tokens accepted so far */
    uint32_t *count; /* of each token in the window */
    float *logits;   /* after bias and penalties */
    struct candidate *heap;
    double *weight; /* of chosen candidates */
    struct candidate *chosen;
};

static bool finite_in(float x, float min, float max)
{
    return x >= min && x <= max;
}

static bool valid(const px_sampler_options *o, uint32_t vocab)
{
    for (size_t i = 0; i < o->bias_count; i++)
        if (o->bias[i].token < 0 || (uint32_t)o->bias[i].token >= vocab ||
            !(o->bias[i].bias <= 1e30f))
            return false;
    return vocab > 0 && vocab <= INT32_MAX && (o->bias || !o->bias_count) &&
           finite_in(o->temperature, 0, 1e6f) && finite_in(o->top_p, 0, 1) &&
           finite_in(o->min_p, 0, 1) && finite_in(o->repeat_penalty, 0, 1e6f) &&
           finite_in(o->presence_penalty, -1e6f, 1e6f) &&
           finite_in(o->frequency_penalty, -1e6f, 1e6f) &&
           o->penalty_window <= PXI_LIMIT_SAMPLER_WINDOW;
}

px_err px_sampler_new(const px_sampler_options *o, uint32_t vocab_size, px_sampler **out)
{
    px_sampler_options full = {0};
    *out = NULL;
    if (o)
        memcpy(&full, o, pxi_min(o->size ? o->size : sizeof full, sizeof full));
    if (!valid(&full, vocab_size))
        return PX_ERR_INVALID;
    if (!full.penalty_window)
        full.penalty_window = WINDOW_DEFAULT;
    px_sampler *s = pxi_calloc(1, sizeof *s);
    if (!s)
        return PX_ERR_NOMEM;
    *s = (px_sampler){.o = full, .vocab = vocab_size, .rng = {full.seed}};
    s->bias = pxi_calloc(full.bias_count, sizeof *s->bias);
    s->window = pxi_calloc(full.penalty_window, sizeof *s->window);
    s->count = pxi_calloc(vocab_size, sizeof *s->count);
    s->logits = pxi_calloc(vocab_size, sizeof *s->logits);
    s->heap = pxi_calloc(vocab_size, sizeof *s->heap);
    s->chosen = pxi_calloc(vocab_size, sizeof *s->chosen);
    s->weight = pxi_calloc(vocab_size, sizeof *s->weight);
    if (!s->bias || !s->window || !s->count || !s->logits || !s->heap || !s->chosen || !s->weight) {
        px_sampler_free(s);
        return PX_ERR_NOMEM;
    }
    if (full.bias_count)
        memcpy(s->bias, full.bias, full.bias_count * sizeof *s->bias);
    *out = s;
    return PX_ERR_OK;
}

void pxi_sampler_reset(px_sampler *s)
{
    s->rng = (struct pxi_rng){s->o.seed};
    s->seen = 0;
    memset(s->count, 0, s->vocab * sizeof *s->count);
}

void px_sampler_free(px_sampler *s)
{
    if (!s)
        return;
    pxi_free(s->bias);
    pxi_free(s->window);
    pxi_free(s->count);
    pxi_free(s->logits);
    pxi_free(s->heap);
    pxi_free(s->chosen);
    pxi_free(s->weight);
    pxi_free(s);
}

void px_sampler_accept(px_sampler *s, int32_t token)
{
    if (token < 0 || (uint32_t)token >= s->vocab)
        return;
    int32_t *slot = &s->window[s->seen % s->o.penalty_window];
    if (s->seen >= s->o.penalty_window)
        s->count[*slot]--;
    *slot = token;
    s->count[token]++;
    s->seen++;
}

void px_sampler_replay(px_sampler *s, int32_t token)
{
    if (s->o.temperature > 0)
        (void)pxi_rng_u64(&s->rng); /* the draw */
    px_sampler_accept(s, token);
}

static bool penalised(const px_sampler_options *o)
{
    return (o->repeat_penalty != 0 && o->repeat_penalty != 1) || o->presence_penalty != 0 ||
           o->frequency_penalty != 0;
}

static float penalty(const px_sampler_options *o, float logit, uint32_t count)
{
    if (o->repeat_penalty != 0)
        logit = logit > 0 ? logit / o->repeat_penalty : logit * o->repeat_penalty;
    logit -= o->frequency_penalty * (float)count;
    return logit - o->presence_penalty;
}

/* Each distinct token of the window once: its first occurrence pays, found by clearing the count.
 */
static void penalise(px_sampler *s)
{
    size_t n = (size_t)(s->seen < s->o.penalty_window ? s->seen : s->o.penalty_window);
    for (size_t i = 0; i < n; i++) {
        int32_t t = s->window[i];
        if (s->count[t])
            s->logits[t] = penalty(&s->o, s->logits[t], s->count[t]);
        s->count[t] = 0;
    }
    for (size_t i = 0; i < n; i++)
        s->count[s->window[i]]++;
}

/* The logits that count: those given when nothing changes them. */
static const float *adjust(px_sampler *s, const float *logits)
{
    if (!s->o.bias_count && !penalised(&s->o))
        return logits;
    memcpy(s->logits, logits, s->vocab * sizeof *logits);
    for (size_t i = 0; i < s->o.bias_count; i++)
        s->logits[s->bias[i].token] += s->bias[i].bias;
    if (penalised(&s->o))
        penalise(s);
    return s->logits;
}

static bool better(struct candidate a, struct candidate b)
{
    return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

static int32_t greedy(const float *logits, uint32_t n)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (logits[i] > logits[best] || (logits[best] != logits[best] && logits[i] == logits[i]))
            best = i;
    return (int32_t)best;
}

/* Heap whose root is the best (sign 1) or the worst (sign -1) candidate. */
static void sift(struct candidate *heap, size_t n, size_t i, int sign)
{
    struct candidate c = heap[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && (sign > 0 ? better(heap[child + 1], heap[child])
                                       : better(heap[child], heap[child + 1])))
            child++;
        if (!(sign > 0 ? better(heap[child], c) : better(c, heap[child])))
            break;
        heap[i] = heap[child];
    }
    heap[i] = c;
}

static void heapify(struct candidate *heap, size_t n, int sign)
{
    for (size_t i = n / 2; i-- > 0;)
        sift(heap, n, i, sign);
}

static struct candidate candidate_at(const float *logits, uint32_t i)
{
    float l = logits[i];
    return (struct candidate){l == l ? l : -__builtin_inff(), (int32_t)i};
}

/* The k best of the vocabulary as a heap with the best at the root. */
static size_t select_top(px_sampler *s, const float *logits)
{
    size_t k = s->o.top_k && s->o.top_k < s->vocab ? s->o.top_k : s->vocab;
    for (uint32_t i = 0; i < k; i++)
        s->heap[i] = candidate_at(logits, i);
    if (k < s->vocab)
        heapify(s->heap, k, -1);
    for (uint32_t i = (uint32_t)k; i < s->vocab; i++) {
        struct candidate c = candidate_at(logits, i);
        if (!better(c, s->heap[0]))
            continue;
        s->heap[0] = c;
        sift(s->heap, k, 0, -1);
    }
    heapify(s->heap, k, 1);
    return k;
}

/* e^x, or 0 where a sum with 1 would not notice: that many candidates cost nothing. */
static double weight_of(double x)
{
    return x > -40 ? pxi_f64_exp(x) : 0;
}

/* Without top-p the order does not matter: whoever passes min-p, the best first. */
static size_t filter(px_sampler *s, size_t n)
{
    double best = (double)s->heap[0].logit, min_p = (double)s->o.min_p;
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (i == 0 || min_p <= 0 || weight_of((double)s->heap[i].logit - best) >= min_p)
            s->chosen[kept++] = s->heap[i];
    return kept;
}

/* Candidates in order, best first, until top-p has had enough or min-p refuses the next. */
static size_t cut(px_sampler *s, size_t n)
{
    double best = (double)s->heap[0].logit, total = 0, taken = 0;
    size_t kept = 0;
    if (!(s->o.top_p > 0 && s->o.top_p < 1))
        return filter(s, n);
    for (size_t i = 0; i < n; i++)
        total += weight_of((double)s->heap[i].logit - best);
    for (; n && (!kept || taken < (double)s->o.top_p * total); n--) {
        double p = weight_of((double)s->heap[0].logit - best);
        if (kept && p < (double)s->o.min_p)
            break;
        s->chosen[kept++] = s->heap[0];
        taken += p;
        s->heap[0] = s->heap[n - 1];
        sift(s->heap, n - 1, 0, 1);
    }
    return kept;
}

static int32_t draw(px_sampler *s, size_t n)
{
    double best = (double)s->chosen[0].logit, total = 0;
    double u = (double)(pxi_rng_u64(&s->rng) >> 11) * 0x1p-53;
    for (size_t i = 0; i < n; i++) {
        double x = ((double)s->chosen[i].logit - best) / (double)s->o.temperature;
        total += s->weight[i] = weight_of(x);
    }
    u *= total;
    for (size_t i = 0; i < n; i++) {
        u -= s->weight[i];
        if (u < 0)
            return s->chosen[i].token;
    }
    return s->chosen[0].token;
}

int32_t px_sampler_next(px_sampler *s, const float *logits)
{
    const float *l = adjust(s, logits);
    int32_t token = s->o.temperature > 0 ? draw(s, cut(s, select_top(s, l))) : greedy(l, s->vocab);
    px_sampler_accept(s, token);
    return token;
}
