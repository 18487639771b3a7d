/* One round of our own figures: prefill, decode, several sequences, read bandwidth. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

#include "machine.h"

enum { BATCH = 512 };

/* Tokens of a text that means nothing; the speed does not depend on them. */
static int32_t token_at(const struct session *s, uint32_t seq, size_t i)
{
    uint64_t x = (i + 1) * 0x9e3779b97f4a7c15u + seq * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 31) * 0x94d049bb133111ebu;
    return (int32_t)((x ^ x >> 29) % px_model_info_get(s->model)->vocab);
}

static int context(const struct bench *b, struct session *s, uint32_t sequences, uint64_t positions)
{
    px_context_free(s->ctx);
    s->ctx = NULL;
    (void)b;
    return session_context(s, sequences, positions);
}

static px_err prefill(struct session *s, size_t n)
{
    px_batch_token batch[BATCH];
    px_err e = PX_ERR_OK;
    for (size_t i = 0; i < n && e == PX_ERR_OK; i += BATCH) {
        size_t m = n - i < BATCH ? n - i : BATCH;
        for (size_t k = 0; k < m; k++)
            batch[k] = (px_batch_token){token_at(s, 0, i + k), 0, i + k + 1 == n};
        e = interrupted() ? PX_ERR_INTERRUPTED : px_context_eval(s->ctx, batch, m);
    }
    return e;
}

static px_err decode(struct session *s, uint32_t sequences, size_t n)
{
    px_batch_token batch[64];
    px_err e = PX_ERR_OK;
    for (size_t i = 0; i < n && e == PX_ERR_OK; i++) {
        for (uint32_t q = 0; q < sequences; q++)
            batch[q] = (px_batch_token){token_at(s, q, i), q, 1};
        e = interrupted() ? PX_ERR_INTERRUPTED : px_context_eval(s->ctx, batch, sequences);
    }
    return e;
}

int bench_speed(const struct bench *b, struct session *s, struct bench_model *m)
{
    size_t most = b->prompt > b->gen ? b->prompt : b->gen;
    int rc = context(b, s, 1, most);
    if (rc)
        return rc;
    m->threads = px_context_threads(s->ctx);
    double t0 = now_s();
    px_err e = prefill(s, b->prompt);
    double t1 = now_s();
    px_context_truncate(s->ctx, 0, 0);
    double t2 = now_s();
    if (e == PX_ERR_OK)
        e = decode(s, 1, b->gen);
    double t3 = now_s();
    if (e)
        return session_fail(s, e);
    series_add(&m->prefill, (double)b->prompt / (t1 - t0));
    series_add(&m->decode, (double)b->gen / (t3 - t2));
    return 0;
}

static int several(const struct bench *b, struct session *s, struct bench_model *m)
{
    for (unsigned i = 0; i < b->sequence_count; i++) {
        int rc = context(b, s, b->sequences[i], b->gen);
        if (rc)
            return rc;
        px_err e = decode(s, b->sequences[i], 1); /* touch the memory of the cache */
        for (uint32_t q = 0; q < b->sequences[i]; q++)
            px_context_truncate(s->ctx, q, 0);
        double start = now_s();
        if (e == PX_ERR_OK)
            e = decode(s, b->sequences[i], b->gen);
        if (e)
            return session_fail(s, e);
        series_add(&m->together[i], (double)(b->gen * b->sequences[i]) / (now_s() - start));
    }
    return 0;
}

int bench_round(const struct bench *b, struct session *s, struct bench_model *m)
{
    int rc = bench_speed(b, s, m);
    if (rc == 0) {
        m->rss_bytes = machine_peak_bytes();
        series_add(&m->bandwidth, machine_read_bandwidth(m->threads));
        rc = several(b, s, m);
    }
    return rc;
}
