/*
 * checkkernel: tests and measures the kernels. For each kernel of each instruction set that the
 * processor has (and PLEXUS_CPU allows) a child process compares it with the scalar version; a
 * crash there is one failure, reported with the case that ran.
 *
 *     checkkernel [--seed N] [--filter TEXT] [--isa NAME] [--list] [--bench] [--json]
 */
#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

const struct kernel kernels[] = {
#define PX_KERNEL(member, name, family)                                                            \
    {offsetof(struct pxi_kernels, member), name, family_##family},
#include "../../gen/kernel.def"
#undef PX_KERNEL
};
const unsigned kernel_count = sizeof kernels / sizeof *kernels;

static check_fn *const drivers[FAMILIES] = {
    [family_matmul] = check_matmul,
    [family_dequant] = check_dequant,
    [family_act_quant] = check_act_quant,
    [family_rms_norm] = check_rms_norm,
    [family_add] = check_add,
    [family_silu_mul] = check_silu_mul,
    [family_rope] = check_rope,
    [family_softmax] = check_softmax,
    [family_to_f16] = check_to_f16,
    [family_of_f16] = check_of_f16,
    [family_qk] = check_qk,
    [family_pv] = check_pv,
    [family_grad_max] = check_grad_max,
    [family_grad_quant] = check_grad_quant,
    [family_grad_undo] = check_grad_undo,
    [family_grad_add] = check_grad_add,
    [family_grad_fold] = check_grad_fold,
    [family_grad_dequant] = check_grad_dequant,
    [family_tag_nh] = check_tag_nh,
    [family_crc] = check_crc,
    [family_tokens] = check_tokens,
};

/* Sets in the order in which they build on each other; each mask is all before it and itself. */
static const char *const isa_names[] = {
#if defined(__x86_64__)
    "scalar", "avx2", "clmul", "vclmul", "avx512", "avx512vnni", "bf16",
#elif defined(__aarch64__)
    "scalar",
    "neon",
    "pmull",
    "dotprod",
#else
    "scalar",
#endif
};
enum { ISAS = sizeof isa_names / sizeof *isa_names };

static struct options {
    uint64_t seed;
    const char *filter, *isa;
    bool list, bench, json;
} opt = {.seed = 1};

static struct {
    uint64_t checks, failures, skipped;
    bool any_row;
} total;

uint32_t kernel_dtype(const struct kernel *k)
{
    size_t first = k->family == family_matmul ? offsetof(struct pxi_kernels, matmul)
                                              : offsetof(struct pxi_kernels, dequant);
    return (uint32_t)((k->offset - first) / sizeof(void *));
}

void check_case(struct check *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(c->tally->what, sizeof c->tally->what, format, args);
    va_end(args);
}

static bool wanted(const struct kernel *k)
{
    return !opt.filter || strstr(k->name, opt.filter);
}

/* Messages go to stderr when stdout carries the JSON document. */
static FILE *text(void)
{
    return opt.json ? stderr : stdout;
}

static void json_row(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void json_row(const char *format, ...)
{
    va_list args;
    if (!opt.json)
        return;
    va_start(args, format);
    printf(total.any_row ? ",\n  " : "\n  ");
    total.any_row = true;
    vprintf(format, args);
    va_end(args);
}

static uint64_t hash_name(const char *a, const char *b)
{
    uint64_t h = 1469598103934665603u;
    for (int i = 0; i < 2; i++)
        for (const char *p = i ? b : a; *p; p++)
            h = (h ^ (unsigned char)*p) * 1099511628211u;
    return h;
}

/* Run one kernel of one set in a child, and add what it counted. */
static void run_child(const struct kernel *k, const struct isa *isa, const struct pxi_kernels *ref,
                      const struct pxi_kernels *cand, struct tally *tally)
{
    int status = 0;
    *tally = (struct tally){.what = "before the first case"};
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct check c = {k,    isa->name, ref, cand, {opt.seed ^ hash_name(k->name, isa->name)},
                          tally};
        alarm(240);
        drivers[k->family](&c);
        _Exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        fprintf(stderr, "FAIL %s %s: %s: %s\n", k->name, isa->name, tally->what,
                pid < 0 ? "cannot fork"
                : sig   ? strsignal(sig)
                        : "the test stopped");
        tally->failures++;
    }
}

static void test_kernel(const struct kernel *k, const struct isa *isa,
                        const struct pxi_kernels *ref, const struct pxi_kernels *cand,
                        struct tally *tally)
{
    run_child(k, isa, ref, cand, tally);
    if (tally->checks == 0 && tally->failures == 0) {
        fprintf(stderr, "FAIL %s %s: no check ran\n", k->name, isa->name);
        tally->failures++;
    }
    total.checks += tally->checks;
    total.failures += tally->failures;
    fprintf(text(), "%-4s %-16s %-11s %8llu checks\n", tally->failures ? "FAIL" : "ok", k->name,
            isa->name, (unsigned long long)tally->checks);
    json_row("{\"kernel\":\"%s\",\"isa\":\"%s\",\"checks\":%llu,\"failures\":%llu}", k->name,
             isa->name, (unsigned long long)tally->checks, (unsigned long long)tally->failures);
}

/* Every pointer that any set fills must have a row in gen/kernel.def, and every row a pointer. */
static void test_table(const struct pxi_kernels *t, const char *isa)
{
    for (size_t at = 0; at < sizeof *t; at += sizeof(void *)) {
        bool row = false;
        for (unsigned i = 0; i < kernel_count; i++)
            row |= kernels[i].offset == at;
        bool filled = kernel_get(t, &(struct kernel){.offset = at}) != NULL;
        total.checks++;
        if (row == filled)
            continue;
        total.failures++;
        fprintf(stderr, "FAIL table %s: the pointer at byte %zu %s\n", isa, at,
                row ? "has a row in gen/kernel.def and no kernel"
                    : "has a kernel and no row in gen/kernel.def");
    }
}

static void bench_row(const struct kernel *k, const struct isa *isa, const struct figure *f)
{
    double gops = f->work / f->ns, gbs = f->bytes / f->ns;
    char ratio[64] = "";
    int n = 0;
    if (f->scale > 0)
        n = snprintf(ratio, sizeof ratio, "%8.1f x scalar", f->scale / f->ns);
    if (f->copy > 0)
        snprintf(ratio + n, sizeof ratio - (size_t)n, " %6.2f x memcpy", gbs / f->copy);
    fprintf(text(), "%-16s %-11s %-18s %12.0f ns %8.1f GFLOPS %7.1f GB/s %s\n", k->name, isa->name,
            f->shape, f->ns, gops, gbs, ratio);
    json_row("{\"kernel\":\"%s\",\"isa\":\"%s\",\"shape\":\"%s\",\"ns\":%.0f,\"gflops\":%.2f,"
             "\"gbs\":%.2f,\"ratio\":%.2f,\"memcpy_gbs\":%.2f}",
             k->name, isa->name, f->shape, f->ns, gops, gbs, f->scale / f->ns, f->copy);
}

static void bench_one(const struct kernel *k, const struct isa *isa,
                      const struct pxi_kernels *scalar, const struct pxi_kernels *t)
{
    struct figure figures[FIGURES];
    unsigned n = bench_kernel(k, t, scalar, figures);
    for (unsigned i = 0; i < n; i++)
        bench_row(k, isa, &figures[i]);
    total.checks += n;
}

static void run_isa(const struct isa *isa, uint32_t below, struct tally *tally)
{
    struct pxi_kernels ref, prev, cand;
    pxi_kernels_init(&ref, PXI_CPU_SCALAR);
    pxi_kernels_init(&prev, below);
    pxi_kernels_init(&cand, isa->mask);
    if (!opt.bench && !opt.filter)
        test_table(&cand, isa->name);
    if (opt.bench) {
        double peak = bench_fma_peak(isa->name);
        if (peak > 0)
            fprintf(text(), "%-16s %-11s %.0f GFLOPS fused multiply-add, f32\n", "peak", isa->name,
                    peak);
    }
    for (unsigned i = 0; i < kernel_count; i++) {
        bool own = !below || kernel_get(&cand, &kernels[i]) != kernel_get(&prev, &kernels[i]);
        if (!own || !wanted(&kernels[i]) || !kernel_get(&cand, &kernels[i]))
            continue;
        if (opt.bench)
            bench_one(&kernels[i], isa, &ref, &cand);
        else
            test_kernel(&kernels[i], isa, &ref, &cand, tally);
    }
}

static void run_all(struct tally *tally)
{
    uint32_t here = pxi_cpu_detect(), below = 0, allowed = pxi_cpu_mask(getenv("PLEXUS_CPU"));
    for (int i = 0; i < ISAS; i++) {
        struct isa isa = {isa_names[i], pxi_cpu_mask(isa_names[i])};
        const char *why = NULL;
        if (isa.mask & ~here)
            why = "the processor lacks it";
        else if (isa.mask & ~allowed)
            why = "PLEXUS_CPU leaves it out";
        else if (opt.isa && strcmp(opt.isa, isa.name) != 0)
            why = "--isa leaves it out";
        else if (!opt.bench && (isa.mask & PXI_CPU_AVX512_BF16))
            why = "its bits are other ones by intent; tests/unit/kernel_bf16.c is its test";
        if (why) {
            total.skipped++;
            fprintf(text(), "SKIP %s: %s\n", isa.name, why);
        } else {
            run_isa(&isa, below, tally);
        }
        below = isa.mask & ~here ? below : isa.mask;
    }
}

static bool parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (!strcmp(argv[i], "--seed") && more)
            opt.seed = strtoull(argv[++i], NULL, 0);
        else if (!strcmp(argv[i], "--filter") && more)
            opt.filter = argv[++i];
        else if (!strcmp(argv[i], "--isa") && more)
            opt.isa = argv[++i];
        else if (!strcmp(argv[i], "--list"))
            opt.list = true;
        else if (!strcmp(argv[i], "--bench"))
            opt.bench = true;
        else if (!strcmp(argv[i], "--json"))
            opt.json = true;
        else
            return false;
    }
    return true;
}

