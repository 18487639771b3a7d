#include "reduce/robust.h"

#include <math.h>
#include <string.h>

#include "base/math.h"
#include "base/mem.h"

/* Columns go in blocks that stay in the nearest cache; loops over a block are those that compilers
 * make vectors of, and none of them adds in another order than it is written in. */
enum { BLOCK = 64, LANES = 16, WEISZFELD = 8, CLIPS = 3 };

/* The same code for wider registers, chosen when the program starts: the bits are the same. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                             \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

struct pxi_robust {
    unsigned n;
    float (*rows)[BLOCK], (*mixed)[BLOCK]; /* of a block, a worker each */
    double *apart;                         /* n x n squares of distances */
    double *far;                           /* n */
    const float **kept;
    unsigned char (*near)[PXI_ROBUST_WORKERS]; /* workers by distance from a worker */
};

struct pxi_robust *pxi_robust_new(unsigned n)
{
    if (n < 1 || n > PXI_ROBUST_WORKERS)
        return NULL;
    struct pxi_robust *r = pxi_calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->n = n;
    r->rows = pxi_calloc_aligned(n * sizeof *r->rows, 64);
    r->mixed = pxi_calloc_aligned(n * sizeof *r->mixed, 64);
    r->apart = pxi_calloc((size_t)n * n, sizeof *r->apart);
    r->far = pxi_calloc(n, sizeof *r->far);
    r->kept = pxi_calloc(n, sizeof *r->kept);
    r->near = pxi_calloc(n, sizeof *r->near);
    if (r->rows && r->mixed && r->apart && r->far && r->kept && r->near)
        return r;
    pxi_robust_free(r);
    return NULL;
}

void pxi_robust_free(struct pxi_robust *r)
{
    if (!r)
        return;
    pxi_free_aligned(r->rows);
    pxi_free_aligned(r->mixed);
    pxi_free(r->apart);
    pxi_free(r->far);
    pxi_free(r->kept);
    pxi_free(r->near);
    pxi_free(r);
}

/* ----------------------------------------------------------------- blocks */

/* Columns [at, at + BLOCK) of all rows, with zeros behind the end. How many there are. */
static size_t load(struct pxi_robust *r, const struct pxi_robust_in *in, size_t at)
{
    size_t k = pxi_min(BLOCK, in->d - at);
    for (unsigned i = 0; i < in->n; i++) {
        memcpy(r->rows[i], in->v[i] + at, k * sizeof(float));
        memset(r->rows[i] + k, 0, (BLOCK - k) * sizeof(float));
    }
    return k;
}

static inline __attribute__((always_inline)) void order(float *restrict low, float *restrict high)
{
    for (size_t i = 0; i < BLOCK; i++) {
        float a = low[i], b = high[i];
        low[i] = a < b ? a : b;
        high[i] = a < b ? b : a;
    }
}

/* Sort the columns of n rows: Batcher's network of exchanges. */
WIDE static void sort(float (*rows)[BLOCK], unsigned n)
{
    for (unsigned p = 1; p < n; p *= 2)
        for (unsigned k = p; k >= 1; k /= 2)
            for (unsigned j = k % p; j + k < n; j += 2 * k)
                for (unsigned i = 0; i < k && i + j + k < n; i++)
                    if ((i + j) / (2 * p) == (i + j + k) / (2 * p))
                        order(rows[i + j], rows[i + j + k]);
}

/* The mean of rows [first, last), sorted or not. */
WIDE static void mean_rows(float (*rows)[BLOCK], unsigned first, unsigned last, float *out,
                           size_t k)
{
    float sum[BLOCK] = {0}, share = 1 / (float)(last - first);
    for (unsigned i = first; i < last; i++)
        for (size_t j = 0; j < BLOCK; j++)
            sum[j] += rows[i][j] * share;
    memcpy(out, sum, k * sizeof *out);
}

/* out = sum of weight[i] x row i; weights below 0 are none. */
WIDE static void weighted(const struct pxi_robust_in *in, const double *weight, float *out)
{
    memset(out, 0, in->d * sizeof *out);
    for (unsigned i = 0; i < in->n; i++) {
        float w = (float)weight[i];
        const float *v = in->v[i];
        for (size_t j = 0; w > 0 && j < in->d; j++)
            out[j] += w * v[j];
    }
}

static double fold(const double *lanes)
{
    double sum = 0;
    for (unsigned i = 0; i < LANES; i++)
        sum += lanes[i];
    return sum;
}

