/*
 * One stream of a connection, whatever multiplexes it (yamux, QUIC, the simulator). A multiplexer
 * embeds struct pxi_stream, implements its operations, and calls the pxi_stream_on_* functions
 * below as bytes arrive; those agree on a protocol first (multistream-select, net/negotiate.c) and
 * then pass everything to the protocol that owns the stream.
 *
 * Rules for owners. No event is delivered from inside a call of a pxi_stream_* operation. After
 * `closed`, and after one's own pxi_stream_reset, the stream must not be touched again.
 */
#ifndef PXI_NET_STREAM_H
#define PXI_NET_STREAM_H

#include <stdbool.h>

#include "base/list.h"
#include "crypto/gaps.h"
#include "plexus/err.h"
#include "plexus/view.h"

struct pxi_conn;
struct pxi_stream;

/* What the owner hears. Any of them may be NULL. */
struct pxi_stream_events {
    /* The protocol is agreed (outbound streams only; writing before it is allowed and is sent in
     * the first flight when one protocol was proposed). */
    void (*opened)(struct pxi_stream *s);
    /* Bytes arrived. Returns how many were taken; the rest is kept by the multiplexer and offered
     * again, with what follows it, after pxi_stream_resume. NULL takes and drops everything. */
    size_t (*data)(struct pxi_stream *s, px_view bytes);
    /* The remote ended its side and all of its data was taken. */
    void (*ended)(struct pxi_stream *s);
    /* There is room again after a write that was cut short. */
    void (*writable)(struct pxi_stream *s);
    /* Both sides ended (PX_ERR_OK), or the stream was reset, refused (PX_ERR_UNSUPPORTED: no common
     * protocol) or lost with its connection. The last event. */
    void (*closed)(struct pxi_stream *s, px_err why);
};

/* What a multiplexer does for a stream. */
struct pxi_stream_ops {
    size_t (*write)(struct pxi_stream *s, px_view bytes); /* how many were queued */
    size_t (*room)(struct pxi_stream *s);                 /* how many could be queued now */
    void (*end)(struct pxi_stream *s);                    /* half-close after what is queued */
    void (*reset)(struct pxi_stream *s);                  /* abandon both directions, free later */
    void (*resume)(struct pxi_stream *s);                 /* deliver kept bytes soon (not inside) */
    size_t (*lend)(struct pxi_stream *s, px_view bytes); /* as write, without a copy; may be NULL */
    void (*recall)(struct pxi_stream *s);                /* no byte is lent after it; with lend */
};

struct pxi_stream {
    const struct pxi_stream_ops *ops;
    const struct pxi_stream_events *on; /* of the protocol that owns the stream */
    void *user;                         /* of the same */
    struct pxi_conn *conn;
    struct pxi_list link;           /* in conn->streams */
    const char *protocol;           /* agreed; NULL before. Lives as long as the host */
    struct pxi_negotiation *neg;    /* while a protocol is being agreed on */
    struct pxi_scope_stream *scope; /* what the stream counts against (net/limits) */
    struct pxi_landing land;        /* n > 0: where bytes that come are used */
    uint64_t copied;                /* of the bytes that were lent, those copied all the same */
    bool outbound;
    bool write_short; /* a write was cut short: the owner waits for `writable` */
    bool ended_local, ended_remote;
    bool end_held; /* the owner ended while a protocol was being agreed on */
    bool gone;     /* closed or reset: the owner hears nothing more */
};

/* Queue bytes; returns how many were taken. Fewer than asked: wait for `writable`. */
size_t pxi_stream_write(struct pxi_stream *s, px_view bytes);
/* Queue bytes without copying them: yamux has them sealed from where they lie. They must stay as
 * they are until they were sent; who needs their memory before (to change or to free it) recalls
 * them. After pxi_stream_reset and `closed` nothing is lent any more. A multiplexer that cannot
 * borrow copies. Returns how many were taken, as pxi_stream_write. */
size_t pxi_stream_lend(struct pxi_stream *s, px_view bytes);
/* Have the stream copy what was lent and is not sent yet. Without memory the stream is lost:
 * `closed` follows, later. Harmless when nothing is lent. */
void pxi_stream_recall(struct pxi_stream *s);
/*
 * Bytes that come after the next `lead` ones of this stream, which go elsewhere, are used at p, n
 * of them: whoever decrypts may put them there at once, and also bytes that turn out to be
 * something else, so what belongs there is taken with memmove. `data` tells as always where the
 * bytes are. p stays the owner's; it must live until the loop is reached again after it was taken
 * back (n == 0). Another owner and the end take it back.
 */
void pxi_stream_land(struct pxi_stream *s, size_t lead, void *p, size_t n);
/* Bytes that a write would take now. */
size_t pxi_stream_room(struct pxi_stream *s);
/* End our side after what is queued. */
void pxi_stream_end(struct pxi_stream *s);
/* Abandon both directions. The owner hears nothing more, not even `closed`. */
void pxi_stream_reset(struct pxi_stream *s);
/* Ask for the bytes that `data` did not take. */
void pxi_stream_resume(struct pxi_stream *s);
/* Hand the stream to another owner (before returning to the loop, data events follow it). */
void pxi_stream_own(struct pxi_stream *s, const struct pxi_stream_events *on, void *user);

/* ------------------------------------------------------ for multiplexers */

/* Begin a stream that the multiplexer has just made: fields are set, protocol is negotiated. */
void pxi_stream_init(struct pxi_stream *s, const struct pxi_stream_ops *ops, struct pxi_conn *conn,
                     bool outbound);
/* Bytes arrived, in order; returns how many were taken. */
size_t pxi_stream_on_data(struct pxi_stream *s, px_view bytes);
/* The remote ended and everything was taken. */
void pxi_stream_on_end(struct pxi_stream *s);
/* Room in the send queue. */
void pxi_stream_on_writable(struct pxi_stream *s);
/* The stream is over; the multiplexer frees it after this returns. Also takes it off the list. */
void pxi_stream_on_closed(struct pxi_stream *s, px_err why);

#endif
