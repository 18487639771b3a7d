#include "plexus/poison.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "codec/gradient.h"
#include "kernel/kernel.h"
#include "node/poison.h"

enum { D = PXI_DIGITS_PARAMETERS, TRAIN = 6000, TEST = 2000, ROOT = 100, PADDED = (D + 15) & ~15 };

static const float momentum = 0.9f, first_step = 1;

struct training {
    const struct pxi_poison_run *run;
    const px_poison_data *data;
    struct pxi_rng rng[PXI_POISON_WORKERS + 1]; /* the last: of the attackers */
    uint32_t *own;                              /* skewed: own_n pictures of each worker */
    unsigned own_n;
    float w[D], g[D], last[D], out[D], root[D], mean[D], deviation[D], tried[D];
    float *vectors; /* of which the next are parts */
    float *v[PXI_POISON_WORKERS], *sent[PXI_POISON_WORKERS], *residual[PXI_POISON_WORKERS];
    struct pxi_poison_slots *slots;
    struct pxi_robust *robust;
    struct pxi_kernels kernels;
};

px_poison_data *px_poison_data_new(uint64_t seed)
{
    px_poison_data *d = pxi_calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->seed = seed;
    if (pxi_digits_draw(&d->train, TRAIN, 3 * seed) &&
        pxi_digits_draw(&d->test, TEST, 3 * seed + 1) &&
        pxi_digits_draw(&d->root, ROOT, 3 * seed + 2))
        return d;
    px_poison_data_free(d);
    return NULL;
}

void px_poison_data_free(px_poison_data *d)
{
    if (!d)
        return;
    pxi_digits_free(&d->train);
    pxi_digits_free(&d->test);
    pxi_digits_free(&d->root);
    pxi_free(d);
}

/* ------------------------------------------------------------------ names */

static const struct pxi_poison_rule packets[] = {{"mean", PX_SENTRY_NONE, true, NULL},
                                                 {"welford", PX_SENTRY_WELFORD, true, NULL},
                                                 {"clip1", PX_SENTRY_CLIP1, true, NULL}};
enum { PACKETS = sizeof packets / sizeof *packets };

/* Those of packets, then those of whole vectors but for the mean, which is the first there. */
const char *px_poison_rule(unsigned i)
{
    unsigned vectors = i - PACKETS + 1;
    if (i < PACKETS)
        return packets[i].name;
    return vectors < pxi_robust_rule_count ? pxi_robust_rules[vectors].name : NULL;
}

const char *px_poison_attack(unsigned i)
{
    return i < pxi_poison_attack_count ? pxi_poison_attacks[i].name : NULL;
}

static bool find_rule(const char *name, struct pxi_poison_rule *out)
{
    for (unsigned i = 0; i < PACKETS; i++)
        if (strcmp(packets[i].name, name) == 0) {
            *out = packets[i];
            return true;
        }
    *out = (struct pxi_poison_rule){.name = name, .robust = pxi_robust_find(name)};
    return out->robust != NULL;
}

static bool find_attack(const char *name, unsigned *out)
{
    for (*out = 0; *out < pxi_poison_attack_count; ++*out)
        if (strcmp(pxi_poison_attacks[*out].name, name) == 0)
            return true;
    return false;
}

/* ---------------------------------------------------------------- workers */

/* Two shards of one digit each for a worker: pictures in the order of their digits, cut into 2 n
 * shards that are dealt out. */
static bool deal(struct training *t)
{
    unsigned n = t->run->n, shards = 2 * n, each = TRAIN / shards, cards[2 * PXI_POISON_WORKERS];
    struct pxi_rng r = {t->run->seed * 31 + 5};
    for (unsigned i = 0; i < shards; i++) {
        unsigned j = (unsigned)pxi_rng_below(&r, i + 1);
        cards[i] = cards[j];
        cards[j] = i;
    }
    t->own_n = 2 * each;
    t->own = pxi_calloc((size_t)n * t->own_n, sizeof *t->own);
    if (!t->own)
        return false;
    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; k < t->own_n; k++) {
            unsigned at = cards[2 * i + k / each] * each + k % each; /* in the order of digits */
            t->own[i * t->own_n + k] = at % (TRAIN / PXI_DIGITS_CLASSES) * PXI_DIGITS_CLASSES +
                                       at / (TRAIN / PXI_DIGITS_CLASSES);
        }
    }
    return true;
}

static void end(struct training *t)
{
    pxi_free(t->vectors);
    pxi_free(t->own);
    pxi_poison_slots_free(t->slots);
    pxi_robust_free(t->robust);
    pxi_free(t);
}

