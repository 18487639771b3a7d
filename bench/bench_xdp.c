/*
 * What a packet costs the aggregator in the kernel, by BPF_PROG_TEST_RUN: the frame lies in the
 * cache and no driver is there, so these are floors. Of ROUNDS; user space beside them.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "io/xdp.h"
#include "kernel/kernel.h"

enum { ROUNDS = 101, REPEAT = 20000, BEFORE = 42, JOB = 7, SLOTS = 128 };

static struct pxi_kernels kernels;
static uint8_t secrets[PXI_BPF_MEMBERS][PXI_TAG_SECRET];

/* What is measured: the program, and the packet. */
struct what {
    const char *name;
    bool untagged, one; /* one: a slot for each packet, of a job that has one worker */
    uint16_t epoch;
    uint8_t kind;
    enum px_sentry_rule sentry;
    uint8_t size; /* of values, in 256ths: clip1 clamps 2 and more, welford likes 4 */
};

static struct pxi_xdp *open_with(const struct what *w, uint16_t values)
{
    px_diag diag = {0};
    struct pxi_xdp *x;
    struct pxi_xdp_options o = {.port = 9999,
                                .values = values,
                                .slots = SLOTS,
                                .chunks = SLOTS,
                                .sentry = w->sentry,
                                .untagged = w->untagged,
                                .endless = !w->one};
    struct pxi_xdp_job j = {.job = JOB,
                            .slots = SLOTS,
                            .values = values,
                            .fan_in = 4,
                            .members = w->one ? 2 : 15,
                            .quorum = 1,
                            .chunks = SLOTS,
                            .secrets = (const uint8_t(*)[PXI_TAG_SECRET])secrets};
    if (pxi_xdp_open(&o, &x, &diag) || pxi_xdp_begin(x, &j, &diag)) {
        fprintf(stderr, "bench_xdp: %s: %s (%s)\n", diag.field, diag.found, diag.expected);
        exit(1);
    }
    return x;
}

static size_t frame_of(uint8_t *f, uint16_t count, const struct what *w, uint32_t seq)
{
    struct px_gradient_head h = {.magic = PX_GRADIENT_MAGIC,
                                 .version = PX_GRADIENT_LAYOUT,
                                 .kind = w->kind,
                                 .job = JOB,
                                 .epoch = w->epoch,
                                 .worker = 1,
                                 .slot = (uint16_t)(seq % SLOTS),
                                 .flags = seq / SLOTS % 2,
                                 .seq = seq,
                                 .count = count,
                                 .where = count ? seq % SLOTS : UINT32_MAX};
    struct pxi_tag_key key;
    size_t n = BEFORE + PX_GRADIENT_HEAD + 2 * (size_t)count;
    memset(f, 0, n);
    f[12] = 8;
    f[14] = 0x45;
    f[16] = (uint8_t)((n - 14) >> 8);
    f[17] = (uint8_t)(n - 14);
    f[23] = 17;
    f[36] = 9999 >> 8;
    f[37] = 9999 & 255;
    f[38] = (uint8_t)((n - 34) >> 8);
    f[39] = (uint8_t)(n - 34);
    memcpy(f + BEFORE, &h, sizeof h);
    for (size_t i = BEFORE + PX_GRADIENT_HEAD; i < n; i++)
        f[i] = (uint8_t)(i % 2 ? 32u + (i & 2 ? w->size : 0u - w->size) : i * 31);
    pxi_tag_key_init(&key, secrets[1]);
    pxi_tag_put(&key, kernels.tag_nh, f + BEFORE, n - BEFORE);
    return n;
}

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void row(const char *what, unsigned values, double *ns)
{
    qsort(ns, ROUNDS, sizeof *ns, order);
    printf("%-34s %5u %8.1f %8.1f\n", what, values, ns[0], ns[ROUNDS / 2]);
}

/* A packet of count values without an exponent to fit: the first of its slot, so it is added. */
static void measure(const struct what *w, unsigned values)
{
    uint8_t f[4096];
    double ns[ROUNDS];
    struct pxi_xdp *x = open_with(w, (uint16_t)values);
    size_t n = frame_of(f, (uint16_t)values, w, 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t each;
        if (pxi_xdp_run(x, f, n, NULL, NULL, REPEAT, &each) < 0)
            exit(1);
        ns[i] = each;
    }
    row(w->name, values, ns);
    struct pxi_bpf_counts c;
    pxi_xdp_counts(x, &c);
    if (!w->epoch && w->kind == PX_GRADIENT_CONTRIBUTION && c.added != (uint64_t)ROUNDS * REPEAT)
        printf("added %llu\n", (unsigned long long)c.added);
    pxi_xdp_close(x);
}

