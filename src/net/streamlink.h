/*
 * A stream as a link: what a relay gives us is a stream, and a connection is to live on it. Bytes
 * of the stream are pushed up, bytes to send are pulled when the stream has room.
 */
#ifndef PXI_NET_STREAMLINK_H
#define PXI_NET_STREAMLINK_H

#include "base/timer.h"
#include "net/link.h"
#include "net/stream.h"

/* Take over a stream (its events are the link's from now on). Bytes that the stream kept are
 * pushed from the loop, once the upper side has set on. The link frees itself: after `lost`, or
 * some time after the upper side's close. NULL when memory is out; the stream is then untouched. */
struct pxi_link *pxi_streamlink_new(struct pxi_stream *s, struct pxi_timers *timers);

#endif
