/* Rules for whole vectors: values computed by hand, and what each must not depend on. */
#include "base/mem.h"
#include "base/rng.h"
#include "px_test.h"
#include "reduce/robust.h"

enum { MOST = 64, LONG = 1003 };

static float data[MOST][LONG], out[LONG], other[LONG];

static void run(const char *name, const float *const *v, unsigned n, size_t d, unsigned f,
                const float *last, const float *root, float *to)
{
    struct pxi_robust *r = pxi_robust_new(n);
    const struct pxi_robust_rule *rule = pxi_robust_find(name);
    struct pxi_robust_in in = {.v = v, .n = n, .d = d, .f = f, .last = last, .root = root};
    CHECK(r && rule);
    CHECK(pxi_robust_run(r, rule, &in, to) == PX_ERR_OK);
    pxi_robust_free(r);
}

static void near(const float *is, const float *want, size_t d)
{
    for (size_t i = 0; i < d; i++)
        if (fabsf(is[i] - want[i]) > 1e-4f * (1 + fabsf(want[i])))
            PX_FAIL("%zu: %g, not %g", i, (double)is[i], (double)want[i]);
}

/* Five workers, two values; the last one lies. */
static const float a0[] = {1, 10}, a1[] = {2, 12}, a2[] = {3, 11}, a3[] = {4, 13},
                   a4[] = {100, -100};
static const float *const five[] = {a0, a1, a2, a3, a4};

TEST(by_hand)
{
    run("mean", five, 5, 2, 1, NULL, NULL, out);
    near(out, (float[]){22, -10.8f}, 2);
    run("median", five, 5, 2, 1, NULL, NULL, out);
    near(out, (float[]){3, 11}, 2);
    run("median", five, 4, 2, 1, NULL, NULL, out);
    near(out, (float[]){2.5f, 11.5f}, 2);
    run("trim", five, 5, 2, 1, NULL, NULL, out);
    near(out, (float[]){3, 11}, 2);
    /* sums of the squares to the nearest 5 - 1 - 2 = 2: 5 + 5, 2 + 5, 2 + 5, 5 + 5 */
    run("krum", five, 5, 2, 1, NULL, NULL, out);
    near(out, (float[]){2, 12}, 2);
    run("multi-krum", five, 5, 2, 1, NULL, NULL, out);
    near(out, (float[]){2.5f, 11.5f}, 2);
    /* mean sizes 5.5, 7, 7, 8.5, 100: 7; signs ++ ++ ++ ++ +- */
    run("sign", five, 5, 2, 1, NULL, NULL, out);
    near(out, (float[]){7, 7}, 2);
    /* The four are mixed to their mean; that of the fifth has three of them in it and is trimmed.
     */
    run("nnm+trim", five, 5, 2, 1, NULL, NULL, out);
    near(out, (float[]){2.5f, 11.5f}, 2);
}

TEST(root_weighs_by_direction)
{
    static const float r[] = {2, 0}, same[] = {10, 0}, against[] = {-5, 0}, across[] = {0, 7},
                       half[] = {3, 3};
    const float *const v[] = {same, against, across, half};
    run("root", v, 4, 2, 1, NULL, r, out);
    /* trusts 1, 0, 0, 1 / sqrt 2; vectors (2, 0) and (sqrt 2, sqrt 2) */
    float t = 1 / sqrtf(2);
    near(out, (float[]){(2 + t * sqrtf(2)) / (1 + t), t * sqrtf(2) / (1 + t)}, 2);
}

TEST(clipping_starts_at_the_last)
{
    static const float x[] = {1, 0}, y[] = {1, 0}, z[] = {1000, 0}, last[] = {1, 0};
    const float *const v[] = {x, y, z};
    run("cclip", v, 3, 2, 1, last, NULL, out); /* the radius is 0: nothing moves it */
    near(out, (float[]){1, 0}, 2);
    run("geomed", v, 3, 2, 1, NULL, NULL, out);
    near(out, (float[]){1, 0}, 2);
}

static void fill(unsigned n, uint64_t seed)
{
    struct pxi_rng r = {seed};
    for (unsigned i = 0; i < n; i++)
        for (size_t j = 0; j < LONG; j++)
            data[i][j] = (float)(j % 7) - 3 + (pxi_rng_f32(&r) - 0.5f) * 2;
}

