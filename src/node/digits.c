#include "node/digits.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

enum { SIDE = 10, FONT_WIDTH = 5, FONT_HEIGHT = 7 };

/* Rows of a digit, from the top; the highest of five bits is at the left. */
static const uint8_t font[PXI_DIGITS_CLASSES][FONT_HEIGHT] = {
    {14, 17, 17, 17, 17, 17, 14}, {4, 12, 4, 4, 4, 4, 14},  {14, 17, 1, 6, 8, 16, 31},
    {30, 1, 1, 14, 1, 1, 30},     {2, 6, 10, 18, 31, 2, 2}, {31, 16, 30, 1, 1, 17, 14},
    {6, 8, 16, 30, 17, 17, 14},   {31, 1, 2, 4, 4, 8, 8},   {14, 17, 17, 14, 17, 17, 14},
    {14, 17, 17, 15, 1, 2, 12},
};

static float spread(struct pxi_rng *r, float size)
{
    return (2 * pxi_rng_f32(r) - 1) * size;
}

static float gauss(struct pxi_rng *r)
{
    float sum = 0;
    for (int i = 0; i < 4; i++)
        sum += pxi_rng_f32(r);
    return (sum - 2) * 1.7320508f;
}

static float point(const uint8_t *rows, int x, int y)
{
    return x >= 0 && x < FONT_WIDTH && y >= 0 && y < FONT_HEIGHT &&
           (rows[y] >> (FONT_WIDTH - 1 - x) & 1);
}

/* Between four points of the font. */
static float between(const uint8_t *rows, float x, float y)
{
    int left = (int)floorf(x), top = (int)floorf(y);
    float a = x - (float)left, b = y - (float)top;
    return (1 - b) * ((1 - a) * point(rows, left, top) + a * point(rows, left + 1, top)) +
           b * ((1 - a) * point(rows, left, top + 1) + a * point(rows, left + 1, top + 1));
}

static void draw(float *out, const uint8_t *rows, struct pxi_rng *r)
{
    float turn = spread(r, 0.25f), shear = spread(r, 0.2f), scale = 0.8f + spread(r, 0.15f);
    float dx = spread(r, 0.8f), dy = spread(r, 0.8f), c = cosf(turn), s = sinf(turn);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            float u = ((float)x - 4.5f - dx) * scale, v = ((float)y - 4.5f - dy) * scale;
            float fx = c * u + s * v, fy = c * v - s * u;
            float ink = between(rows, fx + shear * fy + 2, fy + 3);
            out[y * SIDE + x] = ink - 0.25f + 0.15f * gauss(r);
        }
}

bool pxi_digits_draw(struct pxi_digits *d, unsigned n, uint64_t seed)
{
    struct pxi_rng r = {seed * 0x9e3779b97f4a7c15u + 77};
    d->n = n;
    d->x = pxi_calloc(n, sizeof *d->x);
    d->label = pxi_calloc(n, 1);
    if (!d->x || !d->label)
        return false;
    for (unsigned i = 0; i < n; i++) {
        d->label[i] = (uint8_t)(i % PXI_DIGITS_CLASSES);
        draw(d->x[i], font[d->label[i]], &r);
    }
    return true;
}

void pxi_digits_free(struct pxi_digits *d)
{
    pxi_free(d->x);
    pxi_free(d->label);
    *d = (struct pxi_digits){0};
}

/* ------------------------------------------------------------ the network */

struct layers {
    float in[PXI_DIGITS_PIXELS][PXI_DIGITS_HIDDEN], in_bias[PXI_DIGITS_HIDDEN];
    float out[PXI_DIGITS_CLASSES][PXI_DIGITS_HIDDEN], out_bias[PXI_DIGITS_CLASSES];
};
_Static_assert(sizeof(struct layers) == PXI_DIGITS_PARAMETERS * sizeof(float), "no padding");

void pxi_digits_begin(float *w, uint64_t seed)
{
    struct pxi_rng r = {seed ^ 0x5eed};
    struct layers *l = (struct layers *)(void *)w;
    memset(l, 0, sizeof *l);
    for (int k = 0; k < PXI_DIGITS_PIXELS; k++)
        for (int j = 0; j < PXI_DIGITS_HIDDEN; j++)
            l->in[k][j] = gauss(&r) * 0.14f;
    for (int c = 0; c < PXI_DIGITS_CLASSES; c++)
        for (int j = 0; j < PXI_DIGITS_HIDDEN; j++)
            l->out[c][j] = gauss(&r) * 0.18f;
}

static float lanes_sum(float *v)
{
    for (int by = PXI_DIGITS_HIDDEN / 2; by; by /= 2)
        for (int j = 0; j < by; j++)
            v[j] += v[j + by];
    return v[0];
}

/* 32 values in registers: sum += x * row. */
typedef float quad __attribute__((vector_size(16), aligned(4), may_alias));
enum { QUADS = PXI_DIGITS_HIDDEN / 4 };

