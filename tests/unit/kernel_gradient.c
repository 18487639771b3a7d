/* Rounding of gradients: as kernel.h says, and stochastically without a bias. */
#include "px_test.h"

#include "kernel/kernel.h"

enum { N = 1 << 16 };

static float x[N], r[N];
static uint16_t q[N];

static const struct pxi_kernels *best(void)
{
    static struct pxi_kernels k;
    pxi_kernels_init(&k, pxi_cpu_mask(getenv("PLEXUS_CPU")));
    return &k;
}

static double mean_of(float value, uint32_t seed)
{
    struct pxi_grad g = {
        .scale = 256, .unscale = 1.0f / 256, .top = 256, .bias = 512, .seed = seed};
    double sum = 0;
    for (size_t i = 0; i < N; i++)
        x[i] = value;
    CHECK(!best()->grad_quant[0](q, NULL, x, N, &g));
    for (size_t i = 0; i < N; i++)
        sum += (double)q[i] - 512;
    return sum / N;
}

/* A deviation of the mean is at most 1/2 / 256 of a step: five of them. */
TEST(stochastic_rounding_is_fair)
{
    for (uint32_t seed = 1; seed < 9; seed++)
        for (int i = -40; i <= 40; i++) {
            double t = i / 16.0 + 0.03, mean = mean_of((float)(t / 256), seed * 0x9e3779b9u);
            if (fabs(mean - t) > 0.01)
                PX_FAIL("%g became %g on average", t, mean);
        }
}

TEST(whole_numbers_stay)
{
    for (int i = -100; i <= 100; i++)
        CHECK(mean_of((float)i / 256, 77) == i);
}

/* What was packed and what is left are the value; undone, it is whole again. */
TEST(nothing_is_lost)
{
    struct pxi_grad g = {.scale = 256, .unscale = 1.0f / 256, .top = 256, .bias = 512, .seed = 5};
    for (size_t i = 0; i < N; i++) {
        x[i] = (float)((i * 2654435761u >> 12) & 0xfffff) * 0x1p-20f - 0.5f;
        r[i] = (float)(i % 64) * 0x1p-16f;
    }
    best()->grad_quant[0](q, r, x, N, &g);
    for (size_t i = 0; i < N; i++) {
        CHECK(fabsf(r[i]) <= 1.0f / 256);
        CHECK((float)(q[i] - 512) / 256 + r[i] == x[i] + (float)(i % 64) * 0x1p-16f);
    }
    best()->grad_undo[0](r, q, N, &g);
    for (size_t i = 0; i < N; i++)
        CHECK(r[i] == x[i] + (float)(i % 64) * 0x1p-16f);
}

/* Beyond the clamps: the nearest that fits, and it is said. */
TEST(what_does_not_fit_is_said)
{
    static const uint32_t biases[] = {32768, 128, 8, 0x80000000u / 3};
    for (int f = 0; f < 4; f++) {
        struct pxi_grad g = {.scale = 1, .unscale = 1, .bias = biases[f]};
        g.top = (float)(1u << (31 - __builtin_clz(biases[f])));
        uint32_t packed[16] = {0}, first;
        for (size_t i = 0; i < 16; i++)
            x[i] = i == 0 ? 3e9f : i == 1 ? -3e9f : 0;
        CHECK(best()->grad_quant[f](packed, NULL, x, 16, &g));
        memcpy(&first, packed, 4);
        CHECK(f != 0 || first == 0x0000ffff);
        CHECK(f != 1 || first == 0x808000ff);
        CHECK(f != 2 || first == 0x8888880f);
        CHECK(f != 3 || (first <= 2 * biases[f] - 1 && first > 2 * biases[f] - 200));
        for (size_t i = 0; i < 2; i++)
            x[i] = nextafterf(g.top, 0) * (i ? -1 : 1);
        CHECK(!best()->grad_quant[f](packed, NULL, x, 16, &g));
        x[15] = -g.top;
        CHECK(best()->grad_quant[f](packed, NULL, x, 16, &g));
    }
}

/* Every pattern of bf16 and those between: rounded to nearest even, a NaN stays one. */
TEST(bf16_there_and_back)
{
    static uint16_t wide[N], out[N];
    for (unsigned i = 0; i < N; i++)
        wide[i] = (uint16_t)i;
    best()->bf16_to_f32(x, wide, N);
    best()->f32_to_bf16(out, x, N);
    for (unsigned i = 0; i < N; i++)
        CHECK(isnan(x[i]) ? (out[i] & 0x7fff) > 0x7f80 : out[i] == i);
    for (uint64_t bits = 0; bits < 1ull << 32; bits += (uint64_t)N * 61) {
        for (size_t i = 0; i < N; i++) {
            uint32_t b = (uint32_t)bits + (uint32_t)i * 61;
            memcpy(&x[i], &b, 4);
        }
        best()->f32_to_bf16(out, x, N - 3);
        for (size_t i = 0; i < N - 3; i++) {
            float low, high;
            uint32_t b, down;
            memcpy(&b, &x[i], 4);
            down = b & 0xffff0000;
            memcpy(&low, &down, 4);
            down += 0x10000;
            memcpy(&high, &down, 4);
            if (isnan(x[i]) || isinf(high)) {
                CHECK(!isnan(x[i]) || (out[i] & 0x7fff) > 0x7f80);
                continue;
            }
            double to_low = fabs((double)x[i] - low), to_high = fabs((double)high - x[i]);
            bool up = to_high < to_low || (to_high == to_low && (b >> 16 & 1));
            CHECK_EQ(out[i], (b >> 16) + up);
        }
    }
}

TEST_MAIN()
