/* checkkernel --bench: one call of a kernel on the shapes of a 1.1B model, least of many runs. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint8_t *bench_heap;
static const size_t heap_bytes = (size_t)160 << 20;

/* Time of this thread on the processor: other programs on a busy machine do not count. */
static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Everything a call may need; each bench uses what it wants. */
struct job {
    const struct kernel *kernel;
    const struct pxi_kernels *t;
    struct pxi_matmul m;
    size_t n, nq, d;
    float *a, *b, *out;
    void *cache;
    uint8_t *spare;
};

static void call(const void *arg)
{
    const struct job *j = arg;
    const struct pxi_kernels *t = j->t;
    size_t o = j->kernel->offset, n = j->n, nq = j->nq, d = j->d, panels = n / 16;
#define IS(member) (o == offsetof(struct pxi_kernels, member))
    if (j->kernel->family == family_matmul)
        t->matmul[kernel_dtype(j->kernel)](&j->m);
    else if (j->kernel->family == family_dequant)
        t->dequant[kernel_dtype(j->kernel)](j->out, j->cache, n);
    else if (IS(act_quant))
        t->act_quant((int8_t *)j->spare, j->b, (int32_t *)j->out, j->a, n);
    else if (IS(rms_norm))
        t->rms_norm(j->out, j->a, j->b, n, 1e-5f);
    else if (IS(add))
        t->add(j->out, j->a, n);
    else if (IS(silu_mul))
        t->silu_mul(j->out, j->a, j->b, n);
    else if (IS(rope_adjacent))
        t->rope_adjacent(j->out, j->b, n / 2);
    else if (IS(rope_half))
        t->rope_half(j->out, j->b, n / 2);
    else if (IS(softmax))
        t->softmax(j->out, n, 0.125f);
    else if (IS(f32_to_f16))
        t->f32_to_f16((uint16_t *)j->cache, j->a, n);
    else if (IS(f16_to_f32))
        t->f16_to_f32(j->out, j->cache, n);
    else if (IS(f32_to_bf16))
        t->f32_to_bf16((uint16_t *)j->cache, j->a, n);
    else if (IS(bf16_to_f32))
        t->bf16_to_f32(j->out, j->cache, n);
    else if (IS(qk_f32))
        t->qk_f32(j->out, n, j->a, d, nq, j->cache, 16 * d, panels, d);
    else if (IS(qk_f16))
        t->qk_f16(j->out, n, j->a, d, nq, j->cache, 16 * d, panels, d);
    else if (IS(qk_i8))
        t->qk_i8(j->out, n, j->a, d, nq, j->cache, 16 * d, j->b, 16, panels, d);
    else if (IS(pv_f32))
        t->pv_f32(j->out, d, j->a, n, nq, j->cache, d, n, d);
    else if (IS(pv_f16))
        t->pv_f16(j->out, d, j->a, n, nq, j->cache, d, n, d);
    else if (IS(pv_i8))
        t->pv_i8(j->out, d, j->a, n, nq, j->cache, d, j->b, 1, n, d);
#undef IS
}

double bench_measure(void (*one)(const void *arg), const void *arg, double budget)
{
    double best = 1e30, start = now_ns();
    unsigned inner = 1;
    for (unsigned i = 0; i < 3 || now_ns() - start < budget; i++) {
        double t0 = now_ns();
        for (unsigned k = 0; k < inner; k++)
            one(arg);
        double ns = now_ns() - t0;
        if (ns < 20000 && inner < 4096) { /* too short for the clock */
            inner *= 4;
            continue;
        }
        best = ns / inner < best ? ns / inner : best;
    }
    return best;
}

static double measure(const struct job *j, double budget)
{
    return bench_measure(call, j, budget);
}

/* Weights of ordinary size: denormals would measure the processor's assists. */
static void plain_weights(struct pxi_rng *r, uint32_t dtype, uint8_t *row, size_t k)
{
    for (size_t i = 0; i < k; i++) {
        float f = pxi_rng_f32(r) - 0.5f;
        uint16_t h = (uint16_t)(0x2800 | (pxi_rng_u64(r) & 0x87ff));
        if (dtype == PX_DTYPE_F32)
            memcpy(row + 4 * i, &f, 4);
        else if (dtype == PX_DTYPE_BF16)
            memcpy(row + 2 * i, (uint8_t *)&f + 2, 2);
        else
            memcpy(row + 2 * i, &h, 2);
    }
}

