/* Schedules of sources. */
#include "data/mix.h"

#include <string.h>

#include "base/mem.h"

enum { PERIOD = 1 << 20, PERIOD_MANY = 1 << 16, MANY = 16, STEP = 1024 };

/* From draw `first` on: the sources that are left, period after period. */
struct phase {
    uint64_t first, end;
    uint64_t *before;  /* draws of each source before `first` */
    uint64_t *weights; /* their sum is the period; 0: through */
    uint64_t period;
    uint8_t *source; /* of each draw of a period */
    uint32_t *upto;  /* [step * k + i]: draws of i in the first step * STEP draws of a period */
};

struct pxi_mix {
    unsigned k, phases;
    bool rounded;
    uint64_t *samples;
    bool *once;
    struct phase *phase; /* k at most */
};

static uint64_t divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* Weights that sum up to at most `most`, in the same proportions where that is possible. Returns
 * whether it was not. */
static bool reduce(uint64_t *w, unsigned k, uint64_t most)
{
    uint64_t common = 0;
    unsigned __int128 sum = 0;
    for (unsigned i = 0; i < k; i++)
        common = divisor(w[i], common);
    for (unsigned i = 0; i < k; i++)
        sum += w[i] = common ? w[i] / common : 0;
    if (sum <= most)
        return false;
    for (unsigned i = 0; i < k; i++)
        if (w[i]) {
            w[i] = (uint64_t)(((unsigned __int128)w[i] * (most - k) + sum / 2) / sum);
            w[i] += !w[i];
        }
    return true;
}

/* The source of draw n (from 1) of a period, given the draws of each so far. Exact: all is
 * multiplied by the period and by 2 k - 2. */
static unsigned elect(const struct phase *p, unsigned k, const uint64_t *count, uint64_t n)
{
    uint64_t unit = k > 1 ? 2 * (uint64_t)k - 2 : 1, slack = k > 1 ? 1 : 0;
    unsigned best = k;
    __int128 best_top = 0, best_weight = 1;
    for (unsigned i = 0; i < k; i++) {
        __int128 w = p->weights[i];
        if (!w ||
            ((__int128)n * w - (__int128)count[i] * p->period) * unit < (__int128)slack * p->period)
            continue;
        __int128 top = (__int128)(count[i] + 1) * unit - slack; /* its deadline is top / w */
        if (best == k || top * best_weight < best_top * w) {
            best = i;
            best_top = top;
            best_weight = w;
        }
    }
    return best;
}

static px_err schedule(struct phase *p, unsigned k)
{
    uint64_t count[PXI_MIX_SOURCES] = {0};
    p->period = 0;
    for (unsigned i = 0; i < k; i++)
        p->period += p->weights[i];
    p->source = pxi_calloc(p->period, 1);
    p->upto = pxi_calloc((p->period / STEP + 1) * k, sizeof *p->upto);
    if (!p->source || !p->upto)
        return PX_ERR_NOMEM;
    for (uint64_t n = 0; n < p->period; n++) {
        for (unsigned i = 0; n % STEP == 0 && i < k; i++)
            p->upto[n / STEP * k + i] = (uint32_t)count[i];
        unsigned i = elect(p, k, count, n + 1);
        p->source[n] = (uint8_t)i;
        count[i]++;
    }
    for (unsigned i = 0; p->period % STEP == 0 && i < k; i++)
        p->upto[p->period / STEP * k + i] = (uint32_t)count[i];
    return PX_ERR_OK;
}

/* Draws of source i among the first n of a phase. */
static uint64_t count_in(const struct phase *p, unsigned k, unsigned i, uint64_t n)
{
    uint64_t rest = n % p->period, c = n / p->period * p->weights[i];
    c += p->upto[rest / STEP * k + i];
    for (uint64_t at = rest / STEP * STEP; at < rest; at++)
        c += p->source[at] == i;
    return c;
}

/* The least n for which source i has `want` > 0 draws among the first n of a phase. */
static uint64_t reach(const struct phase *p, unsigned k, unsigned i, uint64_t want)
{
    uint64_t periods = (want - 1) / p->weights[i], low = 0, high = p->period;
    want -= periods * p->weights[i];
    while (high - low > 1) {
        uint64_t mid = low + (high - low) / 2;
        if (count_in(p, k, i, mid) >= want)
            high = mid;
        else
            low = mid;
    }
    return periods * p->period + high;
}

