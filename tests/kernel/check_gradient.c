/* checkkernel: kernels on gradients as fixed point. */
#include "check.h"

#include <math.h>
#include <string.h>

#include "bpf/tag.h"

enum { I16, I8, I4, I32 };

static int format_of(const struct check *c, size_t first)
{
    return (int)((c->kernel->offset - first) / sizeof(void *));
}
#define FORMAT(c, member) format_of(c, offsetof(struct pxi_kernels, member))

static size_t packed(int format, size_t n)
{
    return format == I16 ? 2 * n : format == I8 ? n : format == I4 ? n / 2 : 4 * n;
}

/* Run `one` for small multiples of 16 at every place, then for random ones. */
static void sweep(struct check *c, void (*one)(struct check *, size_t, struct place, enum values))
{
    for (size_t n = 0; n <= 144; n += 16) {
        for (unsigned i = 0; i < 24; i++) {
            one(c, n, (struct place){SIDE_END, 0}, (enum values)(i % VALUES_KINDS));
            one(c, n, (struct place){SIDE_START, 0}, (enum values)(i % VALUES_KINDS));
        }
        for (size_t shift = 0; shift < 64; shift++)
            one(c, n, (struct place){SIDE_MIDDLE, shift}, (enum values)(shift % VALUES_KINDS));
    }
    for (int i = 0; i < 300; i++)
        one(c, 16 * pxi_rng_below(&c->rng, 200),
            (struct place){(enum side)pxi_rng_below(&c->rng, SIDES), pxi_rng_below(&c->rng, 64)},
            (enum values)pxi_rng_below(&c->rng, VALUES_KINDS));
}

/* The same side, aligned to a unit. */
static struct place aligned(struct place at, size_t unit)
{
    at.shift = at.shift / unit * unit;
    return at;
}

/* The fixed point of some job: bias and scales as the codec has them, or any that can be. */
static struct pxi_grad some_grad(struct check *c, int format)
{
    static const uint32_t most[] = {1u << 15, 1u << 7, 1u << 3, 1u << 30};
    uint32_t fan_in = 1 + (uint32_t)pxi_rng_below(&c->rng, 64);
    struct pxi_grad g = {.bias = most[format]};
    if (format == I16)
        g.bias = 32768u / fan_in;
    else if (format == I32)
        g.bias = 0x80000000u / (fan_in < 2 ? 2 : fan_in);
    if (pxi_rng_below(&c->rng, 4) == 0)
        g.bias = 1 + (uint32_t)pxi_rng_below(&c->rng, most[format]);
    int bits = 31 - __builtin_clz(g.bias), exponent = (int)pxi_rng_below(&c->rng, 4) - 1;
    if (pxi_rng_below(&c->rng, 4) == 0)
        exponent = (int)pxi_rng_below(&c->rng, 130) - 90;
    g.top = ldexpf(1, bits);
    g.scale = ldexpf(1, bits - exponent);
    g.unscale = ldexpf(1, exponent - bits);
    if (pxi_rng_below(&c->rng, 16) == 0)
        g.scale = g.unscale = 0;
    g.seed = pxi_rng_u64(&c->rng) & 1 ? (uint32_t)pxi_rng_u64(&c->rng) : 0;
    if (pxi_rng_below(&c->rng, 8) == 0)
        g.seed = UINT32_MAX - (uint32_t)pxi_rng_below(&c->rng, 100);
    g.zero = g.bias * fan_in;
    return g;
}

/* Values of the kind; every fourth lies at a clamp, at the top or between two integers. */
static void values(struct check *c, float *x, size_t n, enum values kind, const struct pxi_grad *g)
{
    fill_f32(&c->rng, x, n, kind);
    for (size_t i = 0; i < n; i++) {
        float at[] = {(float)g->bias, g->top, (float)pxi_rng_below(&c->rng, g->bias)};
        float t = at[pxi_rng_below(&c->rng, 3)] + 0.5f * (float)pxi_rng_below(&c->rng, 5) - 1;
        uint32_t bits;
        memcpy(&bits, &t, sizeof bits);
        bits += (uint32_t)pxi_rng_below(&c->rng, 3) - (bits != 0);
        memcpy(&t, &bits, sizeof t);
        if (pxi_rng_below(&c->rng, 4) == 0 && isfinite(t))
            x[i] = (pxi_rng_u64(&c->rng) & 1 ? t : -t) * g->unscale;
    }
}

