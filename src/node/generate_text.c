/* Text of an answer, up to a stop string. */
#include "node/generate_text.h"

#include <string.h>

enum { SCRATCH = 65536 + 64, HELD_MAX = 1 << 20 };

px_err pxi_texter_init(struct pxi_texter *t, const px_tokenizer *tokenizer, char *const *stops,
                       unsigned stop_count)
{
    *t = (struct pxi_texter){.tokenizer = tokenizer,
                             .detok = {.started = 1},
                             .held = {.max = HELD_MAX},
                             .stops = stops,
                             .stop_count = stop_count};
    t->scratch = pxi_calloc(1, SCRATCH);
    return t->scratch ? PX_ERR_OK : PX_ERR_NOMEM;
}

void pxi_texter_deinit(struct pxi_texter *t)
{
    pxi_buf_deinit(&t->held);
    pxi_free(t->scratch);
    t->scratch = NULL;
}

/* The first n held bytes go out: they are moved to the scratch, where they stay for the caller. */
static px_view give(struct pxi_texter *t, size_t n)
{
    if (n > SCRATCH)
        n = SCRATCH;
    if (n)
        memcpy(t->scratch, t->held.p, n);
    t->held.n -= n;
    if (t->held.n)
        memmove(t->held.p, t->held.p + n, t->held.n);
    return px_view_of(t->scratch, n);
}

px_err pxi_texter_add(struct pxi_texter *t, int32_t token, px_view *out)
{
    size_t n = 0;
    *out = px_view_of(NULL, 0);
    if (t->stopped)
        return PX_ERR_OK;
    px_err err = px_detok_next(t->tokenizer, &t->detok, token, t->scratch, SCRATCH, &n);
    if (err != PX_ERR_OK)
        return err;
    if (!pxi_buf_add(&t->held, t->scratch, n))
        return PX_ERR_NOMEM;
    *out = give(t, px_stop_cut((const char *)t->held.p, t->held.n, (const char *const *)t->stops,
                               t->stop_count, &t->stop));
    t->stopped = t->stop < t->stop_count;
    if (t->stopped)
        t->held.n = 0;
    return PX_ERR_OK;
}

px_err pxi_texter_end(struct pxi_texter *t, px_view *out)
{
    size_t n = t->stopped ? 0 : px_detok_end(&t->detok, t->scratch, SCRATCH);
    *out = px_view_of(NULL, 0);
    if (!pxi_buf_add(&t->held, t->scratch, n))
        return PX_ERR_NOMEM;
    *out = give(t, t->stopped ? 0 : t->held.n);
    return PX_ERR_OK;
}