static double dot(const float *a, const float *b, size_t d)
{
    double lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= d; i += LANES)
        for (unsigned l = 0; l < LANES; l++)
            lanes[l] += (double)a[i + l] * (double)b[i + l];
    for (; i < d; i++)
        lanes[i % LANES] += (double)a[i] * (double)b[i];
    return fold(lanes);
}

/* Sixteen values in registers. */
typedef float lanes16 __attribute__((vector_size(64), aligned(4), may_alias));

/* The square of the distance of two vectors; infinity where it is too large. */
WIDE static double distance(const float *a, const float *b, size_t d)
{
    double sum = 0;
    for (size_t at = 0; at < d; at += 1024) {
        lanes16 one = {0}, two = {0};
        size_t i = at, end = pxi_min(d, at + 1024);
        for (; i + 2 * LANES <= end; i += 2 * LANES) {
            lanes16 x =
                *(const lanes16 *)(const void *)(a + i) - *(const lanes16 *)(const void *)(b + i);
            lanes16 y = *(const lanes16 *)(const void *)(a + i + LANES) -
                        *(const lanes16 *)(const void *)(b + i + LANES);
            one += x * x;
            two += y * y;
        }
        one += two;
        for (; i < end; i++)
            one[i % LANES] += (a[i] - b[i]) * (a[i] - b[i]);
        for (unsigned l = 0; l < LANES; l++)
            sum += (double)one[l];
    }
    return sum;
}

static void distances(struct pxi_robust *r, const struct pxi_robust_in *in)
{
    for (unsigned i = 0; i < in->n; i++)
        for (unsigned j = 0; j < i; j++)
            r->apart[i * in->n + j] = r->apart[j * in->n + i] = distance(in->v[i], in->v[j], in->d);
    for (unsigned i = 0; i < in->n; i++)
        r->apart[i * in->n + i] = 0;
}

/* Workers in the order of their distance from worker i, which is the first. */
static void neighbours(const struct pxi_robust *r, unsigned n, unsigned i, unsigned char *out)
{
    const double *far = r->apart + (size_t)i * n;
    out[0] = (unsigned char)i;
    for (unsigned j = 0, k = 1; j < n; j++) {
        if (j == i)
            continue;
        unsigned at = k++;
        for (; at > 1 && far[out[at - 1]] > far[j]; at--)
            out[at] = out[at - 1];
        out[at] = (unsigned char)j;
    }
}

