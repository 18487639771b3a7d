/* Arena, growable buffer, map and the failing allocator. */
#include "base/map.h"
#include "base/math.h"
#include "base/mem.h"
#include "px_test.h"

TEST(arena_keeps_its_maximum)
{
    struct pxi_arena a;
    pxi_arena_init(&a, 100);
    CHECK(pxi_arena_alloc(&a, 4, 16) != NULL);
    CHECK(pxi_arena_alloc(&a, 4, 16) == NULL);
    CHECK(pxi_arena_alloc(&a, SIZE_MAX, 2) == NULL);
    CHECK(pxi_arena_alloc(&a, 2, 16) != NULL);
    pxi_arena_deinit(&a);
}

TEST(buf_refuses_to_pass_its_maximum)
{
    struct pxi_buf b = {.max = 300};
    uint8_t bytes[200] = {7};
    CHECK(pxi_buf_add(&b, bytes, 200));
    CHECK(!pxi_buf_add(&b, bytes, 101));
    CHECK_EQ(b.n, 200);
    CHECK(pxi_buf_add(&b, bytes, 100));
    pxi_buf_deinit(&b);
}

TEST(map_finds_what_was_put_first)
{
    struct pxi_map m = {0};
    char keys[1000][8];
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(keys[i], sizeof keys[i], "k%u", i);
        CHECK_EQ(pxi_map_put(&m, px_view_str(keys[i]), i), i);
    }
    CHECK_EQ(pxi_map_put(&m, px_view_str("k77"), 5), 77);
    CHECK_EQ(pxi_map_get(&m, px_view_str("k999")), 999);
    CHECK_EQ(pxi_map_get(&m, px_view_str("k1000")), -1);
    pxi_map_deinit(&m);
}

TEST(nth_allocation_fails_on_demand)
{
    pxi_mem_fail_after(2);
    void *a = pxi_calloc(1, 1), *b = pxi_calloc(1, 1), *c = pxi_calloc(1, 1);
    CHECK(a && !b && c);
    pxi_free(a);
    pxi_free(c);
}

TEST(checked_arithmetic)
{
    uint64_t r;
    CHECK(!pxi_mul_u64(UINT64_MAX, 2, &r));
    CHECK(!pxi_align_u64(UINT64_MAX - 3, 32, &r));
    CHECK(pxi_align_u64(33, 32, &r) && r == 64);
}

TEST_MAIN()
