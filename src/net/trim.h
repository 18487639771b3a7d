/*
 * Trimming of connections. When more than the high-water mark are open, connections are closed
 * down to the low-water mark: those without streams first, the lowest ranked and the least recently
 * used before the others. New ones have a grace period; protected ones stay. When a crowd keeps
 * its streams open, busy ones go too, but only down to the high-water mark.
 */
#ifndef PXI_NET_TRIM_H
#define PXI_NET_TRIM_H

#include "net/host.h"

/* Embedded in its owner; zeroed, then the options set, then started. */
struct pxi_trim {
    unsigned high, low; /* connections; 0: the rows TRIM_HIGH and TRIM_LOW */
    uint64_t grace_ns;  /* 0: TRIM_GRACE_MS */
    /* How much a connection is worth, higher stays longer; NULL: all the same. */
    int (*rank)(void *ctx, const struct pxi_conn *c);
    void *ctx;

    struct pxi_host *host;
    struct pxi_watch watch;
    struct pxi_timer timer;
    uint64_t closed; /* connections that were trimmed, for status */
};

void pxi_trim_start(struct pxi_trim *t, struct pxi_host *h);
void pxi_trim_stop(struct pxi_trim *t);

#endif
