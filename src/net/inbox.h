/*
 * Collects one message behind its length as a varint, the framing of nearly every libp2p protocol,
 * from a stream that delivers it in any pieces. What follows the message is left alone, because
 * after some messages the stream is a pipe for something else.
 */
#ifndef PXI_NET_INBOX_H
#define PXI_NET_INBOX_H

#include "base/mem.h"
#include "codec/pb.h"
#include "net/stream.h"

enum pxi_inbox_state {
    PXI_INBOX_MORE,  /* not all there yet */
    PXI_INBOX_READY, /* pxi_inbox_message has it */
    PXI_INBOX_BAD,   /* malformed length, or longer than the maximum, or memory is out */
};

/* Zeroed with buf.max set (the longest message) is ready for use. */
struct pxi_inbox {
    struct pxi_buf buf; /* grows with the bytes that came, not with the length announced */
    uint8_t header[8];
    uint8_t header_n;
    bool has_length;
    uint64_t length;
};

/* Take bytes up to the end of the message; *used says how many. */
enum pxi_inbox_state pxi_inbox_add(struct pxi_inbox *b, px_view bytes, size_t *used);
/* The message, until the next call; only after READY. */
static inline px_view pxi_inbox_message(const struct pxi_inbox *b)
{
    return px_view_of(b->buf.p, b->buf.n);
}
/* Forget the message and wait for the next. */
void pxi_inbox_next(struct pxi_inbox *b);
void pxi_inbox_deinit(struct pxi_inbox *b);

/* Encode a message behind its length and write it to a stream; false when it does not fit max or
 * the stream did not take all of it: then the stream is of no more use. */
bool pxi_message_write(struct pxi_stream *s, const struct pxi_pb_message *m, const void *message,
                       size_t max);
/* We are done with a stream: end our side and hear nothing more of it. */
void pxi_stream_leave(struct pxi_stream *s);

#endif
