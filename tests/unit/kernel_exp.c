/* The exponential against the C library's, and f16 conversions against their definition. */
#include "kernel/exp.h"
#include "kernel/half.h"
#include "kernel/kernel.h"
#include "px_test.h"

/* Distance of f from the true value in units of the last place of the rounded true value. */
static double ulps(float f, double truth)
{
    int e;
    frexp(truth, &e);
    double ulp = ldexp(1, e - 24 > -149 ? e - 24 : -149);
    return fabs((double)f - truth) / ulp;
}

TEST(exp_is_within_two_ulp)
{
    double worst = 0;
    float at = 0;
    for (uint32_t sign = 0; sign < 2; sign++)
        for (uint32_t bits = 0; bits < 0x42d20000; bits += 199) {
            float x = pxi_f32_of_bits(sign << 31 | bits);
            double truth = exp((double)x);
            if (truth > 3.4e38)
                break;
            double u = ulps(pxi_exp(x), truth);
            if (u > worst) {
                worst = u;
                at = x;
            }
        }
    printf("# largest error %.4f ulp at %a\n", worst, at);
    CHECK(worst > 0.4 && worst < 1.5);
}

TEST(exp_at_the_ends)
{
    CHECK(pxi_exp(0.0f) == 1.0f);
    CHECK(pxi_exp(-0.0f) == 1.0f);
    CHECK(isinf(pxi_exp(89.0f)) && isinf(pxi_exp(1e30f)) && isinf(pxi_exp(INFINITY)));
    CHECK(pxi_exp(88.7f) < INFINITY);
    CHECK(pxi_exp(-104.0f) == 0.0f && pxi_exp(-1e30f) == 0.0f && pxi_exp(-INFINITY) == 0.0f);
    CHECK(pxi_exp(-103.0f) == 0x1p-149f);
    CHECK(pxi_exp(-100.0f) > 0.0f);
}

TEST(f16_to_f32_of_every_value)
{
    for (uint32_t h = 0; h < 65536; h++) {
        int e = h >> 10 & 31, m = h & 1023;
        float f = pxi_f16_to_f32((uint16_t)h);
        CHECK_EQ(signbit(f) != 0, h >> 15);
        if (e == 31)
            CHECK(m ? isnan(f) : isinf(f));
        else
            CHECK(fabs(f) == (e ? ldexp(1024 + m, e - 25) : ldexp(m, -24)));
        CHECK_EQ(pxi_f16_of_f32(f), e == 31 && m ? h | 0x200 : h);
    }
}

TEST(f16_of_f32_rounds_to_nearest_even)
{
    for (uint32_t h = 0; h < 0x7bff; h++) {
        double a = pxi_f16_to_f32((uint16_t)h), b = pxi_f16_to_f32((uint16_t)(h + 1));
        float middle = (float)((a + b) / 2); /* exact: 12 bits */
        CHECK_EQ(pxi_f16_of_f32(middle), h + (h & 1));
        CHECK_EQ(pxi_f16_of_f32(nextafterf(middle, 0)), h);
        CHECK_EQ(pxi_f16_of_f32(nextafterf(middle, INFINITY)), h + 1);
    }
    CHECK_EQ(pxi_f16_of_f32(65519.996f), 0x7bff);
    CHECK_EQ(pxi_f16_of_f32(65520.0f), 0x7c00);
    CHECK_EQ(pxi_f16_of_f32(-INFINITY), 0xfc00);
    CHECK_EQ(pxi_f16_of_f32(-0x1p-25f), 0x8000);
    CHECK_EQ(pxi_f16_of_f32(-0x1.000002p-25f), 0x8001);
}

TEST(cpu_masks)
{
    uint32_t here = pxi_cpu_detect();
    CHECK(here & PXI_CPU_SCALAR);
    CHECK_EQ(pxi_cpu_mask("scalar"), PXI_CPU_SCALAR);
    CHECK_EQ(pxi_cpu_mask("avx2"), PXI_CPU_SCALAR | PXI_CPU_AVX2);
    CHECK_EQ(pxi_cpu_mask("nonsense"), 0);
    CHECK_EQ(pxi_cpu_mask(NULL) & ~here, 0);
    CHECK_EQ(pxi_cpu_mask("auto"), pxi_cpu_mask(NULL));
    CHECK(!(pxi_cpu_mask(NULL) & PXI_CPU_AVX512_BF16));
}

TEST_MAIN()
