/* The stages of the forward pass, in order. */
#include <string.h>

#include "model/attention.h"
#include "model/rope.h"
#include "model/work.h"

static bool quantised(const struct pxi_matrix *w)
{
    return pxi_matrix_quantised(w) != 0;
}

/* A stage of products of one input with several matrices; y of each holds all its rows. */
struct part {
    const struct pxi_matrix *w;
    float *y;
};

static void products(struct pxi_member *me, const struct part *parts, size_t count,
                     const struct pxi_input *in, size_t n)
{
    size_t rows = 0, pieces = 0, piece;
    for (size_t i = 0; i < count; i++)
        rows += parts[i].w->rows;
    size_t chunk = pxi_chunk(me, rows, me->f->short_rows ? PXI_CHUNK_BUFFERED : PXI_CHUNK_ROWS);
    for (size_t i = 0; i < count; i++)
        pieces += (parts[i].w->rows + chunk - 1) / chunk;
    while (pxi_claim(me, pieces, &piece)) {
        const struct part *p = parts;
        for (size_t own; piece >= (own = (p->w->rows + chunk - 1) / chunk); p++)
            piece -= own;
        size_t first = piece * chunk, last = pxi_min(p->w->rows, first + chunk);
        pxi_product(me, p->w, first, last, in, n, p->y + first, p->w->rows);
    }
    pxi_stage_end(me);
}

/* x += w * input (+ bias): each member adds the rows that it computed. */
static void product_residual(struct pxi_member *me, const struct pxi_matrix *w, const float *bias,
                             const struct pxi_input *in)
{
    struct pxi_forward *f = me->f;
    size_t chunk = pxi_chunk(me, w->rows, PXI_CHUNK_BUFFERED), piece;
    while (pxi_claim(me, (w->rows + chunk - 1) / chunk, &piece)) {
        size_t first = piece * chunk, m = pxi_min(chunk, w->rows - first);
        pxi_product(me, w, first, first + m, in, f->n, me->left, m);
        for (size_t t = 0; t < f->n; t++) {
            if (bias)
                f->kn->add(me->left + t * m, bias + first, m);
            f->kn->add(f->x + t * f->embd + first, me->left + t * m, m);
        }
    }
    pxi_stage_end(me);
}

static void attention_part(struct pxi_member *me, uint32_t block)
{
    struct pxi_forward *f = me->f;
    const struct pxi_block *b = &f->model->blocks[block];
    bool q = quantised(&b->q) || quantised(&b->k) || quantised(&b->v);
    bool x = !quantised(&b->q) || !quantised(&b->k) || !quantised(&b->v);
    struct pxi_input in = pxi_input_ready(me, f->x, NULL, f->n, b->attn_norm, f->embd, x, q);
    const struct part parts[] = {{&b->q, f->q}, {&b->k, f->k}, {&b->v, f->v}};
    products(me, parts, 3, &in, f->n);
    bool at_once = quantised(&b->o) && f->group * f->kv->value_dim % 32 == 0;
    pxi_attention(me, block, at_once);
    in = (struct pxi_input){f->input, &f->act};
    if (quantised(&b->o) && !at_once)
        in = pxi_input_ready(me, f->input, NULL, f->n, NULL, f->o_cols, false, true);
    product_residual(me, &b->o, b->o_bias, &in);
}

/* Gate and up of the same rows, joined, and quantised for down in the same piece. */
static void gate_up(struct pxi_member *me, const struct pxi_block *b, const struct pxi_input *in)
{
    struct pxi_forward *f = me->f;
    size_t chunk = pxi_chunk(me, f->ffn, PXI_CHUNK_BUFFERED), piece;
    while (pxi_claim(me, (f->ffn + chunk - 1) / chunk, &piece)) {
        size_t first = piece * chunk, m = pxi_min(chunk, f->ffn - first);
        pxi_product(me, &b->gate, first, first + m, in, f->n, me->left, m);
        pxi_product(me, &b->up, first, first + m, in, f->n, me->right, m);
        for (size_t t = 0; t < f->n; t++) {
            float *y = quantised(&b->down) ? me->left + t * m : f->hidden + t * f->ffn + first;
            f->kn->silu_mul(y, me->left + t * m, me->right + t * m, m);
            if (quantised(&b->down))
                pxi_quantise(f->kn, &f->act_ffn, f->ffn, t, first, m, y);
        }
    }
    pxi_stage_end(me);
}

static void ffn_part(struct pxi_member *me, uint32_t block)
{
    struct pxi_forward *f = me->f;
    const struct pxi_block *b = &f->model->blocks[block];
    bool q = quantised(&b->gate) || quantised(&b->up);
    bool x = !quantised(&b->gate) || !quantised(&b->up);
    struct pxi_input in = pxi_input_ready(me, f->x, NULL, f->n, b->ffn_norm, f->embd, x, q);
    gate_up(me, b, &in);
    in = (struct pxi_input){f->hidden, &f->act_ffn};
    product_residual(me, &b->down, NULL, &in);
}

/* Residual stream and rotation angles of row t. */
static void embed(struct pxi_forward *f, size_t t)
{
    const struct pxi_matrix *e = &f->model->embd;
    uint32_t dim = f->model->config.rope_dim;
    const struct pxi_row *row = &f->rows[t];
    float *x = f->x + t * f->embd;
    if (row->hidden)
        memcpy(x, row->hidden, f->embd * sizeof *x);
    else
        f->kn->dequant[e->type](x, (const uint8_t *)e->data + (size_t)row->token * e->row_bytes,
                                f->embd);
    pxi_rope_angles(f->cs + t * dim, f->speed, dim / 2, f->rows[t].position);
}

static void logits(struct pxi_member *me)
{
    struct pxi_forward *f = me->f;
    const struct pxi_matrix *w = &f->model->output;
    if (!f->n_wanted)
        return;
    struct pxi_input in = pxi_input_ready(me, f->x, f->wanted, f->n_wanted, f->model->output_norm,
                                          f->embd, !quantised(w), quantised(w));
    const struct part part = {w, f->logits};
    products(me, &part, 1, &in, f->n_wanted);
}

static void pass(void *arg, unsigned rank, unsigned size)
{
    struct pxi_forward *f = arg;
    struct pxi_member *me = &f->members[rank];
    size_t t;
    me->size = size;
    me->stage = 0;
    if (f->n > PXI_ALONE_TOKENS) {
        while (pxi_claim(me, f->n, &t))
            embed(f, t);
        pxi_stage_end(me);
    }
    for (uint32_t block = 0; block < f->model->config.blocks; block++) {
        attention_part(me, block);
        ffn_part(me, block);
    }
    logits(me);
}

void pxi_forward_run(struct pxi_forward *f, const struct pxi_row *rows, size_t n, float *logits)
{
    size_t stages = (size_t)f->model->config.blocks * PXI_STAGES_BLOCK + PXI_STAGES_ENDS;
    f->rows = rows;
    f->n = n;
    f->logits = logits;
    f->n_wanted = 0;
    for (uint32_t t = 0; t < n; t++)
        if (rows[t].want && f->model->slice.output)
            f->wanted[f->n_wanted++] = t;
    pxi_attention_plan(f);
    for (size_t i = 0; i < stages; i++)
        atomic_store_explicit(&f->counters[i].next, 0, memory_order_relaxed);
    for (size_t t = 0; t < n && n <= PXI_ALONE_TOKENS; t++)
        embed(f, t);
    pxi_team_run(f->team, pass, f);
}

const float *pxi_forward_hidden(const struct pxi_forward *f, size_t i)
{
    return f->x + i * f->embd;
}
