/* checkkernel: kernels on vectors of floats. */
#include "check.h"

#include <math.h>
#include <string.h>

/* Run `one` for every small size at every place, then for random sizes. */
static void sweep(struct check *c, void (*one)(struct check *, size_t, struct place, enum values))
{
    for (size_t n = 0; n <= 130; n++) {
        for (int kind = 0; kind < VALUES_KINDS; kind++) {
            one(c, n, (struct place){SIDE_END, 0}, (enum values)kind);
            one(c, n, (struct place){SIDE_START, 0}, (enum values)kind);
        }
        for (size_t shift = 0; shift < 16; shift++)
            one(c, n, (struct place){SIDE_MIDDLE, 4 * shift}, (enum values)(shift % VALUES_KINDS));
    }
    for (int i = 0; i < 120; i++)
        one(c, pxi_rng_below(&c->rng, 6000),
            (struct place){(enum side)pxi_rng_below(&c->rng, SIDES),
                           4 * pxi_rng_below(&c->rng, 16)},
            (enum values)pxi_rng_below(&c->rng, VALUES_KINDS));
}

/* A second place: the same side, another shift. */
static struct place other(struct check *c, struct place at, size_t unit)
{
    at.shift = at.side == SIDE_MIDDLE ? unit * pxi_rng_below(&c->rng, 64 / unit) : 0;
    return at;
}

static float *floats(struct check *c, unsigned slot, size_t n, struct place at, enum values kind)
{
    float *x = input_at(slot, 4 * n, at);
    fill_f32(&c->rng, x, n, kind);
    return x;
}

/* An output that starts as the same floats for both. */
static struct output floats_out(struct check *c, unsigned slot, size_t n, struct place at,
                                enum values kind)
{
    struct output out = output_at(c, slot, 4 * n, at);
    fill_f32(&c->rng, (float *)out.ref, n, kind);
    memcpy(out.cand, out.ref, 4 * n);
    return out;
}

static void one_rms_norm(struct check *c, size_t n, struct place at, enum values kind)
{
    bool in_place = pxi_rng_u64(&c->rng) & 1, weighted = pxi_rng_below(&c->rng, 4) != 0;
    check_case(c, "n %zu, side %d, shift %zu, values %d%s", n, at.side, at.shift, kind,
               in_place ? ", in place" : "");
    struct output out = floats_out(c, 0, n, at, kind);
    const float *x = floats(c, 0, n, other(c, at, 4), kind);
    const float *w = weighted ? floats(c, 1, n, other(c, at, 4), VALUES_PLAIN) : NULL;
    float *ref = (float *)out.ref, *cand = (float *)out.cand;
    c->ref->rms_norm(ref, in_place ? ref : x, w, n, 1e-5f);
    c->cand->rms_norm(cand, in_place ? cand : x, w, n, 1e-5f);
    check_outputs(c, &out, 1);
}

static void one_add(struct check *c, size_t n, struct place at, enum values kind)
{
    check_case(c, "n %zu, side %d, shift %zu, values %d", n, at.side, at.shift, kind);
    struct output out = floats_out(c, 0, n, at, kind);
    const float *x = floats(c, 0, n, other(c, at, 4), kind);
    c->ref->add((float *)out.ref, x, n);
    c->cand->add((float *)out.cand, x, n);
    check_outputs(c, &out, 1);
}

static void one_silu_mul(struct check *c, size_t n, struct place at, enum values kind)
{
    uint64_t alias = pxi_rng_below(&c->rng, 3);
    check_case(c, "n %zu, side %d, shift %zu, values %d, alias %d", n, at.side, at.shift, kind,
               (int)alias);
    struct output out = floats_out(c, 0, n, at, kind);
    float *g = floats(c, 0, n, other(c, at, 4), kind);
    const float *u = floats(c, 1, n, other(c, at, 4), VALUES_PLAIN);
    for (size_t i = 0; i < n && kind == VALUES_PLAIN; i++)
        g[i] *= 30; /* ordinary gates are a few units wide */
    float *ref = (float *)out.ref, *cand = (float *)out.cand;
    c->ref->silu_mul(ref, alias == 1 ? ref : g, alias == 2 ? ref : u, n);
    c->cand->silu_mul(cand, alias == 1 ? cand : g, alias == 2 ? cand : u, n);
    check_outputs(c, &out, 1);
}

/* The exponential over its whole range: every 2,048th float, both signs. */
static void silu_range(struct check *c)
{
    enum { N = 4096 };
    const struct place at = {SIDE_MIDDLE, 0};
    for (uint32_t first = 0; first < 0x7f800000; first += N << 11) {
        struct output out = output_at(c, 0, 4 * N, at);
        float *g = input_at(0, 4 * N, at), *u = input_at(1, 4 * N, at);
        check_case(c, "gates from the float %08x on", first);
        for (uint32_t i = 0; i < N; i++) {
            uint32_t bits = (first + (i << 11)) | i << 31;
            if ((bits & 0x7fffffff) > 0x7f7fffff)
                bits = 0;
            memcpy(g + i, &bits, 4);
            u[i] = 1.0f;
        }
        c->ref->silu_mul((float *)out.ref, g, u, N);
        c->cand->silu_mul((float *)out.cand, g, u, N);
        check_outputs(c, &out, 1);
    }
}

