/*
 * checkkernel --bench: CRCs and token numbers, of 64 bytes to 64 MiB at an odd address, beside
 * memcpy. Figures count the bytes read and written, of memcpy too; beside a CRC those it copies.
 */
#include "check.h"

#include <string.h>

static const struct {
    const char *name;
    size_t bytes;
} sizes[] = {
    {"64 B", 64},    {"256 B", 256},    {"1 KiB", 1024},      {"2056 B", 2056},
    {"8 KiB", 8192}, {"64 KiB", 65536}, {"64 MiB", 64 << 20},
};

struct job {
    const struct kernel *kernel;
    const struct pxi_kernels *t;
    size_t n; /* bytes read */
    uint8_t *src, *dst, *more;
};

static void call(const void *arg)
{
    const struct job *j = arg;
    const struct pxi_kernels *t = j->t;
    const uint8_t *src = j->src;
    size_t o = j->kernel->offset, n = j->n;
    void *dst = j->dst, *more = j->more;
    uint32_t crc = 0;
#define IS(member) (o == offsetof(struct pxi_kernels, member))
    if (IS(crc16))
        crc = t->crc16(0xffff, src, n);
    else if (IS(crc16_reflected))
        crc = t->crc16_reflected(0xffff, src, n);
    else if (IS(crc32c))
        crc = t->crc32c(0, src, n);
    else if (IS(crc16_be32_i32))
        crc = t->crc16_be32_i32(0xffff, dst, src, n / 4);
    else if (IS(crc16_be32_i64))
        crc = t->crc16_be32_i64(0xffff, dst, src, n / 4);
    else if (IS(crc16_be32_i64x2))
        crc = t->crc16_be32_i64x2(0xffff, dst, more, src, n / 4);
    else if (IS(be32_i32))
        t->be32_i32(dst, src, n / 4);
    else if (IS(be32_i64))
        t->be32_i64(dst, src, n / 4);
    else if (IS(u16_i32))
        t->u16_i32(dst, src, n / 2);
    else if (IS(u16_i64))
        t->u16_i64(dst, src, n / 2);
    else
        t->i32_i64(dst, src, n / 4);
#undef IS
    __asm__ volatile("" : : "r"(crc) : "memory");
}

static void copy(const void *arg)
{
    const struct job *j = arg;
    memcpy(j->dst, j->src, j->n);
    __asm__ volatile("" : : "r"(j->dst) : "memory");
}

/* Bytes written for a byte read. */
static double growth(const struct kernel *k)
{
    double read = strncmp(k->name, "u16", 3) ? 4 : 2, write = strstr(k->name, "_i64") ? 8 : 4;
    if (k->family == family_crc)
        return 0;
    return (strstr(k->name, "x2") ? 2 : 1) * write / read;
}

/* As many arrays of n bytes as a call has, at addresses that begin a line of the cache. */
static void set(struct job *j, size_t n)
{
    struct pxi_rng rng = {9};
    j->n = n;
    j->src = bench_heap + 6; /* behind the head of a packet */
    j->dst = bench_heap + (n + 4096 + 640) / 64 * 64;
    j->more = j->dst + (2 * n + 4096 + 320) / 64 * 64;
    fill_bytes(&rng, j->src, n);
    memset(j->dst, 0, n);
}

unsigned bench_crc(const struct kernel *k, const struct pxi_kernels *t,
                   const struct pxi_kernels *scalar, struct figure *out)
{
    unsigned count = sizeof sizes / sizeof *sizes;
    double grown = growth(k);
    for (unsigned i = 0; i < count; i++) {
        size_t n = sizes[i].bytes;
        if ((1 + grown) * (double)n > 150e6) /* the heap has no more */
            n = (size_t)(150e6 / (1 + grown)) / 64 * 64;
        struct job j = {.kernel = k, .t = t};
        set(&j, n);
        out[i] = (struct figure){.shape = sizes[i].name, .bytes = (1 + grown) * (double)n};
        out[i].copy = (grown > 0 ? 2 : 1) * (double)n / bench_measure(copy, &j, 1e7);
        out[i].ns = bench_measure(call, &j, 3e7);
        j.t = scalar;
        out[i].scale = bench_measure(call, &j, 1e7);
    }
    return count;
}