/* Lay out a product of rows x k for some tokens over the bench_heap. */
static void set_product(struct job *j, size_t rows, size_t k, size_t tokens)
{
    uint32_t dtype = kernel_dtype(j->kernel);
    struct pxi_rng r = {1};
    size_t row = px_dtype_row_bytes(dtype, k), n = tokens * k;
    uint8_t *p = bench_heap + ((rows * row + 63) & ~(size_t)63);
    for (size_t i = 0; i < rows; i++)
        if (i < 64 && px_dtype_block(dtype) == 1)
            plain_weights(&r, dtype, bench_heap + i * row, k);
        else if (i < 64)
            fill_weights(&r, dtype, bench_heap + i * row, k);
        else
            memcpy(bench_heap + i * row, bench_heap + (i - 64) * row, row);
    float *x = (float *)p, *y = x + n;
    float *d = y + tokens * rows;
    int32_t *sum = (int32_t *)(d + n / 32);
    int8_t *q = (int8_t *)(sum + n / 16);
    fill_f32(&r, x, n, VALUES_PLAIN);
    for (size_t i = 0; i < n / 32; i++)
        d[i] = 0.01f;
    memset(sum, 0, n / 4);
    fill_bytes(&r, q, n);
    uint8_t *scratch = (uint8_t *)(((uintptr_t)(q + n) + 63) & ~(uintptr_t)63);
    j->m =
        (struct pxi_matmul){bench_heap, row, k, 0, rows, tokens, x, {q, d, sum}, y, rows, scratch};
}

/* A decode shape whose weights come from memory, a small batch, and a prefill shape. */
static unsigned bench_matmul(struct job *j, const struct pxi_kernels *scalar, struct figure *out)
{
    static const struct {
        const char *name;
        size_t bytes, tokens;
    } shapes[] = {
        {"decode", 96u << 20, 1}, {"decode 8", 96u << 20, 8}, {"prefill 512", 2u << 20, 512}};
    const size_t k = 2048;
    const struct pxi_kernels *own = j->t;
    size_t row = px_dtype_row_bytes(kernel_dtype(j->kernel), k);
    set_product(j, 32, k, 2);
    j->t = scalar;
    double scalar_ns = measure(j, 2e7) / (32 * 2);
    j->t = own;
    for (unsigned i = 0; i < 3; i++) {
        size_t rows = shapes[i].bytes / row / 16 * 16, tokens = shapes[i].tokens;
        if (own == scalar || (own->matmul[0] == scalar->matmul[0] && tokens > 1)) {
            rows = 64;
            tokens = tokens < 8 ? tokens : 8;
        }
        set_product(j, rows, k, tokens);
        double ns = measure(j, 3e8), work = (double)(rows * tokens);
        out[i] = (struct figure){shapes[i].name,       ns,
                                 2 * work * (double)k, (double)(rows * row) + 4 * work,
                                 scalar_ns * work,     0};
    }
    return 3;
}

static size_t cache_bytes(const struct kernel *k)
{
    return strstr(k->name, "_f32") ? 4 : strstr(k->name, "_f16") ? 2 : 1;
}

static void set_vector(struct job *j, size_t n, size_t nq, size_t d)
{
    struct pxi_rng r = {2};
    j->n = n;
    j->nq = nq;
    j->d = d;
    j->a = (float *)bench_heap;
    j->b = (float *)(bench_heap + (8u << 20));
    j->out = (float *)(bench_heap + (16u << 20));
    j->cache = bench_heap + (24u << 20);
    j->spare = bench_heap + (32u << 20);
    fill_f32(&r, j->a, 1u << 20, VALUES_PLAIN);
    fill_f32(&r, j->b, 1u << 20, VALUES_PLAIN);
    fill_f32(&r, j->out, 1u << 20, VALUES_PLAIN);
    if (cache_bytes(j->kernel) == 4)
        fill_f32(&r, j->cache, 1u << 20, VALUES_PLAIN);
    else
        plain_weights(&r, PX_DTYPE_F16, j->cache, 2u << 20);
}

static struct figure timed(struct job *j, const struct pxi_kernels *scalar, const char *shape,
                           double work, double bytes)
{
    const struct pxi_kernels *own = j->t;
    struct figure f = {shape, measure(j, 3e7), work, bytes, 0, 0};
    j->t = scalar;
    f.scale = measure(j, 1e7);
    j->t = own;
    return f;
}

