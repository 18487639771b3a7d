/* The rules of the Sentry that fit the kernel: their lanes, and slots that they judge for. */
#include "base/mem.h"
#include "base/rng.h"
#include "px_test.h"
#include "reduce/slots.h"

enum { VALUES = 256, SLOTS = 4, CHUNKS = 4, MOST = 64, EXPONENT = 3 };

/* ------------------------------------------------------------------ lanes */

static uint64_t pack(const uint16_t v[4])
{
    return v[0] | (uint64_t)v[1] << 16 | (uint64_t)v[2] << 32 | (uint64_t)v[3] << 48;
}

static int lane(uint64_t w, int i)
{
    return (int)(w >> (16 * i) & 0xffff);
}

static int clamp(int v, int low, int high)
{
    return v < low ? low : v > high ? high : v;
}

TEST(lanes_are_as_one_by_one)
{
    struct pxi_rng r = {px_seed};
    for (int turn = 0; turn < 200000; turn++) {
        int bias = turn % 2 ? 8192 : 1 + (int)pxi_rng_below(&r, 8192);
        int reach = turn % 3 ? (int)pxi_rng_below(&r, 200) : (int)pxi_rng_below(&r, 0x4000);
        uint16_t v[4], c[4];
        for (int i = 0; i < 4; i++) {
            v[i] = (uint16_t)(turn % 5 ? pxi_rng_below(&r, 2 * (uint64_t)bias)
                                       : 2 * (uint64_t)bias - 1);
            c[i] = (uint16_t)(turn % 7 ? pxi_rng_below(&r, 2 * (uint64_t)bias) : 0);
        }
        uint64_t got = px_sentry_clamp(pack(v), pack(c), (uint64_t)reach), far = 0;
        for (int i = 0; i < 4; i++) {
            CHECK_EQ(lane(got, i), clamp(v[i], c[i] - reach, c[i] + reach));
            far += (uint64_t)((v[i] - c[i]) * (v[i] - c[i]));
        }
        CHECK_EQ(px_sentry_far(pack(v), pack(c)), far);
        CHECK_EQ(px_sentry_outside(pack(v), (uint32_t)bias), 0);
        v[turn % 4] = (uint16_t)(2 * bias + (int)pxi_rng_below(&r, 65536 - 2 * (uint64_t)bias));
        CHECK(px_sentry_outside(pack(v), (uint32_t)bias) != 0);
    }
}

/* Another exponent: a shift to below, saturation above. */
TEST(references_move_with_the_exponent)
{
    for (int bias = 128; bias <= 8192; bias *= 2)
        for (int v = 0; v < 2 * bias; v += bias / 64 + 1)
            for (int by = -20; by <= 20; by++) {
                struct px_sentry_chunk c = {.known = 1, .exponent = (int8_t)by};
                uint64_t four = (uint64_t)v * PX_SENTRY_ONES;
                four = px_sentry_reference(four, (uint32_t)bias, px_sentry_moves(&c, 0));
                int got = lane(four, 3);
                CHECK(four == (uint64_t)got * PX_SENTRY_ONES);
                double want = floor(ldexp(v - bias, by));
                want = want < -bias ? -bias : want > bias - 1 ? bias - 1 : want;
                if (by < -14)
                    want = 0;
                CHECK_EQ(got - bias, (int)want);
            }
}

TEST(means_and_logarithms)
{
    struct pxi_rng r = {px_seed};
    for (unsigned n = 4; n <= 64; n++)
        for (int turn = 0; turn < 1000; turn++) {
            uint16_t sum[4];
            uint64_t bias = 32768 / n;
            for (int i = 0; i < 4; i++)
                sum[i] = (uint16_t)(turn ? pxi_rng_below(&r, n * (2 * bias - 1) + 1)
                                         : n * (2 * bias - 1));
            uint64_t mean = px_sentry_mean(pack(sum), px_sentry_share(n));
            for (int i = 0; i < 4; i++) {
                CHECK(lane(mean, i) >= sum[i] / (int)n && lane(mean, i) <= sum[i] / (int)n + 1);
                CHECK(lane(mean, i) < (int)(2 * bias));
            }
        }
    for (uint64_t x = 1; x < UINT64_C(1) << 60; x += x / 3 + 1)
        CHECK(fabs((double)px_sentry_log2(x) - 256 * log2((double)x)) < 24);
}

