#include "net/frame.h"

#include "codec/varint.h"

static px_view drop(px_view v, size_t n)
{
    return px_view_of(v.p + n, v.n - n);
}

/* The message at the front of v, if all of it is there. */
static px_err whole(const struct pxi_frame *f, px_view v, px_view *message, size_t *used)
{
    uint64_t length = 0;
    int n = pxi_varint_get(v, &length);
    if (n < 0)
        return PX_ERR_CORRUPT;
    if (n == 0)
        return v.n < PXI_VARINT_MAX ? PX_ERR_TRUNCATED : PX_ERR_CORRUPT;
    if (length > f->max)
        return PX_ERR_LIMIT;
    if (length > v.n - (size_t)n)
        return PX_ERR_TRUNCATED;
    *message = px_view_of(v.p + n, (size_t)length);
    *used = (size_t)n + (size_t)length;
    return PX_ERR_OK;
}

/* How many bytes the started message still wants: at least one. */
static size_t wanted(const struct pxi_frame *f)
{
    uint64_t length = 0;
    int n = pxi_varint_get(px_view_of(f->part.p, f->part.n), &length);
    return n > 0 ? (size_t)n + (size_t)length - f->part.n : 1;
}

px_err pxi_frame_next(struct pxi_frame *f, px_view *in, px_view *message)
{
    size_t used = 0;
    if (f->given) {
        f->given = false;
        f->part.n = 0;
    }
    f->part.max = f->max + PXI_VARINT_MAX;
    if (!f->part.n) {
        px_err err = whole(f, *in, message, &used);
        if (err == PX_ERR_TRUNCATED && in->n) {
            if (!pxi_buf_add(&f->part, in->p, in->n))
                return PX_ERR_NOMEM;
            used = in->n;
        }
        *in = drop(*in, used);
        return err;
    }
    while (in->n) {
        size_t want = wanted(f), part = want < in->n ? want : in->n;
        if (!pxi_buf_add(&f->part, in->p, part))
            return PX_ERR_NOMEM;
        *in = drop(*in, part);
        px_err err = whole(f, px_view_of(f->part.p, f->part.n), message, &used);
        f->given = err == PX_ERR_OK;
        if (err != PX_ERR_TRUNCATED)
            return err;
    }
    return PX_ERR_TRUNCATED;
}

bool pxi_frame_partial(const struct pxi_frame *f)
{
    return f->part.n && !f->given;
}

void pxi_frame_deinit(struct pxi_frame *f)
{
    pxi_buf_deinit(&f->part);
    f->given = false;
}
