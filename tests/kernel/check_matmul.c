/* checkkernel: matrix products, dequantisers and the activation quantiser. */
#include "check.h"

#include <string.h>

struct shape {
    size_t k, rows, tokens;
    struct place at;
    enum values kind;
};

/* Quantised activations that a quantiser could have made: q in -127..127 with true sums. */
static void fill_act(struct pxi_rng *r, int8_t *q, float *d, int32_t *sum, const struct shape *s)
{
    uint64_t extreme = pxi_rng_below(r, 4);
    for (size_t i = 0; i < s->tokens * s->k; i++) {
        int v = (int)pxi_rng_below(r, 255) - 127;
        q[i] = (int8_t)(extreme == 0 ? 127 : extreme == 1 ? -127 : extreme == 2 ? (v | 1) : v);
    }
    for (size_t i = 0; i < s->tokens * s->k / 32; i++)
        d[i] = pxi_rng_below(r, 8) ? pxi_rng_f32(r) * 0.1f : 0.0f;
    for (size_t h = 0; h < s->tokens * s->k / 16; h++) {
        sum[h] = 0;
        for (size_t i = 0; i < 16; i++)
            sum[h] += q[16 * h + i];
    }
}

static struct place shifted(struct pxi_rng *r, struct place at, size_t unit)
{
    at.shift = at.side == SIDE_MIDDLE ? pxi_rng_below(r, 64 / unit) * unit : 0;
    return at;
}

/* Inputs of a product in slots 0..4, scratch in slot 5. */
static void fill_product(struct check *c, struct pxi_matmul *m, const struct shape *s)
{
    uint32_t dtype = kernel_dtype(c->kernel);
    struct pxi_rng *r = &c->rng;
    bool packed = px_dtype_block(dtype) > 1;
    size_t n = s->tokens * s->k, scratch = pxi_matmul_scratch(s->k);
    m->k = s->k;
    m->tokens = s->tokens;
    m->row_bytes = px_dtype_row_bytes(dtype, s->k);
    if (pxi_rng_below(r, 8) == 0) /* rows may be apart */
        m->row_bytes += pxi_rng_below(r, 40);
    m->row_first = pxi_rng_below(r, 4) ? 0 : 16 * pxi_rng_below(r, 3);
    m->row_last = m->row_first + s->rows;
    size_t bytes = m->row_last * m->row_bytes;
    if (m->row_last) /* the last row ends where its elements end */
        bytes -= m->row_bytes - px_dtype_row_bytes(dtype, s->k);
    uint8_t *w = input_at(0, bytes, s->at);
    for (size_t i = m->row_first; i < m->row_last; i++)
        fill_weights(r, dtype, w + i * m->row_bytes, s->k);
    m->w = w;
    float *x = input_at(1, packed ? 0 : 4 * n, shifted(r, s->at, 4));
    int8_t *q = input_at(2, packed ? n : 0, shifted(r, s->at, 1));
    float *d = input_at(3, packed ? n / 8 : 0, shifted(r, s->at, 4));
    int32_t *sum = input_at(4, packed ? n / 4 : 0, shifted(r, s->at, 4));
    if (packed)
        fill_act(r, q, d, sum, s);
    else
        fill_f32(r, x, n, s->kind);
    m->x = packed ? NULL : x;
    if (packed)
        m->act = (struct pxi_act){q, d, sum};
    m->scratch = input_at(5, (scratch + 63) & ~(size_t)63, (struct place){SIDE_END, 0});
    fill_bytes(r, m->scratch, scratch < 65536 ? scratch : 65536);
}

static void one_product(struct check *c, const struct shape *s)
{
    struct pxi_matmul m = {0};
    check_case(c, "k %zu, rows %zu, tokens %zu, side %d, shift %zu", s->k, s->rows, s->tokens,
               s->at.side, s->at.shift);
    fill_product(c, &m, s);
    m.y_stride = m.row_last + pxi_rng_below(&c->rng, 5);
    size_t n = s->tokens ? (s->tokens - 1) * m.y_stride + m.row_last : 0;
    struct output out = output_at(c, 0, 4 * n, shifted(&c->rng, s->at, 4));
    uint32_t dtype = kernel_dtype(c->kernel);
    m.y = (float *)out.ref;
    c->ref->matmul[dtype](&m);
    m.y = (float *)out.cand;
    c->cand->matmul[dtype](&m);
    check_outputs(c, &out, 1);
}

static size_t k_unit(const struct kernel *k)
{
    size_t block = px_dtype_block(kernel_dtype(k));
    return block;
}

