#include "net/select.h"

#include "codec/multistream.h"

static const char HEADER[] = "/multistream/1.0.0";

static void finish(struct pxi_select *s, const char *agreed, px_err err)
{
    s->done = true;
    s->agreed = agreed;
    s->err = err;
    pxi_buf_deinit(&s->part);
}

px_err pxi_select_open_out(struct pxi_select *s, const char *const *proposals, unsigned count,
                           struct pxi_buf *out)
{
    *s = (struct pxi_select){.outbound = true, .proposals = proposals, .count = count};
    s->part.max = 2 + PXI_LIMIT_NET_PROTOCOL_BYTES;
    for (unsigned i = 0; i < count; i++)
        if (!proposals[i][0] || strlen(proposals[i]) >= PXI_LIMIT_NET_PROTOCOL_BYTES)
            return PX_ERR_INVALID;
    if (!count)
        return PX_ERR_INVALID;
    return pxi_multistream_add(out, px_view_str(HEADER)) &&
                   pxi_multistream_add(out, px_view_str(proposals[0]))
               ? PX_ERR_OK
               : PX_ERR_NOMEM;
}

void pxi_select_open_in(struct pxi_select *s, const char *(*serves)(void *ctx, px_view name),
                        void *ctx)
{
    *s = (struct pxi_select){.serves = serves, .ctx = ctx};
    s->part.max = 2 + PXI_LIMIT_NET_PROTOCOL_BYTES;
}

/* The header is known in advance: the first byte that differs ends the wait for the rest. */
static bool may_be_header(px_view in)
{
    static const char whole[] = "\x13/multistream/1.0.0\n";
    return in.n < sizeof whole && memcmp(in.p, whole, in.n) == 0;
}

/* What the initiator hears after the header: its own proposal, or "na". */
static void answered(struct pxi_select *s, px_view text, struct pxi_buf *out)
{
    if (px_view_is(text, s->proposals[s->at]))
        finish(s, s->proposals[s->at], PX_ERR_OK);
    else if (!px_view_is(text, "na"))
        finish(s, NULL, PX_ERR_PROTOCOL);
    else if (++s->at == s->count)
        finish(s, NULL, PX_ERR_NO_PROTOCOL);
    else if (!pxi_multistream_add(out, px_view_str(s->proposals[s->at])))
        finish(s, NULL, PX_ERR_NOMEM);
}

/* What the responder hears after the header: a proposal, which is echoed as it was spelt. */
static void proposed(struct pxi_select *s, px_view text, struct pxi_buf *out)
{
    const char *name = s->serves(s->ctx, text);
    if (!pxi_multistream_add(out, name ? text : px_view_str("na")))
        finish(s, NULL, PX_ERR_NOMEM);
    else if (name)
        finish(s, name, PX_ERR_OK);
    else if (++s->tries >= PXI_LIMIT_NET_NEGOTIATE_TRIES)
        finish(s, NULL, PX_ERR_LIMIT);
}

static void heard(struct pxi_select *s, px_view text, struct pxi_buf *out)
{
    if (!s->header) {
        if (!px_view_is(text, HEADER))
            finish(s, NULL, PX_ERR_PROTOCOL);
        else if (!s->outbound && !pxi_multistream_add(out, px_view_str(HEADER)))
            finish(s, NULL, PX_ERR_NOMEM);
        s->header = true;
    } else if (!text.n) {
        finish(s, NULL, PX_ERR_PROTOCOL);
    } else if (s->outbound) {
        answered(s, text, out);
    } else {
        proposed(s, text, out);
    }
}

/* Byte by byte until the message that is held in part is complete. */
static size_t push_part(struct pxi_select *s, px_view in, struct pxi_buf *out)
{
    size_t at = 0;
    int used = 0;
    px_view text = {0};
    while (at < in.n && used == 0) {
        if (!pxi_buf_add(&s->part, in.p + at++, 1)) {
            finish(s, NULL, PX_ERR_NOMEM);
            return at;
        }
        used = pxi_multistream_next(px_view_of(s->part.p, s->part.n), &text, NULL);
        if (!used && !s->header && !may_be_header(px_view_of(s->part.p, s->part.n)))
            used = -1;
    }
    if (used < 0)
        finish(s, NULL, PX_ERR_PROTOCOL);
    if (used <= 0)
        return at;
    heard(s, text, out);
    s->part.n = 0;
    return at;
}

size_t pxi_select_push(struct pxi_select *s, px_view in, struct pxi_buf *out)
{
    size_t at = 0;
    while (!s->done && at < in.n) {
        px_view rest = px_view_of(in.p + at, in.n - at), text;
        if (s->part.n) {
            at += push_part(s, rest, out);
            continue;
        }
        int used = pxi_multistream_next(rest, &text, NULL);
        if (used < 0 || (!used && !s->header && !may_be_header(rest))) {
            finish(s, NULL, PX_ERR_PROTOCOL);
        } else if (used > 0) {
            heard(s, text, out);
            at += (size_t)used;
        } else if (pxi_buf_add(&s->part, rest.p, rest.n)) {
            at = in.n;
        } else {
            finish(s, NULL, PX_ERR_NOMEM);
        }
    }
    return at;
}

void pxi_select_close(struct pxi_select *s)
{
    pxi_buf_deinit(&s->part);
}
