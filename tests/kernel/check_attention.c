/* checkkernel: scores and weighted sums over a KV cache. */
#include "check.h"

#include <string.h>

enum cache { CACHE_F32, CACHE_F16, CACHE_I8 };

struct shape {
    size_t d, length, nq; /* length: panels of qk, positions of pv */
    struct place at;
    enum values kind;
};

static enum cache cache_of(const struct kernel *k)
{
    size_t o = k->offset;
    if (o == offsetof(struct pxi_kernels, qk_f32) || o == offsetof(struct pxi_kernels, pv_f32))
        return CACHE_F32;
    if (o == offsetof(struct pxi_kernels, qk_f16) || o == offsetof(struct pxi_kernels, pv_f16))
        return CACHE_F16;
    return CACHE_I8;
}

static struct place shifted(struct pxi_rng *r, struct place at, size_t unit)
{
    at.shift = at.side == SIDE_MIDDLE ? pxi_rng_below(r, 64 / unit) * unit : 0;
    return at;
}

/* Bytes of `count` pieces of `n` elements, `stride` elements apart. */
static size_t span(size_t count, size_t stride, size_t n, size_t elem)
{
    return count ? ((count - 1) * stride + n) * elem : 0;
}

static void *fill_cache(struct check *c, enum cache type, size_t elems, const struct shape *s)
{
    size_t elem = type == CACHE_F32 ? 4 : type == CACHE_F16 ? 2 : 1;
    void *p = input_at(0, elems * elem, shifted(&c->rng, s->at, elem));
    if (type == CACHE_F32)
        fill_f32(&c->rng, p, elems, s->kind);
    else if (type == CACHE_F16)
        fill_f16(&c->rng, p, elems);
    else
        fill_bytes(&c->rng, p, elems);
    return p;
}

static float *fill_floats(struct check *c, unsigned slot, size_t n, const struct shape *s,
                          enum values kind)
{
    float *x = input_at(slot, 4 * n, shifted(&c->rng, s->at, 4));
    fill_f32(&c->rng, x, n, kind);
    return x;
}

static void one_qk(struct check *c, const struct shape *s)
{
    struct pxi_rng *r = &c->rng;
    enum cache type = cache_of(c->kernel);
    check_case(c, "d %zu, panels %zu, nq %zu, side %d", s->d, s->length, s->nq, s->at.side);
    size_t q_stride = s->d + pxi_rng_below(r, 4), s_stride = 16 * s->length + pxi_rng_below(r, 4);
    size_t panel = 16 * s->d + pxi_rng_below(r, 2) * pxi_rng_below(r, 40);
    size_t ks_stride = 16 + pxi_rng_below(r, 2) * pxi_rng_below(r, 9);
    const float *q = fill_floats(c, 1, span(s->nq, q_stride, s->d, 1), s, s->kind);
    const void *k = fill_cache(c, type, span(s->length, panel, 16 * s->d, 1), s);
    const float *ks = fill_floats(c, 2, span(s->length, ks_stride, 16, 1), s, VALUES_PLAIN);
    struct output out =
        output_at(c, 0, span(s->nq, s_stride, 16 * s->length, 4), shifted(r, s->at, 4));
    for (int i = 0; i < 2; i++) {
        const struct pxi_kernels *t = i ? c->cand : c->ref;
        float *o = (float *)(i ? out.cand : out.ref);
        if (type == CACHE_F32)
            t->qk_f32(o, s_stride, q, q_stride, s->nq, k, panel, s->length, s->d);
        else if (type == CACHE_F16)
            t->qk_f16(o, s_stride, q, q_stride, s->nq, k, panel, s->length, s->d);
        else
            t->qk_i8(o, s_stride, q, q_stride, s->nq, k, panel, ks, ks_stride, s->length, s->d);
    }
    check_outputs(c, &out, 1);
}

static void one_pv(struct check *c, const struct shape *s)
{
    struct pxi_rng *r = &c->rng;
    enum cache type = cache_of(c->kernel);
    check_case(c, "d %zu, positions %zu, nq %zu, side %d", s->d, s->length, s->nq, s->at.side);
    size_t p_stride = s->length + pxi_rng_below(r, 4), o_stride = s->d + pxi_rng_below(r, 4);
    size_t v_stride = s->d + pxi_rng_below(r, 2) * pxi_rng_below(r, 40);
    size_t vs_stride = 1 + pxi_rng_below(r, 3);
    const float *p = fill_floats(c, 1, span(s->nq, p_stride, s->length, 1), s, s->kind);
    const void *v = fill_cache(c, type, span(s->length, v_stride, s->d, 1), s);
    const float *vs = fill_floats(c, 2, span(s->length, vs_stride, 1, 1), s, VALUES_PLAIN);
    struct output out = output_at(c, 0, span(s->nq, o_stride, s->d, 4), shifted(r, s->at, 4));
    for (int i = 0; i < 2; i++) {
        const struct pxi_kernels *t = i ? c->cand : c->ref;
        float *o = (float *)(i ? out.cand : out.ref);
        if (type == CACHE_F32)
            t->pv_f32(o, o_stride, p, p_stride, s->nq, v, v_stride, s->length, s->d);
        else if (type == CACHE_F16)
            t->pv_f16(o, o_stride, p, p_stride, s->nq, v, v_stride, s->length, s->d);
        else
            t->pv_i8(o, o_stride, p, p_stride, s->nq, v, v_stride, vs, vs_stride, s->length, s->d);
    }
    check_outputs(c, &out, 1);
}

static void sweep(struct check *c, void (*one)(struct check *, const struct shape *), size_t most)
{
    struct pxi_rng *r = &c->rng;
    for (size_t d = 0; d <= 130; d++)
        for (int side = 0; side < SIDES; side++)
            for (int i = 0; i < 3; i++)
                one(c, &(struct shape){d,
                                       pxi_rng_below(r, 5),
                                       1 + pxi_rng_below(r, 9),
                                       {(enum side)side, 0},
                                       (enum values)(i % VALUES_KINDS)});
    for (size_t nq = 0; nq <= 20; nq++)
        for (size_t length = 0; length <= 18; length++)
            one(c,
                &(struct shape){1 + pxi_rng_below(r, 40), length, nq, {SIDE_END, 0}, VALUES_PLAIN});
    for (int i = 0; i < 30; i++)
        one(c, &(struct shape){64 + 64 * pxi_rng_below(r, 2),
                               pxi_rng_below(r, most),
                               1 + pxi_rng_below(r, 16),
                               {(enum side)pxi_rng_below(r, SIDES), 0},
                               (enum values)pxi_rng_below(r, VALUES_KINDS)});
}

void check_qk(struct check *c)
{
    sweep(c, one_qk, 20);
}
void check_pv(struct check *c)
{
    sweep(c, one_pv, 300);
}
