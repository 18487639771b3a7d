/* Memory of the forward pass: one allocation, laid out by one function that also predicts it. */
#include "base/mem.h"
#include "model/rope.h"
#include "model/work.h"

enum { ALIGN = 64 };

/* Hands out pieces of `base`, or only counts them while base is NULL. */
struct layout {
    uint8_t *base;
    uint64_t used;
    bool ok;
};

static void *piece(struct layout *l, uint64_t n, uint64_t each, uint64_t bytes)
{
    uint64_t total = 0, end = 0, at = l->used;
    l->ok = l->ok && pxi_mul_u64(n, each, &total) && pxi_mul_u64(total, bytes, &total) &&
            pxi_add_u64(at, total, &end) && pxi_align_u64(end, ALIGN, &l->used) &&
            l->used < SIZE_MAX / 2;
    return l->ok && l->base ? l->base + at : NULL;
}

static void act_plane(struct layout *l, struct pxi_act_rows *a, size_t n, size_t k)
{
    a->q = piece(l, n, k, sizeof *a->q);
    a->d = piece(l, n, k / 32 + 1, sizeof *a->d);
    a->sum = piece(l, n, k / 16 + 1, sizeof *a->sum);
}

/* n rows of k, and what is left over of `narrow` (0 or more) elements a row. */
static void act_rows(struct layout *l, struct pxi_act_rows *a, struct pxi_act_rows *rest, size_t n,
                     size_t k, size_t narrow)
{
    act_plane(l, a, n, k);
    if (narrow)
        act_plane(l, a->rest = rest, n, narrow);
}

/* The longer of two input rows that are short; 0 when neither is. */
static size_t short_of(size_t a, size_t b)
{
    return pxi_max(a <= PXI_SHORT_COLS ? a : 0, b <= PXI_SHORT_COLS ? b : 0);
}

static void member_memory(struct layout *l, const struct pxi_forward *f, struct pxi_member *me)
{
    size_t rows = pxi_max(PXI_TILE_ROWS, f->group);
    size_t scores = pxi_max(PXI_TILE_SCORES, f->group * f->kv->positions);
    me->scratch = piece(l, 1, pxi_matmul_scratch(f->model->cols_max), 1);
    me->line = piece(l, 1, f->input_cols, sizeof(float));
    me->left = piece(l, 1, f->chunk_floats, sizeof(float));
    me->right = piece(l, 1, f->chunk_floats, sizeof(float));
    me->rest = piece(l, 1, f->short_rows ? f->chunk_floats : 0, sizeof(float));
    me->q = piece(l, rows, f->kv->key_dim, sizeof(float));
    me->out = piece(l, rows, f->kv->value_dim, sizeof(float));
    me->scores = piece(l, 1, scores, sizeof(float));
    me->own = piece(l, PXI_ALONE_TOKENS, f->input_cols, sizeof(float));
    act_rows(l, &me->own_act, &me->own_rest, PXI_ALONE_TOKENS, f->input_cols,
             short_of(f->embd, f->o_cols));
}

static void shared_memory(struct layout *l, struct pxi_forward *f)
{
    const struct pxi_config *c = &f->model->config;
    bool hidden = false;
    for (uint32_t i = 0; i < c->blocks; i++)
        hidden = hidden || !pxi_matrix_quantised(&f->model->blocks[i].down);
    f->counters = piece(l, c->blocks, PXI_STAGES_BLOCK, sizeof *f->counters);
    piece(l, PXI_STAGES_ENDS, 1, sizeof *f->counters); /* the counters go on */
    f->speed = piece(l, 1, c->rope_dim / 2, sizeof *f->speed);
    f->cs = piece(l, f->batch, c->rope_dim, sizeof *f->cs);
    f->x = piece(l, f->batch, f->embd, sizeof *f->x);
    f->input = piece(l, f->batch, f->input_cols, sizeof *f->input);
    f->q = piece(l, f->batch, f->q_cols, sizeof *f->q);
    f->k = piece(l, f->batch, f->k_cols, sizeof *f->k);
    f->v = piece(l, f->batch, f->v_cols, sizeof *f->v);
    f->hidden = piece(l, f->batch, hidden ? f->ffn : 0, sizeof *f->hidden);
    f->runs = piece(l, f->batch, 1, sizeof *f->runs);
    f->tiles = piece(l, f->batch, 1, sizeof *f->tiles);
    f->wanted = piece(l, f->batch, 1, sizeof *f->wanted);
    act_rows(l, &f->act, &f->act_rest, f->batch, f->input_cols, short_of(f->embd, f->o_cols));
    act_rows(l, &f->act_ffn, &f->act_ffn_rest, f->batch, f->ffn, short_of(f->ffn, f->ffn));
}

static void sizes(struct pxi_forward *f, const struct pxi_model *m, const struct pxi_kv_layout *kv,
                  uint32_t batch)
{
    const struct pxi_config *c = &m->config;
    *f = (struct pxi_forward){.model = m, .kv = kv, .batch = batch};
    f->embd = c->embd;
    f->ffn = c->ffn;
    f->group = c->heads / c->kv_heads;
    f->q_cols = (size_t)c->heads * c->key_dim;
    f->k_cols = (size_t)c->kv_heads * c->key_dim;
    f->v_cols = (size_t)c->kv_heads * c->value_dim;
    f->o_cols = (size_t)c->heads * c->value_dim;
    f->input_cols = pxi_max(f->embd, f->o_cols);
    f->short_rows = short_of(f->embd, f->o_cols) || short_of(f->ffn, 0);
    f->chunk_floats = (size_t)batch * PXI_CHUNK_BUFFERED;
}

uint64_t pxi_forward_bytes(const struct pxi_model *m, const struct pxi_kv_layout *kv,
                           uint32_t batch, unsigned threads)
{
    struct pxi_forward f;
    struct pxi_member me = {0};
    struct layout shared = {.ok = true}, each = {.ok = true};
    uint64_t total;
    sizes(&f, m, kv, batch);
    shared_memory(&shared, &f);
    piece(&shared, threads, 1, sizeof me);
    member_memory(&each, &f, &me);
    if (!shared.ok || !each.ok || !pxi_mul_u64(each.used, threads, &total) ||
        !pxi_add_u64(total, shared.used + ALIGN, &total))
        return UINT64_MAX;
    return total;
}

struct pxi_forward *pxi_forward_new(const struct pxi_model *m, const struct pxi_kernels *kn,
                                    struct pxi_team *team, const struct pxi_kv_layout *kv,
                                    uint32_t batch)
{
    unsigned threads = team ? team->size : 1;
    uint64_t bytes = pxi_forward_bytes(m, kv, batch, threads);
    struct pxi_forward *f = pxi_calloc(1, sizeof *f);
    void *memory = f && bytes < SIZE_MAX / 2 ? pxi_calloc(1, (size_t)bytes) : NULL;
    if (!memory) {
        pxi_free(f);
        return NULL;
    }
    struct layout l = {(uint8_t *)(((uintptr_t)memory + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1)), 0,
                       true};
    sizes(f, m, kv, batch);
    f->kn = kn;
    f->team = team;
    f->memory = memory;
    shared_memory(&l, f);
    f->members = piece(&l, threads, 1, sizeof *f->members);
    for (unsigned i = 0; i < threads; i++) {
        f->members[i] = (struct pxi_member){.f = f, .rank = i, .size = threads};
        member_memory(&l, f, &f->members[i]);
    }
    pxi_rope_speeds(f->speed, m);
    return f;
}

void pxi_forward_free(struct pxi_forward *f)
{
    if (!f)
        return;
    pxi_free(f->memory);
    pxi_free(f);
}
