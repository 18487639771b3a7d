#include "infer/wire.h"

#include <string.h>

#include "base/limits.h"
#include "base/math.h"

/* Header complete: check it and find the place of its payload. */
static px_err start(struct pxi_wire_in *in, const struct pxi_wire_events *on, void *ctx, bool *wait)
{
    px_err err = pxi_stage_head_read(in->head, &in->h, NULL);
    if (err != PX_ERR_OK)
        return err;
    in->place = NULL;
    enum pxi_wire_verdict v = on->begin(ctx, &in->h, &in->place);
    *wait = v == PXI_WIRE_WAIT;
    if (v == PXI_WIRE_BAD || v == PXI_WIRE_WAIT)
        return v == PXI_WIRE_BAD ? PX_ERR_CORRUPT : PX_ERR_OK;
    in->begun = true;
    in->drop = v == PXI_WIRE_DROP;
    in->got = 0;
    in->own.n = 0;
    in->own.max = (size_t)PXI_LIMIT_STAGE_OPEN_BYTES;
    return PX_ERR_OK;
}

static px_err fill(struct pxi_wire_in *in, px_view bytes, size_t *took)
{
    size_t n = pxi_min(bytes.n, in->h.bytes - in->got);
    uint8_t *to = in->place ? (uint8_t *)in->place + in->got : NULL;
    if (to && n && !in->drop) {
        in->taken += n;
        if (to != bytes.p) { /* it was not decrypted to its place */
            in->copied += n;
            memmove(to, bytes.p, n); /* other bytes may have landed before these */
        }
    } else if (n && !in->drop && !pxi_buf_add(&in->own, bytes.p, n))
        return in->own.n + n > in->own.max ? PX_ERR_CORRUPT : PX_ERR_NOMEM;
    in->got += n;
    *took += n;
    return PX_ERR_OK;
}

px_err pxi_wire_read(struct pxi_wire_in *in, px_view bytes, const struct pxi_wire_events *on,
                     void *ctx, size_t *took)
{
    *took = 0;
    while (*took < bytes.n || (in->head_n == PXI_STAGE_HEAD && !in->begun)) {
        px_err err = PX_ERR_OK;
        bool wait = false;
        if (in->head_n < PXI_STAGE_HEAD) {
            size_t n = pxi_min(bytes.n - *took, PXI_STAGE_HEAD - in->head_n);
            memcpy(in->head + in->head_n, bytes.p + *took, n);
            in->head_n += n;
            *took += n;
            if (in->head_n < PXI_STAGE_HEAD)
                break;
        }
        if (!in->begun)
            err = start(in, on, ctx, &wait);
        if (err != PX_ERR_OK || wait)
            return err;
        err = fill(in, px_view_of(bytes.p + *took, bytes.n - *took), took);
        if (err != PX_ERR_OK)
            return err;
        if (in->got < in->h.bytes)
            break;
        px_view payload =
            in->place ? px_view_of(in->place, in->got) : px_view_of(in->own.p, in->own.n);
        in->begun = false;
        in->head_n = 0;
        if (!in->drop && !on->message(ctx, &in->h, payload))
            return PX_ERR_RESET;
    }
    return PX_ERR_OK;
}

void pxi_wire_land(const struct pxi_wire_in *in, struct pxi_stream *s, void *next, size_t n)
{
    if (!in->begun)
        pxi_stream_land(s, PXI_STAGE_HEAD - in->head_n, next, n);
    else if (in->place && !in->drop)
        pxi_stream_land(s, 0, (uint8_t *)in->place + in->got, in->h.bytes - in->got);
    else
        pxi_stream_land(s, 0, NULL, 0);
}

void pxi_wire_in_deinit(struct pxi_wire_in *in)
{
    pxi_buf_deinit(&in->own);
    *in = (struct pxi_wire_in){0};
}

void pxi_wire_flush(struct pxi_wire_out *out)
{
    if (!out->stream || out->busy || out->at == out->waiting.n)
        return;
    px_view rest = px_view_of(out->waiting.p + out->at, out->waiting.n - out->at);
    out->at += pxi_stream_write(out->stream, rest);
    if (out->at == out->waiting.n)
        out->at = out->waiting.n = 0;
}

bool pxi_wire_send(struct pxi_wire_out *out, const struct pxi_stage_head *h, px_view payload)
{
    uint8_t head[PXI_STAGE_HEAD];
    struct pxi_stage_head full = *h;
    if (!out->stream)
        return true;
    full.bytes = (uint32_t)payload.n;
    pxi_stage_head_write(&full, head);
    out->waiting.max = (size_t)PXI_LIMIT_STAGE_CONTROL_BYTES;
    size_t before = out->waiting.n;
    if (!pxi_buf_add(&out->waiting, head, sizeof head))
        return false;
    if (!pxi_buf_add(&out->waiting, payload.p, payload.n)) {
        out->waiting.n = before;
        return false;
    }
    pxi_wire_flush(out);
    return true;
}

bool pxi_wire_begin(struct pxi_wire_out *out)
{
    if (!out->stream || out->busy || out->waiting.n)
        return false;
    return out->busy = true;
}

void pxi_wire_end(struct pxi_wire_out *out)
{
    out->busy = false;
    pxi_wire_flush(out);
}

void pxi_wire_out_deinit(struct pxi_wire_out *out)
{
    pxi_buf_deinit(&out->waiting);
    *out = (struct pxi_wire_out){0};
}