/* All rules, all lengths of a tail: who sends what does not matter, only what is sent. */
TEST(order_does_not_matter)
{
    static const unsigned ns[] = {1, 2, 5, 20, 64};
    static const size_t ds[] = {1, 63, 64, 65, LONG};
    for (unsigned k = 0; k < 5; k++)
        for (unsigned i = 0; i < pxi_robust_rule_count; i++) {
            unsigned n = ns[k];
            const float *v[MOST], *turned[MOST];
            fill(n, px_seed + k);
            for (unsigned w = 0; w < n; w++) {
                v[w] = data[w];
                turned[w] = data[(w + n / 3) % n];
            }
            for (unsigned j = 0; j < 5; j++) {
                run(pxi_robust_rules[i].name, v, n, ds[j], n / 5, NULL, data[0], out);
                run(pxi_robust_rules[i].name, turned, n, ds[j], n / 5, NULL, data[0], other);
                near(out, other, ds[j]);
            }
        }
}

/* Alike vectors come out as they went in. */
TEST(agreement_is_kept)
{
    const float *v[20];
    fill(1, px_seed);
    for (unsigned w = 0; w < 20; w++)
        v[w] = data[0];
    for (unsigned i = 0; i < pxi_robust_rule_count; i++) {
        if (strcmp(pxi_robust_rules[i].name, "sign") == 0)
            continue;
        run(pxi_robust_rules[i].name, v, 20, LONG, 4, data[0], data[0], out);
        near(out, data[0], LONG);
    }
}

/* A fifth sends what it likes, also what overflows: all but the mean stay with the honest. */
TEST(a_fifth_breaks_none)
{
    static const float evils[] = {1e3f, 1e30f, -3e38f, NAN, INFINITY};
    const float *v[20];
    for (unsigned e = 0; e < 5; e++) {
        fill(20, px_seed + e);
        for (unsigned w = 0; w < 20; w++)
            v[w] = data[w];
        for (unsigned w = 3; w < 7; w++)
            for (size_t j = 0; j < LONG; j++)
                data[w][j] = j % 3 ? evils[e] : -evils[e];
        for (unsigned i = 0; i < pxi_robust_rule_count; i++) {
            const char *name = pxi_robust_rules[i].name;
            bool broken = false;
            float last[LONG];
            for (size_t j = 0; j < LONG; j++)
                last[j] = (float)(j % 7) - 3;
            run(name, v, 20, LONG, 4, last, last, out);
            for (size_t j = 0; j < LONG; j++)
                broken |= !(fabsf(out[j] - last[j]) < 6);
            if (broken != (strcmp(name, "mean") == 0 && isfinite(evils[e])))
                PX_FAIL("%s at %g", name, (double)evils[e]);
        }
    }
}

TEST(what_cannot_be)
{
    struct pxi_robust *r = pxi_robust_new(2);
    static const float bad[] = {NAN}, good[] = {1};
    const float *const none[] = {bad, bad}, *const one[] = {bad, good};
    struct pxi_robust_in in = {.v = none, .n = 2, .d = 1};
    out[0] = 5;
    CHECK(pxi_robust_run(r, pxi_robust_find("mean"), &in, out) == PX_ERR_INVALID);
    CHECK(out[0] == 0);
    in.v = one;
    CHECK(pxi_robust_run(r, pxi_robust_find("root"), &in, out) == PX_ERR_INVALID);
    CHECK(pxi_robust_run(r, pxi_robust_find("nnm+trim"), &in, out) == PX_ERR_OK);
    CHECK(out[0] == 1);
    pxi_robust_free(r);
    CHECK(pxi_robust_find("best") == NULL);
    CHECK(pxi_robust_new(0) == NULL && pxi_robust_new(65) == NULL);
    CHECK(strcmp(pxi_robust_default(20, false)->name, "nnm+trim") == 0);
    CHECK(strcmp(pxi_robust_default(64, true)->name, "root") == 0);
    CHECK(pxi_robust_default(65, false) == NULL);
    for (unsigned i = 1; i < 8; i++) {
        pxi_mem_fail_after(i);
        pxi_robust_free(pxi_robust_new(4));
        pxi_mem_fail_after(0);
    }
}

TEST_MAIN()