static inline __attribute__((always_inline)) void add_row(quad *sum, float x, const float *row)
{
    const quad *r = (const quad *)(const void *)row;
    quad all = {x, x, x, x};
    for (int j = 0; j < QUADS; j++)
        sum[j] += all * r[j];
}

/* Hidden values h, and the scores of the classes. */
static void forward(const struct layers *l, const float *x, float *h, float *score)
{
    quad hidden[QUADS];
    float sum[PXI_DIGITS_HIDDEN];
    memcpy(hidden, l->in_bias, sizeof hidden);
    for (int k = 0; k < PXI_DIGITS_PIXELS; k++)
        add_row(hidden, x[k], l->in[k]);
    memcpy(sum, hidden, sizeof sum);
    for (int j = 0; j < PXI_DIGITS_HIDDEN; j++)
        h[j] = sum[j] > 0 ? sum[j] : 0;
    for (int c = 0; c < PXI_DIGITS_CLASSES; c++) {
        for (int j = 0; j < PXI_DIGITS_HIDDEN; j++)
            sum[j] = h[j] * l->out[c][j];
        score[c] = lanes_sum(sum) + l->out_bias[c];
    }
}

static int largest(const float *score)
{
    int best = 0;
    for (int c = 1; c < PXI_DIGITS_CLASSES; c++)
        best = score[c] > score[best] ? c : best;
    return best;
}

/* Scores become what the loss changes with them. */
static void slopes(float *score, unsigned label, float share)
{
    float top = score[largest(score)], sum = 0;
    for (int c = 0; c < PXI_DIGITS_CLASSES; c++)
        sum += score[c] = expf(score[c] - top);
    for (int c = 0; c < PXI_DIGITS_CLASSES; c++)
        score[c] = (score[c] / sum - (c == (int)label)) * share;
}

/* What is behind the first layer, of one picture: adds to g, and leaves at `h` the slopes there. */
static void backward(const struct layers *l, struct layers *g, const float *slope, float *h)
{
    float d[PXI_DIGITS_HIDDEN] = {0};
    for (int c = 0; c < PXI_DIGITS_CLASSES; c++) {
        g->out_bias[c] += slope[c];
        for (int j = 0; j < PXI_DIGITS_HIDDEN; j++) {
            g->out[c][j] += slope[c] * h[j];
            d[j] += slope[c] * l->out[c][j];
        }
    }
    for (int j = 0; j < PXI_DIGITS_HIDDEN; j++) {
        h[j] = h[j] > 0 ? d[j] : 0;
        g->in_bias[j] += h[j];
    }
}

void pxi_digits_gradient(const float *w, const struct pxi_digits *d, const uint32_t *pick,
                         unsigned batch, int wrong, float *out)
{
    const struct layers *l = (const struct layers *)(const void *)w;
    struct layers *g = (struct layers *)(void *)out;
    float h[PXI_DIGITS_BATCH][PXI_DIGITS_HIDDEN], score[PXI_DIGITS_CLASSES];
    memset(g, 0, sizeof *g);
    batch = batch < PXI_DIGITS_BATCH ? batch : PXI_DIGITS_BATCH;
    for (unsigned i = 0; i < batch; i++) {
        unsigned label = d->label[pick[i]];
        forward(l, d->x[pick[i]], h[i], score);
        slopes(score, wrong ? 9 - label : label, 1 / (float)batch);
        backward(l, g, score, h[i]);
    }
    for (int k = 0; k < PXI_DIGITS_PIXELS; k++) {
        quad sum[QUADS] = {{0}};
        for (unsigned i = 0; i < batch; i++)
            add_row(sum, d->x[pick[i]][k], h[i]);
        memcpy(g->in[k], sum, sizeof sum);
    }
}

double pxi_digits_loss(const float *w, const struct pxi_digits *d, unsigned n)
{
    const double most = 1e9;
    double loss = 0;
    n = n < d->n ? n : d->n;
    float h[PXI_DIGITS_HIDDEN], score[PXI_DIGITS_CLASSES];
    for (unsigned i = 0; i < n; i++) {
        forward((const struct layers *)(const void *)w, d->x[i], h, score);
        double sum = 0, top = (double)score[largest(score)];
        for (int c = 0; c < PXI_DIGITS_CLASSES; c++)
            sum += exp((double)score[c] - top);
        loss += log(sum) + top - (double)score[d->label[i]];
    }
    return n && loss / n < most ? loss / n : most;
}

double pxi_digits_accuracy(const float *w, const struct pxi_digits *d)
{
    unsigned right = 0;
    float h[PXI_DIGITS_HIDDEN], score[PXI_DIGITS_CLASSES];
    for (unsigned i = 0; i < d->n; i++) {
        forward((const struct layers *)(const void *)w, d->x[i], h, score);
        right += largest(score) == d->label[i];
    }
    return 100.0 * right / d->n;
}
