/* The list of chosen kernels: complete, consistent with the mask, and refusing unknown masks. */
#include "plexus/kernels.h"
#include "px_test.h"

TEST(scalar_mask_chooses_scalar_only)
{
    px_kernel_row row;
    unsigned n = 0;
    while (px_kernel_at("scalar", n, &row) == PX_ERR_OK) {
        CHECK_STR(row.isa, "scalar");
        CHECK(row.kernel[0] != 0);
        n++;
    }
    CHECK(n >= 40);
    CHECK_EQ(px_kernel_at("scalar", n, &row), PX_ERR_NOT_FOUND);
}

TEST(auto_names_sets_of_this_processor)
{
    char cpu[128];
    px_kernel_row row;
    px_cpu_describe(cpu, sizeof cpu);
    CHECK(strstr(cpu, "scalar") == cpu);
    for (unsigned i = 0; px_kernel_at("auto", i, &row) == PX_ERR_OK; i++)
        CHECK(strstr(cpu, row.isa) != NULL);
}

TEST(a_short_buffer_is_terminated)
{
    char cpu[3] = "xx";
    px_cpu_describe(cpu, sizeof cpu);
    CHECK_STR(cpu, "");
}

TEST(unknown_masks_are_refused)
{
    px_kernel_row row;
    CHECK_EQ(px_kernel_at("mmx", 0, &row), PX_ERR_INVALID);
#if defined(__x86_64__)
    CHECK_EQ(px_kernel_at("neon", 0, &row), PX_ERR_INVALID);
#endif
}

TEST_MAIN()