static px_err start(const struct pxi_poison_run *run, const px_poison_data *d,
                    struct training **out)
{
    struct training *t = pxi_calloc(1, sizeof *t);
    px_diag diag = {0};
    px_err err = PX_ERR_OK;
    if (!t)
        return PX_ERR_NOMEM;
    t->run = run;
    t->data = d;
    for (unsigned i = 0; i <= PXI_POISON_WORKERS; i++)
        t->rng[i].state = (run->seed * 1000 + i) * 0x9e3779b97f4a7c15u;
    t->vectors = pxi_calloc((size_t)3 * run->n * PADDED, sizeof(float));
    for (unsigned i = 0; i < run->n && t->vectors; i++) {
        t->v[i] = t->vectors + (size_t)3 * i * PADDED;
        t->sent[i] = t->v[i] + PADDED;
        t->residual[i] = t->sent[i] + PADDED;
    }
    pxi_kernels_init(&t->kernels, pxi_cpu_detect());
    pxi_digits_begin(t->w, run->seed);
    if (run->rule.slots)
        err = pxi_poison_slots_new(run, &t->slots, &diag);
    else
        t->robust = pxi_robust_new(run->n);
    *out = t;
    if (t->vectors && (t->slots || t->robust) && (!run->skewed || deal(t)))
        return PX_ERR_OK;
    end(t);
    return err ? err : PX_ERR_NOMEM;
}

static void blend(float *m, const float *g)
{
    for (int j = 0; j < D; j++)
        m[j] = momentum * m[j] + (1 - momentum) * g[j];
}

/* A worker's vector of this round: its momentum. */
static void step(struct training *t, unsigned i)
{
    bool liar = i >= t->run->n - t->run->f;
    uint32_t pick[PXI_POISON_BATCH];
    for (int k = 0; k < PXI_POISON_BATCH; k++)
        pick[k] = t->own_n ? t->own[i * t->own_n + pxi_rng_below(&t->rng[i], t->own_n)]
                           : (uint32_t)pxi_rng_below(&t->rng[i], TRAIN);
    pxi_digits_gradient(t->w, &t->data->train, pick, PXI_POISON_BATCH,
                        liar && pxi_poison_attacks[t->run->attack].labels, t->g);
    blend(t->v[i], t->g);
}

static void root_step(struct training *t, unsigned round)
{
    uint32_t pick[PXI_DIGITS_BATCH];
    for (unsigned k = 0; k < PXI_DIGITS_BATCH; k++)
        pick[k] = (round * PXI_DIGITS_BATCH + k) % ROOT;
    pxi_digits_gradient(t->w, &t->data->root, pick, PXI_DIGITS_BATCH, 0, t->g);
    blend(t->root, t->g);
}

/* Mean and deviation of what the honest send. */
static void look(struct training *t)
{
    unsigned honest = t->run->n - t->run->f;
    memset(t->mean, 0, sizeof t->mean);
    memset(t->deviation, 0, sizeof t->deviation);
    for (unsigned i = 0; i < honest; i++)
        for (int j = 0; j < D; j++)
            t->mean[j] += t->v[i][j] / (float)honest;
    for (unsigned i = 0; i < honest; i++)
        for (int j = 0; j < D; j++)
            t->deviation[j] += (t->v[i][j] - t->mean[j]) * (t->v[i][j] - t->mean[j]);
    for (int j = 0; j < D; j++)
        t->deviation[j] = sqrtf(t->deviation[j] / (float)honest);
}

/* What comes out of a worker's packets: 16 bits, a scale for each chunk, the rest is owed. */
static void wire(struct training *t, unsigned i, float *owed, float *v)
{
    static const int bits = 10;
    uint8_t q[2 * PXI_POISON_CHUNK];
    for (int at = 0; at < PADDED; at += PXI_POISON_CHUNK) {
        size_t n = PADDED - at < PXI_POISON_CHUNK ? PADDED - at : PXI_POISON_CHUNK;
        uint32_t top = t->kernels.grad_max(v + at, owed ? owed + at : NULL, n);
        int e = (int)(top >> 23) - 126;
        if (top >= 0x7f800000u) /* not finite: refused where it would enter */
            return;
        struct pxi_grad g = {.scale = ldexpf(1, bits - e),
                             .unscale = ldexpf(1, e - bits),
                             .top = ldexpf(1, bits),
                             .bias = pxi_gradient_bias(PX_GRADIENT_I16, t->run->n)};
        if (e < -90) /* all zeros */
            g.scale = g.unscale = 0;
        g.zero = g.bias;
        t->kernels.grad_quant[PX_GRADIENT_I16](q, owed ? owed + at : NULL, v + at, n, &g);
        t->kernels.grad_dequant[PX_GRADIENT_I16](v + at, q, n, &g);
    }
}