/* With a quarter of liars or fewer the exponent is one that an honest worker has, or less. */
TEST(nobody_alone_sets_the_exponent)
{
    for (unsigned n = 4; n <= 64; n++) {
        uint64_t words[8] = {0};
        uint8_t *said = (uint8_t *)words;
        for (unsigned i = 0; i < n; i++)
            said[i] = (uint8_t)(i < n / 4 ? 255 : 100 + i % 3);
        CHECK(px_sentry_exponent(words, n) <= 102 - 128);
        CHECK(px_sentry_exponent(words, n) >= 100 - 128);
        for (unsigned i = 0; i < n / 4; i++)
            said[i] = 0;
        CHECK(px_sentry_exponent(words, n) >= 100 - 128);
    }
    uint64_t nobody[8] = {0};
    CHECK_EQ(px_sentry_exponent(nobody, 4), PX_GRADIENT_ZERO);
}

/* ------------------------------------------------------------------ slots */

struct world {
    struct pxi_kernels kernels;
    struct pxi_sentry *sentry;
    struct pxi_slots *slots;
    uint8_t *frames;
    struct pxi_rng rng;
    unsigned n;
    uint8_t format;
    uint32_t seq;
    int bias;
    int sent[MOST][VALUES];         /* of the round, without the bias */
    struct px_gradient_head result; /* of the last slot */
    int sum[VALUES];
};

static void start(struct world *w, unsigned n, uint8_t format, enum px_sentry_rule rule)
{
    memset(w, 0, sizeof *w);
    pxi_kernels_init(&w->kernels, PXI_CPU_SCALAR);
    w->n = n;
    w->format = format;
    w->rng.state = px_seed;
    w->bias = (int)pxi_gradient_bias(format, n);
    struct pxi_sentry_options so = {.rule = rule,
                                    .format = format,
                                    .fan_in = (uint8_t)n,
                                    .values = VALUES,
                                    .slots = SLOTS,
                                    .chunks = CHUNKS};
    w->sentry = pxi_sentry_new(&so);
    w->frames = pxi_calloc_aligned(2 * SLOTS * pxi_slots_stride(VALUES), 64);
    struct pxi_slots_options o = {.job = 1,
                                  .format = format,
                                  .slots = SLOTS,
                                  .values = VALUES,
                                  .fan_in = (uint8_t)n,
                                  .members = n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1,
                                  .quorum = n / 2 + 1,
                                  .deadline_ns = 1000,
                                  .chunks = CHUNKS,
                                  .frames = w->frames,
                                  .kernels = &w->kernels,
                                  .sentry = w->sentry};
    w->slots = pxi_slots_new(&o);
    CHECK(w->sentry && w->slots);
}

static void end(struct world *w)
{
    pxi_slots_free(w->slots);
    pxi_free_aligned(w->frames);
    pxi_sentry_free(w->sentry);
}

static size_t pack_values(const struct world *w, const int *v, uint8_t *out)
{
    for (int i = 0; i < VALUES; i++) {
        unsigned q = (unsigned)(v[i] + w->bias);
        if (w->format == PX_GRADIENT_I16)
            memcpy(out + 2 * i, &(uint16_t){(uint16_t)q}, 2);
        else if (w->format == PX_GRADIENT_I8)
            out[i] = (uint8_t)q;
        else
            out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | q << 4 : q);
    }
    return pxi_gradient_bytes(w->format, VALUES);
}

static struct px_gradient_head head(const struct world *w, unsigned worker, bool values)
{
    return (struct px_gradient_head){.kind = PX_GRADIENT_CONTRIBUTION,
                                     .job = 1,
                                     .worker = (uint8_t)worker,
                                     .slot = (uint16_t)(w->seq % SLOTS),
                                     .format = w->format,
                                     .flags = w->seq / SLOTS % 2 ? PX_GRADIENT_VERSION : 0,
                                     .seq = w->seq,
                                     .count = values ? VALUES : 0,
                                     .exponent = values ? EXPONENT : PX_GRADIENT_ZERO,
                                     .next = EXPONENT,
                                     .where = values ? 1 : UINT32_MAX};
}

/* The numbers of what lies in the sum of `sent` by those that were added. */
static void keep(struct world *w, const struct pxi_slots_answer *a)
{
    memcpy(&w->result, a->bytes, sizeof w->result);
    int n = __builtin_popcountll(w->result.where);
    for (int i = 0; i < VALUES && w->result.count && w->format == PX_GRADIENT_I16; i++) {
        uint16_t v;
        memcpy(&v, a->bytes + PX_GRADIENT_HEAD + 2 * i, 2);
        w->sum[i] = v - n * w->bias;
    }
}

