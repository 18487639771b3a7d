/* The judgement of bench crc-drop: paired differences, their interval, and the rule. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "crc_drop.h"

enum { SLICES = 2000, RUNS = 1 << 20 };

static const double bound = 0.5;  /* percent of the loss */
static const double half = 0.475; /* of the t distribution, on each side: 95 % */

struct result {
    double regime, p, loss, samples_s, tokens_s;
    enum crc_drop_arm arm;
    uint64_t seed;
};

struct results {
    struct result *p;
    size_t n, cap;
};

/* ------------------------------------------------------------------- Student's t */

static double density(double x, double df)
{
    return exp(lgamma((df + 1) / 2) - lgamma(df / 2) - 0.5 * log(df * M_PI) -
               (df + 1) / 2 * log1p(x * x / df));
}

/* The probability of [0, x], by Simpson's rule. */
static double probability(double x, double df)
{
    double h = x / SLICES, sum = density(0, df) + density(x, df);
    for (unsigned i = 1; i < SLICES; i++)
        sum += density(h * i, df) * (i % 2 ? 4 : 2);
    return sum * h / 3;
}

static double t_quantile(double df)
{
    double low = 0, high = 16;
    for (unsigned i = 0; i < 60; i++) {
        double mid = (low + high) / 2;
        *(probability(mid, df) < half ? &low : &high) = mid;
    }
    return low;
}

/* ----------------------------------------------------------------------- results */

static int is_number(const json_t *o, const char *key, double *out)
{
    const json_t *v = json_object_get(o, key);
    *out = json_number_value(v);
    return json_is_number(v) && isfinite(*out);
}

/* NULL, or what is wrong. */
static const char *read_result(const char *line, struct result *r)
{
    double seed;
    json_t *o = json_loads(line, 0, NULL);
    const char *arm = json_string_value(json_object_get(o, "arm")), *why = NULL;
    unsigned a = 0;
    while (arm && a < ARMS && strcmp(arm, crc_drop_arms[a]) != 0)
        a++;
    if (!json_is_object(o))
        why = "a JSON object a line";
    else if (!arm || a == ARMS)
        why = "arm: none, drop, fixed, flips, unchecked, shorter, dropout, masked or unmasked";
    else if (!is_number(o, "regime", &r->regime) || r->regime < 0)
        why = "regime: 0, or epochs";
    else if (!is_number(o, "p", &r->p) || r->p < 0 || r->p >= 1)
        why = "p: 0 or more, below 1";
    else if (!is_number(o, "seed", &seed) || seed < 0 || seed > 1e15)
        why = "seed: a number";
    else if (!is_number(o, "heldout_loss", &r->loss) || r->loss <= 0)
        why = "heldout_loss: a number above 0";
    else {
        r->arm = a;
        r->seed = (uint64_t)seed;
        is_number(o, "samples_s", &r->samples_s);
        is_number(o, "tokens_s", &r->tokens_s);
    }
    json_decref(o);
    return why;
}

static int same_run(const struct result *a, const struct result *b)
{
    return a->regime == b->regime && a->arm == b->arm && a->p == b->p && a->seed == b->seed;
}

static const char *add_result(struct results *all, const struct result *r)
{
    for (size_t i = 0; i < all->n; i++)
        if (same_run(&all->p[i], r))
            return "each run once";
    if (all->n == RUNS)
        return "at most 1048576 runs";
    if (all->n == all->cap) {
        all->cap = all->cap ? 2 * all->cap : 256;
        all->p = must(realloc(all->p, all->cap * sizeof *all->p));
    }
    all->p[all->n++] = *r;
    return NULL;
}

static int by_place(const void *x, const void *y)
{
    const struct result *a = x, *b = y;
    double d[] = {a->regime - b->regime, (double)a->arm - (double)b->arm, a->p - b->p};
    for (unsigned i = 0; i < 3; i++)
        if (d[i] != 0)
            return d[i] < 0 ? -1 : 1;
    return (a->seed > b->seed) - (a->seed < b->seed);
}

static int read_results(const char *path, struct results *all)
{
    struct text t = {0};
    int rc = text_read_file(path, &t);
    unsigned number = 0;
    for (char *line = t.p, *next; rc == 0 && line && line < t.p + t.n; line = next) {
        char *end = memchr(line, '\n', (size_t)(t.p + t.n - line));
        next = end ? end + 1 : t.p + t.n;
        size_t n = (size_t)((end ? end : next) - line);
        struct result r = {0};
        char *copy = must(strndup(line, n));
        const char *why = copy[strspn(copy, " \t\r")] ? read_result(copy, &r) : "";
        number++;
        if (!why)
            why = add_result(all, &r);
        free(copy);
        if (why && *why)
            rc = fail_text(PX_ERR_CORRUPT, path, NULL, "line %u: expected %s", number, why);
    }
    free(t.p);
    if (rc == 0 && !all->n)
        rc = fail_text(PX_ERR_CORRUPT, path, NULL, "expected results, a JSON object a line");
    if (rc == 0)
        qsort(all->p, all->n, sizeof *all->p, by_place);
    return rc;
}

/* ------------------------------------------------------------------------ the rule */

struct row {
    const struct result *first;
    unsigned n; /* pairs */
    double control, loss, difference, interval, samples_s, tokens_s;
    double percent, low, high; /* of the control's loss */
    const char *verdict;
};

static const struct result *control_of(const struct results *all, const struct result *r)
{
    struct result want = {
        .regime = r->regime, .arm = crc_drop_control(r->arm), .p = 0, .seed = r->seed};
    for (size_t i = 0; i < all->n; i++)
        if (same_run(&all->p[i], &want))
            return &all->p[i];
    return NULL;
}

