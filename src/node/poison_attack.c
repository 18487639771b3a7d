/* What liars send. */
#include "node/poison.h"

#include <math.h>
#include <string.h>

enum { D = PXI_DIGITS_PARAMETERS, SEARCH = 20 };

static float sign(float x)
{
    return (float)((x > 0) - (x < 0));
}

static float gauss(struct pxi_rng *r)
{
    float sum = 0;
    for (int i = 0; i < 4; i++)
        sum += pxi_rng_f32(r);
    return (sum - 2) * 1.7320508f;
}

static double length(const float *v)
{
    double sum = 0;
    for (int i = 0; i < D; i++)
        sum += (double)v[i] * (double)v[i];
    return sqrt(sum);
}

static void times(const struct pxi_poison_view *a, float by, float *out)
{
    for (int i = 0; i < D; i++)
        out[i] = by * a->mean[i];
}

/* The mean, and z deviations of the honest against it. */
static void shifted(const struct pxi_poison_view *a, float z, float *out)
{
    for (int i = 0; i < D; i++)
        out[i] = a->mean[i] - z * a->deviation[i] * sign(a->mean[i]);
}

static void noise(struct pxi_poison_view *a, float *out)
{
    float size = 10 * (float)(length(a->mean) / sqrt((double)D));
    for (int i = 0; i < D; i++)
        out[i] = size * gauss(a->rng);
}

static void flip10(struct pxi_poison_view *a, float *out)
{
    times(a, -10, out);
}

static void flip1(struct pxi_poison_view *a, float *out)
{
    times(a, -1, out);
}

static void inner(struct pxi_poison_view *a, float *out)
{
    times(a, -0.5f, out);
}

static void saturate(struct pxi_poison_view *a, float *out)
{
    for (int i = 0; i < D; i++)
        out[i] = 1000;
}

static void not_a_number(struct pxi_poison_view *a, float *out)
{
    for (int i = 0; i < D; i++)
        out[i] = i % 2 ? NAN : INFINITY;
}

static void little(struct pxi_poison_view *a, float *out)
{
    for (int i = 0; i < D; i++)
        out[i] = a->mean[i] - 0.3f * a->deviation[i];
}

static void sigmas(struct pxi_poison_view *a, float *out)
{
    shifted(a, 3.4f, out);
}

static void ramp(struct pxi_poison_view *a, float *out)
{
    times(a, -powf(1.02f, (float)a->round), out);
}

/* All copy one honest worker. */
static void mimic(struct pxi_poison_view *a, float *out)
{
    memcpy(out, a->v[0], D * sizeof *out);
}

/* The fall of centred clipping: as far from the last result as the honest are, half of it across
 * the way they go, always to the same side, so that what is clipped adds up. */
static void fall(struct pxi_poison_view *a, float *out)
{
    struct pxi_rng side = {a->run->seed + 99};
    double along = 0, norm = length(a->mean), far = 0, across;
    for (int i = 0; i < D; i++) {
        out[i] = gauss(&side);
        along += (double)out[i] * (double)a->mean[i];
        far += pow((double)a->v[0][i] - (double)a->last[i], 2);
    }
    for (int i = 0; i < D && norm > 0; i++)
        out[i] -= (float)(along / norm / norm) * a->mean[i];
    across = length(out);
    far = sqrt(far) * 0.7;
    for (int i = 0; i < D && norm > 0 && across > 0; i++)
        out[i] = a->last[i] + (float)far * (out[i] / (float)across - a->mean[i] / (float)norm);
}

/* One chunk only. */
static void shard(struct pxi_poison_view *a, float *out)
{
    memcpy(out, a->mean, D * sizeof *out);
    for (int i = 5 * PXI_POISON_CHUNK; i < 6 * PXI_POISON_CHUNK; i++)
        out[i] *= -100;
}

/* Honest values, but for the exponent that the packet says. */
static void exponent(struct pxi_poison_view *a, float *out)
{
    times(a, a->run->rule.slots ? 1 : 0x1p60f, out);
}

