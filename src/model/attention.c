/*
 * Attention: keys and values are rotated and stored, then every query meets positions 0 to its own.
 * The query heads that share a kv head, of a few neighbouring tokens, go through the cache together
 * (a tile), so that it is read once for all of them.
 */
#include "model/attention.h"

/* Tokens of a tile whose last position is near `position`. */
static uint32_t tile_tokens(const struct pxi_forward *f, uint32_t position)
{
    size_t panels = position / PXI_KV_PANEL + 2, scores = panels * PXI_KV_PANEL * f->group;
    size_t n = pxi_min(PXI_TILE_TOKENS, PXI_TILE_ROWS / f->group);
    n = pxi_min(n, PXI_TILE_SCORES / scores);
    return n ? (uint32_t)n : 1;
}

static void cut_run(struct pxi_forward *f, struct pxi_span *run)
{
    uint32_t end = run->first + run->count;
    run->tile_first = (uint32_t)f->n_tiles;
    for (uint32_t t = run->first; t < end;) {
        uint32_t n = (uint32_t)pxi_min(tile_tokens(f, f->rows[t].position), end - t);
        f->tiles[f->n_tiles++] = (struct pxi_span){.first = t, .count = n};
        t += n;
    }
    run->tile_count = (uint32_t)f->n_tiles - run->tile_first;
}

/* true when no two runs are of one sequence. */
static bool runs_differ(const struct pxi_forward *f)
{
    for (size_t i = 0; i < f->n_runs; i++)
        for (size_t j = i + 1; j < f->n_runs; j++)
            if (f->rows[f->runs[i].first].slab == f->rows[f->runs[j].first].slab)
                return false;
    return true;
}

void pxi_attention_plan(struct pxi_forward *f)
{
    f->n_runs = f->n_tiles = 0;
    for (uint32_t t = 0; t < f->n;) {
        uint32_t end = t + 1;
        while (end < f->n && f->rows[end].slab == f->rows[t].slab)
            end++;
        struct pxi_span *run = &f->runs[f->n_runs++];
        *run = (struct pxi_span){.first = t, .count = end - t};
        cut_run(f, run);
        t = end;
    }
    f->fused = f->n <= PXI_FUSED_TOKENS && runs_differ(f);
}

/* Bias, norm and rotation of one query or key head, in place. */
static void finish_head(const struct pxi_forward *f, float *x, const float *bias, const float *norm,
                        uint32_t t)
{
    const struct pxi_config *c = &f->model->config;
    const float *cs = f->cs + (size_t)t * c->rope_dim;
    if (bias)
        f->kn->add(x, bias, c->key_dim);
    if (norm)
        f->kn->rms_norm(x, x, norm, c->key_dim, c->norm_eps);
    if (c->arch->rope == PXI_ROPE_HALF)
        f->kn->rope_half(x, cs, c->rope_dim / 2);
    else
        f->kn->rope_adjacent(x, cs, c->rope_dim / 2);
}

/* Key and value of one row and head into the cache. */
static void store(const struct pxi_forward *f, uint32_t block, uint32_t t, uint32_t head)
{
    const struct pxi_config *c = &f->model->config;
    const struct pxi_block *b = &f->model->blocks[block];
    float *k = f->k + t * f->k_cols + (size_t)head * c->key_dim;
    float *v = f->v + t * f->v_cols + (size_t)head * c->value_dim;
    struct pxi_kv_head cache = pxi_kv_head_at(f->kv, f->rows[t].slab, block, head);
    finish_head(f, k, b->k_bias ? b->k_bias + (size_t)head * c->key_dim : NULL, b->k_norm, t);
    if (b->v_bias)
        f->kn->add(v, b->v_bias + (size_t)head * c->value_dim, c->value_dim);
    pxi_kv_store(f->kv, f->kn, &cache, f->rows[t].position, k, v);
}

/* The query heads of a tile, finished, as rows of me->q. */
static void gather(struct pxi_member *me, uint32_t block, uint32_t head,
                   const struct pxi_span *tile)
{
    const struct pxi_forward *f = me->f;
    const struct pxi_block *b = &f->model->blocks[block];
    size_t d = f->kv->key_dim, at = head * f->group * d;
    float *dst = me->q;
    for (uint32_t t = tile->first; t < tile->first + tile->count; t++)
        for (size_t g = 0; g < f->group; g++, dst += d) {
            memcpy(dst, f->q + t * f->q_cols + at + g * d, d * sizeof *dst);
            finish_head(f, dst, b->q_bias ? b->q_bias + at + g * d : NULL, b->q_norm, t);
        }
}

