/*
 * Scale searches of the quantiser. A candidate scale rounds the values to integers; for given
 * integers the best scale (and offset) is a small least-squares problem with a closed form. We try
 * candidates around the one that maps the largest value to the end of the range, and keep the one
 * with the smallest error. Large values weigh more, since they carry more of a dot product.
 */
#include "tensor/quantize_fit.h"

#include <string.h>

#include "kernel/half.h"

typedef float v4 __attribute__((vector_size(16)));
typedef int32_t i4 __attribute__((vector_size(16)));

/* 1.5 * 2^23: added to a float below 2^22 it leaves the nearest integer in the low bits. */
#define ROUNDER 12582912.0f

static v4 load(const float *p)
{
    v4 v;
    memcpy(&v, p, sizeof v);
    return v;
}

static v4 splat(float f)
{
    return (v4){f, f, f, f};
}
static float sum(v4 v)
{
    return (v[0] + v[2]) + (v[1] + v[3]);
}

static v4 pick(i4 mask, v4 a, v4 b)
{
    i4 r = (mask & (i4)a) | (~mask & (i4)b);
    return (v4)r;
}

/* v rounded within [lo, hi], as floats; a NaN becomes hi. */
static v4 round_within(v4 v, float lo, float hi)
{
    v = pick((i4)(v < splat(hi)), v, splat(hi));
    v = pick((i4)(v > splat(lo)), v, splat(lo));
    return (v + splat(ROUNDER)) - splat(ROUNDER);
}

float pxi_fit_peak(const float *x, int n)
{
    float peak = 0, size = 0;
    for (int i = 0; i < n; i++) {
        float a = x[i] < 0 ? -x[i] : x[i];
        if (a > size) {
            size = a;
            peak = x[i];
        }
    }
    return peak;
}

/* Weight of each value: its magnitude plus the mean magnitude of the group. */
static void weigh(float *w, const float *x, int n)
{
    v4 s = splat(0);
    for (int i = 0; i < n; i += 4)
        s += pick((i4)(load(x + i) < splat(0)), -load(x + i), load(x + i));
    v4 mean = splat(sum(s) / (float)n);
    for (int i = 0; i < n; i += 4) {
        v4 v = load(x + i), a = pick((i4)(v < splat(0)), -v, v) + mean;
        memcpy(w + i, &a, sizeof a);
    }
}

float pxi_fit_scale(const float *x, int n, int lo)
{
    float w[32], peak = pxi_fit_peak(x, n), best = 0, d = 0;
    if (!(peak * peak > 0))
        return 0;
    weigh(w, x, n);
    for (int step = -9; step <= 9; step++) {
        v4 inv = splat(((float)lo + 0.1f * (float)step) / peak), sxq = splat(0), sqq = splat(0);
        for (int i = 0; i < n; i += 4) {
            v4 v = load(x + i), q = round_within(v * inv, (float)lo, (float)(-lo - 1));
            v4 wq = load(w + i) * q;
            sxq += wq * v;
            sqq += wq * q;
        }
        float xq = sum(sxq), qq = sum(sqq);
        if (qq > 0 && xq * xq > best * qq) {
            best = xq * xq / qq;
            d = xq / qq;
        }
    }
    return d;
}

/* Weighted sums over the values and their integers. */
struct sums {
    float w, x, xx, q, qq, xq;
};

static struct sums sums_of(const float *x, const float *w, int n, float inv, float low, int hi)
{
    v4 sw = splat(0), sx = sw, sxx = sw, sq = sw, sqq = sw, sxq = sw;
    for (int i = 0; i < n; i += 4) {
        v4 v = load(x + i), weight = load(w + i);
        v4 q = round_within((v - splat(low)) * splat(inv), 0, (float)hi);
        v4 wx = weight * v, wq = weight * q;
        sw += weight;
        sx += wx;
        sxx += wx * v;
        sq += wq;
        sqq += wq * q;
        sxq += wx * q;
    }
    return (struct sums){sum(sw), sum(sx), sum(sxx), sum(sq), sum(sqq), sum(sxq)};
}

/* Least squares for x ~ d * q - m with m >= 0; *error is the weighted squared error left. */
static struct pxi_affine solve(const struct sums *s, float *error)
{
    float det = s->w * s->qq - s->q * s->q;
    struct pxi_affine a = {0, 0};
    if (det > 0) {
        a.d = (s->w * s->xq - s->x * s->q) / det;
        a.m = (s->q * s->xq - s->qq * s->x) / det;
    }
    if (!(a.m > 0)) {
        a.m = 0;
        a.d = s->qq > 0 ? s->xq / s->qq : 0;
    }
    if (!(a.d > 0))
        a.d = 0;
    *error = s->xx - 2 * a.d * s->xq + 2 * a.m * s->x + a.d * a.d * s->qq - 2 * a.d * a.m * s->q +
             a.m * a.m * s->w;
    return a;
}

struct pxi_affine pxi_fit_affine(const float *x, int n, int hi)
{
    float w[32], low = 0, high = x[0], best = 0;
    for (int i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    struct pxi_affine found = {0, -low};
    if (!((high - low) * (high - low) > 0))
        return found;
    weigh(w, x, n);
    for (int step = -10; step <= 10; step++) {
        float error, inv = ((float)hi + 0.1f * (float)step) / (high - low);
        struct sums s = sums_of(x, w, n, inv, low, hi);
        struct pxi_affine a = solve(&s, &error);
        if (step == -10 || error < best) {
            best = error;
            found = a;
        }
    }
    return found;
}

void pxi_fit_round(int8_t *q, const float *x, int n, float inv, float add, int lo, int hi)
{
    for (int i = 0; i < n; i += 4) {
        v4 r = round_within(load(x + i) * splat(inv) + splat(add), (float)lo, (float)hi);
        for (int l = 0; l < 4; l++)
            q[i + l] = (int8_t)r[l];
    }
}

float pxi_fit_store_half(uint8_t *p, float f)
{
    f = f > 65504.0f ? 65504.0f : f < -65504.0f ? -65504.0f : f;
    uint16_t h = pxi_f16_of_f32(f == f ? f : 0);
    p[0] = (uint8_t)h;
    p[1] = (uint8_t)(h >> 8);
    return pxi_f16_to_f32(h);
}
