/* Elementary functions by argument reduction and power series; see portable.h for why. */
#include "model/portable.h"

#include <stdint.h>
#include <string.h>

static const double ln2 = 0x1.62e42fefa39efp-1;

/* c[0] + c[1] x + ... by Horner's rule. */
static double poly(const double *c, int n, double x)
{
    double y = c[n - 1];
    for (int i = n - 2; i >= 0; i--)
        y = y * x + c[i];
    return y;
}

/* Taylor series on |r| <= pi / 4; the first term left out is below 1e-16. */
static double sine_of(double r)
{
    static const double c[] = {
        1.0,          -1.0 / 6,        1.0 / 120,          -1.0 / 5040,
        1.0 / 362880, -1.0 / 39916800, 1.0 / 6227020800.0, -1.0 / 1307674368000.0};
    return r * poly(c, 8, r * r);
}

static double cosine_of(double r)
{
    static const double c[] = {1.0,
                               -1.0 / 2,
                               1.0 / 24,
                               -1.0 / 720,
                               1.0 / 40320,
                               -1.0 / 3628800,
                               1.0 / 479001600,
                               -1.0 / 87178291200.0,
                               1.0 / 20922789888000.0};
    return poly(c, 9, r * r);
}

void pxi_f64_sincos(double x, double *sine, double *cosine)
{
    /* pi / 2 in three parts of 33 bits, so that k times the first is exact for k below 2^20. */
    static const double part[] = {0x1.921fb54400000p0, 0x1.0b4611a600000p-34,
                                  0x1.3198a2e037073p-69};
    if (!(x < 0x1p40 && x > -0x1p40))
        x = 0;
    double scaled = x * 0x1.45f306dc9c883p-1;
    int64_t k = (int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
    double r = x - (double)k * part[0] - (double)k * part[1] - (double)k * part[2];
    double s = sine_of(r), c = cosine_of(r);
    *sine = k & 1 ? c : s;
    *cosine = k & 1 ? s : c;
    if (k & 2)
        *sine = -*sine;
    if ((k + 1) & 2)
        *cosine = -*cosine;
}

static double power_of_two(int e)
{
    uint64_t bits = (uint64_t)(e + 1023) << 52;
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

double pxi_f64_exp2(double x)
{
    static const double c[] = {1.0,
                               1.0,
                               1.0 / 2,
                               1.0 / 6,
                               1.0 / 24,
                               1.0 / 120,
                               1.0 / 720,
                               1.0 / 5040,
                               1.0 / 40320,
                               1.0 / 362880,
                               1.0 / 3628800,
                               1.0 / 39916800,
                               1.0 / 479001600,
                               1.0 / 6227020800.0};
    if (!(x > -1000))
        return 0;
    if (x > 1000)
        return (double)__builtin_inf();
    int k = (int)(x + (x < 0 ? -0.5 : 0.5));
    return poly(c, 14, (x - k) * ln2) * power_of_two(k);
}

double pxi_f64_exp(double x)
{
    return pxi_f64_exp2(x / ln2);
}

double pxi_f64_log2(double x)
{
    return pxi_f64_log(x) / ln2;
}

/* ln x = e ln 2 + 2 atanh((m - 1) / (m + 1)) with m in [sqrt 1/2, sqrt 2). */
double pxi_f64_log(double x)
{
    static const double c[] = {2.0,      2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9,  2.0 / 11,
                               2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21, 2.0 / 23};
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int e = (int)(bits >> 52) - 1023;
    if (bits >> 63 || e == -1023 || e == 1024)
        return 0;
    double m = x * power_of_two(e == 1023 ? -1022 : -e);
    if (e == 1023)
        m *= 0.5;
    if (m > 0x1.6a09e667f3bcdp0) {
        m *= 0.5;
        e++;
    }
    double t = (m - 1) / (m + 1);
    return (double)e * ln2 + t * poly(c, 12, t * t);
}
