/* Pieces of work that the stages of the forward pass are made of. */
#include "model/work.h"

/* Bytes of activations that a product goes over again and again: they should stay in L2. */
enum { TILE_BYTES = 384 * 1024 };

void pxi_quantise(const struct pxi_kernels *kn, const struct pxi_act_rows *a, size_t k, size_t t,
                  size_t at, size_t n, const float *x)
{
    size_t first = t * k + at;
    kn->act_quant(a->q + first, a->d + first / 32, a->sum + first / 16, x, n);
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
    struct ready r = {src,    w,         map, k,
                      floats, quantised, alone ? me->own : f->input,
                      alone ? &me->own_act : &f->act};
    size_t piece;
    for (size_t t = 0; alone && t < n; t++)
        ready_row(me, &r, t);
    while (!alone && pxi_claim(me, (n + STEP - 1) / STEP, &piece))
        for (size_t t = piece * STEP; t < pxi_min(n, piece * STEP + STEP); t++)
            ready_row(me, &r, t);
    if (!alone)
        pxi_stage_end(me);
    return (struct pxi_input){w ? r.x : src, pxi_act_of(r.act)};
}

void pxi_product(struct pxi_member *me, const struct pxi_matrix *w, size_t first, size_t last,
                 const struct pxi_input *in, size_t n, float *y, size_t y_stride)
{
    bool q = pxi_matrix_quantised(w);
    size_t k = w->cols, tile = pxi_max(16, TILE_BYTES / (q ? k : k * sizeof(float)) / 16 * 16);
    struct pxi_matmul m = {.w = (const uint8_t *)w->data + first * w->row_bytes,
                           .row_bytes = w->row_bytes,
                           .k = k,
                           .row_last = last - first,
                           .y_stride = y_stride,
                           .scratch = me->scratch};
    for (size_t t = 0; t < n; t += tile) {
        m.tokens = pxi_min(tile, n - t);
        if (q)
            m.act = (struct pxi_act){in->act.q + t * k, in->act.d + t * k / 32,
                                     in->act.sum + t * k / 16};
        else
            m.x = in->x + t * k;
        m.y = y + t * y_stride;
        me->f->kn->matmul[w->type](&m);
    }
}

size_t pxi_chunk(const struct pxi_member *me, size_t rows, size_t n)
{
    size_t most = n > PXI_CHUNK_ROWS ? PXI_CHUNK_ROWS : PXI_CHUNK_ROWS_MAX;
    size_t fair = rows / (me->size * 6) / 32 * 32;
    return fair < 32 ? 32 : pxi_min(fair, most);
}
