#include "net/inbox.h"

#include "base/math.h"
#include "codec/varint.h"

/* The length: a byte at a time, since the message must not be read into. */
static enum pxi_inbox_state add_length(struct pxi_inbox *b, px_view bytes, size_t *used)
{
    while (!b->has_length && *used < bytes.n) {
        if (b->header_n == sizeof b->header)
            return PXI_INBOX_BAD;
        b->header[b->header_n++] = bytes.p[(*used)++];
        int n = pxi_varint_get(px_view_of(b->header, b->header_n), &b->length);
        if (n < 0 || (n > 0 && b->length > b->buf.max))
            return PXI_INBOX_BAD;
        b->has_length = n > 0;
    }
    return b->has_length && b->length == b->buf.n ? PXI_INBOX_READY : PXI_INBOX_MORE;
}

enum pxi_inbox_state pxi_inbox_add(struct pxi_inbox *b, px_view bytes, size_t *used)
{
    *used = 0;
    enum pxi_inbox_state state = add_length(b, bytes, used);
    if (state != PXI_INBOX_MORE || !b->has_length)
        return state;
    size_t n = pxi_min((size_t)b->length - b->buf.n, bytes.n - *used);
    if (!pxi_buf_add(&b->buf, bytes.p + *used, n))
        return PXI_INBOX_BAD;
    *used += n;
    return b->buf.n == b->length ? PXI_INBOX_READY : PXI_INBOX_MORE;
}

void pxi_inbox_next(struct pxi_inbox *b)
{
    b->buf.n = 0;
    b->header_n = 0;
    b->has_length = false;
}

void pxi_inbox_deinit(struct pxi_inbox *b)
{
    pxi_buf_deinit(&b->buf);
}

bool pxi_message_write(struct pxi_stream *s, const struct pxi_pb_message *m, const void *message,
                       size_t max)
{
    struct pxi_buf out = {.max = max + 10};
    bool ok = pxi_pb_encode_framed(m, message, &out) == PX_ERR_OK &&
              pxi_stream_write(s, px_view_of(out.p, out.n)) == out.n;
    pxi_buf_deinit(&out);
    return ok;
}

void pxi_stream_leave(struct pxi_stream *s)
{
    static const struct pxi_stream_events nobody;
    pxi_stream_own(s, &nobody, NULL);
    pxi_stream_end(s);
}