static void scores(struct pxi_member *me, const struct pxi_kv_head *h, size_t nq, size_t panels)
{
    const struct pxi_kernels *kn = me->f->kn;
    const struct pxi_kv_layout *l = me->f->kv;
    size_t d = l->key_dim, stride = panels * PXI_KV_PANEL, panel = d * PXI_KV_PANEL;
    if (l->type == PX_KV_F16)
        kn->qk_f16(me->scores, stride, me->q, d, nq, h->k, panel, panels, d);
    else if (l->type == PX_KV_F32)
        kn->qk_f32(me->scores, stride, me->q, d, nq, h->k, panel, panels, d);
    else
        kn->qk_i8(me->scores, stride, me->q, d, nq, h->k, panel, h->k_scale, PXI_KV_PANEL, panels,
                  d);
}

static void mix(struct pxi_member *me, const struct pxi_kv_head *h, size_t nq, size_t panels,
                size_t positions)
{
    const struct pxi_kernels *kn = me->f->kn;
    const struct pxi_kv_layout *l = me->f->kv;
    size_t d = l->value_dim, stride = panels * PXI_KV_PANEL;
    if (l->type == PX_KV_F16)
        kn->pv_f16(me->out, d, me->scores, stride, nq, h->v, d, positions, d);
    else if (l->type == PX_KV_F32)
        kn->pv_f32(me->out, d, me->scores, stride, nq, h->v, d, positions, d);
    else
        kn->pv_i8(me->out, d, me->scores, stride, nq, h->v, d, h->v_scale, 1, positions, d);
}

/* Scores to probabilities; a row gives no weight to the positions after its own. */
static void weigh(struct pxi_member *me, const struct pxi_span *tile, size_t panels,
                  size_t positions)
{
    const struct pxi_forward *f = me->f;
    float scale = 1 / __builtin_sqrtf((float)f->kv->key_dim), *row = me->scores;
    for (uint32_t t = tile->first; t < tile->first + tile->count; t++)
        for (size_t g = 0; g < f->group; g++, row += panels * PXI_KV_PANEL) {
            size_t n = (size_t)f->rows[t].position + 1;
            f->kn->softmax(row, n, scale);
            memset(row + n, 0, (positions - n) * sizeof *row);
        }
}

static void attend(struct pxi_member *me, uint32_t block, uint32_t head,
                   const struct pxi_span *tile, bool quantise)
{
    const struct pxi_forward *f = me->f;
    const struct pxi_row *last = &f->rows[tile->first + tile->count - 1];
    struct pxi_kv_head h = pxi_kv_head_at(f->kv, last->slab, block, head);
    size_t positions = (size_t)last->position + 1, nq = tile->count * f->group;
    size_t panels = (positions + PXI_KV_PANEL - 1) / PXI_KV_PANEL;
    size_t n = f->group * f->kv->value_dim, at = head * n;
    gather(me, block, head, tile);
    scores(me, &h, nq, panels);
    weigh(me, tile, panels, positions);
    mix(me, &h, nq, panels, positions);
    for (uint32_t i = 0; i < tile->count; i++) {
        size_t t = tile->first + i;
        memcpy(f->input + t * f->o_cols + at, me->out + i * n, n * sizeof(float));
        if (quantise)
            pxi_quantise(f->kn, &f->act, f->o_cols, t, at, n, me->out + i * n);
    }
}

/* Few tokens: who stores a head of a run also attends to it, so nobody waits in between. */
static void attention_fused(struct pxi_member *me, uint32_t block, bool quantise)
{
    struct pxi_forward *f = me->f;
    size_t piece, heads = f->kv->heads;
    while (pxi_claim(me, f->n_runs * heads, &piece)) {
        const struct pxi_span *run = &f->runs[piece / heads];
        uint32_t head = (uint32_t)(piece % heads);
        for (uint32_t t = run->first; t < run->first + run->count; t++)
            store(f, block, t, head);
        for (uint32_t i = 0; i < run->tile_count; i++)
            attend(me, block, head, &f->tiles[run->tile_first + i], quantise);
    }
    pxi_stage_end(me);
}

/* Many tokens: all keys first; then tiles, the last and longest first. */
static void attention_split(struct pxi_member *me, uint32_t block, bool quantise)
{
    struct pxi_forward *f = me->f;
    size_t piece, heads = f->kv->heads, step = PXI_KV_PANEL;
    while (pxi_claim(me, (f->n + step - 1) / step, &piece))
        for (uint32_t t = (uint32_t)(piece * step); t < pxi_min(f->n, (piece + 1) * step); t++)
            for (uint32_t head = 0; head < heads; head++)
                store(f, block, t, head);
    pxi_stage_end(me);
    while (pxi_claim(me, f->n_tiles * heads, &piece))
        attend(me, block, (uint32_t)(piece % heads), &f->tiles[f->n_tiles - 1 - piece / heads],
               quantise);
    pxi_stage_end(me);
}

void pxi_attention(struct pxi_member *me, uint32_t block, bool quantise)
{
    if (me->f->fused)
        attention_fused(me, block, quantise);
    else
        attention_split(me, block, quantise);
}
