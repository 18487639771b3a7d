/*
 * Ranges of a file on a web server, fetched by a thread over several connections (net/range is each
 * one's machine). The thread asks its owner what to fetch whenever a connection has nothing to do.
 */
#ifndef PXI_IO_FETCH_H
#define PXI_IO_FETCH_H

#include "net/range.h"

struct pxi_fetch;

/* A range that is wanted; the owner's until `done` has been told. */
struct pxi_fetch_job {
    uint64_t at, n, got;
    uint8_t *to;
    px_err err;
    px_diag diag;
};

struct pxi_fetch_ops {
    /* The next range, or NULL. On the thread, as is the other. */
    struct pxi_fetch_job *(*next)(void *ctx);
    void (*done)(void *ctx, struct pxi_fetch_job *job, const struct pxi_range_file *file);
};

enum { PXI_FETCH_CONNECTIONS = 16 };

/* timeout_ms 0: 10,000. The thread starts when it is woken first. PX_ERR_NOMEM, PX_ERR_IO. */
px_err pxi_fetch_open(const struct pxi_url *url, uint32_t timeout_ms,
                      const struct pxi_fetch_ops *ops, void *ctx, struct pxi_fetch **out);
/* What is known of the file: after the first job was done, this stays. */
const struct pxi_range_file *pxi_fetch_file(const struct pxi_fetch *f);
/* There is more to fetch. PX_ERR_IO: no thread can be had. One thread calls this at a time. */
px_err pxi_fetch_wake(struct pxi_fetch *f);
/* This is a child: its parent's thread and connections are not its own. What was under way will not
 * be told of. */
void pxi_fetch_forked(struct pxi_fetch *f);
/* Waits for the thread; `done` is not called any more. NULL is allowed. */
void pxi_fetch_close(struct pxi_fetch *f);

#endif
