/* Pieces of work that the stages of the forward pass are made of. */
#include "model/work.h"

/* Bytes of activations that a product goes over again and again: they should stay in L2. */
enum { TILE_BYTES = 384 * 1024 };

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

static struct pxi_act act_at(const struct pxi_act_rows *a, size_t k, size_t t)
{
    return (struct pxi_act){a->q + t * k, a->d + t * k / 32, a->sum + t * k / 16};
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
                           .scratch = me->scratch};
    for (size_t t = 0; t < n; t += tile) {
        m.tokens = pxi_min(tile, n - t);
        m.y_stride = y_stride;
        m.y = y + t * y_stride;
        if (q)
            m.act = act_at(in->act, k, t);
        else
            m.x = in->x + t * k;
        me->f->kn->matmul[w->type](&m);
        if (!q || k > PXI_SHORT_COLS)
            continue;
        m.act = act_at(in->act->rest, k, t);
        m.y_stride = last - first;
        m.y = me->rest;
        me->f->kn->matmul[w->type](&m);
        for (size_t i = 0; i < m.tokens; i++)
            me->f->kn->add(y + (t + i) * y_stride, me->rest + i * m.y_stride, m.y_stride);
    }
}

size_t pxi_chunk(const struct pxi_member *me, size_t rows, size_t n)
{
    size_t most = n > PXI_CHUNK_ROWS ? PXI_CHUNK_ROWS : PXI_CHUNK_ROWS_MAX;
    size_t fair = rows / (me->size * 6) / 32 * 32;
    return fair < 32 ? 32 : pxi_min(fair, most);
}
