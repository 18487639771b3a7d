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

static struct pxi_xdp *open_with(uint16_t values, bool untagged)
{
    px_diag diag = {0};
    struct pxi_xdp *x;
    struct pxi_xdp_options o = {.port = 9999,
                                .values = values,
                                .slots = SLOTS,
                                .chunks = SLOTS,
                                .untagged = untagged,
                                .endless = true};
    struct pxi_xdp_job j = {.job = JOB,
                            .slots = SLOTS,
                            .values = values,
                            .fan_in = 4,
                            .members = 15,
                            .quorum = 4,
                            .chunks = SLOTS,
                            .secrets = (const uint8_t(*)[PXI_TAG_SECRET])secrets};
    if (pxi_xdp_open(&o, &x, &diag) || pxi_xdp_begin(x, &j, &diag)) {
        fprintf(stderr, "bench_xdp: %s: %s (%s)\n", diag.field, diag.found, diag.expected);
        exit(1);
    }
    return x;
}

static size_t frame_of(uint8_t *f, uint16_t count, uint16_t epoch, uint8_t kind)
{
    struct px_gradient_head h = {.magic = PX_GRADIENT_MAGIC,
                                 .version = PX_GRADIENT_LAYOUT,
                                 .kind = kind,
                                 .job = JOB,
                                 .epoch = epoch,
                                 .worker = 1,
                                 .count = count,
                                 .where = UINT32_MAX};
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
        f[i] = (uint8_t)(i % 2 ? i * 7 & 63 : i * 31);
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
static void measure(const char *what, unsigned values, bool untagged, uint16_t epoch, uint8_t kind)
{
    uint8_t f[4096];
    double ns[ROUNDS];
    struct pxi_xdp *x = open_with((uint16_t)values, untagged);
    size_t n = frame_of(f, (uint16_t)values, epoch, kind);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t each;
        if (pxi_xdp_run(x, f, n, NULL, NULL, REPEAT, &each) < 0)
            exit(1);
        ns[i] = each;
    }
    row(what, values, ns);
    struct pxi_bpf_counts c;
    pxi_xdp_counts(x, &c);
    if (!epoch && kind == PX_GRADIENT_CONTRIBUTION && c.added != (uint64_t)ROUNDS * REPEAT)
        printf("added %llu\n", (unsigned long long)c.added);
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
    size_t n = frame_of(f, (uint16_t)values, 0, PX_GRADIENT_CONTRIBUTION);
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

int main(void)
{
    static const unsigned sizes[] = {256, 688};
    pxi_kernels_init(&kernels, pxi_cpu_detect());
    printf("%-34s %5s %8s %8s\n", "ns a packet", "values", "least", "median");
    for (unsigned i = 0; i < 2; i++) {
        unsigned n = sizes[i];
        measure("not ours: passed", n, false, 0, PX_GRADIENT_RESULT);
        measure("parsed, dropped by its epoch", n, false, 1, PX_GRADIENT_CONTRIBUTION);
        measure("added, tag not looked at", n, true, 0, PX_GRADIENT_CONTRIBUTION);
        measure("added, with tag and bounds", n, false, 0, PX_GRADIENT_CONTRIBUTION);
        user_space(n);
    }
    return 0;
}