static void nothing(struct pxi_poison_view *a, float *out)
{
    memset(out, 0, D * sizeof *out);
}

/* As far as values are not clamped and packets not loud, from the last result: what is known of
 * clip1 is known to attackers. */
static void edge(struct pxi_poison_view *a, float *out)
{
    for (int at = 0; at < D; at += PXI_POISON_CHUNK) {
        int end = at + PXI_POISON_CHUNK < D ? at + PXI_POISON_CHUNK : D;
        double far = 0;
        for (int i = at; i < end; i++)
            far += pow((double)a->v[0][i] - (double)a->last[i], 2);
        float reach = 3 * (float)sqrt(far / (end - at));
        for (int i = at; i < end; i++)
            out[i] = a->last[i] - reach * sign(a->mean[i]);
    }
}

/* Knows the rule and tries how far it can go: every 20 rounds the best of some lengths. */
static void adaptive(struct pxi_poison_view *a, float *out)
{
    static const float steps[] = {0.3f, 0.6f, 1, 1.5f, 2.5f, 5, 10};
    enum { STEPS = sizeof steps / sizeof *steps };
    if (!a->gain) {
        edge(a, out);
        return;
    }
    if (a->round % SEARCH == 0) {
        double best = -INFINITY;
        for (unsigned i = 0; i < 2 * STEPS; i++) {
            if (i < STEPS)
                shifted(a, steps[i], out);
            else
                times(a, -steps[i - STEPS], out);
            double gain = a->gain(a->of, out);
            a->held = gain > best ? i : a->held;
            best = gain > best ? gain : best;
        }
    }
    if (a->held < STEPS)
        shifted(a, steps[a->held], out);
    else
        times(a, -steps[a->held - STEPS], out);
}

const struct pxi_poison_attack pxi_poison_attacks[] = {
    {"none", "attackers behave", false, false, false, PXI_POISON_WIRE_VALUES, NULL},
    {"noise", "noise ten times the mean", true, true, false, PXI_POISON_WIRE_VALUES, noise},
    {"flip x10", "minus ten times the mean of the honest", true, true, false,
     PXI_POISON_WIRE_VALUES, flip10},
    {"saturate", "the largest value everywhere", true, false, false, PXI_POISON_WIRE_VALUES,
     saturate},
    {"NaN/Inf", "NaN and infinity; in packets values that no format has", true, false, false,
     PXI_POISON_WIRE_NAN, not_a_number},
    {"label flip", "trains on 9 less the digit", false, false, true, PXI_POISON_WIRE_VALUES, NULL},
    {"flip x1", "minus the mean", true, true, false, PXI_POISON_WIRE_VALUES, flip1},
    {"IPM 0.5", "inner product: minus half of the mean", true, true, false, PXI_POISON_WIRE_VALUES,
     inner},
    {"ALIE 0.3", "a little: 0.3 deviations off", true, true, false, PXI_POISON_WIRE_VALUES, little},
    {"3.4 sigma", "3.4 deviations against the mean", true, true, false, PXI_POISON_WIRE_VALUES,
     sigmas},
    {"slow ramp", "minus the mean, 2 % more each round", true, true, false, PXI_POISON_WIRE_VALUES,
     ramp},
    {"mimic", "all copy one honest worker", true, false, false, PXI_POISON_WIRE_VALUES, mimic},
    {"fall of CC", "the radius of clipping, always to one side", true, true, false,
     PXI_POISON_WIRE_VALUES, fall},
    {"one shard", "minus a hundred times the mean in one chunk", true, true, false,
     PXI_POISON_WIRE_VALUES, shard},
    {"exponent", "claims the largest scale", true, true, false, PXI_POISON_WIRE_EXPONENT, exponent},
    {"free-rider", "sends zeros", true, false, false, PXI_POISON_WIRE_VALUES, nothing},
    {"adaptive", "knows the rule and searches how far it can go", true, true, false,
     PXI_POISON_WIRE_VALUES, adaptive},
};
const unsigned pxi_poison_attack_count = sizeof pxi_poison_attacks / sizeof *pxi_poison_attacks;
