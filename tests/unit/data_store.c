/* Stores: appended to, killed at every write, damaged at every byte; side arrays; hostile numbers.
 */
#include "base/mem.h"
#include "base/rng.h"
#include "crypto/hash.h"
#include "data/check.h"
#include "kernel/kernel.h"
#include "memory_file.h"
#include "px_test.h"

static struct pxi_ndp_sums sums;

static struct pxi_writer_options options(struct pxi_file *file, unsigned dtype)
{
    struct pxi_kernels k;
    pxi_kernels_init(&k, pxi_cpu_detect());
    sums = pxi_data_sums(&k);
    return (struct pxi_writer_options){.sums = &sums,
                                       .ops = &memory_file_ops,
                                       .file = file,
                                       .dtype = dtype,
                                       .bos = 1,
                                       .eos = 2,
                                       .pad = -1,
                                       .segment_bytes = 3000};
}

/* n samples of which the i-th, counted from `first`, holds i % 50 tokens i, i + 1, ... */
static px_err add(struct pxi_writer *w, unsigned first, unsigned n)
{
    px_err err = PX_ERR_OK;
    for (unsigned i = first; !err && i < first + n; i++) {
        int32_t tokens[50];
        for (unsigned k = 0; k < 50; k++)
            tokens[k] = (int32_t)(i + k);
        struct pxi_writer_sample s = {
            .src = 1, .dst = 1, .typ = 1, .tokens = tokens, .count = i % 50};
        err = pxi_writer_add(w, &s);
    }
    return err;
}

/* Opens the bytes and returns how many samples it has, all of them as add() made them. */
static uint64_t holds(px_view file)
{
    struct pxi_source_options o = {.sums = &sums};
    struct pxi_source *s;
    px_diag d = {0};
    px_err err = pxi_source_open(&o, file, &s, &d);
    if (err)
        PX_FAIL("%s: %s: expected %s, found %s", px_err_name(err), d.field, d.expected, d.found);
    uint64_t n = pxi_source_info(s)->samples;
    unsigned unit = pxi_ndp_token_bytes(pxi_source_info(s)->dtype);
    CHECK_EQ(pxi_store_verify(&sums, s, file, NULL, NULL, &d), PX_ERR_OK);
    for (uint64_t i = 0; i < n; i++) {
        struct pxi_item item;
        CHECK(pxi_source_item(s, i, &item) && pxi_source_right(s, &item));
        CHECK_EQ(item.tokens, i % 50);
        for (uint64_t k = 0; k < item.tokens; k++)
            CHECK_EQ(pxi_ndp_le(item.bytes.p + k * unit, unit), i + k);
    }
    pxi_source_close(s);
    return n;
}

static uint64_t samples(px_view file)
{
    struct pxi_source_options o = {.sums = &sums};
    struct pxi_source *s;
    CHECK_EQ(pxi_source_open(&o, file, &s, NULL), PX_ERR_OK);
    uint64_t n = pxi_source_info(s)->samples;
    pxi_source_close(s);
    return n;
}

static void commit(struct pxi_writer *w)
{
    CHECK_EQ(pxi_writer_commit(w), PX_ERR_OK);
}

TEST(commits_add_up)
{
    struct memory_file f;
    struct pxi_writer *w;
    for (unsigned dtype = 0; dtype < 2; dtype++) {
        struct pxi_writer_options o = options(memory_file_begin(&f), dtype);
        CHECK_EQ(pxi_writer_new(&o, &w), PX_ERR_OK);
        commit(w);
        CHECK_EQ(holds(memory_file_bytes(&f)), 0);
        CHECK_EQ(add(w, 0, 700), PX_ERR_OK);
        CHECK_EQ(holds(memory_file_bytes(&f)), 0); /* not yet */
        commit(w);
        CHECK_EQ(holds(memory_file_bytes(&f)), 700);
        pxi_writer_free(w);
        for (unsigned round = 1; round < 5; round++) {
            px_diag d = {0};
            CHECK_EQ(pxi_writer_append(&o, &w, &d), PX_ERR_OK);
            CHECK_EQ(add(w, 700 * round, 700), PX_ERR_OK);
            commit(w);
            CHECK_EQ(holds(memory_file_bytes(&f)), 700 * (round + 1));
            pxi_writer_free(w);
        }
        memory_file_end(&f);
    }
}