static void one_max(struct check *c, size_t n, struct place at, enum values kind)
{
    const uint32_t infinite = 0x7f800000;
    bool owes = pxi_rng_u64(&c->rng) & 1;
    check_case(c, "n %zu, side %d, shift %zu, values %d%s", n, at.side, at.shift, kind,
               owes ? ", residual" : "");
    float *x = input_at(0, 4 * n, aligned(at, 4)), *r = input_at(1, 4 * n, aligned(at, 4));
    fill_f32(&c->rng, x, n, kind);
    fill_f32(&c->rng, r, n, kind);
    if (n && pxi_rng_below(&c->rng, 8) == 0)
        x[pxi_rng_below(&c->rng, n)] = pxi_rng_u64(&c->rng) & 1 ? NAN : -INFINITY;
    struct output out = output_at(c, 0, 4, (struct place){SIDE_MIDDLE, 0});
    uint32_t ref = c->ref->grad_max(x, owes ? r : NULL, n);
    uint32_t cand = c->cand->grad_max(x, owes ? r : NULL, n);
    ref = ref > infinite ? infinite : ref; /* which NaN it is was not promised */
    cand = cand > infinite ? infinite : cand;
    memcpy(out.ref, &ref, 4);
    memcpy(out.cand, &cand, 4);
    check_outputs(c, &out, 1);
}

static void one_quant(struct check *c, size_t n, struct place at, enum values kind)
{
    int format = FORMAT(c, grad_quant);
    struct pxi_grad g = some_grad(c, format);
    bool owes = pxi_rng_u64(&c->rng) & 1;
    check_case(c, "n %zu, side %d, shift %zu, values %d, bias %u, scale %a, seed %u%s", n, at.side,
               at.shift, kind, g.bias, (double)g.scale, g.seed, owes ? ", residual" : "");
    float *x = input_at(0, 4 * n, aligned(at, 4));
    values(c, x, n, kind, &g);
    struct output out[] = {output_at(c, 0, packed(format, n), at),
                           output_at(c, 1, 4 * n, aligned(at, 4)),
                           output_at(c, 2, 1, (struct place){SIDE_MIDDLE, 0})};
    float *ref = (float *)out[1].ref, *cand = (float *)out[1].cand;
    values(c, ref, n, kind, &g);
    for (size_t i = 0; i < n; i++) /* and sums at the clamps */
        ref[i] *= pxi_rng_u64(&c->rng) & 1 ? 0.0f : 1.0f;
    memcpy(cand, ref, 4 * n);
    *out[2].ref = c->ref->grad_quant[format](out[0].ref, owes ? ref : NULL, x, n, &g);
    *out[2].cand = c->cand->grad_quant[format](out[0].cand, owes ? cand : NULL, x, n, &g);
    check_outputs(c, out, 3);
}

/* Packed values: any, all least or all greatest. */
static uint8_t *packed_at(struct check *c, size_t bytes, struct place at)
{
    uint8_t *q = input_at(0, bytes, at);
    uint64_t kind = pxi_rng_below(&c->rng, 8);
    if (kind > 1)
        fill_bytes(&c->rng, q, bytes);
    else
        memset(q, kind ? 0xff : 0, bytes);
    return q;
}

static void one_undo(struct check *c, size_t n, struct place at, enum values kind)
{
    int format = FORMAT(c, grad_undo);
    struct pxi_grad g = some_grad(c, format);
    check_case(c, "n %zu, side %d, shift %zu, values %d, bias %u, unscale %a", n, at.side, at.shift,
               kind, g.bias, (double)g.unscale);
    const uint8_t *q = packed_at(c, packed(format, n), at);
    struct output out = output_at(c, 0, 4 * n, aligned(at, 4));
    values(c, (float *)out.ref, n, kind, &g);
    memcpy(out.cand, out.ref, 4 * n);
    c->ref->grad_undo[format]((float *)out.ref, q, n, &g);
    c->cand->grad_undo[format]((float *)out.cand, q, n, &g);
    check_outputs(c, &out, 1);
}

