/* Workers and an aggregator in virtual time, over a network that loses, doubles, delays and breaks.
 */
#include "base/mem.h"
#include "base/rng.h"
#include "px_test.h"
#include "reduce/slots.h"
#include "reduce/rank.h"

enum { MAX_WORKERS = 8, STRIDE = 4096, QUEUE = 65536 };

struct mail {
    uint64_t at;
    int to; /* a worker, or -1: the aggregator */
    size_t n;
    uint8_t bytes[STRIDE];
};

struct world {
    struct pxi_kernels kernels;
    struct pxi_rng rng;
    unsigned n, loss, twice, late_us; /* per cent, per cent, most delay */
    struct pxi_slots *slots;
    struct pxi_rank *workers[MAX_WORKERS];
    uint8_t *frames[MAX_WORKERS], *sums;
    bool dead[MAX_WORKERS];
    struct mail *mail;
    size_t mail_n;
    uint64_t now;
};

static void post(struct world *w, int to, const uint8_t *p, size_t n)
{
    unsigned copies = 1;
    if (pxi_rng_below(&w->rng, 100) < w->loss)
        copies = 0;
    else if (pxi_rng_below(&w->rng, 100) < w->twice)
        copies = 2;
    for (unsigned i = 0; i < copies; i++) {
        CHECK(w->mail_n < QUEUE);
        struct mail *m = &w->mail[w->mail_n++];
        m->at = w->now + 10000 + (w->late_us ? pxi_rng_below(&w->rng, w->late_us * 1000ull) : 0);
        m->to = to;
        m->n = n;
        memcpy(m->bytes, p, n);
    }
}

static void answer(struct world *w, enum pxi_slots_to to, int sender,
                   const struct pxi_slots_answer *a)
{
    for (int i = 0; i < (int)w->n; i++)
        if (to == PXI_SLOTS_ALL || (to == PXI_SLOTS_SENDER && i == sender))
            post(w, i, a->bytes, a->n);
}

static void deliver(struct world *w, const struct mail *m)
{
    struct px_gradient_head h;
    px_view values;
    enum px_gradient_drop why;
    struct pxi_slots_answer a;
    CHECK(pxi_gradient_read(px_view_of(m->bytes, m->n), &h, &values, &why));
    if (m->to >= 0) {
        if (!w->dead[m->to])
            pxi_rank_take(w->workers[m->to], &h, values, w->now);
        return;
    }
    enum pxi_slots_to to = pxi_slots_take(w->slots, &h, values, w->now, &a);
    if (to != PXI_SLOTS_NOBODY)
        answer(w, to, h.worker, &a);
}

/* Until all workers that live are done. */
static void run(struct world *w)
{
    for (unsigned turns = 0; turns < 50000000; turns++) {
        bool done = true;
        uint64_t next = UINT64_MAX;
        for (unsigned i = 0; i < w->n; i++) {
            px_view f;
            while (!w->dead[i] && (f = pxi_rank_poll(w->workers[i], w->now)).n)
                post(w, -1, f.p, f.n);
            done &= w->dead[i] || pxi_rank_done(w->workers[i]);
            uint64_t at = w->dead[i] ? UINT64_MAX : pxi_rank_deadline(w->workers[i]);
            next = at < next ? at : next;
        }
        if (done)
            return;
        size_t first = 0;
        for (size_t i = 1; i < w->mail_n; i++)
            first = w->mail[i].at < w->mail[first].at ? i : first;
        if (w->mail_n && w->mail[first].at <= next) {
            struct mail m = w->mail[first];
            w->mail[first] = w->mail[--w->mail_n];
            w->now = m.at > w->now ? m.at : w->now;
            deliver(w, &m);
        } else {
            CHECK(next != UINT64_MAX);
            w->now = next > w->now ? next : w->now;
        }
    }
    CHECK(!"it ends");
}

struct setting {
    unsigned n, loss, twice, late_us;
    uint8_t format;
    uint16_t values;
    uint32_t slots, chunks;
};

static void start(struct world *w, const struct setting *s)
{
    memset(w, 0, sizeof *w);
    pxi_kernels_init(&w->kernels, PXI_CPU_SCALAR);
    w->rng.state = px_seed;
    w->n = s->n;
    w->loss = s->loss;
    w->twice = s->twice;
    w->late_us = s->late_us;
    w->mail = pxi_calloc(QUEUE, sizeof *w->mail);
    w->sums = pxi_calloc_aligned(2 * s->slots * pxi_slots_stride(s->values), 64);
    struct pxi_slots_options so = {.job = 7,
                                   .epoch = 1,
                                   .format = s->format,
                                   .slots = s->slots,
                                   .values = s->values,
                                   .fan_in = (uint8_t)s->n,
                                   .members = (UINT64_C(1) << s->n) - 1,
                                   .quorum = s->n / 2 + 1,
                                   .deadline_ns = 50000000,
                                   .chunks = s->chunks,
                                   .frames = w->sums,
                                   .kernels = &w->kernels};
    w->slots = pxi_slots_new(&so);
    CHECK(w->slots != NULL);
    for (unsigned i = 0; i < s->n; i++) {
        w->frames[i] = pxi_calloc_aligned((size_t)s->slots * STRIDE, 64);
        struct pxi_rank_options wo = {.job = 7,
                                      .epoch = 1,
                                      .format = s->format,
                                      .slots = s->slots,
                                      .values = s->values,
                                      .fan_in = (uint8_t)s->n,
                                      .worker = (uint8_t)i,
                                      .frames = w->frames[i],
                                      .stride = STRIDE,
                                      .rto_min_ns = 1000000,
                                      .rto_max_ns = 100000000,
                                      .kernels = &w->kernels};
        w->workers[i] = pxi_rank_new(&wo);
        CHECK(w->workers[i] != NULL);
    }
}

