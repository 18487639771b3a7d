/* The quantiser, seen through the scalar dequantisers: error bounds by type, and extreme rows. */
#include "tensor/quantize.h"

#include "base/rng.h"
#include "kernel/kernel.h"
#include "plexus/tensor.h"
#include "px_test.h"

enum { N = 4096, MAX_BYTES = N * 4 };

static struct pxi_kernels kernels;

/* Bound: relative RMS error on values of a bell-shaped distribution, in units of 1e-4. */
static const struct {
    uint32_t type;
    unsigned bound;
} rows[] = {
    {PX_DTYPE_F32, 0},     {PX_DTYPE_F16, 3},    {PX_DTYPE_BF16, 19},  {PX_DTYPE_Q8_0, 57},
    {PX_DTYPE_Q6_K, 185},  {PX_DTYPE_Q5_K, 380}, {PX_DTYPE_Q5_1, 400}, {PX_DTYPE_Q5_0, 445},
    {PX_DTYPE_Q4_K, 760},  {PX_DTYPE_Q4_1, 830}, {PX_DTYPE_Q4_0, 900}, {PX_DTYPE_Q3_K, 1550},
    {PX_DTYPE_Q2_K, 3000},
};
#define ROWS (sizeof rows / sizeof *rows)

static void bell(float *x, uint64_t seed)
{
    struct pxi_rng r = {seed};
    for (int i = 0; i < N; i++)
        x[i] = pxi_rng_f32(&r) + pxi_rng_f32(&r) + pxi_rng_f32(&r) + pxi_rng_f32(&r) - 2;
}

/* Quantise into guarded bytes and back. */
static void round_trip(uint32_t type, float *y, const float *x, size_t n)
{
    size_t bytes = (size_t)px_dtype_row_bytes(type, n);
    uint8_t *packed = px_guarded(bytes, 0);
    CHECK(pxi_quantize_row(type, packed, x, n));
    if (!kernels.dequant[type])
        pxi_kernels_init(&kernels, PXI_CPU_SCALAR);
    kernels.dequant[type](y, packed, n);
    munmap((void *)((uintptr_t)packed & ~(uintptr_t)4095), bytes);
}

static double relative_error(const float *x, const float *y)
{
    double e = 0, s = 0;
    for (int i = 0; i < N; i++) {
        e += ((double)y[i] - x[i]) * ((double)y[i] - x[i]);
        s += (double)x[i] * x[i];
    }
    return sqrt(e / s);
}

TEST(errors_stay_within_the_bound_of_the_type)
{
    static float x[N], y[N];
    for (size_t r = 0; r < ROWS; r++) {
        double worst = 0;
        for (uint64_t seed = 1; seed < 5; seed++) {
            bell(x, px_seed + seed);
            round_trip(rows[r].type, y, x, N);
            double e = relative_error(x, y);
            worst = e > worst ? e : worst;
        }
        printf("# %s %.5f\n", px_dtype_name(rows[r].type), worst);
        CHECK(worst * 1e4 <= rows[r].bound);
        CHECK(worst * 1e4 >= rows[r].bound * 0.6);
    }
}

TEST(zeros_stay_zeros)
{
    static float x[N], y[N];
    for (size_t r = 0; r < ROWS; r++) {
        round_trip(rows[r].type, y, x, N);
        for (int i = 0; i < N; i++)
            CHECK(y[i] == 0);
    }
}

/* One spike in a block of zeros, of each sign, at the ends and in the middle. */
TEST(a_spike_survives)
{
    static float x[N], y[N];
    static const int places[] = {0, 15, 16, 31, 100, 255};
    for (size_t r = 0; r < ROWS; r++)
        for (size_t p = 0; p < sizeof places / sizeof *places; p++)
            for (float v = -3; v <= 3; v += 6) {
                memset(x, 0, sizeof x);
                x[places[p]] = v;
                round_trip(rows[r].type, y, x, 256);
                CHECK(fabsf(y[places[p]] - v) <= 0.15f * 3);
                for (int i = 0; i < 256; i++)
                    CHECK(i == places[p] || fabsf(y[i]) < 0.15f * 3);
            }
}

TEST(constant_rows)
{
    static float x[N], y[N];
    for (size_t r = 0; r < ROWS; r++)
        for (float v = -0.7f; v < 1; v += 1.4f) {
            for (int i = 0; i < N; i++)
                x[i] = v;
            round_trip(rows[r].type, y, x, N);
            for (int i = 0; i < N; i++)
                CHECK(fabsf(y[i] - v) < 0.02f * 0.7f);
        }
}

/* Extreme values give finite weights, and no trap under a sanitizer. */
TEST(extreme_values_stay_finite)
{
    static float x[N], y[N];
    for (size_t r = 0; r < ROWS; r++) {
        if (rows[r].type == PX_DTYPE_F32 || rows[r].type == PX_DTYPE_F16 ||
            rows[r].type == PX_DTYPE_BF16)
            continue;
        bell(x, 3);
        for (int i = 0; i < N; i += 7)
            x[i] *= i % 2 ? 3e38f : 1e-40f;
        for (int i = 1; i < N; i += 301)
            x[i] = i % 3 ? INFINITY : NAN;
        round_trip(rows[r].type, y, x, N);
        for (int i = 0; i < N; i++)
            CHECK(isfinite(y[i]));
    }
}

/* What a quantiser made, it makes again: the packed values are a fixed point of the simple types.
 */
TEST(packed_values_are_a_fixed_point)
{
    static const uint32_t simple[] = {PX_DTYPE_F16, PX_DTYPE_BF16, PX_DTYPE_Q4_0, PX_DTYPE_Q8_0};
    static float x[N], y[N], z[N];
    for (size_t r = 0; r < sizeof simple / sizeof *simple; r++) {
        bell(x, 9);
        round_trip(simple[r], y, x, N);
        round_trip(simple[r], z, y, N);
        CHECK(memcmp(y, z, sizeof y) == 0);
    }
}

TEST(other_types_and_partial_blocks_are_refused)
{
    float x[300] = {0};
    uint8_t out[1200];
    CHECK(!pxi_quantize_row(PX_DTYPE_IQ2_XXS, out, x, 256));
    CHECK(!pxi_quantize_row(4, out, x, 32));
    CHECK(!pxi_quantize_row(UINT32_MAX, out, x, 32));
    CHECK(!pxi_quantize_row(PX_DTYPE_Q4_0, out, x, 33));
    CHECK(!pxi_quantize_row(PX_DTYPE_Q4_K, out, x, 128));
    CHECK(pxi_quantize_row(PX_DTYPE_F16, out, x, 3));
    CHECK(pxi_quantize_row(PX_DTYPE_Q4_K, out, x, 0));
}

TEST_MAIN()