/* One slot of exponents, or of what is in `sent`. */
static void slot(struct world *w, bool values)
{
    uint8_t bytes[2 * VALUES];
    bool done = false;
    for (unsigned i = 0; i < w->n; i++) {
        struct px_gradient_head h = head(w, i, values);
        size_t n = values ? pack_values(w, w->sent[i], bytes) : 0;
        struct pxi_slots_answer a;
        if (pxi_slots_take(w->slots, &h, px_view_of(bytes, n), 0, &a) == PXI_SLOTS_ALL) {
            done = true;
            keep(w, &a);
        }
    }
    CHECK(done);
    w->seq++;
}

/* Every chunk is the same one here: exponents, then values in one slot of each window. */
static void round_of(struct world *w)
{
    while (w->seq % SLOTS)
        slot(w, false);
    if (w->seq < SLOTS)
        for (int i = 0; i < SLOTS; i++)
            slot(w, false);
    slot(w, true);
}

static float gauss(struct pxi_rng *r)
{
    float u = 0;
    for (int i = 0; i < 12; i++)
        u += pxi_rng_f32(r);
    return u - 6;
}

/* What honest workers send: 20 i / VALUES and deviations of `size`. */
static void honest(struct world *w, int size)
{
    for (unsigned i = 0; i < w->n; i++)
        for (int j = 0; j < VALUES; j++)
            w->sent[i][j] = clamp(20 * j / VALUES + (int)lrintf(gauss(&w->rng) * (float)size),
                                  -w->bias, w->bias - 1);
}

static double mean_of_result(const struct world *w)
{
    double s = 0;
    for (int i = 0; i < VALUES; i++)
        s += w->sum[i];
    return s / VALUES / __builtin_popcountll(w->result.where);
}

/* Nobody lies: after the warm-up the sum is that of all, but for the tails. */
TEST(clip1_leaves_honest_sums)
{
    static struct world w;
    start(&w, 20, PX_GRADIENT_I16, PX_SENTRY_CLIP1);
    for (int i = 0; i < 60; i++) {
        honest(&w, 30);
        round_of(&w);
    }
    CHECK(fabs(mean_of_result(&w) - 10) < 2);
    CHECK_EQ(w.result.where, 0xfffff);
    for (unsigned i = 0; i < 20; i++)
        CHECK_EQ(pxi_sentry_worker(w.sentry, i)->verdicts, 0);
    end(&w);
}

/* From the first packet on, four of twenty send all they can; the sum is never ruined. */
TEST(clip1_bounds_what_a_fifth_can_do)
{
    static struct world w;
    start(&w, 20, PX_GRADIENT_I16, PX_SENTRY_CLIP1);
    for (int i = 0; i < 200; i++) {
        honest(&w, 30);
        for (unsigned a = 3; a < 7; a++)
            for (int j = 0; j < VALUES; j++)
                w.sent[a][j] = w.bias - 1;
        round_of(&w);
        /* fixed point: (f / (n - f)) k scale, and the scale follows what is shifted so */
        if (fabs(mean_of_result(&w) - 10) > 90)
            PX_FAIL("round %d: %g", i, mean_of_result(&w));
    }
    for (unsigned i = 0; i < 20; i++) /* loud ones end in quarantine, others never do */
        CHECK_EQ(pxi_sentry_worker(w.sentry, i)->quarantined, i >= 3 && i < 7);
    CHECK_EQ(w.result.where, 0xfff87);
    CHECK(w.result.flags & PX_GRADIENT_CLIPPED);
    CHECK(fabs(mean_of_result(&w) - 10) < 2);
    CHECK(pxi_slots_counts(w.slots)->drops[PX_GRADIENT_DROP_SENTRY] > 0);
    CHECK_EQ(pxi_slots_counts(w.slots)->closed, 0);
    /* who sends what others send comes back, after a long time */
    for (int i = 0; i < 5000 && pxi_sentry_worker(w.sentry, 3)->quarantined; i++) {
        honest(&w, 30);
        round_of(&w);
    }
    CHECK_EQ(pxi_sentry_worker(w.sentry, 3)->quarantined, 0);
    end(&w);
}

/* Four workers, one lies quietly just inside what is clamped, for ever: the shift is bounded. */
TEST(clip1_bounds_a_slow_push)
{
    static struct world w;
    start(&w, 4, PX_GRADIENT_I16, PX_SENTRY_CLIP1);
    for (int i = 0; i < 2000; i++) {
        honest(&w, 30);
        for (int j = 0; j < VALUES; j++)
            w.sent[1][j] = clamp(w.sum[j] / 4 + 100, -w.bias, w.bias - 1);
        round_of(&w);
        CHECK(fabs(mean_of_result(&w) - 10) < 150);
    }
    end(&w);
}

