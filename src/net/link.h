/*
 * A two-way pipe of bytes that somebody else moves: a TCP socket (io/tcp), a WebSocket, a relayed
 * stream, two ends in memory. The lower side pushes bytes in and pulls bytes out; the upper side
 * (net/upgrade) says when there is something to pull.
 */
#ifndef PXI_NET_LINK_H
#define PXI_NET_LINK_H

#include <stdbool.h>

#include "plexus/err.h"
#include "plexus/view.h"

struct pxi_link;

/* What the lower side does for the upper one. */
struct pxi_link_ops {
    /* There are bytes to pull: call pull soon, not from inside. Cheap when called again. */
    void (*wake)(struct pxi_link *l);
    /* Close once everything pulled so far was sent; the upper side is gone after this call. */
    void (*close)(struct pxi_link *l);
    /* Stop (false) or go on (true) pushing bytes: the upper side is full. */
    void (*want)(struct pxi_link *l, bool more);
    /* Send short bursts at once, as pxi_conn_ops.prompt. May be NULL. */
    void (*prompt)(struct pxi_link *l);
};

/* What the upper side does for the lower one. */
struct pxi_link_events {
    /* n bytes arrived; the buffer may be changed (decrypted in place). All are taken. */
    void (*push)(struct pxi_link *l, uint8_t *bytes, size_t n);
    /* Fill out with up to cap bytes to send (cap is at least 64 KiB + 1 KiB); 0: nothing now. */
    size_t (*pull)(struct pxi_link *l, uint8_t *out, size_t cap);
    /* The remote closed, or the pipe broke. The lower side frees itself after this returns. */
    void (*lost)(struct pxi_link *l, px_err why);
};

struct pxi_link {
    const struct pxi_link_ops *ops;   /* lower */
    const struct pxi_link_events *on; /* upper */
    void *user;                       /* of the upper side */
};

#endif