/* Where the phase ends: with the first source that is through, or never. */
static uint64_t phase_end(const struct pxi_mix *m, const struct phase *p, unsigned *through)
{
    uint64_t end = UINT64_MAX;
    for (unsigned i = 0; i < m->k; i++)
        if (m->once[i] && p->weights[i]) {
            uint64_t n = reach(p, m->k, i, m->samples[i] - p->before[i]);
            if (n < end - p->first) {
                end = p->first + n;
                *through = i;
            }
        }
    return end;
}

static px_err phase_new(struct pxi_mix *m, struct phase *p, uint64_t *weights)
{
    p->before = pxi_calloc(m->k, sizeof *p->before);
    p->weights = pxi_calloc(m->k, sizeof *p->weights);
    if (!p->before || !p->weights)
        return PX_ERR_NOMEM;
    memcpy(p->weights, weights, m->k * sizeof *weights);
    m->rounded |= reduce(p->weights, m->k, m->k > MANY ? PERIOD_MANY : PERIOD);
    return schedule(p, m->k);
}

static px_err build(struct pxi_mix *m, const struct pxi_mix_source *sources)
{
    uint64_t weights[PXI_MIX_SOURCES], first = 0;
    unsigned left = m->k, through = 0;
    for (unsigned i = 0; i < m->k; i++)
        weights[i] = sources[i].weight;
    while (left && first < UINT64_MAX) {
        struct phase *p = &m->phase[m->phases++], *last = p - 1;
        px_err err = phase_new(m, p, weights);
        if (err)
            return err;
        p->first = first;
        for (unsigned i = 0; first && i < m->k; i++)
            p->before[i] = last->before[i] + count_in(last, m->k, i, first - last->first);
        first = p->end = phase_end(m, p, &through);
        weights[through] = 0;
        left--;
    }
    return PX_ERR_OK;
}

px_err pxi_mix_new(const struct pxi_mix_source *sources, unsigned k, struct pxi_mix **out)
{
    *out = NULL;
    if (!k || k > PXI_MIX_SOURCES)
        return PX_ERR_INVALID;
    for (unsigned i = 0; i < k; i++)
        if (!sources[i].weight || !sources[i].samples)
            return PX_ERR_INVALID;
    struct pxi_mix *m = pxi_calloc(1, sizeof *m);
    if (!m)
        return PX_ERR_NOMEM;
    m->k = k;
    m->samples = pxi_calloc(k, sizeof *m->samples);
    m->once = pxi_calloc(k, sizeof *m->once);
    m->phase = pxi_calloc(k, sizeof *m->phase);
    px_err err = m->samples && m->once && m->phase ? PX_ERR_OK : PX_ERR_NOMEM;
    for (unsigned i = 0; !err && i < k; i++) {
        m->samples[i] = sources[i].samples;
        m->once[i] = sources[i].once;
    }
    if (!err)
        err = build(m, sources);
    if (err)
        pxi_mix_free(m);
    else
        *out = m;
    return err;
}

void pxi_mix_free(struct pxi_mix *m)
{
    if (!m)
        return;
    for (unsigned i = 0; i < m->phases; i++) {
        pxi_free(m->phase[i].before);
        pxi_free(m->phase[i].weights);
        pxi_free(m->phase[i].source);
        pxi_free(m->phase[i].upto);
    }
    pxi_free(m->samples);
    pxi_free(m->once);
    pxi_free(m->phase);
    pxi_free(m);
}

uint64_t pxi_mix_draws(const struct pxi_mix *m)
{
    return m->phase[m->phases - 1].end;
}

/* The phase of draw p; the last one for what comes after all. */
static const struct phase *phase_of(const struct pxi_mix *m, uint64_t p)
{
    unsigned i = 0;
    while (i + 1 < m->phases && p >= m->phase[i].end)
        i++;
    return &m->phase[i];
}

uint64_t pxi_mix_count(const struct pxi_mix *m, unsigned i, uint64_t p)
{
    const struct phase *f = phase_of(m, p);
    return f->before[i] + count_in(f, m->k, i, p - f->first);
}

unsigned pxi_mix_at(const struct pxi_mix *m, uint64_t p, uint64_t *nth)
{
    const struct phase *f = phase_of(m, p);
    unsigned i = f->source[(p - f->first) % f->period];
    *nth = f->before[i] + count_in(f, m->k, i, p - f->first);
    return i;
}

uint64_t pxi_mix_weight(const struct pxi_mix *m, unsigned i, uint64_t *sum, bool *rounded)
{
    *sum = m->phase[0].period;
    *rounded = m->rounded;
    return m->phase[0].weights[i];
}