static void end(struct world *w)
{
    pxi_slots_free(w->slots);
    for (unsigned i = 0; i < w->n; i++) {
        pxi_rank_free(w->workers[i]);
        pxi_free_aligned(w->frames[i]);
    }
    pxi_free_aligned(w->sums);
    pxi_free(w->mail);
}

static float *gradients(size_t n, unsigned seed, float size)
{
    struct pxi_rng r = {seed};
    float *x = pxi_calloc(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (pxi_rng_f32(&r) - 0.5f) * size * (i % 97 == 0 ? 30.0f : 1.0f);
    return x;
}

/* One operation of n values on all; the sums to out (n), equal on all workers or the case fails. */
static void reduce(struct world *w, size_t n, unsigned seed, float **residuals, float *out)
{
    float *x[MAX_WORKERS];
    for (unsigned i = 0; i < w->n; i++) {
        x[i] = gradients(n, seed * 100 + i, 0.01f);
        if (w->dead[i])
            continue;
        struct pxi_rank_op op = {.x = x[i], .residual = residuals ? residuals[i] : NULL, .n = n};
        CHECK(pxi_rank_begin(w->workers[i], &op) == PX_ERR_OK);
    }
    run(w);
    unsigned one = 0;
    while (w->dead[one])
        one++;
    for (unsigned i = 0; i < w->n; i++)
        CHECK(w->dead[i] || memcmp(x[i], x[one], n * sizeof(float)) == 0);
    memcpy(out, x[one], n * sizeof(float));
    for (unsigned i = 0; i < w->n; i++)
        pxi_free(x[i]);
}

static double worst(const struct world *w, size_t n, unsigned seed, const float *sum)
{
    double far = 0;
    float *x[MAX_WORKERS];
    for (unsigned i = 0; i < w->n; i++)
        x[i] = gradients(n, seed * 100 + i, 0.01f);
    for (size_t j = 0; j < n; j++) {
        double want = 0;
        for (unsigned i = 0; i < w->n; i++)
            want += x[i][j];
        far = fmax(far, fabs(sum[j] - want));
    }
    for (unsigned i = 0; i < w->n; i++)
        pxi_free(x[i]);
    return far;
}

TEST(sums_are_the_sums)
{
    static const double bounds[] = {4e-4, 0.02, 0.3};
    for (uint8_t format = PX_GRADIENT_I16; format <= PX_GRADIENT_I4; format++) {
        struct setting s = {.n = 4, .format = format, .values = 256, .slots = 16, .chunks = 64};
        struct world w;
        start(&w, &s);
        size_t n = 256 * 40 + 77;
        float *sum = pxi_calloc(n, sizeof *sum);
        for (unsigned round = 1; round < 4; round++) {
            reduce(&w, n, round, NULL, sum);
            double far = worst(&w, n, round, sum);
            if (far > bounds[format])
                PX_FAIL("format %d is off by %g", format, far);
        }
        CHECK_EQ(pxi_slots_counts(w.slots)->closed, 0);
        pxi_free(sum);
        end(&w);
    }
}

/* Loss, doubles and disorder change nothing in the sums. */
TEST(faults_leave_the_bits)
{
    size_t n = 256 * 60 + 3;
    float *clean = pxi_calloc(n, sizeof *clean), *sum = pxi_calloc(n, sizeof *sum);
    struct setting s = {
        .n = 3, .format = PX_GRADIENT_I16, .values = 256, .slots = 16, .chunks = 64};
    struct world w;
    start(&w, &s);
    reduce(&w, n, 5, NULL, clean);
    CHECK_EQ(pxi_slots_counts(w.slots)->packets, 3 * (16 + 61));
    end(&w);
    s.loss = 10;
    s.twice = 5;
    s.late_us = 300;
    for (unsigned seed = 1; seed < 6; seed++) {
        px_seed = seed;
        start(&w, &s);
        reduce(&w, n, 5, NULL, sum);
        CHECK(memcmp(clean, sum, n * sizeof *sum) == 0);
        const struct pxi_slots_counts *c = pxi_slots_counts(w.slots);
        CHECK_EQ(c->added, 3 * (16 + 61));
        CHECK(c->drops[PX_GRADIENT_DROP_DUPLICATE] > 0);
        end(&w);
    }
    pxi_free(clean);
    pxi_free(sum);
}

/* A worker that dies costs one deadline; the others have a sum without it. */
TEST(the_dead_are_left_out)
{
    size_t n = 256 * 100;
    float *sum = pxi_calloc(n, sizeof *sum);
    struct setting s = {
        .n = 4, .format = PX_GRADIENT_I16, .values = 256, .slots = 16, .chunks = 128};
    struct world w;
    start(&w, &s);
    reduce(&w, n, 8, NULL, sum);
    CHECK_EQ(pxi_slots_counts(w.slots)->closed, 0);
    w.dead[2] = true;
    uint64_t before = w.now;
    reduce(&w, n, 9, NULL, sum);
    CHECK_EQ(pxi_rank_least(w.workers[0]), 3);
    CHECK_EQ(pxi_slots_counts(w.slots)->closed, 16 + 100);
    CHECK(w.now - before < 150000000);
    pxi_free(sum);
    end(&w);
}

/* One that falls behind gets the sums that were made without it, owes what it had, and is waited
 * for again when it is there. */
TEST(who_is_late_catches_up)
{
    size_t n = 256 * 60;
    float *sum = pxi_calloc(n, sizeof *sum);
    struct setting s = {
        .n = 3, .format = PX_GRADIENT_I16, .values = 256, .slots = 16, .chunks = 64};
    struct world w;
    float *residuals[3] = {pxi_calloc(n, 4), pxi_calloc(n, 4), pxi_calloc(n, 4)};
    start(&w, &s);
    reduce(&w, n, 4, residuals, sum);
    float *x[3];
    for (unsigned i = 0; i < 3; i++) {
        x[i] = gradients(n, 500 + i, 0.01f);
        memset(residuals[i], 0, n * sizeof(float));
    }
    struct pxi_rank_op op = {.n = n};
    for (unsigned i = 0; i < 3; i++) {
        op.x = x[i];
        op.residual = residuals[i];
        w.dead[i] = i == 1;
        if (i != 1)
            CHECK(pxi_rank_begin(w.workers[i], &op) == PX_ERR_OK);
    }
    run(&w);
    w.dead[1] = false;
    op.x = x[1];
    op.residual = residuals[1];
    CHECK(pxi_rank_begin(w.workers[1], &op) == PX_ERR_OK);
    run(&w);
    CHECK(memcmp(x[0], x[1], n * sizeof(float)) == 0);
    CHECK_EQ(pxi_rank_lost(w.workers[1]), 0);
    CHECK(pxi_rank_counts(w.workers[1])->late >= 44);
    float *mine = gradients(n, 501, 0.01f);
    for (size_t j = 0; j < n; j++)
        CHECK(fabsf(residuals[1][j] - mine[j]) < 1e-6f);
    reduce(&w, n, 6, residuals, sum); /* in its first slots it is not waited for yet */
    uint64_t closed = pxi_slots_counts(w.slots)->closed;
    reduce(&w, n, 7, residuals, sum);
    CHECK_EQ(pxi_rank_least(w.workers[0]), 3);
    CHECK_EQ(pxi_slots_counts(w.slots)->closed, closed);
    pxi_free(mine);
    for (unsigned i = 0; i < 3; i++) {
        pxi_free(residuals[i]);
        pxi_free(x[i]);
    }
    pxi_free(sum);
    end(&w);
}

/* Error feedback: what one round loses the next ones give, so the mean error goes to nothing. */
TEST(residuals_give_back)
{
    size_t n = 512;
    struct setting s = {.n = 2, .format = PX_GRADIENT_I4, .values = 256, .slots = 4, .chunks = 4};
    struct world w;
    float *residuals[2] = {pxi_calloc(n, 4), pxi_calloc(n, 4)}, *sum = pxi_calloc(n, 4);
    double *total = pxi_calloc(n, sizeof *total), *want = pxi_calloc(n, sizeof *want);
    start(&w, &s);
    enum { ROUNDS = 40 };
    for (unsigned round = 0; round < ROUNDS; round++) {
        reduce(&w, n, 1, residuals, sum);
        for (size_t j = 0; j < n; j++)
            total[j] += sum[j];
    }
    for (unsigned i = 0; i < 2; i++) {
        float *x = gradients(n, 100 + i, 0.01f);
        for (size_t j = 0; j < n; j++)
            want[j] += x[j];
        pxi_free(x);
    }
    for (size_t j = 0; j < n; j++) /* what is still owed is at most a step of the scale */
        CHECK(fabs(total[j] - ROUNDS * want[j]) < 0.2);
    pxi_free(residuals[0]);
    pxi_free(residuals[1]);
    pxi_free(sum);
    pxi_free(total);
    pxi_free(want);
    end(&w);
}

TEST_MAIN()
