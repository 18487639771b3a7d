/*
 * A thread that carries datagrams between a machine without I/O and the fixed set of peers that it
 * talks to, over the paths (io/path.h) that lead there.
 */
#ifndef PXI_IO_EXCHANGE_H
#define PXI_IO_EXCHANGE_H

#include "io/paths.h"

/* The machine. All are called on the thread, with nanoseconds of a monotonic clock. */
struct pxi_exchange_ops {
    /* What needs no datagram. */
    void (*turn)(void *ctx, uint64_t now_ns);
    /* The next datagram for a peer, borrowed until all peers were asked; empty: none now. */
    px_view (*pull)(void *ctx, unsigned to, uint64_t now_ns);
    /* One that came from a peer; others are not shown. */
    void (*take)(void *ctx, unsigned from, px_view datagram, uint64_t now_ns);
    /* When to turn though nothing came; UINT64_MAX: never. */
    uint64_t (*deadline)(void *ctx);
};

/* What it has cost, over all paths, as in pxi_path_counts. wakeups: times the thread slept and was
 * woken. bytes: of the datagrams of the machine that were sent. */
struct pxi_exchange_counts {
    uint64_t sent, received, strangers, sends, receives, wakes, copied, wakeups, bytes;
};

struct pxi_exchange;

/* Open the paths and start the thread. Of the options `bell` is the exchange's own matter, and the
 * peers are copied. PX_ERR_IO with errno set, PX_ERR_PERMISSION, PX_ERR_NOMEM. */
px_err pxi_exchange_open(const struct pxi_paths_options *o, const struct pxi_exchange_ops *ops,
                         void *ctx, struct pxi_exchange **out);
/* Hear what is sent to this IPv4 multicast address, too. PX_ERR_INVALID, PX_ERR_IO with errno. */
px_err pxi_exchange_join(struct pxi_exchange *x, const char *group);

/* Wait until no datagram has come for quiet_ms, most_ms at most: others may still ask. */
void pxi_exchange_linger(struct pxi_exchange *x, unsigned quiet_ms, unsigned most_ms);
/* End the thread. NULL is allowed. */
void pxi_exchange_close(struct pxi_exchange *x);

/* Run `begin` on the thread and wait until it answers an error or `done` says so, which is asked
 * after every turn. One caller at a time. */
px_err pxi_exchange_run(struct pxi_exchange *x, px_err (*begin)(void *ctx, void *arg),
                        bool (*done)(void *ctx), void *arg);

/* As of the last turn. */
struct pxi_exchange_counts pxi_exchange_counts(struct pxi_exchange *x);
/* Which paths are taken and why; on the thread, or when no operation runs. */
struct pxi_paths_report pxi_exchange_paths(struct pxi_exchange *x);
/* Where the socket is bound. */
struct pxi_udp_addr pxi_exchange_local(const struct pxi_exchange *x);

#endif