TEST(who_is_killed_leaves_the_last_commit)
{
    struct memory_file f;
    struct pxi_writer *w;
    px_diag d = {0};
    bool through = false;
    for (unsigned at = 1; !through; at++) {
        struct pxi_writer_options o = options(memory_file_begin(&f), PXI_NDP_DTYPE_U16);
        CHECK_EQ(pxi_writer_new(&o, &w), PX_ERR_OK);
        CHECK_EQ(add(w, 0, 300), PX_ERR_OK);
        commit(w);
        pxi_writer_free(w);
        CHECK_EQ(pxi_writer_append(&o, &w, &d), PX_ERR_OK);
        f.writes = 0;
        f.fail_at = at;
        px_err err = add(w, 300, 500);
        if (!err)
            err = pxi_writer_commit(w);
        through = !err;
        pxi_writer_free(w);
        /* The last sync may fail after the write went through: both are right. */
        uint64_t n = holds(memory_file_bytes(&f));
        CHECK(n == 800 || (err && n == 300));
        f.fail_at = 0;
        CHECK_EQ(pxi_writer_append(&o, &w, &d), PX_ERR_OK); /* and it goes on */
        CHECK_EQ(add(w, (unsigned)n, 100), PX_ERR_OK);
        commit(w);
        pxi_writer_free(w);
        CHECK_EQ(holds(memory_file_bytes(&f)), n + 100);
        memory_file_end(&f);
    }
}

TEST(a_torn_head_leaves_the_other)
{
    struct memory_file f;
    struct pxi_writer *w;
    struct pxi_writer_options o = options(memory_file_begin(&f), PXI_NDP_DTYPE_I32);
    uint8_t page[PXI_NDP_PAGE];
    CHECK_EQ(pxi_writer_new(&o, &w), PX_ERR_OK);
    CHECK_EQ(add(w, 0, 300), PX_ERR_OK);
    commit(w);
    CHECK_EQ(add(w, 300, 300), PX_ERR_OK);
    commit(w);
    pxi_writer_free(w);
    CHECK_EQ(holds(memory_file_bytes(&f)), 600);
    memcpy(page, f.p + PXI_NDP_PAGE, sizeof page); /* the second commit's head */
    for (unsigned n = 0; n < PXI_NDP_HEAD_BYTES; n++) {
        memset(f.p + PXI_NDP_PAGE + n, 0, PXI_NDP_PAGE - n);
        CHECK_EQ(samples(memory_file_bytes(&f)), 300);
        memcpy(f.p + PXI_NDP_PAGE, page, sizeof page);
    }
    memory_file_end(&f);
}

/* Change the file at random: some bytes, one bit, a run of zeros, two places that change places. A
 * head that is zero as a whole was never written, and the commit before it counts: runs are shorter
 * than that. */
static void damage(struct pxi_rng *rng, uint8_t *p, uint64_t n)
{
    uint64_t at = pxi_rng_below(rng, n), left = n - at;
    uint64_t some = 1 + pxi_rng_below(rng, 8), many = 1 + pxi_rng_below(rng, 96);
    switch (pxi_rng_below(rng, 4)) {
    case 0:
        for (uint64_t k = 0; k < some && k < left; k++)
            p[at + k] = (uint8_t)pxi_rng_below(rng, 256);
        break;
    case 1: p[at] ^= (uint8_t)(1u << pxi_rng_below(rng, 8)); break;
    case 2: memset(p + at, 0, many < left ? many : left); break;
    default:
        for (uint64_t k = 0, to = pxi_rng_below(rng, n); k < some && k < left && k < n - to; k++) {
            uint8_t old = p[at + k];
            p[at + k] = p[to + k];
            p[to + k] = old;
        }
    }
}

