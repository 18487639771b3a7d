/* Contexts: a session of src/infer with kernels for this processor and threads to run them. */
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/limits.h"
#include "base/math.h"
#include "base/mem.h"
#include "io/team.h"
#include "node/engine.h"
#include "node/kernels.h"

enum { POSITIONS_DEFAULT = 4096, BATCH_DEFAULT = 512 };

/* Options with the defaults filled in; false when one is out of range. */
static bool settle(const px_model *m, const px_context_options *o, px_context_options *full)
{
    *full = (px_context_options){0};
    if (o)
        memcpy(full, o, pxi_min(o->size ? o->size : sizeof *full, sizeof *full));
    if (!full->positions)
        full->positions = (uint32_t)pxi_min(m->info.context_train, POSITIONS_DEFAULT);
    if (!full->sequences)
        full->sequences = 1;
    if (!full->batch)
        full->batch = BATCH_DEFAULT;
    if (!full->threads)
        full->threads = pxi_team_processors();
    full->batch = (uint32_t)pxi_min(full->batch, (uint64_t)full->positions * full->sequences);
    return full->positions <= PXI_LIMIT_CONTEXT_POSITIONS &&
           full->sequences <= PXI_LIMIT_CONTEXT_SEQUENCES &&
           full->batch <= PXI_LIMIT_CONTEXT_BATCH && full->threads <= PXI_LIMIT_CONTEXT_THREADS &&
           full->kv_type >= PX_KV_F16 && full->kv_type <= PX_KV_I8;
}

static struct pxi_session_options session_options(const px_context_options *o)
{
    return (struct pxi_session_options){o->positions, o->sequences, o->batch, o->kv_type};
}

uint64_t px_context_bytes(const px_model *m, const px_context_options *o)
{
    px_context_options full;
    if (!settle(m, o, &full))
        return UINT64_MAX;
    struct pxi_session_options so = session_options(&full);
    return pxi_session_bytes(&m->model, &so, full.threads);
}

static int model_changed(const void *arg)
{
    const px_model *m = arg;
    for (uint32_t i = 0; i < m->n_files; i++)
        if (px_file_changed(m->files[i]))
            return 1;
    return 0;
}

static px_err start(px_context *c, const px_context_options *o, px_diag *diag)
{
    struct pxi_session_options so = session_options(o);
    px_err err = pxi_kernels_choose(&c->kernels, o->cpu, diag);
    if (err != PX_ERR_OK)
        return err;
    c->team = pxi_team_new(o->threads);
    if (!c->team)
        return PX_ERR_NOMEM;
    err = pxi_session_init(&c->session, &c->model->model, &c->kernels, c->team, &so);
    if (err == PX_ERR_OK && c->model->n_files) {
        c->session.changed = model_changed;
        c->session.changed_arg = c->model;
    }
    return err;
}

px_err px_context_new(const px_model *m, const px_context_options *o, px_context **out,
                      px_diag *diag)
{
    px_context_options full;
    *out = NULL;
    if (!m->model.blocks) { /* px_model_open_words */
        pxi_diag_field(diag, "model");
        return pxi_diag_set(diag, PX_ERR_INVALID, 0, "a model with weights", "its words only");
    }
    if (!settle(m, o, &full)) {
        pxi_diag_field(diag, "context options");
        return pxi_diag_set(diag, PX_ERR_INVALID, 0, "options within their limits",
                            "%u positions, %u sequences, %u tokens a batch, %u threads",
                            full.positions, full.sequences, full.batch, full.threads);
    }
    px_context *c = pxi_calloc(1, sizeof *c);
    if (!c)
        return PX_ERR_NOMEM;
    c->model = m;
    px_err err = start(c, &full, diag);
    if (err != PX_ERR_OK) {
        pxi_team_free(c->team);
        pxi_free(c);
        return err;
    }
    *out = c;
    return PX_ERR_OK;
}

void px_context_free(px_context *c)
{
    if (!c)
        return;
    pxi_session_deinit(&c->session);
    pxi_team_free(c->team);
    pxi_free(c);
}

px_err px_context_eval(px_context *c, const px_batch_token *tokens, size_t n)
{
    return pxi_session_eval(&c->session, tokens, n);
}

const float *px_context_logits(const px_context *c, size_t i)
{
    return pxi_session_logits(&c->session, i);
}

px_err px_context_embed(px_context *c, uint32_t seq, const int32_t *tokens, size_t n, float *sum)
{
    const struct pxi_model *m = &c->model->model;
    size_t embd = m->config.embd;
    struct pxi_step *steps = n <= c->session.batch ? pxi_calloc(n, sizeof *steps) : NULL;
    float *row = pxi_calloc(embd, sizeof *row);
    px_err err = steps && row ? PX_ERR_OK : n > c->session.batch ? PX_ERR_INVALID : PX_ERR_NOMEM;
    for (size_t i = 0; i < n && err == PX_ERR_OK; i++)
        steps[i] = (struct pxi_step){.token = tokens[i], .seq = seq};
    if (err == PX_ERR_OK)
        err = pxi_session_step(&c->session, steps, n);
    for (size_t i = 0; i < n && err == PX_ERR_OK; i++) {
        c->kernels.rms_norm(row, pxi_session_hidden(&c->session, i), m->output_norm, embd,
                            m->config.norm_eps);
        for (size_t k = 0; k < embd; k++)
            sum[k] += row[k];
    }
    pxi_free(steps);
    pxi_free(row);
    return err;
}

uint32_t px_context_length(const px_context *c, uint32_t seq)
{
    return seq < c->session.kv.sequences ? c->session.kv.length[seq] : 0;
}

void px_context_truncate(px_context *c, uint32_t seq, uint32_t length)
{
    if (seq < c->session.kv.sequences)
        pxi_kv_truncate(&c->session.kv, seq, length);
}

px_err px_context_copy(px_context *c, uint32_t dst, uint32_t src, uint32_t length)
{
    return pxi_session_copy(&c->session, dst, src, length);
}

uint32_t px_context_threads(const px_context *c)
{
    return c->team->size;
}