static double median(double *v, unsigned n)
{
    for (unsigned i = 1; i < n; i++)
        for (unsigned j = i; j > 0 && v[j - 1] > v[j]; j--) {
            double t = v[j];
            v[j] = v[j - 1];
            v[j - 1] = t;
        }
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* ------------------------------------------------------------------ rules */

static void run_mean(struct pxi_robust *r, const struct pxi_robust_in *in, float *out)
{
    for (size_t at = 0; at < in->d; at += BLOCK) {
        size_t k = load(r, in, at);
        mean_rows(r->rows, 0, in->n, out + at, k);
    }
}

static void run_median(struct pxi_robust *r, const struct pxi_robust_in *in, float *out)
{
    unsigned low = (in->n - 1) / 2, high = in->n / 2;
    for (size_t at = 0; at < in->d; at += BLOCK) {
        size_t k = load(r, in, at);
        sort(r->rows, in->n);
        mean_rows(r->rows, low, high + 1, out + at, k);
    }
}

static void run_trim(struct pxi_robust *r, const struct pxi_robust_in *in, float *out)
{
    for (size_t at = 0; at < in->d; at += BLOCK) {
        size_t k = load(r, in, at);
        sort(r->rows, in->n);
        mean_rows(r->rows, in->f, in->n - in->f, out + at, k);
    }
}

/* Who lies nearest to its n - f - 2 nearest: the mean of the best `many`. */
static void krum(struct pxi_robust *r, const struct pxi_robust_in *in, unsigned many, float *out)
{
    double score[PXI_ROBUST_WORKERS], weight[PXI_ROBUST_WORKERS] = {0};
    unsigned near = in->n > in->f + 2 ? in->n - in->f - 2 : 1;
    distances(r, in);
    for (unsigned i = 0; i < in->n; i++) {
        neighbours(r, in->n, i, r->near[i]);
        score[i] = 0;
        for (unsigned k = 1; k <= near && k < in->n; k++)
            score[i] += r->apart[i * in->n + r->near[i][k]];
    }
    for (unsigned k = 0; k < many; k++) {
        unsigned best = 0;
        while (weight[best] > 0)
            best++;
        for (unsigned i = best; i < in->n; i++)
            if (weight[i] == 0 && score[i] < score[best])
                best = i;
        weight[best] = 1 / (double)many;
    }
    weighted(in, weight, out);
}

static void run_krum(struct pxi_robust *r, const struct pxi_robust_in *in, float *out)
{
    krum(r, in, 1, out);
}

static void run_multi_krum(struct pxi_robust *r, const struct pxi_robust_in *in, float *out)
{
    krum(r, in, in->n - in->f, out);
}

/* Each vector's difference from the last result is cut to the median of their lengths; thrice. */
static void run_cclip(struct pxi_robust *r, const struct pxi_robust_in *in, float *out)
{
    double far[PXI_ROBUST_WORKERS], sorted[PXI_ROBUST_WORKERS], weight[PXI_ROBUST_WORKERS];
    float *const centre = out;
    if (in->last)
        memcpy(centre, in->last, in->d * sizeof *out);
    else
        memset(centre, 0, in->d * sizeof *out);
    for (unsigned turn = 0; turn < CLIPS; turn++) {
        double kept = 1;
        for (unsigned i = 0; i < in->n; i++)
            sorted[i] = far[i] = sqrt(distance(in->v[i], centre, in->d));
        double radius = median(sorted, in->n);
        for (unsigned i = 0; i < in->n; i++) {
            weight[i] = (far[i] > radius ? radius / far[i] : 1) / in->n;
            kept -= weight[i];
        }
        for (size_t at = 0; at < in->d; at += BLOCK) {
            size_t k = load(r, in, at);
            float sum[BLOCK];
            for (size_t j = 0; j < BLOCK; j++)
                sum[j] = j < k ? (float)kept * centre[at + j] : 0;
            for (unsigned i = 0; i < in->n; i++)
                for (size_t j = 0; j < BLOCK; j++)
                    sum[j] += (float)weight[i] * r->rows[i][j];
            memcpy(centre + at, sum, k * sizeof *out);
        }
    }
}

/* The point whose distances have the least sum: Weiszfeld from the mean of all, smoothed. */
static void run_geomed(struct pxi_robust *r, const struct pxi_robust_in *in, float *out)
{
    double weight[PXI_ROBUST_WORKERS];
    run_median(r, in, out);
    for (unsigned turn = 0; turn < WEISZFELD; turn++) {
        double sum = 0;
        for (unsigned i = 0; i < in->n; i++) {
            double far = sqrt(distance(in->v[i], out, in->d));
            weight[i] = 1 / (far > 1e-12 ? far : 1e-12);
            sum += weight[i];
        }
        for (unsigned i = 0; i < in->n; i++)
            weight[i] /= sum;
        weighted(in, weight, out);
    }
}

/* The sign that most have, times the median of the workers' mean sizes. */
static void run_sign(struct pxi_robust *r, const struct pxi_robust_in *in, float *out)
{
    double size[PXI_ROBUST_WORKERS];
    for (unsigned i = 0; i < in->n; i++) {
        double lanes[LANES] = {0};
        for (size_t j = 0; j < in->d; j++)
            lanes[j % LANES] += fabs((double)in->v[i][j]);
        size[i] = fold(lanes) / (double)in->d;
    }
    float step = (float)median(size, in->n);
    for (size_t at = 0; at < in->d; at += BLOCK) {
        size_t k = load(r, in, at);
        float votes[BLOCK] = {0};
        for (unsigned i = 0; i < in->n; i++)
            for (size_t j = 0; j < BLOCK; j++)
                votes[j] += (float)((r->rows[i][j] > 0) - (r->rows[i][j] < 0));
        for (size_t j = 0; j < k; j++)
            out[at + j] = step * (float)((votes[j] > 0) - (votes[j] < 0));
    }
}

/* Rows become the mean of their `near` nearest. */
WIDE static void mix(struct pxi_robust *r, unsigned n, unsigned near)
{
    float share = 1 / (float)near;
    for (unsigned i = 0; i < n; i++) {
        lanes16 sum[BLOCK / LANES] = {{0}};
        for (unsigned m = 0; m < near; m++) {
            const lanes16 *row = (const lanes16 *)(const void *)r->rows[r->near[i][m]];
            for (size_t j = 0; j < BLOCK / LANES; j++)
                sum[j] += row[j] * share;
        }
        memcpy(r->mixed[i], sum, sizeof sum);
    }
}

/* Each vector is first the mean of its n - f nearest, itself among them; then f are trimmed. */
static void run_nnm_trim(struct pxi_robust *r, const struct pxi_robust_in *in, float *out)
{
    unsigned near = in->n - in->f;
    distances(r, in);
    for (unsigned i = 0; i < in->n; i++)
        neighbours(r, in->n, i, r->near[i]);
    for (size_t at = 0; at < in->d; at += BLOCK) {
        size_t k = load(r, in, at);
        mix(r, in->n, near);
        sort(r->mixed, in->n);
        mean_rows(r->mixed, in->f, in->n - in->f, out + at, k);
    }
}

/* Each vector is as long as the root's, and counts as much as it points the same way. */
static void run_root(struct pxi_robust *r, const struct pxi_robust_in *in, float *out)
{
    double weight[PXI_ROBUST_WORKERS], sum = 0;
    double length = sqrt(dot(in->root, in->root, in->d));
    for (unsigned i = 0; i < in->n; i++) {
        double own = sqrt(dot(in->v[i], in->v[i], in->d));
        double trust = own > 0 && length > 0 ? dot(in->v[i], in->root, in->d) / own / length : 0;
        trust = trust > 0 ? trust : 0;
        sum += trust;
        weight[i] = own > 0 ? trust * length / own : 0;
    }
    for (unsigned i = 0; i < in->n && sum > 0; i++)
        weight[i] /= sum;
    weighted(in, weight, out);
}

enum { NNM_TRIM = 8, ROOT = 9 }; /* places in the table */

const struct pxi_robust_rule pxi_robust_rules[] = {
    {"mean", "the mean: one liar is enough", false, run_mean},
    {"median", "the median of each value", false, run_median},
    {"trim", "the mean of each value without the f largest and the f smallest", false, run_trim},
    {"krum", "the vector nearest to its n - f - 2 nearest", false, run_krum},
    {"multi-krum", "the mean of the n - f best by Krum", false, run_multi_krum},
    {"cclip", "differences from the last result, cut to the median length", false, run_cclip},
    {"geomed", "the geometric median", false, run_geomed},
    {"sign", "the sign that most have", false, run_sign},
    {"nnm+trim", "each vector mixed with its n - f nearest, then trim", false, run_nnm_trim},
    {"root", "weighed by agreement with what trusted data gives", true, run_root},
};
const unsigned pxi_robust_rule_count = sizeof pxi_robust_rules / sizeof *pxi_robust_rules;

const struct pxi_robust_rule *pxi_robust_find(const char *name)
{
    for (unsigned i = 0; i < pxi_robust_rule_count; i++)
        if (strcmp(pxi_robust_rules[i].name, name) == 0)
            return &pxi_robust_rules[i];
    return NULL;
}

const struct pxi_robust_rule *pxi_robust_default(unsigned n, bool has_root)
{
    return n > PXI_ROBUST_WORKERS ? NULL : &pxi_robust_rules[has_root ? ROOT : NNM_TRIM];
}

/* All finite: no exponent of all ones. */
static bool is_finite(const float *v, size_t d)
{
    uint32_t bad = 0;
    for (size_t i = 0; i < d; i++) {
        uint32_t bits;
        memcpy(&bits, &v[i], sizeof bits);
        bad |= (bits & 0x7fffffffu) + 0x00800000u;
    }
    return !(bad >> 31);
}

px_err pxi_robust_run(struct pxi_robust *r, const struct pxi_robust_rule *rule,
                      const struct pxi_robust_in *in, float *out)
{
    struct pxi_robust_in use = *in;
    use.v = r->kept;
    use.n = 0;
    for (unsigned i = 0; i < in->n && i < r->n; i++)
        if (is_finite(in->v[i], in->d))
            r->kept[use.n++] = in->v[i];
    if (!use.n || (rule->needs_root && !in->root)) {
        memset(out, 0, in->d * sizeof *out);
        return PX_ERR_INVALID;
    }
    unsigned gone = in->n - use.n, most = (use.n - 1) / 2;
    use.f = in->f > gone ? in->f - gone : 0;
    use.f = use.f > most ? most : use.f;
    rule->run(r, &use, out);
    return PX_ERR_OK;
}