void check_matmul(struct check *c)
{
    struct pxi_rng *r = &c->rng;
    size_t unit = k_unit(c->kernel), small = unit > 1 ? 8 : 130;
    for (size_t i = 0; i <= small; i++) /* every small k, every side */
        for (int side = 0; side < SIDES; side++)
            one_product(c, &(struct shape){i * unit,
                                           1 + pxi_rng_below(r, 36),
                                           pxi_rng_below(r, 10),
                                           {side, i % 64},
                                           (enum values)(i % VALUES_KINDS)});
    for (size_t shift = 0; shift < 64; shift++) /* every misalignment */
        one_product(
            c, &(struct shape){
                   unit * (1 + pxi_rng_below(r, 3)), 17, 2, {SIDE_MIDDLE, shift}, VALUES_PLAIN});
    for (size_t tokens = 0; tokens <= 40; tokens++) /* every token count of small and large tiles */
        one_product(c, &(struct shape){unit > 1 ? unit * 2 : 40,
                                       1 + pxi_rng_below(r, 80),
                                       tokens,
                                       {SIDE_END, 0},
                                       VALUES_WIDE});
    for (size_t rows = 0; rows <= 80; rows++)
        one_product(
            c,
            &(struct shape){
                unit > 1 ? unit : 33, rows, 1 + pxi_rng_below(r, 12), {SIDE_END, 0}, VALUES_PLAIN});
    for (int i = 0; i < 40; i++) { /* sizes of models */
        size_t k = 1 + pxi_rng_below(r, unit > 1 ? (unit > 32 ? 6 : 40) : 1500);
        one_product(c, &(struct shape){k * unit,
                                       1 + pxi_rng_below(r, 100),
                                       pxi_rng_below(r, 50),
                                       {(enum side)pxi_rng_below(r, SIDES), pxi_rng_below(r, 64)},
                                       (enum values)pxi_rng_below(r, VALUES_KINDS)});
    }
}

static void one_dequant(struct check *c, size_t n, struct place at)
{
    uint32_t dtype = kernel_dtype(c->kernel);
    size_t bytes = px_dtype_row_bytes(dtype, n);
    check_case(c, "n %zu, side %d, shift %zu", n, at.side, at.shift);
    void *src = input_at(0, bytes, at);
    fill_weights(&c->rng, dtype, src, n);
    struct output out = output_at(c, 0, 4 * n, shifted(&c->rng, at, 4));
    c->ref->dequant[dtype]((float *)out.ref, src, n);
    c->cand->dequant[dtype]((float *)out.cand, src, n);
    check_outputs(c, &out, 1);
}

void check_dequant(struct check *c)
{
    size_t unit = k_unit(c->kernel), small = unit > 1 ? 10 : 130;
    for (size_t i = 0; i <= small; i++) {
        one_dequant(c, i * unit, (struct place){SIDE_END, 0});
        one_dequant(c, i * unit, (struct place){SIDE_START, 0});
        for (size_t shift = 0; shift < 64; shift++)
            one_dequant(c, i * unit, (struct place){SIDE_MIDDLE, shift});
    }
    for (int i = 0; i < 50; i++)
        one_dequant(c, unit * pxi_rng_below(&c->rng, 6000 / unit), (struct place){SIDE_END, 0});
}

static void one_act_quant(struct check *c, size_t k, struct place at, enum values kind)
{
    check_case(c, "k %zu, side %d, shift %zu, values %d", k, at.side, at.shift, kind);
    float *x = input_at(0, 4 * k, shifted(&c->rng, at, 4));
    fill_f32(&c->rng, x, k, kind);
    for (size_t b = 0; b < k / 32; b++) /* some blocks of zeros, of tiny values, of halves */
        if (pxi_rng_below(&c->rng, 6) == 0)
            for (size_t i = 0; i < 32; i++)
                x[32 * b + i] = kind == VALUES_PLAIN  ? ((float)(i % 19) - 9) * 0.5f
                                : kind == VALUES_WIDE ? x[32 * b + i] * 0x1p-120f
                                                      : 0.0f;
    if (kind == VALUES_PLAIN && k) /* amax 127: the halves above round to even */
        x[0] = 127.0f;
    struct output out[3] = {output_at(c, 0, k, shifted(&c->rng, at, 1)),
                            output_at(c, 1, k / 8, shifted(&c->rng, at, 4)),
                            output_at(c, 2, k / 4, shifted(&c->rng, at, 4))};
    c->ref->act_quant((int8_t *)out[0].ref, (float *)out[1].ref, (int32_t *)out[2].ref, x, k);
    c->cand->act_quant((int8_t *)out[0].cand, (float *)out[1].cand, (int32_t *)out[2].cand, x, k);
    check_outputs(c, out, 3);
}

void check_act_quant(struct check *c)
{
    for (size_t k = 0; k <= 32 * 20; k += 32)
        for (int kind = 0; kind < VALUES_KINDS; kind++) {
            one_act_quant(c, k, (struct place){SIDE_END, 0}, (enum values)kind);
            one_act_quant(c, k, (struct place){SIDE_START, 0}, (enum values)kind);
            for (int i = 0; i < 16; i++)
                one_act_quant(c, k, (struct place){SIDE_MIDDLE, 0}, (enum values)kind);
        }
}
