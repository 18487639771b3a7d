/*
 * checkkernel --bench: kernels on gradients, on blocks of a packet that stay in the first-level
 * cache and on arrays of 25 MB, beside memcpy of arrays as large.
 */
#include "check.h"

#include <string.h>

#include "bpf/tag.h"

enum { BLOCK = 1536, ARRAY = (25 << 20) / 4 };

struct job {
    const struct kernel *kernel;
    const struct pxi_kernels *t;
    size_t n;
    float *x, *r;
    uint8_t *q;
    struct pxi_grad g;
};

static void call(const void *arg)
{
    const struct job *j = arg;
    const struct pxi_kernels *t = j->t;
    size_t o = j->kernel->offset;
#define INDEX(member) ((o - offsetof(struct pxi_kernels, member)) / sizeof(void *))
    switch (j->kernel->family) {
    case family_grad_max: t->grad_max(j->x, j->r, j->n); break;
    case family_grad_quant: t->grad_quant[INDEX(grad_quant)](j->q, j->r, j->x, j->n, &j->g); break;
    case family_grad_undo: t->grad_undo[INDEX(grad_undo)](j->r, j->q, j->n, &j->g); break;
    case family_grad_add: t->grad_add[INDEX(grad_add)](j->x, j->q, j->n); break;
    case family_grad_fold: t->grad_fold(j->q, (uint16_t *)(void *)j->x, j->n, 2); break;
    case family_grad_dequant: t->grad_dequant[INDEX(grad_dequant)](j->x, j->q, j->n, &j->g); break;
    case family_tag_nh:
        t->tag_nh(&(struct pxi_tag_sum){{0}}, (const uint64_t *)j->x, j->q, j->n / 4);
        break;
    default: break;
    }
#undef INDEX
}

static void copy(const void *arg)
{
    const struct job *j = arg;
    memcpy(j->r, j->x, 4 * j->n);
    __asm__ volatile("" : : "r"(j->r) : "memory");
}

/* Bytes that are read and written for a value. */
static double bytes_of(const struct kernel *k, bool owes)
{
    const char *dot = strchr(k->name, '.');
    double q = !dot ? 0 : !strcmp(dot, ".i16") ? 2 : !strcmp(dot, ".i8") ? 1 : 0.5;
    q = dot && !strcmp(dot, ".i32") ? 4 : q;
    if (k->family == family_grad_dequant && q < 1)
        q = 1;
    double sum = q == 4 ? 4 : 2;
    return k->family == family_grad_max     ? (owes ? 8 : 4)
           : k->family == family_grad_quant ? (owes ? 12 : 4) + q
           : k->family == family_grad_undo  ? 8 + q
           : k->family == family_grad_add   ? 2 * sum + q
           : k->family == family_grad_fold  ? 2 + 1
                                            : 4 + q;
}

static void set(struct job *j, size_t n)
{
    struct pxi_rng rng = {7};
    const size_t apart = 1024 + 288; /* floats: not the same place in a page */
    j->n = n;
    j->x = (float *)(void *)bench_heap;
    j->r = j->x + n + apart;
    j->q = (uint8_t *)(j->r + n + apart) + 40; /* behind the head of a packet */
    fill_f32(&rng, j->x, n, VALUES_PLAIN);
    memset(j->r, 0, 4 * n);
    fill_bytes(&rng, j->q, 4 * n);
    j->g = (struct pxi_grad){.scale = 8, .unscale = 0.125f, .top = 8, .bias = 8, .zero = 32};
}

static struct figure timed(struct job *j, const struct pxi_kernels *scalar, const char *shape,
                           bool owes, uint32_t seed)
{
    const struct pxi_kernels *own = j->t;
    float *r = j->r;
    struct figure f = {.shape = shape, .bytes = bytes_of(j->kernel, owes) * (double)j->n};
    f.copy = 8 * (double)j->n / bench_measure(copy, j, 1e7);
    memset(r, 0, 4 * j->n);
    j->g.seed = seed;
    if (!owes && (j->kernel->family == family_grad_max || j->kernel->family == family_grad_quant))
        j->r = NULL;
    f.ns = bench_measure(call, j, 3e7);
    j->t = scalar;
    f.scale = bench_measure(call, j, 1e7);
    j->t = own;
    j->r = r;
    return f;
}

unsigned bench_gradient(const struct kernel *k, const struct pxi_kernels *t,
                        const struct pxi_kernels *scalar, struct figure *out)
{
    struct job j = {.kernel = k, .t = t};
    bool quant = k->family == family_grad_quant, both = quant || k->family == family_grad_max;
    unsigned n = 0;
    set(&j, BLOCK);
    out[n++] = timed(&j, scalar, "1536", false, 0);
    if (k->family == family_tag_nh) /* of words of 16 bits; a packet is all it is made for */
        return n;
    if (both)
        out[n++] = timed(&j, scalar, "1536 residual", true, 0);
    if (quant)
        out[n++] = timed(&j, scalar, "1536 stochastic", true, 1);
    set(&j, ARRAY);
    out[n++] = timed(&j, scalar, "25 MB", false, 0);
    if (both)
        out[n++] = timed(&j, scalar, "25 MB residual", true, 0);
    if (quant)
        out[n++] = timed(&j, scalar, "25 MB stochastic", true, 1);
    return n;
}