static void print_cpu(void)
{
    uint32_t here = pxi_cpu_detect();
    fprintf(text(), "checkkernel: seed %llu, processor:", (unsigned long long)opt.seed);
    if (opt.json)
        printf("{\"schema\":\"plexus.checkkernel/1\",\"seed\":%llu,\"cpu\":[",
               (unsigned long long)opt.seed);
    for (int i = 0; i < ISAS; i++) {
        if (pxi_cpu_mask(isa_names[i]) & ~here)
            continue;
        fprintf(text(), " %s", isa_names[i]);
        if (opt.json)
            printf("%s\"%s\"", i ? "," : "", isa_names[i]);
    }
    fprintf(text(), "\n");
    if (opt.json)
        printf("],\"%s\":[", opt.bench ? "bench" : "kernels");
}

static int finish(void)
{
    if (total.checks == 0) {
        fprintf(stderr, "FAIL no check ran\n");
        total.failures++;
    }
    fprintf(text(), "%llu %s, %llu failures, %llu skipped\n", (unsigned long long)total.checks,
            opt.bench ? "figures" : "checks", (unsigned long long)total.failures,
            (unsigned long long)total.skipped);
    if (opt.json)
        printf("\n],\"checks\":%llu,\"failures\":%llu,\"skipped\":%llu}\n",
               (unsigned long long)total.checks, (unsigned long long)total.failures,
               (unsigned long long)total.skipped);
    return total.failures != 0;
}

int main(int argc, char **argv)
{
    if (!parse(argc, argv)) {
        fprintf(stderr, "usage: checkkernel [--seed N] [--filter TEXT] [--isa NAME] [--list] "
                        "[--bench] [--json]\n");
        return 2;
    }
    if (pxi_cpu_mask(getenv("PLEXUS_CPU")) == 0) {
        fprintf(stderr, "checkkernel: PLEXUS_CPU names no set: %s\n", getenv("PLEXUS_CPU"));
        return 2;
    }
    if (opt.list) {
        for (unsigned i = 0; i < kernel_count; i++)
            if (wanted(&kernels[i]))
                printf("%s\n", kernels[i].name);
        return 0;
    }
    struct tally *tally =
        mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tally == MAP_FAILED)
        return 3;
    print_cpu();
    if (opt.bench)
        fprintf(text(), "%-16s %-11s %.1f GB/s read, one core\n", "memory", "", bench_read_gbs());
    run_all(tally);
    return finish();
}
