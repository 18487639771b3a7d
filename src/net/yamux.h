/*
 * The multiplexer yamux (/yamux/1.0.0, libp2p yamux specification): one connection made of frames
 * of 12 bytes and data, many streams. The session is a struct pxi_conn; below it is whatever moves
 * plaintext: bytes are pushed in, and filled into a buffer when there is room for them.
 *
 * Fair: streams with something to send take turns. Bounded: what a stream or the session may hold
 * has a limit even if the remote never reads. Receive windows grow while the round trip, not the
 * owner, is what slows a stream down.
 */
#ifndef PXI_NET_YAMUX_H
#define PXI_NET_YAMUX_H

#include "base/timer.h"
#include "crypto/random.h"
#include "net/conn.h"
#include "net/fault.h"

#define PXI_YAMUX_ID "/yamux/1.0.0"

struct pxi_yamux;

/* What the session asks of what is below. */
struct pxi_yamux_below {
    /* There is something to fill; not from inside. Cheap when called again. */
    void (*wake)(void *below);
    /* The session said its last word, or nobody would hear it; pxi_yamux_free follows now or later.
     * Comes from the loop, once, after pxi_conn_on_closed. Not after pxi_yamux_lost. */
    void (*over)(void *below);
    /* As pxi_conn_ops.prompt. May be NULL. */
    void (*prompt)(void *below);
};

struct pxi_yamux_options {
    const struct pxi_yamux_below *below;
    void *ctx;
    struct pxi_timers *timers;
    struct pxi_random *random;
    struct pxi_faults *faults; /* NULL: not counted */
    bool outbound;             /* we dialled: our streams have odd numbers */
};

/* A session whose conn has only what the multiplexer knows; the carrier fills in the rest before
 * anybody sees it. NULL when memory is out. */
struct pxi_yamux *pxi_yamux_new(const struct pxi_yamux_options *o);
/* Borrowed. */
struct pxi_conn *pxi_yamux_conn(struct pxi_yamux *y);
/* The session of such a conn. */
struct pxi_yamux *pxi_yamux_of(struct pxi_conn *c);
/* Plaintext arrived. Malformed frames end the session with a go-away and a counted fault. */
void pxi_yamux_push(struct pxi_yamux *y, const uint8_t *bytes, size_t n);
/* Fill out with whole frames; returns the bytes written, 0 when there is nothing to send. cap is
 * at least 1 KiB. Lent bytes are left out: they lie in the gaps, and are read before anything else
 * is asked of the session. gaps is NULL: they are copied. */
size_t pxi_yamux_fill(struct pxi_yamux *y, uint8_t *out, size_t cap, struct pxi_gaps *gaps);
/* Where the bytes that are pushed next are likely to be used. n == 0: nobody knows. */
struct pxi_landing pxi_yamux_landing(const struct pxi_yamux *y);
/* What is below broke, or the remote closed it. Streams and the conn hear of it inside. Then only
 * pxi_yamux_free may follow. */
void pxi_yamux_lost(struct pxi_yamux *y, px_err why);
/* Free; streams that are left and the conn hear of it. */
void pxi_yamux_free(struct pxi_yamux *y);

#endif