/* A slot begins, is judged, finished and answered with every packet. */
static void measure_slots(const struct what *w, unsigned values)
{
    enum { STEPS = 4000 };
    uint8_t f[4096];
    double ns[ROUNDS];
    uint32_t seq = 0, each;
    struct pxi_xdp *x = open_with(w, (uint16_t)values);
    for (; seq < SLOTS; seq++)
        pxi_xdp_run(x, f, frame_of(f, 0, w, seq), NULL, NULL, 1, NULL);
    for (unsigned i = 0; i < ROUNDS; i++) {
        ns[i] = 0;
        for (unsigned k = 0; k < STEPS; k++, seq++) {
            if (pxi_xdp_run(x, f, frame_of(f, (uint16_t)values, w, seq), NULL, NULL, 1, &each) < 0)
                exit(1);
            ns[i] += (double)each / STEPS;
        }
    }
    row(w->name, values, ns);
    struct pxi_bpf_counts c;
    pxi_xdp_counts(x, &c);
    if (c.finished != seq)
        printf("finished %llu\n", (unsigned long long)c.finished);
    pxi_xdp_close(x);
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void user_space(unsigned values)
{
    static uint8_t f[4096], sum[4096] __attribute__((aligned(64)));
    struct pxi_tag_key key;
    double add[ROUNDS], tag[ROUNDS];
    uint64_t sink = 0;
    const struct what any = {.kind = PX_GRADIENT_CONTRIBUTION};
    size_t n = frame_of(f, (uint16_t)values, &any, 0);
    pxi_tag_key_init(&key, secrets[1]);
    for (unsigned i = 0; i < ROUNDS; i++) {
        double from = now_ns();
        for (unsigned j = 0; j < REPEAT; j++)
            kernels.grad_add[0](sum, f + BEFORE + PX_GRADIENT_HEAD, values);
        add[i] = (now_ns() - from) / REPEAT;
        from = now_ns();
        for (unsigned j = 0; j < REPEAT; j++) {
            f[BEFORE + 4] = (uint8_t)j;
            sink += pxi_tag(&key, kernels.tag_nh, f + BEFORE, n - BEFORE);
        }
        tag[i] = (now_ns() - from) / REPEAT;
    }
    row("user space: grad_add", values, add);
    row(sink ? "user space: tag" : "user space: tag ", values, tag);
}

enum { SUM = PX_GRADIENT_CONTRIBUTION };
static const struct what packets[] = {
    {.name = "not ours: passed", .kind = PX_GRADIENT_RESULT},
    {.name = "parsed, dropped by its epoch", .kind = SUM, .epoch = 1},
    {.name = "added, tag not looked at", .kind = SUM, .untagged = true},
    {.name = "added, with tag and bounds", .kind = SUM},
    {.name = "judged by clip1, within", .kind = SUM, .sentry = PX_SENTRY_CLIP1},
    {.name = "judged by clip1, most clamped", .kind = SUM, .sentry = PX_SENTRY_CLIP1, .size = 8},
    {.name = "judged by welford", .kind = SUM, .sentry = PX_SENTRY_WELFORD, .size = 4},
};
static const struct what slots[] = {
    {.name = "a slot of one packet", .kind = SUM, .one = true},
    {.name = "a slot of one, clip1", .kind = SUM, .one = true, .sentry = PX_SENTRY_CLIP1},
    {.name = "a slot of one, welford",
     .kind = SUM,
     .one = true,
     .sentry = PX_SENTRY_WELFORD,
     .size = 4},
};

int main(void)
{
    static const unsigned sizes[] = {256, 688};
    pxi_kernels_init(&kernels, pxi_cpu_detect());
    printf("%-34s %5s %8s %8s\n", "ns a packet", "values", "least", "median");
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned k = 0; k < sizeof packets / sizeof *packets; k++)
            measure(&packets[k], sizes[i]);
        for (unsigned k = 0; k < sizeof slots / sizeof *slots; k++)
            measure_slots(&slots[k], sizes[i]);
        user_space(sizes[i]);
    }
    return 0;
}
