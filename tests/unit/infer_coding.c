/* How hidden states travel: as they are while links keep up, and with no less precision than they
 * need to; what was asked for stays. */
#include "infer/coding.h"

#include "px_test.h"

enum { N = 3, COLS = 2048 };

/* About 1.1B at 4 bits: 28 MB a block. */
static const struct pxi_plan_model model = {
    .blocks = 22, .block_bytes = 28000000, .block_memory = 28000000, .output_bytes = 50000000};

static void make(struct pxi_candidate c[N], uint64_t link)
{
    for (unsigned i = 0; i < N; i++)
        c[i] =
            (struct pxi_candidate){.peer = {.n = 38, .b = {0, 36, 8, 1, 18, 32, (uint8_t)(i + 1)}},
                                   .memory = 1 << 30,
                                   .rate = 10000000000,
                                   .rtt_ns = i ? 400000 : 0,
                                   .rate_link = i ? link : 0,
                                   .self = i == 0};
}

static struct pxi_coding choose(uint64_t link, uint8_t dtype, struct pxi_choice *ch)
{
    struct pxi_candidate c[N];
    struct pxi_coding co;
    make(c, link);
    CHECK_EQ(pxi_choose_coded(&model, c, N, COLS, dtype, ch, &co), PX_ERR_OK);
    return co;
}

/* Three stages, two links between them: 67 ms of computing, 2 x 8 KiB on the links. */
TEST(no_more_is_lost_than_links_ask_for)
{
    static const struct {
        uint64_t mbit;
        uint8_t dtype;
    } rows[] = {{0, PXI_STAGE_F32},   {10000, PXI_STAGE_F32}, {1000, PXI_STAGE_F32},
                {100, PXI_STAGE_F32}, {20, PXI_STAGE_F32},    {10, PXI_STAGE_F32},
                {6, PXI_STAGE_F16},   {4, PXI_STAGE_F16},     {3, PXI_STAGE_Q8},
                {2, PXI_STAGE_Q8},    {1, PXI_STAGE_Q8}};
    struct pxi_choice ch;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pxi_coding c = choose(rows[i].mbit * 125000, 0, &ch);
        if (c.dtype != rows[i].dtype)
            PX_FAIL("%u Mbit/s: %s, %.1f %% of %.1f ms", (unsigned)rows[i].mbit,
                    pxi_hidden_name(c.dtype), 100 * c.share, 1e3 * ch.times.token_s);
        CHECK(!c.chosen);
        CHECK(c.share <= c.share_f32);
        CHECK(c.dtype == PXI_STAGE_Q8 || c.share <= 0.2);
        CHECK((c.dtype == PXI_STAGE_F32) == (c.share_f32 <= 0.2));
    }
}

/* The slower the link, the less is sent; never the other way round. */
TEST(slower_links_never_get_more_bytes)
{
    uint8_t before = PXI_STAGE_Q8;
    struct pxi_choice ch;
    for (uint64_t link = 50000; link < 2000000000; link += link / 7) {
        struct pxi_coding c = choose(link, 0, &ch);
        CHECK(c.dtype <= before);
        before = c.dtype;
    }
    CHECK_EQ(before, PXI_STAGE_F32);
}

TEST(what_was_asked_for_is_taken)
{
    struct pxi_choice ch;
    for (uint8_t d = PXI_STAGE_F32; d <= PXI_STAGE_Q8; d++) {
        struct pxi_coding slow = choose(100000, d, &ch), fast = choose(0, d, &ch);
        CHECK_EQ(slow.dtype, d);
        CHECK_EQ(fast.dtype, d);
        CHECK(slow.chosen && fast.chosen);
        CHECK_STR(pxi_coding_why(&slow), "chosen");
    }
    struct pxi_coding none = {0};
    CHECK_STR(pxi_coding_why(&none), "none");
}

/* Small models: a link that takes less than 2 ms of a token is fast enough, whatever its part. */
TEST(tokens_that_come_fast_anyway_keep_their_bits)
{
    struct pxi_candidate c[N];
    struct pxi_choice ch;
    struct pxi_coding co;
    struct pxi_plan_model tiny = {.blocks = 6, .block_bytes = 500000, .block_memory = 500000};
    make(c, 1000000); /* 256 values: 1 ms each */
    CHECK_EQ(pxi_choose_coded(&tiny, c, N, 256, 0, &ch, &co), PX_ERR_OK);
    CHECK_EQ(ch.times.stages, 3);
    CHECK_EQ(co.dtype, PXI_STAGE_F16); /* 2.05 ms */
    CHECK_EQ(pxi_choose_coded(&tiny, c, N, 240, 0, &ch, &co), PX_ERR_OK);
    CHECK_EQ(co.dtype, PXI_STAGE_F32); /* 1.92 ms */
    CHECK(co.share_f32 > 0.5);
    CHECK(co.share_f32 == co.share);
}

/* One machine sends no hidden states. */
TEST(one_stage_has_no_links)
{
    struct pxi_candidate c[N];
    struct pxi_choice ch;
    struct pxi_coding co;
    make(c, 1000);
    CHECK_EQ(pxi_choose_coded(&model, c, 1, COLS, 0, &ch, &co), PX_ERR_OK);
    CHECK_EQ(co.dtype, PXI_STAGE_F32);
    CHECK(co.share == 0);
    c[0].memory = 0;
    CHECK_EQ(pxi_choose_coded(&model, c, 1, COLS, 0, &ch, &co), PX_ERR_NOMEM);
}

TEST_MAIN()
