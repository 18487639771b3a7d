#include "net/message.h"

#include "codec/varint.h"

bool pxi_message_write(struct pxi_stream *s, const struct pxi_pb_message *m, const void *message,
                       size_t max)
{
    struct pxi_buf out = {.max = max + PXI_VARINT_MAX};
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