static void run_rule(struct training *t, float *out)
{
    const struct pxi_poison_run *r = t->run;
    struct pxi_robust_in in = {.v = (const float *const *)t->sent,
                               .n = r->n,
                               .d = D,
                               .f = r->f,
                               .last = t->last,
                               .root = t->root};
    pxi_robust_run(t->robust, r->rule.robust, &in, out);
}

/* For attackers that search: what one vector from all of them does to the result. */
static double gain(void *of, const float *sent)
{
    struct training *t = of;
    double sum = 0;
    for (unsigned i = 0; i < t->run->n; i++)
        memcpy(t->sent[i], i < t->run->n - t->run->f ? t->v[i] : sent, D * sizeof *sent);
    run_rule(t, t->tried);
    for (int j = 0; j < D; j++)
        sum += ((double)t->mean[j] - (double)t->tried[j]) * (double)t->mean[j];
    return sum;
}

/* What attackers send in place of their own. */
static void attack(struct training *t, struct pxi_poison_view *a, unsigned round)
{
    const struct pxi_poison_attack *kind = &pxi_poison_attacks[t->run->attack];
    unsigned n = t->run->n, honest = n - t->run->f;
    if (honest == n || !kind->make)
        return;
    if (kind->knows)
        look(t);
    a->round = round;
    kind->make(a, t->out);
    for (unsigned i = honest; i < n; i++)
        memcpy(t->v[i], t->out, D * sizeof(float));
}

/* False: the training is ruined. */
static bool reduce(struct training *t)
{
    const struct pxi_poison_run *r = t->run;
    if (r->rule.slots) {
        return pxi_poison_slots_reduce(t->slots, t->v, t->last);
    }
    for (unsigned i = 0; i < r->n; i++) {
        memcpy(t->sent[i], t->v[i], D * sizeof(float));
        if (!r->exact)
            wire(t, i, i < r->n - r->f ? t->residual[i] : NULL, t->sent[i]);
    }
    run_rule(t, t->out);
    memcpy(t->last, t->out, sizeof t->last);
    return true;
}

static void train(struct training *t)
{
    const struct pxi_poison_run *run = t->run;
    struct pxi_poison_view view = {.run = run,
                                   .v = t->v,
                                   .last = t->last,
                                   .rng = &t->rng[PXI_POISON_WORKERS],
                                   .mean = t->mean,
                                   .deviation = t->deviation,
                                   .gain = run->rule.slots ? NULL : gain,
                                   .of = t};
    unsigned makes = pxi_poison_attacks[run->attack].make ? run->n - run->f : run->n;
    for (unsigned round = 0; round < run->rounds; round++) {
        float part = (float)round / (float)run->rounds;
        float lr = first_step * 0.5f * (1 + cosf(3.14159265f * part));
        for (unsigned i = 0; i < makes; i++)
            step(t, i);
        if (run->rule.robust && run->rule.robust->needs_root)
            root_step(t, round);
        attack(t, &view, round);
        if (!reduce(t))
            return;
        for (int j = 0; j < D; j++)
            t->w[j] -= lr * t->last[j];
    }
}

px_err px_poison_train(const px_poison_training *o, const px_poison_data *d, double *accuracy)
{
    struct pxi_poison_run run = {.n = o->workers,
                                 .f = o->liars,
                                 .rounds = o->rounds,
                                 .seed = d->seed,
                                 .skewed = o->skewed != 0,
                                 .kernel = o->kernel != 0,
                                 .exact = o->exact != 0};
    if (o->size != sizeof *o || !o->rule || !o->attack || run.n < PX_SENTRY_FAN_IN ||
        run.n > PXI_POISON_WORKERS || 2 * run.f >= run.n || !find_rule(o->rule, &run.rule) ||
        !find_attack(o->attack, &run.attack) || (run.kernel && !run.rule.slots))
        return PX_ERR_INVALID;
    struct training *t;
    px_err err = start(&run, d, &t);
    if (err)
        return err;
    train(t);
    *accuracy = pxi_digits_accuracy(t->w, &d->test);
    end(t);
    return PX_ERR_OK;
}