/* PX_DAMAGES: how many, 100,000 unless it is there. */
TEST(no_damage_is_missed)
{
    struct memory_file f;
    struct pxi_writer *w;
    struct pxi_rng rng = {px_seed};
    struct pxi_writer_options o = options(memory_file_begin(&f), PXI_NDP_DTYPE_U16);
    const char *asked = getenv("PX_DAMAGES");
    CHECK_EQ(pxi_writer_new(&o, &w), PX_ERR_OK);
    CHECK_EQ(add(w, 0, 100), PX_ERR_OK);
    commit(w);
    CHECK_EQ(pxi_writer_foreign(w, PXI_NDP_DROP_SYNC, px_view_str("between")), PX_ERR_OK);
    commit(w);
    pxi_writer_free(w);
    uint8_t *whole = pxi_calloc(1, f.n);
    memcpy(whole, f.p, f.n);
    unsigned long all = asked ? strtoul(asked, NULL, 10) : 100000, changed = 0;
    if (getenv("PX_TEST_LIGHT"))
        all = 2000;
    for (unsigned long i = 0; i < all;) {
        damage(&rng, f.p, f.n);
        bool same = memcmp(whole, f.p, f.n) == 0;
        if (!same && !pxi_check_ndp3(memory_file_bytes(&f), NULL))
            PX_FAIL("damage %lu of seed %llu is missed", i, (unsigned long long)px_seed);
        changed += !same;
        i += !same;
        memcpy(f.p, whole, f.n);
    }
    printf("# %lu damages of %llu bytes, none missed\n", changed, (unsigned long long)f.n);
    pxi_free(whole);
    memory_file_end(&f);
}

TEST(sides_are_kept)
{
    struct memory_file f;
    struct pxi_writer *w;
    struct pxi_writer_options o = options(memory_file_begin(&f), PXI_NDP_DTYPE_U16);
    static const int32_t tokens[4] = {10, 11, 12, 13}, positions[4] = {0, 1, 0, 1};
    static const uint8_t mask[4] = {1, 0, 1, 0};
    static const uint32_t begins[1] = {2};
    static const float weight = 2.5f;
    struct pxi_writer_sample plain = {.typ = 1, .tokens = tokens, .count = 3},
                             full = {.typ = 1,
                                     .flags = PXI_NDP_FLAG_CONTINUES,
                                     .tokens = tokens,
                                     .count = 4,
                                     .mask = mask,
                                     .positions = positions,
                                     .weight = &weight,
                                     .begins = begins,
                                     .begin_count = 1};
    CHECK_EQ(pxi_writer_new(&o, &w), PX_ERR_OK);
    CHECK_EQ(pxi_writer_add(w, &plain), PX_ERR_OK);
    CHECK_EQ(pxi_writer_add(w, &full), PX_ERR_OK);
    CHECK_EQ(pxi_writer_add(w, &plain), PX_ERR_OK);
    commit(w);
    pxi_writer_free(w);
    struct pxi_source_options so = {.sums = &sums};
    struct pxi_source *s;
    CHECK_EQ(pxi_source_open(&so, memory_file_bytes(&f), &s, NULL), PX_ERR_OK);
    const struct pxi_source_segment *g = pxi_source_segment(s, 0);
    const uint8_t *p = g->bytes.p;
    CHECK_EQ(g->row.parts, PXI_NDP_HAS_MASK | PXI_NDP_HAS_POSITIONS | PXI_NDP_HAS_WEIGHTS);
    CHECK_EQ(pxi_ndp_le(p + g->layout.at[PXI_NDP_PART_MASK], 2), 0x3af); /* 111 0101 111, from 0 */
    const uint8_t *where = p + g->layout.at[PXI_NDP_PART_POSITIONS];
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(pxi_ndp_le(where + 4 * (3 + i), 4), positions[i]);
    float weights[3];
    memcpy(weights, p + g->layout.at[PXI_NDP_PART_WEIGHTS], sizeof weights);
    CHECK(weights[0] == 1 && weights[1] == 2.5f && weights[2] == 1);
    CHECK_EQ(pxi_ndp_le(p + g->layout.at[PXI_NDP_PART_DOCUMENTS], 8), 5);
    CHECK(g->row.alike && g->row.typ == 1);
    pxi_source_close(s);
    memory_file_end(&f);
}

