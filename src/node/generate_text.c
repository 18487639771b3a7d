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

/* Where the first stop string begins; n when none does. */
static size_t find_stop(struct pxi_texter *t, const char *p, size_t n)
{
    size_t first = n;
    for (unsigned i = 0; i < t->stop_count; i++) {
        size_t len = strlen(t->stops[i]);
        const char *at = len && len <= n ? memmem(p, n, t->stops[i], len) : NULL;
        if (at && (size_t)(at - p) < first) {
            first = (size_t)(at - p);
            t->stop = i;
        }
    }
    return first;
}

/* Bytes at the end that a stop string may begin with. */
static size_t beginning(const struct pxi_texter *t, const char *p, size_t n)
{
    size_t most = 0;
    for (unsigned i = 0; i < t->stop_count; i++) {
        size_t len = strlen(t->stops[i]);
        for (size_t k = len ? len - 1 : 0; k > most; k--)
            if (k <= n && memcmp(p + n - k, t->stops[i], k) == 0)
                most = k;
    }
    return most;
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
    const char *p = (const char *)t->held.p;
    size_t stop = find_stop(t, p, t->held.n);
    t->stopped = stop < t->held.n;
    *out = give(t, t->stopped ? stop : t->held.n - beginning(t, p, t->held.n));
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
