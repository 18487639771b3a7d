/* Heaps that fold: what was written is there again, at the same place; what is free is zero. */
#include "base/fold.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "px_test.h"

static unsigned reserved;
static bool no_pages;

static void *reserve(size_t bytes)
{
    void *p = no_pages ? NULL : aligned_alloc(4096, bytes);
    if (p)
        memset(p, 0, bytes);
    reserved += p != NULL;
    return p;
}

static void discard(void *p, size_t bytes)
{
    memset(p, 0, bytes);
}

static void release(void *p, size_t bytes)
{
    free(p);
    reserved--;
}

static const struct pxi_pages pages = {reserve, discard, release};

static bool all_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

TEST(comes_back_where_it_was)
{
    enum { PIECES = 40, ROUNDS = 400 };
    struct pxi_rng r = {px_seed};
    struct pxi_fold *f = pxi_fold_new(&pages);
    uint8_t *at[PIECES] = {0}, *copy[PIECES];
    size_t size[PIECES];
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t i = pxi_rng_below(&r, PIECES), n = 1 + pxi_rng_below(&r, 20000);
        if (at[i]) {
            CHECK(memcmp(at[i], copy[i], size[i]) == 0);
            pxi_fold_drop(f, at[i]);
            free(copy[i]);
            at[i] = NULL;
        } else if ((at[i] = pxi_fold_alloc(f, n))) {
            CHECK(pxi_fold_has(f, at[i]) && pxi_fold_has(f, at[i] + n - 1));
            CHECK(pxi_fold_size(f, at[i]) >= n && pxi_fold_size(f, at[i]) < n + PXI_FOLD_LEAST);
            CHECK(all_zero(at[i], n));
            size[i] = n;
            for (int k = 0; k < 30; k++)
                at[i][pxi_rng_below(&r, (uint32_t)n)] = (uint8_t)k;
            copy[i] = malloc(n);
            memcpy(copy[i], at[i], n);
        }
        if (pxi_rng_below(&r, 4) == 0) {
            CHECK(pxi_fold_close(f) && pxi_fold_close(f));
            CHECK(pxi_fold_packed(f) < PIECES * 30 * 40);
            pxi_fold_open(f);
            pxi_fold_open(f);
            CHECK_EQ(pxi_fold_packed(f), 0);
        }
    }
    for (size_t i = 0; i < PIECES; i++)
        if (at[i]) {
            CHECK(memcmp(at[i], copy[i], size[i]) == 0);
            free(copy[i]);
        }
    pxi_fold_free(f);
    CHECK_EQ(reserved, 0);
}

TEST(full_of_noise)
{
    struct pxi_rng r = {px_seed};
    struct pxi_fold *f = pxi_fold_new(&pages);
    uint8_t *p[9] = {0}, *copy = malloc(PXI_FOLD_BYTES);
    size_t each = PXI_FOLD_BYTES / 8;
    for (int i = 0; i < 8; i++) {
        p[i] = pxi_fold_alloc(f, each);
        CHECK(p[i]);
        for (size_t k = 0; k < each; k++)
            p[i][k] = (uint8_t)(pxi_rng_below(&r, 255) + 1);
    }
    CHECK(!pxi_fold_alloc(f, 1) && !pxi_fold_alloc(f, 0));
    memcpy(copy, p[0], PXI_FOLD_BYTES);
    CHECK(pxi_fold_close(f));
    CHECK(pxi_fold_packed(f) >= PXI_FOLD_BYTES);
    CHECK(all_zero(p[0], PXI_FOLD_BYTES));
    pxi_fold_open(f);
    CHECK(memcmp(copy, p[0], PXI_FOLD_BYTES) == 0);
    for (int i = 0; i < 8; i++)
        pxi_fold_drop(f, p[i]);
    CHECK(all_zero(p[0], PXI_FOLD_BYTES));
    CHECK(!pxi_fold_alloc(f, PXI_FOLD_BYTES) && !pxi_fold_alloc(f, SIZE_MAX));
    free(copy);
    pxi_fold_free(f);
    pxi_fold_free(NULL);
}

TEST(without_memory)
{
    no_pages = true;
    CHECK(!pxi_fold_new(&pages));
    no_pages = false;
    pxi_mem_fail_after(1);
    CHECK(!pxi_fold_new(&pages));
    pxi_mem_fail_after(0);
    struct pxi_fold *f = pxi_fold_new(&pages);
    uint8_t *p = pxi_fold_alloc(f, 5000);
    CHECK(pxi_fold_close(f)); /* nothing to pack */
    pxi_fold_open(f);
    memset(p, 7, 5000);
    pxi_mem_fail_after(1);
    CHECK(!pxi_fold_close(f));
    pxi_mem_fail_after(0);
    CHECK(p[4999] == 7 && pxi_fold_close(f));
    pxi_fold_open(f);
    CHECK(p[0] == 7 && p[4999] == 7);
    pxi_fold_free(f);
    CHECK_EQ(reserved, 0);
}

TEST_MAIN()
