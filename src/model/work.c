/* Pieces of work that the stages of the forward pass are made of. */
#include "model/work.h"

void pxi_quantise(const struct pxi_kernels *kn, const struct pxi_act_rows *a, size_t k, size_t t,
                  size_t at, size_t n, const float *x)
{
    float rest[PXI_SHORT_COLS];
    size_t first = t * k + at;
    kn->act_quant(a->q + first, a->d + first / 32, a->sum + first / 16, x, n);
    if (k > PXI_SHORT_COLS)
        return;
    for (size_t i = 0; i < n; i++) {
        float taken = a->d[(first + i) / 32] * (float)a->q[first + i];
        rest[i] = x[i] - taken;
    }
    a = a->rest;
    kn->act_quant(a->q + first, a->d + first / 32, a->sum + first / 16, rest, n);
}

struct ready {
    const float *src, *w;
    const uint32_t *map;
    size_t k;
    bool floats, quantised;
    float *x;
    const struct pxi_act_rows *act;
};

static void ready_row(struct pxi_member *me, const struct ready *r, size_t t)
{
    const struct pxi_kernels *kn = me->f->kn;
    const float *x = r->src + (r->map ? r->map[t] : t) * r->k;
    if (r->w) {
        float *y = r->floats ? r->x + t * r->k : me->line;
        kn->rms_norm(y, x, r->w, r->k, me->f->model->config.norm_eps);
        x = y;
    }
    if (r->quantised)
        pxi_quantise(kn, r->act, r->k, t, 0, r->k, x);
}

struct pxi_input pxi_input_ready(struct pxi_member *me, const float *src, const uint32_t *map,
                                 size_t n, const float *w, size_t k, bool floats, bool quantised)
{
    enum { STEP = 4 };
    struct pxi_forward *f = me->f;
    bool alone = n <= PXI_ALONE_TOKENS;
    struct ready r = {src,
                      w,
                      map,
                      k,
                      floats,
                      quantised,
                      alone ? me->own : f->input,
                      alone ? &me->own_act : &f->act};
    size_t piece;
    for (size_t t = 0; alone && t < n; t++)
        ready_row(me, &r, t);
    while (!alone && pxi_claim(me, (n + STEP - 1) / STEP, &piece))
        for (size_t t = piece * STEP; t < pxi_min(n, piece * STEP + STEP); t++)
            ready_row(me, &r, t);
    if (!alone)
        pxi_stage_end(me);
    return (struct pxi_input){w ? r.x : src, r.act};
}

static struct pxi_act act_of(const struct pxi_act_rows *a)
{
    return (struct pxi_act){a->q, a->d, a->sum};
}

/* The kernels cut the tokens into tiles themselves, so they get all of them at once. */
void pxi_product(struct pxi_member *me, const struct pxi_matrix *w, size_t first, size_t last,
                 const struct pxi_input *in, size_t n, float *y, size_t y_stride)
{
    struct pxi_matmul m = {.w = (const uint8_t *)w->data + first * w->row_bytes,
                           .row_bytes = w->row_bytes,
                           .k = w->cols,
                           .row_last = last - first,
                           .tokens = n,
                           .x = in->x,
                           .y = y,
                           .y_stride = y_stride,
                           .scratch = me->scratch};
    bool quantised = pxi_matrix_quantised(w);
    if (quantised)
        m.act = act_of(in->act);
    me->f->kn->matmul[w->type](&m);
    if (!quantised || w->cols > PXI_SHORT_COLS)
        return;
    m.act = act_of(in->act->rest);
    m.y = me->rest;
    m.y_stride = last - first;
    me->f->kn->matmul[w->type](&m);
    for (size_t t = 0; t < n; t++)
        me->f->kn->add(y + t * y_stride, me->rest + t * m.y_stride, m.y_stride);
}

/*
 * About four pieces a member, so that none waits long for another, in a number that all members
 * share evenly, but none smaller than a kernel's panel of 32 rows.
 */
size_t pxi_chunk(const struct pxi_member *me, size_t rows, size_t most)
{
    size_t size = me->size, fair = size > 1 ? rows / (size * 4) : rows;
    size_t chunk = pxi_min(pxi_max(fair / 32 * 32, 32), most);
    size_t pieces = ((rows + chunk - 1) / chunk + size - 1) / size * size;
    return pxi_min(pxi_max((rows / pieces + 31) / 32 * 32, 32), most);
}