static void one_rope(struct check *c, size_t n, struct place at, enum values kind)
{
    size_t at_adjacent = offsetof(struct pxi_kernels, rope_adjacent);
    bool adjacent = c->kernel->offset == at_adjacent;
    check_case(c, "pairs %zu, side %d, shift %zu, values %d", n, at.side, at.shift, kind);
    struct output out = floats_out(c, 0, 2 * n, at, kind);
    const float *cs = floats(c, 0, 2 * n, other(c, at, 4), VALUES_PLAIN);
    (adjacent ? c->ref->rope_adjacent : c->ref->rope_half)((float *)out.ref, cs, n);
    (adjacent ? c->cand->rope_adjacent : c->cand->rope_half)((float *)out.cand, cs, n);
    check_outputs(c, &out, 1);
}

static void one_softmax(struct check *c, size_t n, struct place at, enum values kind)
{
    if (n == 0)
        return;
    static const float scales[] = {1.0f, 0.125f, 0.08838834764f, 20.0f};
    float scale = scales[pxi_rng_below(&c->rng, 4)];
    check_case(c, "n %zu, side %d, shift %zu, values %d, scale %g", n, at.side, at.shift, kind,
               (double)scale);
    struct output out = floats_out(c, 0, n, at, kind);
    float *ref = (float *)out.ref;
    if (kind == VALUES_WIDE) /* some masked positions, never all */
        for (size_t i = 1; i < n; i++)
            ref[i] = pxi_rng_below(&c->rng, 5) ? ref[i] : -INFINITY;
    memcpy(out.cand, ref, 4 * n);
    c->ref->softmax(ref, n, scale);
    c->cand->softmax((float *)out.cand, n, scale);
    check_outputs(c, &out, 1);
}

static bool is_bf16(const struct check *c)
{
    return c->kernel->offset == offsetof(struct pxi_kernels, f32_to_bf16) ||
           c->kernel->offset == offsetof(struct pxi_kernels, bf16_to_f32);
}

/* Every bit pattern may occur, NaN included: the conversion of each is promised. */
static void one_to_f16(struct check *c, size_t n, struct place at, enum values kind)
{
    check_case(c, "n %zu, side %d, shift %zu, values %d", n, at.side, at.shift, kind);
    float *x = input_at(0, 4 * n, at);
    for (size_t i = 0; i < n; i++) {
        uint32_t exponent = 100 + (uint32_t)pxi_rng_below(&c->rng, 48), bits = 0;
        fill_bytes(&c->rng, &bits, 4);
        if (kind == VALUES_PLAIN &&
            !is_bf16(c)) /* around the range of f16, on and off the halfway points */
            bits = (bits & 0x807fffff & (pxi_rng_u64(&c->rng) & 1 ? ~0u : ~0xfffu)) | exponent
                                                                                          << 23;
        memcpy(x + i, &bits, 4);
    }
    if (kind == VALUES_SPECIAL)
        fill_f32(&c->rng, x, n, kind);
    struct output out = output_at(c, 0, 2 * n, other(c, at, 2));
    (is_bf16(c) ? c->ref->f32_to_bf16 : c->ref->f32_to_f16)((uint16_t *)out.ref, x, n);
    (is_bf16(c) ? c->cand->f32_to_bf16 : c->cand->f32_to_f16)((uint16_t *)out.cand, x, n);
    check_outputs(c, &out, 1);
}

static void one_of_f16(struct check *c, size_t n, struct place at, enum values kind)
{
    check_case(c, "n %zu, side %d, shift %zu, values %d", n, at.side, at.shift, kind);
    uint16_t *x = input_at(0, 2 * n, other(c, at, 2));
    fill_bytes(&c->rng, x, 2 * n);
    struct output out = output_at(c, 0, 4 * n, at);
    (is_bf16(c) ? c->ref->bf16_to_f32 : c->ref->f16_to_f32)((float *)out.ref, x, n);
    (is_bf16(c) ? c->cand->bf16_to_f32 : c->cand->f16_to_f32)((float *)out.cand, x, n);
    check_outputs(c, &out, 1);
}

void check_silu_mul(struct check *c)
{
    sweep(c, one_silu_mul);
    silu_range(c);
}

void check_rms_norm(struct check *c)
{
    sweep(c, one_rms_norm);
}
void check_add(struct check *c)
{
    sweep(c, one_add);
}
void check_rope(struct check *c)
{
    sweep(c, one_rope);
}
void check_softmax(struct check *c)
{
    sweep(c, one_softmax);
}
void check_to_f16(struct check *c)
{
    sweep(c, one_to_f16);
}
void check_of_f16(struct check *c)
{
    sweep(c, one_of_f16);
}
