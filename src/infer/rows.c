/* Memory for the rows of messages. Where the next message is decrypted to is known before it comes:
 * it is likely to be as long as the last one. */
#include "base/math.h"
#include "base/mem.h"
#include "infer/run.h"

enum {
    FIRST_ROWS = 64, /* of a prompt, in one message */
    MUCH = 8,        /* times what is needed: too much to keep */
};

static uint32_t width(const struct pxi_run *r)
{
    const struct pxi_model *m = r->stage->session->model;
    return m->slice.embed ? 0 : m->config.embd;
}

struct pxi_rows *pxi_rows_new(uint32_t rows, uint8_t dtype, uint32_t cols)
{
    bool coded = cols && dtype != PXI_STAGE_F32;
    size_t floats = coded ? (size_t)rows * cols * sizeof(float) : 0;
    size_t room = rows * (4 + (size_t)pxi_stage_row_bytes(dtype, cols));
    struct pxi_rows *x = pxi_calloc(1, sizeof *x + floats + room);
    if (!x)
        return NULL;
    pxi_list_init(&x->link);
    x->room = room;
    x->words = (uint32_t *)(void *)((uint8_t *)(x + 1) + floats);
    return x;
}

void pxi_rows_shape(struct pxi_rows *x, const struct pxi_stage_head *h)
{
    uint8_t *behind = (uint8_t *)(x->words + h->rows);
    bool coded = h->cols && h->dtype != PXI_STAGE_F32;
    x->position = h->position;
    x->count = h->rows;
    x->done = 0;
    x->coded = coded ? behind : NULL;
    x->hidden = coded ? (float *)(void *)(x + 1) : h->cols ? (float *)(void *)behind : NULL;
}

bool pxi_rows_decode(const struct pxi_run *r, struct pxi_rows *x)
{
    uint32_t cols = r->stage->session->model->config.embd;
    size_t bytes = (size_t)pxi_stage_row_bytes(r->dtype, cols);
    for (uint32_t i = 0; x->coded && i < x->count; i++)
        if (!pxi_hidden_decode(r->dtype, x->coded + i * bytes, cols, x->hidden + (size_t)i * cols))
            return false;
    return true;
}

struct pxi_rows *pxi_run_room(struct pxi_run *r, const struct pxi_stage_head *h)
{
    struct pxi_rows *x = r->spare;
    if (x && x->room >= h->bytes)
        r->spare = NULL;
    else
        x = pxi_rows_new(h->rows, h->dtype, h->cols);
    if (x)
        pxi_rows_shape(x, h);
    return x;
}

static void forget(struct pxi_run *r, struct pxi_rows **x)
{
    pxi_stages_retire(r->stage->service, *x);
    *x = NULL;
}

static bool fits(const struct pxi_rows *x, size_t bytes)
{
    return x && x->room >= bytes && x->room / MUCH <= bytes;
}

void pxi_run_expect(struct pxi_run *r, uint32_t rows)
{
    uint32_t cols = width(r), n = (uint32_t)pxi_min(rows, FIRST_ROWS);
    size_t bytes = n * (4 + (size_t)pxi_stage_row_bytes(r->dtype, cols));
    if (!cols || !n || r->tap || fits(r->spare, bytes))
        return;
    forget(r, &r->spare);
    if (!fits(r->idle, bytes))
        forget(r, &r->idle);
    r->spare = r->idle ? r->idle : pxi_rows_new(n, r->dtype, cols);
    r->idle = NULL;
}

void pxi_run_land(struct pxi_run *r)
{
    if (r->up)
        pxi_wire_land(&r->up_in, r->up, r->spare ? r->spare->words : NULL,
                      r->spare ? r->spare->room : 0);
}

void pxi_run_rows_done(struct pxi_run *r, struct pxi_rows *x)
{
    if (r->idle || !x->hidden || r->tap)
        pxi_stages_retire(r->stage->service, x);
    else
        r->idle = x;
}

void pxi_run_rows_free(struct pxi_run *r)
{
    forget(r, &r->coming);
    forget(r, &r->spare);
    forget(r, &r->idle);
}
