/* Evaluation of batches: everything is checked before anything is appended. */
#include "infer/session.h"

#include "base/math.h"
#include "base/mem.h"

static bool logits_bytes(const struct pxi_model *m, uint64_t rows, uint64_t *out)
{
    return pxi_mul_u64((uint64_t)m->config.vocab * sizeof(float), rows, out) && *out < SIZE_MAX / 2;
}

uint64_t pxi_session_bytes(const struct pxi_model *m, const struct pxi_session_options *o,
                           unsigned threads)
{
    struct pxi_kv_layout l;
    uint64_t kv = pxi_kv_bytes(&m->config, o->kv_type, o->sequences, o->positions), logits, total;
    if (kv == UINT64_MAX || !pxi_kv_layout_init(&l, &m->config, o->kv_type, o->positions) ||
        !logits_bytes(m, o->sequences, &logits))
        return UINT64_MAX;
    uint64_t forward = pxi_forward_bytes(m, &l, o->batch, threads);
    uint64_t lists = (uint64_t)o->batch * sizeof(struct pxi_row) + o->sequences * sizeof(uint32_t);
    if (!pxi_add_u64(kv, forward, &total) || !pxi_add_u64(total, logits + lists, &total))
        return UINT64_MAX;
    return total;
}

/* Room for n rows of logits. Grows by half, so that a steady use allocates nothing. */
static px_err logits_reserve(struct pxi_session *s, size_t n)
{
    uint64_t bytes;
    if (n <= s->logits_cap)
        return PX_ERR_OK;
    size_t cap = pxi_max(n, s->logits_cap + s->logits_cap / 2);
    if (!logits_bytes(s->model, cap, &bytes))
        return PX_ERR_LIMIT;
    float *p = pxi_calloc(1, (size_t)bytes);
    if (!p)
        return PX_ERR_NOMEM;
    pxi_free(s->logits);
    s->logits = p;
    s->logits_cap = cap;
    s->logits_n = 0;
    return PX_ERR_OK;
}

px_err pxi_session_init(struct pxi_session *s, const struct pxi_model *m,
                        const struct pxi_kernels *kn, struct pxi_team *team,
                        const struct pxi_session_options *o)
{
    *s = (struct pxi_session){.model = m, .batch = o->batch};
    px_err err = pxi_kv_init(&s->kv, &m->config, o->kv_type, o->sequences, o->positions);
    if (err != PX_ERR_OK)
        return err;
    s->rows = pxi_calloc(o->batch, sizeof *s->rows);
    s->before = pxi_calloc(o->sequences, sizeof *s->before);
    s->forward = pxi_forward_new(m, kn, team, &s->kv.layout, o->batch);
    err = s->rows && s->before && s->forward ? logits_reserve(s, o->sequences) : PX_ERR_NOMEM;
    if (err != PX_ERR_OK)
        pxi_session_deinit(s);
    return err;
}

void pxi_session_deinit(struct pxi_session *s)
{
    pxi_forward_free(s->forward);
    pxi_free(s->rows);
    pxi_free(s->before);
    pxi_free(s->logits);
    pxi_kv_deinit(&s->kv);
    *s = (struct pxi_session){0};
}

static void remember_lengths(struct pxi_session *s)
{
    memcpy(s->before, s->kv.length, s->kv.sequences * sizeof *s->before);
}

/* Count one more token of a sequence in `before`. */
static px_err check_one(struct pxi_session *s, int32_t token, uint32_t seq)
{
    if (token < 0 || (uint32_t)token >= s->model->config.vocab || seq >= s->kv.sequences)
        return PX_ERR_INVALID;
    return s->before[seq]++ < s->kv.positions ? PX_ERR_OK : PX_ERR_CONTEXT_FULL;
}

/* PX_ERR_OK if all tokens could be appended, or the error that forbids it. */
static px_err check(struct pxi_session *s, const px_batch_token *tokens, size_t n, size_t *wanted)
{
    px_err err = PX_ERR_OK;
    *wanted = 0;
    remember_lengths(s);
    for (size_t i = 0; i < n && err == PX_ERR_OK; i++) {
        err = check_one(s, tokens[i].token, tokens[i].seq);
        *wanted += tokens[i].want != 0;
    }
    remember_lengths(s);
    return err;
}

static void run(struct pxi_session *s, const px_batch_token *tokens, size_t n)
{
    size_t wanted = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t seq = tokens[i].seq;
        s->rows[i] = (struct pxi_row){.token = tokens[i].token,
                                      .position = s->kv.length[seq]++,
                                      .slab = pxi_kv_slab(&s->kv, seq),
                                      .want = tokens[i].want};
        wanted += tokens[i].want != 0;
    }
    float *logits = s->logits + s->logits_n * s->model->config.vocab;
    pxi_forward_run(s->forward, s->rows, n, logits);
    s->logits_n += wanted;
}

/* PX_ERR_CHANGED, and the tokens forgotten, when the weights changed under the evaluation. */
static px_err settle(struct pxi_session *s)
{
    if (!s->changed || !s->changed(s->changed_arg))
        return PX_ERR_OK;
    memcpy(s->kv.length, s->before, s->kv.sequences * sizeof *s->before);
    s->logits_n = 0;
    return PX_ERR_CHANGED;
}

px_err pxi_session_step(struct pxi_session *s, const struct pxi_step *steps, size_t n)
{
    const struct pxi_slice *slice = &s->model->slice;
    px_err err = n && n <= s->batch ? PX_ERR_OK : PX_ERR_INVALID;
    size_t wanted = 0;
    remember_lengths(s);
    for (size_t i = 0; i < n && err == PX_ERR_OK; i++) {
        err = check_one(s, steps[i].token, steps[i].seq);
        if (!steps[i].hidden && !slice->embed)
            err = PX_ERR_INVALID;
        wanted += steps[i].want && slice->output;
    }
    remember_lengths(s);
    if (err != PX_ERR_OK || (err = logits_reserve(s, wanted)))
        return err;
    for (size_t i = 0; i < n; i++)
        s->rows[i] = (struct pxi_row){.token = steps[i].token,
                                      .hidden = steps[i].hidden,
                                      .position = s->kv.length[steps[i].seq]++,
                                      .slab = pxi_kv_slab(&s->kv, steps[i].seq),
                                      .want = steps[i].want};
    pxi_forward_run(s->forward, s->rows, n, s->logits);
    s->logits_n = wanted;
    return settle(s);
}

const float *pxi_session_hidden(const struct pxi_session *s, size_t i)
{
    return pxi_forward_hidden(s->forward, i);
}

px_err pxi_session_eval(struct pxi_session *s, const px_batch_token *tokens, size_t n)
{
    size_t wanted;
    px_err err = check(s, tokens, n, &wanted);
    if (err != PX_ERR_OK || (err = logits_reserve(s, wanted)))
        return err;
    s->logits_n = 0;
    for (size_t at = 0; at < n; at += s->batch)
        run(s, tokens + at, pxi_min(s->batch, n - at));
    return settle(s);
}

const float *pxi_session_logits(const struct pxi_session *s, size_t i)
{
    return i < s->logits_n ? s->logits + i * s->model->config.vocab : NULL;
}

px_err pxi_session_copy(struct pxi_session *s, uint32_t dst, uint32_t src, uint32_t length)
{
    if (dst >= s->kv.sequences || src >= s->kv.sequences || length > s->kv.length[src])
        return PX_ERR_INVALID;
    pxi_kv_clone(&s->kv, dst, src, length);
    return PX_ERR_OK;
}
