/* Inside the forward pass: its memory, its members, and how they share the work of a stage. */
#ifndef PXI_MODEL_WORK_H
#define PXI_MODEL_WORK_H

#include <stdatomic.h>

#include "base/math.h"
#include "model/forward.h"

enum {
    PXI_ALONE_TOKENS = 2, /* up to here members prepare inputs each for itself: no barrier */
    PXI_FUSED_TOKENS =
        16,               /* up to here a kv head's keys are stored by the member that reads them */
    PXI_TILE_TOKENS = 16, /* tokens of one sequence that attend together, at most */
    PXI_TILE_ROWS = 64,   /* query rows of a tile, unless one token has more */
    PXI_TILE_SCORES = 65536, /* scores of a tile, unless one token has more */
    /* Weight rows of a piece of work, at most: the larger, the less often a kernel prepares the
     * tokens anew; less where the results pass through a buffer. Multiples of 32. */
    PXI_CHUNK_ROWS = 1024,
    PXI_CHUNK_BUFFERED = 512,
    PXI_SHORT_COLS = 256, /* inputs of up to so many elements are quantised twice, see below */
    PXI_STAGES_BLOCK = 9, /* at most: ready, qkv, store, attend, ready, o, ready, gate-up, down */
    PXI_STAGES_ENDS = 4,
};

/*
 * Quantised rows of k elements, writable; layout as struct pxi_act. In rows of at most
 * PXI_SHORT_COLS elements the rounding to 8 bits does not average out: there what the first
 * quantisation left over is quantised again and the two products are added, which is worth 16 bits.
 * Models that narrow are so small that it costs nothing that anyone could see.
 */
struct pxi_act_rows {
    int8_t *q;
    float *d;
    int32_t *sum;
    struct pxi_act_rows *rest; /* of short rows, else NULL */
};

/* Tokens [first, first + count) of the pass, neighbours of one sequence. */
struct pxi_span {
    uint32_t first, count;
    uint32_t tile_first, tile_count; /* of a run: its tiles */
};

struct pxi_counter {
    _Alignas(64) _Atomic size_t next;
};

/* What one thread has for itself. */
struct pxi_member {
    struct pxi_forward *f;
    unsigned rank, size, stage;
    void *scratch;           /* of products */
    float *line;             /* one row of an input */
    float *left, *right;     /* results of a piece of work: chunk rows of every token */
    float *rest;             /* products with the rest of short rows, likewise */
    float *q, *scores, *out; /* attention of a tile */
    float *own;              /* inputs prepared alone, PXI_ALONE_TOKENS rows */
    struct pxi_act_rows own_act, own_rest;
};

struct pxi_forward {
    const struct pxi_model *model;
    const struct pxi_kernels *kn;
    struct pxi_team *team;
    const struct pxi_kv_layout *kv;
    uint32_t batch;
    size_t embd, q_cols, k_cols, v_cols, o_cols, ffn, input_cols; /* input: max of embd, o_cols */
    size_t group;                                                 /* query heads a kv head */
    size_t chunk_floats;                                          /* capacity of left and right */
    double *speed;                                                /* rope */
    float *cs;                                                    /* [batch][rope_dim] */
    float *x;         /* [batch][embd]: the residual stream */
    float *input;     /* [batch][input_cols]: normed rows, or what attention found */
    float *q, *k, *v; /* [batch][q_cols], ... */
    float *hidden;    /* [batch][ffn], for float ffn_down only */
    struct pxi_act_rows act, act_rest, act_ffn, act_ffn_rest;
    bool short_rows;               /* some input is short */
    struct pxi_span *runs, *tiles; /* [batch] each */
    uint32_t *wanted;              /* [batch] */
    struct pxi_counter *counters;
    struct pxi_member *members;
    void *memory;

    /* the pass that is running */
    const struct pxi_row *rows;
    size_t n, n_runs, n_tiles, n_wanted;
    bool fused; /* one run a sequence, and few tokens */
    float *logits;
};

/* What a product reads: floats, or quantised rows, or both. */
struct pxi_input {
    const float *x;
    const struct pxi_act_rows *act;
};

/* Next piece of the stage in *piece, or false when all `pieces` are taken. */
static inline bool pxi_claim(struct pxi_member *me, size_t pieces, size_t *piece)
{
    *piece = atomic_fetch_add_explicit(&me->f->counters[me->stage].next, 1, memory_order_relaxed);
    return *piece < pieces;
}

/* End of a stage: everyone's results are visible to everyone afterwards. */
static inline void pxi_stage_end(struct pxi_member *me)
{
    me->stage++;
    pxi_team_barrier(me->f->team, me->rank);
}

/* Quantise elements [at, at + n) of row t; at and n are multiples of 32. */
void pxi_quantise(const struct pxi_kernels *kn, const struct pxi_act_rows *a, size_t k, size_t t,
                  size_t at, size_t n, const float *x);

/*
 * Rows of k floats made ready for products: normed by w (NULL: as they are) and, as asked,
 * quantised. map (NULL when w is) lists the rows of src to take. A stage of its own when there are
 * many rows, and none when they are few.
 */
struct pxi_input pxi_input_ready(struct pxi_member *me, const float *src, const uint32_t *map,
                                 size_t n, const float *w, size_t k, bool floats, bool quantised);

/* y[t * y_stride + r - first] for rows [first, last) of w and n tokens. */
void pxi_product(struct pxi_member *me, const struct pxi_matrix *w, size_t first, size_t last,
                 const struct pxi_input *in, size_t n, float *y, size_t y_stride);

/* Rows of a piece of work of a stage that has `rows` rows, at most `most`: a multiple of 32. */
size_t pxi_chunk(const struct pxi_member *me, size_t rows, size_t most);

#endif