static unsigned bench_attention(struct job *j, const struct pxi_kernels *scalar, struct figure *out)
{
    double n = 1024, d = 64, elem = (double)cache_bytes(j->kernel);
    set_vector(j, 1024, 1, 64);
    out[0] = timed(j, scalar, "1 query x 1024", 2 * n * d, n * d * elem);
    j->nq = 64;
    out[1] = timed(j, scalar, "64 queries x 1024", 2 * 64 * n * d, n * d * elem);
    return 2;
}

static unsigned bench_vector(struct job *j, const struct pxi_kernels *scalar, struct figure *out)
{
    static const double bytes[FAMILIES] = {
        [family_act_quant] = 5, [family_rms_norm] = 12, [family_add] = 12,   [family_silu_mul] = 12,
        [family_rope] = 12,     [family_softmax] = 8,   [family_to_f16] = 6, [family_of_f16] = 6,
    };
    double elem = bytes[j->kernel->family];
    set_vector(j, 2048, 1, 1);
    if (j->kernel->family == family_dequant) {
        struct pxi_rng r = {3};
        uint32_t dtype = kernel_dtype(j->kernel);
        fill_weights(&r, dtype, j->cache, j->n);
        elem = 4 + (double)px_dtype_row_bytes(dtype, j->n) / 2048;
    }
    out[0] = timed(j, scalar, "2048", 0, elem * 2048);
    return 1;
}

unsigned bench_kernel(const struct kernel *k, const struct pxi_kernels *t,
                      const struct pxi_kernels *scalar, struct figure *out)
{
    struct job j = {.kernel = k, .t = t};
    if (k->family == family_matmul)
        return bench_matmul(&j, scalar, out);
    if (k->family == family_qk || k->family == family_pv)
        return bench_attention(&j, scalar, out);
    if (k->family == family_crc || k->family == family_tokens)
        return bench_crc(k, t, scalar, out);
    if (k->family >= family_grad_max)
        return bench_gradient(k, t, scalar, out);
    return bench_vector(&j, scalar, out);
}

double bench_read_gbs(void)
{
    double best = 1e30;
    if (!bench_heap)
        bench_heap = aligned_alloc(4096, heap_bytes);
    if (!bench_heap)
        _Exit(3);
    memset(bench_heap, 1, heap_bytes);
    for (int run = 0; run < 10; run++) {
        /* Four streams: one alone does not keep enough misses in flight. */
        const uint64_t *p = (const uint64_t *)bench_heap;
        const size_t quarter = heap_bytes / 32;
        uint64_t sum[8] = {0};
        double t0 = now_ns();
        for (size_t i = 0; i < quarter; i += 8)
            for (size_t s = 0; s < 4; s++)
                for (size_t l = 0; l < 8; l++)
                    sum[l] += p[s * quarter + i + l];
        double ns = now_ns() - t0;
        __asm__ volatile("" : : "r"(sum) : "memory");
        best = ns < best ? ns : best;
    }
    return (double)heap_bytes / best;
}

#if defined(__x86_64__)
#include <immintrin.h>

/* Twelve independent chains hide the latency of a fused multiply-add on any current core. */
#define PEAK_LOOP(vector, fma)                                                                     \
    vector acc[12] = {0}, x = {0};                                                                 \
    for (int i = 0; i < 12; i++) /* or the compiler sees that all are equal */                     \
        __asm__ volatile("" : "+v"(acc[i]));                                                       \
    for (int r = 0; r < 20000; r++) {                                                              \
        __asm__ volatile("" : "+v"(x));                                                            \
        for (int i = 0; i < 12; i++)                                                               \
            acc[i] = fma(x, x, acc[i]);                                                            \
    }                                                                                              \
    for (int i = 0; i < 12; i++)                                                                   \
        __asm__ volatile("" : : "v"(acc[i]));

__attribute__((target("avx2,fma"))) static void peak_avx2(void)
{
    PEAK_LOOP(__m256, _mm256_fmadd_ps)
}

__attribute__((target("avx512f"))) static void peak_avx512(void)
{
    PEAK_LOOP(__m512, _mm512_fmadd_ps)
}

double bench_fma_peak(const char *isa)
{
    bool wide = !strcmp(isa, "avx512");
    double best = 1e30;
    if (!wide && strcmp(isa, "avx2") != 0)
        return 0;
    for (int run = 0; run < 50; run++) {
        double t0 = now_ns();
        (wide ? peak_avx512 : peak_avx2)();
        double ns = now_ns() - t0;
        best = ns < best ? ns : best;
    }
    return 20000.0 * 12 * 2 * (wide ? 16 : 8) / best;
}
#else
double bench_fma_peak(const char *isa)
{
    (void)isa;
    return 0;
}
#endif