TEST(what_does_not_fit_is_refused)
{
    struct memory_file f;
    struct pxi_writer *w;
    struct pxi_writer_options o = options(memory_file_begin(&f), PXI_NDP_DTYPE_U16);
    int32_t tokens[2] = {5, 65536};
    struct pxi_writer_sample s = {.typ = 1, .tokens = tokens, .count = 2};
    CHECK_EQ(pxi_writer_new(&o, &w), PX_ERR_OK);
    CHECK_EQ(pxi_writer_add(w, &s), PX_ERR_LIMIT);
    tokens[1] = -1;
    CHECK_EQ(pxi_writer_add(w, &s), PX_ERR_LIMIT);
    CHECK_EQ(pxi_writer_totals(w)->samples, 0);
    pxi_writer_free(w);
    memory_file_end(&f);
}

/* A directory with right hashes and wrong numbers is refused, or harms nobody. */
TEST(hostile_numbers)
{
    struct memory_file f;
    struct pxi_writer *w;
    struct pxi_rng rng = {px_seed};
    struct pxi_writer_options o = options(memory_file_begin(&f), PXI_NDP_DTYPE_I32);
    CHECK_EQ(pxi_writer_new(&o, &w), PX_ERR_OK);
    CHECK_EQ(add(w, 0, 200), PX_ERR_OK);
    commit(w);
    pxi_writer_free(w);
    struct pxi_ndp_head h = pxi_ndp_head_read(f.p);
    size_t n = (size_t)f.n, dir = (size_t)h.directory_at;
    uint8_t *good = malloc(n), *bad = px_guarded(n, 0);
    memcpy(good, f.p, n);
    for (unsigned i = 0; i < 20000; i++) {
        memcpy(bad, good, n);
        struct pxi_ndp_head hostile = h;
        for (unsigned k = 0; k < 1 + i % 3; k++) {
            uint64_t value = pxi_rng_below(&rng, 4) ? pxi_rng_u64(&rng) >> pxi_rng_below(&rng, 64)
                                                    : 0 - pxi_rng_below(&rng, 5000);
            size_t at = dir + pxi_rng_below(&rng, n - dir - 8);
            if (pxi_rng_below(&rng, 3) == 0) /* an entry of the index, or any byte */
                at = PXI_NDP_HEADS + pxi_rng_below(&rng, n - PXI_NDP_HEADS - 8);
            memcpy(bad + at, &value, 1 + pxi_rng_below(&rng, 8));
        }
        pxi_blake3(px_view_of(bad + dir, n - dir), hostile.hash);
        pxi_ndp_head_seal(&sums, hostile, bad);
        px_diag d = {0};
        struct pxi_source_options so = {.sums = &sums};
        struct pxi_source *s;
        (void)pxi_check_ndp3(px_view_of(bad, n), &d);
        if (pxi_source_open(&so, px_view_of(bad, n), &s, &d))
            continue;
        for (uint64_t k = 0; k < 300; k++) {
            struct pxi_item item;
            if (pxi_source_item(s, k, &item))
                (void)pxi_source_right(s, &item);
        }
        pxi_source_close(s);
    }
    free(good);
    memory_file_end(&f);
}

TEST(memory_may_fail)
{
    for (unsigned n = 1; n < 60; n++) {
        struct memory_file f;
        struct pxi_writer *w;
        struct pxi_writer_options o = options(memory_file_begin(&f), PXI_NDP_DTYPE_I32);
        pxi_mem_fail_after(n);
        px_err err = pxi_writer_new(&o, &w);
        if (!err)
            err = add(w, 0, 100);
        if (!err)
            err = pxi_writer_commit(w);
        pxi_mem_fail_after(0);
        CHECK(err == PX_ERR_NOMEM || !err);
        pxi_writer_free(w);
        memory_file_end(&f);
    }
}

TEST_MAIN()