static void one_add(struct check *c, size_t n, struct place at, enum values kind)
{
    int format = FORMAT(c, grad_add);
    check_case(c, "n %zu, side %d, shift %zu", n, at.side, at.shift);
    (void)kind;
    size_t unit = format == I32 ? 4 : 2;
    const uint8_t *q = packed_at(c, packed(format, n), at);
    struct output out = output_at(c, 0, unit * n, aligned(at, unit));
    c->ref->grad_add[format](out.ref, q, n);
    c->cand->grad_add[format](out.cand, q, n);
    check_outputs(c, &out, 1);
}

static void one_fold(struct check *c, size_t n, struct place at, enum values kind)
{
    unsigned shift = (unsigned)pxi_rng_below(&c->rng, 13);
    bool in_place = pxi_rng_u64(&c->rng) & 1;
    check_case(c, "n %zu, side %d, shift %zu, by %u%s", n, at.side, at.shift, shift,
               in_place ? ", in place" : "");
    (void)kind;
    struct output sum = output_at(c, 0, 2 * n, aligned(at, 2)), q = output_at(c, 1, n, at);
    if (pxi_rng_below(&c->rng, 4) == 0)
        memset(sum.ref, 0xff, 2 * n);
    memcpy(sum.cand, sum.ref, 2 * n);
    c->ref->grad_fold(in_place ? sum.ref : q.ref, (uint16_t *)(void *)sum.ref, n, shift);
    c->cand->grad_fold(in_place ? sum.cand : q.cand, (uint16_t *)(void *)sum.cand, n, shift);
    check_outputs(c, (struct output[]){sum, q}, 2);
}

static void one_dequant(struct check *c, size_t n, struct place at, enum values kind)
{
    int format = FORMAT(c, grad_dequant), result = format == I4 ? I8 : format;
    struct pxi_grad g = some_grad(c, format);
    if (pxi_rng_u64(&c->rng) & 1)
        g.unscale /= 1 + (float)pxi_rng_below(&c->rng, 64);
    g.shift = result == I8 ? (unsigned)pxi_rng_below(&c->rng, 7) : 0;
    check_case(c, "n %zu, side %d, shift %zu, zero %u, unscale %a, by %u", n, at.side, at.shift,
               g.zero, (double)g.unscale, g.shift);
    (void)kind;
    const uint8_t *q = packed_at(c, packed(result, n), at);
    struct output out = output_at(c, 0, 4 * n, aligned(at, 4));
    c->ref->grad_dequant[format]((float *)out.ref, q, n, &g);
    c->cand->grad_dequant[format]((float *)out.cand, q, n, &g);
    check_outputs(c, &out, 1);
}

/* n / 16 words more: every number of them comes. */
static void one_nh(struct check *c, size_t n, struct place at, enum values kind)
{
    size_t words = n / 16 + pxi_rng_below(&c->rng, 64);
    check_case(c, "words %zu, side %d, shift %zu", words, at.side, at.shift);
    (void)kind;
    const uint8_t *p = packed_at(c, 8 * words, at);
    size_t keys = (words + PXI_TAG_GROUP - 1) / PXI_TAG_GROUP * PXI_TAG_GROUP;
    uint64_t *key = input_at(1, 8 * keys, aligned(at, 8));
    fill_bytes(&c->rng, key, 8 * keys);
    struct output out = output_at(c, 0, sizeof(struct pxi_tag_sum), (struct place){SIDE_MIDDLE, 0});
    c->ref->tag_nh((struct pxi_tag_sum *)(void *)out.ref, key, p, words);
    c->cand->tag_nh((struct pxi_tag_sum *)(void *)out.cand, key, p, words);
    check_outputs(c, &out, 1);
}

void check_grad_max(struct check *c)
{
    sweep(c, one_max);
}
void check_grad_quant(struct check *c)
{
    for (int i = 0; i < 4; i++) /* many cases: with and without residual, seed, ... */
        sweep(c, one_quant);
}
void check_grad_undo(struct check *c)
{
    sweep(c, one_undo);
}
void check_grad_add(struct check *c)
{
    sweep(c, one_add);
}
void check_grad_fold(struct check *c)
{
    sweep(c, one_fold);
}
void check_grad_dequant(struct check *c)
{
    sweep(c, one_dequant);
}
void check_tag_nh(struct check *c)
{
    sweep(c, one_nh);
}
