/*
 * Speed of the products on one core: for each type, shape and number of tokens GOPS, the fraction
 * of the int8 peak (of float types: of the FMA peak), GB/s of weights, and the fraction of the read
 * bandwidth. Peak and bandwidth are measured between the products, since other work on the machine
 * moves both. The best of several runs counts.
 *
 *     build/bench/bench_matmul [TYPE [TOKENS [ROWS COLUMNS]]]      PLEXUS_CPU=... chooses the set
 */
#include "kernel/kernel.h"
#include "plexus/tensor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define WEIGHT_BYTES ((size_t)160 << 20) /* well past the caches */
#define TOKENS_MAX   512

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

#if defined(__x86_64__)
/* Seconds of 600000 instructions `ins` with the same three registers of a kind. */
#define ONE(ins, r, i) ins " %%" r "0, %%" r "0, %%" r #i "\n"
#define SECONDS(ins, r)                                                                            \
    double start = now();                                                                          \
    for (int n = 0; n < 50000; n++)                                                                \
        __asm__ volatile("vpxor %%xmm0, %%xmm0, %%xmm0\n" ONE(ins, r, 4) ONE(ins, r, 5)            \
                             ONE(ins, r, 6) ONE(ins, r, 7) ONE(ins, r, 8) ONE(ins, r, 9)           \
                                 ONE(ins, r, 10) ONE(ins, r, 11) ONE(ins, r, 12) ONE(ins, r, 13)   \
                                     ONE(ins, r, 14) ONE(ins, r, 15)                               \
                         :                                                                         \
                         :                                                                         \
                         : "xmm0", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",        \
                           "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");                           \
    return now() - start

__attribute__((target("avx512f,avx512vnni"))) static double seconds_dot512(void)
{
    SECONDS("vpdpbusd", "zmm");
}

__attribute__((target("avx512f"))) static double seconds_fma512(void)
{
    SECONDS("vfmadd231ps", "zmm");
}

__attribute__((target("avx2"))) static double seconds_dot256(void)
{
    SECONDS("vpmaddubsw", "ymm");
}

__attribute__((target("avx2,fma"))) static double seconds_fma256(void)
{
    SECONDS("vfmadd231ps", "ymm");
}

/* Operations a second of the products of bytes alone: of vpdpbusd, of vpmaddubsw without it (whose
 * sums still have to be added), 0 without either. */
static double peak_ops(void)
{
    uint32_t cpu = pxi_cpu_detect();
    return cpu & PXI_CPU_AVX512_VNNI ? 600000 * 128 / seconds_dot512()
           : cpu & PXI_CPU_AVX2      ? 600000 * 64 / seconds_dot256()
                                     : 0;
}

/* The same of fused multiply-adds on floats. */
static double peak_fma(void)
{
    uint32_t cpu = pxi_cpu_detect();
    return cpu & PXI_CPU_AVX512 ? 600000 * 32 / seconds_fma512()
           : cpu & PXI_CPU_AVX2 ? 600000 * 16 / seconds_fma256()
                                : 0;
}
#else
static double peak_ops(void)
{
    return 0;
}

static double peak_fma(void)
{
    return 0;
}
#endif

/* Bytes a second of reading memory in order. */
static double read_bandwidth(const uint8_t *p)
{
    typedef long long wide __attribute__((vector_size(64), aligned(64)));
    wide sum = {0};
    double start = now();
    for (size_t i = 0; i < WEIGHT_BYTES / 8; i += 256) {
        const wide *w = (const void *)(p + i);
        sum ^= w[0] ^ w[1] ^ w[2] ^ w[3];
    }
    double seconds = now() - start;
    __asm__ volatile("" : : "m"(sum));
    return WEIGHT_BYTES / 8 / seconds;
}

struct bench {
    struct pxi_kernels kernels;
    uint8_t *weights;
    float *x, *y;
    int8_t *q;
    float *d;
    int32_t *sum;
    void *scratch;
};

/* Seconds of one product over as many rows as fit a slice of the weights; *rows is their number. */
static double run_once(struct bench *b, uint32_t type, size_t rows, size_t k, size_t tokens,
                       size_t *done)
{
    static size_t at;
    size_t row_bytes = px_dtype_row_bytes(type, k);
    size_t matrices = WEIGHT_BYTES / (rows * row_bytes), bytes = rows * row_bytes;
    size_t count = tokens > 16 ? 1 : tokens > 1 ? 2 : 4;
    double start = now();
    for (size_t i = 0; i < count; i++) {
        at = (at + 1) % matrices;
        struct pxi_matmul m = {.w = b->weights + at * bytes,
                               .row_bytes = row_bytes,
                               .k = k,
                               .row_last = rows,
                               .tokens = tokens,
                               .x = b->x,
                               .act = {b->q, b->d, b->sum},
                               .y = b->y,
                               .y_stride = rows,
                               .scratch = b->scratch};
        b->kernels.matmul[type](&m);
    }
    *done = count;
    return now() - start;
}

static void measure(struct bench *b, uint32_t type, size_t rows, size_t k, size_t tokens)
{
    double best = 1e9, peak = 0, read = 0, act = 1e9;
    size_t count = 1;
    if (!b->kernels.matmul[type] || k % px_dtype_block(type))
        return;
    for (int i = 0; i < 15; i++) {
        double start = now();
        for (size_t t = 0; t < tokens && px_dtype_block(type) > 1; t++)
            b->kernels.act_quant(b->q + t * k, b->d + t * k / 32, b->sum + t * k / 16, b->x, k);
        double seconds = now() - start;
        act = seconds < act ? seconds : act;
        double p = px_dtype_block(type) > 1 ? peak_ops() : peak_fma(),
               r = tokens > 16 ? 1
                               : read_bandwidth(b->weights + (size_t)i % 8 * (WEIGHT_BYTES / 8));
        peak = p > peak ? p : peak;
        read = r > read ? r : read;
        seconds = run_once(b, type, rows, k, tokens, &count) / (double)count;
        best = seconds < best ? seconds : best;
    }
    double ops = 2.0 * (double)rows * (double)k * (double)tokens / best;
    double bytes = (double)rows * (double)px_dtype_row_bytes(type, k) / best;
    printf("%-7s %5zu x %-5zu %4zu  %8.1f GOPS", px_dtype_name(type), rows, k, tokens, ops * 1e-9);
    if (peak > 0)
        printf("  %5.1f %% of %.0f", 100 * ops / peak, peak * 1e-9);
    if (tokens <= 16)
        printf("  %6.2f GB/s  %5.1f %% of %.1f", bytes * 1e-9, 100 * bytes / read, read * 1e-9);
    printf("  act %4.1f %%\n", 100 * act / best);
    fflush(stdout);
}

static void bench_init(struct bench *b)
{
    size_t k = 5632;
    pxi_kernels_init(&b->kernels, pxi_cpu_mask(getenv("PLEXUS_CPU")) & pxi_cpu_detect());
    b->weights = aligned_alloc(4096, WEIGHT_BYTES);
    b->x = aligned_alloc(64, TOKENS_MAX * k * sizeof(float));
    b->q = aligned_alloc(64, TOKENS_MAX * k);
    b->d = aligned_alloc(64, TOKENS_MAX * k / 32 * 4);
    b->sum = aligned_alloc(64, TOKENS_MAX * k / 16 * 4);
    b->y = aligned_alloc(64, TOKENS_MAX * k * sizeof(float));
    b->scratch = aligned_alloc(64, pxi_matmul_scratch(k) + 64);
    for (size_t i = 0; i < WEIGHT_BYTES; i++)
        b->weights[i] = (uint8_t)(i * 2654435761u >> 13 & 0x1f) + 32; /* all stays normal */
    for (size_t i = 0; i < TOKENS_MAX * k; i++)
        b->x[i] = (float)(i * 37 % 101) / 50 - 1;
}

int main(int argc, char **argv)
{
    static const size_t tokens[] = {1, 2, 4, 8, 64, 512},
                        shapes[][2] = {{2048, 2048}, {5632, 2048}, {2048, 5632}};
    static struct bench b;
    size_t only = argc > 2 ? strtoul(argv[2], NULL, 10) : 0, lines = 0;
    size_t own[2] = {argc > 4 ? strtoul(argv[3], NULL, 10) : 0,
                     argc > 4 ? strtoul(argv[4], NULL, 10) : 0};
    bench_init(&b);
    for (uint32_t type = 0; type < PX_DTYPE_LIMIT && only <= TOKENS_MAX; type++) {
        if (!px_dtype_name(type) || (argc > 1 && strcasecmp(argv[1], px_dtype_name(type)) != 0 &&
                                     strcmp(argv[1], "all") != 0))
            continue;
        for (size_t s = 0; s < (argc > 4 ? 1 : 3); s++)
            for (size_t t = 0; t < (only ? 1 : 6); t++, lines++)
                measure(&b, type, argc > 4 ? own[0] : shapes[s][0],
                        argc > 4 ? own[1] : shapes[s][1], only ? only : tokens[t]);
    }
    if (!lines)
        fprintf(stderr, "nothing measured: types as plexus inspect names them, 1 to %d tokens\n",
                TOKENS_MAX);
    return lines == 0;
}