/* A claimed exponent, a value that cannot be, a chunk that nobody knows: no harm, all arrive. */
TEST(what_cannot_be_is_dropped)
{
    static struct world w;
    start(&w, 8, PX_GRADIENT_I16, PX_SENTRY_CLIP1);
    honest(&w, 30);
    w.sent[2][17] = w.bias;
    round_of(&w);
    CHECK_EQ(w.result.where, 0xfb);
    CHECK_EQ(w.result.next, EXPONENT);
    CHECK_EQ(pxi_sentry_worker(w.sentry, 2)->dropped, 1);
    CHECK_EQ(pxi_sentry_worker(w.sentry, 2)->verdicts, 1);
    while (w.seq % SLOTS)
        slot(&w, false);
    for (unsigned i = 0; i < 8; i++) {
        struct pxi_slots_answer a;
        struct px_gradient_head h = head(&w, i, false);
        h.next = i == 5 ? 127 : EXPONENT;
        if (pxi_slots_take(w.slots, &h, px_view_of(NULL, 0), 0, &a) == PXI_SLOTS_ALL) {
            memcpy(&h, a.bytes, sizeof h);
            CHECK_EQ(h.next, EXPONENT);
        }
    }
    end(&w);
}

TEST(formats_have_the_same_rules)
{
    static struct world w;
    for (uint8_t format = PX_GRADIENT_I8; format <= PX_GRADIENT_I4; format++) {
        start(&w, 8, format, PX_SENTRY_CLIP1);
        for (int i = 0; i < 80; i++) {
            for (unsigned k = 0; k < 8; k++)
                for (int j = 0; j < VALUES; j++)
                    w.sent[k][j] = k == 4 ? w.bias - 1 : (int)pxi_rng_below(&w.rng, 5) - 2;
            round_of(&w);
        }
        CHECK_EQ(pxi_slots_counts(w.slots)->closed, 0);
        CHECK(pxi_slots_counts(w.slots)->clipped > 60 || w.result.where == 0xef);
        end(&w);
    }
}

/* welford: ten times the norm is seen, also from the first packet on; others are not refused. */
TEST(welford_sees_a_norm)
{
    static struct world w;
    for (int since = 0; since < 60; since += 30) {
        start(&w, 20, PX_GRADIENT_I16, PX_SENTRY_WELFORD);
        for (int i = 0; i < 100; i++) {
            honest(&w, 30);
            for (unsigned a = 0; a < 4 && i >= since; a++)
                for (int j = 0; j < VALUES; j++)
                    w.sent[a][j] = clamp(-20 * w.sent[a][j], -w.bias, w.bias - 1);
            round_of(&w);
        }
        for (unsigned a = 0; a < 20; a++) {
            const struct px_sentry_worker *one = pxi_sentry_worker(w.sentry, a);
            if (a < 4)
                CHECK(one->dropped > 9 * (uint64_t)(100 - since) / 10);
            else
                CHECK(one->dropped <= 25);
        }
        CHECK_EQ(pxi_slots_counts(w.slots)->closed, 0);
        end(&w);
    }
}

/* Everything is dropped, and the round still ends. */
TEST(nobody_is_added)
{
    static struct world w;
    start(&w, 4, PX_GRADIENT_I16, PX_SENTRY_CLIP1);
    for (unsigned i = 0; i < 4; i++)
        w.sent[i][0] = w.bias;
    round_of(&w);
    CHECK_EQ(w.result.where, 0);
    CHECK_EQ(pxi_slots_counts(w.slots)->finished, SLOTS + 1);
    end(&w);
}

TEST(options_that_cannot_be)
{
    struct pxi_sentry_options o = {
        .rule = PX_SENTRY_CLIP1, .fan_in = 4, .values = 256, .slots = 4, .chunks = 4};
    struct pxi_sentry *s = pxi_sentry_new(&o);
    CHECK(s != NULL);
    pxi_sentry_free(s);
    for (unsigned i = 1; i < 8; i++) {
        pxi_mem_fail_after(i);
        pxi_sentry_free(pxi_sentry_new(&o));
        pxi_mem_fail_after(0);
    }
    o.fan_in = 3;
    CHECK(pxi_sentry_new(&o) == NULL);
    o.fan_in = 4;
    o.rule = PX_SENTRY_NONE;
    CHECK(pxi_sentry_new(&o) == NULL);
}

TEST_MAIN()
