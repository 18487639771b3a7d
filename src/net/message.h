/* Messages of table-driven protobuf on streams: to write one behind its length, and to be done. */
#ifndef PXI_NET_MESSAGE_H
#define PXI_NET_MESSAGE_H

#include "codec/pb.h"
#include "net/frame.h"
#include "net/stream.h"

/* Encode a message behind its length and write it to a stream; false when it is longer than max or
 * the stream did not take all of it: then the stream is of no more use. */
bool pxi_message_write(struct pxi_stream *s, const struct pxi_pb_message *m, const void *message,
                       size_t max);

/* We are done with a stream: end our side and hear nothing more of it. */
void pxi_stream_leave(struct pxi_stream *s);

#endif