static const char *verdict(const struct row *r)
{
    if (r->n < 2)
        return "inconclusive";
    if (r->high < 0 && r->percent < -bound)
        return "confirmed";
    return r->low > -bound && r->high < bound ? "refuted within 0.5 %" : "inconclusive";
}

/* Results first .. first + count are an arm's. */
static struct row judge_arm(const struct results *all, size_t first, size_t count)
{
    struct row r = {.first = &all->p[first]};
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++) {
        const struct result *mine = &all->p[first + i], *control = control_of(all, mine);
        r.samples_s += mine->samples_s / (double)count;
        r.tokens_s += mine->tokens_s / (double)count;
        if (!control)
            continue;
        r.n++;
        r.control += control->loss;
        r.loss += mine->loss;
        sum += mine->loss - control->loss;
    }
    if (!r.n)
        return r;
    r.control /= r.n;
    r.loss /= r.n;
    r.difference = sum / r.n;
    for (size_t i = 0; i < count; i++) {
        const struct result *control = control_of(all, &all->p[first + i]);
        double off = control ? all->p[first + i].loss - control->loss - r.difference : 0;
        squares += off * off;
    }
    if (r.n > 1)
        r.interval = t_quantile(r.n - 1) * sqrt(squares / (r.n - 1) / r.n);
    r.percent = 100 * r.difference / r.control;
    r.low = 100 * (r.difference - r.interval) / r.control;
    r.high = 100 * (r.difference + r.interval) / r.control;
    r.verdict = verdict(&r);
    return r;
}

static int is_control(const struct result *r)
{
    return r->arm == crc_drop_control(r->arm);
}

static json_t *row_json(const struct row *r)
{
    json_t *o = json_object();
    int judged = !is_control(r->first) && r->n > 0;
    json_object_set_new(o, "regime", json_number(r->first->regime));
    json_object_set_new(o, "arm", json_text(crc_drop_arms[r->first->arm]));
    json_object_set_new(o, "p", json_number(r->first->p));
    json_object_set_new(o, "pairs", json_integer(judged ? (json_int_t)r->n : 0));
    json_object_set_new(o, "loss", json_number(r->n ? r->loss : NAN));
    json_object_set_new(o, "control", json_number(judged ? r->control : NAN));
    json_object_set_new(o, "difference", json_number(judged ? r->difference : NAN));
    json_object_set_new(o, "interval", json_number(judged && r->n > 1 ? r->interval : NAN));
    json_object_set_new(o, "percent", json_number(judged ? r->percent : NAN));
    json_object_set_new(o, "low", json_number(judged && r->n > 1 ? r->low : NAN));
    json_object_set_new(o, "high", json_number(judged && r->n > 1 ? r->high : NAN));
    json_object_set_new(o, "verdict", json_text(judged ? r->verdict : NULL));
    json_object_set_new(o, "samples_s", json_number(r->samples_s > 0 ? r->samples_s : NAN));
    json_object_set_new(o, "tokens_s", json_number(r->tokens_s > 0 ? r->tokens_s : NAN));
    return o;
}

static void put_row(const struct row *r)
{
    char epochs[32] = "below 1", speed[64] = "";
    if (r->first->regime > 0)
        snprintf(epochs, sizeof epochs, "%g", r->first->regime);
    if (r->samples_s > 0 && r->tokens_s > 0)
        snprintf(speed, sizeof speed, "%.1f / %.0f", r->samples_s, r->tokens_s);
    printf("| %s | %s | %g %% | %.4f | ", epochs, crc_drop_arms[r->first->arm], 100 * r->first->p,
           r->loss);
    if (is_control(r->first))
        printf("| | | control | %s |\n", speed);
    else if (r->n < 2)
        printf("%+.4f | %u | | inconclusive | %s |\n", r->difference, r->n, speed);
    else
        printf("%+.4f +- %.4f | %u | %+.2f .. %+.2f %% | %s | %s |\n", r->difference, r->interval,
               r->n, r->low, r->high, r->verdict, speed);
}

int crc_drop_judge(struct cli *c, const char *path)
{
    struct results all = {0};
    json_t *rows = json_array();
    int rc = read_results(path, &all), text = !opt_on(c, OPT_JSON);
    if (rc == 0 && text)
        printf("| epochs | arm | p | held-out loss | difference to the control | pairs | 95 %% "
               "interval, of the loss | verdict | samples/s / tokens/s |\n"
               "|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0, n; rc == 0 && i < all.n; i += n) {
        for (n = 1; i + n < all.n; n++)
            if (all.p[i + n].regime != all.p[i].regime || all.p[i + n].arm != all.p[i].arm ||
                all.p[i + n].p != all.p[i].p)
                break;
        struct row r = judge_arm(&all, i, n);
        if (text)
            put_row(&r);
        json_array_append_new(rows, row_json(&r));
    }
    if (rc == 0 && !text) {
        json_t *doc = doc_new(c);
        json_object_set_new(doc, "runs", json_u64(all.n));
        json_object_set_new(doc, "labels_a_step", json_null());
        json_object_set_new(doc, "heldout_rows", json_null());
        json_object_set_new(doc, "vocab", json_null());
        json_object_set(doc, "rows", rows);
        json_object_set_new(doc, "bound_percent", json_number(bound));
        rc = doc_print(doc, 0);
    }
    json_decref(rows);
    free(all.p);
    return rc;
}
