/* A store of 10^9 samples: what opening and resuming touch, and that any place of it is found. */
#include "data/check.h"
#include "kernel/kernel.h"
#include "large_store.h"
#include "plexus/data.h"
#include "px_test.h"

enum { MOST_RESIDENT = 64 << 20 };

static uint64_t resident(void)
{
    unsigned long all = 0, here = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f && fscanf(f, "%lu %lu", &all, &here) == 2);
    fclose(f);
    return here * (uint64_t)sysconf(_SC_PAGESIZE);
}

static px_data *open_large(void)
{
    char path[] = "/tmp/px-large-XXXXXX";
    struct pxi_kernels k;
    px_data *d;
    px_diag diag = {0};
    pxi_kernels_init(&k, pxi_cpu_detect());
    struct pxi_ndp_sums sums = pxi_data_sums(&k);
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    bool made = large_store_write(path, &sums);
    px_err err = made ? px_data_open(path, NULL, &d, &diag) : PX_ERR_OK;
    unlink(path); /* the mapping holds it */
    if (!made)
        PX_SKIP("no files of 10^12 bytes in /tmp");
    if (err)
        PX_FAIL("%s: %s", px_err_name(err), diag.field);
    return d;
}

static px_loader *loader_of(px_data *d, unsigned batch, int sequential, unsigned rank,
                            unsigned world)
{
    px_loader_source s = {.data = d};
    px_loader_options o = {.size = sizeof o,
                           .sources = &s,
                           .source_count = 1,
                           .batch = batch,
                           .row_tokens = LARGE_TOKENS,
                           .epochs = 1,
                           .sequential = sequential,
                           .rank = rank,
                           .world = world,
                           .unchecked = !sequential}; /* most samples are holes */
    px_loader *l;
    px_diag diag = {0};
    CHECK_EQ(px_loader_new(&o, &l, &diag), PX_ERR_OK);
    return l;
}

static const px_batch *next(px_loader *l)
{
    const px_batch *b;
    px_diag diag = {0};
    CHECK_EQ(px_loader_next(l, &b, &diag), PX_ERR_OK);
    return b;
}

TEST(opening_touches_little)
{
    px_diag diag = {0};
    uint8_t state[PX_LOADER_STATE];
    uint64_t before = resident();
    px_data *d = open_large();
    px_data_info info;
    px_data_get_info(d, &info);
    CHECK_EQ(info.samples, large_samples);
    px_loader *l = loader_of(d, 8, 0, 0, 1);
    CHECK_EQ(px_loader_skip(l, large_samples / 3), PX_ERR_OK);
    px_loader_state(l, state);
    CHECK_EQ(px_loader_resume(l, state, &diag), PX_ERR_OK);
    CHECK(next(l));
    uint64_t grown = resident() - before;
    printf("# %llu KiB resident\n", (unsigned long long)grown >> 10);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    CHECK(grown < MOST_RESIDENT);
#endif
    px_loader_free(l);
    px_data_close(d);
}

TEST(the_last_samples_are_found)
{
    px_diag diag = {0};
    uint8_t state[PX_LOADER_STATE];
    px_data *d = open_large();
    px_loader *l = loader_of(d, 8, 1, 0, 1);
    CHECK_EQ(px_loader_skip(l, large_first()), PX_ERR_OK);
    px_loader_state(l, state);
    px_loader_free(l);
    l = loader_of(d, 5, 1, 1, 2); /* the second of two ranks */
    CHECK_EQ(px_loader_resume(l, state, &diag), PX_ERR_OK);
    uint64_t at = large_first() + 5;
    for (const px_batch *b; (b = next(l)); at += 10) {
        for (uint32_t i = 0; i < b->rows; i++) {
            const int32_t *row = (const int32_t *)b->ids + (size_t)i * LARGE_TOKENS;
            CHECK_EQ(b->numbers[i], at + i);
            for (unsigned k = 0; k < LARGE_TOKENS; k++)
                CHECK_EQ(row[k], large_token(at + i, k));
        }
        px_loader_give_back(l, b);
    }
    CHECK(at >= large_samples);
    px_loader_free(l);
    px_data_close(d);
}

TEST(an_order_goes_on_anywhere)
{
    px_diag diag = {0};
    uint8_t state[PX_LOADER_STATE];
    uint64_t seen[64];
    px_data *d = open_large();
    px_loader *l = loader_of(d, 32, 0, 0, 1);
    CHECK_EQ(px_loader_skip(l, large_samples - 100), PX_ERR_OK);
    px_loader_state(l, state);
    for (unsigned i = 0; i < 64; i += 32) {
        const px_batch *b = next(l);
        memcpy(seen + i, b->numbers, 32 * sizeof *seen);
        px_loader_give_back(l, b);
    }
    px_loader_free(l);
    l = loader_of(d, 16, 0, 0, 1);
    CHECK_EQ(px_loader_resume(l, state, &diag), PX_ERR_OK);
    for (unsigned i = 0; i < 64; i += 16) {
        const px_batch *b = next(l);
        CHECK(memcmp(seen + i, b->numbers, 16 * sizeof *seen) == 0);
        for (unsigned k = 0; k < 16; k++)
            CHECK(b->numbers[k] < large_samples);
        px_loader_give_back(l, b);
    }
    px_loader_free(l);
    px_data_close(d);
}

TEST_MAIN()
